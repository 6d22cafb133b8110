//! What two servers could read in two ways is refused, and nothing of it reaches an origin.

use super::{Scene, request};

#[tokio::test]
async fn ambiguous_framing_is_refused() {
    let scene = Scene::new().await;
    let chunked = "4\r\nbody\r\n0\r\n\r\n";
    let cases: &[(&str, String)] = &[
        ("two lengths", with("Content-Length: 4\r\nContent-Length: 5\r\n", "body!")),
        ("a list of lengths", with("Content-Length: 4, 5\r\n", "body!")),
        ("a signed length", with("Content-Length: +4\r\n", "body")),
        ("a negative length", with("Content-Length: -4\r\n", "body")),
        ("an empty length", with("Content-Length:\r\n", "body")),
        ("a hexadecimal length", with("Content-Length: 0x4\r\n", "body")),
        ("a huge length", with("Content-Length: 99999999999999999999999\r\n", "body")),
        ("an unknown coding", with("Transfer-Encoding: xchunked\r\n", chunked)),
        ("chunked not last", with("Transfer-Encoding: chunked, identity\r\n", chunked)),
        ("chunked twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked)),
        ("a folded field", with("X-A: 1\r\n 2\r\nContent-Length: 4\r\n", "body")),
        ("a folded coding", with("Transfer-Encoding:\r\n chunked\r\n", chunked)),
        ("a blank before the colon", with("Transfer-Encoding : chunked\r\n", chunked)),
        ("a blank before the name", with(" Content-Length: 4\r\n", "body")),
        ("a line without a colon", with("Content-Length 4\r\n", "body")),
        ("a NUL in a value", with("X-A: a\0b\r\nContent-Length: 4\r\n", "body")),
        ("a bare CR in a value", with("X-A: a\rb\r\nContent-Length: 4\r\n", "body")),
        ("no host", "GET /echo HTTP/1.1\r\n\r\n".to_owned()),
        ("two hosts", with("Host: api.test\r\nContent-Length: 0\r\n", "")),
        ("no such version", "GET /echo HTTP/3.7\r\nHost: api.test\r\n\r\n".to_owned()),
        ("a blank in the target", "GET /a b HTTP/1.1\r\nHost: api.test\r\n\r\n".to_owned()),
        ("a path above the root", "GET /../x HTTP/1.1\r\nHost: api.test\r\n\r\n".to_owned()),
        ("an encoded NUL", "GET /%00 HTTP/1.1\r\nHost: api.test\r\n\r\n".to_owned()),
        ("a backslash", "GET /a\\b HTTP/1.1\r\nHost: api.test\r\n\r\n".to_owned()),
        ("CONNECT within", "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n".to_owned()),
    ];
    let mut wrong = Vec::new();
    for (what, bytes) in cases {
        let mut wire = scene.wire().await;
        let reply = wire.ask(bytes).await;
        if ![400, 405, 501, 505].contains(&reply.status) {
            wrong.push(format!("{what}: {}", reply.status));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    scene.origin.assert_untouched();
}

/// What RFC 9112 lets a server repair (§2.2, §6.1) is refused as well: the next reader may repair it differently.
#[tokio::test]
async fn nothing_is_repaired() {
    let scene = Scene::new().await;
    let chunked = "4\r\nbody\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n";
    let cases = [
        with("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", chunked),
        with("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", chunked),
        with("Content-Length: 4\r\nContent-Length: 4\r\n", "body"),
        "POST /echo HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
            .to_owned(),
        "POST /echo HTTP/1.1\nHost: api.test\nContent-Length: 4\n\nbody".to_owned(),
        "GET /echo HTTP/1.1\r\nHost: api.test\r\nX: a\nY: b\r\n\r\n".to_owned(),
        "\r\n\r\nGET /echo HTTP/1.1\r\nHost: api.test\r\n\r\n".to_owned(),
        "GET /echo http/1.1\r\nHost: api.test\r\n\r\n".to_owned(),
    ];
    for bytes in &cases {
        for pieces in [1, 3] {
            let mut wire = scene.wire().await;
            for piece in bytes.as_bytes().chunks(bytes.len().div_ceil(pieces)) {
                let _ = wire.try_send(piece.to_vec()).await;
            }
            let reply = wire.reply().await;
            assert_eq!(reply.status, 400, "{bytes}");
            assert!(reply.text().contains("Nothing was sent"), "{bytes}: {}", reply.text());
            assert!(wire.rest().await.is_empty(), "the connection ends: {bytes}");
        }
    }
    scene.origin.assert_untouched();
}

/// The refusal comes in its turn, and what came before it is answered.
#[tokio::test]
async fn a_malformed_request_behind_a_sound_one_is_refused_in_its_turn() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    let first = request("POST", "/echo", "", "one");
    let second = with("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n");
    wire.send([first, second, request("GET", "/after", "", "")].concat()).await;
    assert_eq!((wire.reply().await.text(), wire.reply().await.status), ("one".to_owned(), 400));
    assert!(wire.rest().await.is_empty());
    assert_eq!(scene.origin.arrived(1).await.len(), 1);
}

/// Until 101 was answered, what follows a request to upgrade is another request (and none that was smuggled).
#[tokio::test]
async fn what_follows_a_refused_upgrade_is_judged() {
    let scene = Scene::new().await;
    for protocol in ["websocket", "h2c", "nonsense"] {
        let mut wire = scene.wire().await;
        let fields = format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n");
        wire.send(
            [request("GET", "/denied/x", &fields, ""), request("POST", "/denied/y", "", "body")].concat(),
        )
        .await;
        assert_eq!([wire.reply().await.status, wire.reply().await.status], [403, 403], "{protocol}");
        wire.send(request("POST", "/echo", "", "after")).await;
        assert_eq!(wire.reply().await.text(), "after", "{protocol}");
    }
    let seen = scene.origin.arrived(3).await;
    assert!(seen.iter().all(|seen| seen.target == "/echo"), "{seen:?}");
}

/// The head is sound, the chunks are not: the origin may see a beginning, never an end.
#[tokio::test]
async fn broken_chunks_never_make_a_whole_request() {
    let scene = Scene::new().await;
    for chunks in [
        "x\r\nbody\r\n0\r\n\r\n",
        "-4\r\nbody\r\n0\r\n\r\n",
        "4\r\nbodyX\r\n0\r\n\r\n",
        "4\nbody\n0\n\n",
        "fffffffffffffffff\r\nbody",
    ] {
        let mut wire = scene.wire().await;
        let head = "POST /held/x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        // The answer may overtake the sending.
        let _ = wire.try_send(format!("{head}{chunks}")).await;
        let reply = wire.rest().await;
        let text = String::from_utf8_lossy(&reply);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 400"), "{chunks:?}: {text}");
    }
    assert!(scene.origin.seen().is_empty());
}

#[tokio::test]
async fn a_pipelined_request_is_judged_by_itself() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    let first = request("POST", "/echo", "", "one");
    let second = request("POST", "/denied/x", "", "two");
    let third = request("POST", "/echo", "", "three");
    wire.send([first, second, third].concat()).await;
    let replies = [wire.reply().await, wire.reply().await, wire.reply().await];
    assert_eq!(replies.each_ref().map(|r| r.status), [200, 403, 200]);
    assert_eq!((replies[0].text(), replies[2].text()), ("one".to_owned(), "three".to_owned()));
    let seen = scene.origin.arrived(2).await;
    assert!(seen.iter().all(|s| s.target == "/echo") && seen.len() == 2, "{seen:?}");
}

#[tokio::test]
async fn heads_beyond_the_limit_are_431() {
    let scene = Scene::new().await;
    let long = "a".repeat(100 << 10);
    let many: String = (0..2000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    for fields in [format!("X-Long: {long}\r\n"), many] {
        let mut wire = scene.wire().await;
        // The answer may come before all was sent, and with it the end of the connection.
        let _ = wire.try_send(request("GET", "/echo", &fields, "")).await;
        assert_eq!(wire.head().await.status, 431);
    }
    let mut wire = scene.wire().await;
    let _ = wire.try_send(request("GET", &format!("/{long}"), "", "")).await;
    let status = wire.head().await.status;
    assert!([414, 431].contains(&status), "a long target: {status}");
    scene.origin.assert_untouched();
}

fn with(fields: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n{body}")
}
