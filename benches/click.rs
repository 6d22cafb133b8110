//! From a reviewer's click to the request at its origin: `ROUNDS` (200 unless told) held requests, one after the
//! other; the clock runs from the first byte of the vote to the arrival. Prints figures; asserts only that each
//! arrives once.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench says what it measured, or panics"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use serde_json::json;
use std::time::{Duration, Instant};
use support::{Origin, Setup, TestAuthority, Wire};

fn main() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200_usize);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(rounds));
}

async fn run(rounds: usize) {
    let authority = TestAuthority::new("Bench roots");
    let origin = Origin::tls_h1(&authority, &["api.test"]).await;
    let holdpoint = Setup::new()
        .trust(&authority)
        .origin("api.test:443", &origin)
        .set("/hold/patience", json!("1h"))
        .start()
        .await;
    let reviewer = holdpoint.reviewer("bench", &[]).await;
    let mut wire = Wire::tunnel(holdpoint.listen, "api.test:443", &holdpoint.ca).await;
    let (mut arrived, mut answered) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for n in 0..rounds {
        wire.send(format!("POST /held/{n} HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\nhi")).await;
        let hold = reviewer.wait_pending().await;
        let clicked = Instant::now();
        let (vote, arrival, reply) = tokio::join!(
            reviewer.approve(&hold),
            async {
                origin.arrived(n + 1).await;
                clicked.elapsed()
            },
            async { (wire.reply().await.status, clicked.elapsed()) },
        );
        assert_eq!((vote.status, reply.0), (200, 200), "{}", vote.text());
        arrived.push(arrival);
        answered.push(reply.1);
    }
    assert_eq!(origin.seen().len(), rounds, "each arrives once");
    println!("click to arrival at the origin: {}", spread(arrived));
    println!("click to the agent's answer:    {}", spread(answered));
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3;
    format!("p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, most {:.1} ms", at(50), at(90), at(99), at(100))
}
