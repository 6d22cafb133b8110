//! CONNECT, SNI and Host name one host; origins prove that they are it.

use super::support::authority::Flaw;
use super::support::{Origin, Setup, TestAuthority, Wire, h2};
use super::{Scene, request};

#[tokio::test]
async fn names_that_disagree_are_misdirected() {
    let scene = Scene::with(|setup| setup.resolve("other.test:443", ([127, 0, 0, 1], 1).into())).await;
    let (proxy, ca) = (scene.holdpoint.listen, &scene.holdpoint.ca);

    let mut sni = Wire::tunnel_as(proxy, "api.test:443", "other.test", ca, "").await.expect("TLS");
    assert_eq!(sni.ask(request("GET", "/echo", "", "")).await.status, 421, "SNI");

    for host in ["other.test", "api.test:444", "api.test.evil.test", "user@api.test"] {
        let mut wire = scene.wire().await;
        let reply = wire.ask(format!("GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert!([400, 421].contains(&reply.status), "Host `{host}`: {}", reply.status);
    }
    let mut absolute = scene.wire().await;
    let reply = absolute.ask("GET https://other.test/echo HTTP/1.1\r\nHost: other.test\r\n\r\n").await;
    assert_eq!(reply.status, 421, "absolute-form");

    let mut client = h2::H2::tunnel(proxy, "api.test:443", ca).await;
    assert_eq!(client.ask(h2::request("GET", "https://other.test/echo", "")).await.status, 421, ":authority");
    let mut both = h2::request("GET", "https://api.test/echo", "");
    both.headers_mut().insert("host", "other.test".parse().unwrap());
    let status = client.ask(both).await.status;
    assert!([400, 421].contains(&status), ":authority and host: {status}");
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn names_that_agree_in_other_spellings_pass() {
    let scene = Scene::new().await;
    for host in ["API.test", "api.test:443", "api.test.", "api.TEST.:443"] {
        let mut wire = scene.wire().await;
        let reply = wire.ask(format!("GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(reply.status, 200, "Host `{host}`");
    }
    let mut wire =
        Wire::tunnel_as(scene.holdpoint.listen, "API.Test.:443", "api.test", &scene.holdpoint.ca, "")
            .await
            .expect("TLS");
    assert_eq!(wire.ask(request("GET", "/echo", "", "")).await.status, 200);
}

#[tokio::test]
async fn origins_by_address_work() {
    let authority = TestAuthority::new("Test roots");
    let origin = Origin::tls(&authority, &["127.0.0.1"]).await;
    let holdpoint = Setup::new().trust(&authority).start().await;
    let target = origin.addr.to_string();
    let mut wire = Wire::tunnel(holdpoint.listen, &target, &holdpoint.ca).await;
    let reply = wire.ask(format!("GET /echo HTTP/1.1\r\nHost: {target}\r\n\r\n")).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn bad_certificates_are_502_with_the_plain_reason() {
    let authority = TestAuthority::new("Test roots");
    let cases: [(Flaw, &[&str]); 6] = [
        (Flaw::Expired, &["expired"]),
        (Flaw::NotYetValid, &["not yet valid", "not valid yet"]),
        (Flaw::SelfSigned, &["trusted"]),
        (Flaw::UnknownRoot, &["trusted"]),
        (Flaw::WrongHost, &["another host", "not valid for", "other names", "different name", "name"]),
        (Flaw::ClientOnly, &["not for servers", "extensions"]),
    ];
    for (flaw, words) in cases {
        let origin = Origin::tls_with(&authority, &["api.test"], flaw, &["h2", "http/1.1"]).await;
        let holdpoint = Setup::new().trust(&authority).origin("api.test:443", &origin).start().await;
        let mut wire = Wire::tunnel(holdpoint.listen, "api.test:443", &holdpoint.ca).await;
        let reply = wire.ask(request("POST", "/echo", "", "body")).await;
        assert_eq!(reply.status, 502, "{flaw:?}");
        let text = reply.text().to_lowercase();
        assert!(words.iter().any(|word| text.contains(word)), "{flaw:?} says: {text}");
        origin.assert_untouched();
    }
}

#[tokio::test]
async fn origins_that_are_not_there_are_502() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let plain = Origin::plain().await;
    let holdpoint =
        Setup::new().resolve("gone.test:443", gone).origin("plain.test:443", &plain).start().await;
    for host in ["gone.test", "plain.test", "does-not-resolve.invalid"] {
        let mut wire = Wire::tunnel(holdpoint.listen, &format!("{host}:443"), &holdpoint.ca).await;
        let reply = wire.ask(format!("GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(reply.status, 502, "{host}: {}", reply.text());
    }
    assert!(plain.seen().is_empty());
}

/// A pinned host is passed as it is: the client sees the origin's own certificate.
#[tokio::test]
async fn tunnel_hosts_are_not_opened() {
    let mut scene = Scene::with(|setup| setup.set("/tunnel", serde_json::json!(["api.test"]))).await;
    let mut wire = Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.authority.pem()).await;
    // Unread, so no rule of ours can see it.
    let reply = wire.ask(request("POST", "/denied/x", "", "unread")).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "unread"));
    drop(wire);
    scene.holdpoint.stop().await;
    let records = scene.holdpoint.traffic();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!((&records[0]["tunnel"], &records[0]["host"]), (&true.into(), &"api.test".into()));
}
