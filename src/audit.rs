//! Events of the ledger, and the chain that makes them tamper-evident.
//!
//! An event is one row: its canonical bytes are stored as they were hashed. `hash = SHA-256(previous hash ||
//! canonical bytes)`, so that a changed, removed or reordered row breaks every hash after it.

use crate::digest::hex;
use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What happened. The names are the ledger's public vocabulary: they are added to, never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    #[serde(rename = "hold.created")]
    HoldCreated,
    /// The identical request came again.
    #[serde(rename = "hold.joined")]
    HoldJoined,
    #[serde(rename = "hold.voted")]
    HoldVoted,
    /// Somebody tried to vote and was not allowed to: own agent, wrong group, stale digest.
    #[serde(rename = "hold.vote-refused")]
    HoldVoteRefused,
    #[serde(rename = "hold.approved")]
    HoldApproved,
    #[serde(rename = "hold.denied")]
    HoldDenied,
    #[serde(rename = "hold.expired")]
    HoldExpired,
    #[serde(rename = "hold.withdrawn")]
    HoldWithdrawn,
    /// Durable before the first byte leaves.
    #[serde(rename = "hold.released")]
    HoldReleased,
    #[serde(rename = "hold.answered")]
    HoldAnswered,
    #[serde(rename = "hold.ambiguous")]
    HoldAmbiguous,
    #[serde(rename = "agent.added")]
    AgentAdded,
    #[serde(rename = "agent.rotated")]
    AgentRotated,
    /// An agent of a workload has other owners or labels in the configuration now.
    #[serde(rename = "agent.changed")]
    AgentChanged,
    #[serde(rename = "agent.revoked")]
    AgentRevoked,
    #[serde(rename = "reviewer.added")]
    ReviewerAdded,
    #[serde(rename = "reviewer.login")]
    ReviewerLogin,
    #[serde(rename = "reviewer.revoked")]
    ReviewerRevoked,
    #[serde(rename = "reviewer.logout")]
    ReviewerLogout,
    /// A chat account is known to be somebody's, or no longer.
    #[serde(rename = "account.linked")]
    AccountLinked,
    #[serde(rename = "account.unlinked")]
    AccountUnlinked,
    #[serde(rename = "grant.created")]
    GrantCreated,
    /// A request left by a grant; its hold has the grant's id.
    #[serde(rename = "grant.used")]
    GrantUsed,
    #[serde(rename = "grant.revoked")]
    GrantRevoked,
    /// An agent has more holds open than it may: more are refused until some are decided.
    #[serde(rename = "agent.flooding")]
    AgentFlooding,
    /// Nobody could be told: a channel or webhook did not take what was sent, and it is given up.
    #[serde(rename = "delivery.failed")]
    DeliveryFailed,
    /// Somebody had it delivered again.
    #[serde(rename = "delivery.replayed")]
    DeliveryReplayed,
    /// The receiver said that it is gone, for good.
    #[serde(rename = "webhook.disabled")]
    WebhookDisabled,
    #[serde(rename = "webhook.enabled")]
    WebhookEnabled,
    #[serde(rename = "rules.loaded")]
    RulesLoaded,
    #[serde(rename = "rules.rejected")]
    RulesRejected,
    #[serde(rename = "traffic.segment")]
    TrafficSegment,
    #[serde(rename = "server.started")]
    ServerStarted,
    #[serde(rename = "server.stopped")]
    ServerStopped,
}

impl EventKind {
    /// The public name.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// One event before it has a place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    pub event: EventKind,
    /// Who did it: `person:alice`, `agent:ci`, `holdpoint`.
    pub actor: String,
    /// Hold, agent, rule set or segment that it is about.
    pub subject: Option<String>,
    /// Everything else, by event. No secrets, no bodies.
    pub detail: serde_json::Value,
}

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// From 1, without gaps.
    pub seq: i64,
    #[serde(flatten)]
    pub event: Event,
    /// SHA-256 over the previous row's hash and this row's canonical bytes, lower-case hex.
    pub hash: String,
}

/// The bytes that are hashed: compact JSON of sequence number and event, keys sorted.
pub fn canonical(seq: i64, event: &Event) -> String {
    // serde_json's map is a BTreeMap, so a round trip through `Value` sorts the keys.
    let value = serde_json::json!({ "seq": seq, "event": event });
    value.to_string()
}

/// The next link. `previous` is the hash of the row before, or [`GENESIS`].
pub fn chain(previous: &str, canonical: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(previous.as_bytes());
    context.update(b"\n");
    context.update(canonical.as_bytes());
    hex(context.finish().as_ref())
}

/// What the first row's hash builds on.
pub const GENESIS: &str = "holdpoint-ledger-v1";
