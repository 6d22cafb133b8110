//! HTTP/2 heads (RFC 9113 §8, RFC 8441): what a well-formed request cannot have, and what becomes of the rest.

use super::Scene;
use super::frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, RST_STREAM, block};

type Fields<'a> = Vec<(&'a str, &'a str)>;

/// The usual pseudo-headers and more.
fn head<'a>(method: &'a str, path: &'a str, more: &[(&'a str, &'a str)]) -> Fields<'a> {
    let mut fields =
        vec![(":method", method), (":scheme", "https"), (":authority", "api.test"), (":path", path)];
    fields.extend(more);
    fields
}

impl Scene {
    async fn frames(&self) -> Frames {
        Frames::tunnel(self.holdpoint.listen, "api.test:443", &self.holdpoint.ca).await
    }

    async fn h2_stopped(&mut self, what: &str, fields: &[(&str, &str)]) {
        self.h2_stopped_with(what, fields, None, &[]).await;
    }

    /// With data and trailers.
    async fn h2_stopped_with(
        &mut self,
        what: &str,
        fields: &[(&str, &str)],
        data: Option<&str>,
        trailers: &[(&str, &str)],
    ) {
        let status = self.h2_send(fields, data, trailers).await;
        self.note_stopped(what, status, &format!("{fields:?} {data:?} {trailers:?}"));
    }

    async fn h2_passed(
        &mut self,
        what: &str,
        fields: &[(&str, &str)],
        data: Option<&str>,
        method: &str,
        target: &str,
    ) {
        let status = self.h2_send(fields, data, &[]).await;
        self.note_passed(what, status, (method, target, "api.test"));
    }

    async fn h2_send(
        &self,
        fields: &[(&str, &str)],
        data: Option<&str>,
        trailers: &[(&str, &str)],
    ) -> Option<u16> {
        let mut frames = self.frames().await;
        let whole = data.is_none() && trailers.is_empty();
        frames.send(HEADERS, END_HEADERS | if whole { END_STREAM } else { 0 }, 1, &block(fields)).await;
        if let Some(data) = data {
            frames.send(DATA, if trailers.is_empty() { END_STREAM } else { 0 }, 1, data.as_bytes()).await;
        }
        if !trailers.is_empty() {
            frames.send(HEADERS, END_HEADERS | END_STREAM, 1, &block(trailers)).await;
        }
        frames.status(1).await
    }
}

#[tokio::test]
async fn no_head_of_http2_gets_by() {
    let mut scene = Scene::new().await;
    let pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", "api.test"), (":path", "/x")];
    for at in [0, 1, 3] {
        let mut missing = pseudo.to_vec();
        let (name, _) = missing.remove(at);
        scene.h2_stopped(&format!("no {name}"), &missing).await;
    }
    for twice in pseudo {
        let mut fields = pseudo.to_vec();
        fields.push(twice);
        scene.h2_stopped(&format!("{} twice", twice.0), &fields).await;
    }
    for (what, name, value) in [
        ("another method", ":method", "DELETE"),
        ("another path", ":path", "/users/42"),
        ("another authority", ":authority", "inner.test"),
        ("a status", ":status", "200"),
        ("an unknown one", ":x", "y"),
        ("a protocol", ":protocol", "websocket"),
        ("an empty name", "", "y"),
        ("a colon alone", ":", "y"),
    ] {
        let mut fields = pseudo.to_vec();
        fields.push((name, value));
        scene.h2_stopped(what, &fields).await;
        let mut late = pseudo.to_vec();
        late.extend([("x-a", "b"), (name, value)]);
        scene.h2_stopped(&format!("{what}, late"), &late).await;
    }
    let mut late = pseudo.to_vec();
    late.insert(3, ("x-a", "b"));
    scene.h2_stopped("a field before :path", &late).await;
    for path in [
        "users/42",
        "",
        "?x",
        "*",
        "https://api.test/users/42",
        "https://inner.test/x",
        "/x y",
        "/x\r\nx: y",
        "/x\0",
        "/users/42 HTTP/1.1\r\nx: y",
        "/x\ty",
        "/x\u{7f}",
        "\\users\\42",
        "/users/42#x",
        "/%75sers/42",
        "/x/..;/users/42",
        "//users/42",
        "/users%252f42",
        "/users/42?x",
        "#",
    ] {
        scene.h2_stopped(path, &head("DELETE", path, &[])).await;
    }
    for method in [
        "DELETE",
        "delete",
        "Delete",
        "DELETE ",
        " DELETE",
        "DELETE\t",
        "DEL\0ETE",
        "DELETE\r\n",
        "DELETE /users/42 HTTP/1.1\r\nHost: api.test\r\n\r\nGET",
        "",
    ] {
        scene.h2_stopped(method, &head(method, "/users/42", &[])).await;
    }
    for scheme in ["http", "ftp", "", "https://inner.test/x?", "https:", "HTTP", "wss", "x y", "javascript"] {
        scene
            .h2_stopped(
                scheme,
                &[(":method", "GET"), (":scheme", scheme), (":authority", "api.test"), (":path", "/x")],
            )
            .await;
    }
    for authority in [
        "inner.test",
        "",
        "api.test@inner.test",
        "inner.test@api.test",
        "api.test:8443",
        "api.test,inner.test",
        "api.test/x",
        "api.test inner.test",
        "api.test\\x",
        "api.test\0",
        "api.test\r\nx: y",
        "api.test.evil",
        "api.test:65979",
        "[::1]",
        "api%2etest",
    ] {
        scene
            .h2_stopped(
                authority,
                &[(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", "/x")],
            )
            .await;
    }
    for (what, fields) in [
        ("CONNECT", vec![(":method", "CONNECT"), (":authority", "inner.test:443")]),
        ("CONNECT to itself", vec![(":method", "CONNECT"), (":authority", "api.test:443")]),
        (
            "CONNECT with a path",
            vec![(":method", "CONNECT"), (":scheme", "https"), (":authority", "api.test"), (":path", "/x")],
        ),
        (
            "extended CONNECT",
            vec![
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "https"),
                (":authority", "api.test"),
                (":path", "/x"),
            ],
        ),
        (
            "no authority and no host",
            vec![(":method", "GET"), (":scheme", "https"), (":path", "/users/42"), ("host", "inner.test")],
        ),
    ] {
        scene.h2_stopped(what, &fields).await;
    }
    for (name, value) in [
        ("host", "inner.test"),
        ("host", ""),
        ("host", "api.test, inner.test"),
        ("Host", "api.test"),
        ("X-Upper", "y"),
        ("connection", "close"),
        ("connection", "x-env"),
        ("transfer-encoding", "chunked"),
        ("transfer_encoding", "chunked"),
        ("content_length", "5"),
        ("keep-alive", "5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "websocket"),
        ("upgrade", "h2c"),
        ("te", "chunked"),
        ("te", "trailers, chunked"),
        ("x-a", "b\r\nx-env: prod"),
        ("x-a", "b\nc"),
        ("x-a", "b\rc"),
        ("x-a", "b\0c"),
        ("x-a\r\nx-b", "c"),
        ("x-a: b", "c"),
        ("x a", "b"),
        ("x-a:", "b"),
        ("x\0a", "b"),
        ("content-length", "5"),
        ("content-length", "-1"),
        ("content-length", "x"),
        ("content-length", "0, 0"),
        ("x-env", "prod"),
        ("x_env", "prod"),
        ("expect", "x"),
    ] {
        scene.h2_stopped(&format!("{name}: {value}"), &head("GET", "/x", &[(name, value)])).await;
    }
    for (first, second) in [
        ("host", "host"),
        ("content-length", "content-length"),
        ("content-type", "content-type"),
        ("x-amz-target", "x-amz-target"),
    ] {
        let value = match first {
            "host" => "api.test",
            "content-length" => "0",
            _ => "x",
        };
        scene
            .h2_stopped(&format!("{first} twice"), &head("POST", "/x", &[(first, value), (second, value)]))
            .await;
    }
    scene
        .h2_stopped("an override", &head("POST", "/users/42", &[("x-http-method-override", "DELETE")]))
        .await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    scene
        .h2_stopped_with(
            "an override in the body",
            &head("POST", "/users/42", &[form]),
            Some("_method=DELETE"),
            &[],
        )
        .await;
    scene
        .h2_stopped_with(
            "in a body without a type",
            &head("POST", "/users/42", &[]),
            Some("_method=DELETE"),
            &[],
        )
        .await;
    scene.end();
}

/// The request may begin to arrive; it never comes to its end.
#[tokio::test]
async fn a_length_that_is_not_true_never_makes_a_whole_request() {
    let mut scene = Scene::new().await;
    for (length, data) in [("5", "four"), ("3", "four"), ("0", "four"), ("100", "four")] {
        let status = scene.h2_send(&head("POST", "/x", &[("content-length", length)]), Some(data), &[]).await;
        assert!(status.is_none_or(|status| status >= 400), "{length} {data}: {status:?}");
    }
    for trailers in [
        vec![(":path", "/users/42")],
        vec![(":method", "DELETE")],
        vec![("connection", "close")],
        vec![("transfer-encoding", "chunked")],
        vec![("X-Upper", "y")],
        vec![("x-a", "b\r\nc")],
    ] {
        let status = scene.h2_send(&head("POST", "/x", &[]), Some("four"), &trailers).await;
        // What is no trailer is nothing (the library leaves pseudo-headers out); the request is what its head says.
        assert!(status.is_none_or(|status| status >= 400 || status == 200), "{trailers:?}: {status:?}");
    }
    let whole = scene.origin.seen().into_iter().filter(|seen| seen.complete);
    for seen in whole {
        let is_what_the_head_said =
            (seen.method.as_str(), seen.target.as_str(), &*seen.body) == ("POST", "/x", b"four");
        assert!(
            is_what_the_head_said && seen.trailers.is_none() && seen.field("content-length").is_none(),
            "{seen:?}"
        );
    }
    scene.arrived = scene.origin.seen().len();
    scene.end();
}

#[tokio::test]
async fn ordinary_heads_of_http2_pass() {
    let mut scene = Scene::new().await;
    for (what, fields) in [
        ("plain", head("GET", "/x", &[])),
        ("a field", head("GET", "/x", &[("x-a", "b"), ("x-empty", "")])),
        ("cookies", head("GET", "/x", &[("cookie", "a=b"), ("cookie", "c=d")])),
        ("te", head("GET", "/x", &[("te", "trailers")])),
        ("the same host", head("GET", "/x", &[("host", "api.test")])),
        (
            "only a host",
            vec![(":method", "GET"), (":scheme", "https"), (":path", "/x"), ("host", "api.test")],
        ),
        (
            "pseudo-headers in another order",
            vec![(":path", "/x"), (":authority", "api.test"), (":scheme", "https"), (":method", "GET")],
        ),
        (
            "a port",
            vec![(":method", "GET"), (":scheme", "https"), (":authority", "API.test:443"), (":path", "/x")],
        ),
    ] {
        scene.h2_passed(what, &fields, None, "GET", "/x").await;
    }
    scene.h2_passed("an encoded path", &head("GET", "/a%2fb?x=%zz", &[]), None, "GET", "/a%2Fb?x=%zz").await;
    scene.h2_passed("the server itself", &head("OPTIONS", "*", &[]), None, "OPTIONS", "*").await;
    scene.h2_passed("a body", &head("POST", "/x", &[]), Some("body"), "POST", "/x").await;
    scene
        .h2_passed(
            "a body and its length",
            &head("POST", "/x", &[("content-length", "4")]),
            Some("body"),
            "POST",
            "/x",
        )
        .await;
    scene
        .h2_passed("an empty body", &head("POST", "/x", &[("content-length", "0")]), None, "POST", "/x")
        .await;
    let trailers = [
        ("x-env", "prod"),
        ("host", "inner.test"),
        ("x-http-method-override", "DELETE"),
        ("content-length", "9"),
    ];
    let status = scene.h2_send(&head("POST", "/x", &[("trailer", "x-env")]), Some("body"), &trailers).await;
    scene.note_passed("trailers", status, ("POST", "/x", "api.test"));
    let last = scene.origin.seen().pop().unwrap();
    assert!(
        last.trailers.is_none() && last.field("x-env").is_none() && last.field("trailer").is_none(),
        "{last:?}"
    );
    scene.end();
}

/// Each is bounded: the connection ends, and others go on.
#[tokio::test]
async fn floods_end_their_connection() {
    let mut scene = Scene::new().await;
    let mut frames = scene.frames().await;
    let fields = block(&head("GET", "/x", &[]));
    frames.send(HEADERS, END_STREAM, 1, &fields).await;
    for at in 0..2_000 {
        let more = block(&[(&format!("x-{at}"), &"v".repeat(100))]);
        frames.send(CONTINUATION, 0, 1, &more).await;
    }
    frames.send(CONTINUATION, END_HEADERS, 1, &[]).await;
    let status = frames.status(1).await;
    assert!(status.is_none_or(|status| status == 431), "CONTINUATION: {status:?}");

    let mut frames = scene.frames().await;
    let denied = block(&head("DELETE", "/users/42", &[]));
    for at in 0..2_000 {
        frames.send(HEADERS, END_HEADERS | END_STREAM, 2 * at + 1, &denied).await;
        frames.send(RST_STREAM, 0, 2 * at + 1, &[0, 0, 0, 8]).await;
    }
    frames.send(HEADERS, END_HEADERS | END_STREAM, 4_001, &denied).await;
    let status = frames.status(4_001).await;
    assert!(status.is_none_or(|status| status == 403), "resets: {status:?}");

    scene.passed("after all", super::request("GET", "/x", "", ""), "GET", "/x").await;
    scene.end();
}
