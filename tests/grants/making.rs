//! Who may make a grant, of which holds.

use super::support::Office;
use super::{approval, approve_granting, granted, refund, wanted};
use holdpoint::approval::{Channel, Choice, Login, LoginBy, Refusal, Reviewer, Vote};
use holdpoint::audit::EventKind;
use holdpoint::desk::{GrantError, Parked, Parking, Settings, VoteError};
use holdpoint::grant::{Life, NoGrant, Policy, Scope, Unlike, Wanted};
use holdpoint::hold::{HoldId, HoldState};
use holdpoint::role::Names;
use holdpoint::ruling::Assurance;
use std::sync::Arc;

async fn held(office: &Office, parking: Parking) -> HoldId {
    match office.desk.park(parking).await.unwrap() {
        Parked::Waiting(waiter) => waiter.id().clone(),
        other => panic!("{other:?}"),
    }
}

/// Nothing counted: the hold is as it was, without vote or grant, and the refusal is recorded.
async fn assert_refused(office: &Office, id: &HoldId, result: Result<impl Sized, GrantError>) -> NoGrant {
    let Err(GrantError::None(why)) = result else { panic!("it was granted, or otherwise refused") };
    assert_eq!(office.events(id).await.last(), Some(&EventKind::HoldVoteRefused));
    assert!(office.desk.grants().await.unwrap().is_empty());
    why
}

#[tokio::test]
async fn rules_that_ask_for_more_than_a_person_are_never_granted() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let orphan = office.agent("orphan", None).await;
    let bob = office.reviewer("bob", &["security"]).await;
    for scope in Scope::ALL {
        let mut two = refund(&agent, 1, scope.as_str());
        two.grounds.review.approvals = 2;
        let mut each = refund(&agent, 2, scope.as_str());
        each.grounds.review.each = vec!["security".to_owned()];
        let mut high = refund(&agent, 3, scope.as_str());
        high.grounds.review.assurance = Assurance::High;
        let nobodys = refund(&orphan, 4, scope.as_str());
        for (parking, expected) in
            [(two, NoGrant::NotDecisive), (each, NoGrant::Quorum), (nobodys, NoGrant::NotDecisive)]
        {
            let id = held(&office, parking).await;
            let result = approve_granting(&office, &id, &bob, wanted(scope, 1)).await;
            assert_eq!(assert_refused(&office, &id, result).await, expected);
            assert_eq!(office.hold(&id).await.state, HoldState::Pending);
            assert!(office.hold(&id).await.votes.is_empty(), "the vote did not count either");
        }
        // The vote itself is refused before anything is granted.
        let id = held(&office, high).await;
        let result = approve_granting(&office, &id, &bob, wanted(scope, 1)).await;
        assert!(matches!(result, Err(GrantError::Vote(VoteError::Refused(Refusal::StepUp)))), "{result:?}");
    }
    office.close().await;
}

/// With a login as strong as it gets, the vote counts and the grant does not.
#[tokio::test]
async fn a_strong_login_makes_no_grant_of_a_rule_that_asks_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let now = jiff::Timestamp::now();
    let login = Login { by: LoginBy::Link, at: Some(now), ..Login::default() };
    let strong = Reviewer { login, ..bob };
    let mut high = refund(&agent, 1, "x");
    high.grounds.review.assurance = Assurance::High;
    let id = held(&office, high).await;
    let result = approve_granting(&office, &id, &strong, wanted(Scope::Request, 1)).await;
    assert_eq!(assert_refused(&office, &id, result).await, NoGrant::HighAssurance);
    let hold = office.hold(&id).await;
    assert_eq!(office.desk.vote(&id, &strong, approval(&hold)).await.unwrap().state, HoldState::Approved);
    office.close().await;
}

#[tokio::test]
async fn who_may_not_approve_may_not_grant() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings { solo: true, ..Settings::default() }).await;
    let agent = office.agent("ci", Some("alice")).await;
    let alice = office.reviewer("alice", &[]).await;
    let bob = office.reviewer("bob", &[]).await;
    let carol = office.reviewer("carol", &[]).await;
    // In solo mode an owner may approve, but grants nothing by it.
    let id = held(&office, refund(&agent, 1, "a")).await;
    let result = approve_granting(&office, &id, &alice, wanted(Scope::Request, 1)).await;
    assert_eq!(assert_refused(&office, &id, result).await, NoGrant::Judged(Refusal::OwnAgent));
    // A click in chat grants nothing.
    let hold = office.hold(&id).await;
    for channel in [Channel::Slack, Channel::Teams] {
        let vote = Vote { channel, ..approval(&hold) };
        let result = office.desk.vote_granting(&id, &bob, vote, wanted(Scope::Request, 1)).await;
        assert_eq!(assert_refused(&office, &id, result).await, NoGrant::Chat);
    }
    let login = Login { by: LoginBy::Chat, account: Some("slack:T1/U1".to_owned()), ..Login::default() };
    let clicked = Reviewer { login, ..bob.clone() };
    let result = approve_granting(&office, &id, &clicked, wanted(Scope::Request, 1)).await;
    assert_eq!(assert_refused(&office, &id, result).await, NoGrant::Chat);
    let denial = Vote { choice: Choice::Deny, ..approval(&hold) };
    let result = office.desk.vote_granting(&id, &bob, denial, wanted(Scope::Request, 1)).await;
    assert_eq!(assert_refused(&office, &id, result).await, NoGrant::NotAnApproval);
    // Afterwards only who approved it, from what was approved.
    office.desk.vote(&id, &bob, approval(&hold)).await.unwrap();
    let result = approve_granting(&office, &id, &carol, wanted(Scope::Request, 1)).await;
    assert!(
        matches!(result, Err(GrantError::Vote(VoteError::Refused(Refusal::NotPending(_))))),
        "{result:?}"
    );
    approve_granting(&office, &id, &bob, wanted(Scope::Request, 1)).await.unwrap();
    office.close().await;
}

/// What left by a grant was reviewed by nobody: no grant comes of it.
#[tokio::test]
async fn grants_do_not_beget_grants() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    granted(&office, refund(&agent, 1, "a"), &bob, wanted(Scope::Resource, 5)).await;
    let id = super::leaves(&office, refund(&agent, 1, "b")).await.unwrap();
    let result = approve_granting(&office, &id, &bob, wanted(Scope::Rule, 5)).await;
    assert!(
        matches!(result, Err(GrantError::Vote(VoteError::Refused(Refusal::NotPending(_))))),
        "{result:?}"
    );
    assert_eq!(office.desk.grants().await.unwrap().len(), 1);
    office.close().await;
}

#[tokio::test]
async fn the_configuration_caps_what_is_granted() {
    let folder = tempfile::tempdir().unwrap();
    let policy = Policy {
        scopes: [Scope::Request, Scope::Resource].into(),
        longest: Life::Hour.duration(),
        uses: 3,
        never: Some(Names::of(&["secret/*".to_owned()]).unwrap()),
    };
    let settings = Settings { grants: Arc::new(policy), ..Settings::default() };
    let office = Office::open(folder.path(), settings).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let id = held(&office, refund(&agent, 1, "a")).await;
    let ask = async |id: &HoldId, scope, life, uses| {
        let result = approve_granting(&office, id, &bob, Wanted { scope, life, uses }).await;
        assert_refused(&office, id, result).await
    };
    assert_eq!(ask(&id, Scope::Rule, Life::Hour, 1).await, NoGrant::Scope(Scope::Rule));
    assert_eq!(ask(&id, Scope::Request, Life::Day, 1).await, NoGrant::TooLong);
    assert_eq!(ask(&id, Scope::Request, Life::Hour, 4).await, NoGrant::Uses(3));
    assert_eq!(ask(&id, Scope::Request, Life::Hour, 0).await, NoGrant::Uses(3));
    let mut secret = refund(&agent, 2, "a");
    secret.grounds.rule = "secret/read".to_owned();
    let secret = held(&office, secret).await;
    assert_eq!(ask(&secret, Scope::Request, Life::Quarter, 1).await, NoGrant::Never);
    let mut unclear = refund(&agent, 3, "a");
    unclear.grounds.held_by.clear();
    let unclear = held(&office, unclear).await;
    let why = ask(&unclear, Scope::Resource, Life::Quarter, 1).await;
    assert_eq!(why, NoGrant::Unlike(Unlike::NoOneRule));
    let (hold, grant) = approve_granting(&office, &unclear, &bob, wanted(Scope::Request, 1)).await.unwrap();
    assert_eq!((hold.state, grant.uses_left), (HoldState::Approved, 1));
    office.close().await;
}
