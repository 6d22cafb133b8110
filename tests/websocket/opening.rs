//! Handshakes: what is asked for, what is agreed to, and what cannot be read.

use super::support::websocket::{Socket, handshake, masked};
use super::support::{Wire, soon};
use super::{RULES, Scene};
use serde_json::json;

const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

#[tokio::test]
async fn extensions_are_asked_for_only_where_nothing_is_judged() {
    let scene = Scene::new().await;
    Socket::open(&scene.holdpoint, "/ws", DEFLATE).await.echo("hello").await;
    // Compressed bits pass where no rule could read them, as all bytes do.
    let mut free = Socket::open(&scene.holdpoint, "/ws/free?extension=1", DEFLATE).await;
    assert_eq!(free.reply.field("sec-websocket-extensions"), Some("permessage-deflate"));
    free.send(0xC1, "compressed").await;
    assert_eq!(free.next().await.first, 0xC1);
    let seen = scene.origin.seen();
    let offered = |nth: usize| seen[nth].field("sec-websocket-extensions");
    assert_eq!((offered(0), offered(1)), (None, Some("permessage-deflate; client_max_window_bits")));

    // An origin that agrees to what nobody asked for.
    let refused = Socket::ask(&scene.holdpoint, "/ws?extension=1", DEFLATE).await;
    assert_eq!(
        (refused.reply.status, &refused.reply.json()["error"]["code"]),
        (502, &json!("upstream_failed"))
    );
    soon("the end at the origin", scene.origin.sockets().ended(1)).await;
}

/// A handshake that a rule holds by its head is approved once; then its messages are judged by other rules only.
#[tokio::test]
async fn a_held_handshake_opens_and_its_messages_are_judged() {
    let rules = format!(
        "{RULES}  - id: open\n    when: {{ host: api.test, path: /ws }}\n    verdict: hold\n    why: It opens a channel.\n    examples: {{ hold: [ 'GET https://api.test/ws' ], pass: [ 'GET https://api.test/x' ] }}\n"
    );
    let scene = Scene::with(|setup| setup.rules(&rules)).await;
    let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    wire.send(handshake("/ws", DEFLATE)).await;
    let hold = scene.reviewer.wait_pending().await;
    drop(wire);
    scene.reviewer.approve(&hold).await;
    scene.reviewer.wait_state(hold["id"].as_str().unwrap(), "approved").await;
    // The key is another one in each handshake, and the approval counts all the same.
    let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    wire.send(handshake("/ws", DEFLATE).replace("dGhlIHNhbXBsZSBub25jZQ", "AAAAAAAAAAAAAAAAAAAAAA")).await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 101);
    let mut socket = Socket { wire, reply };
    socket.echo("hello").await;
    socket.text("delete everything").await;
    let hold = scene.reviewer.wait_pending().await;
    assert_eq!(scene.reviewer.hold(hold["id"].as_str().unwrap()).await["rule"], "test/delete");
}

/// A handshake can wait for hours: what counts for what is said then are the rules of then.
#[tokio::test]
async fn rules_that_came_while_a_handshake_waited_count() {
    let rule = |id: &str, when: &str, verdict: &str, hit: &str| {
        format!(
            "  - id: {id}\n    when: {{ host: api.test, {when} }}\n    verdict: {verdict}\n    why: x\n    examples: {{ {verdict}: [ {hit} ], pass: [ 'GET https://api.test/x' ] }}\n"
        )
    };
    let before =
        format!("{RULES}{}", rule("open", "path: /ws/free", "hold", "'GET https://api.test/ws/free'"));
    let scene = Scene::with(|setup| setup.rules(&before)).await;
    let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    wire.send(handshake("/ws/free", DEFLATE)).await;
    let hold = scene.reviewer.wait_pending().await;
    let said = "{ method: POST, url: 'https://api.test/ws/free', body: erase }";
    let after = format!(
        "{before}{}{}",
        rule("erase", "path: /ws/free, body: { text: { regex: erase } }", "hold", said),
        rule("probe", "path: /probe", "deny", "'GET https://api.test/probe'"),
    );
    std::fs::write(scene.holdpoint.rules_file(), after).unwrap();
    scene.holdpoint.signal("HUP").await;
    soon("the new rules", async {
        let mut probe = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
        while probe.ask("GET /probe HTTP/1.1\r\nHost: api.test\r\n\r\n").await.status != 403 {}
    })
    .await;
    scene.reviewer.approve(&hold).await;
    assert_eq!(wire.reply().await.status, 101);
    assert!(wire.rest().await.is_empty(), "it was opened to be relayed, and cannot be any more");
    scene.origin.sockets().ended(1).await;
    assert!(scene.origin.sockets().seen().is_empty());
}

/// What cannot be read, where a rule looks at what is said, is held before it opens; elsewhere it passes.
#[tokio::test]
async fn a_protocol_that_cannot_be_read_is_held_where_a_rule_could_match() {
    let scene = Scene::new().await;
    let ask = |target: &str, head: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\n{head}\r\n")
    };
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for head in [
        "Upgrade: tcp\r\n",
        "Upgrade: SPDY/3.1\r\n",
        &format!("Upgrade: websocket\r\nSec-WebSocket-Version: 8\r\n{key}"),
        &format!("Upgrade: websocket\r\n{key}"),
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        &format!("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\n{key}"),
    ] {
        let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
        wire.send(ask("/ws/rpc", head)).await;
        let hold = scene.reviewer.wait_pending().await;
        let detail = scene.reviewer.hold(hold["id"].as_str().unwrap()).await;
        assert_eq!(detail["rule"], "test/delete-tool", "{head}");
        assert!(detail["why"].as_str().unwrap().contains("nobody could read"), "{detail}");
        assert!(
            detail["request"]["headers"].to_string().contains("upgrade"),
            "the reviewer sees what is asked for: {detail}"
        );
        scene.reviewer.deny(&hold, "no").await;
        assert_eq!(wire.reply().await.status, 403, "{head}");
    }
    assert!(scene.origin.seen().is_empty());
    let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    let reply = wire.ask(ask("/upgrade", "Upgrade: tcp\r\n")).await;
    assert_eq!(reply.status, 101);
    wire.send("any bytes").await;
    assert_eq!(&wire.exactly(9).await[..], b"any bytes");
}

/// An approval for a request is none for the same request that also changes the protocol.
#[tokio::test]
async fn an_approved_request_opens_nothing() {
    let rules = "pack: test\nrules:\n  - id: read\n    when: { host: api.test, path: /ws }\n    verdict: hold\n    why: x\n    examples: { hold: [ 'GET https://api.test/ws' ], pass: [ 'GET https://api.test/x' ] }\n";
    let scene = Scene::with(|setup| setup.rules(rules)).await;
    let head = "GET /ws HTTP/1.1\r\nHost: api.test\r\n";
    let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    wire.send(format!("{head}\r\n")).await;
    let read = scene.reviewer.wait_pending().await;
    drop(wire);
    scene.reviewer.approve(&read).await;
    scene.reviewer.wait_state(read["id"].as_str().unwrap(), "approved").await;
    let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    wire.send(format!("{head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")).await;
    let opens = scene.reviewer.wait_pending().await;
    assert_ne!(opens["id"], read["id"]);
    assert!(scene.origin.seen().is_empty());
}

/// Of several protocols the origin would choose: none is asked for, and the request is a plain one.
#[tokio::test]
async fn several_protocols_at_once_are_none() {
    let scene = Scene::new().await;
    for upgrade in ["websocket, h2c", "h2c, websocket", "h2c"] {
        let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
        wire.send(handshake("/echo", "").replace("Upgrade: websocket", &format!("Upgrade: {upgrade}"))).await;
        assert_eq!(wire.reply().await.status, 200, "{upgrade}");
    }
    assert!(scene.origin.seen().iter().all(|seen| seen.field("upgrade").is_none()));
}

/// Fields of the handshake that would say how to read a body say nothing about messages.
#[tokio::test]
async fn a_handshake_cannot_blind_what_reads_its_messages() {
    let scene = Scene::new().await;
    for field in [
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Encoding: gzip\r\n",
        "Content-Type: application/json; charset=utf-16\r\n",
    ] {
        let mut socket = Socket::open(&scene.holdpoint, "/ws", field).await;
        socket.echo("hello").await;
        socket.text("delete everything").await;
        let hold = scene.reviewer.wait_pending().await;
        scene.reviewer.approve(&hold).await;
        assert_eq!(socket.next().await.text(), "delete everything");
    }
}

/// What comes behind a handshake before it is answered is read as frames once it was, and judged.
#[tokio::test]
async fn a_message_sent_before_the_answer_is_judged() {
    let scene = Scene::new().await;
    let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    let early = masked(0x81, "delete everything");
    wire.send([handshake("/ws", "").into_bytes(), early].concat()).await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 101);
    let hold = scene.reviewer.wait_pending().await;
    assert!(scene.origin.sockets().seen().is_empty());
    scene.reviewer.approve(&hold).await;
    assert_eq!(Socket { wire, reply }.next().await.text(), "delete everything");
}

/// To some servers a body of a handshake is the first frames (Node's `ws`), and nobody would have judged them.
#[tokio::test]
async fn a_handshake_has_no_body() {
    let scene = Scene::new().await;
    let early = masked(0x81, "delete everything");
    let chunk =
        [format!("{:x}\r\n", early.len()).into_bytes(), early.clone(), b"\r\n0\r\n\r\n".to_vec()].concat();
    for (target, field, body) in [
        ("/ws", format!("Content-Length: {}\r\n", early.len()), &early),
        ("/ws/free", format!("Content-Length: {}\r\n", early.len()), &early),
        ("/ws", "Transfer-Encoding: chunked\r\n".to_owned(), &chunk),
    ] {
        let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
        wire.send([handshake(target, &field).as_bytes(), body].concat()).await;
        let reply = wire.reply().await;
        assert_eq!(reply.status, 400, "{target} {field}");
        assert!(reply.text().contains("has no body"), "{}", reply.text());
    }
    assert!(scene.origin.seen().is_empty());
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "Content-Length: 0\r\n").await;
    socket.echo("hello").await;
}

/// A rule that came after the handshake has not had its say: it stops messages, and ends what nobody reads.
#[tokio::test]
async fn rules_that_came_after_the_handshake_stop_messages() {
    let scene = Scene::new().await;
    let mut judged = Socket::open(&scene.holdpoint, "/ws", "").await;
    let mut free = Socket::open(&scene.holdpoint, "/ws/free", "").await;
    judged.echo("hello").await;
    free.echo("hello").await;
    let stop = |path: &str, hit: &str| {
        format!(
            "{RULES}  - id: stop\n    when: {{ host: api.test, path: '{path}' }}\n    verdict: deny\n    why: x\n    examples: {{ deny: [ 'GET https://api.test{hit}' ], pass: [ 'GET https://b.test/x' ] }}\n"
        )
    };
    let load = async |rules: String| {
        std::fs::write(scene.holdpoint.rules_file(), rules).unwrap();
        scene.holdpoint.signal("HUP").await;
    };
    let is_denied = async |path: &str| {
        let mut probe = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
        probe.ask(format!("GET {path} HTTP/1.1\r\nHost: api.test\r\n\r\n")).await.status == 403
    };
    // New rules for another place change nothing here.
    load(stop("/probe", "/probe")).await;
    soon("the new rules", async { while !is_denied("/probe").await {} }).await;
    judged.echo("still there").await;
    free.echo("still there").await;
    load(stop("/**", "/ws")).await;
    soon("the emergency", async { while !is_denied("/x").await {} }).await;
    judged.text("hello").await;
    assert_eq!(judged.next().await.close().0, 1008);
    judged.ends().await;
    free.ends().await;
}
