//! What does not get in: calls that Microsoft did not make, or made to somebody else.

use super::Scene;
use super::support::teams::{APP, TENANT};
use super::support::{Origin, Wire, soon};
use serde_json::{Value, json};

/// A scene with a card, and the approval of ada that is to be kept out.
async fn scene() -> (Scene, Value, Wire) {
    let scene = Scene::new().await;
    let (wire, message) = scene.parked().await;
    let approval = scene.teams.press(&message, "Approve", 0, None, &scene.ada);
    (scene, approval, wire)
}

#[tokio::test]
async fn a_token_must_be_microsofts_and_for_this_bot() {
    let (scene, approval, _wire) = scene().await;
    let teams = &scene.teams;
    let with = |member: &str, value: Value| {
        let mut claims = teams.claims();
        claims[member] = value;
        teams.sign(&claims)
    };
    let without = |member: &str| {
        let mut claims = teams.claims();
        claims.as_object_mut().expect("an object").remove(member);
        teams.sign(&claims)
    };
    let now = jiff::Timestamp::now().as_second();
    let sound = teams.sign(&teams.claims());
    let parts: Vec<&str> = sound.split('.').collect();
    let none = teams.sign_as(&json!({ "alg": "none", "typ": "JWT" }), &teams.claims());
    let unsigned = format!("{}.", none.rsplit_once('.').expect("three parts").0);
    let elsewhere = super::support::teams::Teams::start().await;
    let cases = [
        ("no token", String::new(), 401),
        ("another issuer", with("iss", json!("https://api.botframework.us")), 401),
        ("a tenant's issuer", with("iss", json!(format!("https://sts.windows.net/{TENANT}/"))), 401),
        ("another audience", with("aud", json!("another-bot")), 401),
        ("no audience", without("aud"), 401),
        ("expired", with("exp", json!(now - 301)), 401),
        ("no end", without("exp"), 401),
        ("not yet", with("nbf", json!(now + 302)), 401),
        ("another service", with("serviceurl", json!("https://smba.trafficmanager.net/teams/")), 403),
        ("no service", without("serviceurl"), 403),
        ("alg none", none, 401),
        ("unsigned", unsigned, 401),
        (
            "an algorithm of ours",
            teams.sign_as(&json!({ "alg": "HS256", "kid": "k1" }), &teams.claims()),
            401,
        ),
        (
            "another RSA algorithm",
            teams.sign_as(&json!({ "alg": "RS512", "kid": "k1" }), &teams.claims()),
            401,
        ),
        ("an unknown key", teams.sign_as(&json!({ "alg": "RS256", "kid": "k9" }), &teams.claims()), 401),
        ("another signer", elsewhere.sign(&teams.claims()), 401),
        ("a changed claim", format!("{}.{}x.{}", parts[0], parts[1], parts[2]), 401),
    ];
    for (what, token, status) in cases {
        let reply = teams.call_with(scene.holdpoint.control, &approval, &token).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        assert_eq!(reply.text(), "", "{what}: nothing is told");
    }
    assert_eq!(scene.alice.pending().await.len(), 1);
    scene.origin.assert_untouched();
    // Within the leeway, and with other slashes and letters in the address.
    let mut claims = teams.claims();
    claims["exp"] = json!(now - 200);
    claims["serviceurl"] = json!(teams.service().to_uppercase());
    let reply = teams.call_with(scene.holdpoint.control, &approval, &teams.sign(&claims)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    scene.origin.arrived(1).await;
}

#[tokio::test]
async fn the_key_must_be_endorsed_for_teams() {
    let scene = Scene::new().await;
    scene.teams.publish(&["webchat", "directline"]);
    let (_wire, message) = scene.parked().await;
    let approval = scene.teams.press(&message, "Approve", 0, None, &scene.ada);
    assert_eq!(scene.call(&approval).await.status, 403);
    scene.origin.assert_untouched();
    assert_eq!(scene.alice.pending().await.len(), 1);
}

#[tokio::test]
async fn another_channel_is_not_teams() {
    let (scene, mut approval, _wire) = scene().await;
    approval["channelId"] = json!("webchat");
    assert_eq!(scene.call(&approval).await.status, 403);
    assert_eq!(scene.alice.pending().await.len(), 1);
}

#[tokio::test]
async fn our_token_goes_nowhere_else() {
    let (scene, approval, _wire) = scene().await;
    let thief = Origin::plain().await;
    let there = format!("http://{}/", thief.addr);
    let mut claims = scene.teams.claims();
    claims["serviceurl"] = json!(there);
    let token = scene.teams.sign(&claims);
    for kind in ["invoke", "message", "installationUpdate"] {
        let mut activity = approval.clone();
        activity["type"] = json!(kind);
        activity["serviceUrl"] = json!(there);
        let reply = scene.teams.call_with(scene.holdpoint.control, &activity, &token).await;
        assert_eq!(reply.status, 403, "{kind}");
    }
    // Even when it stands in the database already.
    let mut database = scene.database().await;
    sqlx::query("INSERT INTO conversations VALUES ('19:ops@thread.tacv2', ?, 'channel', ?, '', NULL, 9e15)")
        .bind(TENANT)
        .bind(&there)
        .execute(&mut database)
        .await
        .expect("a row");
    let _second = scene.park("/held/other/things", "{}").await;
    soon("the refusal to post there", async {
        while !scene.holdpoint.log().contains("is not an address of the Bot Connector") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(thief.connections(), 0, "nobody ever called there");
}

#[tokio::test]
async fn a_button_is_good_in_its_own_message_only() {
    let (scene, approval, _wire) = scene().await;
    for (pointer, value) in [
        ("/replyToId", json!("1700000000099")),
        ("/conversation/id", json!("19:other@thread.tacv2;messageid=1700000000000")),
        ("/value/action/data/button", json!("hpb_guessed")),
        ("/value/action/data/choice", json!("release")),
        ("/value/action/verb", json!("deny")),
    ] {
        let mut forged = approval.clone();
        *forged.pointer_mut(pointer).expect("it is there") = value;
        let reply = scene.call(&forged).await;
        assert_eq!(reply.status, 200, "{pointer}");
        let text = reply.text();
        assert!(
            text.contains("no longer good") || text.contains("knows no such action"),
            "{pointer}: {text}"
        );
    }
    assert_eq!(scene.alice.pending().await.len(), 1);
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn what_is_no_activity_is_refused() {
    let (scene, _, _wire) = scene().await;
    let reply = scene.call(&json!(["not", "an", "object"])).await;
    assert_eq!(reply.status, 400);
    let reply = scene.call(&json!({ "text": "x".repeat(300_000) })).await;
    assert_eq!(reply.status, 413);
    let log = scene.holdpoint.log();
    for secret in ["the-client-secret", "connector-token-", "hpb_", APP] {
        assert!(!log.contains(secret) || secret == APP, "`{secret}` stands in the log");
    }
}
