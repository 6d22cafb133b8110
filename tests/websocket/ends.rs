//! What ends a connection from outside, and what a new rule set means to an open one.

use super::support::websocket::Socket;
use super::support::{Wire, soon};
use super::{RULES, Scene};

#[tokio::test]
async fn a_revoked_agent_is_told_and_its_hold_withdrawn() {
    let scene = Scene::with(|setup| setup.set("/solo", false.into())).await;
    let line = scene.holdpoint.agent("crawler", &["somebody"]).await;
    let mut wire =
        Wire::tunnel_as(scene.holdpoint.listen, "api.test:443", "api.test", &scene.holdpoint.ca, &line)
            .await
            .unwrap();
    wire.send(super::support::websocket::handshake("/ws", "")).await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 101);
    let mut socket = Socket { wire, reply };
    socket.text("delete everything").await;
    let hold = scene.reviewer.wait_pending().await;
    let revoked = scene.holdpoint.cli(&["agents", "revoke", "crawler", "--yes"]).await;
    let revoked = if revoked.status.success() {
        revoked
    } else {
        scene.holdpoint.cli(&["agents", "revoke", "crawler"]).await
    };
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    let close = socket.next().await;
    assert_eq!(close.close().0, 1008, "{close:?}");
    socket.ends().await;
    scene.reviewer.wait_state(hold["id"].as_str().unwrap(), "withdrawn").await;
    scene.origin.sockets().ended(1).await;
    assert!(scene.origin.sockets().seen().iter().all(|frame| frame.first == 0x88), "the message never left");
}

#[tokio::test]
async fn shutdown_says_so_and_the_hold_stays() {
    let mut scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    socket.text("delete everything").await;
    let hold = scene.reviewer.wait_pending().await;
    scene.holdpoint.signal("TERM").await;
    assert_eq!(socket.next().await.close().0, 1001);
    socket.ends().await;
    scene.holdpoint.stop_started().await;
    scene.holdpoint.start_again().await;
    let reviewer = scene.reviewer.at(scene.holdpoint.control);
    assert_eq!(reviewer.hold(hold["id"].as_str().unwrap()).await["state"], "pending");
}

#[tokio::test]
async fn an_agent_that_goes_leaves_its_hold() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    socket.text("delete everything").await;
    let hold = scene.reviewer.wait_pending().await;
    drop(socket);
    scene.origin.sockets().ended(1).await;
    assert_eq!(scene.reviewer.approve(&hold).await.status, 200);
    scene.reviewer.wait_state(hold["id"].as_str().unwrap(), "approved").await;
    assert!(scene.origin.sockets().seen().is_empty());
}

/// The rules that count are those in force when a message comes.
#[tokio::test]
async fn new_rules_count_for_the_next_message() {
    let scene = Scene::new().await;
    let mut judged = Socket::open(&scene.holdpoint, "/ws", "").await;
    let mut free = Socket::open(&scene.holdpoint, "/ws/free", "").await;
    judged.echo("erase it").await;
    free.echo("erase it").await;
    let rules = RULES.replace("(?i)delete", "(?i)delete|erase").replace(
        "  - id: never\n",
        "  - id: erase\n    when: { host: api.test, path: /ws/free, body: { text: { regex: erase } } }\n    verdict: hold\n    why: New.\n    examples: { hold: [ { method: POST, url: 'https://api.test/ws/free', body: erase } ], pass: [ { method: POST, url: 'https://api.test/ws/free', body: x } ] }\n  - id: never\n",
    );
    std::fs::write(scene.holdpoint.rules_file(), rules).unwrap();
    scene.holdpoint.signal("HUP").await;
    // The one that was opened free cannot be judged any more, and ends.
    free.ends().await;
    judged.text("erase it").await;
    let hold = scene.reviewer.wait_pending().await;
    assert_eq!(scene.reviewer.hold(hold["id"].as_str().unwrap()).await["rule"], "test/delete");
    scene.reviewer.approve(&hold).await;
    assert_eq!(judged.next().await.text(), "erase it");
}

#[tokio::test]
async fn silence_ends_a_judged_connection_but_not_one_that_waits() {
    let timeouts = serde_json::json!({ "idle": "1s" });
    let scene = Scene::with(|setup| setup.set("/timeouts", timeouts)).await;
    let mut waits = Socket::open(&scene.holdpoint, "/ws", "").await;
    waits.text("delete everything").await;
    let hold = scene.reviewer.wait_pending().await;
    let mut idle = Socket::open(&scene.holdpoint, "/ws", "").await;
    idle.echo("hello").await;
    assert_eq!(idle.next().await.close().0, 1001);
    idle.ends().await;
    scene.reviewer.approve(&hold).await;
    assert_eq!(waits.next().await.text(), "delete everything");
}

/// Observed rules hold nothing, and their record says what they would have done.
#[tokio::test]
async fn what_is_only_observed_passes_and_is_recorded() {
    let rules = RULES.replace("  - id: delete\n", "  - id: delete\n    mode: observe\n");
    let scene = Scene::with(|setup| setup.rules(&rules)).await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    socket.echo("delete everything").await;
    let line = soon("the record", async {
        loop {
            let lines = scene.holdpoint.traffic();
            if let Some(line) = lines.iter().find(|line| line["method"] == "MESSAGE") {
                return line.clone();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((&line["verdict"], &line["would_have"]), (&"pass".into(), &"hold".into()));
}
