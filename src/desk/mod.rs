//! The desk: where requests are parked, decided and released. Both faces meet here.
//!
//! The store decides, in transactions; the desk keeps the live connections that wait, and gives the one right
//! to send to one of them. A task of its own follows the ledger and wakes them, so that a decision counts the
//! same whichever process took it; another expires what is due.

mod attend;
mod granting;
mod release;
mod seats;

pub use crate::store::{Filter, History, Parking, Past};
pub use crate::store::{Granted, Revoking, Standing};
pub use granting::GrantError;
pub use release::Release;
pub use seats::Waiter;

use crate::agent::Agent;
use crate::approval::{Charter, Choice, Refusal, Reviewer, Vote, judge};
use crate::audit;
use crate::card::{self, Card};
use crate::grant;
use crate::hold::{Hold, HoldId};
use crate::metrics::Metrics;
use crate::person::Person;
use crate::store::{Finished, ParkResult, Reviewing, Store, StoreError, Terms};
use jiff::Timestamp;
use seats::Seats;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bounds and lives.
#[derive(Debug, Clone)]
pub struct Settings {
    pub solo: bool,
    /// Life of a pending hold when its rule says nothing.
    pub expires: Duration,
    /// Life of an approval that nobody waits for.
    pub approval_life: Duration,
    /// Bytes of parked requests in memory, all together.
    pub held_bytes_max: usize,
    /// Parked exchanges in memory, all together.
    pub held_exchanges_max: usize,
    /// Pending holds per agent; more are refused.
    pub pending_per_agent_max: usize,
    /// How long bodies of decided holds are kept, sealed.
    pub keep_body: Duration,
    /// Who may decide.
    pub charter: Arc<Charter>,
    /// What may be granted beyond one request.
    pub grants: Arc<grant::Policy>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            solo: false,
            expires: Duration::from_hours(4),
            approval_life: Duration::from_mins(15),
            held_bytes_max: 256 << 20,
            held_exchanges_max: 16_384,
            pending_per_agent_max: 1_000,
            keep_body: Duration::from_hours(7 * 24),
            charter: Arc::default(),
            grants: Arc::default(),
        }
    }
}

/// The desk. Cheap to clone by its `Arc`.
#[derive(Debug)]
pub struct Desk {
    store: Store,
    settings: Settings,
    metrics: Arc<Metrics>,
    seats: Arc<Seats>,
    /// One for each exchange that is parked.
    places: Arc<Semaphore>,
    held_bytes: AtomicUsize,
    /// To the recorder of outcomes; `None` when the desk is not started, or closed.
    outcomes: Mutex<Option<mpsc::Sender<Finished>>>,
    tasks: TaskTracker,
    recorder: TaskTracker,
    stop: CancellationToken,
    /// Locked while this desk serves.
    serving: Option<File>,
}

/// A share of the budget for held bytes; given back on drop.
#[derive(Debug)]
pub struct Budget {
    desk: Arc<Desk>,
    bytes: usize,
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.desk.held_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.desk.metrics.held_bytes.dec_by(signed(self.bytes));
    }
}

/// What parking leads to.
#[derive(Debug)]
pub enum Parked {
    /// A new hold, or the pending one of the identical request: wait with it.
    Waiting(Waiter),
    /// The identical request was approved while nobody waited: send it, once.
    Released(Release),
    /// The identical request was denied and the denial stands.
    Denied { hold: HoldId, reason: Option<String> },
}

/// Why nothing could be parked. The answer is 503 or 429: never forward.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParkError {
    #[error("too many requests are held")]
    Full,
    #[error("agent `{agent}` has {pending} requests waiting for review, the most it may have")]
    AgentFull {
        agent: String,
        pending: usize,
        /// As long again as the flood has lasted, within bounds: who obeys it asks ever more seldom.
        retry_after: Duration,
    },
    #[error("agent `{0}` was revoked")]
    Revoked(String),
    #[error("the hold could not be recorded")]
    Store(#[from] StoreError),
}

/// What waiting led to.
#[derive(Debug)]
pub enum Outcome {
    /// Approved, and this connection is the one to send it: `released` is durable.
    Released(Release),
    Denied {
        reason: Option<String>,
    },
    Expired,
    /// The agent was revoked.
    Withdrawn,
    /// A newer connection of the identical request is the one that is answered.
    Superseded,
    /// Still pending.
    PatienceOver,
    /// Approved, but the release could not be recorded: 503, nothing was sent, the approval stands.
    Unrecorded,
}

/// Why a vote did not count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VoteError {
    #[error("there is no hold `{0}`")]
    NoSuchHold(HoldId),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the vote could not be recorded")]
    Store(#[from] StoreError),
}

impl Desk {
    /// A desk for a command beside the server: reads and votes work, nothing can be parked, nobody is woken,
    /// nothing expires.
    pub fn new(store: &Store, settings: Settings, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self::build(store, settings, metrics, None))
    }

    /// The desk of the server: locks the data folder against a second server, records the releases whose
    /// outcome a crash took as ambiguous, and starts the tasks that wake, expire and erase until
    /// [`Desk::close`].
    ///
    /// # Errors
    /// Another server has the data folder; the store.
    pub async fn start(
        store: &Store,
        settings: Settings,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, StoreError> {
        let desk = Arc::new(Self::build(store, settings, metrics, Some(store.lock_for_serving()?)));
        let ambiguous = store.recover().await?;
        if ambiguous > 0 {
            tracing::warn!(
                holds = ambiguous,
                "released before the last stop, outcome unknown: recorded as ambiguous"
            );
        }
        desk.attend();
        Ok(desk)
    }

    fn build(store: &Store, settings: Settings, metrics: Arc<Metrics>, serving: Option<File>) -> Self {
        Self {
            store: store.clone(),
            seats: Arc::default(),
            places: Arc::new(Semaphore::new(settings.held_exchanges_max.min(Semaphore::MAX_PERMITS))),
            held_bytes: AtomicUsize::new(0),
            outcomes: Mutex::new(None),
            tasks: TaskTracker::new(),
            recorder: TaskTracker::new(),
            stop: CancellationToken::new(),
            settings,
            metrics,
            serving,
        }
    }

    /// Parks nothing any more, waits at most `deadline` until the outcome of every release is recorded, and
    /// stops. After the connections have gone, before [`Store::close`].
    pub async fn close(&self, deadline: Duration) {
        // The recorder ends when the last release has given its outcome.
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.recorder.close();
        if tokio::time::timeout(deadline, self.recorder.wait()).await.is_err() {
            tracing::warn!("released requests were still without an answer when the desk closed");
        }
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!("the desk's tasks did not end in time");
        }
        if let Some(serving) = &self.serving
            && let Err(error) = serving.unlock()
        {
            tracing::warn!(%error, "the data folder stays locked until this process ends");
        }
    }

    /// Takes `bytes` off the budget of held bytes, or says that it is used up.
    pub fn budget(self: &Arc<Self>, bytes: usize) -> Option<Budget> {
        let most = self.settings.held_bytes_max;
        self.held_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                held.checked_add(bytes).filter(|h| *h <= most)
            })
            .ok()?;
        self.metrics.held_bytes.inc_by(signed(bytes));
        Some(Budget { desk: Arc::clone(self), bytes })
    }

    /// Parks a request: one transaction writes or joins the hold with its audit rows.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the hold may or may not have been written. Nothing leaves either way: an
    /// approval that was spent on this request is recorded as ambiguous, not sent.
    ///
    /// # Errors
    /// Nothing was parked, nothing may be forwarded.
    pub async fn park(self: &Arc<Self>, parking: Parking) -> Result<Parked, ParkError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| ParkError::Full)?;
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let outcomes = outcomes.ok_or(StoreError::Closed)?;
        // Reserved before the approval can be spent: the outcome has a place whatever happens.
        let outcome = outcomes.reserve_owned().await.map_err(|_| StoreError::Closed)?;
        let agent = Arc::clone(&parking.agent);
        let terms = Terms {
            solo: self.settings.solo,
            expires: self.settings.expires,
            approval_life: self.settings.approval_life,
            pending_per_agent_max: self.settings.pending_per_agent_max,
            charter: Arc::clone(&self.settings.charter),
            grants: Arc::clone(&self.settings.grants),
        };
        // A task of its own, so that what comes of it is dealt with when the caller has gone.
        let (reply, parked) = oneshot::channel();
        let desk = Arc::clone(self);
        self.tasks.spawn(async move {
            let waiter = {
                let desk = Arc::clone(&desk);
                move |id, expires_at| Waiter::seat(desk, id, expires_at, place)
            };
            let result = desk.store.park(parking, terms, waiter).await;
            let result = result.map(|result| match result {
                ParkResult::Waiting(waiter) => Ok(Parked::Waiting(waiter)),
                ParkResult::Released(id) => Ok(Parked::Released(Release::new(id, outcome))),
                ParkResult::Denied { hold, reason } => Ok(Parked::Denied { hold, reason }),
                ParkResult::AgentFull { pending, flooding } => {
                    let retry_after = flooding.clamp(BACK_OFF_MIN, BACK_OFF_MAX);
                    Err(ParkError::AgentFull { agent: agent.name.clone(), pending, retry_after })
                }
                ParkResult::Revoked => Err(ParkError::Revoked(agent.name.clone())),
            });
            let _ = reply.send(result);
        });
        let mut parked = parked.await.map_err(|_| StoreError::Closed)???;
        if let Parked::Released(release) = &mut parked {
            release.hand_over();
        }
        Ok(parked)
    }

    /// Records a vote, and the decision if it makes one, in one transaction; then wakes who waits.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the vote may or may not count.
    ///
    /// # Errors
    /// The vote did not count.
    pub async fn vote(&self, id: &HoldId, reviewer: &Reviewer, vote: Vote) -> Result<Hold, VoteError> {
        match self.cast(id, reviewer, vote, None).await {
            Ok((hold, _)) => Ok(hold),
            Err(GrantError::Vote(error)) => Err(error),
            // Nothing was to be granted.
            Err(GrantError::None(_)) => Err(StoreError::Closed.into()),
        }
    }

    /// One hold, for its agent only: `None` for another's.
    ///
    /// # Errors
    /// The store.
    pub async fn hold_of(&self, agent: &Agent, id: &HoldId) -> Result<Option<Hold>, StoreError> {
        Ok(self.store.hold(id).await?.filter(|hold| hold.agent_id == agent.id))
    }

    /// Returns when the hold has another version than `version`, or after `wait`; at once when there is no
    /// such hold, or the store cannot say.
    pub async fn changed(&self, id: &HoldId, version: i64, wait: Duration) {
        // Subscribed before the first look: a change in between is not missed.
        let mut rows = self.subscribe();
        let changed = async {
            while let Ok(Some(known)) = self.store.version(id).await {
                if known != version {
                    return;
                }
                // Missed rows are a reason to look, too.
                while let Ok(row) = rows.recv().await {
                    if row.event.subject.as_deref() == Some(id.as_str()) {
                        break;
                    }
                }
            }
        };
        // An error says that the time is over, which is an answer.
        let _ = tokio::time::timeout(wait, changed).await;
    }
}

/// What the reviewers' face asks. Reading never decides.
impl Desk {
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Holds, newest first, without their bodies.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Hold>, StoreError> {
        self.store.list(filter).await
    }

    /// One hold with its body, unsealed, when it is still kept.
    ///
    /// # Errors
    /// The store; also when what is stored is not what was parked.
    pub async fn hold(&self, id: &HoldId) -> Result<Option<Hold>, StoreError> {
        self.store.hold_whole(id).await
    }

    /// # Errors
    /// The store.
    pub async fn history(&self, hold: &Hold) -> Result<History, StoreError> {
        self.store.history(hold).await
    }

    /// Whether this reviewer could approve now, and if not, why: for the page, before the click.
    ///
    /// # Errors
    /// The refusal that a vote would meet, or the store.
    pub async fn may_approve(&self, hold: &Hold, reviewer: &Reviewer) -> Result<(), VoteError> {
        let (concerned, reviewer, now) = self.store.bench(hold, reviewer).await?;
        let reviewer = reviewer.ok_or(Refusal::NotAReviewer)?;
        let vote = Vote {
            digest: hold.digest,
            choice: Choice::Approve,
            reason: None,
            channel: crate::approval::Channel::Web,
        };
        let law = concerned.law(self.settings.solo, &self.settings.charter);
        judge(hold, &law, &reviewer, &vote, now)?;
        Ok(())
    }

    /// A hold as a card, with the body for it to show; `None`: there is no such hold.
    ///
    /// # Errors
    /// The store.
    pub async fn card(&self, id: &HoldId) -> Result<Option<(Hold, Card)>, StoreError> {
        let Some(hold) = self.store.hold_whole(id).await? else { return Ok(None) };
        let History { approved, denied, expired, by_this_agent, .. } = self.store.history(&hold).await?;
        let concerned = self.store.concerned(&hold).await?;
        let people =
            hold.owners.iter().chain(&hold.initiator).chain(hold.votes.iter().map(|vote| &vote.person));
        let names = self.store.names(&people.collect::<Vec<_>>()).await?;
        let name = |person: &Person| names.get(person).cloned().unwrap_or_else(|| person.subject.clone());
        let law = concerned.law(self.settings.solo, &self.settings.charter);
        let past = card::Past { approved, denied, expired, by_this_agent };
        let mut card = Card::of(&hold, &law, past, name);
        card.grant = self.grant_line(&hold).await?;
        Ok(Some((hold, card)))
    }

    /// What reviewing was like in the last so many days.
    ///
    /// # Errors
    /// The store.
    pub async fn reviewing(&self, days: u32) -> Result<Reviewing, StoreError> {
        let span = jiff::SignedDuration::from_hours(24 * i64::from(days));
        let since = Timestamp::now().checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH);
        self.store.reviewing(since).await
    }

    /// Display names, of those of these people who have one.
    ///
    /// # Errors
    /// The store.
    pub async fn names(&self, people: &[&Person]) -> Result<BTreeMap<Person, String>, StoreError> {
        self.store.names(people).await
    }

    /// Live connections that wait with this hold in this process, and the end of the longest patience.
    pub fn waiting(&self, id: &HoldId) -> (usize, Option<Timestamp>) {
        self.seats.waiting(id)
    }

    /// Ledger rows as they commit, whichever process wrote them, within 200 ms. A slow receiver is told how
    /// many it missed and reads them by [`crate::ledger::Ledger::rows`].
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<audit::Row>> {
        self.store.subscribe()
    }
}

/// The shortest and the longest that an agent with too many holds is asked to wait.
const BACK_OFF_MIN: Duration = Duration::from_secs(15);
const BACK_OFF_MAX: Duration = Duration::from_mins(15);

/// For gauges.
fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
