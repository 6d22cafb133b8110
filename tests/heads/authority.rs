//! One host from CONNECT to the name that is dialled (RFC 9110 §4.2, §7.2, §9.3.6).

use super::support::{Origin, Wire};
use super::{RULES, Scene, status};

fn to(host: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[tokio::test]
async fn no_other_host_gets_by() {
    let mut scene = Scene::with(RULES, &["api.test", "inner.test"], |setup| setup).await;
    for host in HOSTS {
        scene.stopped(host, to(host)).await;
    }
    for host in ["\u{7f}api.test", "api\0.test", "api.test\x0b", "api.te\u{80}st"] {
        scene.stopped("an odd byte", to(host)).await;
    }
    for (what, head) in [
        ("two hosts", "GET /x HTTP/1.1\r\nHost: api.test\r\nHost: inner.test\r\n\r\n"),
        ("the same twice", "GET /x HTTP/1.1\r\nHost: api.test\r\nHost: api.test\r\n\r\n"),
        ("two, in another case", "GET /x HTTP/1.1\r\nHost: api.test\r\nhOsT: inner.test\r\n\r\n"),
        ("none", "GET /x HTTP/1.1\r\n\r\n"),
        ("folded", "GET /x HTTP/1.1\r\nHost: api.test\r\n inner.test\r\n\r\n"),
        ("folded at once", "GET /x HTTP/1.1\r\nHost:\r\n inner.test\r\n\r\n"),
        ("a blank before the colon", "GET /x HTTP/1.1\r\nHost : inner.test\r\nHost: api.test\r\n\r\n"),
        ("another URL", "GET https://inner.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("another URL and host", "GET https://inner.test/x HTTP/1.1\r\nHost: inner.test\r\n\r\n"),
        ("another host than the URL", "GET https://api.test/x HTTP/1.1\r\nHost: inner.test\r\n\r\n"),
        ("another scheme", "GET http://api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("no scheme", "GET //inner.test/x HTTP/1.1\r\nHost: inner.test\r\n\r\n"),
        ("an odd scheme", "GET ftp://api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("userinfo", "GET https://api.test@inner.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("userinfo of the host", "GET https://inner.test@api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("another port", "GET https://api.test:8443/x HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("a host alone", "GET inner.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("its own host alone", "DELETE api.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("CONNECT", "CONNECT inner.test:443 HTTP/1.1\r\nHost: inner.test:443\r\n\r\n"),
        ("CONNECT to itself", "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n"),
        ("CONNECT in lower case", "connect api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n"),
        ("CONNECT with a path", "CONNECT /users/42 HTTP/1.1\r\nHost: api.test\r\n\r\n"),
    ] {
        scene.stopped(what, head).await;
    }
    // A rule for a host finds it in every spelling of CONNECT.
    for authority in
        ["inner.test:443", "INNER.test:443", "inner.test.:443", "inner.test:0443", "Inner.Test.:00443"]
    {
        let holdpoint = &scene.holdpoint;
        let mut wire =
            Wire::tunnel_as(holdpoint.listen, authority, "inner.test", &holdpoint.ca, "").await.expect("TLS");
        wire.send(to("inner.test")).await;
        let status = status(&mut wire).await;
        scene.note_stopped(authority, status, authority);
    }
    scene.end();
}

#[tokio::test]
async fn other_spellings_of_the_host_pass_and_become_one() {
    let mut scene = Scene::new().await;
    for host in [
        "api.test",
        "API.TEST",
        "Api.Test",
        "api.test.",
        "api.test:443",
        "API.test.:443",
        "api.test:",
        "api.test:0443",
        "\u{ff41}pi.test",
    ] {
        scene.passed(host, to(host), "GET", "/x").await;
    }
    for url in ["https://api.test/x", "https://API.TEST/x", "https://api.test:443/x", "HTTPS://api.test./x"] {
        scene.passed(url, format!("GET {url} HTTP/1.1\r\nHost: api.test\r\n\r\n"), "GET", "/x").await;
    }
    scene.passed("HTTP/1.0", "GET /x HTTP/1.0\r\nHost: api.test\r\n\r\n", "GET", "/x").await;
    scene.passed("HTTP/1.0 without Host", "GET /x HTTP/1.0\r\n\r\n", "GET", "/x").await;
    scene.end();
}

/// Requests in the clear name their own host, each of them.
#[tokio::test]
async fn clear_requests_are_for_the_host_that_they_name() {
    let plain = Origin::plain().await;
    let scene = Scene::with(RULES, &["api.test"], |setup| {
        setup.origin("plain.test:80", &plain).origin("inner.test:80", &plain).origin("127.0.0.1:80", &plain)
    })
    .await;
    let proxy = scene.holdpoint.listen;
    for (what, head) in [
        ("an inner host", "GET http://inner.test/x HTTP/1.1\r\nHost: inner.test\r\n\r\n"),
        ("in upper case", "GET http://INNER.TEST/x HTTP/1.1\r\nHost: inner.test\r\n\r\n"),
        ("with a dot", "GET http://inner.test./x HTTP/1.1\r\nHost: inner.test\r\n\r\n"),
        ("another Host", "GET http://plain.test/x HTTP/1.1\r\nHost: inner.test\r\n\r\n"),
        ("userinfo", "GET http://plain.test@inner.test/x HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
        ("userinfo of the host", "GET http://x:y@plain.test/x HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
        ("a path that is denied", "GET http://plain.test/%61dmin HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
        ("no path", "DELETE http://plain.test?/users/42 HTTP/1.1\r\nHost: inner.test\r\n\r\n"),
        ("https in the clear", "GET https://api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("no URL", "GET /x HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
        ("the port wraps", "GET http://plain.test:65616/x HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
        ("a percent sign", "GET http://plain%2etest/x HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
        ("a backslash", "GET http://plain.test\\@inner.test/x HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        let mut wire = Wire::plain(proxy).await;
        let _ = wire.try_send(head).await;
        let status = status(&mut wire).await;
        assert!(status.is_none_or(|s| (400..500).contains(&s)), "{what}: {status:?}");
        assert!(plain.seen().is_empty(), "{what}: {:?}", plain.seen());
    }
    for (at, (url, host)) in [
        ("http://plain.test/x", "plain.test"),
        ("http://PLAIN.test:80/x", "plain.test"),
        ("http://plain.test:/x", "plain.test"),
        ("http://0x7f.1/x", "127.0.0.1"),
        ("http://2130706433/x", "127.0.0.1"),
        ("http://[::ffff:127.0.0.1]/x", "127.0.0.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut wire = Wire::plain(proxy).await;
        wire.send(format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(status(&mut wire).await, Some(200), "{url}");
        let seen = plain.seen();
        assert_eq!(
            (seen.len(), seen[at].host.as_str(), seen[at].target.as_str()),
            (at + 1, host, "/x"),
            "{url}"
        );
    }
    // On one connection each request is for its own host.
    let mut wire = Wire::plain(proxy).await;
    wire.send("GET http://plain.test/x HTTP/1.1\r\nHost: plain.test\r\n\r\nGET http://inner.test/x HTTP/1.1\r\nHost: inner.test\r\n\r\n").await;
    assert_eq!([wire.reply().await.status, wire.reply().await.status], [200, 403]);
}

const HOSTS: &[&str] = &[
    "inner.test",
    "INNER.TEST",
    "api.test.inner.test",
    "evil-api.test",
    "xapi.test",
    "api.test.evil",
    "api.tes",
    "api",
    "",
    ".",
    "api.test..",
    ".api.test",
    "api..test",
    "api.test@inner.test",
    "inner.test@api.test",
    "user:pass@api.test",
    "api.test#inner.test",
    "api.test/inner.test",
    "api.test\\inner.test",
    "api.test?inner.test",
    "api.test,inner.test",
    "api.test, inner.test",
    "api.test inner.test",
    "api.test;inner.test",
    "\tapi.test\tinner.test",
    "https://api.test",
    "//api.test",
    "api.test:80",
    "api.test:8443",
    "api.test:65979",
    "api.test:0",
    "api.test:-443",
    "api.test:+443",
    "api.test:443x",
    "api.test:4 43",
    "api.test:443:443",
    "api.test:443.",
    "api.test:http",
    "api%2etest",
    "%61pi.test",
    "api.test%00",
    "[api.test]",
    "[::1]",
    "127.0.0.1",
    "0x7f.1",
    "localhost",
    "169.254.169.254",
    "\u{430}pi.test",
    "api.te\u{455}t",
    "xn--pi-7kc.test",
    "api\u{3002}test",
    "api.test\u{3002}",
];
