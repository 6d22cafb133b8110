//! The inspection limit: what is longer is not judged by its beginning.

use super::support::h2::{self, H2};
use super::{Case, FORM, Framing, JSON, Scene, passes, stopped};
use bytes::Bytes;
use serde_json::json;
use std::io::Write as _;

const LIMIT: usize = 4096;

/// JSON of so many bytes, with a member at its end.
fn padded(size: usize, member: &str) -> String {
    let frame = format!("{{\"pad\": \"\", {member}}}");
    format!("{{\"pad\": \"{}\", {member}}}", "x".repeat(size - frame.len()))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn scene() -> Scene {
    Scene::with(|setup| setup.set("/inspect", json!({ "max-bytes": LIMIT }))).await
}

#[tokio::test]
async fn beyond_the_limit_nobody_knows() {
    let scene = scene().await;
    let admin = r#""role": "admin""#;
    let user = r#""role": "user""#;
    let mut cases = Vec::new();
    for framing in [Framing::Length, Framing::Chunked] {
        let both = |case: Case| Case { framing, ..case };
        cases.extend([
            both(stopped("the limit to the byte", "/users", JSON, padded(LIMIT, admin))),
            both(stopped("one more", "/users", JSON, padded(LIMIT + 1, admin))),
            both(stopped("twice the limit", "/users", JSON, padded(2 * LIMIT, admin))),
            both(stopped("many times the limit", "/users", JSON, padded(100 * LIMIT, admin))),
            both(stopped(
                "in front, and long",
                "/users",
                JSON,
                format!("{{{admin}, \"p\": \"{}\"}}", "x".repeat(LIMIT)),
            )),
            both(stopped("harmless and too long", "/users", JSON, padded(LIMIT + 1, user))),
            both(stopped("blanks in front", "/users", JSON, format!("{}{{{admin}}}", " ".repeat(LIMIT)))),
            both(stopped("a long form", "/users", FORM, format!("p={}&role=admin", "x".repeat(LIMIT)))),
            both(stopped("a long text", "/text", "text/plain", format!("{} drop table", "x".repeat(LIMIT)))),
            both(stopped("a long expression", "/cel", JSON, padded(LIMIT + 1, admin))),
            both(stopped("a long amount", "/pay", JSON, padded(LIMIT + 1, "\"amount\": 10001"))),
            both(
                stopped("short, but long within", "/users", JSON, gzip(&padded(100 * LIMIT, admin)))
                    .coded("gzip"),
            ),
            both(
                stopped("short, harmless and long within", "/users", JSON, gzip(&padded(100 * LIMIT, user)))
                    .coded("gzip"),
            ),
            both(stopped("by DELETE", "/any", JSON, padded(LIMIT + 1, admin)).method("DELETE")),
            both(stopped("by GET", "/any", JSON, padded(LIMIT + 1, admin)).method("GET")),
            both(stopped("a size", "/sized", "text/plain", "x".repeat(2049))),
            both(stopped("a size beyond the limit", "/sized", "text/plain", "x".repeat(LIMIT + 1))),
            both(
                stopped("a push that is none", "/users/git-receive-pack", JSON, padded(LIMIT + 1, admin))
                    .to("/users"),
            ),
            both(stopped("held", "/held", JSON, padded(LIMIT + 1, admin))),
            both(passes("benign: the limit to the byte", "/users", JSON, padded(LIMIT, user))),
            both(passes("benign: one less", "/users", JSON, padded(LIMIT - 1, user))),
            both(
                passes("benign: the limit within", "/users", JSON, gzip(&padded(LIMIT, user))).coded("gzip"),
            ),
            both(passes("benign: long where nobody looks", "/echo", JSON, padded(100 * LIMIT, admin))),
            both(passes("benign: a size", "/sized", "text/plain", "x".repeat(2048))),
        ]);
    }
    scene.judge(cases).await;
}

#[tokio::test]
async fn nor_over_http_2() {
    let scene = scene().await;
    let mut client = H2::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    let mut ask = async |body: String| {
        // Without a content-length, as h2 allows.
        let mut request = h2::request("POST", "https://api.test/users", &body);
        request.headers_mut().insert("content-type", JSON.parse().unwrap());
        client.ask(request).await.status
    };
    assert_eq!(ask(padded(LIMIT, r#""role": "user""#)).await, 200);
    assert_eq!(ask(padded(LIMIT, r#""role": "admin""#)).await, 403);
    assert_eq!(ask(padded(LIMIT + 1, r#""role": "user""#)).await, 403);
    assert_eq!(ask(padded(50 * LIMIT, r#""role": "admin""#)).await, 403);
    assert_eq!(scene.origin.seen().len(), 1);
}

/// A body that comes slowly is judged when it is there, and not before.
#[tokio::test]
async fn nor_piece_by_piece() {
    let scene = scene().await;
    let mut wire = scene.wire().await;
    let head = "POST /users HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    wire.send(head).await;
    for byte in r#"{"role": "admin"}"#.bytes() {
        scene.origin.assert_untouched();
        wire.send(format!("1\r\n{}\r\n", char::from(byte))).await;
    }
    scene.origin.assert_untouched();
    assert_eq!(wire.ask("0\r\n\r\n").await.status, 403);
    scene.origin.assert_untouched();
}

/// What no rule asks about is not kept back: it streams.
#[tokio::test]
async fn what_nobody_asks_about_streams() {
    let scene = scene().await;
    let mut wire = scene.wire().await;
    let size = 8 << 20;
    let head = format!("POST /upload HTTP/1.1\r\nHost: api.test\r\nContent-Length: {size}\r\n\r\n");
    wire.send(head).await;
    let half = Bytes::from(vec![b'x'; size / 2]);
    wire.send(&half).await;
    super::support::soon("half of it at the origin", async {
        while scene.origin.received_bytes() < 1 << 20 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    wire.send(&half).await;
    assert_eq!(wire.reply().await.json()["bytes"], json!(size));
}
