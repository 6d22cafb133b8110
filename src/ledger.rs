//! The ledger: the audit rows, read, exported and verified.

use crate::audit::{Event, EventKind, Row};
use crate::store::{Store, StoreError};
use jiff::Timestamp;

/// Which rows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub after_seq: i64,
    pub event: Option<EventKind>,
    /// A hold, agent or rule set.
    pub subject: Option<String>,
    pub actor: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// At most so many; zero: all.
    pub limit: u32,
}

/// The ledger, for reading.
#[derive(Debug, Clone)]
pub struct Ledger {}

/// What verification found.
#[derive(Debug)]
pub enum Verified {
    /// All rows, and every closed traffic segment that is still there, are as they were written.
    Sound { rows: u64, last_hash: String, segments: u64 },
    /// The first row or segment that is not.
    Broken { at: String, why: String },
}

impl Ledger {
    pub fn new(store: &Store) -> Self {
        let _ = store;
        todo!("store helper")
    }

    /// Appends an event that is no part of another change (`rules.loaded`, `traffic.segment`, …). Its time
    /// is replaced by the database's.
    ///
    /// # Errors
    /// The store: the event is not in the ledger.
    pub async fn append(&self, event: Event) -> Result<Row, StoreError> {
        let _ = event;
        todo!("store helper")
    }

    /// Rows in order of `seq`.
    ///
    /// # Errors
    /// The store.
    pub async fn rows(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        let _ = filter;
        todo!("store helper")
    }

    /// Recomputes the chain from the stored bytes.
    ///
    /// # Errors
    /// The store.
    pub async fn verify(&self) -> Result<Verified, StoreError> {
        todo!("store helper")
    }
}
