//! Who is who on the agents' side: enrolment, and the lookup that every connection makes.

use crate::agent::Agent;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// An agent that has shown its credentials, for the life of a connection.
#[derive(Debug, Clone)]
pub struct Known {
    pub agent: Arc<Agent>,
    /// Cancelled when the agent is revoked or its token rotated: the connection must close.
    pub revoked: CancellationToken,
}

/// A snapshot of all agents, refreshed when the database changes (also by another process).
#[derive(Debug)]
pub struct Agents {}

impl Agents {
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
