//! What a grant lets pass, and how that is recorded.

use super::support::{LONG, Office};
use super::{approve_granting, granted, leaves, refund, wanted};
use holdpoint::audit::EventKind;
use holdpoint::desk::{Outcome, Parked, Settings};
use holdpoint::grant::Scope;
use holdpoint::hold::HoldState;

#[tokio::test]
async fn what_is_granted_leaves_at_once_and_is_recorded_as_any_release() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let grant = granted(&office, refund(&agent, 10, "a"), &bob, wanted(Scope::Resource, 2)).await;

    let id = leaves(&office, refund(&agent, 10, "b")).await.expect("it is covered");
    office.until(&id, EventKind::HoldAnswered).await;
    let hold = office.hold(&id).await;
    assert_eq!((hold.state, hold.grant.as_deref()), (HoldState::Released, Some(grant.id.as_str())));
    assert!(hold.votes.is_empty());
    assert_eq!(hold.request.body.as_deref(), Some(&br#"{"amount": 10, "memo": "b"}"#[..]), "kept as any");
    let events = office.events(&id).await;
    let expected =
        [EventKind::HoldCreated, EventKind::HoldApproved, EventKind::HoldReleased, EventKind::HoldAnswered];
    assert_eq!(events, expected);
    let used = office.about(grant.id.as_str()).await;
    let kinds: Vec<EventKind> = used.iter().map(|row| row.event.event).collect();
    assert_eq!(kinds, [EventKind::GrantCreated, EventKind::GrantUsed]);
    let detail = &used[1].event.detail;
    assert_eq!(detail["uses_left"], 1);
    assert_eq!(detail["hold"], id.as_str());
    let (_, card) = office.desk.card(&id).await.unwrap().unwrap();
    assert!(card.grant.unwrap().contains("bob"));

    assert!(leaves(&office, refund(&agent, 11, "b")).await.is_none(), "another amount");
    assert!(leaves(&office, refund(&agent, 10, "c")).await.is_some());
    assert!(leaves(&office, refund(&agent, 10, "d")).await.is_none(), "used up");
    office.assert_sound().await;
    office.close().await;
}

#[tokio::test]
async fn the_three_scopes_reach_as_far_as_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let bob = office.reviewer("bob", &[]).await;
    for scope in Scope::ALL {
        let agent = office.agent(&format!("ci-{}", scope.as_str()), Some("alice")).await;
        let other = office.agent(&format!("other-{}", scope.as_str()), Some("alice")).await;
        granted(&office, refund(&agent, 10, "a"), &bob, wanted(scope, 50)).await;
        let expects = async |parking, covered: bool, what: &str| {
            assert_eq!(leaves(&office, parking).await.is_some(), covered, "{scope:?}: {what}");
        };
        expects(refund(&agent, 10, "a"), true, "the identical request").await;
        expects(refund(&agent, 10, "b"), scope >= Scope::Resource, "another body").await;
        expects(refund(&agent, 11, "c"), scope == Scope::Rule, "another matched value").await;
        let mut elsewhere = refund(&agent, 10, "d");
        elsewhere.request.url = "https://api.example/v1/refunds?of=43".to_owned();
        expects(elsewhere, scope == Scope::Rule, "another query").await;
        let mut session = refund(&agent, 10, "e");
        session.words.session = Some("s2".to_owned());
        expects(session, scope == Scope::Resource, "another session").await;
        let mut account = refund(&agent, 10, "f");
        account.request.headers[0].value = "Bearer …aaaa (fp 000000000000)".to_owned();
        expects(account, false, "other credentials").await;
        let mut rule = refund(&agent, 10, "g");
        rule.grounds.rule = "test/other".to_owned();
        expects(rule, false, "another rule").await;
        let mut changed = refund(&agent, 10, "h");
        changed.grounds.held_by = vec!["reworded".to_owned()];
        expects(changed, false, "the rule has changed").await;
        let mut both = refund(&agent, 10, "i");
        both.grounds.held_by.push("another rule".to_owned());
        expects(both, false, "another rule holds it as well").await;
        expects(refund(&other, 10, "a"), false, "another agent").await;
    }
    office.close().await;
}

/// Who asked before the grant was made, and asks again, is covered as well.
#[tokio::test]
async fn a_request_that_waits_leaves_when_it_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let Parked::Waiting(waiting) = office.desk.park(refund(&agent, 10, "early")).await.unwrap() else {
        panic!()
    };
    granted(&office, refund(&agent, 10, "a"), &bob, wanted(Scope::Resource, 5)).await;
    let (_, card) = office.desk.card(waiting.id()).await.unwrap().unwrap();
    assert!(card.grant.unwrap().contains("it passes when the agent asks again"));
    let id = leaves(&office, refund(&agent, 10, "early")).await.unwrap();
    assert_eq!(&id, waiting.id());
    let outcome = waiting.outcome(LONG).await;
    assert!(matches!(outcome, Outcome::Superseded), "{outcome:?}");
    office.close().await;
}

/// Many requests at once: as many leave as there are uses, each once.
#[tokio::test]
async fn uses_never_go_below_zero() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    granted(&office, refund(&agent, 10, "a"), &bob, wanted(Scope::Resource, 7)).await;
    let asks = (0..40).map(|n| leaves(&office, refund(&agent, 10, &format!("n{n}"))));
    let left: Vec<_> = futures_util::future::join_all(asks).await.into_iter().flatten().collect();
    assert_eq!(left.len(), 7);
    let grants = office.desk.grants().await.unwrap();
    assert_eq!((grants[0].grant.uses_left, grants[0].grant.used), (0, 7));
    office.assert_sound().await;
    office.close().await;
}

/// A denial that stands is repeated, whatever was granted.
#[tokio::test]
async fn a_denial_beats_a_grant() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let Parked::Waiting(waiter) = office.desk.park(refund(&agent, 10, "no")).await.unwrap() else { panic!() };
    office.vote(waiter.id(), &bob, holdpoint::approval::Choice::Deny).await.unwrap();
    granted(&office, refund(&agent, 10, "yes"), &bob, wanted(Scope::Resource, 5)).await;
    let parked = office.desk.park(refund(&agent, 10, "no")).await.unwrap();
    assert!(matches!(parked, Parked::Denied { .. }), "{parked:?}");
    office.close().await;
}

/// The same click twice, or a retry of a call whose answer was lost, makes one grant.
#[tokio::test]
async fn the_same_wish_again_finds_the_same_grant() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let grant = granted(&office, refund(&agent, 10, "a"), &bob, wanted(Scope::Resource, 5)).await;
    let (_, again) = approve_granting(&office, &grant.hold, &bob, wanted(Scope::Resource, 5)).await.unwrap();
    assert_eq!(again, grant);
    let (_, wider) = approve_granting(&office, &grant.hold, &bob, wanted(Scope::Rule, 5)).await.unwrap();
    assert_ne!(wider.id, grant.id);
    assert_eq!(office.desk.grants().await.unwrap().len(), 2);
    office.close().await;
}
