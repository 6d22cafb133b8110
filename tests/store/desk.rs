//! What clients and reviewers meet at the desk.

use crate::support::{LONG, Office, is_released};
use holdpoint::approval::Choice::{Approve, Deny};
use holdpoint::approval::Refusal;
use holdpoint::audit::EventKind;
use holdpoint::desk::{Outcome, Parked, Settings, VoteError};
use holdpoint::hold::{HoldState, ReleaseOutcome};
use std::time::Duration;

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
