//! Who is who on the agents' side: enrolment, and the lookup that every connection makes.

use crate::agent::Agent;
use crate::person::Person;
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// An agent that has shown its credentials, for the life of a connection.
#[derive(Debug, Clone)]
pub struct Known {
    pub agent: Arc<Agent>,
    /// Cancelled when the agent is revoked or its token rotated: the connection must close.
    pub revoked: CancellationToken,
}

/// The agents. Lookups read a snapshot in memory, which follows the database within 200 ms, whichever process
/// changed it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Agents {}

/// An agent as listed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Enrolled {
    #[serde(flatten)]
    pub agent: Agent,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// Holds of it that wait for a decision.
    pub pending: u32,
}

impl Agents {
    /// Reads the agents, and starts the task that follows changes until [`Store::close`].
    ///
    /// # Errors
    /// The store.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        let _ = store;
        todo!("store helper")
    }

    /// Enrols an agent. Returns its token (`hpa_…`), which is shown once and stored as a hash only.
    ///
    /// # Errors
    /// The name is no name, or is or was in use; the store.
    pub async fn add(
        &self,
        name: &str,
        owners: &[Person],
        labels: &BTreeMap<String, String>,
    ) -> Result<String, StoreError> {
        let _ = (name, owners, labels);
        todo!("store helper")
    }

    /// All that ever were, by name; `local` is among them.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self) -> Result<Vec<Enrolled>, StoreError> {
        todo!("store helper")
    }

    /// Replaces the token; connections that used the old one close. `None`: there is no such agent, it was
    /// revoked, or it is `local`.
    ///
    /// # Errors
    /// The store.
    pub async fn rotate(&self, name: &str) -> Result<Option<String>, StoreError> {
        let _ = name;
        todo!("store helper")
    }

    /// Ends an agent for ever: its connections close, its open holds are withdrawn. False: there is no such
    /// agent, it was revoked before, or it is `local`.
    ///
    /// # Errors
    /// The store.
    pub async fn revoke(&self, name: &str) -> Result<bool, StoreError> {
        let _ = name;
        todo!("store helper")
    }

    /// Checks `Proxy-Authorization: Basic` user and password. Constant time in the token; synchronous, no I/O.
    pub fn authenticate(&self, name: &str, token: &str) -> Option<Known> {
        let _ = (name, token);
        todo!("store helper")
    }

    /// The agent `local`, for requests without credentials on a loopback-only listener.
    pub fn local(&self) -> Known {
        todo!("store helper")
    }
}
