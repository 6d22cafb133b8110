//! The desk: where requests are parked, decided and released. Both faces meet here.

use crate::agent::Agent;
use crate::approval::{Refusal, Reviewer, Vote};
use crate::audit;
use crate::digest::RequestDigest;
use crate::hold::{AgentWords, Hold, HoldId, HoldState, ParkedRequest};
use crate::metrics::Metrics;
use crate::person::Person;
use crate::ruling::Grounds;
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

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
        }
    }
}

/// The desk. Cheap to clone by its `Arc`.
#[derive(Debug)]
pub struct Desk {}

/// A share of the budget for held bytes; given back on drop.
#[derive(Debug)]
pub struct Budget {}

/// A request that is to be parked.
#[derive(Debug)]
pub struct Parking {
    pub agent: Arc<Agent>,
    pub source: IpAddr,
    pub digest: RequestDigest,
    pub request: ParkedRequest,
    pub grounds: Grounds,
    pub words: AgentWords,
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
    AgentFull { agent: String, pending: usize },
    #[error("agent `{0}` was revoked")]
    Revoked(String),
    #[error("the hold could not be recorded")]
    Store(#[from] StoreError),
}

/// One live connection that waits with a hold. Dropping it says that the client has gone; the hold stays.
#[derive(Debug)]
pub struct Waiter {}

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

/// The right to send the held request, once. Its existence means that `hold.released` is committed.
/// Dropped without [`Release::answered`], it records `ambiguous`.
#[derive(Debug)]
pub struct Release {}

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
    /// A desk for a command beside the server: reads and votes work, nobody is woken, nothing expires.
    pub fn new(store: &Store, settings: Settings, metrics: Arc<Metrics>) -> Arc<Self> {
        let _ = (store, settings, metrics);
        todo!("store helper")
    }

    /// The desk of the server: locks the data folder against a second server, records the releases whose
    /// outcome a crash took as ambiguous, and starts the task that wakes, expires and erases until
    /// [`Desk::close`].
    ///
    /// # Errors
    /// Another server has the data folder; the store.
    pub async fn start(
        store: &Store,
        settings: Settings,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, StoreError> {
        let _ = (store, settings, metrics);
        todo!("store helper")
    }

    /// Parks nothing any more, waits at most `deadline` until the outcome of every release is recorded, and
    /// stops. After the connections have gone, before [`Store::close`].
    pub async fn close(&self, deadline: Duration) {
        let _ = deadline;
        todo!("store helper")
    }

    /// Takes `bytes` off the budget of held bytes, or says that it is used up.
    pub fn budget(self: &Arc<Self>, bytes: usize) -> Option<Budget> {
        let _ = bytes;
        todo!("store helper")
    }

    /// Parks a request: one transaction writes or joins the hold with its audit rows.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the hold may or may not have been written; nothing is released either way.
    ///
    /// # Errors
    /// Nothing was parked, nothing may be forwarded.
    pub async fn park(self: &Arc<Self>, parking: Parking) -> Result<Parked, ParkError> {
        let _ = parking;
        todo!("store helper")
    }

    /// Records a vote, and the decision if it makes one, in one transaction; then wakes who waits.
    ///
    /// # Errors
    /// The vote did not count.
    pub async fn vote(&self, id: &HoldId, reviewer: &Reviewer, vote: Vote) -> Result<Hold, VoteError> {
        let _ = (id, reviewer, vote);
        todo!("store helper")
    }

    /// One hold, for its agent only: `None` for another's.
    ///
    /// # Errors
    /// The store.
    pub async fn hold_of(&self, agent: &Agent, id: &HoldId) -> Result<Option<Hold>, StoreError> {
        let _ = (agent, id);
        todo!("store helper")
    }

    /// Returns when the hold has another version than `version`, or after `wait`.
    pub async fn changed(&self, id: &HoldId, version: i64, wait: Duration) {
        let _ = (id, version, wait);
        todo!("store helper")
    }
}

/// Which holds to list. Everything `None`: all, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub state: Option<HoldState>,
    pub agent: Option<String>,
    pub rule: Option<String>,
    /// A word in URL, agent or rule.
    pub text: Option<String>,
    /// Holds made before this one, for paging.
    pub before: Option<HoldId>,
    /// At most so many; 100 when zero, 500 at most.
    pub limit: u32,
}

/// What was decided before on requests of the same shape: same agent or any, rule, method, host and path
/// with its variable-looking segments left open.
#[derive(Debug, Clone, Default, Serialize)]
pub struct History {
    pub approved: u32,
    pub denied: u32,
    pub expired: u32,
    /// By this agent alone.
    pub by_this_agent: u32,
    /// The newest few, newest first.
    pub recent: Vec<Past>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Past {
    pub id: HoldId,
    pub state: HoldState,
    pub agent: String,
    pub at: Timestamp,
    pub decided_by: Vec<Person>,
    pub reason: Option<String>,
}

/// What the reviewers' face asks. Reading never decides.
impl Desk {
    pub fn settings(&self) -> &Settings {
        todo!("store helper")
    }

    /// # Errors
    /// The store.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Hold>, StoreError> {
        let _ = filter;
        todo!("store helper")
    }

    /// One hold with its body, unsealed, when it is still kept.
    ///
    /// # Errors
    /// The store.
    pub async fn hold(&self, id: &HoldId) -> Result<Option<Hold>, StoreError> {
        let _ = id;
        todo!("store helper")
    }

    /// # Errors
    /// The store.
    pub async fn history(&self, hold: &Hold) -> Result<History, StoreError> {
        let _ = hold;
        todo!("store helper")
    }

    /// Whether this reviewer could approve now, and if not, why: for the page, before the click.
    ///
    /// # Errors
    /// The refusal that a vote would meet, or the store.
    pub async fn may_approve(&self, hold: &Hold, reviewer: &Reviewer) -> Result<(), VoteError> {
        let _ = (hold, reviewer);
        todo!("store helper")
    }

    /// Live connections that wait with this hold in this process, and the end of the longest patience.
    pub fn waiting(&self, id: &HoldId) -> (usize, Option<Timestamp>) {
        let _ = id;
        todo!("store helper")
    }

    /// Ledger rows as they commit, whichever process wrote them, within 200 ms. A slow receiver is told how
    /// many it missed and reads them by [`crate::ledger::Ledger::rows`].
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Arc<audit::Row>> {
        todo!("store helper")
    }
}

impl Waiter {
    pub fn id(&self) -> &HoldId {
        todo!("store helper")
    }

    pub fn expires_at(&self) -> Timestamp {
        todo!("store helper")
    }

    /// Waits at most `patience` for the outcome.
    ///
    /// # Cancel safety
    /// Dropped while waiting, nothing is released for this connection: the claim is made by a task of the
    /// desk, and a claim whose taker has gone is recorded as ambiguous only if a byte could have left.
    pub async fn outcome(self, patience: Duration) -> Outcome {
        let _ = patience;
        todo!("store helper")
    }
}

impl Release {
    pub fn id(&self) -> &HoldId {
        todo!("store helper")
    }

    /// The origin answered: recorded in the background; a failure to record is logged and leaves
    /// the hold `released` without outcome, which start-up turns into ambiguous.
    pub fn answered(self, status: u16) {
        let _ = status;
        todo!("store helper")
    }
}
