//! Follows the end of the ledger, whichever process writes it, and tells the rest of this one.

use super::audit;
use crate::audit::Row;
use sqlx::SqlitePool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub(crate) struct Tail {
    pub(crate) readers: SqlitePool,
    /// Rung by the writer of this process after each commit; other processes are found by looking.
    pub(crate) committed: Arc<Notify>,
    pub(crate) rows: broadcast::Sender<Arc<Row>>,
    /// The last row that was told.
    pub(crate) seq: i64,
}

impl Tail {
    pub(crate) async fn follow(mut self, stop: CancellationToken) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            // All branches are cancel-safe.
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.committed.notified() => {}
                _ = look.tick() => {}
            }
            match self.tell().await {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(error = &error as &dyn std::error::Error, "the ledger cannot be read");
                }
                Err(_) => {}
            }
        }
    }

    async fn tell(&mut self) -> Result<(), super::StoreError> {
        loop {
            let rows = audit::after(&self.readers, self.seq, PAGE).await?;
            let whole = rows.len() == PAGE as usize;
            for row in rows {
                self.seq = row.seq;
                // An error says that nobody listens now.
                let _ = self.rows.send(Arc::new(row));
            }
            if !whole {
                return Ok(());
            }
        }
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(100);
const PAGE: u32 = 500;
