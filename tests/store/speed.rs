//! Rates, for `cargo test --release --test store speed -- --ignored --nocapture`.

use crate::support::{Office, ballot, parking};
use holdpoint::approval::Choice::Approve;
use holdpoint::desk::{Outcome, Parked, Settings};
use holdpoint::ruling::ReviewPolicy;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const HOLDS: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; asserts nothing about time"]
async fn speed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { pending_per_agent_max: HOLDS, ..Settings::default() };
    let office = Arc::new(Office::open(folder.path(), settings).await);
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;

    let body = "x".repeat(1024);
    let started = Instant::now();
    let mut parks = JoinSet::new();
    for number in 0..HOLDS {
        let (office, agent, body) = (Arc::clone(&office), agent.clone(), format!("{number} {body}"));
        parks.spawn(async move {
            office.desk.park(parking(&agent, &body, ReviewPolicy::default())).await.unwrap()
        });
    }
    let parked = parks.join_all().await;
    rate("parks", started);

    let started = Instant::now();
    let mut answers = JoinSet::new();
    for parked in parked {
        let Parked::Waiting(waiter) = parked else { panic!() };
        let (office, bob) = (Arc::clone(&office), bob.clone());
        answers.spawn(async move {
            let id = waiter.id().clone();
            let digest = office.hold(&id).await.digest;
            office.desk.vote(&id, &bob, ballot(digest, Approve)).await.unwrap();
            let Outcome::Released(release) = waiter.outcome(Duration::from_secs(60)).await else { panic!() };
            release.answered(200);
        });
    }
    answers.join_all().await;
    rate("votes with release", started);
    Arc::into_inner(office).unwrap().close().await;
    rate("… and outcomes", started);
}

#[expect(clippy::print_stdout, reason = "its purpose")]
fn rate(what: &str, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{what}: {:.0}/s ({HOLDS} in {seconds:.2} s)", HOLDS as f64 / seconds);
}
