//! The desk's tasks: wake who waits when the ledger says that something was decided, expire what is due,
//! erase what has been kept long enough.

use super::{Desk, Outcome, Release, release};
use crate::audit::{EventKind, Row};
use crate::hold::{HoldId, HoldState};
use crate::metrics::{Decision, Voted};
use crate::store::{QUICK, StoreError};
use std::slice;
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
        let mut behind = false;
        loop {
            // All branches are cancel-safe.
            let row = tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(RETRY_AFTER), if behind => Err(RecvError::Lagged(0)),
                row = rows.recv() => row,
            };
            match row {
                Ok(row) => self.heed(&row),
                Err(RecvError::Lagged(_)) => behind = true,
                Err(RecvError::Closed) => break,
            }
            if behind {
                match self.store.decided(&self.seats.all()).await {
                    Ok(decided) => {
                        decided
                            .into_iter()
                            .for_each(|(id, state, reason)| self.settle(id, state, reason.as_deref()));
                        behind = false;
                    }
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "who waits could not be told yet"
                        );
                    }
                }
            }
        }
    }

    fn heed(self: &Arc<Self>, row: &Row) {
        let state = match row.event.event {
            EventKind::HoldApproved => HoldState::Approved,
            EventKind::HoldDenied => HoldState::Denied,
            EventKind::HoldExpired => HoldState::Expired,
            EventKind::HoldWithdrawn => HoldState::Withdrawn,
            EventKind::HoldReleased => HoldState::Released,
            other => return self.count(other, row),
        };
        let detail = |key: &str| row.event.detail.get(key);
        if state != HoldState::Released {
            self.metrics.decisions.get_or_create(&Decision { decision: state.as_str() }).inc();
        }
        if let Some(ms) = detail("waited_ms").and_then(serde_json::Value::as_u64) {
            if u128::from(ms) < QUICK.as_millis() {
                self.metrics.quick_decisions.inc();
            }
            self.metrics.decision_seconds.0.observe(Duration::from_millis(ms).as_secs_f64());
        }
        let id = row.event.subject.as_deref().and_then(|subject| subject.parse().ok());
        if let Some(id) = id.filter(|id| self.seats.has(id)) {
            let reason = detail("reason").and_then(|reason| reason.as_str()).map(str::to_owned);
            self.settle(id, state, reason.as_deref());
        }
    }

    /// What is only counted.
    fn count(&self, event: EventKind, row: &Row) {
        let text = |key: &str| row.event.detail.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        let counter = match event {
            EventKind::HoldVoted => {
                let Some((channel, choice)) = text("channel").zip(text("vote")) else { return };
                &self.metrics.votes.get_or_create_owned(&Voted { channel, choice })
            }
            EventKind::GrantCreated => &self.metrics.grants_made,
            EventKind::GrantUsed => &self.metrics.grants_used,
            EventKind::AgentFlooding => &self.metrics.floods,
            _ => return,
        };
        counter.inc();
    }

    /// Tells those who wait with a hold that it stands so.
    fn settle(self: &Arc<Self>, id: HoldId, state: HoldState, reason: Option<&str>) {
        match state {
            HoldState::Pending => {}
            HoldState::Approved => {
                let desk = Arc::clone(self);
                // Own tasks: many claims at once share their commits.
                self.tasks.spawn(async move { desk.claim(&id).await });
            }
            // Spent on another connection: the newest one, or one that came back.
            HoldState::Released => self.seats.tell_unless_claiming(&id, || Outcome::Superseded),
            HoldState::Denied => {
                self.seats.tell(&id, || Outcome::Denied { reason: reason.map(str::to_owned) })
            }
            HoldState::Expired => self.seats.tell(&id, || Outcome::Expired),
            HoldState::Withdrawn => self.seats.tell(&id, || Outcome::Withdrawn),
        }
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
                match self.store.decided(slice::from_ref(id)).await.as_deref() {
                    Ok([(_, HoldState::Released, _)]) => self.seats.tell(id, || Outcome::Superseded),
                    Ok(_) => {}
                    Err(_) => self.seats.tell(id, || Outcome::Unrecorded),
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

/// When the store could not say how the holds stand.
const RETRY_AFTER: Duration = Duration::from_millis(100);
const SWEEP_EVERY: Duration = Duration::from_millis(100);
const ERASE_EVERY: Duration = Duration::from_mins(1);
