//! Who may not press, and what may not be pressed.

use super::*;
use support::slack::TEAM;

/// Presses as somebody who may not, and says what they were told.
async fn told(scene: &Scene, user: &str) -> String {
    let card = scene.slack.first_card().await;
    scene.slack.press(user, &card, "Approve").await;
    scene.slack.told(user).await
}

#[tokio::test]
async fn guests_bots_and_strangers_are_refused_and_recorded() {
    let scene = Scene::new().await;
    let _wire = scene.park("x").await;
    for (user, change, why) in [
        ("UGUEST", json!({ "is_restricted": true }), "the account is a guest"),
        ("UGUEST1", json!({ "is_ultra_restricted": true }), "the account is a guest"),
        ("UBOTTY", json!({ "is_bot": true }), "the account is a bot"),
        ("UGONE", json!({ "deleted": true }), "the account is deactivated"),
        ("USTRANGE", json!({ "is_stranger": true }), "the account is of another organisation"),
        ("UFOREIGN", json!({ "team_id": "T0OTHER" }), "the account is of another workspace"),
    ] {
        scene.slack.user(user, change);
        assert_eq!(told(&scene, user).await, format!("Your vote did not count: {why}."));
        let refusals = scene.refusals().await;
        assert!(refusals.contains(why) && refusals.contains(user), "{refusals}");
    }
    assert_eq!(scene.slack.posted().len(), 1, "nobody of them was sent a link");
    assert_eq!(scene.origin.seen().len(), 0);
}

#[tokio::test]
async fn another_workspace_is_refused_before_anything_is_asked() {
    let scene = Scene::new().await;
    let _wire = scene.park("x").await;
    let card = scene.slack.first_card().await;
    let asked = scene.slack.calls("users.info");
    for team in [json!({ "id": "T0OTHER" }), Value::Null] {
        let mut payload = scene.slack.pressing("UMALLORY", &card, "Approve");
        payload["team"] = team;
        scene.slack.tell(payload).await;
        assert_eq!(
            scene.slack.told("UMALLORY").await,
            "Your vote did not count: the account is of another workspace."
        );
    }
    assert_eq!(scene.slack.calls("users.info"), asked);
    assert!(scene.refusals().await.contains("another workspace"));
}

#[tokio::test]
async fn a_button_counts_in_its_own_message_only() {
    let scene = Scene::new().await;
    let _wire = scene.park("x").await;
    scene.link("UALICE", "alice").await;
    let card = scene.slack.first_card().await;
    for (pointer, value) in [
        ("/container/message_ts", "1700000000.999999"),
        ("/container/channel_id", "C0ELSE"),
        ("/actions/0/value", "hpb_guessed"),
    ] {
        let mut payload = scene.slack.pressing("UALICE", &card, "Approve");
        *payload.pointer_mut(pointer).unwrap() = json!(value);
        scene.slack.tell(payload).await;
        assert!(
            scene.slack.told("UALICE").await.starts_with("Nothing was decided: this card is out of date.")
        );
    }
    // Nor can a modal be sent in for a card of another message.
    scene.slack.press("UALICE", &card, "Deny…").await;
    let mut modal = scene.slack.modal("UALICE").await;
    let meta = modal["private_metadata"].as_str().unwrap().replace(&card.ts, "1700000000.999999");
    modal["private_metadata"] = json!(meta);
    scene.slack.submit("UALICE", &modal, "no").await;
    assert!(scene.slack.told("UALICE").await.starts_with("Nothing was decided"));
    assert_eq!(scene.alice.hold(&hold_of(&card)).await["state"], "pending");
}

#[tokio::test]
async fn whoever_slack_cannot_vouch_for_is_refused() {
    let scene = Scene::new().await;
    let _wire = scene.park("x").await;
    scene.link("UALICE", "alice").await;
    scene.slack.fail("users.info", 1, "internal_error");
    let answer = told(&scene, "UALICE").await;
    assert!(answer.starts_with("Your vote did not count: Slack could not tell who you are."), "{answer}");
    assert!(scene.refusals().await.contains("internal_error"));
}

#[tokio::test]
async fn a_guest_cannot_send_a_modal_in() {
    let scene = Scene::new().await;
    let _wire = scene.park("x").await;
    let card = scene.slack.first_card().await;
    scene.slack.press("UBOB", &card, "Deny…").await;
    let modal = scene.slack.modal("UBOB").await;
    scene.slack.user("UBOB", json!({ "is_restricted": true, "team_id": TEAM }));
    scene.slack.submit("UBOB", &modal, "no").await;
    assert_eq!(scene.slack.told("UBOB").await, "Your vote did not count: the account is a guest.");
    assert_eq!(scene.alice.hold(&hold_of(&card)).await["state"], "pending");
}

#[tokio::test]
async fn what_asks_for_a_strong_login_is_not_approved_here() {
    let scene = Scene::with(|setup| setup.rules(&rule("{ assurance: high }"))).await;
    let _wire = scene.park("x").await;
    let card = scene.slack.first_card().await;
    assert_eq!(support::slack::labels(&card.blocks), ["Deny…", "Open the review"]);
    assert!(all_text(&card.blocks).contains("fresh, strong login"));
    // Nor by who makes the press up.
    let mut payload = scene.slack.pressing("UBOB", &card, "Deny…");
    payload["actions"][0]["action_id"] = json!("approve");
    scene.slack.tell(payload.clone()).await;
    scene.slack.told("UBOB").await;
    let page = link_in(&scene.invitation("UBOB").await.blocks);
    scene.follow(&page, "bob").await;
    scene.slack.tell(payload).await;
    let told = scene.slack.told("UBOB").await;
    assert!(
        told.contains("this rule asks for a fresh, strong login") && told.contains("/holds/hp_"),
        "{told}"
    );
    assert_eq!(scene.alice.hold(&hold_of(&card)).await["state"], "pending");
}
