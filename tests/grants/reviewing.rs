//! The numbers on reviewing itself.

use super::support::{LONG, Office};
use super::{granted, leaves, refund, wanted};
use holdpoint::approval::Choice;
use holdpoint::desk::{Desk, Parked, Settings};
use holdpoint::grant::Scope;
use holdpoint::person::Person;

#[tokio::test]
async fn what_was_decided_is_counted_by_rule_and_person() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let carol = office.reviewer("carol", &[]).await;
    granted(&office, refund(&agent, 1, "a"), &bob, wanted(Scope::Resource, 5)).await;
    for memo in ["b", "c"] {
        assert!(leaves(&office, refund(&agent, 1, memo)).await.is_some());
    }
    let mut open = Vec::new();
    for amount in 10..13 {
        let mut parking = refund(&agent, amount, "x");
        parking.grounds.rule = "test/other".to_owned();
        let Parked::Waiting(waiter) = office.desk.park(parking).await.unwrap() else { panic!() };
        open.push(waiter);
    }
    office.vote(open[0].id(), &carol, Choice::Deny).await.unwrap();
    office.vote(open[1].id(), &carol, Choice::Approve).await.unwrap();

    let numbers = Desk::reviewing(&office.desk, 7).await.unwrap();
    assert_eq!((numbers.holds, numbers.by_grant), (4, 2));
    assert_eq!((numbers.approved, numbers.denied, numbers.expired, numbers.pending), (2, 1, 0, 1));
    assert_eq!((numbers.votes, numbers.quick), (3, 3));
    assert!(numbers.median.unwrap() <= numbers.p90.unwrap() && numbers.p90.unwrap() < LONG);
    let other = &numbers.rules[0];
    assert_eq!((other.rule.as_str(), other.holds, other.approved, other.denied), ("test/other", 3, 1, 1));
    assert_eq!((other.approved_percent(), other.is_noise()), (Some(50), false));
    let first = &numbers.people[0];
    assert_eq!((&first.person, first.approved, first.denied), (&Person::local("carol"), 1, 1));
    assert_eq!(numbers.days.iter().map(|day| day.approved + day.denied).sum::<u32>(), 3);
    assert_eq!(Desk::reviewing(&office.desk, 0).await.unwrap().holds, 0, "nothing was made since just now");
    drop(open);
    office.close().await;
}
