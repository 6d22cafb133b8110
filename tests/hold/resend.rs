//! The same request again: it joins, it spends an approval once, and never leaves twice.

use super::support::soon;
use super::{Scene, held, post};
use serde_json::{Value, json};

async fn impatient() -> Scene {
    Scene::with(|setup| setup.set("/hold/patience", json!("0s"))).await
}

#[tokio::test]
async fn patience_over_is_428_that_says_what_to_do() {
    let scene = impatient().await;
    let reply = scene.ask("x").await;
    let hold = scene.alice.wait_pending().await;
    let id = hold["id"].as_str().unwrap();
    assert_eq!(reply.status, 428);
    assert_eq!(reply.phrase, format!("Held for approval {id}"));
    let status_url = format!("http://holdpoint.internal/holds/{id}");
    assert!(reply.field("link").is_some_and(|l| l.contains(&status_url)), "{:?}", reply.fields);
    assert_eq!(reply.field("x-should-retry"), Some("false"));
    let body = reply.json();
    assert_eq!((&body["hold"]["id"], &body["hold"]["digest"]), (&hold["id"], &hold["digest"]));
    for place in [&body["detail"], &body["message"], &body["error"]["message"]] {
        let text = place.as_str().expect("a sentence");
        assert!(text.contains(id) && text.contains("Nothing was sent") && text.contains("repeat"), "{text}");
    }
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn a_resend_joins_and_spends_the_approval_once() {
    let scene = impatient().await;
    assert_eq!(scene.ask("x").await.status, 428);
    assert_eq!(scene.ask("x").await.status, 428);
    let hold = scene.alice.wait_pending().await; // one hold, not two
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    scene.origin.assert_untouched();
    let id = hold["id"].as_str().unwrap();
    assert_eq!(scene.alice.hold(id).await["state"], "approved");

    let reply = scene.ask("x").await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "x"));
    assert_eq!(scene.origin.arrived(1).await.len(), 1);
    assert_eq!(scene.alice.hold(id).await["state"], "released");

    assert_eq!(scene.ask("x").await.status, 428, "the approval is spent");
    let second = scene.alice.wait_pending().await;
    assert_ne!(second["id"], hold["id"]);
    assert_eq!(scene.origin.seen().len(), 1);
}

#[tokio::test]
async fn what_changes_the_meaning_is_another_request() {
    let scene = impatient().await;
    assert_eq!(scene.ask("x").await.status, 428);
    let others = [
        held("y"),
        post("/held/things?a", "", "x"),
        post("/held/thing", "", "x"),
        post("/held/things", "If-Match: 1\r\n", "x"),
        post("/held/things", "X-HTTP-Method-Override: DELETE\r\n", "x"),
        post("/held/things", "Authorization: Bearer somebody-else\r\n", "x"),
        held("x").replace("POST", "PUT"),
        held("x").replace("text/plain", "text/html"),
    ];
    for (n, other) in others.iter().enumerate() {
        assert_eq!(scene.wire().await.ask(other).await.status, 428);
        assert_eq!(scene.alice.pending().await.len(), n + 2, "{other}");
    }
    let same = [
        "Date: now\r\n",
        "X-Request-Id: 7\r\n",
        "traceparent: 00-1-1-00\r\n",
        "X-Stainless-Retry-Count: 1\r\n",
        "User-Agent: other\r\n",
        "Holdpoint-Reason: please\r\n",
        "Idempotency-Key: 7\r\n",
        "Kubectl-Session: 7\r\n",
        "grpc-timeout: 7S\r\n",
    ];
    for fields in same {
        assert_eq!(scene.wire().await.ask(post("/held/things", fields, "x")).await.status, 428);
        assert_eq!(scene.alice.pending().await.len(), others.len() + 1, "{fields}");
    }
}

/// The reviewer read a number that may be the name of a thing: where no rule says that the host speaks JSON-RPC, a body
/// that looks like a call is a body.
#[tokio::test]
async fn an_id_counts_where_no_rule_says_that_it_numbers_a_call() {
    let scene = impatient().await;
    let call = |id: u8| post("/held/things", "", &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#));
    assert_eq!(scene.wire().await.ask(call(7)).await.status, 428);
    let hold = scene.alice.wait_pending().await;
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    assert_eq!(scene.wire().await.ask(call(8)).await.status, 428, "it is another request");
    scene.origin.assert_untouched();
    assert_eq!(scene.wire().await.ask(call(7)).await.status, 200);
}

#[tokio::test]
async fn an_approval_of_one_agent_is_not_anothers() {
    let scene = impatient().await;
    let one = scene.holdpoint.agent("one", &["olga"]).await;
    let two = scene.holdpoint.agent("two", &["olga"]).await;
    assert_eq!(scene.wire_as(&one).await.ask(held("x")).await.status, 428);
    let hold = scene.alice.wait_pending().await;
    scene.alice.approve(&hold).await;
    assert_eq!(scene.wire_as(&two).await.ask(held("x")).await.status, 428);
    scene.origin.assert_untouched();
    assert_eq!(scene.wire_as(&one).await.ask(held("x")).await.status, 200);
}

#[tokio::test]
async fn of_two_that_wait_the_newest_is_answered() {
    let scene = Scene::new().await;
    let mut first = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    let id = hold["id"].as_str().unwrap().to_owned();
    let mut second = scene.park("x").await;
    let requests = |hold: &Value| hold["requests"].as_u64();
    scene
        .alice
        .wait("the second request to join", |all| {
            all.iter().find(|h| h["id"] == id.as_str() && requests(h) == Some(2)).map(drop)
        })
        .await;
    assert_eq!(scene.alice.pending().await.len(), 1, "one card");
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    let reply = second.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "x"));
    let older = first.reply().await;
    assert!(
        (400..500).contains(&older.status),
        "the older one is told that it was overtaken: {}",
        older.status
    );
    assert_eq!(scene.origin.seen().len(), 1);
}

/// A crowd of the same request, all at once, and as many again after the approval: one leaves.
#[tokio::test]
async fn of_a_crowd_exactly_one_leaves() {
    let scene = Scene::with(|setup| setup.set("/hold/patience", json!("0s"))).await;
    let crowd = || async {
        let asks = (0..20).map(|_| scene.ask("x"));
        futures_util::future::join_all(asks).await.iter().map(|r| r.status).collect::<Vec<_>>()
    };
    assert_eq!(crowd().await, [428; 20]);
    let hold = scene.alice.wait_pending().await;
    scene.alice.approve(&hold).await;
    let mut statuses = crowd().await;
    statuses.sort_unstable();
    assert_eq!(statuses[..2], [200, 428], "{statuses:?}");
    assert_eq!(scene.origin.seen().len(), 1);
}

#[tokio::test]
async fn a_denial_stands_for_the_resend() {
    let scene = impatient().await;
    assert_eq!(scene.ask("x").await.status, 428);
    let hold = scene.alice.wait_pending().await;
    scene.alice.deny(&hold, "never").await;
    let reply = scene.ask("x").await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("never"), "{}", reply.text());
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn a_client_that_left_is_not_answered_for() {
    let scene = Scene::new().await;
    let wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    drop(wire);
    let id = hold["id"].as_str().unwrap().to_owned();
    // The end of a connection is no event of the ledger: the hold's own count of who waits tells.
    soon("nobody to wait any more", async {
        while scene.alice.hold(&id).await["waiting"].as_u64().expect("how many wait") > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    assert_eq!(scene.alice.hold(&id).await["state"], "approved");
    scene.origin.assert_untouched();
    assert_eq!(scene.ask("x").await.status, 200);
    assert_eq!(scene.origin.seen().len(), 1);
}

#[tokio::test]
async fn an_upstream_failure_after_release_is_ambiguous_and_not_repeated() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let scene = Scene::with(|setup| setup.resolve("gone.test:443", gone)).await;
    let mut wire = super::Wire::tunnel(scene.holdpoint.listen, "gone.test:443", &scene.holdpoint.ca).await;
    wire.send(held("x").replace("api.test", "gone.test")).await;
    let hold = scene.alice.wait_pending().await;
    scene.alice.approve(&hold).await;
    assert_eq!(wire.reply().await.status, 502);
    let id = hold["id"].as_str().unwrap();
    let outcome = scene.alice.wait_detail(id, "an outcome", |hold| !hold["outcome"].is_null()).await;
    assert_eq!(outcome["state"], "released");
    assert_eq!(outcome["outcome"]["result"], "ambiguous", "{outcome}");
}

#[tokio::test]
async fn a_rule_may_answer_429_for_clients_that_poll() {
    let scene = Scene::with(|setup| {
        setup.rules(&super::rule(r#"{ reply: "429" }"#)).set("/hold/patience", json!("0s"))
    })
    .await;
    let reply = scene.ask("x").await;
    assert_eq!(reply.status, 429);
    assert!(reply.field("retry-after").is_some_and(|s| s.parse::<u64>().is_ok()));
    assert_eq!(reply.field("x-should-retry"), Some("true"));
}
