//! The right to send a held request once, and the record of what became of it.

use crate::hold::{HoldId, ReleaseOutcome};
use crate::store::{Finished, Store};
use tokio::sync::mpsc;

/// The right to send the held request, once. Its existence means that `hold.released` is committed.
/// Dropped without [`Release::answered`], it records `ambiguous`.
#[derive(Debug)]
pub struct Release {
    id: HoldId,
    /// Where the outcome goes: reserved before the release, so that a drop never waits.
    outcome: Option<mpsc::OwnedPermit<Finished>>,
    /// Given to a caller that may send.
    handed_over: bool,
    body_sha256: Option<String>,
}

impl Release {
    pub(super) fn new(id: HoldId, outcome: mpsc::OwnedPermit<Finished>) -> Self {
        Self { id, outcome: Some(outcome), handed_over: false, body_sha256: None }
    }

    /// From here on a byte may leave.
    pub(super) fn hand_over(&mut self) {
        self.handed_over = true;
    }

    /// Says what will be sent, by its SHA-256: the record of the outcome has it.
    #[must_use]
    pub fn sending(mut self, body_sha256: String) -> Self {
        self.body_sha256 = Some(body_sha256);
        self
    }

    pub fn id(&self) -> &HoldId {
        &self.id
    }

    /// The origin answered: recorded in the background; a failure to record is logged and leaves
    /// the hold `released` without outcome, which start-up turns into ambiguous.
    pub fn answered(mut self, status: u16) {
        self.finish(ReleaseOutcome::Answered { status }, None);
    }

    fn finish(&mut self, outcome: ReleaseOutcome, detail: Option<&'static str>) {
        if let Some(permit) = self.outcome.take() {
            let body_sha256 = self.body_sha256.take();
            permit.send(Finished { id: self.id.clone(), outcome, detail, body_sha256 });
        }
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        let why = if self.handed_over { "no answer came" } else { "not sent: client gone" };
        self.finish(ReleaseOutcome::Ambiguous, Some(why));
    }
}

/// Writes outcomes, many in one transaction, until every sender and every permit has gone.
pub(super) async fn record(store: Store, mut finished: mpsc::Receiver<Finished>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while finished.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let ids: Vec<String> = batch.iter().map(|one| one.id.to_string()).collect();
        if let Err(error) = store.finish(std::mem::take(&mut batch)).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                holds = ids.join(" "),
                "outcomes of releases could not be recorded; the next start records them as ambiguous"
            );
        }
    }
}

const BATCH_MAX: usize = 256;
