//! The whole life of holds against a model: any sequence of parks, votes, disconnects, revocations, restarts
//! and crashes.

use crate::support::{LONG, Office, ballot, parking};
use holdpoint::agents::Known;
use holdpoint::approval::{Choice, Refusal, Reviewer};
use holdpoint::audit::EventKind;
use holdpoint::desk::{Filter, Outcome, ParkError, Parked, Release, Settings, VoteError, Waiter};
use holdpoint::hold::{HoldId, HoldState, ReleaseOutcome};
use holdpoint::ruling::ReviewPolicy;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One agent has an owner, Alice; the other has none, so that two people must agree.
const AGENTS: [&str; 2] = ["owned", "ownerless"];
const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
/// Holds of the second body end as soon as they are made.
const BODIES: [&str; 2] = ["lasting", "fleeting"];

type Key = (usize, usize);

#[derive(Debug, Clone)]
enum Op {
    Park {
        key: Key,
        answer: Answer,
    },
    Vote {
        key: Key,
        person: usize,
        choice: Choice,
        answer: Answer,
    },
    /// Who waits longest loses patience.
    Impatience {
        key: Key,
    },
    /// Who waits longest hangs up.
    HangUp {
        key: Key,
    },
    Revoke {
        agent: usize,
    },
    Restart,
}

/// What becomes of a release that comes of it.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Answered,
    Dropped,
    /// The process dies before the answer.
    Crash,
}

fn some_key() -> impl Strategy<Value = Key> {
    (0..AGENTS.len(), prop_oneof![4 => Just(0), 1 => Just(1)])
}

fn some_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![4 => Just(Answer::Answered), 2 => Just(Answer::Dropped), 1 => Just(Answer::Crash)]
}

fn some_op() -> impl Strategy<Value = Op> {
    let choice = prop_oneof![4 => Just(Choice::Approve), 1 => Just(Choice::Deny)];
    prop_oneof![
        6 => (some_key(), some_answer()).prop_map(|(key, answer)| Op::Park { key, answer }),
        6 => (some_key(), 0..PEOPLE.len(), choice, some_answer())
            .prop_map(|(key, person, choice, answer)| Op::Vote { key, person, choice, answer }),
        2 => some_key().prop_map(|key| Op::Impatience { key }),
        2 => some_key().prop_map(|key| Op::HangUp { key }),
        1 => (0..AGENTS.len()).prop_map(|agent| Op::Revoke { agent }),
        1 => Just(Op::Restart),
    ]
}

/// What the newest hold of a request should be.
#[derive(Debug)]
struct Model {
    id: HoldId,
    state: HoldState,
    approvers: BTreeSet<usize>,
    waiters: Vec<Waiter>,
}

struct World {
    folder: tempfile::TempDir,
    settings: Settings,
    office: Office,
    agents: Vec<Known>,
    reviewers: Vec<Reviewer>,
    revoked: BTreeSet<usize>,
    holds: BTreeMap<Key, Model>,
    released: BTreeMap<HoldId, Answer>,
}

impl World {
    async fn open(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let office = Office::open(folder.path(), settings.clone()).await;
        let agents = vec![office.agent(AGENTS[0], Some("alice")).await, office.agent(AGENTS[1], None).await];
        let mut reviewers = Vec::new();
        for name in PEOPLE {
            reviewers.push(office.reviewer(name, &[]).await);
        }
        let (revoked, holds, released) = Default::default();
        Self { folder, settings, office, agents, reviewers, revoked, holds, released }
    }

    async fn restart(mut self, grace: Duration) -> Self {
        for model in self.holds.values_mut() {
            model.waiters.clear();
        }
        self.office.desk.close(grace).await;
        self.office.store.close().await;
        let office = Office::open(self.folder.path(), self.settings.clone()).await;
        Self { office, ..self }
    }

    /// True: the process dies of it.
    async fn answer(&mut self, release: Release, answer: Answer) -> bool {
        let id = release.id().clone();
        let before = self.released.insert(release.id().clone(), answer);
        assert!(before.is_none(), "{} was released twice", release.id());
        match answer {
            Answer::Answered => {
                release.answered(200);
                self.office.until(&id, EventKind::HoldAnswered).await;
            }
            Answer::Dropped => {
                drop(release);
                self.office.until(&id, EventKind::HoldAmbiguous).await;
            }
            Answer::Crash => std::mem::forget(release),
        }
        matches!(answer, Answer::Crash)
    }

    async fn park(&mut self, key: Key, answer: Answer) -> bool {
        let (agent, body) = key;
        let expires = (body == 1).then_some(Duration::ZERO);
        let review = ReviewPolicy { expires, ..ReviewPolicy::default() };
        let parked = self.office.desk.park(parking(&self.agents[agent], BODIES[body], review)).await;
        if self.revoked.contains(&agent) {
            assert!(matches!(parked, Err(ParkError::Revoked(_))), "{parked:?}");
            return false;
        }
        let known = self.holds.get_mut(&key);
        let fleeting = body == 1;
        match (parked.unwrap(), known) {
            (Parked::Waiting(waiter), Some(model)) if waiter.id() == &model.id => {
                assert_eq!(
                    (model.state, fleeting),
                    (HoldState::Pending, false),
                    "only what is pending is joined"
                );
                model.waiters.push(waiter);
            }
            (Parked::Waiting(waiter), known) => {
                if let Some(model) = known {
                    let gone = model.state.is_final() && model.state != HoldState::Denied
                        || model.state == HoldState::Approved && self.settings.approval_life.is_zero()
                        || fleeting;
                    assert!(gone, "a second hold beside {model:?}");
                }
                let id = waiter.id().clone();
                let (state, approvers, waiters) = (HoldState::Pending, BTreeSet::new(), vec![waiter]);
                self.holds.insert(key, Model { id, state, approvers, waiters });
            }
            (Parked::Released(release), Some(model)) => {
                assert_eq!((model.state, release.id()), (HoldState::Approved, &model.id));
                assert!(!self.settings.approval_life.is_zero());
                model.state = HoldState::Released;
                return self.answer(release, answer).await;
            }
            (Parked::Denied { hold, .. }, Some(model)) => {
                assert_eq!((model.state, &hold, fleeting), (HoldState::Denied, &model.id, false));
            }
            (other, None) => panic!("{other:?} without a hold"),
        }
        false
    }

    async fn vote(&mut self, key: Key, person: usize, choice: Choice, answer: Answer) -> bool {
        let Some(model) = self.holds.get_mut(&key) else { return false };
        let digest = self.office.hold(&model.id).await.digest;
        let vote = self.office.desk.vote(&model.id, &self.reviewers[person], ballot(digest, choice)).await;
        let owner = key.0 == 0 && person == 0;
        let repeated = choice == Choice::Approve && model.approvers.contains(&person);
        let hold = match vote {
            Ok(hold) => hold,
            Err(VoteError::Refused(Refusal::OwnAgent)) => {
                assert!(owner && choice == Choice::Approve && model.state == HoldState::Pending);
                return false;
            }
            Err(VoteError::Refused(Refusal::Expired)) => {
                assert!(key.1 == 1 && model.state == HoldState::Pending);
                return false;
            }
            Err(VoteError::Refused(Refusal::NotPending(state))) => {
                let expired =
                    state == HoldState::Expired && (key.1 == 1 || self.settings.approval_life.is_zero());
                assert!(expired || state == model.state, "{state:?} for {model:?}");
                return false;
            }
            Err(other) => panic!("{other}"),
        };
        if model.state != HoldState::Pending {
            assert!(repeated || choice == Choice::Deny, "a decided hold takes no new vote");
            return false;
        }
        assert!(key.1 == 0, "a hold that has ended takes no vote");
        if choice == Choice::Deny {
            assert_eq!(hold.state, HoldState::Denied);
            model.state = HoldState::Denied;
            for waiter in model.waiters.drain(..) {
                let outcome = waiter.outcome(LONG).await;
                assert!(matches!(outcome, Outcome::Denied { reason: Some(_) }), "{outcome:?}");
            }
            return false;
        }
        assert!(!owner, "nobody approves the calls of their own agent");
        model.approvers.insert(person);
        if model.approvers.len() < key.0 + 1 {
            assert_eq!(hold.state, HoldState::Pending);
            return false;
        }
        assert_eq!(hold.state, HoldState::Approved);
        model.state = HoldState::Approved;
        // The newest is answered; an approval without life is over before anybody can have it.
        let waiters: Vec<Waiter> = model.waiters.drain(..).collect();
        let newest = waiters.len().wrapping_sub(1);
        let mut release = None;
        for (place, waiter) in waiters.into_iter().enumerate() {
            let outcome = waiter.outcome(LONG).await;
            match outcome {
                Outcome::Expired => assert!(self.settings.approval_life.is_zero()),
                Outcome::Superseded => assert_ne!(place, newest),
                Outcome::Released(one) => {
                    assert_eq!((place, one.id()), (newest, &model.id));
                    assert!(!self.settings.approval_life.is_zero());
                    model.state = HoldState::Released;
                    release = Some(one);
                }
                other => panic!("{other:?}"),
            }
        }
        match release {
            Some(release) => self.answer(release, answer).await,
            None => false,
        }
    }

    async fn step(mut self, op: Op) -> Self {
        let died = match op {
            Op::Park { key, answer } => self.park(key, answer).await,
            Op::Vote { key, person, choice, answer } => self.vote(key, person, choice, answer).await,
            Op::Impatience { key } => {
                let waiters = self.holds.get_mut(&key).map(|model| &mut model.waiters);
                if let Some(waiters) = waiters.filter(|w| !w.is_empty()) {
                    let outcome = waiters.remove(0).outcome(Duration::ZERO).await;
                    let fine = matches!(outcome, Outcome::PatienceOver | Outcome::Expired if key.1 == 1)
                        || matches!(outcome, Outcome::PatienceOver);
                    assert!(fine, "{outcome:?}");
                }
                false
            }
            Op::HangUp { key } => {
                let waiters = self.holds.get_mut(&key).map(|model| &mut model.waiters);
                drop(waiters.filter(|w| !w.is_empty()).map(|waiters| waiters.remove(0)));
                false
            }
            Op::Revoke { agent } => {
                let revoked = self.office.agents.revoke(AGENTS[agent], None).await.unwrap();
                assert_eq!(revoked, self.revoked.insert(agent));
                for (key, model) in self.holds.iter_mut().filter(|(key, _)| key.0 == agent) {
                    if !model.state.is_final() {
                        model.state = HoldState::Withdrawn;
                    }
                    for waiter in model.waiters.drain(..) {
                        let outcome = waiter.outcome(LONG).await;
                        let ended = matches!(outcome, Outcome::Expired if key.1 == 1);
                        assert!(ended || matches!(outcome, Outcome::Withdrawn), "{outcome:?}");
                    }
                }
                false
            }
            Op::Restart => return self.restart(LONG).await,
        };
        if died { self.restart(Duration::ZERO).await } else { self }
    }

    /// What must be true of the book whatever happened.
    async fn audit(self) {
        let world = self.restart(LONG).await;
        let office = &world.office;
        for (key, model) in &world.holds {
            let over =
                key.1 == 1 || model.state == HoldState::Approved && world.settings.approval_life.is_zero();
            if over && !model.state.is_final() {
                office.until(&model.id, EventKind::HoldExpired).await;
            }
        }
        office.assert_sound().await;
        let holds = office.desk.list(&Filter { limit: 500, ..Filter::default() }).await.unwrap();
        for hold in &holds {
            let events = office.events(&hold.id).await;
            let count = |kind| events.iter().filter(|e| **e == kind).count();
            let at = |kind| events.iter().position(|e| *e == kind);
            assert_eq!(count(EventKind::HoldCreated), 1);
            let ends = [
                EventKind::HoldReleased,
                EventKind::HoldDenied,
                EventKind::HoldExpired,
                EventKind::HoldWithdrawn,
            ];
            let ended: usize = ends.into_iter().map(count).sum();
            assert_eq!(ended, usize::from(hold.state.is_final()), "{events:?}");
            assert_eq!(count(EventKind::HoldReleased), usize::from(world.released.contains_key(&hold.id)));
            if hold.state == HoldState::Released {
                assert!(at(EventKind::HoldApproved) < at(EventKind::HoldReleased), "{events:?}");
                let answered = matches!(world.released[&hold.id], Answer::Answered);
                let expected = if answered {
                    ReleaseOutcome::Answered { status: 200 }
                } else {
                    ReleaseOutcome::Ambiguous
                };
                assert_eq!(hold.outcome, Some(expected));
            }
        }
        for model in world.holds.values() {
            let state = holds.iter().find(|hold| hold.id == model.id).unwrap().state;
            assert!(state == model.state || state == HoldState::Expired, "{state:?} for {model:?}");
        }
        let pending: u32 = office.agents.list().await.unwrap().iter().map(|e| e.pending).sum();
        let waiting = holds.iter().filter(|hold| hold.state == HoldState::Pending).count();
        assert_eq!(pending as usize, waiting, "the counters are right");
        world.office.close().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_keeps_the_promises(
        ops in prop::collection::vec(some_op(), 1..40),
        life in prop_oneof![3 => Just(LONG * 10), 1 => Just(Duration::ZERO)],
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let settings = Settings { approval_life: life, ..Settings::default() };
            let mut world = World::open(settings).await;
            for op in ops {
                world = world.step(op).await;
            }
            world.audit().await;
        });
    }
}
