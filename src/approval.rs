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

/// How many distinct people must approve the hold, for show. In solo mode one person is all there is.
pub fn needed(hold: &Hold, owners_now: &[Person], solo_now: bool) -> usize {
    let bench = Bench::of(hold, owners_now, solo_now);
    if bench.solo { 1 } else { bench.approvals.max(hold.grounds.review.each.len()) }
}

/// What a hold asks of those who approve it.
struct Bench<'a> {
    hold: &'a Hold,
    owners_now: &'a [Person],
    /// Owners may approve, and one approval is enough: solo mode, then and now. A second person does not exist.
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
        if self.solo && !voters.is_empty() {
            return 0;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::{AgentWords, HoldId, ParkedRequest};
    use crate::ruling::{Grounds, ReviewPolicy, Risk};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::constant(1_000, 0);

    fn hold(owners: &[&str], solo: bool, review: ReviewPolicy) -> Hold {
        Hold {
            id: HoldId::from_random(1),
            version: 1,
            state: HoldState::Pending,
            digest: RequestDigest([1; 32]),
            agent_id: 1,
            agent: "ci".to_owned(),
            owners: owners.iter().map(|o| Person::local(o)).collect(),
            source: "127.0.0.1".to_owned(),
            request: ParkedRequest {
                method: "POST".to_owned(),
                url: "https://h/".to_owned(),
                host: "h".to_owned(),
                http_version: "HTTP/1.1".to_owned(),
                headers: Vec::new(),
                body: None,
                body_bytes: 0,
                body_sha256: String::new(),
            },
            grounds: Grounds {
                rule: "p/r".to_owned(),
                why: String::new(),
                risk: Risk::High,
                matched: Vec::new(),
                review,
                summary: String::new(),
                ruleset: String::new(),
            },
            words: AgentWords::default(),
            solo,
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::constant(2_000, 0),
            decided_at: None,
            approval_expires_at: None,
            released_at: None,
            outcome: None,
            requests: 1,
            votes: Vec::new(),
        }
    }

    fn policy(approvals: u32, from: &[&str], each: &[&str]) -> ReviewPolicy {
        let owned = |groups: &[&str]| groups.iter().map(|g| (*g).to_owned()).collect();
        ReviewPolicy { approvals, from: owned(from), each: owned(each), ..ReviewPolicy::default() }
    }

    fn reviewer(name: &str, groups: &[&str]) -> Reviewer {
        Reviewer {
            person: Person::local(name),
            display: name.to_owned(),
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        }
    }

    fn vote(choice: Choice) -> Vote {
        Vote { digest: RequestDigest([1; 32]), choice, reason: None, channel: Channel::Api }
    }

    /// Votes as the store does: a counted approval stays with the hold.
    fn cast(hold: &mut Hold, owners: &[Person], solo: bool, by: &Reviewer) -> Result<Tally, Refusal> {
        let vote = vote(Choice::Approve);
        let tally = judge(hold, owners, solo, by, &vote, NOW)?;
        hold.votes.push(VoteRecord {
            person: by.person.clone(),
            groups: by.groups.iter().cloned().collect(),
            vote: vote.choice,
            reason: None,
            channel: vote.channel,
            at: NOW,
        });
        Ok(tally)
    }

    #[test]
    fn one_other_person_is_enough_by_default() {
        let mut hold = hold(&["alice"], false, policy(0, &[], &[]));
        assert_eq!(cast(&mut hold, &[], false, &reviewer("alice", &[])), Err(Refusal::OwnAgent));
        assert_eq!(cast(&mut hold, &[], false, &reviewer("bob", &[])), Ok(Tally::Approved));
    }

    #[test]
    fn owners_of_now_count_as_well() {
        let mut parked = hold(&["alice"], false, policy(2, &[], &[]));
        assert_eq!(cast(&mut parked, &[], false, &reviewer("bob", &[])), Ok(Tally::Open { missing: 1 }));
        let now = [Person::local("bob")];
        assert_eq!(cast(&mut parked, &now, false, &reviewer("carol", &[])), Ok(Tally::Open { missing: 1 }));
        assert_eq!(cast(&mut parked, &now, false, &reviewer("dan", &[])), Ok(Tally::Approved));
    }

    #[test]
    fn nobody_known_means_two_people_unless_solo_then_and_now() {
        for (then, now, expected) in [
            (false, false, Tally::Open { missing: 1 }),
            (true, false, Tally::Open { missing: 1 }),
            (false, true, Tally::Open { missing: 1 }),
            (true, true, Tally::Approved),
        ] {
            let mut hold = hold(&[], then, policy(1, &[], &[]));
            assert_eq!(cast(&mut hold, &[], now, &reviewer("bob", &[])), Ok(expected));
        }
    }

    #[test]
    fn solo_lets_the_one_person_there_is_approve() {
        let strict = policy(2, &[], &["security", "owners"]);
        let mut parked = hold(&["alice"], true, strict.clone());
        assert_eq!(needed(&parked, &[], true), 1);
        assert_eq!(cast(&mut parked, &[], true, &reviewer("alice", &["owners"])), Ok(Tally::Approved));
        // Solo then but not now: the rule's word stands.
        let mut parked = hold(&["alice"], true, strict);
        assert_eq!(needed(&parked, &[], false), 2);
        assert_eq!(cast(&mut parked, &[], false, &reviewer("alice", &["owners"])), Err(Refusal::OwnAgent));
    }

    #[test]
    fn each_group_needs_a_person_of_its_own() {
        let mut parked = hold(&["alice"], false, policy(1, &[], &["security", "owners"]));
        let both = reviewer("bob", &["security", "owners"]);
        assert_eq!(cast(&mut parked, &[], false, &both), Ok(Tally::Open { missing: 1 }));
        let stranger = cast(&mut parked, &[], false, &reviewer("carol", &["cooks"]));
        assert_eq!(stranger, Err(Refusal::NotInGroup(vec!["security".to_owned(), "owners".to_owned()])));
        // Bob must move to the seat that Dan cannot take.
        assert_eq!(cast(&mut parked, &[], false, &reviewer("dan", &["security"])), Ok(Tally::Approved));
    }

    #[test]
    fn from_shuts_others_out() {
        let mut hold = hold(&["alice"], false, policy(1, &["admins"], &[]));
        let refused = cast(&mut hold, &[], false, &reviewer("bob", &["security"]));
        assert_eq!(refused, Err(Refusal::NotInGroup(vec!["admins".to_owned()])));
        assert_eq!(cast(&mut hold, &[], false, &reviewer("carol", &["admins"])), Ok(Tally::Approved));
    }

    #[test]
    fn stale_decided_and_expired_are_told_apart() {
        let bob = reviewer("bob", &[]);
        let approve = vote(Choice::Approve);
        let mut hold = hold(&["alice"], false, policy(1, &[], &[]));
        let stale = Vote { digest: RequestDigest([2; 32]), ..approve.clone() };
        assert_eq!(judge(&hold, &[], false, &bob, &stale, NOW), Err(Refusal::StaleDigest));
        let ended = hold.expires_at;
        assert_eq!(judge(&hold, &[], false, &bob, &approve, ended), Err(Refusal::Expired));
        assert_eq!(judge(&hold, &[], false, &bob, &vote(Choice::Deny), ended), Err(Refusal::Expired));
        for state in HoldState::ALL.into_iter().filter(|s| *s != HoldState::Pending) {
            hold.state = state;
            for choice in [Choice::Approve, Choice::Deny] {
                let refused = judge(&hold, &[], true, &bob, &vote(choice), NOW);
                assert_eq!(refused, Err(Refusal::NotPending(state)));
            }
        }
    }

    const NAMES: [&str; 5] = ["alice", "bob", "carol", "dan", "eve"];
    const GROUPS: [&str; 3] = ["x", "y", "z"];

    fn some_groups() -> impl Strategy<Value = Vec<&'static str>> {
        prop::sample::subsequence(GROUPS.to_vec(), 0..=3)
    }

    fn some_names() -> impl Strategy<Value = Vec<&'static str>> {
        prop::sample::subsequence(NAMES.to_vec(), 0..=3)
    }

    fn some_policy() -> impl Strategy<Value = ReviewPolicy> {
        (0..4u32, some_groups(), some_groups()).prop_map(|(n, from, each)| policy(n, &from, &each))
    }

    /// Whether distinct people can stand for all groups, by trying all.
    fn seatable(each: &[String], voters: &[&VoteRecord]) -> bool {
        let Some((group, rest)) = each.split_first() else { return true };
        (0..voters.len()).any(|at| {
            let mut others = voters.to_vec();
            others.remove(at).groups.contains(group) && seatable(rest, &others)
        })
    }

    proptest! {
        /// Whoever votes how often with whatever groups: an approval has the people that the policy asks for,
        /// and no owner among them.
        #[test]
        fn an_approval_is_always_earned(
            then in some_names(), now in some_names(), solo: bool, solo_now: bool, policy in some_policy(),
            votes in prop::collection::vec((prop::sample::select(NAMES.to_vec()), some_groups()), 0..12),
        ) {
            let mut hold = hold(&then, solo, policy.clone());
            let now: Vec<Person> = now.iter().map(|n| Person::local(n)).collect();
            for (name, groups) in votes {
                if cast(&mut hold, &now, solo_now, &reviewer(name, &groups)) != Ok(Tally::Approved) {
                    continue;
                }
                let solo = solo && solo_now;
                let owners: BTreeSet<&Person> = hold.owners.iter().chain(&now).collect();
                let member = |v: &VoteRecord| policy.from.is_empty() || policy.from.iter().any(|g| v.groups.contains(g));
                let valid: Vec<&VoteRecord> =
                    hold.votes.iter().filter(|v| (solo || !owners.contains(&v.person)) && member(v)).collect();
                let people: BTreeSet<&Person> = valid.iter().map(|v| &v.person).collect();
                prop_assert_eq!(people.len(), valid.len(), "nobody counts twice");
                prop_assert!(!people.is_empty());
                if !solo {
                    let least = if owners.is_empty() { 2 } else { 1 };
                    prop_assert!(people.len() >= (policy.approvals as usize).max(least));
                    prop_assert!(seatable(&policy.each, &valid));
                }
                break;
            }
        }

        /// The same people with the same groups come to the same end in any order.
        #[test]
        fn order_does_not_matter(
            owners in some_names(), policy in some_policy(),
            groups in prop::collection::vec(some_groups(), NAMES.len()),
            order in Just((0..NAMES.len()).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let run = |order: &[usize]| {
                let mut hold = hold(&owners, false, policy.clone());
                order.iter().any(|&at| {
                    let by = reviewer(NAMES[at], &groups[at]);
                    cast(&mut hold, &[], false, &by) == Ok(Tally::Approved)
                })
            };
            prop_assert_eq!(run(&order), run(&[0, 1, 2, 3, 4]));
        }

        /// `missing` is honest: fewer people than it says never suffice, whoever they are.
        #[test]
        fn missing_is_a_lower_bound(policy in some_policy(), groups in prop::collection::vec(some_groups(), 4)) {
            let mut hold = hold(&["owner"], false, policy);
            let mut missing = None;
            for (name, groups) in NAMES.into_iter().zip(&groups) {
                match cast(&mut hold, &[], false, &reviewer(name, groups)) {
                    Ok(Tally::Open { missing: now }) => {
                        prop_assert!(now > 0 && missing.is_none_or(|before| now <= before && before - now <= 1));
                        missing = Some(now);
                    }
                    Ok(Tally::Approved) => {
                        prop_assert!(missing.is_none_or(|before| before == 1));
                        break;
                    }
                    Ok(Tally::Denied) => prop_assert!(false, "nobody denied"),
                    Err(_) => {}
                }
            }
        }

        /// One deny ends it, whoever reviews, owner or not.
        #[test]
        fn anybody_may_deny(owners in some_names(), policy in some_policy(), name in prop::sample::select(NAMES.to_vec())) {
            let hold = hold(&owners, false, policy);
            let tally = judge(&hold, &[], false, &reviewer(name, &[]), &vote(Choice::Deny), NOW);
            prop_assert_eq!(tally, Ok(Tally::Denied));
        }
    }
}
