//! Who decides what, through pages and API.

use super::{Ask, Server};
use holdpoint::desk::Outcome;
use holdpoint::hold::HoldState;
use holdpoint::ruling::{ReviewPolicy, Risk};
use serde_json::json;
use std::time::Duration;

async fn state(server: &Server, id: &holdpoint::hold::HoldId) -> HoldState {
    server.desk.hold(id).await.unwrap().unwrap().state
}

#[tokio::test]
async fn an_approval_by_the_api_releases_to_the_client_that_waits() {
    let server = Server::start().await;
    let bob = server.reviewer("bob", &[]).await;
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id().clone();
    let digest = server.digest(&id).await;
    let (outcome, reply) = tokio::join!(
        waiter.outcome(Duration::from_secs(60)),
        server.vote(&bob, &id, json!({ "digest": digest, "vote": "approve", "reason": "seen" }))
    );
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(matches!(outcome, Outcome::Released(_)), "{outcome:?}");
    let again = server.vote(&bob, &id, json!({ "digest": digest, "vote": "approve" })).await;
    assert_eq!(again.status, 200, "the same vote again is no error: {}", again.text);
    assert_eq!(again.json()["votes"].as_array().unwrap().len(), 1);
    assert_eq!(again.json()["votes"][0]["channel"], "api");
}

#[tokio::test]
async fn a_denial_carries_its_reason() {
    let server = Server::start().await;
    let bob = server.reviewer("bob", &[]).await;
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id().clone();
    let vote = json!({ "digest": server.digest(&id).await, "vote": "deny", "reason": "wrong customer" });
    let (outcome, reply) =
        tokio::join!(waiter.outcome(Duration::from_secs(60)), server.vote(&bob, &id, vote.clone()));
    assert_eq!((reply.status, &reply.json()["state"]), (200, &json!("denied")));
    match outcome {
        Outcome::Denied { reason } => assert_eq!(reason.as_deref(), Some("wrong customer")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_vote_is_told_apart() {
    let server = Server::start().await;
    let bob = server.reviewer("bob", &[]).await;
    let alice = server.reviewer("alice", &[]).await;
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id();
    let digest = server.digest(id).await;
    let stale = format!("sha256:{}", "0".repeat(64));
    let unknown = "hp_000000000000".parse().unwrap();
    let approve = |digest: &str| json!({ "digest": digest, "vote": "approve" });

    let cases = [
        (server.vote(&bob, id, approve(&stale)).await, 409, "stale-digest"),
        (server.vote(&alice, id, approve(&digest)).await, 403, "own-agent"),
        (server.vote(&bob, &unknown, approve(&digest)).await, 404, "no-such-hold"),
        (server.vote(&bob, id, json!({ "digest": digest })).await, 400, "bad-request"),
        (server.vote(&bob, id, json!({ "digest": "x", "vote": "approve" })).await, 400, "bad-request"),
        (server.vote(&bob, id, json!({ "digest": digest, "vote": "maybe" })).await, 400, "bad-request"),
        (server.vote("hpr_forged", id, approve(&digest)).await, 401, "unauthenticated"),
    ];
    for (reply, status, word) in cases {
        assert_eq!(reply.status, status, "{word}: {}", reply.text);
        assert_eq!(reply.header("content-type"), "application/problem+json", "{word}");
        assert_eq!(reply.json()["type"], format!("urn:holdpoint:problem:{word}"));
        assert_eq!(reply.json()["status"], status);
    }
    assert_eq!(state(&server, id).await, HoldState::Pending);

    // Anybody may stop their own agent.
    let stopped = server.vote(&alice, id, json!({ "digest": digest, "vote": "deny" })).await;
    assert_eq!(stopped.status, 200, "{}", stopped.text);
    let late = server.vote(&bob, id, approve(&digest)).await;
    assert_eq!(late.status, 409);
    assert_eq!(late.json()["hold"]["state"], "denied", "the recorded outcome: {}", late.text);
}

#[tokio::test]
async fn of_two_simultaneous_decisions_one_counts() {
    let server = Server::start().await;
    let bob = server.reviewer("bob", &[]).await;
    let carol = server.reviewer("carol", &[]).await;
    for round in 0..8 {
        let ask = Ask { path: format!("/v1/refunds/{round}"), ..Ask::default() };
        let waiter = server.park(ask).await;
        let id = waiter.id();
        let digest = server.digest(id).await;
        let (approve, deny) = tokio::join!(
            server.vote(&bob, id, json!({ "digest": digest, "vote": "approve" })),
            server.vote(&carol, id, json!({ "digest": digest, "vote": "deny" })),
        );
        let mut statuses = [approve.status, deny.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{} {}", approve.text, deny.text);
        let denied = state(&server, id).await == HoldState::Denied;
        assert_eq!(denied, deny.status == 200);
    }
}

#[tokio::test]
async fn two_people_are_two_people() {
    let server = Server::start().await;
    let bob = server.reviewer("bob", &["security"]).await;
    let carol = server.reviewer("carol", &["owners"]).await;
    let dave = server.reviewer("dave", &[]).await;
    let each = vec!["security".to_owned(), "owners".to_owned()];
    let review = ReviewPolicy { approvals: 2, each, ..ReviewPolicy::default() };
    let waiter = server.park(Ask { review, ..Ask::default() }).await;
    let id = waiter.id();
    let vote = json!({ "digest": server.digest(id).await, "vote": "approve" });
    assert_eq!(server.vote(&dave, id, vote.clone()).await.status, 403, "in neither group");
    for _ in 0..2 {
        let first = server.vote(&bob, id, vote.clone()).await;
        assert_eq!(first.json()["approvals"], json!({ "needed": 2, "have": 1 }), "{}", first.text);
    }
    assert_eq!(state(&server, id).await, HoldState::Pending);
    assert_eq!(server.vote(&carol, id, vote).await.status, 200);
    assert_ne!(state(&server, id).await, HoldState::Pending);
}

#[tokio::test]
async fn a_form_decides_only_with_session_token_and_origin() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    server.reviewer("carol", &[]).await;
    let (cookie, csrf) = server.login("bob").await;
    let (_, others) = server.login("carol").await;
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id();
    let digest = server.digest(id).await;
    let path = format!("/holds/{id}/votes");
    let form = |csrf: &str| [("csrf", csrf), ("digest", &digest), ("vote", "approve")].map(own);
    let post = async |fields: &[(&str, &str)], form: [(String, String); 3]| {
        let form = form.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
        server.post(&path, fields, &form).await.status
    };
    assert_eq!(post(&[], form(&csrf)).await, 303, "no session: to the login");
    assert_eq!(post(&[("cookie", &cookie)], form("")).await, 403);
    assert_eq!(post(&[("cookie", &cookie)], form(&others)).await, 403);
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        assert_eq!(post(&[("cookie", &cookie), (name, value)], form(&csrf)).await, 403, "{name}");
    }
    assert_eq!(state(&server, id).await, HoldState::Pending);
    assert_eq!(post(&[("cookie", &cookie), ("sec-fetch-site", "same-origin")], form(&csrf)).await, 303);
    assert_ne!(state(&server, id).await, HoldState::Pending);
}

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_session_is_no_credential_of_the_api() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, _) = server.login("bob").await;
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id();
    let vote = json!({ "digest": server.digest(id).await, "vote": "approve" }).to_string();
    let fields = [("cookie", cookie.as_str()), ("content-type", "application/json")];
    assert_eq!(server.send("POST", &format!("/v1/holds/{id}/votes"), &fields, &vote).await.status, 401);
    assert_eq!(server.get("/v1/holds", &[("cookie", &cookie)]).await.status, 401);
}

#[tokio::test]
async fn a_grave_request_must_be_said_to_be_read() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, csrf) = server.login("bob").await;
    let waiter = server.park(Ask { risk: Risk::High, ..Ask::default() }).await;
    let id = waiter.id();
    let digest = server.digest(id).await;
    let path = format!("/holds/{id}/votes");
    let mut form = vec![("csrf", csrf.as_str()), ("digest", &digest), ("vote", "approve")];
    let page = server.post(&path, &[("cookie", &cookie)], &form).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("tick the box"), "{}", page.text);
    assert_eq!(state(&server, id).await, HoldState::Pending);
    form.push(("read", "true"));
    assert_eq!(server.post(&path, &[("cookie", &cookie)], &form).await.status, 303);
    assert_ne!(state(&server, id).await, HoldState::Pending);
}

#[tokio::test]
async fn a_stale_page_decides_nothing() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, csrf) = server.login("bob").await;
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id();
    let stale = format!("sha256:{}", "0".repeat(64));
    let form = [("csrf", csrf.as_str()), ("digest", &stale), ("vote", "approve")];
    let page = server.post(&format!("/holds/{id}/votes"), &[("cookie", &cookie)], &form).await;
    assert_eq!(page.status, 409);
    assert!(page.text.contains("has changed since the page was loaded"), "{}", page.text);
    assert_eq!(state(&server, id).await, HoldState::Pending);
}

/// Link previews, scanners and prefetching browsers send GET, with every right that the reviewer has.
#[tokio::test]
async fn no_get_decides() {
    let server = Server::start().await;
    let token = server.reviewer("bob", &[]).await;
    let (cookie, csrf) = server.login("bob").await;
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id();
    let before = server.desk.hold(id).await.unwrap().unwrap();
    let bearer = format!("Bearer {token}");
    let query = format!("csrf={csrf}&digest={}&vote=approve&reason=x&read=true", before.digest);
    let fields = [("cookie", cookie.as_str()), ("authorization", bearer.as_str())];
    for path in
        ["/", "/holds/ID", "/holds/ID/votes", "/v1/holds/ID/votes", "/v1/holds/ID", "/logout", "/rules"]
    {
        for method in ["GET", "HEAD", "OPTIONS"] {
            let path = path.replace("ID", id.as_str());
            server.send(method, &format!("{path}?{query}"), &fields, "").await;
        }
    }
    let after = server.desk.hold(id).await.unwrap().unwrap();
    assert_eq!((after.version, after.state, after.votes), (before.version, HoldState::Pending, vec![]));
    assert_eq!(server.get("/", &fields).await.status, 200, "still logged in");
}

#[tokio::test]
async fn a_long_poll_answers_when_the_hold_changes() {
    let server = Server::start().await;
    let bob = server.reviewer("bob", &[]).await;
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id();
    let bearer = format!("Bearer {bob}");
    let path = format!("/v1/holds/{id}");
    let now = server.get(&path, &[("authorization", &bearer)]).await.json();
    assert_eq!(now["request"]["body"]["encoding"], "utf-8");
    let poll = format!("{path}?version={}", now["version"]);
    let fields = [("authorization", bearer.as_str()), ("prefer", "wait=25")];
    let (seen, _) = tokio::join!(
        server.get(&poll, &fields),
        server.vote(&bob, id, json!({ "digest": now["digest"], "vote": "deny" }))
    );
    assert_eq!(seen.json()["state"], "denied");
    // Decided: nothing to wait for.
    assert_eq!(server.get(&poll, &fields).await.json()["state"], "denied");
}

#[tokio::test]
async fn lists_are_filtered() {
    let server = Server::start().await;
    let bob = server.reviewer("bob", &[]).await;
    let bearer = format!("Bearer {bob}");
    let mut waiters = Vec::new();
    for (agent, path) in [("one", "/a"), ("two", "/b"), ("two", "/c")] {
        let ask = Ask { agent: agent.to_owned(), path: path.to_owned(), ..Ask::default() };
        waiters.push(server.park(ask).await);
    }
    let urls = async |query: &str| {
        let reply = server.get(&format!("/v1/holds?{query}"), &[("authorization", &bearer)]).await;
        let holds = reply.json()["holds"].as_array().cloned().unwrap();
        holds.iter().map(|hold| hold["url"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(urls("agent=two").await, ["https://api.stripe.com/c", "https://api.stripe.com/b"]);
    assert_eq!(urls("state=denied").await, Vec::<String>::new());
    assert_eq!(urls("state=pending&limit=1").await, ["https://api.stripe.com/c"]);
    let before = format!("before={}", waiters[1].id());
    assert_eq!(urls(&before).await, ["https://api.stripe.com/a"]);
    let bad = server.get("/v1/holds?state=lost", &[("authorization", &bearer)]).await;
    assert_eq!(bad.status, 400, "{}", bad.text);
}

/// Bodies are text or base64, as they were received.
#[tokio::test]
async fn a_body_of_any_bytes_is_given_whole() {
    let server = Server::start().await;
    let bob = server.reviewer("bob", &[]).await;
    let waiter = server.park(Ask { body: vec![0, 255, 128], ..Ask::default() }).await;
    let path = format!("/v1/holds/{}", waiter.id());
    let hold = server.get(&path, &[("authorization", &format!("Bearer {bob}"))]).await.json();
    assert_eq!(hold["request"]["body"], json!({ "encoding": "base64", "content": "AP+A" }));
}
