//! Who may decide, and what a decision does.

use super::support::{Wire, h2, soon};
use super::{Scene, held, post, rule};
use serde_json::{Value, json};

#[tokio::test]
async fn an_approved_request_leaves_as_it_was_seen() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    let fields = "Authorization: Bearer sk-very-secret\r\nHoldpoint-Reason: nightly clean-up\r\nHoldpoint-Session: run-7\r\n\
                  traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX-Plain: shown\r\n";
    wire.send(post("/held/things?q=1", fields, "the body")).await;

    let card = scene.alice.wait_pending().await;
    assert_eq!((&card["method"], &card["url"]), (&json!("POST"), &json!("https://api.test/held/things?q=1")));
    assert_eq!(card["agent"], "local");
    assert!(card["digest"].as_str().is_some_and(|d| d.starts_with("sha256:") && d.len() == 71), "{card}");
    let id = card["id"].as_str().expect("an id").to_owned();
    let detail = scene.alice.hold(&id).await;
    let text = detail.to_string();
    for shown in ["nightly clean-up", "run-7", "shown", "test/held", "The test says so."] {
        assert!(text.contains(shown), "`{shown}` is missing: {text}");
    }
    assert!(!text.contains("sk-very-secret"), "a secret is not shown: {text}");
    scene.origin.assert_untouched();

    let vote = scene.alice.approve(&card).await;
    assert_eq!(vote.status, 200, "{}", vote.text());
    let reply = wire.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "the body"));

    let seen = scene.origin.arrived(1).await.remove(0);
    assert_eq!((seen.target.as_str(), &seen.body[..]), ("/held/things?q=1", &b"the body"[..]));
    assert_eq!(seen.field("authorization"), Some("Bearer sk-very-secret"));
    assert!(seen.field("traceparent").is_some());
    assert!(!seen.names().iter().any(|name| name.starts_with("holdpoint-")), "{:?}", seen.names());
    let released = scene.alice.wait_state(&id, "released").await;
    assert_eq!(released["id"], card["id"]);
}

#[tokio::test]
async fn chunked_and_h2_bodies_leave_as_they_were_seen() {
    let scene = Scene::new().await;
    let mut wire = scene.wire().await;
    wire.send(
        "POST /held/chunks HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n\
         4\r\nfour\r\n3\r\nxyz\r\n0\r\n\r\n",
    )
    .await;
    let hold = scene.alice.wait_pending().await;
    scene.alice.approve(&hold).await;
    assert_eq!(wire.reply().await.text(), "fourxyz");

    let mut client = h2::H2::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    let (reply, ()) =
        tokio::join!(client.ask(h2::request("PUT", "https://api.test/held/h2", "two")), async {
            let hold = scene.alice.wait_pending().await;
            scene.alice.approve(&hold).await;
        });
    assert_eq!((reply.status, reply.text().as_str()), (200, "two"));
    let seen = scene.origin.arrived(2).await;
    assert_eq!((&seen[0].body[..], &seen[1].body[..]), (&b"fourxyz"[..], &b"two"[..]));
}

#[tokio::test]
async fn a_denial_gives_its_reason() {
    let scene = Scene::new().await;
    let mut wire = scene.park("no").await;
    let hold = scene.alice.wait_pending().await;
    assert_eq!(scene.alice.deny(&hold, "use the staging site").await.status, 200);
    let reply = wire.reply().await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("use the staging site"), "{}", reply.text());
    assert_eq!(reply.field("x-should-retry"), Some("false"));
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn a_vote_is_for_what_was_seen() {
    let scene = Scene::new().await;
    let _wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    let id = hold["id"].as_str().unwrap();
    let target = format!("/v1/holds/{id}/votes");
    let other = format!("sha256:{}", "0".repeat(64));
    let stale =
        scene.alice.ask("POST", &target, &json!({ "digest": other, "vote": "approve" }).to_string()).await;
    assert_eq!(stale.status, 409, "{}", stale.text());
    for bad in [
        json!({ "vote": "approve" }),
        json!({ "digest": hold["digest"] }),
        json!({ "digest": hold["digest"], "vote": "yes" }),
    ] {
        let reply = scene.alice.ask("POST", &target, &bad.to_string()).await;
        assert!([400, 422].contains(&reply.status), "{bad}: {}", reply.status);
    }
    let unknown = json!({ "id": "hp_000000000000", "digest": hold["digest"] });
    assert_eq!(scene.alice.approve(&unknown).await.status, 404);
    assert_eq!(scene.alice.pending().await.len(), 1);
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn nobody_decides_without_a_token_or_with_an_agents() {
    let scene = Scene::new().await;
    let credentials = scene.holdpoint.agent("builder", &["alice"]).await;
    let _wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    let id = hold["id"].as_str().unwrap();
    let body = json!({ "digest": hold["digest"], "vote": "approve" }).to_string();
    let basic = credentials.replace("Proxy-Authorization", "Authorization");
    for authorization in ["", "Authorization: Bearer nonsense\r\n", &basic, &credentials] {
        let reply = Wire::plain(scene.holdpoint.control)
            .await
            .ask(format!(
                "POST /v1/holds/{id}/votes HTTP/1.1\r\nHost: {}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                scene.holdpoint.control,
                body.len()
            ))
            .await;
        assert_eq!(reply.status, 401, "{authorization}");
    }
    assert_eq!(scene.alice.pending().await.len(), 1);
}

#[tokio::test]
async fn nobody_approves_the_calls_of_their_own_agent() {
    let scene = Scene::with(|setup| setup.set("/solo", json!(false))).await;
    let bob = scene.holdpoint.reviewer("bob", &[]).await;
    let credentials = scene.holdpoint.agent("builder", &["alice"]).await;
    let mut wire = scene.wire_as(&credentials).await;
    wire.send(held("mine")).await;
    let hold = scene.alice.wait_pending().await;
    assert_eq!(hold["agent"], "builder");
    let own = scene.alice.approve(&hold).await;
    assert_eq!(own.status, 403, "{}", own.text());
    scene.origin.assert_untouched();
    assert_eq!(bob.approve(&hold).await.status, 200);
    assert_eq!(wire.reply().await.text(), "mine");
}

#[tokio::test]
async fn an_owner_may_stop_their_own_agent() {
    let scene = Scene::with(|setup| setup.set("/solo", json!(false))).await;
    let credentials = scene.holdpoint.agent("builder", &["alice"]).await;
    let mut wire = scene.wire_as(&credentials).await;
    wire.send(held("mine")).await;
    let hold = scene.alice.wait_pending().await;
    assert_eq!(scene.alice.deny(&hold, "not today").await.status, 200);
    assert_eq!(wire.reply().await.status, 403);
}

#[tokio::test]
async fn an_agent_of_nobody_needs_two_people() {
    let scene = Scene::with(|setup| setup.set("/solo", json!(false))).await;
    let bob = scene.holdpoint.reviewer("bob", &[]).await;
    let mut wire = scene.park("x").await; // `local` has no owner
    let hold = scene.alice.wait_pending().await;
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    // The same click again is answered with what is recorded, and counts nothing.
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    assert_eq!(scene.alice.pending().await.len(), 1, "one person does not make two");
    scene.origin.assert_untouched();
    assert_eq!(bob.approve(&hold).await.status, 200);
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn a_quorum_is_of_distinct_people_and_groups() {
    let scene = Scene::with(|setup| {
        setup.rules(&rule("{ approvals: 2, each: [security, owners] }")).set("/solo", json!(false))
    })
    .await;
    let bob = scene.holdpoint.reviewer("bob", &["security"]).await;
    let carol = scene.holdpoint.reviewer("carol", &["owners"]).await;
    // A second token of the same person is still the same person.
    let again = scene.holdpoint.reviewer("alice", &["security"]).await;
    let mut wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    assert_eq!(again.approve(&hold).await.status, 200);
    assert_eq!(scene.alice.hold(hold["id"].as_str().unwrap()).await["approvals"]["have"], 1);
    let second = bob.approve(&hold).await.status;
    assert!([200, 403].contains(&second), "two of one group do not make one of each: {second}");
    assert_eq!(scene.alice.pending().await.len(), 1);
    scene.origin.assert_untouched();
    assert_eq!(carol.approve(&hold).await.status, 200);
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn a_rule_may_ask_for_a_group() {
    let scene = Scene::reviewed("{ from: [owners] }").await;
    let carol = scene.holdpoint.reviewer("carol", &["owners"]).await;
    let mut wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    let outside = scene.alice.approve(&hold).await;
    assert_eq!(outside.status, 403, "{}", outside.text());
    assert_eq!(carol.approve(&hold).await.status, 200);
    assert_eq!(wire.reply().await.status, 200);
}

/// Solo mode is for one person at one machine: a second does not exist, so none is waited for.
#[tokio::test]
async fn in_solo_mode_one_approval_is_enough() {
    let scene = Scene::reviewed("{ approvals: 2 }").await;
    let mut wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    assert_eq!(hold["solo"], true, "and it is said");
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn one_denial_ends_it() {
    let scene = Scene::with(|setup| setup.rules(&rule("{ approvals: 2 }")).set("/solo", json!(false))).await;
    let bob = scene.holdpoint.reviewer("bob", &[]).await;
    let mut wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    assert_eq!(bob.deny(&hold, "no").await.status, 200);
    assert_eq!(wire.reply().await.status, 403);
    assert_eq!(scene.holdpoint.reviewer("carol", &[]).await.approve(&hold).await.status, 409);
    scene.origin.assert_untouched();
}

/// Two people decide against each other at the same moment: one of them wins, and what happens is what won.
#[tokio::test]
async fn of_two_decisions_at_once_one_counts() {
    let scene = Scene::new().await;
    let bob = scene.holdpoint.reviewer("bob", &[]).await;
    for round in 0..20 {
        let arrived = scene.origin.seen().len();
        let mut wire = scene.park(&format!("round {round}")).await;
        let hold = scene.alice.wait_pending().await;
        let (yes, no) = tokio::join!(scene.alice.approve(&hold), bob.deny(&hold, "no"));
        let reply = wire.reply().await;
        match (yes.status, no.status) {
            (200, 409) => assert_eq!((reply.status, scene.origin.seen().len()), (200, arrived + 1)),
            (409, 200) => assert_eq!((reply.status, scene.origin.seen().len()), (403, arrived)),
            // Approved but not yet released when the denial came: the stop wins, and nothing left.
            (200, 200) => assert_eq!((reply.status, scene.origin.seen().len()), (403, arrived)),
            other => panic!("round {round}: {other:?}"),
        }
    }
}

/// The same click twice, by the same person, is one vote and one release.
#[tokio::test]
async fn a_double_click_is_one_vote() {
    let scene = Scene::new().await;
    let mut wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    let (one, two) = tokio::join!(scene.alice.approve(&hold), scene.alice.approve(&hold));
    assert!([one.status, two.status].contains(&200), "{} {}", one.text(), two.text());
    assert!([one.status, two.status].iter().all(|s| [200, 409].contains(s)));
    assert_eq!(wire.reply().await.status, 200);
    assert_eq!(scene.origin.seen().len(), 1);
}

#[tokio::test]
async fn a_hold_expires_by_itself() {
    let scene = Scene::reviewed("{ expires: 1s }").await;
    let mut wire = scene.park("x").await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 403);
    let holds = scene.alice.holds("").await;
    assert_eq!(holds[0]["state"], "expired", "{holds:?}");
    assert_eq!(scene.alice.approve(&holds[0]).await.status, 409);
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn revoking_an_agent_withdraws_its_holds_and_closes_its_connections() {
    let scene = Scene::new().await;
    let credentials = scene.holdpoint.agent("builder", &["owner"]).await;
    let mut wire = scene.wire_as(&credentials).await;
    wire.send(held("x")).await;
    let mut idle = scene.wire_as(&credentials).await;
    assert_eq!(idle.ask(post("/echo", "", "x")).await.status, 200);
    let hold = scene.alice.wait_pending().await;
    let revoked = scene.holdpoint.cli(&["agents", "revoke", "builder"]).await;
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));

    let answer = wire.rest().await; // to the end of the connection
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(idle.rest().await.is_empty(), "an idle connection ends as well");
    scene.alice.wait_state(hold["id"].as_str().unwrap(), "withdrawn").await;
    assert_eq!(scene.alice.approve(&hold).await.status, 409);
    assert_eq!(scene.origin.seen().len(), 1);
    let refused = Wire::tunnel_as(
        scene.holdpoint.listen,
        "api.test:443",
        "api.test",
        &scene.holdpoint.ca,
        &credentials,
    );
    assert_eq!(refused.await.err().map(|r| r.status), Some(407));
}

/// The command line decides, too, and says so in JSON.
#[tokio::test]
async fn the_command_line_lists_and_decides() {
    let scene = Scene::new().await;
    let mut wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    let id = hold["id"].as_str().unwrap();
    let holds = async |args: &[&str]| {
        let mut command = scene.holdpoint.command(["holds"]);
        let run = command.args(args).env("HOLDPOINT_TOKEN", scene.alice.token()).output();
        let output = soon("the end of a command", run).await.expect("the binary starts");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    assert_eq!(holds(&["list", "--json"]).await["holds"][0]["id"], hold["id"]);
    assert_eq!(holds(&["show", id, "--json"]).await["digest"], hold["digest"]);
    holds(&["approve", id, "--json"]).await;
    assert_eq!(wire.reply().await.status, 200);
    assert_eq!(holds(&["show", id, "--json"]).await["state"], "released");
}
