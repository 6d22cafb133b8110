//! What messages are made of, as `protoc --include_imports --descriptor_set_out` writes it down.

use crate::digest::sha256_hex;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use std::fmt;

/// The descriptors of all services that somebody described. None: every message stays closed.
#[derive(Clone, Default)]
pub struct Descriptors {
    pool: DescriptorPool,
    digest: String,
}

/// Why a file is no descriptor set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorsError {
    #[error("it is no descriptor set: {0}")]
    Broken(String),
    #[error("it describes nothing")]
    Empty,
}

impl Descriptors {
    /// Takes in one descriptor set. Files that several sets have in common (imports) must be the same in all of them.
    ///
    /// # Errors
    /// It cannot be read, is not whole (`--include_imports`), or contradicts what is there.
    pub fn add(&mut self, set: &[u8]) -> Result<(), DescriptorsError> {
        if set.is_empty() {
            return Err(DescriptorsError::Empty);
        }
        self.pool
            .decode_file_descriptor_set(set)
            .map_err(|error| DescriptorsError::Broken(error.to_string()))?;
        self.digest = sha256_hex(format!("{}{}", self.digest, sha256_hex(set)).as_bytes());
        Ok(())
    }

    /// How many services are described.
    pub fn services(&self) -> usize {
        self.pool.services().len()
    }

    /// By the names in a path, letter by letter, as servers take them.
    pub(super) fn method(&self, service: &str, method: &str) -> Option<MethodDescriptor> {
        let service = self.pool.get_service_by_name(service)?;
        service.methods().find(|known| known.name() == method)
    }
}

/// Its digest: what changes it changes the digest of the rule set.
impl fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Descriptors").field(&self.digest).finish()
    }
}
