//! Several requests on one connection: each is judged by itself, and none leaves before its own verdict.

use super::{RULES, Scene, request};

#[tokio::test]
async fn what_is_behind_a_request_is_judged_by_itself() {
    let mut scene = Scene::new().await;
    let denied = request("DELETE", "/users/42", "", "");
    for (what, first) in [
        ("a read", request("GET", "/x", "", "")),
        ("a body", request("POST", "/x", "", "body")),
        (
            "chunks",
            request("POST", "/x", "Transfer-Encoding: chunked\r\n", "")
                .replace("\r\n\r\n", "\r\n\r\n1\r\nb\r\n0\r\n\r\n"),
        ),
        ("HEAD", request("HEAD", "/x", "", "")),
        ("an expectation", request("POST", "/x", "Expect: 100-continue\r\n", "body")),
        ("an upgrade", request("GET", "/x", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "")),
        (
            "HTTP/2 in the clear",
            request(
                "GET",
                "/x",
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
                "",
            ),
        ),
        ("HTTP/2 as well", request("GET", "/x", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", "")),
        ("TLS", request("GET", "/x", "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n", "")),
        ("HTTP", request("GET", "/x", "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n", "")),
        ("an upgrade that nobody names", request("GET", "/x", "Upgrade: websocket\r\n", "")),
    ] {
        let mut wire = scene.wire().await;
        wire.send(format!("{first}{denied}")).await;
        let head = what == "HEAD";
        let status = if head { wire.head().await.status } else { wire.reply().await.status };
        assert_eq!(status, 200, "{what}");
        assert_eq!(wire.reply().await.status, 403, "{what}");
        scene.arrived += 1;
        let seen = scene.origin.seen();
        assert_eq!((seen.len(), seen.last().unwrap().target.as_str()), (scene.arrived, "/x"), "{what}");
        let upgrade = seen.last().unwrap().field("upgrade").map(str::to_owned);
        assert!(upgrade.is_none_or(|protocol| protocol == "websocket"), "{what}");
        assert!(seen.last().unwrap().field("http2-settings").is_none(), "{what}");
    }
    scene.end();
}

/// The body of a request that was refused is not the next request, read or not.
#[tokio::test]
async fn the_body_of_a_refused_request_is_no_request() {
    let mut scene = Scene::new().await;
    let smuggled = request("DELETE", "/users/42", "", "");
    let clear = request("GET", "/smuggled", "", "");
    for body in [&smuggled, &clear] {
        for fields in ["", "Expect: 100-continue\r\n"] {
            let mut wire = scene.wire().await;
            let _ = wire.try_send(request("POST", "/admin/x", fields, body)).await;
            assert_eq!(wire.reply().await.status, 403);
            // It may end the connection, or go on behind the body.
            let _ = wire.try_send(request("GET", "/x", "", "")).await;
            scene.arrived += usize::from(super::status(&mut wire).await == Some(200));
        }
        let mut wire = scene.wire().await;
        let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let _ =
            wire.try_send(request("POST", "/admin/x", "Transfer-Encoding: chunked\r\n", "") + &chunked).await;
        assert_eq!(wire.reply().await.status, 403);
        // An origin that answers before it has read the body.
        let mut wire = scene.wire().await;
        let _ = wire.try_send(request("POST", "/early", "", body)).await;
        assert_eq!(wire.reply().await.status, 413);
        let _ = wire.try_send(request("GET", "/x", "", "")).await;
        scene.arrived += 1 + usize::from(super::status(&mut wire).await == Some(200));
    }
    let targets: Vec<String> = scene.origin.seen().into_iter().map(|seen| seen.target).collect();
    assert!(targets.iter().all(|target| target == "/x" || target == "/early"), "{targets:?}");
    scene.end();
}

/// HTTP/2 without having agreed on it.
#[tokio::test]
async fn a_preface_of_http2_is_refused() {
    let mut scene = Scene::new().await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    scene.stopped("at once", preface).await;
    let mut wire = scene.wire().await;
    wire.send(format!("{}{preface}", request("GET", "/x", "", ""))).await;
    assert_eq!([wire.reply().await.status, wire.reply().await.status], [200, 400]);
    assert!(wire.rest().await.is_empty());
    scene.arrived += 1;
    scene.end();
}

#[tokio::test]
async fn what_is_behind_a_held_request_waits_for_it() {
    let scene = Scene::with(RULES, &["api.test"], |setup| setup).await;
    let alice = scene.holdpoint.reviewer("alice", &[]).await;
    let mut wire = scene.wire().await;
    let requests = [
        request("PUT", "/parked/1", "", "one"),
        request("DELETE", "/users/42", "", ""),
        request("GET", "/x", "", ""),
        request("PUT", "/parked/2", "", "two"),
    ];
    wire.send(requests.concat()).await;
    let first = alice.wait_pending().await;
    scene.origin.assert_untouched();
    assert_eq!(alice.pending().await.len(), 1, "the second is not judged before its turn");
    assert_eq!(alice.approve(&first).await.status, 200);
    let replies = [wire.reply().await, wire.reply().await, wire.reply().await];
    assert_eq!(replies.each_ref().map(|reply| reply.status), [200, 403, 200]);
    let second = alice.wait_pending().await;
    let targets = |scene: &Scene| scene.origin.seen().iter().map(|s| s.target.clone()).collect::<Vec<_>>();
    assert_eq!(targets(&scene), ["/parked/1", "/x"]);
    assert_eq!(alice.deny(&second, "no").await.status, 200);
    assert_eq!(wire.reply().await.status, 403);
    assert_eq!(targets(&scene), ["/parked/1", "/x"]);
}
