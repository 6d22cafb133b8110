//! Bodies stream both ways, unheld and unbuffered.

use super::support::{Origin, Setup, TestAuthority, Wire, h2, soon};
use super::{Scene, request};
use http_body_util::BodyExt as _;

/// 50 MB each way and the process stays small. What it may grow by covers buffers of a few connections, not a body.
#[tokio::test]
async fn large_bodies_do_not_stay_in_memory() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    assert_eq!(wire.ask(request("GET", "/echo", "", "")).await.status, 200);
    let before = scene.holdpoint.rss_peak_kib();

    wire.send(format!("POST /upload HTTP/1.1\r\nHost: api.test\r\nContent-Length: {LARGE}\r\n\r\n")).await;
    let chunk = vec![b'u'; 1 << 20];
    for _ in 0..LARGE >> 20 {
        wire.send(&chunk).await;
    }
    let reply = wire.reply().await;
    assert_eq!((reply.status, reply.json()["bytes"].as_u64()), (200, Some(LARGE)));

    let head = {
        wire.send(request("GET", &format!("/big?n={LARGE}"), "", "")).await;
        wire.head().await
    };
    assert_eq!(head.field("content-length"), Some(LARGE.to_string().as_str()));
    for _ in 0..LARGE >> 20 {
        wire.exactly(1 << 20).await;
    }
    let grown = scene.holdpoint.rss_peak_kib() - before;
    assert!(grown < GROWTH_KIB_MAX, "the process grew by {grown} KiB");
}

/// A client that does not read stops the origin. Meanwhile a whole other transfer goes through the same process,
/// which is when an unbounded buffer would fill.
#[tokio::test]
async fn a_slow_reader_slows_the_origin() {
    let scene = Scene::new().await;
    let mut slow = scene.wire().await;
    slow.send(request("GET", &format!("/big?n={LARGE}"), "", "")).await;
    assert_eq!(slow.head().await.status, 200);
    let before = scene.holdpoint.rss_peak_kib();

    let mut quick = scene.wire().await;
    quick.send(request("GET", &format!("/big?n={LARGE}"), "", "")).await;
    quick.head().await;
    for _ in 0..LARGE >> 20 {
        quick.exactly(1 << 20).await;
    }
    let stuck = scene.origin.sent_bytes() - LARGE;
    assert!(stuck < LARGE / 2, "the origin sent {stuck} bytes to somebody who reads none");
    let grown = scene.holdpoint.rss_peak_kib() - before;
    assert!(grown < GROWTH_KIB_MAX, "the process grew by {grown} KiB");
    for _ in 0..LARGE >> 20 {
        slow.exactly(1 << 20).await;
    }
}

#[tokio::test]
async fn events_pass_at_once() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    wire.send(request("GET", "/sse", "Accept: text/event-stream\r\n", "")).await;
    let head = wire.head().await;
    assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
    // The origin's gate is shut: each event can only come by itself.
    assert_eq!(&wire.chunk().await[..], b"data: event 0\n\n");
    scene.origin.open_gate();
    assert_eq!(&wire.chunk().await[..], b"data: event 1\n\n");
    scene.origin.open_gate();
    assert_eq!(&wire.chunk().await[..], b"data: event 2\n\n");
    assert!(wire.chunk().await.is_empty());
}

#[tokio::test]
async fn trailers_pass() {
    let scene = Scene::new().await;
    let mut client = h2::H2::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    let mut call = h2::request("POST", "https://api.test/trailers", "\0\0\0\0\0");
    call.headers_mut().insert("te", "trailers".parse().unwrap());
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let reply = client.ask(call).await;
    assert_eq!(&reply.body[..], b"\0\0\0\0\x02hi");
    assert!(reply.trailers.contains(&("grpc-status".to_owned(), "0".to_owned())), "{:?}", reply.trailers);
    assert_eq!(scene.origin.arrived(1).await[0].field("te"), Some("trailers"), "gRPC asks for them");

    let mut wire = scene.wire().await;
    let reply = wire.ask(request("POST", "/trailers", "TE: trailers\r\nConnection: TE\r\n", "x")).await;
    assert!(reply.trailers.contains(&("grpc-message".to_owned(), "fine".to_owned())), "{:?}", reply.trailers);
}

/// Some servers take them for fields of the head, where no rule has seen them.
#[tokio::test]
async fn request_trailers_end_here() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    let reply = wire
        .ask(
            "POST /echo HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
             3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n",
        )
        .await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "abc"));
    let seen = &scene.origin.arrived(1).await[0];
    assert!(seen.trailers.is_none() && seen.field("trailer").is_none(), "{seen:?}");
}

#[tokio::test]
async fn continue_is_said_once_and_only_when_the_body_is_wanted() {
    let scene = Scene::new().await;
    let head = |target: &str| {
        format!(
            "PUT {target} HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        )
    };
    let mut wire = scene.wire().await;
    wire.send(head("/echo")).await;
    assert_eq!(wire.head().await.status, 100);
    wire.send("body").await;
    let reply = wire.head().await;
    assert_eq!(reply.status, 200, "one 100, then the answer");
    assert_eq!(&wire.exactly(4).await[..], b"body");

    let mut wire = scene.wire().await;
    wire.send(head("/denied/x")).await;
    assert_eq!(wire.head().await.status, 403, "nobody wants the body of what is denied");
    assert_eq!(scene.origin.seen().len(), 1);
}

#[tokio::test]
async fn an_early_answer_comes_through() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    wire.send(format!(
        "POST /early HTTP/1.1\r\nHost: api.test\r\nContent-Length: {LARGE}\r\n\r\nfirst bytes"
    ))
    .await;
    assert_eq!(wire.head().await.status, 413);
}

#[tokio::test]
async fn upgrades_are_judged_and_then_pass_bytes() {
    let authority = TestAuthority::new("Test roots");
    let origin = Origin::tls_h1(&authority, &["api.test"]).await;
    let rules = r#"
pack: test
rules:
  - id: no-upgrade
    when: { path: "/upgrade", query: { no: { exists: true } } }
    verdict: deny
    why: Not this one.
    examples: { deny: [ "GET https://api.test/upgrade?no=1" ], pass: [ "GET https://api.test/upgrade" ] }
"#;
    let holdpoint = Setup::new().trust(&authority).origin("api.test:443", &origin).rules(rules).start().await;
    let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut wire = Wire::tunnel(holdpoint.listen, "api.test:443", &holdpoint.ca).await;
    let reply = wire.ask(request("GET", "/upgrade", handshake, "")).await;
    assert_eq!((reply.status, reply.field("upgrade")), (101, Some("websocket")));
    for text in ["ping", "\u{1}\u{2}", "a longer one, with HTTP/1.1 in it\r\n\r\n"] {
        wire.send(text).await;
        assert_eq!(&wire.exactly(text.len()).await[..], text.as_bytes());
    }
    wire.finish().await;
    assert!(wire.rest().await.is_empty(), "the end passes, too");
    assert_eq!(origin.arrived(1).await[0].field("sec-websocket-version"), Some("13"));

    let mut wire = Wire::tunnel(holdpoint.listen, "api.test:443", &holdpoint.ca).await;
    assert_eq!(wire.ask(request("GET", "/upgrade?no=1", handshake, "")).await.status, 403);
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_never_looks_whole() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    wire.send(request("GET", "/reset", "", "")).await;
    assert_eq!(wire.head().await.field("content-length"), Some("1000"));
    assert_eq!(&wire.exactly(10).await[..], b"ten bytes.");
    scene.origin.open_gate();
    assert!(wire.rest().await.is_empty());

    let mut client = h2::H2::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    let body = client.start(h2::request("GET", "https://api.test/reset", "")).await.into_body();
    scene.origin.open_gate();
    assert!(soon("the end of the body", body.collect()).await.is_err());
}

#[tokio::test]
async fn a_request_that_breaks_off_never_looks_whole() {
    let authority = TestAuthority::new("Test roots");
    let origin = Origin::tls_h1(&authority, &["api.test"]).await;
    let holdpoint = Setup::new().trust(&authority).origin("api.test:443", &origin).start().await;
    let mut wire = Wire::tunnel(holdpoint.listen, "api.test:443", &holdpoint.ca).await;
    wire.send("POST /echo HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    wire.finish().await;
    drop(wire);
    assert!(origin.arrived(1).await.iter().all(|seen| !seen.complete));
}

const LARGE: u64 = 50 << 20;
const GROWTH_KIB_MAX: u64 = 24 << 10;
