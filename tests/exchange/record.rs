//! Each exchange leaves exactly one record, however it ends.

use super::support::{Wire, h2};
use super::{Scene, request};
use serde_json::Value;

#[tokio::test]
async fn every_end_is_recorded_once() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut scene = Scene::with(|setup| setup.resolve("gone.test:443", gone)).await;
    let mut wire = scene.wire().await;
    assert_eq!(wire.ask(request("POST", "/echo?passed=1", "", "four")).await.status, 200);
    assert_eq!(wire.ask(request("POST", "/denied/x", "", "")).await.status, 403);
    drop(wire);

    let mut client = h2::H2::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    assert_eq!(client.ask(h2::request("GET", "https://api.test/h2", "")).await.status, 200);
    drop(client);

    let mut wire = scene.wire().await;
    wire.send(request("GET", "/reset", "", "")).await;
    wire.head().await;
    scene.origin.open_gate();
    wire.rest().await;

    let mut wire = Wire::tunnel(scene.holdpoint.listen, "gone.test:443", &scene.holdpoint.ca).await;
    assert_eq!(wire.ask("GET /gone HTTP/1.1\r\nHost: gone.test\r\n\r\n").await.status, 502);
    drop(wire);

    let mut leaver = scene.wire().await;
    leaver.send(request("GET", "/gate", "", "")).await;
    scene.origin.arrived(4).await;
    drop(leaver);

    let mut parked = scene.wire().await;
    let reviewer = scene.holdpoint.reviewer("alice", &[]).await;
    parked.send(request("POST", "/held/x", "", "wait")).await;
    let hold = reviewer.wait_pending().await;
    assert_eq!(reviewer.approve(&hold).await.status, 200);
    assert_eq!(parked.reply().await.status, 200);
    drop(parked);

    scene.holdpoint.stop().await;
    let records = scene.holdpoint.traffic();
    let of = |path: &str| -> Vec<&Value> { records.iter().filter(|r| r["path"] == path).collect() };
    for path in ["/echo", "/denied/x", "/h2", "/reset", "/gone", "/gate", "/held/x"] {
        assert_eq!(of(path).len(), 1, "{path}: {records:#?}");
        assert_eq!(of(path)[0]["agent"], "local");
    }
    assert_eq!(records.len(), 7, "{records:#?}");
    let passed = of("/echo")[0];
    assert_eq!((&passed["verdict"], &passed["status"]), (&"pass".into(), &200.into()));
    assert_eq!((&passed["request_bytes"], &passed["response_bytes"]), (&4.into(), &4.into()));
    assert_eq!(passed["end"], "complete");
    assert_eq!(
        (&of("/denied/x")[0]["verdict"], &of("/denied/x")[0]["rule"]),
        (&"deny".into(), &"test/denied".into())
    );
    assert_eq!((&of("/held/x")[0]["verdict"], &of("/held/x")[0]["hold"]), (&"hold".into(), &hold["id"]));
    for path in ["/reset", "/gone", "/gate"] {
        assert_ne!(of(path)[0]["end"], "complete", "{path}");
    }
}

/// When the record cannot be written, nothing is forwarded.
#[tokio::test]
async fn nothing_passes_unrecorded() {
    use super::support::disk::Disk;
    let disk = Disk::new("1m").await;
    let scene = Scene::with(|setup| setup.data(disk.path())).await;
    assert_eq!(scene.wire().await.ask(request("GET", "/before", "", "")).await.status, 200);
    scene.origin.arrived(1).await;
    disk.fill();
    // What was promised before the disk was full may still pass; soon nothing does.
    let mut refused = None;
    for n in 0..PASSES_MAX {
        let reply = scene.wire().await.ask(request("GET", &format!("/{n}"), "", "")).await;
        if reply.status != 200 {
            refused = Some((reply.status, scene.origin.seen().len()));
            break;
        }
    }
    let (status, arrived) = refused.expect("a full disk stops the traffic");
    assert_eq!(status, 503);
    let again = scene.wire().await.ask(request("GET", "/again", "", "")).await;
    assert_eq!(again.status, 503);
    assert_eq!(scene.origin.seen().len(), arrived, "a refused request does not arrive");
    disk.free();
    for n in 0..PASSES_MAX {
        if scene.wire().await.ask(request("GET", &format!("/after/{n}"), "", "")).await.status == 200 {
            return;
        }
    }
    panic!("it does not recover by itself");
}

const PASSES_MAX: usize = 2000;
