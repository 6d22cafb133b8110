//! Agents: the principals that send requests.

use crate::person::Person;
use serde::Serialize;
use std::collections::BTreeMap;

/// The agent that requests without credentials belong to on a loopback-only listener.
pub const LOCAL_AGENT: &str = "local";

/// One agent, as enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// Database key; never reused, so that a record names one agent for ever.
    pub id: i64,
    pub name: String,
    /// The people it acts for. They can never approve its calls; nobody known means two people are needed.
    pub owners: Vec<Person>,
    pub labels: BTreeMap<String, String>,
}
