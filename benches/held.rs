//! What a held request costs in memory, and whether all are answered: `HELD` requests (10,000 unless told), each on
//! a TLS connection of its own, parked at once, then approved one by one. Prints figures; asserts only that nothing
//! is lost.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench says what it measured, or panics"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use serde_json::json;
use std::sync::Arc;
use std::time::Instant;
use support::{Holdpoint, Origin, Setup, TestAuthority, Wire};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

fn main() {
    let held = std::env::var("HELD").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_usize);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(held));
}

async fn run(held: usize) {
    let authority = TestAuthority::new("Bench roots");
    let origin = Origin::tls_h1(&authority, &["api.test"]).await;
    let holdpoint = Setup::new()
        .trust(&authority)
        .origin("api.test:443", &origin)
        .set("/hold/patience", json!("1h"))
        .set("/limits", json!({ "connections": held + 100, "pending-per-agent": held + 100 }))
        .start()
        .await;
    let reviewer = holdpoint.reviewer("bench", &["reviewers"]).await;
    let ca = holdpoint.ca.clone();
    let first = Wire::tunnel(holdpoint.listen, "api.test:443", &ca).await;
    let idle = rss_kib(&holdpoint);

    let begun = Instant::now();
    let doors = Arc::new(Semaphore::new(64)); // handshakes at once
    let mut clients = JoinSet::new();
    let (all_decided, decided) = tokio::sync::watch::channel(false);
    for n in 0..held {
        let (doors, ca, listen, mut decided) =
            (Arc::clone(&doors), ca.clone(), holdpoint.listen, decided.clone());
        clients.spawn(async move {
            let door = doors.acquire_owned().await.expect("open");
            let mut wire = Wire::tunnel(listen, "api.test:443", &ca).await;
            wire.send(format!("POST /held/{n} HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\nhi"))
                .await;
            drop(door);
            let _ = decided.wait_for(|all| *all).await;
            wire.reply().await.status
        });
    }
    let mut pending = 0;
    while pending < held {
        pending = usize::try_from(metric(&reviewer, "holdpoint_holds_pending").await).unwrap_or(0);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let parked = begun.elapsed();
    let full = rss_kib(&holdpoint);
    println!(
        "parked {held} in {:.1} s ({:.0} a second); RSS {idle} KiB before, {full} KiB with all: {:.1} KiB for a held request",
        parked.as_secs_f64(),
        held as f64 / parked.as_secs_f64(),
        (full - idle) as f64 / held as f64
    );
    drop(first);

    let begun = Instant::now();
    let mut voted = 0;
    while voted < held {
        for hold in reviewer.holds("?state=pending&limit=500").await {
            let (id, digest) =
                (hold["id"].as_str().expect("an id"), hold["digest"].as_str().expect("a digest"));
            let vote = json!({ "digest": digest, "vote": "approve" }).to_string();
            let reply = reviewer.ask("POST", &format!("/v1/holds/{id}/votes"), &vote).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            voted += 1;
        }
    }
    all_decided.send_replace(true);
    let mut answered = 0;
    while let Some(status) = clients.join_next().await {
        assert_eq!(status.expect("a client does not panic"), 200);
        answered += 1;
    }
    println!(
        "approved and answered {answered} of {held} in {:.1} s; {} arrived at the origin",
        begun.elapsed().as_secs_f64(),
        origin.seen().len()
    );
    assert_eq!(origin.seen().len(), held, "each arrives once");
}

/// Of the server's process, now.
fn rss_kib(holdpoint: &Holdpoint) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", holdpoint.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

async fn metric(reviewer: &support::Reviewer, name: &str) -> u64 {
    let text = reviewer.get("/metrics").await.text();
    let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
    line.and_then(|line| line.split_whitespace().last()).and_then(|n| n.parse().ok()).unwrap_or(0)
}
