//! What ends a grant: time, revocation, and whoever made it losing the right to approve.

use super::support::Office;
use super::{approval, granted, leaves, refund, wanted};
use holdpoint::approval::{Charter, Reviewer};
use holdpoint::audit::EventKind;
use holdpoint::desk::{Desk, Parked, Revoking, Settings, Standing};
use holdpoint::grant::{Grant, GrantId, Policy, Scope};
use holdpoint::metrics::Metrics;
use holdpoint::person::Person;
use holdpoint::role::{Role, RoleGrant, Roles};
use holdpoint::store::{self, Store};
use std::sync::Arc;

async fn standing(office: &Office, grant: &Grant) -> Standing {
    let all = office.desk.grants().await.unwrap();
    all.iter().find(|granted| granted.grant.id == grant.id).unwrap().standing
}

#[tokio::test]
async fn a_revoked_grant_lets_nothing_pass_from_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let carol = office.reviewer("carol", &[]).await;
    let grant = granted(&office, refund(&agent, 1, "a"), &bob, wanted(Scope::Resource, 5)).await;
    assert!(leaves(&office, refund(&agent, 1, "b")).await.is_some());
    // Another process revokes it; anybody who reviews may.
    let other = Store::open(&store::Settings { data: folder.path().to_owned() }).await.unwrap();
    let beside = Desk::new(&other, Settings::default(), Arc::new(Metrics::default()));
    assert_eq!(beside.revoke_grant(&grant.id, &carol).await.unwrap(), Revoking::Done);
    assert!(leaves(&office, refund(&agent, 1, "c")).await.is_none());
    assert_eq!(beside.revoke_grant(&grant.id, &carol).await.unwrap(), Revoking::Already);
    let nothing = GrantId::from_random(0);
    assert_eq!(beside.revoke_grant(&nothing, &carol).await.unwrap(), Revoking::NoSuchGrant);
    assert_eq!(standing(&office, &grant).await, Standing::Revoked);
    let rows = office.about(grant.id.as_str()).await;
    assert_eq!(rows.last().unwrap().event.event, EventKind::GrantRevoked);
    assert_eq!(rows.last().unwrap().event.actor, "person:carol");
    other.close().await;
    office.close().await;
}

/// Each of these takes from the maker the right to approve; the grant is worth nothing at once.
#[tokio::test]
async fn a_grant_is_worth_what_its_maker_may_do_now() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let of_group = |parking: holdpoint::desk::Parking| {
        let mut parking = parking;
        parking.grounds.review.from = vec!["security".to_owned()];
        parking
    };
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &["security"]).await;
    let carol = office.reviewer("carol", &["security"]).await;
    let by_bob = granted(&office, of_group(refund(&agent, 1, "a")), &bob, wanted(Scope::Resource, 9)).await;
    let by_carol =
        granted(&office, of_group(refund(&agent, 2, "a")), &carol, wanted(Scope::Resource, 9)).await;
    assert!(leaves(&office, of_group(refund(&agent, 1, "b"))).await.is_some());
    assert!(leaves(&office, of_group(refund(&agent, 2, "b"))).await.is_some());

    office.reviewers.add("bob", &["cooks".to_owned()]).await.unwrap();
    assert!(leaves(&office, of_group(refund(&agent, 1, "c"))).await.is_none(), "no longer of the group");
    assert_eq!(standing(&office, &by_bob).await, Standing::MakerOut);
    office.reviewers.revoke(&Person::local("carol"), None).await.unwrap();
    assert!(leaves(&office, of_group(refund(&agent, 2, "c"))).await.is_none(), "revoked");
    assert_eq!(standing(&office, &by_carol).await, Standing::MakerOut);
    office.close().await;
}

/// The rule asks for more since, or the configuration allows less.
#[tokio::test]
async fn a_grant_is_worth_what_policy_says_now() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    granted(&office, refund(&agent, 1, "a"), &bob, wanted(Scope::Resource, 9)).await;
    for change in [
        |p: &mut holdpoint::desk::Parking| p.grounds.review.approvals = 2,
        |p: &mut holdpoint::desk::Parking| p.grounds.review.each = vec!["security".to_owned()],
        |p: &mut holdpoint::desk::Parking| p.grounds.review.from = vec!["security".to_owned()],
        |p: &mut holdpoint::desk::Parking| p.grounds.review.assurance = holdpoint::ruling::Assurance::High,
        |p: &mut holdpoint::desk::Parking| p.initiator = Some(Person::local("bob")),
    ] {
        let mut parking = refund(&agent, 1, "stricter");
        change(&mut parking);
        assert!(leaves(&office, parking).await.is_none());
    }
    assert!(leaves(&office, refund(&agent, 1, "b")).await.is_some());
    office.close().await;

    let narrower = Policy { scopes: [Scope::Request].into(), ..Policy::default() };
    let settings = Settings { grants: Arc::new(narrower), ..Settings::default() };
    let office = Office::open(folder.path(), settings).await;
    assert!(leaves(&office, refund(&agent, 1, "c")).await.is_none());
    office.close().await;

    let reviewers = RoleGrant { group: "reviewers".to_owned(), role: Role::Reviewer, scope: <_>::default() };
    let charter = Charter { roles: Roles::of(vec![reviewers]), ..Charter::default() };
    let office =
        Office::open(folder.path(), Settings { charter: Arc::new(charter), ..Settings::default() }).await;
    assert!(leaves(&office, refund(&agent, 1, "d")).await.is_none(), "roles came, and bob has none");
    office.reviewers.add("bob", &["reviewers".to_owned()]).await.unwrap();
    assert!(leaves(&office, refund(&agent, 1, "e")).await.is_some());
    office.close().await;
}

#[tokio::test]
async fn a_grant_ends_with_its_agent() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let grant = granted(&office, refund(&agent, 1, "a"), &bob, wanted(Scope::Resource, 9)).await;
    office.agents.revoke("ci", None).await.unwrap();
    let refused = office.desk.park(refund(&agent, 1, "b")).await;
    assert!(matches!(refused, Err(holdpoint::desk::ParkError::Revoked(_))), "{refused:?}");
    assert_eq!(standing(&office, &grant).await, Standing::AgentRevoked);
    office.close().await;
}

/// With roles, who is neither reviewer nor administrator revokes nothing, unless the agent is theirs.
#[tokio::test]
async fn revoking_takes_a_part_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let role = |group: &str, role| RoleGrant { group: group.to_owned(), role, scope: <_>::default() };
    let roles =
        Roles::of(vec![role("r", Role::Reviewer), role("audit", Role::Auditor), role("adm", Role::Admin)]);
    let charter = Arc::new(Charter { roles, ..Charter::default() });
    let office = Office::open(folder.path(), Settings { charter, ..Settings::default() }).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &["r"]).await;
    let people: Vec<(Reviewer, Revoking)> = vec![
        (office.reviewer("auditor", &["audit"]).await, Revoking::NotTheirs),
        (office.reviewer("stranger", &[]).await, Revoking::NotTheirs),
        (office.reviewer("alice", &[]).await, Revoking::Done),
        (office.reviewer("admin", &["adm"]).await, Revoking::Done),
        (office.reviewer("other", &["r"]).await, Revoking::Done),
    ];
    for (n, (person, expected)) in people.into_iter().enumerate() {
        let amount = u32::try_from(n).unwrap();
        let parking = refund(&agent, amount, "a");
        let Parked::Waiting(waiter) = office.desk.park(parking).await.unwrap() else { panic!() };
        let hold = office.hold(waiter.id()).await;
        let (_, grant) = office
            .desk
            .vote_granting(&hold.id, &bob, approval(&hold), wanted(Scope::Request, 1))
            .await
            .unwrap();
        assert_eq!(
            office.desk.revoke_grant(&grant.id, &person).await.unwrap(),
            expected,
            "{}",
            person.person
        );
    }
    office.close().await;
}
