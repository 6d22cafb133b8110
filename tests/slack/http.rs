//! `POST /slack/interactions`: only what Slack signed, of now, and once.

use super::*;
use jiff::Timestamp;
use support::slack::{BOT_TOKEN, SIGNING_SECRET, TEAM, sign};

async fn scene() -> Scene {
    Scene::beside(|setup, slack| {
        let by_http = json!({
            "api": slack.api(), "bot-token": BOT_TOKEN, "signing-secret": SIGNING_SECRET, "team": TEAM,
            "mode": "http",
        });
        setup.set("/slack", by_http)
    })
    .await
}

async fn post(scene: &Scene, timestamp: &str, signature: &str, body: &str) -> u16 {
    let control = scene.holdpoint.control;
    let request = format!(
        "POST /slack/interactions HTTP/1.1\r\nHost: {control}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         X-Slack-Request-Timestamp: {timestamp}\r\nX-Slack-Signature: {signature}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    Wire::plain(control).await.ask(request).await.status
}

fn body(payload: &Value) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish()
}

fn seconds(ahead: i64) -> String {
    (Timestamp::now().as_second() + ahead).to_string()
}

#[tokio::test]
async fn what_slack_signed_counts_once() {
    let scene = scene().await;
    let _wire = scene.park("x").await;
    let card = scene.slack.first_card().await;
    let body = body(&scene.slack.pressing("UALICE", &card, "Approve"));
    let now = seconds(0);
    let signature = sign(&now, &body);
    assert_eq!(post(&scene, &now, &signature, &body).await, 200);
    assert!(scene.slack.told("UALICE").await.contains("I have sent you a link"));
    assert_eq!(post(&scene, &now, &signature, &body).await, 401, "a replay");
    assert_eq!(scene.ledger("hold.vote-refused").await.len(), 1, "it counted once");
}

#[tokio::test]
async fn all_else_is_refused() {
    let scene = scene().await;
    let _wire = scene.park("x").await;
    let card = scene.slack.first_card().await;
    let body = body(&scene.slack.pressing("UALICE", &card, "Approve"));
    let now = seconds(0);
    let good = sign(&now, &body);
    let tampered = body.replace("UALICE", "UOLGA0");
    for (what, timestamp, signature, body) in [
        ("no signature", now.as_str(), "", &body),
        ("another version", &now, &good.replace("v0", "v1"), &body),
        ("a wrong signature", &now, &sign(&now, "x"), &body),
        ("a changed body", &now, &good, &tampered),
        ("a changed time", &seconds(1), &good, &body),
        ("an old time", &seconds(-310), &sign(&seconds(-310), &body), &body),
        ("a time to come", &seconds(310), &sign(&seconds(310), &body), &body),
        ("no time", "", &good, &body),
    ] {
        assert_eq!(post(&scene, timestamp, signature, body).await, 401, "{what}");
    }
    assert_eq!(scene.slack.calls("users.info"), 0, "nobody was asked about");
    // The other mode's door is not there.
    let sockets = Scene::new().await;
    assert_eq!(post(&sockets, &now, &good, &body).await, 404);
}
