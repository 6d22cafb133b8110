//! The outbox: what is to be told to whom, durable, and tried until it is taken or given up.
//!
//! Nothing here slows a hold down. The ledger is read after the fact: each row that somebody is to hear of becomes
//! deliveries, once, by a cursor that moves in the same transaction; [`Notifier`]s take them, with back-off.

use crate::hold::HoldId;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::fmt::Debug;
use std::time::Duration;

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Post the hold's card, or bring the one that stands there up to date. Shows the hold as it is now, so that
    /// late and repeated deliveries do no harm.
    Card,
    /// A sentence: to a channel, or to one person. The body is `{ "text": …, "person": "issuer|subject" or null }`.
    Notice,
    /// One card for the many that would be too many: `{ "count": 12, "agents": ["ci"] }`.
    Digest,
    /// A ledger event for a machine: the body is the CloudEvent.
    Event,
}

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
    /// Not now: try again, not before `after` if the other side said so.
    Later { after: Option<Duration>, why: String },
    /// It will never be taken.
    Never(String),
}

/// Who can tell it: Slack, Teams, a webhook.
pub trait Notifier: Debug + Send + Sync {
    /// Tells it once. Never blocks longer than [`crate::outbound`] does.
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Receipt>;

    /// The least time between two deliveries to one channel: what is faster goes into a digest.
    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}
