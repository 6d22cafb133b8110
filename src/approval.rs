//! Who may decide, and when it is decided: one pure function for every channel.

use crate::digest::RequestDigest;
use crate::hold::{Hold, HoldState, VoteRecord};
use crate::person::Person;
use crate::role::Roles;
use crate::ruling::Assurance;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A person who may review, as known now, and how they showed who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reviewer {
    pub person: Person,
    /// Joins the accounts of one human (`identity.person-key`).
    pub key: Option<String>,
    /// Shown, never compared.
    pub display: String,
    pub groups: BTreeSet<String>,
    /// When the identity provider last said so; `None`: the account is kept here.
    pub groups_at: Option<Timestamp>,
    pub login: Login,
}

/// How somebody showed who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    pub by: LoginBy,
    /// When they last showed it themselves (`auth_time`).
    pub at: Option<Timestamp>,
    /// What the identity provider says of how (OpenID Connect Core §2).
    pub acr: Option<String>,
    #[serde(default)]
    pub amr: Vec<String>,
    /// `slack:T1/U1`, `teams:TENANT/OBJECT`.
    pub account: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginBy {
    /// A token of a local account.
    #[default]
    Token,
    /// A one-time link of a local account.
    Link,
    /// A login at the identity provider.
    Oidc,
    /// An access token of the identity provider.
    AccessToken,
    /// A click in chat, by an account that is linked to the person.
    Chat,
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
    Slack,
    Teams,
}

impl Channel {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Slack => "slack",
            Self::Teams => "teams",
        }
    }
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
    #[error("none of your groups may decide on this rule and agent")]
    OutsideRole,
    #[error("your groups were last confirmed too long ago; sign in again in the inbox")]
    StaleGroups,
    #[error("this rule asks for a fresh, strong login; approve it in the inbox")]
    StepUp,
}

impl Refusal {
    /// Whether the same person may get further by signing in again.
    pub const fn mends_by_login(&self) -> bool {
        matches!(self, Self::StaleGroups | Self::StepUp)
    }
}

/// What the configuration says about who decides.
#[derive(Debug, Clone, Default)]
pub struct Charter {
    pub roles: Roles,
    pub step_up: StepUp,
    /// Groups that the identity provider confirmed longer ago do not count.
    pub groups_fresh: Option<Duration>,
}

/// What counts as a fresh, strong login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepUp {
    pub max_age: Duration,
    /// Accepted values of `acr`. Not empty: a login without `acr` does not count.
    pub acr: Vec<String>,
    /// No identity provider: a fresh login by a one-time link is as strong as it gets.
    pub local: bool,
}

impl Default for StepUp {
    fn default() -> Self {
        Self { max_age: Duration::from_mins(5), acr: Vec::new(), local: true }
    }
}

impl StepUp {
    /// How sure it is at `now` who logged in like this.
    pub fn assurance(&self, login: &Login, now: Timestamp) -> Assurance {
        let strong = match login.by {
            LoginBy::Chat => return Assurance::Chat,
            LoginBy::Token => false,
            LoginBy::Link => self.local,
            LoginBy::Oidc | LoginBy::AccessToken => {
                self.acr.is_empty() || login.acr.as_ref().is_some_and(|acr| self.acr.contains(acr))
            }
        };
        // A login from the future is no login.
        let age = login.at.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
        let fresh = age.is_some_and(|age| age <= self.max_age);
        if strong && fresh { Assurance::High } else { Assurance::Login }
    }
}

/// What a vote is judged by, as the transaction sees it.
#[derive(Debug, Clone, Copy)]
pub struct Law<'a> {
    /// The agent's owners at this moment; those of the time of parking count as well.
    pub owners_now: &'a [Person],
    /// Solo mode is a property of the hold (`hold.solo`) **and** of now: both must say so.
    pub solo: bool,
    /// What joins accounts of one human, of everybody concerned.
    pub keys: &'a BTreeMap<Person, String>,
    pub charter: &'a Charter,
}

/// Decides what a vote does. Nothing here reads a clock or a database: the caller holds the transaction that
/// records the vote, and passes in what that transaction sees.
///
/// Excluded from approving: the agent's owners of then and now, and on whose behalf it acts, each with all
/// accounts that are known to be theirs. No role exempts.
///
/// # Errors
/// See [`Refusal`]. A deny by an owner is allowed: anybody may stop their own agent.
pub fn judge(
    hold: &Hold,
    law: &Law<'_>,
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
    let bench = Bench::of(hold, law, Some(reviewer));
    let human = bench.human(&reviewer.person);
    if vote.choice == Choice::Deny && bench.involved(&human) {
        return Ok(Tally::Denied);
    }
    if vote.choice == Choice::Approve && bench.excludes(&human) {
        return Err(Refusal::OwnAgent);
    }
    if !fresh(reviewer, law.charter, now) {
        return Err(Refusal::StaleGroups);
    }
    if !law.charter.roles.may_review(&reviewer.groups, &hold.grounds, &hold.agent) {
        return Err(Refusal::OutsideRole);
    }
    if vote.choice == Choice::Deny {
        return Ok(Tally::Denied);
    }
    let groups: Vec<&str> = reviewer.groups.iter().map(String::as_str).collect();
    if !bench.may_stand(&groups) {
        return Err(Refusal::NotInGroup(bench.wanted().to_vec()));
    }
    let asked = hold.grounds.review.assurance;
    if asked == Assurance::High && law.charter.step_up.assurance(&reviewer.login, now) < asked {
        return Err(Refusal::StepUp);
    }
    let approved = |v: &&VoteRecord| v.vote == Choice::Approve;
    if hold.votes.iter().filter(approved).any(|v| bench.human(&v.person) == human) {
        return Err(Refusal::AlreadyVoted);
    }
    // Earlier votes are weighed anew: who has become an owner since counts no more.
    let mut voters: BTreeMap<Human<'_>, Vec<&str>> = BTreeMap::new();
    for earlier in hold.votes.iter().filter(approved) {
        let groups: Vec<&str> = earlier.groups.iter().map(String::as_str).collect();
        let human = bench.human(&earlier.person);
        if !bench.excludes(&human) && bench.may_stand(&groups) && bench.may_review(earlier) {
            voters.entry(human).or_default().extend(groups);
        }
    }
    voters.insert(human, groups);
    let voters: Vec<Vec<&str>> = voters.into_values().collect();
    match bench.missing(&voters) {
        0 => Ok(Tally::Approved),
        missing => Ok(Tally::Open { missing }),
    }
}

/// How many distinct people must approve the hold, for show. In solo mode one person is all there is.
pub fn needed(hold: &Hold, law: &Law<'_>) -> usize {
    let bench = Bench::of(hold, law, None);
    if bench.solo { 1 } else { bench.approvals.max(hold.grounds.review.each.len()) }
}

/// Whether the groups count at all: the provider confirmed them lately, or they are kept here.
pub fn fresh(reviewer: &Reviewer, charter: &Charter, now: Timestamp) -> bool {
    match (reviewer.groups_at, charter.groups_fresh) {
        (Some(at), Some(limit)) => Duration::try_from(now.duration_since(at)).is_ok_and(|age| age <= limit),
        _ => true,
    }
}

/// One human: all accounts with the same key, or the one account that has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Human<'a> {
    Key(&'a str),
    Account(&'a Person),
}

/// What a hold asks of those who approve it.
struct Bench<'a> {
    hold: &'a Hold,
    law: Law<'a>,
    /// Who votes: of them, what their own login says counts.
    me: Option<&'a Reviewer>,
    /// Owners may approve, and one approval is enough: solo mode, then and now. A second person does not exist.
    solo: bool,
    approvals: usize,
}

impl<'a> Bench<'a> {
    fn of(hold: &'a Hold, law: &Law<'a>, me: Option<&'a Reviewer>) -> Self {
        let solo = hold.solo && law.solo;
        let nobody_known = hold.owners.is_empty() && law.owners_now.is_empty();
        let least = if nobody_known && !solo { 2 } else { 1 };
        let asked = usize::try_from(hold.grounds.review.approvals).unwrap_or(usize::MAX);
        Self { hold, law: *law, me, solo, approvals: asked.max(least) }
    }

    fn human(&self, person: &'a Person) -> Human<'a> {
        let own = self.me.filter(|me| me.person == *person).and_then(|me| me.key.as_deref());
        let key = own.or_else(|| self.law.keys.get(person).map(String::as_str));
        key.map_or(Human::Account(person), Human::Key)
    }

    /// Whether the call is their own: owner then or now, or the person that the agent acts for.
    fn involved(&self, human: &Human<'_>) -> bool {
        let Hold { owners, initiator, .. } = self.hold;
        let all = owners.iter().chain(self.law.owners_now).chain(initiator);
        all.into_iter().any(|person| self.human(person) == *human)
    }

    fn excludes(&self, human: &Human<'_>) -> bool {
        !self.solo && self.involved(human)
    }

    fn may_review(&self, vote: &VoteRecord) -> bool {
        let groups = vote.groups.iter().cloned().collect();
        self.law.charter.roles.may_review(&groups, &self.hold.grounds, &self.hold.agent)
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
    use crate::role::{Role, RoleGrant, Scope};
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
            initiator: None,
            grant: None,
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
                tags: Vec::new(),
                matched: Vec::new(),
                review,
                summary: String::new(),
                ruleset: String::new(),
                parts: Vec::new(),
                held_by: Vec::new(),
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
            key: None,
            display: name.to_owned(),
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
            groups_at: None,
            login: Login::default(),
        }
    }

    fn vote(choice: Choice) -> Vote {
        Vote { digest: RequestDigest([1; 32]), choice, reason: None, channel: Channel::Api }
    }

    /// Judged without roles, keys or step-up.
    fn judged(
        hold: &Hold,
        owners: &[Person],
        solo: bool,
        by: &Reviewer,
        vote: &Vote,
    ) -> Result<Tally, Refusal> {
        let (keys, charter) = (BTreeMap::new(), Charter::default());
        let law = Law { owners_now: owners, solo, keys: &keys, charter: &charter };
        judge(hold, &law, by, vote, NOW)
    }

    /// Votes as the store does: a counted approval stays with the hold.
    fn cast(hold: &mut Hold, owners: &[Person], solo: bool, by: &Reviewer) -> Result<Tally, Refusal> {
        let (keys, charter) = (BTreeMap::new(), Charter::default());
        cast_by(hold, &Law { owners_now: owners, solo, keys: &keys, charter: &charter }, by)
    }

    fn cast_by(hold: &mut Hold, law: &Law<'_>, by: &Reviewer) -> Result<Tally, Refusal> {
        let vote = vote(Choice::Approve);
        let tally = judge(hold, law, by, &vote, NOW)?;
        hold.votes.push(VoteRecord {
            person: by.person.clone(),
            groups: by.groups.iter().cloned().collect(),
            vote: vote.choice,
            reason: None,
            channel: vote.channel,
            assurance: Assurance::Login,
            account: None,
            at: NOW,
        });
        Ok(tally)
    }

    fn needed_by(hold: &Hold, solo: bool) -> usize {
        let (keys, charter) = (BTreeMap::new(), Charter::default());
        needed(hold, &Law { owners_now: &[], solo, keys: &keys, charter: &charter })
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
        assert_eq!(needed_by(&parked, true), 1);
        assert_eq!(cast(&mut parked, &[], true, &reviewer("alice", &["owners"])), Ok(Tally::Approved));
        // Solo then but not now: the rule's word stands.
        let mut parked = hold(&["alice"], true, strict);
        assert_eq!(needed_by(&parked, false), 2);
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
        assert_eq!(judged(&hold, &[], false, &bob, &stale), Err(Refusal::StaleDigest));
        let parked = std::mem::replace(&mut hold.expires_at, NOW);
        assert_eq!(judged(&hold, &[], false, &bob, &approve), Err(Refusal::Expired));
        assert_eq!(judged(&hold, &[], false, &bob, &vote(Choice::Deny)), Err(Refusal::Expired));
        hold.expires_at = parked;
        for state in HoldState::ALL.into_iter().filter(|s| *s != HoldState::Pending) {
            hold.state = state;
            for choice in [Choice::Approve, Choice::Deny] {
                let refused = judged(&hold, &[], true, &bob, &vote(choice));
                assert_eq!(refused, Err(Refusal::NotPending(state)));
            }
        }
    }

    fn at(issuer: &str, subject: &str) -> Person {
        Person { issuer: issuer.to_owned(), subject: subject.to_owned() }
    }

    #[test]
    fn a_second_account_is_the_same_human() {
        let keys = BTreeMap::from([
            (Person::local("alice"), "E1".to_owned()),
            (at("https://idp", "alice-admin"), "E1".to_owned()),
            (at("https://idp", "bob"), "E2".to_owned()),
            (at("https://other", "bob"), "E2".to_owned()),
        ]);
        let charter = Charter::default();
        let law = Law { owners_now: &[], solo: false, keys: &keys, charter: &charter };
        let by = |person: Person| Reviewer { person, ..reviewer("x", &[]) };
        let mut parked = hold(&["alice"], false, policy(2, &[], &[]));
        assert_eq!(cast_by(&mut parked, &law, &by(at("https://idp", "alice-admin"))), Err(Refusal::OwnAgent));
        assert_eq!(cast_by(&mut parked, &law, &by(at("https://idp", "bob"))), Ok(Tally::Open { missing: 1 }));
        assert_eq!(cast_by(&mut parked, &law, &by(at("https://other", "bob"))), Err(Refusal::AlreadyVoted));
        // What the login itself says joins as well, known before or not.
        let carol = Reviewer { key: Some("E1".to_owned()), ..reviewer("carol", &[]) };
        assert_eq!(cast_by(&mut parked, &law, &carol), Err(Refusal::OwnAgent));
        // A key says more about a person, never less.
        let alice = Reviewer { key: Some("E9".to_owned()), ..reviewer("alice", &[]) };
        assert_eq!(cast_by(&mut parked, &law, &alice), Err(Refusal::OwnAgent));
    }

    #[test]
    fn on_whose_behalf_it_acts_is_excluded_but_may_stop_it() {
        let mut parked = hold(&["alice"], false, policy(0, &[], &[]));
        parked.initiator = Some(Person::local("bob"));
        let bob = reviewer("bob", &[]);
        assert_eq!(judged(&parked, &[], false, &bob, &vote(Choice::Approve)), Err(Refusal::OwnAgent));
        assert_eq!(judged(&parked, &[], false, &bob, &vote(Choice::Deny)), Ok(Tally::Denied));
    }

    #[test]
    fn roles_and_fresh_groups_are_asked_of_both_votes_but_not_of_owners_who_deny() {
        let entry = |group: &str, role| RoleGrant { group: group.to_owned(), role, scope: Scope::default() };
        let charter = Charter {
            roles: Roles::of(vec![entry("oncall", Role::Reviewer), entry("audit", Role::Auditor)]),
            groups_fresh: Some(Duration::from_secs(100)),
            ..Charter::default()
        };
        let keys = BTreeMap::new();
        let law = Law { owners_now: &[], solo: false, keys: &keys, charter: &charter };
        let parked = hold(&["alice"], false, policy(0, &[], &[]));
        let cases = [
            ("bob", "oncall", Some(950), Ok(Tally::Approved), Ok(Tally::Denied)),
            ("bob", "oncall", Some(899), Err(Refusal::StaleGroups), Err(Refusal::StaleGroups)),
            ("bob", "oncall", None, Ok(Tally::Approved), Ok(Tally::Denied)),
            ("bob", "audit", None, Err(Refusal::OutsideRole), Err(Refusal::OutsideRole)),
            ("alice", "oncall", None, Err(Refusal::OwnAgent), Ok(Tally::Denied)),
            ("alice", "cooks", Some(1), Err(Refusal::OwnAgent), Ok(Tally::Denied)),
        ];
        for (name, group, at, approve, deny) in cases {
            let groups_at = at.map(|at| Timestamp::constant(at, 0));
            let by = Reviewer { groups_at, ..reviewer(name, &[group]) };
            assert_eq!(judge(&parked, &law, &by, &vote(Choice::Approve), NOW), approve, "{name} {group}");
            assert_eq!(judge(&parked, &law, &by, &vote(Choice::Deny), NOW), deny, "{name} {group}");
        }
    }

    #[test]
    fn high_assurance_wants_a_fresh_and_strong_login() {
        let review = ReviewPolicy { assurance: Assurance::High, ..policy(0, &[], &[]) };
        let parked = hold(&["alice"], false, review);
        let keys = BTreeMap::new();
        let step_up = StepUp { max_age: Duration::from_secs(60), acr: vec!["phr".to_owned()], local: false };
        let mut charter = Charter { step_up, ..Charter::default() };
        let login = |by, at, acr: Option<&str>| Login {
            by,
            at: Some(Timestamp::constant(at, 0)),
            acr: acr.map(str::to_owned),
            ..Login::default()
        };
        for (login, expected) in [
            (login(LoginBy::Oidc, 990, Some("phr")), Ok(Tally::Approved)),
            (login(LoginBy::Oidc, 939, Some("phr")), Err(Refusal::StepUp)),
            (login(LoginBy::Oidc, 1_001, Some("phr")), Err(Refusal::StepUp)),
            (login(LoginBy::Oidc, 990, Some("pwd")), Err(Refusal::StepUp)),
            (login(LoginBy::Oidc, 990, None), Err(Refusal::StepUp)),
            (Login { at: None, ..login(LoginBy::Oidc, 0, Some("phr")) }, Err(Refusal::StepUp)),
            (login(LoginBy::Chat, 990, Some("phr")), Err(Refusal::StepUp)),
            (login(LoginBy::Token, 990, Some("phr")), Err(Refusal::StepUp)),
            (login(LoginBy::Link, 990, Some("phr")), Err(Refusal::StepUp)),
            (login(LoginBy::AccessToken, 990, Some("phr")), Ok(Tally::Approved)),
        ] {
            let law = Law { owners_now: &[], solo: false, keys: &keys, charter: &charter };
            let by = Reviewer { login: login.clone(), ..reviewer("bob", &[]) };
            assert_eq!(judge(&parked, &law, &by, &vote(Choice::Approve), NOW), expected, "{login:?}");
        }
        let link = Reviewer { login: login(LoginBy::Link, 990, None), ..reviewer("bob", &[]) };
        charter.step_up.local = true;
        let law = Law { owners_now: &[], solo: false, keys: &keys, charter: &charter };
        assert_eq!(judge(&parked, &law, &link, &vote(Choice::Approve), NOW), Ok(Tally::Approved));
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
            humans in prop::collection::vec(prop::option::of(0..3_u8), NAMES.len()),
            votes in prop::collection::vec((prop::sample::select(NAMES.to_vec()), some_groups()), 0..12),
        ) {
            let mut hold = hold(&then, solo, policy.clone());
            let now: Vec<Person> = now.iter().map(|n| Person::local(n)).collect();
            // Accounts of one number are one human.
            let keyed = NAMES.iter().zip(&humans).filter_map(|(name, of)| Some((Person::local(name), of.as_ref()?.to_string())));
            let keys: BTreeMap<Person, String> = keyed.collect();
            let charter = Charter::default();
            let law = Law { owners_now: &now, solo: solo_now, keys: &keys, charter: &charter };
            let human = |person: &Person| keys.get(person).cloned().unwrap_or_else(|| person.to_string());
            for (name, groups) in votes {
                if cast_by(&mut hold, &law, &reviewer(name, &groups)) != Ok(Tally::Approved) {
                    continue;
                }
                let solo = solo && solo_now;
                let owners: BTreeSet<String> = hold.owners.iter().chain(&now).map(human).collect();
                let member = |v: &VoteRecord| policy.from.is_empty() || policy.from.iter().any(|g| v.groups.contains(g));
                let valid: Vec<&VoteRecord> =
                    hold.votes.iter().filter(|v| (solo || !owners.contains(&human(&v.person))) && member(v)).collect();
                let people: BTreeSet<String> = valid.iter().map(|v| human(&v.person)).collect();
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
            let tally = judged(&hold, &[], false, &reviewer(name, &[]), &vote(Choice::Deny));
            prop_assert_eq!(tally, Ok(Tally::Denied));
        }
    }
}
