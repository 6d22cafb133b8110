//! Webhooks: signed, tried again, replayed, turned off.

use super::receiver::{Came, Receiver};
use super::{OTHER_SECRET, SECRET, Scene, webhook};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

#[tokio::test]
async fn events_arrive_in_order_and_verify_by_the_official_library() {
    let receiver = Receiver::new().await;
    let siem = json!({ "url": receiver.url("/in"), "secret": [OTHER_SECRET, SECRET], "events": ["hold.*"] });
    let scene = Scene::with(|setup| setup.set("/webhooks", json!({ "siem": siem }))).await;
    let mut wire = scene.park("/held/x", "a").await;
    let hold = scene.alice.wait_pending().await;
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    assert_eq!(wire.reply().await.status, 200);

    let came = receiver
        .until("the answer of the service", |came| {
            came.iter().any(|one| one.event() == "hold.answered").then(|| came.to_vec())
        })
        .await;
    let events: Vec<String> = came.iter().map(Came::event).collect();
    assert_eq!(events, ["hold.created", "hold.voted", "hold.approved", "hold.released", "hold.answered"]);
    for one in &came {
        let body = one.json();
        assert_eq!(one.header("content-type"), "application/cloudevents+json; charset=utf-8");
        assert_eq!(body["specversion"], "1.0");
        assert_eq!(body["type"], format!("holdpoint.{}", one.event()));
        assert_eq!(body["subject"], hold["id"]);
        assert_eq!(body["id"], one.header("webhook-id"));
        assert_eq!(body["source"], format!("http://{}", scene.holdpoint.control));
        for secret in [SECRET, OTHER_SECRET] {
            assert_eq!(verify(secret, one).await, "sound", "both secrets sign while one takes over");
        }
        assert_ne!(verify("whsec_////////////////////////////////////////", one).await, "sound");
    }
    // What the ledger says is what was told.
    let ledger = scene.holdpoint.ledger().await;
    for one in &came {
        let data = &one.json()["data"];
        let row = ledger.iter().find(|row| row["seq"] == data["seq"]).expect("a row");
        assert_eq!((&row["hash"], &row["detail"]), (&data["hash"], &data["detail"]));
    }
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_also_after_a_restart() {
    let receiver = Receiver::new().await;
    receiver.otherwise(500, "not today");
    let mut scene =
        Scene::with(|setup| setup.set("/webhooks", json!({ "siem": webhook(&receiver, &["hold.created"]) })))
            .await;
    let _wire = scene.park("/held/x", "a").await;
    receiver.count(2).await;
    let waiting = scene
        .until("a second failure in the log", "?state=waiting", |all| {
            all.iter().find(|one| one["attempts"].as_u64() >= Some(2) && one["answer"].is_string()).cloned()
        })
        .await;
    assert_eq!(waiting["answer"], "500: not today");
    assert_eq!(waiting["channel"], "siem");
    assert!(waiting["due_at"].is_string());

    scene.holdpoint.kill().await;
    receiver.otherwise(204, "");
    scene.start_again().await;
    let done = scene.until("the delivery after the restart", "?state=done", |all| all.first().cloned()).await;
    assert_eq!((&done["id"], &done["answer"]), (&waiting["id"], &json!("204")));
    let came = receiver.came();
    let ids: std::collections::BTreeSet<&str> = came.iter().map(|one| one.header("webhook-id")).collect();
    assert_eq!(ids.len(), 1, "one event has one id, however often it is told");
    // Each attempt is signed for its own time.
    assert_eq!(verify(SECRET, came.last().unwrap()).await, "sound");
}

#[tokio::test]
async fn a_crash_between_the_ledger_and_the_delivery_loses_nothing() {
    let receiver = Receiver::new().await;
    receiver.otherwise(503, "");
    let mut scene =
        Scene::with(|setup| setup.set("/webhooks", json!({ "siem": webhook(&receiver, &["hold.created"]) })))
            .await;
    let mut wires = Vec::new();
    for at in 0..20 {
        wires.push(scene.park("/held/x", &format!("body {at}")).await);
    }
    // Some are in the ledger only, some are waiting rows, some under way.
    receiver.count(1).await;
    scene.alice.wait("twenty holds", |all| (all.len() == 20).then_some(())).await;
    scene.holdpoint.kill().await;
    receiver.otherwise(200, "");
    let before = receiver.came().len();
    scene.start_again().await;
    let subjects = receiver
        .until("every hold at the receiver", |came| {
            let told = came.iter().skip(before).map(|one| one.json()["subject"].to_string());
            let told: std::collections::BTreeSet<String> = told.collect();
            (told.len() == 20).then_some(told)
        })
        .await;
    for hold in scene.alice.pending().await {
        assert!(subjects.contains(&hold["id"].to_string()));
    }
}

#[tokio::test]
async fn a_delivery_is_replayed_under_the_same_id() {
    let receiver = Receiver::new().await;
    let scene =
        Scene::with(|setup| setup.set("/webhooks", json!({ "siem": webhook(&receiver, &["hold.created"]) })))
            .await;
    let _wire = scene.park("/held/x", "a").await;
    receiver.count(1).await;
    let done = scene.until("the end of the delivery", "?state=done", |all| all.first().cloned()).await;
    let replay = format!("/v1/deliveries/{}/replay", done["id"]);
    assert_eq!(scene.alice.ask("POST", &replay, "").await.status, 202);
    let came = receiver.count(2).await;
    assert_eq!(came[0].header("webhook-id"), came[1].header("webhook-id"));
    assert_eq!(came[0].body, came[1].body);
    assert_eq!(scene.alice.ask("POST", "/v1/deliveries/4711/replay", "").await.status, 404);
    let ledger = scene.holdpoint.ledger().await;
    let row = ledger.iter().find(|row| row["event"] == "delivery.replayed").expect("a row");
    assert_eq!(row["actor"], "person:alice");
}

#[tokio::test]
async fn who_is_gone_is_told_nothing_more_until_somebody_replays() {
    let receiver = Receiver::new().await;
    receiver.say(410, None, "moved away");
    let scene =
        Scene::with(|setup| setup.set("/webhooks", json!({ "siem": webhook(&receiver, &["hold.created"]) })))
            .await;
    let _first = scene.park("/held/x", "a").await;
    let failed = scene.until("the delivery to fail", "?state=failed", |all| all.first().cloned()).await;
    assert_eq!(failed["answer"], "410: moved away");
    let _second = scene.park("/held/y", "b").await;
    scene.alice.wait("two holds", |all| (all.len() == 2).then_some(())).await;
    let replay = format!("/v1/deliveries/{}/replay", failed["id"]);
    assert_eq!(scene.alice.ask("POST", &replay, "").await.status, 202);
    let _third = scene.park("/held/z", "c").await;
    // The second hold was made while the webhook was off: nobody was to hear of it.
    let came = receiver.count(3).await;
    let told: Vec<Value> = came.iter().map(|one| one.json()["subject"].clone()).collect();
    assert_eq!(told[0], told[1]);
    assert_ne!(told[1], told[2]);
    let events: Vec<String> = scene
        .holdpoint
        .ledger()
        .await
        .iter()
        .filter_map(|row| row["event"].as_str().map(str::to_owned))
        .filter(|event| event.starts_with("webhook.") || event.starts_with("delivery."))
        .collect();
    assert_eq!(events, ["webhook.disabled", "delivery.failed", "delivery.replayed", "webhook.enabled"]);
    let metrics = scene.alice.get("/metrics").await.text();
    assert!(metrics.contains("holdpoint_deliveries_total{reason=\"failed\"} 1"), "{metrics}");
}

/// What the official library says of a request: `sound`, or its complaint.
async fn verify(secret: &str, came: &Came) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/python/bin/python");
    let script = "
import json, sys
from standardwebhooks.webhooks import Webhook
said = json.load(sys.stdin)
try:
    Webhook(said['secret']).verify(said['body'], said['headers'])
    print('sound')
except Exception as error:
    print(error)
";
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), came.header(name).into())).collect();
    let said = json!({ "secret": secret, "body": String::from_utf8_lossy(&came.body), "headers": headers });
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python with standardwebhooks, from scripts/test");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(said.to_string().as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().await.expect("an end");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
