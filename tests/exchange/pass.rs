//! What passes arrives as it was sent.

use super::support::{Origin, Setup, TestAuthority, Wire, h2};
use super::{Scene, request};
use http::Version;

#[tokio::test]
async fn a_request_arrives_byte_for_byte() {
    let authority = TestAuthority::new("Test roots");
    let origin = Origin::tls_h1(&authority, &["api.test"]).await;
    let holdpoint = Setup::new().trust(&authority).origin("api.test:443", &origin).start().await;
    let mut wire = Wire::tunnel(holdpoint.listen, "api.test:443", &holdpoint.ca).await;
    let body: Vec<u8> = (0..=255).cycle().take(4000).collect();
    let head = "POST /a%20b//c;v=1?q=%zz&q=1&&x=%2F HTTP/1.1\r\nHost: api.test\r\nUser-Agent: a test\r\n\
                X-Twice: one\r\nAccept: */*\r\nX-Twice: two, three\r\nCookie: a=b; c=d\r\n\
                Authorization: Bearer secret\r\nX-Empty:\r\ntraceparent: 00-1-2-00\r\n\
                Content-Type: application/octet-stream\r\nContent-Length: 4000\r\n\r\n";
    let reply = wire.ask([head.as_bytes(), &body].concat()).await;
    assert_eq!((reply.status, reply.phrase.as_str()), (200, "OK"));
    assert_eq!(reply.body, body);
    assert_eq!(reply.field("content-type"), Some("application/octet-stream"));
    assert_eq!(reply.field("x-origin"), Some("yes"));

    let seen = origin.arrived(1).await.remove(0);
    assert_eq!(seen.target, "/a%20b//c;v=1?q=%zz&q=1&&x=%2F");
    assert_eq!((seen.method.as_str(), seen.host.as_str()), ("POST", "api.test"));
    assert_eq!(seen.body, body);
    // The same fields, none more, none less; of one name in the order sent.
    let mut fields = seen.fields;
    fields.sort();
    let sent = [
        ("accept", "*/*"),
        ("authorization", "Bearer secret"),
        ("content-length", "4000"),
        ("content-type", "application/octet-stream"),
        ("cookie", "a=b; c=d"),
        ("host", "api.test"),
        ("traceparent", "00-1-2-00"),
        ("user-agent", "a test"),
        ("x-empty", ""),
        ("x-twice", "one"),
        ("x-twice", "two, three"),
    ];
    assert_eq!(fields, sent.map(|(n, v)| (n.to_owned(), v.to_owned())));
    // Names are spelled as they were: some origins still mind.
    let raw = String::from_utf8_lossy(&origin.taken().concat()).into_owned();
    for line in ["User-Agent: a test", "X-Twice: one", "traceparent: 00-1-2-00", "Content-Length: 4000"] {
        assert!(raw.contains(&format!("\r\n{line}\r\n")), "{line} in {raw}");
    }
}

#[tokio::test]
async fn every_pair_of_versions_works() {
    let authority = TestAuthority::new("Test roots");
    let one = Origin::tls_h1(&authority, &["one.test"]).await;
    let two = Origin::tls(&authority, &["two.test"]).await;
    let holdpoint = Setup::new()
        .trust(&authority)
        .origin("one.test:443", &one)
        .origin("two.test:443", &two)
        .start()
        .await;
    for (host, origin, first) in [("one.test", &one, Version::HTTP_11), ("two.test", &two, Version::HTTP_2)] {
        let authority = format!("{host}:443");
        let mut client = h2::H2::tunnel(holdpoint.listen, &authority, &holdpoint.ca).await;
        let mut put = h2::request("PUT", &format!("https://{host}/x?y=1"), "abc");
        put.headers_mut().insert("x-id", "7".parse().unwrap());
        let reply = client.ask(put).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "abc"), "h2 to {host}");

        let mut wire = Wire::tunnel(holdpoint.listen, &authority, &holdpoint.ca).await;
        let reply = wire
            .ask(format!("PUT /x?y=1 HTTP/1.1\r\nHost: {host}\r\nX-Id: 7\r\nContent-Length: 3\r\n\r\nabc"))
            .await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "abc"), "h1 to {host}");

        let seen = origin.arrived(2).await;
        assert_eq!(seen[0].version, first);
        for seen in &seen {
            assert_eq!((seen.target.as_str(), seen.host.as_str()), ("/x?y=1", host));
            assert_eq!((seen.field("x-id"), &seen.body[..]), (Some("7"), &b"abc"[..]));
        }
    }
}

#[tokio::test]
async fn streams_of_one_h2_connection_are_apart() {
    let scene = Scene::new().await;
    let mut client = h2::H2::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    let waiting = client.start(h2::request("GET", "https://api.test/sse", "")).await;
    for n in 0..5 {
        let reply = client.ask(h2::request("POST", "https://api.test/echo", &n.to_string())).await;
        assert_eq!((reply.status, reply.text()), (200, n.to_string()));
    }
    let denied = client.ask(h2::request("POST", "https://api.test/denied/x", "no")).await;
    assert_eq!(denied.status, 403);
    drop(waiting);
}

#[tokio::test]
async fn absolute_form_goes_to_plain_origins() {
    let origin = Origin::plain().await;
    let holdpoint = Setup::new().origin("plain.test:80", &origin).start().await;
    let mut wire = Wire::plain(holdpoint.listen).await;
    for n in 0..2 {
        let reply = wire
            .ask(format!(
                "POST http://plain.test/echo?n={n} HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 2\r\n\r\nhi"
            ))
            .await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "hi"));
    }
    let reply =
        wire.ask("POST http://plain.test/denied/x HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(reply.await.status, 403);
    let seen = origin.arrived(2).await;
    assert_eq!(seen.len(), 2);
    assert_eq!((seen[1].target.as_str(), seen[1].host.as_str()), ("/echo?n=1", "plain.test"));
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    for n in 0..20 {
        let body = n.to_string();
        assert_eq!(wire.ask(request("POST", "/echo", "", &body)).await.text(), body);
    }
    let mut second = scene.wire().await;
    assert_eq!(second.ask(request("GET", "/echo", "", "")).await.text(), "ok");
    assert!(scene.origin.connections() <= 2, "upstream connections are pooled");
}

#[tokio::test]
async fn what_is_for_one_hop_or_for_holdpoint_stays_here() {
    let scene = Scene::new().await;
    let fields = "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
                  Holdpoint-Reason: because\r\nHoldpoint-Session: s1\r\nHoldpoint-Anything: x\r\n\
                  Proxy-Authorization: Basic eDp5\r\nX-End: 1\r\n";
    let reply = scene.wire().await.ask(request("GET", "/echo", fields, "")).await;
    assert_eq!(reply.status, 200);
    let seen = scene.origin.arrived(1).await.remove(0);
    let mut names = seen.names();
    names.sort_unstable();
    assert_eq!(names, ["host", "x-end"]);
}

#[tokio::test]
async fn denied_never_arrives_and_says_which_rule() {
    let scene = Scene::new().await;
    for target in ["/denied/x", "/x/../denied/x", "/%64enied/x", "//denied/x", "/denied%2Fx"] {
        let reply = scene.wire().await.ask(request("POST", target, "", "a")).await;
        assert_eq!(reply.status, 403, "{target}");
        assert_eq!(reply.field("x-should-retry"), Some("false"));
        assert!(reply.text().contains("test/denied"), "{target}: {}", reply.text());
    }
    scene.origin.assert_untouched();
}
