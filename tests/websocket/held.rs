//! A message that a person decides on: it stops its own direction and nothing else.

use super::Scene;
use super::support::Wire;
use super::support::websocket::{Frame, Socket, written};
use tokio::task::JoinSet;

#[tokio::test]
async fn an_approved_message_leaves_once_and_in_its_turn() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "Authorization: Bearer secret-1234\r\n").await;
    socket.echo("hello").await;
    socket.text("delete everything").await;
    socket.text("after it").await;
    let hold = scene.reviewer.wait_pending().await;
    let detail = scene.reviewer.hold(hold["id"].as_str().unwrap()).await;
    let request = &detail["request"];
    assert_eq!(request["method"], "WebSocket message");
    assert_eq!(request["url"], "https://api.test/ws");
    assert_eq!(request["http_version"], "WebSocket, text");
    assert!(detail.to_string().contains("delete everything"));
    assert!(!detail.to_string().contains("secret-1234"));
    assert_eq!(detail["rule"], "test/delete");

    // Meanwhile: pings of either side and their answers, and what the origin says, in fragments and whole.
    socket.send(0x89, "still there").await;
    assert_eq!(socket.next().await, Frame { first: 0x8A, payload: b"still there".to_vec() });
    let sockets = scene.origin.sockets();
    sockets.say(&written(0x89, b"and you", None));
    assert_eq!(socket.next().await, Frame { first: 0x89, payload: b"and you".to_vec() });
    socket.send(0x8A, "and you").await;
    sockets.say(&[written(0x01, b"from the ", None), written(0x80, b"origin", None)].concat());
    assert_eq!(socket.next().await, Frame { first: 0x01, payload: b"from the ".to_vec() });
    assert_eq!(socket.next().await, Frame { first: 0x80, payload: b"origin".to_vec() });
    let seen = sockets.arrived(3).await;
    assert_eq!(seen.iter().map(|frame| frame.first).collect::<Vec<_>>(), [0x81, 0x89, 0x8A]);

    assert_eq!(scene.reviewer.approve(&hold).await.status, 200);
    assert_eq!(socket.next().await.text(), "delete everything");
    assert_eq!(socket.next().await.text(), "after it");
    let released = scene.reviewer.wait_state(hold["id"].as_str().unwrap(), "released").await;
    let id = released["id"].as_str().unwrap();
    scene.reviewer.wait_detail(id, "the outcome", |hold| hold["outcome"]["status"] == 101).await;
    assert_eq!(sockets.seen().len(), 5);
    socket.echo("and on").await;
}

#[tokio::test]
async fn a_denied_message_ends_a_connection_that_speaks_no_protocol() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    socket.text("delete everything").await;
    let hold = scene.reviewer.wait_pending().await;
    assert_eq!(scene.reviewer.deny(&hold, "not on a Friday").await.status, 200);
    let close = socket.next().await;
    assert_eq!(close.close().0, 1008);
    assert!(close.close().1.contains("not on a Friday"), "{close:?}");
    socket.ends().await;
    scene.origin.sockets().ended(1).await;
    let seen = scene.origin.sockets().seen();
    assert_eq!((seen.len(), seen[0].close().0), (1, 1008), "the origin hears that it is over, and no more");
}

/// The agent's close frame overtakes what is held. The hold stays: an identical message on a new connection spends it.
#[tokio::test]
async fn a_close_ends_the_wait_and_the_hold_stays() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "Sec-WebSocket-Protocol: chat\r\n").await;
    socket.text("delete everything").await;
    let hold = scene.reviewer.wait_pending().await;
    socket.send(0x88, b"\x03\xe9").await;
    assert_eq!(socket.next().await.close().0, 1001);
    socket.ends().await;
    assert_eq!(scene.origin.sockets().seen().len(), 1, "the close frame alone");

    assert_eq!(scene.reviewer.approve(&hold).await.status, 200);
    scene.reviewer.wait_state(hold["id"].as_str().unwrap(), "approved").await;
    assert_eq!(scene.origin.sockets().seen().len(), 1, "nobody is there to send it for");

    // Another head, another kind or a plain request is another thing.
    let mut other = Socket::open(&scene.holdpoint, "/ws", "Sec-WebSocket-Protocol: other\r\n").await;
    other.text("delete everything").await;
    scene.reviewer.wait_pending().await;
    let mut again = Socket::open(&scene.holdpoint, "/ws", "Sec-WebSocket-Protocol: chat\r\n").await;
    again.text("delete everything").await;
    assert_eq!(again.next().await.text(), "delete everything");
    scene.reviewer.wait_state(hold["id"].as_str().unwrap(), "released").await;
    again.text("delete everything").await;
    scene
        .reviewer
        .wait("a second hold: an approval is for once", |all| {
            (all.iter().filter(|hold| hold["state"] == "pending").count() == 2).then_some(())
        })
        .await;
}

#[tokio::test]
async fn no_plain_request_spends_what_was_approved_for_a_message() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    socket.text("delete everything").await;
    let hold = scene.reviewer.wait_pending().await;
    drop(socket);
    scene.origin.sockets().ended(1).await;
    assert_eq!(scene.reviewer.approve(&hold).await.status, 200);
    let mut wires = Vec::new();
    for method in ["GET", "POST", "MESSAGE"] {
        let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
        wire.send(format!(
            "{method} /ws HTTP/1.1\r\nHost: api.test\r\nSec-WebSocket-Version: 13\r\nContent-Length: 17\r\n\r\ndelete everything"
        ))
        .await;
        wires.push(wire);
    }
    scene
        .reviewer
        .wait("three holds of their own", |all| {
            (all.iter().filter(|hold| hold["state"] == "pending").count() == 3).then_some(())
        })
        .await;
    assert_eq!(scene.reviewer.hold(hold["id"].as_str().unwrap()).await["state"], "approved");
    assert_eq!(scene.origin.seen().len(), 1, "the handshake");
}

/// Patience that the rule or the operator sets: then the agent is told how it stands.
#[tokio::test]
async fn patience_ends_with_the_id_of_the_hold() {
    let scene = Scene::with(|setup| setup.set("/hold/patience", "1s".into())).await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws/rpc", "").await;
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"delete_x"}}"#;
    socket.text(call).await;
    let answer: serde_json::Value = serde_json::from_str(socket.next().await.text()).unwrap();
    let hold = scene.reviewer.wait_pending().await;
    assert_eq!((&answer["id"], &answer["error"]["data"]["hold"]["id"]), (&7.into(), &hold["id"]));
    assert_eq!(answer["error"]["data"]["code"], "approval_pending");
    assert_eq!(scene.reviewer.approve(&hold).await.status, 200);
    scene.reviewer.wait_state(hold["id"].as_str().unwrap(), "approved").await;
    socket.echo(call).await;
}

/// What waits behind a held message is bounded: then the agent is read no more, and nothing is lost. Meanwhile other
/// messages go through the same process, which is when an unbounded buffer would fill.
#[tokio::test]
async fn what_waits_behind_is_bounded() {
    let scene = Scene::new().await;
    let mut quick = Socket::open(&scene.holdpoint, "/ws", "").await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws?quiet", "").await;
    let large = "x".repeat(60_000);
    quick.echo(&large).await;
    socket.text("delete everything").await;
    let hold = scene.reviewer.wait_pending().await;
    let before = scene.holdpoint.rss_peak_kib();
    let mut writing = JoinSet::new();
    let behind = large.clone();
    writing.spawn(async move {
        for _ in 0..500 {
            socket.text(&behind).await;
        }
        socket
    });
    for _ in 0..100 {
        quick.echo(&large).await;
    }
    let grown = scene.holdpoint.rss_peak_kib() - before;
    assert!(grown < 8 << 10, "the process grew by {grown} KiB");
    assert_eq!(scene.origin.sockets().seen().len(), 101, "nothing behind the held one has left");
    assert_eq!(scene.reviewer.approve(&hold).await.status, 200);
    let seen = scene.origin.sockets().arrived(101 + 501).await;
    assert_eq!(seen[101].text(), "delete everything");
    assert!(seen[102..].iter().all(|frame| frame.text() == large));
    drop(writing.join_next().await);
}

/// Where the budget for held bytes is used up, nothing is parked, and the agent hears that it may try again.
#[tokio::test]
async fn without_room_nothing_is_parked_and_nothing_leaves() {
    let bounds =
        serde_json::json!({ "patience": "10m", "max-held-bytes": "32KiB", "max-body-bytes": "16KiB" });
    let scene = Scene::with(|setup| setup.set("/hold", bounds)).await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws/rpc", "").await;
    socket.text(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"delete_x"}}"#).await;
    let answer: serde_json::Value = serde_json::from_str(socket.next().await.text()).unwrap();
    assert_eq!(answer["error"]["data"]["code"], "too_many_holds");
    socket.echo("{}").await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    socket.text("delete everything").await;
    assert_eq!(socket.next().await.close().0, 1013);
    assert!(scene.reviewer.pending().await.is_empty());
    assert!(scene.origin.sockets().seen().iter().all(|frame| frame.first == 0x88 || frame.text() == "{}"));
}
