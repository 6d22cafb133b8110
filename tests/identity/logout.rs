//! Out again, from both sides.

use super::{Scene, json};
use serde_json::Value;

#[tokio::test]
async fn signing_out_leads_on_to_the_provider() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in().await;
    let page = browser.submit("/logout", &[]).await;
    assert_eq!((page.status, browser.session()), (200, None));
    let text = page.text();
    assert!(text.contains(&format!("url={}/bye?client_id=holdpoint", scene.idp.issuer)), "{text}");
    assert!(text.contains("post_logout_redirect_uri="), "{text}");
    assert!(!browser.is_in().await);
    assert!(scene.noted("reviewer.logout", "u-alice").await);
}

#[tokio::test]
async fn the_provider_ends_sessions() {
    let scene = Scene::new().await;
    let mut one = scene.signed_in().await; // sid-1
    let mut two = scene.signed_in().await; // sid-2
    scene.idp.user("u-bob", "Bob", &["oncall"]);
    let mut bob = scene.signed_in().await;
    let mut provider = scene.browser();
    let mut send = async |claims: Value| {
        let token = scene.idp.logout_token(&claims);
        provider.post("/logout/backchannel", &[("logout_token", &token)]).await.status
    };
    assert_eq!(send(json!({ "sub": "u-bob", "sid": "sid-1" })).await, 200);
    assert!(one.is_in().await && bob.is_in().await, "the session is not of that person");
    assert_eq!(send(json!({ "sid": "sid-1" })).await, 200);
    assert!(!one.is_in().await && two.is_in().await && bob.is_in().await);
    assert_eq!(send(json!({ "sub": "u-alice" })).await, 200);
    assert!(!two.is_in().await && bob.is_in().await);
    assert!(scene.noted("reviewer.logout", "back-channel").await);
}

#[tokio::test]
async fn what_is_no_logout_token_ends_nothing() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in().await;
    let logout = |claims: Value| scene.idp.logout_token(&claims);
    for (what, token) in [
        ("of nobody", logout(json!({}))),
        ("with a nonce", logout(json!({ "sub": "u-alice", "nonce": "n" }))),
        ("without the event", logout(json!({ "sub": "u-alice", "events": {} }))),
        ("with a text for an event", logout(json!({ "sub": "u-alice", "events": "x" }))),
        ("for another client", logout(json!({ "sub": "u-alice", "aud": "another" }))),
        ("too old", logout(json!({ "sub": "u-alice", "exp": 1 }))),
        ("an ID token", scene.idp.sign("JWT", &json!({ "sub": "u-alice" }))),
        (
            "an access token",
            scene.idp.sign(
                "at+jwt",
                &json!({ "sub": "u-alice", "events":
            { "http://schemas.openid.net/event/backchannel-logout": {} } }),
            ),
        ),
        ("nothing", String::new()),
    ] {
        let reply = browser.post("/logout/backchannel", &[("logout_token", &token)]).await;
        assert_eq!(reply.status, 400, "{what}");
        assert_eq!(reply.json()["error"], "invalid_request", "{what}");
    }
    assert_eq!(browser.post("/logout/backchannel", &[]).await.status, 400);
    assert!(browser.is_in().await);
}
