//! An agent with more open holds than it may have.

use super::refund;
use super::support::Office;
use holdpoint::approval::Choice;
use holdpoint::audit::EventKind;
use holdpoint::desk::{ParkError, Parked, Settings};
use std::time::Duration;

/// One alarm for each episode, whatever comes in between; it ends when half is decided.
#[tokio::test]
async fn a_flood_is_one_alarm_until_it_has_calmed_down() {
    let folder = tempfile::tempdir().unwrap();
    let office =
        Office::open(folder.path(), Settings { pending_per_agent_max: 4, ..Settings::default() }).await;
    let agent = office.agent("ci", Some("alice")).await;
    let other = office.agent("other", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let alarms = async || {
        let rows = office.about("ci").await;
        rows.iter().filter(|row| row.event.event == EventKind::AgentFlooding).count()
    };
    let flooding = async || {
        let agents = office.agents.list().await.unwrap();
        agents.iter().find(|enrolled| enrolled.agent.name == "ci").unwrap().flooding_since.is_some()
    };
    let mut next = 0;
    let mut ask = async || {
        next += 1;
        office.desk.park(refund(&agent, next, "x")).await
    };
    let mut open = Vec::new();
    for _ in 0..4 {
        let Parked::Waiting(waiter) = ask().await.unwrap() else { panic!() };
        open.push(waiter.id().clone());
    }
    assert!(!flooding().await);
    for _ in 0..20 {
        let refused = ask().await.unwrap_err();
        let ParkError::AgentFull { retry_after, pending: 4, .. } = refused else { panic!("{refused:?}") };
        assert!(retry_after >= Duration::from_secs(15) && retry_after <= Duration::from_mins(15));
    }
    assert_eq!(alarms().await, 1);
    assert!(flooding().await);
    assert!(office.desk.park(refund(&other, 1, "x")).await.is_ok(), "nobody else suffers");

    // One decided: there is room for one, and no new alarm when it is full again.
    office.vote(&open.remove(0), &bob, Choice::Deny).await.unwrap();
    let Parked::Waiting(waiter) = ask().await.unwrap() else { panic!() };
    open.push(waiter.id().clone());
    assert!(matches!(ask().await, Err(ParkError::AgentFull { .. })));
    assert_eq!(alarms().await, 1);

    for id in open.drain(..2) {
        office.vote(&id, &bob, Choice::Deny).await.unwrap();
    }
    assert!(!flooding().await);
    while let Ok(parked) = ask().await {
        drop(parked);
    }
    assert_eq!(alarms().await, 2, "a new episode");
    office.close().await;
}
