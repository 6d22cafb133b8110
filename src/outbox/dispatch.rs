//! Delivers what is due: one at a time for each channel, so many channels at once.

use super::{Delivery, Kind, Parts, Receipt};
use crate::metrics::Reason;
use crate::store::{Attempted, Store, StoreError, Taken};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(super) struct Dispatcher {
    store: Store,
    parts: Arc<Parts>,
    wake: Arc<Notify>,
    /// Channels with a delivery under way.
    busy: BTreeSet<String>,
    /// Channels that rest: their pace, or the other side asked for it.
    resting: BTreeMap<String, Instant>,
    running: JoinSet<Ended>,
    purged_at: Option<Instant>,
}

/// A delivery that has ended, and how long its channel is to rest.
#[derive(Debug)]
struct Ended {
    channel: String,
    rest: Duration,
}

impl Dispatcher {
    pub(super) fn new(store: &Store, parts: Arc<Parts>, wake: Arc<Notify>) -> Self {
        Self {
            store: store.clone(),
            parts,
            wake,
            busy: BTreeSet::new(),
            resting: BTreeMap::new(),
            running: JoinSet::new(),
            purged_at: None,
        }
    }

    pub(super) async fn serve(mut self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            let wait = match self.begin_due().await {
                Ok(wait) => {
                    failing = false;
                    wait
                }
                Err(error) => {
                    if !failing {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "deliveries cannot be read"
                        );
                    }
                    failing = true;
                    RETRY_AFTER
                }
            };
            // All branches are cancel-safe.
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
                Some(ended) = self.running.join_next() => match ended {
                    Ok(Ended { channel, rest }) => {
                        self.busy.remove(&channel);
                        if !rest.is_zero() {
                            self.resting.insert(channel, Instant::now() + rest);
                        }
                    }
                    // A panic, of which the log has told: which channel it was is not known.
                    Err(_) => self.busy.clear(),
                }
            }
            self.purge().await;
        }
        // Whoever waits for the end of this task sets the deadline.
        while self.running.join_next().await.is_some() {}
    }

    /// Begins what is due on channels that are free. Returns when to look again.
    async fn begin_due(&mut self) -> Result<Duration, StoreError> {
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let mut wait = LOOK_EVERY;
        loop {
            let out: Vec<String> = self.busy.iter().chain(self.resting.keys()).cloned().collect();
            let due = self.store.due_deliveries(&out).await?;
            let mut begun = false;
            for (channel, id) in due.first {
                if self.running.len() >= RUNNING_MAX {
                    break; // the end of one of them is a reason to look
                }
                begun = true;
                if let Some(taken) = self.store.take_delivery(id).await? {
                    self.begin(channel, taken);
                }
            }
            if !begun {
                wait = wait.min(due.next.unwrap_or(LOOK_EVERY).max(LOOK_SOONEST));
                break;
            }
        }
        let rested = self.resting.values().min().map(|until| until.saturating_duration_since(Instant::now()));
        Ok(wait.min(rested.unwrap_or(LOOK_EVERY)))
    }

    fn begin(&mut self, channel: String, taken: Taken) {
        self.busy.insert(channel.clone());
        let (store, parts) = (self.store.clone(), Arc::clone(&self.parts));
        self.running.spawn(async move {
            let rest = deliver(&store, &parts, taken).await;
            Ended { channel, rest }
        });
    }

    async fn purge(&mut self) {
        if self.purged_at.is_some_and(|at| Instant::now() < at + PURGE_EVERY) {
            return;
        }
        self.purged_at = Some(Instant::now());
        if let Err(error) = self.store.purge_deliveries(KEEP).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "old deliveries stay for now");
        }
    }
}

/// One attempt, and what came of it, written down. Returns how long the channel is to rest.
async fn deliver(store: &Store, parts: &Parts, taken: Taken) -> Duration {
    let notifier = parts.notifiers.get(&taken.channel);
    let pace = notifier.map(|notifier| notifier.pace()).unwrap_or_default();
    let mut rest = pace;
    let attempted = match notifier {
        None => Attempted::Never("the configuration has no such channel any more".to_owned()),
        Some(notifier) => {
            let delivery = delivery(store, parts, &taken).await;
            let receipt = tokio::time::timeout(ATTEMPT_MAX, notifier.deliver(&delivery)).await;
            match receipt {
                Ok(Receipt::Done(answer)) => Attempted::Done(answer),
                Ok(Receipt::Never(why)) => Attempted::Never(why),
                Ok(Receipt::Gone { address, why }) => Attempted::Gone { address, why },
                Ok(Receipt::Later { after, why }) => {
                    if let Some(after) = after {
                        rest = rest.max(after.min(REST_MAX));
                    }
                    let wait = back_off(taken.attempt).max(after.unwrap_or_default());
                    Attempted::Later { wait, why }
                }
                Err(_) => {
                    let why = format!("no answer in {} s", ATTEMPT_MAX.as_secs());
                    Attempted::Later { wait: back_off(taken.attempt), why }
                }
            }
        }
    };
    let recorded = record(store, parts, taken, attempted).await;
    if recorded { rest } else { rest.max(RETRY_AFTER) }
}

/// False: it could not be written down, and stays due: twice is better than never.
async fn record(store: &Store, parts: &Parts, taken: Taken, attempted: Attempted) -> bool {
    let (id, channel, kind, attempt) = (taken.id, taken.channel.clone(), taken.kind, taken.attempt);
    let (result, why) = match &attempted {
        Attempted::Done(_) => ("done", None),
        Attempted::Later { why, .. } => ("later", Some(why.clone())),
        Attempted::Never(why) | Attempted::Gone { why, .. } => ("failed", Some(why.clone())),
    };
    match store.finish_delivery(taken, attempted).await {
        Ok(given_up) => {
            let why = why.unwrap_or_default();
            let result = if given_up { "failed" } else { result };
            parts.metrics.deliveries.get_or_create(&Reason { reason: result }).inc();
            if given_up {
                tracing::error!(
                    delivery = id,
                    channel,
                    kind = kind.as_str(),
                    attempt,
                    why,
                    "given up: nobody was told"
                );
            } else if result == "later" {
                tracing::warn!(delivery = id, channel, kind = kind.as_str(), attempt, why, "not taken yet");
            }
            true
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                delivery = id,
                "what came of a delivery could not be written down"
            );
            false
        }
    }
}

/// As notifiers see it: whoever is on call now is named.
async fn delivery(store: &Store, parts: &Parts, taken: &Taken) -> Delivery {
    let mut body = taken.body.clone();
    let asked = body.as_object_mut().and_then(|body| body.remove("on_call"));
    let schedules: Vec<String> = asked.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default();
    let mut groups = texts(&body, "groups");
    if matches!(taken.kind, Kind::Card | Kind::Notice) && !(schedules.is_empty() && groups.is_empty()) {
        let (mut people, mut names) = (Vec::new(), groups.clone());
        for called in parts.on_call.now(store, &schedules).await {
            groups.extend(called.group);
            people.extend(called.person.map(|person| person.to_string()));
            names.push(called.name);
        }
        if let Some(text) = body.get("text").and_then(Value::as_str) {
            let text = format!("{text} Calls on: {}.", names.join(", "));
            set(&mut body, "text", json!(text));
        }
        set(&mut body, "groups", json!(groups));
        set(&mut body, "people", json!(people));
        set(&mut body, "names", json!(names));
    }
    Delivery {
        id: taken.id,
        channel: taken.channel.clone(),
        kind: taken.kind,
        hold: taken.hold.clone(),
        body,
        attempt: taken.attempt,
        created_at: taken.created_at,
    }
}

fn set(body: &mut Value, key: &str, value: Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert(key.to_owned(), value);
    }
}

fn texts(body: &Value, key: &str) -> Vec<String> {
    body.get(key).and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default()
}

/// 1 s, 2 s, 4 s … 10 min, of which the second half is random: who failed together does not come back together.
fn back_off(attempt: u32) -> Duration {
    let doubled = BACK_OFF_LEAST
        .saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1).min(31)).unwrap_or(u32::MAX));
    let most = doubled.min(BACK_OFF_MOST);
    let mut random = [0; 2];
    // Without randomness there is no jitter, and nothing else is lost.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let share = f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX);
    (most / 2 + (most / 2).mul_f64(share)).max(BACK_OFF_LEAST)
}

const BACK_OFF_LEAST: Duration = Duration::from_secs(1);
const BACK_OFF_MOST: Duration = Duration::from_mins(10);
/// The longest that the other side can make a channel rest.
const REST_MAX: Duration = Duration::from_mins(10);
const ATTEMPT_MAX: Duration = Duration::from_mins(1);
/// Deliveries at once, one for each channel.
const RUNNING_MAX: usize = 16;
/// How often to look although nothing in this process said that something is due.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const LOOK_SOONEST: Duration = Duration::from_millis(5);
const RETRY_AFTER: Duration = Duration::from_secs(1);
const PURGE_EVERY: Duration = Duration::from_mins(10);
/// How long the log of deliveries goes back.
const KEEP: Duration = Duration::from_hours(30 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_grows_from_a_second_to_ten_minutes() {
        for attempt in [0, 1, 2, 10, 11, 40, u32::MAX] {
            let wait = back_off(attempt);
            assert!((BACK_OFF_LEAST..=BACK_OFF_MOST).contains(&wait), "{attempt}: {wait:?}");
        }
        assert!(back_off(40) >= BACK_OFF_MOST / 2);
    }
}
