//! Agents and reviewers: credentials, and what ends with them.

use crate::support::{LONG, Office, ballot};
use holdpoint::agents::Agents;
use holdpoint::approval::{Choice::Approve, Refusal, Reviewer};
use holdpoint::audit::EventKind;
use holdpoint::desk::{Outcome, ParkError, Parked, Settings, VoteError};
use holdpoint::hold::HoldState;
use holdpoint::person::Person;
use holdpoint::store::{self, Store, StoreError};
use std::collections::BTreeMap;

#[tokio::test]
async fn an_agent_is_known_by_its_token_alone() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let labels = BTreeMap::from([("team".to_owned(), "web".to_owned())]);
    let token = office.agents.add("ci", &[Person::local("alice")], &labels).await.unwrap();
    assert!(token.starts_with("hpa_") && token.len() == 47, "{token}");
    let known = office.agents.authenticate("ci", &token).unwrap();
    assert_eq!((known.agent.name.as_str(), &known.agent.labels), ("ci", &labels));
    for (name, token) in [("ci", ""), ("ci", "hpa_"), ("cj", token.as_str()), ("local", ""), ("", "")] {
        assert!(office.agents.authenticate(name, token).is_none(), "{name}");
    }
    assert_eq!(office.agents.local().agent.name, "local");

    let rotated = office.agents.rotate("ci", None).await.unwrap().unwrap();
    assert!(known.revoked.is_cancelled());
    assert!(office.agents.authenticate("ci", &token).is_none());
    let known = office.agents.authenticate("ci", &rotated).unwrap();
    assert!(!known.revoked.is_cancelled());
    office.agents.add("other", &[], &BTreeMap::new()).await.unwrap();
    assert!(!known.revoked.is_cancelled(), "another's change does not concern it");

    assert!(office.agents.revoke("ci", None).await.unwrap());
    assert!(known.revoked.is_cancelled());
    assert!(office.agents.authenticate("ci", &rotated).is_none());
    assert!(!office.agents.revoke("ci", None).await.unwrap(), "once");
    assert!(office.agents.rotate("ci", None).await.unwrap().is_none());
    assert!(matches!(office.agents.add("ci", &[], &BTreeMap::new()).await, Err(StoreError::NameTaken(_))));
    assert!(!office.agents.revoke("local", None).await.unwrap());
    assert!(office.agents.rotate("local", None).await.unwrap().is_none());
    for bad in ["", "-x", "A", "a b", "a/b", "é", &"a".repeat(64)] {
        let refused = office.agents.add(bad, &[], &BTreeMap::new()).await;
        assert!(matches!(refused, Err(StoreError::BadName(_))), "{bad}");
    }
    let names: Vec<String> = office.agents.list().await.unwrap().into_iter().map(|e| e.agent.name).collect();
    assert_eq!(names, ["ci", "local", "other"]);
    office.assert_sound().await;
    office.close().await;
}

#[tokio::test]
async fn revoking_withdraws_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let waiter = office.wait(&agent, "one").await;
    let approved = office.wait(&agent, "two").await.id().clone();
    office.vote(&approved, &bob, Approve).await.unwrap();
    let id = waiter.id().clone();
    assert!(office.agents.revoke("ci", None).await.unwrap());
    assert!(matches!(waiter.outcome(LONG).await, Outcome::Withdrawn));
    for id in [&id, &approved] {
        assert_eq!(office.hold(id).await.state, HoldState::Withdrawn, "also what was approved and not spent");
    }
    let refused = office.vote(&id, &bob, Approve).await.unwrap_err();
    assert!(matches!(refused, VoteError::Refused(Refusal::NotPending(HoldState::Withdrawn))), "{refused:?}");
    assert!(matches!(office.park(&agent, "two").await, Err(ParkError::Revoked(name)) if name == "ci"));
    let pending: u32 = office.agents.list().await.unwrap().iter().map(|e| e.pending).sum();
    assert_eq!(pending, 0);
    office.assert_sound().await;
    office.close().await;
}

#[tokio::test]
async fn what_another_process_does_to_agents_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let other = Store::open(&store::Settings { data: folder.path().to_owned() }).await.unwrap();
    let elsewhere = Agents::open(&other).await.unwrap();
    let mut rows = office.desk.subscribe();
    let token = elsewhere.add("ci", &[], &BTreeMap::new()).await.unwrap();
    while rows.recv().await.unwrap().event.event != EventKind::AgentAdded {}
    let known = loop {
        if let Some(known) = office.agents.authenticate("ci", &token) {
            break known;
        }
        tokio::task::yield_now().await;
    };
    elsewhere.revoke("ci", None).await.unwrap();
    tokio::time::timeout(LONG, known.revoked.cancelled()).await.unwrap();
    assert!(office.agents.authenticate("ci", &token).is_none());
    other.close().await;
    office.close().await;
}

#[tokio::test]
async fn a_login_link_works_once() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let accounts = &office.reviewers;
    assert!(matches!(accounts.login_link("bob").await, Err(StoreError::NoSuchReviewer(_))));
    office.reviewer("bob", &["security"]).await;
    let link = accounts.login_link("bob").await.unwrap();
    assert!(accounts.spend_link("hpl_wrong").await.unwrap().is_none());
    let cookie = accounts.spend_link(&link).await.unwrap().unwrap();
    assert!(accounts.spend_link(&link).await.unwrap().is_none(), "single use");
    let session = accounts.session(&cookie).await.unwrap().unwrap();
    assert_eq!(session.reviewer.person, Person::local("bob"));
    assert!(session.reviewer.groups.contains("security"));
    let again = accounts.session(&cookie).await.unwrap().unwrap();
    assert_eq!(session.csrf, again.csrf);
    assert_ne!(session.csrf, cookie);
    assert!(accounts.session(&link).await.unwrap().is_none());
    accounts.logout(&cookie).await.unwrap();
    assert!(accounts.session(&cookie).await.unwrap().is_none());
    office.close().await;
}

#[tokio::test]
async fn a_revoked_reviewer_can_do_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let accounts = &office.reviewers;
    let token = accounts.add("bob", &["a".to_owned()]).await.unwrap();
    let second = accounts.add("bob", &[]).await.unwrap();
    let bob = accounts.by_token(&second).await.unwrap().unwrap();
    assert!(bob.groups.contains("a"), "no groups named: they stay");
    let link = accounts.login_link("bob").await.unwrap();
    let cookie = accounts.spend_link(&accounts.login_link("bob").await.unwrap()).await.unwrap().unwrap();
    let waiter = office.wait(&agent, "one").await;
    assert!(accounts.revoke(&Person::local("bob"), None).await.unwrap());
    assert!(!accounts.revoke(&Person::local("bob"), None).await.unwrap());
    assert!(accounts.by_token(&token).await.unwrap().is_none());
    assert!(accounts.by_token(&second).await.unwrap().is_none());
    assert!(accounts.spend_link(&link).await.unwrap().is_none());
    assert!(accounts.session(&cookie).await.unwrap().is_none());
    let refused = office.vote(waiter.id(), &bob, Approve).await.unwrap_err();
    assert!(matches!(refused, VoteError::Refused(Refusal::NotAReviewer)), "{refused:?}");
    assert!(
        matches!(accounts.add("bob", &[]).await, Err(StoreError::NameTaken(_))),
        "names are not used again"
    );
    assert!(matches!(accounts.add("Bob", &[]).await, Err(StoreError::BadName(_))));
    office.close().await;
}

/// What a page believes of groups does not count; what the table says at the moment of the vote does.
#[tokio::test]
async fn groups_count_as_they_are_now() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &["cooks"]).await;
    let claimed = Reviewer { groups: ["admins".to_owned()].into(), ..bob };
    let review = holdpoint::ruling::ReviewPolicy { from: vec!["admins".to_owned()], ..Default::default() };
    let parked = office.desk.park(crate::support::parking(&agent, "one", review)).await.unwrap();
    let Parked::Waiting(waiter) = parked else { panic!() };
    let hold = office.hold(waiter.id()).await;
    assert!(office.desk.may_approve(&hold, &claimed).await.is_err());
    let vote = || ballot(hold.digest, Approve);
    let refused = office.desk.vote(&hold.id, &claimed, vote()).await.unwrap_err();
    assert!(matches!(refused, VoteError::Refused(Refusal::NotInGroup(_))), "{refused:?}");
    office.reviewers.add("bob", &["admins".to_owned()]).await.unwrap();
    office.desk.may_approve(&hold, &claimed).await.unwrap();
    office.desk.vote(&hold.id, &claimed, vote()).await.unwrap();
    drop(waiter);
    office.close().await;
}
