//! Who may decide, and when it is decided: one pure function for every channel.

use crate::digest::RequestDigest;
use crate::hold::{Hold, HoldState, VoteRecord};
use crate::person::Person;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    if vote.digest != hold.digest {
        return Err(Refusal::StaleDigest);
    }
    if hold.state != HoldState::Pending {
        return Err(Refusal::NotPending(hold.state));
    }
    if now >= hold.expires_at {
        return Err(Refusal::Expired);
    }
    if vote.choice == Choice::Deny {
        return Ok(Tally::Denied);
    }
    let bench = Bench::of(hold, owners_now, solo_now);
    if bench.owns(&reviewer.person) {
        return Err(Refusal::OwnAgent);
    }
    let groups: Vec<&str> = reviewer.groups.iter().map(String::as_str).collect();
    if !bench.may_stand(&groups) {
        return Err(Refusal::NotInGroup(bench.wanted().to_vec()));
    }
    let approved = |v: &&VoteRecord| v.vote == Choice::Approve;
    if hold.votes.iter().filter(approved).any(|v| v.person == reviewer.person) {
        return Err(Refusal::AlreadyVoted);
    }
    // Earlier votes are weighed anew: who has become an owner since counts no more.
    let mut voters: BTreeMap<&Person, Vec<&str>> = BTreeMap::new();
    for earlier in hold.votes.iter().filter(approved) {
        let groups: Vec<&str> = earlier.groups.iter().map(String::as_str).collect();
        if !bench.owns(&earlier.person) && bench.may_stand(&groups) {
            voters.entry(&earlier.person).or_default().extend(groups);
        }
    }
    voters.insert(&reviewer.person, groups);
    let voters: Vec<Vec<&str>> = voters.into_values().collect();
    match bench.missing(&voters) {
        0 => Ok(Tally::Approved),
        missing => Ok(Tally::Open { missing }),
    }
}

/// What a hold asks of those who approve it.
struct Bench<'a> {
    hold: &'a Hold,
    owners_now: &'a [Person],
    /// Owners may approve: solo mode, then and now.
    solo: bool,
    approvals: usize,
}

impl<'a> Bench<'a> {
    fn of(hold: &'a Hold, owners_now: &'a [Person], solo_now: bool) -> Self {
        let solo = hold.solo && solo_now;
        let nobody_known = hold.owners.is_empty() && owners_now.is_empty();
        let least = if nobody_known && !solo { 2 } else { 1 };
        let asked = usize::try_from(hold.grounds.review.approvals).unwrap_or(usize::MAX);
        Self { hold, owners_now, solo, approvals: asked.max(least) }
    }

    fn owns(&self, person: &Person) -> bool {
        !self.solo && (self.hold.owners.contains(person) || self.owners_now.contains(person))
    }

    /// The groups to name to somebody who is in none of them.
    fn wanted(&self) -> &'a [String] {
        let review = &self.hold.grounds.review;
        if review.from.is_empty() { &review.each } else { &review.from }
    }

    /// Whether an approval by a member of these groups counts for anything.
    fn may_stand(&self, groups: &[&str]) -> bool {
        let review = &self.hold.grounds.review;
        let member = |of: &[String]| of.iter().any(|group| groups.contains(&group.as_str()));
        if !review.from.is_empty() {
            return member(&review.from);
        }
        // Where those who stand for a group each are all that is asked, nobody else's vote helps.
        review.each.is_empty() || self.approvals > review.each.len() || member(&review.each)
    }

    /// How many more people are needed at least, given the groups of each distinct voter.
    fn missing(&self, voters: &[Vec<&str>]) -> u32 {
        let each = &self.hold.grounds.review.each;
        let unfilled = each.len().saturating_sub(seated(each, voters));
        let missing = self.approvals.saturating_sub(voters.len()).max(unfilled);
        u32::try_from(missing).unwrap_or(u32::MAX)
    }
}

/// How many of the seats can be taken at once, each by a person of its own: a maximum bipartite matching by
/// augmenting paths (Kuhn).
fn seated(seats: &[String], voters: &[Vec<&str>]) -> usize {
    let mut seat_of: Vec<Option<usize>> = vec![None; voters.len()];
    (0..seats.len())
        .filter(|&seat| {
            let mut asked = vec![false; voters.len()];
            take_seat(seat, seats, voters, &mut seat_of, &mut asked)
        })
        .count()
}

fn take_seat(
    seat: usize,
    seats: &[String],
    voters: &[Vec<&str>],
    seat_of: &mut [Option<usize>],
    asked: &mut [bool],
) -> bool {
    let Some(group) = seats.get(seat) else { return false };
    for (voter, groups) in voters.iter().enumerate() {
        let Some(asked_already) = asked.get_mut(voter) else { continue };
        if *asked_already || !groups.contains(&group.as_str()) {
            continue;
        }
        *asked_already = true;
        let free = match seat_of.get(voter).copied().flatten() {
            None => true,
            Some(other) => take_seat(other, seats, voters, seat_of, asked),
        };
        if free && let Some(place) = seat_of.get_mut(voter) {
            *place = Some(seat);
            return true;
        }
    }
    false
}
