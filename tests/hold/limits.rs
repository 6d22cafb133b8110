//! What happens at the bounds: nothing is forwarded, and the client is told.

use super::support::disk::Disk;
use super::{Scene, post, rule};
use serde_json::json;

#[tokio::test]
async fn beyond_the_budget_nothing_more_is_held() {
    let scene = Scene::with(|setup| setup.set("/hold/max-held-bytes", json!("64KiB"))).await;
    let body = "b".repeat(40 << 10);
    let mut first = scene.park(&body).await;
    let hold = scene.alice.wait_pending().await;
    let reply = scene.ask(&"c".repeat(40 << 10)).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.field("retry-after").is_some());
    assert_eq!(scene.wire().await.ask(post("/echo", "", "x")).await.status, 200, "others pass");
    scene.alice.approve(&hold).await;
    assert_eq!(first.reply().await.status, 200);
    scene.origin.arrived(2).await;
    // What was held is given back.
    let mut again = scene.park(&"d".repeat(40 << 10)).await;
    let hold = scene.alice.wait_pending().await;
    scene.alice.approve(&hold).await;
    assert_eq!(again.reply().await.status, 200);
}

#[tokio::test]
async fn a_body_too_long_to_hold_is_413() {
    let scene = Scene::with(|setup| setup.set("/hold/max-body-bytes", json!("64KiB"))).await;
    let mut wire = scene.wire().await;
    let _ = wire.try_send(post("/held/x", "", &"b".repeat(65 << 10))).await;
    assert_eq!(wire.head().await.status, 413);
    let mut wire = scene.wire().await;
    let head = "POST /held/x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let _ = wire.try_send(format!("{head}{:x}\r\n{}\r\n0\r\n\r\n", 65 << 10, "b".repeat(65 << 10))).await;
    assert_eq!(wire.head().await.status, 413);
    assert!(scene.alice.pending().await.is_empty());
    scene.origin.assert_untouched();
}

/// A rule depends on a body that nobody can read: a person looks at it.
#[tokio::test]
async fn an_unreadable_body_is_held() {
    let rules = r#"
pack: test
rules:
  - id: amount
    when: { path: "/pay", body: { amount: { gt: 100 } } }
    verdict: hold
    why: Much money.
    examples:
      hold: [ { method: POST, url: "https://api.test/pay", headers: { content-type: application/json }, body: '{"amount": 101}' } ]
      pass: [ { method: POST, url: "https://api.test/pay", headers: { content-type: application/json }, body: '{"amount": 99}' } ]
"#;
    let scene = Scene::with(|setup| {
        setup.rules(rules).set("/hold/patience", json!("0s")).set("/inspect", json!({ "max-bytes": "1KiB" }))
    })
    .await;
    let ask = async |body: String| {
        let request = post("/pay", "", &body).replace("text/plain", "application/json");
        scene.wire().await.ask(request).await.status
    };
    assert_eq!(ask(r#"{"amount": 99}"#.to_owned()).await, 200);
    assert_eq!(ask(r#"{"amount": 101}"#.to_owned()).await, 428);
    assert_eq!(ask(r#"{"amount": "#.to_owned()).await, 428, "broken JSON");
    assert_eq!(
        ask(format!(r#"{{"amount": 99, "note": "{}"}}"#, "n".repeat(2000))).await,
        428,
        "over the limit"
    );
    let zipped =
        post("/pay", "Content-Encoding: gzip\r\n", "no gzip").replace("text/plain", "application/json");
    assert_eq!(scene.wire().await.ask(zipped).await.status, 428, "broken coding");
    assert_eq!(scene.origin.seen().len(), 1);
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_held_and_nothing_leaves() {
    let disk = Disk::new("4m").await;
    let mut scene = Scene::with(|setup| setup.data(disk.path()).set("/hold/patience", json!("0s"))).await;
    assert_eq!(scene.ask("before").await.status, 428);
    let hold = scene.alice.wait_pending().await;
    disk.fill();
    let reply = scene.ask("full").await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    let vote = scene.alice.approve(&hold).await;
    assert_eq!(vote.status, 503, "a vote that cannot be written does not count: {}", vote.text());
    assert_eq!(scene.ask("before").await.status, 503);
    scene.origin.assert_untouched();

    disk.free();
    // The database recovers by itself; the traffic log may take its next turn for it.
    let mut tries = 0;
    while scene.alice.approve(&hold).await.status != 200 {
        tries += 1;
        assert!(tries < 500, "it does not recover by itself");
    }
    let mut tries = 0;
    while scene.ask("before").await.status != 200 {
        tries += 1;
        assert!(tries < 500, "it does not recover by itself");
    }
    assert_eq!(scene.origin.seen().len(), 1);
    scene.holdpoint.stop().await;
}

/// The rule caps the client's wait.
#[tokio::test]
async fn a_rule_caps_patience() {
    let scene = Scene::with(|setup| setup.rules(&rule("{ patience: 0s }"))).await;
    assert_eq!(scene.ask("x").await.status, 428);
}
