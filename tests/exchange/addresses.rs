//! Where the proxy does not go, and whom it does not serve.

use super::support::{Holdpoint, Origin, Reply, Setup, TestAuthority, Wire, wire};
use super::{Scene, request};
use std::net::SocketAddr;

/// Asks for `http://authority/` in absolute-form, and for `https://` in a tunnel: the two refusals.
async fn both_ways(holdpoint: &Holdpoint, authority: &str) -> [Reply; 2] {
    let head = format!("GET http://{authority}/healthz HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let absolute = Wire::plain(holdpoint.listen).await.ask(head).await;
    // Spellings of an address that are no name for TLS: the address stands for them.
    let host = match authority.rsplit_once(':').expect("host:port").0 {
        "127.1" | "2130706433" | "[::ffff:127.0.0.1]" => "127.0.0.1",
        host => host,
    };
    let tunnel = match Wire::tunnel_as(holdpoint.listen, authority, host, &holdpoint.ca, "").await {
        Err(refused) => refused,
        Ok(mut wire) => wire.ask(format!("GET /healthz HTTP/1.1\r\nHost: {authority}\r\n\r\n")).await,
    };
    [absolute, tunnel]
}

#[tokio::test]
async fn networks_of_ones_own_are_refused_after_dns() {
    let loopback = Origin::plain().await;
    let to = |text: &str| -> SocketAddr { text.parse().expect("an address") };
    let holdpoint = Setup::new()
        .set("/upstream/allow", serde_json::json!([]))
        .origin("loopback.test", &loopback)
        .resolve("private.test", to("10.0.0.1:80"))
        .resolve("shared.test", to("100.64.0.1:80"))
        .resolve("link.test", to("169.254.1.1:80"))
        .resolve("metadata.test", to("169.254.169.254:80"))
        .resolve("mapped.test", to("[::ffff:127.0.0.1]:80"))
        .resolve("unique.test", to("[fd00::1]:80"))
        .resolve("link6.test", to("[fe80::1]:80"))
        .resolve("any.test", to("0.0.0.0:80"))
        .resolve("any6.test", to("[::]:80"))
        .resolve("multicast.test", to("224.0.0.1:80"))
        .resolve("broadcast.test", to("255.255.255.255:80"))
        .resolve("metadata6.test", to("[fd00:ec2::254]:80"))
        .resolve("nat64.test", to("[64:ff9b::7f00:1]:80"))
        .resolve("sixtofour.test", to("[2002:7f00:1::]:80"))
        .start()
        .await;
    let named = [
        "loopback",
        "private",
        "shared",
        "link",
        "metadata",
        "mapped",
        "unique",
        "link6",
        "any",
        "any6",
        "multicast",
        "broadcast",
        "metadata6",
        "nat64",
        "sixtofour",
    ];
    let port = loopback.addr.port();
    let mut authorities: Vec<String> = named.iter().map(|name| format!("{name}.test:80")).collect();
    authorities.extend(
        ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
            .map(|h| format!("{h}:{port}")),
    );
    authorities.push("169.254.169.254:80".to_owned());
    for authority in authorities {
        let head = format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        let reply = Wire::plain(holdpoint.listen).await.ask(head).await;
        assert_eq!(reply.status, 403, "{authority}: {}", reply.text());
    }
    assert_eq!(loopback.connections(), 0);
}

#[tokio::test]
async fn the_control_listener_is_never_an_origin() {
    // Its port must be known before the configuration is written.
    let control = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holdpoint = Setup::new()
        .set("/control/listen", serde_json::json!(control.to_string()))
        .set("/upstream/allow", serde_json::json!(["0.0.0.0/0", "::/0"]))
        .resolve("control.test", control)
        .start()
        .await;
    assert_eq!(holdpoint.control, control);
    let port = control.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "0.0.0.0",
        "localhost",
        "control.test",
        "[::ffff:127.0.0.1]",
        "[::]",
        "2130706433",
    ] {
        for reply in both_ways(&holdpoint, &format!("{host}:{port}")).await {
            assert!(reply.status >= 400, "{host}: {} {}", reply.status, reply.text());
            assert_ne!(reply.status, 401, "{host}: that is the control listener's own answer");
            assert_ne!(reply.status, 404, "{host}: that is the control listener's own answer");
        }
    }
}

#[tokio::test]
async fn loops_are_refused() {
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holdpoint = Setup::new()
        .set("/listen", serde_json::json!(listen.to_string()))
        .resolve("myself.test", listen)
        .start()
        .await;
    for host in ["127.0.0.1", "myself.test"] {
        for reply in both_ways(&holdpoint, &format!("{host}:{}", listen.port())).await {
            assert!((400..600).contains(&reply.status), "{host}: {}", reply.status);
        }
    }
}

#[tokio::test]
async fn beyond_loopback_agents_show_credentials() {
    let authority = TestAuthority::new("Test roots");
    let origin = Origin::tls(&authority, &["api.test"]).await;
    let mut holdpoint = Setup::new()
        .set("/listen", serde_json::json!("0.0.0.0:0"))
        .trust(&authority)
        .origin("api.test:443", &origin)
        .start()
        .await;
    holdpoint.listen.set_ip([127, 0, 0, 1].into());
    let credentials = holdpoint.agent("builder", &["alice"]).await;
    let (proxy, ca) = (holdpoint.listen, &holdpoint.ca);

    for lines in [
        "",
        "Proxy-Authorization: Basic bG9jYWw6\r\n",
        "Proxy-Authorization: Bearer x\r\n",
        "Proxy-Authorization: Basic !\r\n",
    ] {
        let refused = wire::tls_tunnel(proxy, "api.test:443", "api.test", ca, lines, &[]).await;
        let refused = refused.expect_err("no tunnel without credentials");
        assert_eq!(refused.status, 407, "{lines}");
        assert!(refused.field("proxy-authenticate").is_some_and(|v| v.starts_with("Basic")));
    }
    let absolute = "GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n";
    assert_eq!(Wire::plain(proxy).await.ask(absolute).await.status, 407);
    origin.assert_untouched();

    let mut wire =
        Wire::tunnel_as(proxy, "api.test:443", "api.test", ca, &credentials).await.expect("a tunnel");
    assert_eq!(wire.ask(request("GET", "/echo", "", "")).await.status, 200);
    assert_eq!(origin.arrived(1).await[0].field("proxy-authorization"), None);
}

#[tokio::test]
async fn wrong_credentials_are_wrong_on_loopback_too() {
    let scene = Scene::new().await;
    let wrong = "Proxy-Authorization: Basic bm9ib2R5Om5vdGhpbmc=\r\n";
    let refused =
        wire::tls_tunnel(scene.holdpoint.listen, "api.test:443", "api.test", &scene.holdpoint.ca, wrong, &[])
            .await;
    assert_eq!(refused.err().map(|r| r.status), Some(407));
    scene.origin.assert_untouched();
}
