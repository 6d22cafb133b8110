//! Verdicts, and the policy that travels with them.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What happens to a request. Ordered: several combine with `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Hold,
    Deny,
}

impl Verdict {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

/// How bad it would be. Shown to the reviewer; `high` and above ask for more care on the page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    Low,
    #[default]
    Medium,
    High,
    Critical,
}

impl Risk {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a parked client hears when its patience is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ParkedReply {
    /// 428: nobody retries it and nobody takes it for success.
    #[default]
    #[serde(rename = "428")]
    PreconditionRequired,
    /// 429 with `Retry-After`, for SDKs that should poll by themselves.
    #[serde(rename = "429")]
    TooManyRequests,
}

/// Who must agree before a held request leaves, and how long anybody waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewPolicy {
    /// Distinct people that must approve. Zero is read as one.
    pub approvals: u32,
    /// Groups whose members may approve; empty: any reviewer.
    pub from: Vec<String>,
    /// Groups of which each must be stood for by a person of its own ("one of security and one of owners").
    pub each: Vec<String>,
    /// Upper bound of the time that the client waits inline.
    pub patience: Option<Duration>,
    /// How long the hold may stay undecided.
    pub expires: Option<Duration>,
    pub reply: ParkedReply,
    /// How sure it must be that the reviewer is who they say.
    #[serde(default)]
    pub assurance: Assurance,
}

/// How sure it is, or must be, who votes. Ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assurance {
    /// A chat account that is linked to the person. Chat proves no second factor and no presence.
    Chat,
    /// A login of the person: a session, or a token of their own.
    #[default]
    Login,
    /// A login just now, as strong as the configuration asks (`step-up`).
    High,
}

impl Assurance {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Login => "login",
            Self::High => "high",
        }
    }
}

/// What a request had that made a rule match: shown highlighted to the reviewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchedField {
    /// Where: `method`, `path`, `query.force`, `header.x-amz-target`, `body./amount`, `if`.
    pub field: String,
    /// What stands there, cut to a sensible length.
    pub value: String,
}

/// The part of a ruling that outlives the request: stored with a hold, shown, recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// `pack/rule`, or `otherwise/read`, `otherwise/write`, `otherwise/unknown-host`.
    pub rule: String,
    pub why: String,
    pub risk: Risk,
    /// What the rule says that the action is: `money-out`, `privesc`. Routes and roles go by it.
    #[serde(default)]
    pub tags: Vec<String>,
    pub matched: Vec<MatchedField>,
    pub review: ReviewPolicy,
    /// One plain sentence of what the request would do, from the rule's `what:` template if it has one.
    pub summary: String,
    /// SHA-256 over the rule set in force, lower-case hex.
    pub ruleset: String,
    /// Every rule that holds the request, this one or others, as SHA-256 of its wording, sorted. Empty where
    /// that is not certain: no rule matches, one of them could not be decided, an adjustment holds it, or it is a
    /// batch.
    #[serde(default)]
    pub held_by: Vec<String>,
    /// Of a batch: its parts, in the order sent, each with its own ruling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<BatchPart>,
}

/// One request of a batch, and what it would be ruled if it came alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchPart {
    pub method: String,
    /// Path and query, cut to a sensible length.
    pub target: String,
    pub verdict: Verdict,
    /// As [`Grounds::rule`].
    pub rule: String,
}
