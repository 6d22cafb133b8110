//! Clients of other people: they notice nothing of what passes, wait for what is held, and hear why something is denied.

use super::Scene;
use super::support::{soon, wire};
use futures_util::{SinkExt as _, StreamExt as _};
use std::path::Path;
use std::process::{Output, Stdio};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// Node's own `WebSocket`, which offers compression, behind `holdpoint run`.
async fn node(scene: &Scene, said: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let node = root.join("target/test-tools/python/bin/node");
    assert!(node.exists(), "scripts/test installs {}", node.display());
    let run = scene
        .holdpoint
        .command(["run", "--"])
        .arg(node)
        .arg(root.join("tests/websocket/client.cjs"))
        .arg("wss://api.test/ws?subprotocol=chat")
        .args(said)
        .stdin(Stdio::null())
        .output();
    soon("the end of node", run).await.expect("it starts")
}

#[tokio::test]
async fn node_says_and_hears() {
    let scene = Scene::new().await;
    let (output, ()) = tokio::join!(node(&scene, &["hello", "delete everything", "bye"]), async {
        let hold = scene.reviewer.wait_pending().await;
        assert_eq!(scene.reviewer.approve(&hold).await.status, 200);
    });
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = "open chat \nsaid hello\nsaid delete everything\nsaid bye\nclose 1000 done\n";
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));

    let output = node(&scene, &["hello", "never do that"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("said hello\n"), "{said}");
    assert!(said.contains("close 1008 Denied by rule `test/never`."), "{said}");
}

#[tokio::test]
async fn tungstenite_says_and_hears() {
    let scene = Scene::new().await;
    let (listen, ca) = (scene.holdpoint.listen, &scene.holdpoint.ca);
    let tunnel = wire::tls_tunnel(listen, "api.test:443", "api.test", ca, "", &["http/1.1"]).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("wss://api.test/ws", tunnel).await.unwrap();
    for message in [
        Message::text("hello"),
        Message::binary(b"{\"a\": [1, 2]}".to_vec()),
        Message::text("x".repeat(300_000)),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(soon("an echo", socket.next()).await.unwrap().unwrap(), message);
    }
    socket.send(Message::text("delete everything")).await.unwrap();
    let hold = scene.reviewer.wait_pending().await;
    socket.send(Message::Ping(Bytes::from_static(b"still there"))).await.unwrap();
    let pong = soon("a pong", socket.next()).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"still there")));
    scene.reviewer.approve(&hold).await;
    let echo = soon("the echo", socket.next()).await.unwrap().unwrap();
    assert_eq!(echo, Message::text("delete everything"));
    socket.send(Message::text("never do that")).await.unwrap();
    let Message::Close(Some(close)) = soon("the end", socket.next()).await.unwrap().unwrap() else {
        panic!("a close frame");
    };
    assert_eq!(close.code, CloseCode::Policy);
    assert!(close.reason.contains("test/never"), "{close}");
}
