//! The ledger: the audit rows, read, appended to and verified.

pub use crate::store::{LedgerFilter as Filter, Verified};

use crate::audit::{Event, Row};
use crate::store::{Store, StoreError};

/// The ledger. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    store: Store,
}

impl Ledger {
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone() }
    }

    /// Appends an event that is no part of another change (`rules.loaded`, `traffic.segment`, …). Its time
    /// is replaced by the database's.
    ///
    /// # Errors
    /// The store: the event is not in the ledger.
    pub async fn append(&self, event: Event) -> Result<Row, StoreError> {
        self.store.append(event).await
    }

    /// Rows in order of `seq`.
    ///
    /// # Errors
    /// The store.
    pub async fn rows(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        self.store.ledger_rows(filter).await
    }

    /// Recomputes the chain from the stored bytes, compares the columns with them, and the closed traffic
    /// segments that are still there with their digests. Rows cut off at the end show only beside a
    /// `last_hash` that was noted before.
    ///
    /// # Errors
    /// The store.
    pub async fn verify(&self) -> Result<Verified, StoreError> {
        self.store.verify().await
    }
}
