//! Follows the ledger, and writes what its rows lead to.

use super::{CURSOR, Parts, expand};
use crate::store::{LedgerFilter, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(super) struct Follower {
    store: Store,
    parts: Arc<Parts>,
    wake: Arc<Notify>,
    /// The last row that was read.
    seq: i64,
    /// Where the cursor stands in the database: behind `seq` by rows that nobody is to hear of.
    kept: i64,
}

impl Follower {
    pub(super) fn new(store: &Store, parts: Arc<Parts>, wake: Arc<Notify>, seq: i64) -> Self {
        Self { store: store.clone(), parts, wake, seq, kept: seq }
    }

    pub(super) async fn follow(mut self, stop: CancellationToken) {
        // Subscribed before the first look: nothing falls between the two.
        let mut rows = self.store.subscribe();
        let mut failing = false;
        loop {
            match self.read().await {
                Ok(()) => failing = false,
                Err(error) => {
                    if !failing {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "nobody can be told for now"
                        );
                    }
                    failing = true;
                }
            }
            // All branches are cancel-safe. A row is a reason to look, and so is one that was missed.
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(RETRY_AFTER), if failing => {}
                row = rows.recv(), if !failing => {
                    if matches!(row, Err(RecvError::Closed)) {
                        break;
                    }
                    while rows.try_recv().is_ok() {}
                }
            }
        }
        if self.kept < self.seq
            && let Err(error) = self.store.expand(CURSOR, self.kept, self.seq, Vec::new()).await
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "the next start reads some rows again");
        }
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        loop {
            let filter = LedgerFilter { after_seq: self.seq, limit: PAGE, ..LedgerFilter::default() };
            let rows = self.store.ledger_rows(&filter).await?;
            let Some(last) = rows.last().map(|row| row.seq) else { return Ok(()) };
            let entries = expand::entries(&self.store, &self.parts, &rows).await?;
            if entries.is_empty() && last - self.kept < LAZY_ROWS {
                self.seq = last;
            } else if self.store.expand(CURSOR, self.kept, last, entries).await? {
                (self.seq, self.kept) = (last, last);
                self.wake.notify_one();
            } else {
                // Another process has moved it, and written what the rows lead to.
                self.kept = self.store.begin_cursor(CURSOR).await?;
                self.seq = self.kept;
            }
            if rows.len() < PAGE as usize {
                return Ok(());
            }
        }
    }
}

const PAGE: u32 = 200;
/// Rows that nobody hears of move the cursor only so often: a write for each would be waste.
const LAZY_ROWS: i64 = 1000;
const RETRY_AFTER: Duration = Duration::from_secs(1);
