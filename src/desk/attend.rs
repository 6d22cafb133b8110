//! The desk's tasks: wake who waits when the ledger says that something was decided, expire what is due,
//! erase what has been kept long enough.

use super::{Desk, Outcome, Release, release};
use crate::audit::{EventKind, Row};
use crate::hold::{HoldId, HoldState};
use crate::metrics::Decision;
use crate::store::StoreError;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval};

impl Desk {
    pub(super) fn attend(self: &Arc<Self>) {
        let (outcomes, finished) = mpsc::channel(self.settings.held_exchanges_max.max(1));
        *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcomes);
        self.recorder.spawn(release::record(self.store.clone(), finished));
        self.tasks.spawn(Arc::clone(self).wake(self.subscribe()));
        self.tasks.spawn(Arc::clone(self).sweep());
    }

    async fn wake(self: Arc<Self>, mut rows: broadcast::Receiver<Arc<Row>>) {
        loop {
            // Both branches are cancel-safe.
            let row = tokio::select! {
                () = self.stop.cancelled() => break,
                row = rows.recv() => row,
            };
            match row {
                Ok(row) => self.heed(&row),
                Err(RecvError::Lagged(_)) => {
                    for id in self.seats.all() {
                        self.spawn_settle(id);
                    }
                }
                Err(RecvError::Closed) => break,
            }
        }
    }

    fn heed(self: &Arc<Self>, row: &Row) {
        let decision = match row.event.event {
            EventKind::HoldApproved => "approved",
            EventKind::HoldDenied => "denied",
            EventKind::HoldExpired => "expired",
            EventKind::HoldWithdrawn => "withdrawn",
            EventKind::HoldReleased => "",
            _ => return,
        };
        if !decision.is_empty() {
            self.metrics.decisions.get_or_create(&Decision { decision }).inc();
        }
        if let Some(ms) = row.event.detail.get("waited_ms").and_then(serde_json::Value::as_u64) {
            self.metrics.decision_seconds.0.observe(Duration::from_millis(ms).as_secs_f64());
        }
        let id = row.event.subject.as_deref().and_then(|subject| subject.parse().ok());
        if let Some(id) = id.filter(|id| self.seats.has(id)) {
            self.spawn_settle(id);
        }
    }

    fn spawn_settle(self: &Arc<Self>, id: HoldId) {
        let desk = Arc::clone(self);
        // Own tasks: many decisions at once share their commits.
        self.tasks.spawn(async move {
            if let Err(error) = desk.settle(&id).await {
                tracing::error!(error = &error as &dyn std::error::Error, hold = %id, "who waits could not be told");
            }
        });
    }

    /// Tells those who wait with a hold how it stands now.
    async fn settle(&self, id: &HoldId) -> Result<(), StoreError> {
        let Some((state, reason)) = self.store.standing(id).await? else { return Ok(()) };
        match state {
            HoldState::Pending => {}
            HoldState::Approved => self.claim(id).await,
            // Spent on another connection: the newest one, or one that came back.
            HoldState::Released => self.seats.tell_unless_claiming(id, || Outcome::Superseded),
            HoldState::Denied => self.seats.tell(id, || Outcome::Denied { reason: reason.clone() }),
            HoldState::Expired => self.seats.tell(id, || Outcome::Expired),
            HoldState::Withdrawn => self.seats.tell(id, || Outcome::Withdrawn),
        }
        Ok(())
    }

    /// Spends the approval on the newest connection that waits. The right to send exists only when the
    /// release is committed; who has it may send.
    async fn claim(&self, id: &HoldId) {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(outcomes) = outcomes else { return };
        let Ok(outcome) = outcomes.reserve_owned().await else { return };
        if !self.seats.begin_claim(id) {
            return;
        }
        match self.store.claim(id).await {
            Ok(true) => self.seats.hand(Release::new(id.clone(), outcome)),
            // Spent, expired or withdrawn since: the row that says so settles it.
            Ok(false) => {
                self.seats.end_claim(id);
                if let Ok(Some((HoldState::Released, _))) = self.store.standing(id).await {
                    self.seats.tell(id, || Outcome::Superseded);
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, hold = %id, "the release could not be recorded");
                self.seats.tell(id, || Outcome::Unrecorded);
            }
        }
    }

    async fn sweep(self: Arc<Self>) {
        let mut tick = interval(SWEEP_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut erase_at = Instant::now();
        loop {
            // Both branches are cancel-safe.
            tokio::select! {
                () = self.stop.cancelled() => break,
                _ = tick.tick() => {}
            }
            let swept = self.sweep_once(Instant::now() >= erase_at).await;
            match swept {
                Ok(erased) if erased => erase_at = Instant::now() + ERASE_EVERY,
                Ok(_) => {}
                // The writer has logged what it could not write; the next round tries again.
                Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "nothing was swept"),
            }
        }
    }

    /// One round. True: also erased.
    async fn sweep_once(&self, erase: bool) -> Result<bool, StoreError> {
        let (due, pending) = self.store.due().await?;
        self.metrics.holds_pending.set(pending);
        if due {
            self.store.expire().await?;
        }
        if erase {
            self.store.erase(self.settings.keep_body).await?;
        }
        Ok(erase)
    }
}

const SWEEP_EVERY: Duration = Duration::from_millis(100);
const ERASE_EVERY: Duration = Duration::from_mins(1);
