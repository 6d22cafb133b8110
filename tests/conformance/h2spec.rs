//! h2spec against the TLS side. It cannot CONNECT: a relay does that for it.

use super::support::wire::tls_tunnel;
use super::support::{Origin, Setup, TestAuthority, h2, soon};
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;

#[tokio::test]
#[ignore = "needs `h2spec` on PATH, which no package registry has: docs/conformance.md"]
async fn http2_as_h2spec_asks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let relay = listener.local_addr().expect("bound");
    let authority = TestAuthority::new("Test roots");
    let origin = Origin::tls(&authority, &["127.0.0.1"]).await;
    // What h2spec connects to is what it names in `:authority`, so the tunnel is for that too.
    let holdpoint = Setup::new().trust(&authority).origin(&relay.to_string(), &origin).start().await;
    let mut relaying = JoinSet::new();
    relaying.spawn(relay_to(listener, holdpoint.listen, relay.to_string(), holdpoint.ca.clone()));

    let h2spec = Command::new("h2spec")
        .args(["--strict", "--host", "127.0.0.1", "--port", &relay.port().to_string()])
        .args(["--path", "/big?n=100", "--timeout", "5", "--max-header-length", "4000"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = soon("the end of h2spec", h2spec).await.expect("h2spec is on PATH");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "h2spec: {}", output.status);
    assert!(said.contains(" 0 skipped, 0 failed"), "some were skipped");
    assert!(!origin.seen().is_empty(), "its requests reach the origin");
}

/// Found by h2spec: content after HEAD is an error of the stream, and the agent learned nothing.
#[tokio::test]
async fn our_own_answer_to_head_has_no_content() {
    let authority = TestAuthority::new("Test roots");
    let origin = Origin::tls(&authority, &["api.test"]).await;
    let holdpoint = Setup::new().trust(&authority).origin("api.test:443", &origin).start().await;
    let mut client = h2::H2::tunnel(holdpoint.listen, "api.test:443", &holdpoint.ca).await;
    for (url, status) in
        [("https://api.test/denied/x", 403), ("https://elsewhere.test/", 421), ("https://api.test/echo", 200)]
    {
        let reply = client.ask(h2::request("HEAD", url, "")).await;
        assert_eq!((reply.status, reply.body.len()), (status, 0), "{url}");
    }
    assert_eq!(client.ask(h2::request("GET", "https://api.test/denied/x", "")).await.json()["status"], 403);
}

/// Each connection becomes a tunnel to `authority` with HTTP/2 in it.
async fn relay_to(listener: TcpListener, proxy: SocketAddr, authority: String, ca: String) {
    let mut connections = JoinSet::new();
    while let Ok((mut plain, _)) = listener.accept().await {
        let (authority, ca) = (authority.clone(), ca.clone());
        connections.spawn(async move {
            let tls = tls_tunnel(proxy, &authority, "127.0.0.1", &ca, "", &["h2"]).await;
            let _ = tokio::io::copy_bidirectional(&mut plain, &mut tls.expect("a tunnel")).await;
        });
    }
}
