//! Grants through API and pages.

use super::{Ask, Server};
use holdpoint::desk::Outcome;
use serde_json::json;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_grant_comes_with_a_vote_and_is_listed_and_revoked() {
    let server = Server::start().await;
    let bob = server.reviewer("bob", &[]).await;
    let auth = format!("Bearer {bob}");
    let fields = [("authorization", auth.as_str())];
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id().clone();
    let digest = server.digest(&id).await;
    let vote = |scope: &str, expires_in: &str, uses: u32| {
        let grant = json!({ "scope": scope, "expires_in": expires_in, "uses": uses });
        json!({ "digest": digest, "vote": "approve", "grant": grant })
    };
    for (wish, status) in [
        (vote("everything", "1h", 1), 400),
        (vote("request", "2h", 1), 400),
        (vote("request", "1h", 51), 422),
        (vote("request", "1h", 0), 422),
        (vote("rule", "1h", 1), 422),
    ] {
        let reply = server.vote(&bob, &id, wish.clone()).await;
        assert_eq!(reply.status, status, "{wish}: {}", reply.text);
    }
    let (outcome, reply) =
        tokio::join!(waiter.outcome(LONG), server.vote(&bob, &id, vote("request", "1h", 2)));
    assert_eq!(reply.status, 200, "{}", reply.text);
    let Outcome::Released(release) = outcome else { panic!("{outcome:?}") };
    release.answered(200);
    let granted = reply.json()["granted"].clone();
    assert_eq!((&granted["uses_left"], &granted["standing"]), (&json!(2), &json!("live")));
    assert!(granted["covers"].as_str().unwrap().contains("exactly as it is here"), "{granted}");

    let list = server.get("/v1/grants", &fields).await.json();
    assert_eq!(list["grants"][0]["id"], granted["id"]);
    let (cookie, csrf) = server.login("bob").await;
    let page = server.get("/grants", &[("cookie", &cookie)]).await;
    assert!(page.text.contains(granted["id"].as_str().unwrap()), "{}", page.text);

    let path = format!("/grants/{}/revoke", granted["id"].as_str().unwrap());
    let origin = server.url("");
    let sent = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    let forged = server.post(&path, &sent, &[("csrf", "wrong")]).await;
    assert_eq!(forged.status, 403);
    let revoked = server.post(&path, &sent, &[("csrf", &csrf)]).await;
    assert_eq!(revoked.status, 303, "{}", revoked.text);
    let again = server.send("POST", &format!("/v1{path}"), &fields, "{}").await;
    assert_eq!((again.status, &again.json()["changed"]), (200, &json!(false)));
    let list = server.get("/v1/grants", &fields).await.json();
    assert_eq!(list["grants"][0]["standing"], "revoked");
    let nothing = server.send("POST", "/v1/grants/hg_000000000000/revoke", &fields, "{}").await;
    assert_eq!(nothing.status, 404);
}

#[tokio::test]
async fn the_form_offers_what_would_pass_and_makes_it() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, csrf) = server.login("bob").await;
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id().clone();
    let path = format!("/holds/{id}");
    let page = server.get(&path, &[("cookie", &cookie)]).await.text;
    assert!(page.contains("This request again") && page.contains("exactly as it is here"), "{page}");
    let digest = server.digest(&id).await;
    let origin = server.url("");
    let sent = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    let form = [
        ("csrf", csrf.as_str()),
        ("digest", &digest),
        ("vote", "approve"),
        ("read", "true"),
        ("grant", "request"),
        ("expires_in", "15m"),
        ("uses", "3"),
    ];
    let votes = format!("{path}/votes");
    let (outcome, reply) = tokio::join!(waiter.outcome(LONG), server.post(&votes, &sent, &form));
    assert_eq!(reply.status, 303, "{}", reply.text);
    let Outcome::Released(release) = outcome else { panic!("{outcome:?}") };
    release.answered(200);
    let grants = server.desk.grants().await.unwrap();
    assert_eq!(grants[0].grant.uses_left, 3);
}
