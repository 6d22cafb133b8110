//! The one function in the transaction, on the real store: no release without the people that the policy asks for.
#![expect(clippy::too_many_lines, reason = "one loop plays all operations")]

use super::{Ballot, ParkResult, Parking, Profile, Settings, Store, Terms, VoteTerms};
use crate::agent::Agent;
use crate::approval::{Channel, Charter, Choice, Login, LoginBy, Refusal, Reviewer, Vote};
use crate::audit::EventKind;
use crate::digest::{RequestDigest, sha256_hex};
use crate::grant::{Life, Scope as Reach, Wanted};
use crate::hold::{AgentWords, Hold, HoldId, HoldState, ParkedRequest};
use crate::person::Person;
use crate::role::{Names, Role, RoleGrant, Roles, Scope};
use crate::ruling::{Assurance, Grounds, ReviewPolicy, Risk};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

fn person(name: &str) -> Person {
    Person { issuer: "https://idp.example".to_owned(), subject: name.to_owned() }
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    charter: Arc<Charter>,
}

impl World {
    async fn new(charter: Charter) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Settings { data: folder.path().to_owned() }).await.unwrap();
        Self { _folder: folder, store, charter: Arc::new(charter) }
    }

    async fn sql(&self, statement: &'static str, values: &[&str]) {
        let values: Vec<String> = texts(values);
        let work = self.store.queue.write(move |tx| {
            Box::pin(async move {
                let mut query = sqlx::query(statement);
                for value in &values {
                    query = query.bind(value);
                }
                query.execute(&mut tx.conn).await?;
                Ok(())
            })
        });
        work.await.unwrap();
    }

    async fn knows(&self, name: &str, key: Option<&str>, groups: &[&str]) -> Reviewer {
        let profile = Profile {
            person: person(name),
            key: key.map(str::to_owned),
            display: name.to_owned(),
            email: None,
            groups: texts(groups).into_iter().collect(),
            groups_at: Timestamp::now(),
        };
        assert!(self.store.know(profile).await.unwrap());
        let login = Login { by: LoginBy::Oidc, ..Login::default() };
        Reviewer {
            person: person(name),
            key: None,
            display: name.to_owned(),
            groups: BTreeSet::new(),
            groups_at: None,
            login,
        }
    }

    async fn agent(&self, name: &str, owners: &[&str]) -> Arc<Agent> {
        let owners: Vec<Person> = owners.iter().map(|owner| person(owner)).collect();
        let text = json!(owners).to_string();
        self.sql(
            "INSERT INTO agents (name, owners, labels, created_at) VALUES (?, ?, '{}', 0)",
            &[name, &text],
        )
        .await;
        let id = sqlx::query_scalar("SELECT id FROM agents WHERE name = ?")
            .bind(name)
            .fetch_one(&self.store.readers)
            .await
            .unwrap();
        Arc::new(Agent { id, name: name.to_owned(), owners, labels: BTreeMap::new() })
    }

    async fn own(&self, agent: &str, owners: &[&str]) {
        let owners: Vec<Person> = owners.iter().map(|owner| person(owner)).collect();
        self.sql("UPDATE agents SET owners = ?2 WHERE name = ?1", &[agent, &json!(owners).to_string()]).await;
    }

    async fn park(&self, parking: Parking) -> ParkResult<HoldId> {
        let terms = Terms {
            solo: false,
            expires: Duration::from_hours(1),
            approval_life: Duration::from_hours(1),
            pending_per_agent_max: 1000,
            charter: Arc::clone(&self.charter),
            grants: Arc::default(),
        };
        self.store.park(parking, terms, |id, _| id).await.unwrap()
    }

    async fn held(&self, parking: Parking) -> HoldId {
        match self.park(parking).await {
            ParkResult::Waiting(id) => id,
            other => panic!("{other:?}"),
        }
    }

    async fn cast(&self, id: &HoldId, who: &Reviewer, choice: Choice, wanted: Option<Wanted>) -> Ballot {
        let digest = self.hold(id).await.digest;
        let vote = Vote { digest, choice, reason: None, channel: Channel::Web };
        let terms = VoteTerms {
            solo: false,
            approval_life: Duration::from_hours(1),
            charter: Arc::clone(&self.charter),
            grants: Arc::default(),
        };
        self.store.vote(id, who, vote, wanted, terms).await.unwrap()
    }

    /// The state after an approval that counts.
    #[track_caller]
    fn counted(ballot: Ballot) -> HoldState {
        match ballot {
            Ballot::Recorded(hold) => hold.state,
            other => panic!("{other:?}"),
        }
    }

    async fn approve(&self, id: &HoldId, who: &Reviewer) -> HoldState {
        Self::counted(self.cast(id, who, Choice::Approve, None).await)
    }

    /// The refusal, which is recorded, and leaves the hold as it was.
    async fn refused(&self, id: &HoldId, who: &Reviewer) -> Refusal {
        let before = self.hold(id).await;
        let refusal = match self.cast(id, who, Choice::Approve, None).await {
            Ballot::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        };
        let after = self.hold(id).await;
        assert_eq!((after.state, after.votes.len()), (before.state, before.votes.len()));
        let last: String =
            sqlx::query_scalar("SELECT event FROM audit WHERE subject = ? ORDER BY seq DESC LIMIT 1")
                .bind(id.as_str())
                .fetch_one(&self.store.readers)
                .await
                .unwrap();
        assert_eq!(last, EventKind::HoldVoteRefused.name());
        refusal
    }

    async fn hold(&self, id: &HoldId) -> Hold {
        self.store.hold(id).await.unwrap().unwrap()
    }
}

fn parking(agent: &Arc<Agent>, body: &str, review: ReviewPolicy) -> Parking {
    let mut digest = [0; 32];
    let text = sha256_hex(format!("{} {body}", agent.id).as_bytes());
    digest.copy_from_slice(&text.as_bytes()[..32]);
    Parking {
        agent: Arc::clone(agent),
        initiator: None,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        digest: RequestDigest(digest),
        request: ParkedRequest {
            method: "POST".to_owned(),
            url: "https://api.example/things".to_owned(),
            host: "api.example".to_owned(),
            http_version: "HTTP/2".to_owned(),
            headers: Vec::new(),
            body_bytes: body.len() as u64,
            body_sha256: sha256_hex(body.as_bytes()),
            body: Some(body.to_owned().into()),
        },
        grounds: Grounds {
            rule: "test/post".to_owned(),
            why: String::new(),
            risk: Risk::Low,
            tags: Vec::new(),
            matched: Vec::new(),
            review,
            summary: String::new(),
            ruleset: String::new(),
            parts: Vec::new(),
            held_by: vec!["one".to_owned()],
        },
        words: AgentWords::default(),
    }
}

fn asks(change: impl FnOnce(&mut ReviewPolicy)) -> ReviewPolicy {
    let mut review = ReviewPolicy::default();
    change(&mut review);
    review
}

#[tokio::test]
async fn one_person_in_both_groups_is_one_person() {
    let world = World::new(Charter::default()).await;
    let agent = world.agent("ci", &["alice"]).await;
    let both = world.knows("both", Some("k1"), &["security", "owners"]).await;
    let second = world.knows("both-second", Some("k1"), &["security", "owners"]).await;
    let other = world.knows("other", Some("k2"), &["owners"]).await;
    for review in [asks(|r| r.each = texts(&["security", "owners"])), asks(|r| r.approvals = 2)] {
        let id = world.held(parking(&agent, &format!("{review:?}"), review)).await;
        assert_eq!(world.approve(&id, &both).await, HoldState::Pending);
        assert_eq!(world.approve(&id, &both).await, HoldState::Pending, "the same vote again");
        // The same human with another account.
        assert_eq!(world.refused(&id, &second).await, Refusal::AlreadyVoted);
        assert_eq!(world.approve(&id, &other).await, HoldState::Approved);
    }
}

#[tokio::test]
async fn owners_are_kept_out_whichever_way_they_come() {
    let world = World::new(Charter::default()).await;
    let agent = world.agent("ci", &["alice"]).await;
    let alice = world.knows("alice", Some("ka"), &[]).await;
    let second = world.knows("alice-admin", Some("ka"), &["admins"]).await;
    let bob = world.knows("bob", Some("kb"), &[]).await;
    let carol = world.knows("carol", None, &[]).await;
    let id = world.held(parking(&agent, "own", ReviewPolicy::default())).await;
    assert_eq!(world.refused(&id, &alice).await, Refusal::OwnAgent);
    assert_eq!(world.refused(&id, &second).await, Refusal::OwnAgent, "her second account");
    // Who has become an owner since it was parked, too; who was one then stays out.
    world.own("ci", &["bob"]).await;
    assert_eq!(world.refused(&id, &bob).await, Refusal::OwnAgent);
    assert_eq!(world.refused(&id, &alice).await, Refusal::OwnAgent);
    // On whose behalf it acts.
    let mut acting = parking(&agent, "acting", ReviewPolicy::default());
    acting.initiator = Some(person("carol"));
    let acting = world.held(acting).await;
    assert_eq!(world.refused(&acting, &carol).await, Refusal::OwnAgent);
    assert_eq!(world.approve(&id, &carol).await, HoldState::Approved);
}

/// A vote that was good when it was cast counts no more when its voter owns the agent by the time it decides.
#[tokio::test]
async fn a_voter_who_becomes_an_owner_counts_no_more() {
    let world = World::new(Charter::default()).await;
    let agent = world.agent("ci", &["alice"]).await;
    let (bob, carol, dave) = (
        world.knows("bob", None, &[]).await,
        world.knows("carol", None, &[]).await,
        world.knows("dave", None, &[]).await,
    );
    let id = world.held(parking(&agent, "two", asks(|r| r.approvals = 2))).await;
    assert_eq!(world.approve(&id, &bob).await, HoldState::Pending);
    world.own("ci", &["alice", "bob"]).await;
    assert_eq!(world.approve(&id, &carol).await, HoldState::Pending, "bob's vote is worth nothing now");
    assert_eq!(world.approve(&id, &dave).await, HoldState::Approved);
}

#[tokio::test]
async fn an_agent_that_nobody_owns_needs_two() {
    let world = World::new(Charter::default()).await;
    let agent = world.agent("orphan", &[]).await;
    let (bob, carol) = (world.knows("bob", None, &[]).await, world.knows("carol", None, &[]).await);
    let id = world.held(parking(&agent, "x", ReviewPolicy::default())).await;
    assert_eq!(world.approve(&id, &bob).await, HoldState::Pending);
    assert_eq!(world.approve(&id, &carol).await, HoldState::Approved);
}

#[tokio::test]
async fn old_groups_and_narrow_roles_do_not_count() {
    let scope = Scope { rules: Names::of(&texts(&["test/*"])).unwrap(), ..Scope::default() };
    let elsewhere = Scope { agents: Names::of(&texts(&["other-*"])).unwrap(), ..Scope::default() };
    let role = |group: &str, role, scope| RoleGrant { group: group.to_owned(), role, scope };
    let roles = Roles::of(vec![
        role("oncall", Role::Reviewer, scope),
        role("elsewhere", Role::Reviewer, elsewhere),
        role("admins", Role::Admin, Scope::default()),
    ]);
    let fresh = Duration::from_hours(12);
    let world = World::new(Charter { roles, groups_fresh: Some(fresh), ..Charter::default() }).await;
    let agent = world.agent("ci", &["alice"]).await;
    let bob = world.knows("bob", None, &["oncall"]).await;
    let id = world.held(parking(&agent, "x", ReviewPolicy::default())).await;
    for group in ["elsewhere", "admins", "nothing"] {
        let other = world.knows(group, None, &[group]).await;
        assert_eq!(world.refused(&id, &other).await, Refusal::OutsideRole, "{group}");
    }
    let old = Timestamp::now() - SignedDuration::from_hours(13);
    let old = old.as_millisecond().to_string();
    world.sql("UPDATE people SET groups_at = CAST(?1 AS INTEGER) WHERE display = 'bob'", &[&old]).await;
    assert_eq!(world.refused(&id, &bob).await, Refusal::StaleGroups);
    let bob = world.knows("bob", None, &["oncall"]).await;
    assert_eq!(world.approve(&id, &bob).await, HoldState::Approved);
}

#[tokio::test]
async fn high_assurance_takes_a_strong_login_in_time() {
    let world = World::new(Charter::default()).await;
    let agent = world.agent("ci", &["alice"]).await;
    let bob = world.knows("bob", None, &[]).await;
    let id = world.held(parking(&agent, "x", asks(|r| r.assurance = Assurance::High))).await;
    let ago = |minutes| Some(Timestamp::now() - SignedDuration::from_mins(minutes));
    let by = |by, at| Reviewer { login: Login { by, at, ..Login::default() }, ..bob.clone() };
    let none: Option<Timestamp> = None;
    for weak in [
        by(LoginBy::Link, ago(6)),
        by(LoginBy::Link, ago(-60)),
        by(LoginBy::Link, none),
        by(LoginBy::Token, ago(0)),
        by(LoginBy::Chat, ago(0)),
    ] {
        assert_eq!(world.refused(&id, &weak).await, Refusal::StepUp, "{:?}", weak.login);
    }
    assert_eq!(world.approve(&id, &by(LoginBy::Link, ago(1))).await, HoldState::Approved);
}

/// Two stores on one file, as two processes have it: as many requests leave as a grant has uses.
#[tokio::test]
async fn two_instances_share_the_uses_of_a_grant() {
    let world = World::new(Charter::default()).await;
    let agent = world.agent("ci", &["alice"]).await;
    let bob = world.knows("bob", None, &[]).await;
    let id = world.held(parking(&agent, "first", ReviewPolicy::default())).await;
    let wanted = Wanted { scope: Reach::Resource, life: Life::Hour, uses: 9 };
    let granted = world.cast(&id, &bob, Choice::Approve, Some(wanted)).await;
    assert!(matches!(granted, Ballot::Granted(..)), "{granted:?}");
    let folder = world.store.data().to_owned();
    let other = Store::open(&Settings { data: folder }).await.unwrap();
    let other = World { _folder: tempfile::tempdir().unwrap(), store: other, charter: Arc::default() };
    let worlds = [&world, &other];
    let asks =
        (0..40).map(|n| worlds[n % 2].park(parking(&agent, &format!("n{n}"), ReviewPolicy::default())));
    let results = futures_util::future::join_all(asks).await;
    let left = results.iter().filter(|result| matches!(result, ParkResult::Released(_))).count();
    assert_eq!(left, 9);
    let uses: i64 =
        sqlx::query_scalar("SELECT uses_left FROM grants").fetch_one(&world.store.readers).await.unwrap();
    assert_eq!(uses, 0);
    other.store.close().await;
}

/// Whoever owned the agent when it asked lets nothing pass by a grant that they make when they no longer do.
#[tokio::test]
async fn owners_of_then_let_nothing_pass_by_a_grant() {
    use Op::{Owners, Park, Vote};
    let (one, two) = ((0, 1), (0, 2));
    let park = |(kind, body)| Park { kind, body };
    let grant = Vote { kind: 0, body: 1, who: 0, deny: false, grant: Some(Reach::Resource) };
    play(vec![park(one), Owners { owners: 1 }, park(two), Owners { owners: 2 }, grant, park(two)]).await;
}

const PEOPLE: [&str; 6] = ["p0", "p1", "p2", "p3", "p4", "p5"];
/// The first two are one human.
const KEYS: [Option<&str>; 6] = [Some("k0"), Some("k0"), Some("k2"), None, None, Some("k5")];
const GROUPS: [&[&str]; 4] = [&[], &["security"], &["owners"], &["security", "owners"]];
const OWNERS: [&[usize]; 4] = [&[], &[0], &[2, 3], &[5]];

fn policy(number: usize) -> ReviewPolicy {
    match number {
        0 => ReviewPolicy::default(),
        1 => asks(|r| r.approvals = 2),
        2 => asks(|r| r.from = texts(&["security"])),
        3 => asks(|r| r.each = texts(&["security", "owners"])),
        _ => asks(|r| {
            r.each = texts(&["security"]);
            r.approvals = 3;
        }),
    }
}

#[derive(Debug, Clone)]
enum Op {
    /// Of several requests of one kind, one again.
    Park {
        kind: usize,
        body: usize,
    },
    Vote {
        kind: usize,
        body: usize,
        who: usize,
        deny: bool,
        grant: Option<Reach>,
    },
    Groups {
        who: usize,
        groups: usize,
    },
    Stale {
        who: usize,
    },
    Owners {
        owners: usize,
    },
    RevokePerson {
        who: usize,
    },
    RevokeGrants,
}

fn op() -> impl Strategy<Value = Op> {
    let kind = || 0..5_usize;
    let who = || 0..PEOPLE.len();
    let grant =
        prop_oneof![3 => Just(None), 2 => Just(Some(Reach::Resource)), 1 => Just(Some(Reach::Request))];
    prop_oneof![
        6 => (kind(), 0..3_usize).prop_map(|(kind, body)| Op::Park { kind, body }),
        8 => (kind(), 0..3_usize, who(), prop::bool::weighted(0.1), grant)
            .prop_map(|(kind, body, who, deny, grant)| Op::Vote { kind, body, who, deny, grant }),
        2 => (who(), 0..GROUPS.len()).prop_map(|(who, groups)| Op::Groups { who, groups }),
        1 => who().prop_map(|who| Op::Stale { who }),
        1 => (0..OWNERS.len()).prop_map(|owners| Op::Owners { owners }),
        1 => who().prop_map(|who| Op::RevokePerson { who }),
        1 => Just(Op::RevokeGrants),
    ]
}

/// What is so, without a database: who is who now.
#[derive(Debug, Default)]
struct Model {
    groups: [usize; 6],
    stale: [bool; 6],
    gone: [bool; 6],
    owners: usize,
    revoked_grants: BTreeSet<String>,
    holds: BTreeMap<HoldId, Parked>,
}

/// A hold: its kind, its owners when parked, and the approvals that counted, with the voter's groups then.
type Parked = (usize, usize, Vec<(usize, usize)>);

fn human(who: usize) -> usize {
    if who == 1 { 0 } else { who }
}

impl Model {
    fn owns(&self, who: usize, then: usize) -> bool {
        let owners = OWNERS[then].iter().chain(OWNERS[self.owners]);
        owners.into_iter().any(|owner| human(*owner) == human(who))
    }

    fn entitled(&self, who: usize, kind: usize, then: usize) -> bool {
        let from = policy(kind).from;
        let member =
            from.is_empty() || from.iter().any(|group| GROUPS[self.groups[who]].contains(&group.as_str()));
        !self.gone[who] && !self.stale[who] && !self.owns(who, then) && member
    }

    /// Whether these approvals are what the policy asks for, tried out by every way to seat people.
    fn enough(&self, id: &HoldId) -> bool {
        let (kind, then, votes) = &self.holds[id];
        let review = policy(*kind);
        let counted: BTreeMap<usize, BTreeSet<&str>> = votes
            .iter()
            .filter(|(who, _)| !self.owns(*who, *then))
            .filter(|(_, groups)| {
                review.from.is_empty() || review.from.iter().any(|g| GROUPS[*groups].contains(&g.as_str()))
            })
            .fold(BTreeMap::new(), |mut all, (who, groups)| {
                all.entry(human(*who)).or_default().extend(GROUPS[*groups]);
                all
            });
        let unknown = OWNERS[*then].is_empty() && OWNERS[self.owners].is_empty();
        let least = review.approvals.max(if unknown { 2 } else { 1 });
        let people: Vec<&BTreeSet<&str>> = counted.values().collect();
        people.len() >= usize::try_from(least).unwrap() && seats(&review.each, &people)
    }
}

fn seats(each: &[String], people: &[&BTreeSet<&str>]) -> bool {
    let Some((first, rest)) = each.split_first() else { return true };
    (0..people.len()).any(|at| {
        let mut others = people.to_vec();
        let taken = others.swap_remove(at);
        taken.contains(first.as_str()) && seats(rest, &others)
    })
}

async fn play(ops: Vec<Op>) {
    let fresh = Some(Duration::from_hours(12));
    let world = World::new(Charter { groups_fresh: fresh, ..Charter::default() }).await;
    let mut agent = world.agent("ci", &[]).await;
    let mut reviewers = Vec::new();
    for (name, key) in PEOPLE.into_iter().zip(KEYS) {
        reviewers.push(world.knows(name, key, &[]).await);
    }
    let mut model = Model::default();
    let mut newest: BTreeMap<(usize, usize), HoldId> = BTreeMap::new();
    let mut left: BTreeSet<HoldId> = BTreeSet::new();
    for op in ops {
        match op {
            Op::Park { kind, body } => {
                let mut parking = parking(&agent, &format!("{kind} {body}"), policy(kind));
                parking.request.url = format!("https://api.example/{kind}");
                match world.park(parking).await {
                    ParkResult::Waiting(id) => {
                        model.holds.entry(id.clone()).or_insert((kind, model.owners, Vec::new()));
                        newest.insert((kind, body), id);
                    }
                    ParkResult::Released(id) => {
                        assert!(left.insert(id.clone()), "{id} left twice");
                        let hold = world.hold(&id).await;
                        if let Some(grant) = hold.grant {
                            let maker: String = sqlx::query_scalar("SELECT person FROM grants WHERE id = ?")
                                .bind(&grant)
                                .fetch_one(&world.store.readers)
                                .await
                                .unwrap();
                            let who =
                                PEOPLE.iter().position(|name| person(name).to_string() == maker).unwrap();
                            let then = model.holds.get(&id).map_or(model.owners, |(_, then, _)| *then);
                            assert!(matches!(kind, 0 | 2), "two people are never granted");
                            assert!(
                                model.entitled(who, kind, then),
                                "{maker} may not let it pass: {model:?}"
                            );
                            assert!(!OWNERS[then].is_empty() || !OWNERS[model.owners].is_empty());
                            assert!(!model.revoked_grants.contains(&grant));
                        } else {
                            assert_eq!(hold.votes.len(), model.holds[&id].2.len());
                        }
                    }
                    ParkResult::Denied { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
            Op::Vote { kind, body, who, deny, grant } => {
                let Some(id) = newest.get(&(kind, body)).cloned() else { continue };
                let before = world.hold(&id).await;
                let wanted = grant.map(|scope| Wanted { scope, life: Life::Hour, uses: 2 });
                let choice = if deny { Choice::Deny } else { Choice::Approve };
                let wanted = wanted.filter(|_| !deny);
                let ballot = world.cast(&id, &reviewers[who], choice, wanted).await;
                let (hold, granted) = match ballot {
                    Ballot::Recorded(hold) => (hold, false),
                    Ballot::Granted(hold, _) => (hold, true),
                    Ballot::Refused(_) | Ballot::NoGrant(_) => {
                        let may = !deny && wanted.is_none() && before.state == HoldState::Pending;
                        let (_, then, votes) = &model.holds[&id];
                        let stands = policy(kind).each.is_empty() || !GROUPS[model.groups[who]].is_empty();
                        let voted = votes.iter().any(|(voter, _)| human(*voter) == human(who));
                        assert!(
                            !(may && stands && !voted && model.entitled(who, kind, *then) && kind < 3),
                            "{model:?}"
                        );
                        continue;
                    }
                    Ballot::NoSuchHold => panic!("it is there"),
                };
                if hold.votes.len() > before.votes.len() && !deny {
                    let groups = model.groups[who];
                    let then = model.holds[&id].1;
                    assert!(model.entitled(who, kind, then), "{who} may not vote: {model:?}");
                    model.holds.get_mut(&id).unwrap().2.push((who, groups));
                }
                let decides = before.state == HoldState::Pending && hold.state == HoldState::Approved;
                assert!(!decides || model.enough(&id), "too few people: {hold:?}");
                // The same vote once more is none, though others may be enough by now.
                let counts = hold.votes.len() > before.votes.len();
                if counts && !deny && before.state == HoldState::Pending && hold.state == HoldState::Pending {
                    assert!(!model.enough(&id), "enough people: {hold:?}");
                }
                if granted {
                    let then = model.holds[&id].1;
                    assert!(matches!(kind, 0 | 2) && model.entitled(who, kind, then), "{model:?}");
                }
            }
            Op::Groups { who, groups } => {
                model.groups[who] = groups;
                model.stale[who] = false;
                let text = json!(GROUPS[groups]).to_string();
                let now = Timestamp::now().as_millisecond().to_string();
                let set = "UPDATE people SET groups = ?2, groups_at = CAST(?3 AS INTEGER) WHERE display = ?1";
                world.sql(set, &[PEOPLE[who], &text, &now]).await;
            }
            Op::Stale { who } => {
                model.stale[who] = true;
                world.sql("UPDATE people SET groups_at = 0 WHERE display = ?1", &[PEOPLE[who]]).await;
            }
            Op::Owners { owners } => {
                model.owners = owners;
                let names: Vec<&str> = OWNERS[owners].iter().map(|who| PEOPLE[*who]).collect();
                world.own("ci", &names).await;
                let owners = names.iter().map(|name| person(name)).collect();
                agent = Arc::new(Agent { owners, ..(*agent).clone() });
            }
            Op::RevokePerson { who } => {
                model.gone[who] = true;
                world.sql("UPDATE people SET revoked_at = 1 WHERE display = ?1", &[PEOPLE[who]]).await;
            }
            Op::RevokeGrants => {
                let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM grants")
                    .fetch_all(&world.store.readers)
                    .await
                    .unwrap();
                for id in &ids {
                    let id = id.parse().unwrap();
                    world.store.revoke_grant(&id, &reviewers[4], &world.charter).await.unwrap();
                }
                if !model.gone[4] {
                    model.revoked_grants.extend(ids);
                }
            }
        }
    }
    let verified = world.store.verify().await.unwrap();
    assert!(matches!(verified, super::audit::Verified::Sound { .. }), "{verified:?}");
    world.store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_leaves_without_the_people_that_the_policy_asks_for(ops in prop::collection::vec(op(), 1..90)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(ops));
    }
}
