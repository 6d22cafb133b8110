//! The other ways in: SOCKS5, a listener for one origin, and connections that the packet filter redirects.

use super::{Scene, request};
use crate::support::{Wire, soon};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::net::SocketAddr;
use std::process::Output;
use tokio::process::Command;

async fn run(program: &str, arguments: &[&str]) -> Output {
    let command = Command::new(program).args(arguments).kill_on_drop(true).output();
    soon(program, command).await.unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// What curl printed and the status, or its exit code.
async fn curl(scene: &Scene, arguments: &[&str]) -> Result<(String, u16), i32> {
    let ca = scene.holdpoint.ca_file();
    let ca = ca.to_str().unwrap();
    let output = run(
        "curl",
        &[&["-s", "--max-time", "30", "--cacert", ca, "-w", "\n%{http_code}"], arguments].concat(),
    )
    .await;
    if !output.status.success() {
        return Err(output.status.code().unwrap_or(-1));
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    Ok((body.to_owned(), status.parse().unwrap()))
}

/// A port that nobody has at this moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn socks_is_spoken_on_the_same_port_and_judged_alike() {
    let scene = Scene::new().await;
    let proxy = format!("socks5h://{}", scene.holdpoint.listen);
    let passed = curl(&scene, &["--proxy", &proxy, "-d", "hello", "https://api.test/echo"]).await;
    assert_eq!(passed, Ok(("hello".to_owned(), 200)));
    let denied = curl(&scene, &["--proxy", &proxy, "-d", "x", "https://api.test/denied/x"]).await.unwrap();
    assert_eq!(denied.1, 403);
    // Who resolves the name themselves is judged by the name in the handshake, which is dialled, too.
    let by_address = proxy.replace("socks5h", "socks5");
    let resolve = ["--resolve", "api.test:443:192.0.2.1", "--proxy", &by_address];
    let passed = curl(&scene, &[&resolve[..], &["https://api.test/echo"]].concat()).await.unwrap();
    assert_eq!(passed.1, 200);
    let denied = curl(&scene, &[&resolve[..], &["https://api.test/denied/x"]].concat()).await.unwrap();
    assert_eq!(denied.1, 403);
    assert_eq!(scene.origin.arrived(2).await.len(), 2);
}

#[tokio::test]
async fn socks_wants_credentials_where_http_does() {
    let scene = Scene::with(|setup| setup.set("/listen", json!("0.0.0.0:0"))).await;
    let line = scene.holdpoint.agent("ci", &["alice"]).await;
    let encoded = line.trim().rsplit_once(' ').unwrap().1;
    let name_and_token = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
    let proxy = |user: &str| format!("socks5h://{user}127.0.0.1:{}", scene.holdpoint.listen.port());
    let ask = |proxy: String| async {
        let proxy = proxy;
        curl(&scene, &["--proxy", &proxy, "https://api.test/echo"]).await
    };
    assert_eq!(ask(proxy(&format!("{name_and_token}@"))).await.unwrap().1, 200);
    assert!(ask(proxy("")).await.is_err());
    assert!(ask(proxy("ci:hpa_wrong@")).await.is_err());
    assert_eq!(scene.origin.arrived(1).await.len(), 1);
}

#[tokio::test]
async fn what_is_no_socks_is_refused() {
    let scene = Scene::new().await;
    let hello = |command: u8, address: &[u8]| [&[5, 1, 0, 5, command, 0], address, &[1, 187]].concat();
    for (bytes, expected) in [
        (hello(2, b"\x03\x08api.test"), 7_u8), // BIND
        (hello(1, b"\x09"), 8),                // no such kind of address
        (hello(1, b"\x03\x09api\0.test"), 2),  // a NUL within the name
        (hello(1, b"\x03\x08api.tes "), 2),
        (hello(1, b"\x03\x00"), 2),
    ] {
        let mut wire = Wire::plain(scene.holdpoint.listen).await;
        let _ = wire.try_send(&bytes).await;
        let answer = wire.rest().await;
        assert_eq!(
            (answer.get(..2), answer.get(3).copied()),
            (Some(&[5, 0][..]), Some(expected)),
            "{bytes:?}"
        );
    }
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn a_listener_can_stand_for_one_origin() {
    let port = free_port();
    let entry = json!([{ "listen": format!("127.0.0.1:{port}"), "upstream": "https://api.test" }]);
    let scene = Scene::with(|setup| setup.set("/reverse", entry)).await;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut wire = Wire::plain(address).await;
    let reply = wire.ask(request("POST", "/echo", "", "body").replace("api.test", "localhost")).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "body"));
    assert_eq!(wire.ask(request("POST", "/denied/x", "", "body")).await.status, 403);
    let elsewhere = "GET http://other.test/echo HTTP/1.1\r\nHost: other.test\r\n\r\n";
    assert_eq!(wire.ask(elsewhere).await.status, 421);
    let seen = scene.origin.arrived(1).await;
    assert_eq!(seen.iter().map(|seen| seen.field("host")).collect::<Vec<_>>(), [Some("api.test")]);
}

/// Runs this test again in a network namespace of its own, as its root. True: we are inside.
async fn inside_a_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--"])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .kill_on_drop(true)
        .output();
    let output = soon("the test in its namespace", output).await.expect("unshare");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
    false
}

async fn must(command: &str) {
    let output = run("sh", &["-ec", command]).await;
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A Holdpoint with one transparent listener; everything that goes to ports 80 and 443 of this namespace comes there.
async fn transparent(mode: &str) -> Scene {
    must("ip link set lo up; ip addr add 192.0.2.1/32 dev lo; ip route add default dev lo").await;
    let port = free_port();
    let entry =
        json!([{ "listen": format!("0.0.0.0:{port}"), "mode": mode, "agents": { "0.0.0.0/0": "ci" } }]);
    let scene = Scene::with(|setup| setup.set("/transparent", entry).set("/solo", json!(true))).await;
    drop(scene.holdpoint.agent("ci", &["alice"]).await);
    match mode {
        "redirect" => {
            must(&format!(
                "nft add table ip t; nft 'add chain ip t out {{ type nat hook output priority -100; }}';
                 nft add rule ip t out ip daddr != 127.0.0.0/8 tcp dport '{{ 80, 443 }}' redirect to :{port}"
            ))
            .await;
        }
        _ => {
            must(&format!(
                "ip rule add fwmark 1 lookup 100; ip route add local default dev lo table 100;
                 nft add table ip t; nft 'add chain ip t out {{ type route hook output priority -150; }}';
                 nft add rule ip t out ip daddr != 127.0.0.0/8 tcp dport '{{ 80, 443 }}' meta mark set 1;
                 nft 'add chain ip t pre {{ type filter hook prerouting priority -150; }}';
                 nft add rule ip t pre ip daddr != 127.0.0.0/8 tcp dport '{{ 80, 443 }}' tproxy to :{port} meta mark set 1"
            ))
            .await;
        }
    }
    scene
}

async fn redirected_connections_are_judged(mode: &str) {
    let scene = transparent(mode).await;
    // The agent knows nothing of a proxy; its own answer for the name is not what is dialled.
    let resolve = ["--resolve", "api.test:443:198.51.100.7", "--resolve", "api.test:80:198.51.100.7"];
    let ask = |arguments: &'static [&'static str]| {
        let all = [&resolve[..], arguments].concat();
        let scene = &scene;
        async move { curl(scene, &all).await }
    };
    assert_eq!(ask(&["-d", "hello", "https://api.test/echo"]).await, Ok(("hello".to_owned(), 200)));
    assert_eq!(ask(&["-d", "hello", "https://api.test/denied/x"]).await.unwrap().1, 403);
    // Another name within than in the handshake.
    assert_eq!(ask(&["-H", "Host: other.test", "https://api.test/echo"]).await.unwrap().1, 421);
    // Plain requests say by `Host` where they go.
    assert_eq!(ask(&["http://api.test/denied/x"]).await.unwrap().1, 403);
    assert_eq!(ask(&["-H", "Host: api.test:8080", "http://api.test/echo"]).await.unwrap().1, 421);
    assert_eq!(scene.origin.arrived(1).await.len(), 1);
    let agents: Vec<_> = scene.holdpoint.traffic().into_iter().map(|line| line["agent"].clone()).collect();
    assert!(!agents.is_empty() && agents.iter().all(|agent| agent == "ci"), "{agents:?}");
}

#[tokio::test]
async fn redirected_by_nat() {
    if inside_a_namespace("ways::redirected_by_nat").await {
        redirected_connections_are_judged("redirect").await;
    }
}

#[tokio::test]
async fn handed_over_by_tproxy() {
    if inside_a_namespace("ways::handed_over_by_tproxy").await {
        redirected_connections_are_judged("tproxy").await;
    }
}

const INSIDE: &str = "HOLDPOINT_TEST_INSIDE";
