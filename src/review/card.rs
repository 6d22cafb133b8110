//! A hold in short: what lists show of it.

use super::Face;
use super::moment::Moment;
use super::shown::Shown;
use crate::approval::{self, Charter, Choice, Law};
use crate::hold::{Hold, HoldState};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// One hold as a line of a list.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) id: String,
    pub(super) state: HoldState,
    pub(super) risk: &'static str,
    pub(super) summary: Shown,
    pub(super) agent: Shown,
    pub(super) method: Shown,
    pub(super) target: Shown,
    pub(super) rule: Shown,
    pub(super) created: Moment,
    /// When it ends by itself; `None` once it is decided.
    pub(super) expires: Option<Moment>,
    pub(super) clients: Clients,
    pub(super) approvals: Approvals,
    pub(super) requests: u32,
}

/// Connections that wait with a hold.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) count: usize,
    /// The end of the longest patience.
    pub(super) until: Option<Moment>,
}

/// How many distinct people have approved, of how many that must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Approvals {
    pub(super) have: usize,
    pub(super) needed: usize,
}

impl Card {
    pub(super) fn of(hold: &Hold, face: &Face, now: Timestamp) -> Self {
        let url = &hold.request.url;
        Self {
            id: hold.id.to_string(),
            state: hold.state,
            risk: hold.grounds.risk.as_str(),
            summary: Shown::of(&hold.grounds.summary),
            agent: Shown::of(&hold.agent),
            method: Shown::of(&hold.request.method),
            target: Shown::of(url.split_once("://").map_or(url.as_str(), |(_, rest)| rest)),
            rule: Shown::of(&hold.grounds.rule),
            created: Moment::of(hold.created_at, now),
            expires: (hold.state == HoldState::Pending).then(|| Moment::of(hold.expires_at, now)),
            clients: Clients::of(hold, face, now),
            approvals: Approvals::of(hold, face.context.solo),
            requests: hold.requests,
        }
    }

    pub(super) fn pending(&self) -> bool {
        self.state == HoldState::Pending
    }
}

impl Clients {
    pub(super) fn of(hold: &Hold, face: &Face, now: Timestamp) -> Self {
        let (count, until) = face.context.desk.waiting(&hold.id);
        Self { count, until: until.map(|until| Moment::of(until, now)) }
    }
}

impl Approvals {
    pub(super) fn of(hold: &Hold, solo_now: bool) -> Self {
        let people: BTreeSet<_> =
            hold.votes.iter().filter(|vote| vote.vote == Choice::Approve).map(|vote| &vote.person).collect();
        let (keys, charter) = (BTreeMap::new(), Charter::default());
        let law = Law { owners_now: &[], solo: solo_now, keys: &keys, charter: &charter };
        let needed = approval::needed(hold, &law);
        Self { have: people.len(), needed }
    }
}
