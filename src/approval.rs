//! Who may decide, and when it is decided: one pure function for every channel.

use crate::digest::RequestDigest;
use crate::hold::{Hold, HoldState};
use crate::person::Person;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A person who may review, with the groups they are in now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reviewer {
    pub person: Person,
    /// Shown, never compared.
    pub display: String,
    pub groups: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    Approve,
    Deny,
}

impl Choice {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

/// Through what a vote came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    Web,
    Api,
    Cli,
}

/// A vote as cast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// What the reviewer saw; must be the hold's.
    pub digest: RequestDigest,
    pub choice: Choice,
    pub reason: Option<String>,
    pub channel: Channel,
}

/// What a vote leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tally {
    /// Counted; so many more distinct approvals are needed.
    Open {
        missing: u32,
    },
    Approved,
    Denied,
}

/// Why a vote does not count. Each is recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("the request has changed since the page was loaded; look at it again")]
    StaleDigest,
    #[error("the hold is {}", .0.as_str())]
    NotPending(HoldState),
    #[error("the hold has expired")]
    Expired,
    #[error("nobody approves the calls of their own agent")]
    OwnAgent,
    #[error("this rule asks for a reviewer of: {}", .0.join(", "))]
    NotInGroup(Vec<String>),
    #[error("you have voted already")]
    AlreadyVoted,
    #[error("this account may not review")]
    NotAReviewer,
}

/// Decides what a vote does. Nothing here reads a clock or a database: the caller holds the transaction that
/// records the vote, and passes in what that transaction sees.
///
/// `owners_now` are the agent's owners at this moment; those of the time of parking count as well. Solo mode
/// is a property of the hold (`hold.solo`) **and** of now (`solo_now`): both must say so.
///
/// # Errors
/// See [`Refusal`]. A deny by an owner is allowed: anybody may stop their own agent.
pub fn judge(
    hold: &Hold,
    owners_now: &[Person],
    solo_now: bool,
    reviewer: &Reviewer,
    vote: &Vote,
    now: Timestamp,
) -> Result<Tally, Refusal> {
    let _ = (hold, owners_now, solo_now, reviewer, vote, now);
    todo!("store helper")
}
