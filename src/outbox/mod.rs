//! The outbox: what is to be told to whom, durable, and tried until it is taken or given up.
//!
//! Nothing here slows a hold down. The ledger is read after the fact: each row that somebody is to hear of becomes
//! deliveries, once, by a cursor that moves in the same transaction (`follow`); [`Notifier`]s take them, one at a
//! time for each channel, with back-off (`dispatch`). A delivery may arrive twice when the process dies between
//! the telling and the writing down; it never gets lost.

mod dispatch;
mod expand;
mod follow;

pub use crate::store::{DeliveryFilter, DeliveryRow, DeliveryState, Kind};

use crate::hold::HoldId;
use crate::metrics::Metrics;
use crate::person::Person;
use crate::role::Names;
use crate::routing::{OnCall, Routing};
use crate::store::{Store, StoreError};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One thing to be told to one channel.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub id: i64,
    /// The name of the channel or webhook in the configuration.
    pub channel: String,
    pub kind: Kind,
    pub hold: Option<HoldId>,
    pub body: serde_json::Value,
    /// From 1.
    pub attempt: u32,
    pub created_at: Timestamp,
}

/// What came of an attempt. The texts are shown on the page of deliveries: no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Taken.
    Done(String),
    /// Not now: try again, not before `after` if the other side said so, which then holds for the whole channel.
    Later { after: Option<Duration>, why: String },
    /// It will never be taken.
    Never(String),
    /// Nothing will ever be taken at this address: what identifies the address, and what was said.
    Gone { address: Vec<u8>, why: String },
}

/// Who can tell it: Slack, Teams, a webhook.
pub trait Notifier: Debug + Send + Sync {
    /// Tells it once. Never blocks longer than [`crate::outbound`] does.
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Receipt>;

    /// The least time between two deliveries to one channel.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}

/// Who tells, by the name of channel or webhook.
pub type Notifiers = BTreeMap<String, Arc<dyn Notifier>>;

/// A webhook's wish: which events it is told of, by glob (`hold.*`).
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The name of the webhook in the configuration.
    pub name: String,
    pub events: Names,
    /// What identifies its address: a webhook that is gone stays off until this changes.
    pub address: Vec<u8>,
}

/// What the outbox works with.
#[derive(Debug)]
pub struct Parts {
    pub notifiers: Notifiers,
    pub routing: Routing,
    pub on_call: OnCall,
    pub subscriptions: Vec<Subscription>,
    /// The `source` of CloudEvents: where reviewers reach this Holdpoint.
    pub source: String,
    pub metrics: Arc<Metrics>,
}

/// The outbox, to look into it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: Store,
    wake: Arc<Notify>,
    tasks: TaskTracker,
    stop: CancellationToken,
    tells: bool,
}

impl Outbox {
    /// An outbox that tells nobody, for looking into it.
    pub fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            wake: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            tells: false,
        }
    }

    /// Follows the ledger from where it was left, or from its end, and delivers until [`Self::close`]. With
    /// nobody to tell, nothing is kept either: whoever is configured later hears of what happens from then on.
    ///
    /// # Errors
    /// The store.
    pub async fn start(store: &Store, parts: Parts) -> Result<Self, StoreError> {
        let mut outbox = Self::new(store);
        if parts.notifiers.is_empty() {
            store.drop_cursor(CURSOR).await?;
            return Ok(outbox);
        }
        outbox.tells = true;
        let disabled = store.disabled_webhooks().await?;
        for (name, address) in &disabled {
            if parts.subscriptions.iter().any(|known| known.name == *name && known.address != *address) {
                store.enable_webhook(name).await?;
            }
        }
        let seq = store.begin_cursor(CURSOR).await?;
        let parts = Arc::new(parts);
        let (wake, stop) = (Arc::clone(&outbox.wake), outbox.stop.clone());
        let follower = follow::Follower::new(store, Arc::clone(&parts), Arc::clone(&wake), seq);
        outbox.tasks.spawn(follower.follow(stop.clone()));
        outbox.tasks.spawn(dispatch::Dispatcher::new(store, parts, wake).serve(stop));
        Ok(outbox)
    }

    /// Takes nothing any more and waits at most `deadline` for what is under way; what is cut off is delivered
    /// again by the next start. Before [`Store::close`].
    pub async fn close(&self, deadline: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!("deliveries under way were cut off; the next start tells again");
        }
    }

    /// Whether there is anybody to tell.
    pub const fn tells(&self) -> bool {
        self.tells
    }

    /// Newest first.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
        self.store.deliveries(filter).await
    }

    /// Delivers again what is over: the same thing under the same id. A webhook that was disabled is on again.
    /// `None`: there is no such delivery. False: it is under way.
    ///
    /// # Errors
    /// The store.
    pub async fn replay(&self, id: i64, by: &Person) -> Result<Option<bool>, StoreError> {
        let replayed = self.store.replay(id, by).await?;
        self.wake.notify_one();
        Ok(replayed)
    }
}

/// The name of the cursor.
const CURSOR: &str = "outbox";
