//! Who is on call now.

use crate::person::Person;
use crate::store::Store;

/// Somebody who is on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// Shown.
    pub name: String,
    pub person: Option<Person>,
    pub group: Option<String>,
}

/// All rotations, by name.
#[derive(Debug, Default)]
pub struct OnCall {}

impl OnCall {
    /// Who is on call by these rotations.
    pub async fn now(&self, _store: &Store, _rotations: &[String]) -> Vec<Called> {
        Vec::new()
    }
}
