//! What clients and reviewers meet at the desk.

use crate::support::{LONG, Office, ballot, is_released, parking};
use holdpoint::approval::Choice::{Approve, Deny};
use holdpoint::approval::Refusal;
use holdpoint::audit::EventKind;
use holdpoint::desk::{Desk, Filter, Outcome, ParkError, Parked, Settings, VoteError};
use holdpoint::digest::RequestDigest;
use holdpoint::hold::{HoldState, ReleaseOutcome};
use holdpoint::metrics::Metrics;
use holdpoint::ruling::ReviewPolicy;
use holdpoint::store::{self, Store, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

#[tokio::test]
async fn an_approved_request_is_released_once_to_who_waits() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;

    let waiter = office.wait(&agent, "one").await;
    let id = waiter.id().clone();
    let hold = office.vote(&id, &bob, Approve).await.unwrap();
    assert_eq!(hold.state, HoldState::Approved);
    let Outcome::Released(release) = waiter.outcome(LONG).await else { panic!() };
    assert_eq!(office.hold(&id).await.state, HoldState::Released, "durable before a byte leaves");
    release.answered(201);
    office.until(&id, EventKind::HoldAnswered).await;
    let hold = office.hold(&id).await;
    assert_eq!(hold.outcome, Some(ReleaseOutcome::Answered { status: 201 }));
    assert_eq!(
        office.events(&id).await,
        [
            EventKind::HoldCreated,
            EventKind::HoldVoted,
            EventKind::HoldApproved,
            EventKind::HoldReleased,
            EventKind::HoldAnswered
        ]
    );
    office.assert_sound().await;
    office.close().await;
}

#[tokio::test]
async fn the_owner_is_refused_and_the_refusal_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let alice = office.reviewer("alice", &["admins"]).await;
    let waiter = office.wait(&agent, "one").await;
    let id = waiter.id().clone();
    let refused = office.vote(&id, &alice, Approve).await.unwrap_err();
    assert!(matches!(refused, VoteError::Refused(Refusal::OwnAgent)), "{refused:?}");
    assert_eq!(office.events(&id).await, [EventKind::HoldCreated, EventKind::HoldVoteRefused]);
    office.vote(&id, &alice, Deny).await.unwrap();
    assert!(matches!(waiter.outcome(LONG).await, Outcome::Denied { reason: Some(r) } if r == "because deny"));
    let Parked::Denied { hold, reason } = office.park(&agent, "one").await.unwrap() else { panic!() };
    assert_eq!((hold, reason.as_deref()), (id, Some("because deny")));
    office.close().await;
}

#[tokio::test]
async fn patience_over_then_approved_then_resent() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let waiter = office.wait(&agent, "one").await;
    let id = waiter.id().clone();
    assert!(matches!(waiter.outcome(Duration::ZERO).await, Outcome::PatienceOver));
    office.vote(&id, &bob, Approve).await.unwrap();
    office.until(&id, EventKind::HoldApproved).await;
    assert_eq!(office.hold(&id).await.state, HoldState::Approved);
    let Parked::Released(release) = office.park(&agent, "one").await.unwrap() else { panic!() };
    assert_eq!(release.id(), &id);
    drop(release);
    office.until(&id, EventKind::HoldAmbiguous).await;
    let again = office.wait(&agent, "one").await;
    assert_ne!(again.id(), &id, "an approval is spent once");
    office.close().await;
}

#[tokio::test]
async fn the_newest_connection_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let first = office.wait(&agent, "one").await;
    let second = office.wait(&agent, "one").await;
    let third = office.wait(&agent, "one").await;
    assert_eq!((first.id(), second.id()), (second.id(), third.id()));
    let id = first.id().clone();
    assert_eq!(office.hold(&id).await.requests, 3);
    assert_eq!(office.desk.waiting(&id).0, 3);
    drop(third);
    office.vote(&id, &bob, Approve).await.unwrap();
    let (first, second) = tokio::join!(first.outcome(LONG), second.outcome(LONG));
    assert!(matches!(first, Outcome::Superseded), "{first:?}");
    assert!(is_released(&second), "{second:?}");
    drop(second);
    office.close().await;
}

#[tokio::test]
async fn a_decision_of_another_process_wakes_who_waits() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let waiter = office.wait(&agent, "one").await;
    let other = Store::open(&store::Settings { data: folder.path().to_owned() }).await.unwrap();
    let metrics = Arc::new(Metrics::default());
    assert!(matches!(
        Desk::start(&other, Settings::default(), Arc::clone(&metrics)).await,
        Err(StoreError::InUse(_))
    ));
    let elsewhere = Desk::new(&other, Settings::default(), metrics);
    let hold = elsewhere.hold(waiter.id()).await.unwrap().unwrap();
    assert_eq!(hold.request.body.as_deref(), Some(&b"one"[..]));
    elsewhere.vote(&hold.id, &bob, ballot(hold.digest, Approve)).await.unwrap();
    assert!(is_released(&waiter.outcome(LONG).await));
    let refused = elsewhere.park(parking(&agent, "two", ReviewPolicy::default())).await;
    assert!(matches!(refused, Err(ParkError::Store(StoreError::Closed))), "nobody would wake it");
    other.close().await;
    office.close().await;
}

#[tokio::test]
async fn an_approval_is_spent_once_by_many_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let office = Arc::new(Office::open(folder.path(), Settings::default()).await);
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let id = office.wait(&agent, "one").await.id().clone();
    office.vote(&id, &bob, Approve).await.unwrap();
    let mut parks = JoinSet::new();
    for _ in 0..20 {
        let (office, agent) = (Arc::clone(&office), agent.clone());
        parks.spawn(async move { office.park(&agent, "one").await.unwrap() });
    }
    let parked = parks.join_all().await;
    let released = parked.iter().filter(|p| matches!(p, Parked::Released(_))).count();
    assert_eq!(released, 1);
    let fresh: BTreeSet<_> = parked
        .iter()
        .filter_map(|p| if let Parked::Waiting(waiter) = p { Some(waiter.id().clone()) } else { None })
        .collect();
    assert_eq!(fresh.len(), 1, "the others wait with one new hold");
    assert!(!fresh.contains(&id));
    drop(parked);
    Arc::into_inner(office).unwrap().close().await;
}

#[tokio::test]
async fn of_two_decisions_one_wins_and_the_other_hears_which() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let carol = office.reviewer("carol", &[]).await;
    for round in 0..20 {
        let id = office.wait(&agent, &format!("{round}")).await.id().clone();
        let (approve, deny) = tokio::join!(office.vote(&id, &bob, Approve), office.vote(&id, &carol, Deny));
        let state = office.hold(&id).await.state;
        let loser = match (approve, deny) {
            (Ok(hold), Err(loser)) | (Err(loser), Ok(hold)) => {
                assert_eq!(hold.state, state);
                loser
            }
            both => panic!("{both:?}"),
        };
        assert!(matches!(loser, VoteError::Refused(Refusal::NotPending(s)) if s == state), "{loser:?}");
        let decided = |e: &&EventKind| {
            matches!(e, EventKind::HoldApproved | EventKind::HoldDenied | EventKind::HoldReleased)
        };
        assert_eq!(office.events(&id).await.iter().filter(decided).count(), 1);
    }
    office.close().await;
}

#[tokio::test]
async fn a_double_click_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", None).await;
    let (bob, carol) = (office.reviewer("bob", &[]).await, office.reviewer("carol", &[]).await);
    let id = office.wait(&agent, "one").await.id().clone();
    for _ in 0..2 {
        let hold = office.vote(&id, &bob, Approve).await.unwrap();
        assert_eq!((hold.state, hold.votes.len()), (HoldState::Pending, 1), "no known owner: two people");
    }
    let refused = office.desk.may_approve(&office.hold(&id).await, &bob).await.unwrap_err();
    assert!(matches!(refused, VoteError::Refused(Refusal::AlreadyVoted)));
    for _ in 0..2 {
        assert_eq!(office.vote(&id, &carol, Approve).await.unwrap().state, HoldState::Approved);
    }
    let voted = office.events(&id).await.into_iter().filter(|e| *e == EventKind::HoldVoted).count();
    assert_eq!(voted, 2);
    let stale = ballot(RequestDigest([0; 32]), Approve);
    let refused = office.desk.vote(&id, &bob, stale).await.unwrap_err();
    assert!(matches!(refused, VoteError::Refused(Refusal::StaleDigest)), "{refused:?}");
    let nobody = "hp_000000000000".parse().unwrap();
    let refused = office.desk.vote(&nobody, &bob, ballot(RequestDigest([0; 32]), Approve)).await.unwrap_err();
    assert!(matches!(refused, VoteError::NoSuchHold(_)));
    office.close().await;
}

#[tokio::test]
async fn who_approved_may_think_again_while_others_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", None).await;
    let bob = office.reviewer("bob", &[]).await;
    let id = office.wait(&agent, "one").await.id().clone();
    office.vote(&id, &bob, Approve).await.unwrap();
    assert_eq!(office.vote(&id, &bob, Deny).await.unwrap().state, HoldState::Denied);
    office.close().await;
}

#[tokio::test]
async fn a_hold_expires_and_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let review = ReviewPolicy { expires: Some(Duration::from_millis(50)), ..ReviewPolicy::default() };
    let Parked::Waiting(waiter) = office.desk.park(parking(&agent, "one", review)).await.unwrap() else {
        panic!()
    };
    let id = waiter.id().clone();
    assert!(matches!(waiter.outcome(LONG).await, Outcome::Expired));
    let refused = office.vote(&id, &bob, Approve).await.unwrap_err();
    assert!(matches!(refused, VoteError::Refused(Refusal::NotPending(HoldState::Expired))), "{refused:?}");
    assert_ne!(office.wait(&agent, "one").await.id(), &id);
    office.close().await;
}

/// A vote that comes before the sweep, but after the end, is told so and moves nothing.
#[tokio::test]
async fn a_vote_after_the_end_is_too_late() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let review = ReviewPolicy { expires: Some(Duration::ZERO), ..ReviewPolicy::default() };
    for round in 0..5 {
        let parked = office.desk.park(parking(&agent, &format!("{round}"), review.clone())).await.unwrap();
        let Parked::Waiting(waiter) = parked else { panic!() };
        let refused = office.vote(waiter.id(), &bob, Approve).await.unwrap_err();
        let told =
            matches!(refused, VoteError::Refused(Refusal::Expired | Refusal::NotPending(HoldState::Expired)));
        assert!(told, "{refused:?}");
        assert_eq!(office.hold(waiter.id()).await.state, HoldState::Expired);
    }
    office.close().await;
}

#[tokio::test]
async fn an_approval_that_nobody_spends_ends() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { approval_life: Duration::ZERO, ..Settings::default() };
    let office = Office::open(folder.path(), settings).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let id = office.wait(&agent, "one").await.id().clone();
    office.vote(&id, &bob, Approve).await.unwrap();
    let again = office.wait(&agent, "one").await;
    assert_ne!(again.id(), &id);
    office.until(&id, EventKind::HoldExpired).await;
    office.close().await;
}

#[tokio::test]
async fn who_has_gone_gets_nothing_and_the_approval_waits() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let waiter = office.wait(&agent, "one").await;
    let id = waiter.id().clone();
    drop(waiter);
    assert_eq!(office.desk.waiting(&id).0, 0);
    office.vote(&id, &bob, Approve).await.unwrap();
    assert_eq!(office.hold(&id).await.state, HoldState::Approved);
    // Told, and gone before it heard: nothing left, and the record says so.
    let second = office.wait(&agent, "two").await;
    let id = second.id().clone();
    office.vote(&id, &bob, Approve).await.unwrap();
    office.until(&id, EventKind::HoldReleased).await;
    drop(second);
    office.until(&id, EventKind::HoldAmbiguous).await;
    let rows = office.rows(&id).await;
    assert_eq!(rows.last().unwrap().event.detail["why"], "not sent: client gone");
    office.close().await;
}

#[tokio::test]
async fn bounds_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        pending_per_agent_max: 2,
        held_exchanges_max: 3,
        held_bytes_max: 10,
        ..Settings::default()
    };
    let office = Office::open(folder.path(), settings).await;
    let (ci, cd) = (office.agent("ci", Some("alice")).await, office.agent("cd", Some("alice")).await);
    let one = office.wait(&ci, "one").await;
    let two = office.wait(&ci, "two").await;
    let full = office.park(&ci, "three").await;
    assert!(matches!(full, Err(ParkError::AgentFull { pending: 2, .. })), "{full:?}");
    let other = office.wait(&cd, "one").await;
    assert!(matches!(office.park(&cd, "two").await, Err(ParkError::Full)));
    drop(two);
    let joined = office.wait(&ci, "one").await;
    assert_eq!(joined.id(), one.id(), "joining is no further hold");
    drop((one, other, joined));

    let held = office.desk.budget(7).unwrap();
    assert!(office.desk.budget(4).is_none());
    assert!(office.desk.budget(usize::MAX).is_none());
    let rest = office.desk.budget(3).unwrap();
    drop(held);
    assert!(office.desk.budget(7).is_some());
    drop(rest);
    office.close().await;
}

#[tokio::test]
async fn a_poll_returns_when_the_hold_changes() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let stranger = office.agent("cd", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let id = office.wait(&agent, "one").await.id().clone();
    let hold = office.desk.hold_of(&agent.agent, &id).await.unwrap().unwrap();
    assert!(office.desk.hold_of(&stranger.agent, &id).await.unwrap().is_none());
    office.desk.changed(&id, hold.version, Duration::ZERO).await;
    let changed = tokio::time::timeout(LONG, office.desk.changed(&id, hold.version, 2 * LONG));
    let (changed, vote) = tokio::join!(changed, office.vote(&id, &bob, Deny));
    changed.unwrap();
    assert!(vote.unwrap().version > hold.version);
    let nobody = "hp_000000000000".parse().unwrap();
    tokio::time::timeout(LONG, office.desk.changed(&nobody, 0, 2 * LONG)).await.unwrap();
    office.close().await;
}

#[tokio::test]
async fn holds_are_listed_and_their_past_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let (ci, cd) = (office.agent("ci", Some("alice")).await, office.agent("cd", Some("alice")).await);
    let bob = office.reviewer("bob", &[]).await;
    let mut ids = Vec::new();
    for (agent, body, choice) in
        [(&ci, "1", Some(Approve)), (&ci, "2", Some(Deny)), (&cd, "3", Some(Approve)), (&ci, "4", None)]
    {
        let id = office.wait(agent, body).await.id().clone();
        if let Some(choice) = choice {
            office.vote(&id, &bob, choice).await.unwrap();
        }
        ids.insert(0, id);
    }
    let find = async |filter: Filter| {
        let holds = office.desk.list(&filter).await.unwrap();
        holds.into_iter().map(|hold| hold.id).collect::<Vec<_>>()
    };
    assert_eq!(find(Filter::default()).await, ids);
    assert_eq!(find(Filter { state: Some(HoldState::Denied), ..Filter::default() }).await, ids[2..3]);
    assert_eq!(find(Filter { agent: Some("cd".to_owned()), ..Filter::default() }).await, ids[1..2]);
    assert_eq!(find(Filter { text: Some("API.example".to_owned()), ..Filter::default() }).await, ids);
    assert!(find(Filter { text: Some("canary".to_owned()), ..Filter::default() }).await.is_empty());
    assert!(find(Filter { rule: Some("test/other".to_owned()), ..Filter::default() }).await.is_empty());
    let before = Some(ids[1].clone());
    assert_eq!(find(Filter { before, limit: 1, ..Filter::default() }).await, ids[2..3]);

    let history = office.desk.history(&office.hold(&ids[0]).await).await.unwrap();
    assert_eq!((history.approved, history.denied, history.expired, history.by_this_agent), (2, 1, 0, 2));
    let recent: Vec<_> = history.recent.iter().map(|past| past.id.clone()).collect();
    assert_eq!(recent, ids[1..]);
    assert_eq!(history.recent[0].decided_by, [bob.person]);
    assert_eq!(history.recent[1].reason.as_deref(), Some("because deny"));
    office.close().await;
}

#[tokio::test]
async fn bodies_are_erased_and_the_record_stays() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { keep_body: Duration::ZERO, ..Settings::default() };
    let office = Office::open(folder.path(), settings.clone()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let denied = office.wait(&agent, "one").await.id().clone();
    let pending = office.wait(&agent, "two").await.id().clone();
    office.vote(&denied, &bob, Deny).await.unwrap();
    office.close().await;
    // The first round of a desk erases.
    let office = Office::open(folder.path(), settings).await;
    let hold = loop {
        let hold = office.hold(&denied).await;
        if hold.request.body.is_none() {
            break hold;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(hold.request.body_bytes, 3);
    assert_eq!(office.hold(&pending).await.request.body.as_deref(), Some(&b"two"[..]));
    office.close().await;
}
