//! What a crash may not do: lose a hold, or release one.

use super::{Scene, held, post};
use futures_util::future::join_all;
use serde_json::{Value, json};

#[tokio::test]
async fn a_crash_while_parked_loses_and_releases_nothing() {
    let mut scene = Scene::new().await;
    let mut wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    scene.holdpoint.kill().await;
    assert!(wire.rest().await.is_empty(), "the client hears no answer");
    scene.start_again().await;

    let pending = scene.alice.pending().await;
    assert_eq!((pending.len(), &pending[0]["id"]), (1, &hold["id"]));
    assert_eq!(pending[0]["digest"], hold["digest"]);
    scene.origin.assert_untouched();

    let mut again = scene.park("x").await;
    let id = hold["id"].as_str().unwrap().to_owned();
    scene
        .alice
        .wait("the resend to join", |all| {
            all.iter().find(|h| h["id"] == id.as_str() && h["requests"] == 2).map(drop)
        })
        .await;
    assert_eq!(scene.alice.pending().await.len(), 1);
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    assert_eq!(again.reply().await.status, 200);
    assert_eq!(scene.origin.seen().len(), 1);
    assert_sound(&scene).await;
}

#[tokio::test]
async fn an_approval_survives_a_crash_and_is_spent_once() {
    let mut scene = Scene::with(|setup| setup.set("/hold/patience", json!("0s"))).await;
    assert_eq!(scene.ask("x").await.status, 428);
    let hold = scene.alice.wait_pending().await;
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    scene.holdpoint.kill().await;
    scene.start_again().await;
    scene.origin.assert_untouched();
    assert_eq!(scene.ask("x").await.status, 200);
    assert_eq!(scene.ask("x").await.status, 428);
    assert_eq!(scene.origin.seen().len(), 1);
    assert_sound(&scene).await;
}

#[tokio::test]
async fn a_crash_after_the_release_is_ambiguous() {
    let mut scene = Scene::new().await;
    let mut wire = scene.wire().await;
    wire.send(post("/held/gate", "", "x")).await; // the origin takes it and does not answer
    let hold = scene.alice.wait_pending().await;
    scene.alice.approve(&hold).await;
    scene.origin.arrived(1).await;
    scene.holdpoint.kill().await;
    scene.start_again().await;

    let id = hold["id"].as_str().unwrap();
    let after = scene.alice.hold(id).await;
    assert_eq!(
        (&after["state"], &after["outcome"]["result"]),
        (&json!("released"), &json!("ambiguous")),
        "{after}"
    );
    assert_eq!(scene.origin.seen().len(), 1, "Holdpoint never sends it again by itself");
    let ledger = scene.holdpoint.ledger().await;
    let events = |name: &str| ledger.iter().filter(|r| r["event"] == name && r["subject"] == id).count();
    assert_eq!((events("hold.released"), events("hold.ambiguous"), events("hold.answered")), (1, 1, 0));
    assert_sound(&scene).await;
}

#[tokio::test]
async fn a_graceful_stop_tells_who_waits() {
    let mut scene = Scene::new().await;
    let mut wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    scene.holdpoint.signal("TERM").await;
    let reply = wire.reply().await;
    assert!([428, 503].contains(&reply.status), "{}", reply.status);
    drop(wire);
    scene.holdpoint.stop_started().await;
    scene.start_again().await;
    let pending = scene.alice.pending().await;
    assert_eq!((pending.len(), &pending[0]["id"]), (1, &hold["id"]));
    scene.origin.assert_untouched();
}

/// Killed at some moment while many park and are approved: each is pending, or was released once, and the origin
/// never saw one that the ledger has no release for.
#[tokio::test]
async fn crashes_under_load_keep_the_books() {
    let mut scene = Scene::with(|setup| setup.set("/hold/patience", json!("0s"))).await;
    for round in 0..4 {
        let bodies: Vec<String> = (0..20).map(|n| format!("{round}-{n}")).collect();
        assert!(join_all(bodies.iter().map(|body| scene.ask(body))).await.iter().all(|r| r.status == 428));
        let pending = scene.alice.pending().await;
        let resend = bodies.iter().map(async |body| {
            // Killed in the middle: whatever becomes of the answer, the books must agree with the origin.
            let mut wire = scene.wire().await;
            let _ = wire.try_send(held(body)).await;
            wire.more().await
        });
        for hold in pending.iter().filter(|h| h["state"] == "pending") {
            scene.alice.approve(hold).await;
        }
        let seen = scene.origin.seen().len();
        // The crash comes with the arrival of the third.
        tokio::select! {
            _ = join_all(resend) => {}
            _ = scene.origin.arrived(seen + 3) => {}
        }
        scene.holdpoint.kill().await;
        scene.start_again().await;
    }
    let ledger = scene.holdpoint.ledger().await;
    let holds = scene.alice.holds("?limit=500").await;
    let released: Vec<&Value> =
        ledger.iter().filter(|r| r["event"] == "hold.released").map(|r| &r["subject"]).collect();
    let mut distinct = released.clone();
    distinct.sort_by_key(|id| id.to_string());
    distinct.dedup();
    assert_eq!(distinct.len(), released.len(), "no hold is released twice");
    let mut arrived: Vec<Vec<u8>> = scene.origin.seen().iter().map(|s| s.body.to_vec()).collect();
    let total = arrived.len();
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), total, "nothing arrived twice");
    assert!(total <= released.len(), "{total} arrived, {} were released", released.len());
    assert_eq!(holds.len(), 80, "nothing is lost");
    assert_eq!(holds.iter().filter(|h| h["state"] == "released").count(), released.len());
    assert_sound(&scene).await;
}

async fn assert_sound(scene: &Scene) {
    let verified = scene.holdpoint.cli(&["ledger", "verify"]).await;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
