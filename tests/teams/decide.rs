//! From the card to the origin.

use super::Scene;
use super::support::{Wire, soon};
use serde_json::json;

#[tokio::test]
async fn an_approval_in_teams_releases_the_request() {
    let scene = Scene::new().await;
    let (mut wire, message) = scene.parked().await;
    let text = message.card().to_string();
    for shown in [
        "POST https://api.test/held/things",
        "120000",
        "The test says so.",
        "bot",
        "olga",
        "Waits for a decision.",
    ] {
        assert!(text.contains(shown), "`{shown}` is missing: {text}");
    }
    scene.origin.assert_untouched();

    let seen = scene.press(&message, "Approve", &scene.ada).await;
    assert!(!seen.to_string().contains("Action.Execute"), "nothing is left to decide: {seen}");
    assert_eq!(wire.reply().await.status, 200);
    assert_eq!(&scene.origin.arrived(1).await[0].body[..], br#"{"amount":120000}"#);

    // Everybody sees what came of it, and who did it.
    let after = scene.teams.wait_card("the service answered 200").await;
    assert!(after.card().to_string().contains("ada approved (teams)"), "{:#}", after.card());
    assert!(!after.card().to_string().contains("Action.Execute"));
    assert_eq!(scene.teams.messages().len(), 1, "one message, brought up to date");

    let rows = scene.holdpoint.ledger().await;
    let vote = rows.iter().find(|row| row["event"] == "hold.voted").expect("a vote");
    assert_eq!(vote["actor"], "person:ada");
    let detail = vote["detail"].to_string();
    for said in ["teams", "chat", "ada-object"] {
        assert!(detail.contains(said), "`{said}` is missing: {detail}");
    }
    assert_eq!(scene.teams.tokens(), 1, "one token for all calls");
}

#[tokio::test]
async fn a_denial_gives_the_agent_its_reason() {
    let scene = Scene::new().await;
    let (mut wire, message) = scene.parked().await;
    scene.press_with(&message, "Deny", Some("  use the staging site "), &scene.ada).await;
    let reply = wire.reply().await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("use the staging site"), "{}", reply.text());
    let after = scene.teams.wait_card("Denied by ada").await;
    assert!(after.card().to_string().contains("use the staging site"));
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn an_old_client_decides_by_submit() {
    let scene = Scene::new().await;
    let (mut wire, message) = scene.parked().await;
    let invoke = scene.teams.press(&message, "Approve", 0, None, &scene.ada);
    let mut submit = invoke.clone();
    submit["type"] = json!("message");
    submit["value"] = invoke["value"]["action"]["data"].clone();
    submit.as_object_mut().expect("an object").remove("name");
    assert_eq!(scene.call(&submit).await.status, 200);
    assert_eq!(wire.reply().await.status, 200);
    scene.teams.wait_card("the service answered 200").await;
}

#[tokio::test]
async fn two_people_are_two_people() {
    let scene = Scene::reviewed("{ approvals: 2, each: [security, owners] }").await;
    // One person in both groups stands for one of them only.
    let both = scene.person("both", &["security", "owners"]).await;
    let (mut wire, message) = scene.parked().await;
    scene.press(&message, "Approve", &both).await;
    let message = scene.teams.wait_card("1 of 2 approvals").await;
    let again = scene.press(&message, "Approve", &both).await;
    assert!(again.to_string().contains("1 of 2 approvals"), "their second click changes nothing: {again}");
    scene.origin.assert_untouched();

    scene.press(&message, "Approve", &scene.ada).await;
    assert_eq!(wire.reply().await.status, 200);
    let rows = scene.holdpoint.ledger().await;
    let voted: Vec<_> =
        rows.iter().filter(|row| row["event"] == "hold.voted").map(|row| &row["actor"]).collect();
    assert_eq!(voted, ["person:both", "person:ada"]);
}

#[tokio::test]
async fn a_restart_between_card_and_click_changes_nothing() {
    let mut scene = Scene::new().await;
    let (wire, message) = scene.parked().await;
    scene.holdpoint.kill().await;
    drop(wire);
    scene.holdpoint.start_again().await;
    scene.press(&message, "Approve", &scene.ada).await;
    let after = scene.teams.wait_card("It leaves when the agent repeats it").await;
    assert_eq!(after.activity, message.activity);
    let mut wire: Wire = scene.park("/held/things", r#"{"amount":120000}"#).await;
    assert_eq!(wire.reply().await.status, 200);
    scene.teams.wait_card("the service answered 200").await;
    assert_eq!(scene.teams.messages().len(), 1);
}

#[tokio::test]
async fn what_has_expired_is_not_decided() {
    let scene = Scene::reviewed("{ expires: 2s }").await;
    let (_wire, message) = scene.parked().await;
    let after = scene.teams.wait_card("Expired").await;
    assert!(!after.card().to_string().contains("Action.Execute"));
    // From the view that was there before.
    let answer = scene.press(&message, "Approve", &scene.ada).await;
    assert!(answer.to_string().contains("Your click did not count: the hold is expired."), "{answer}");
    assert_eq!(scene.refusals().await.len(), 1);
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn two_clicks_at_once_are_one_release() {
    let scene = Scene::new().await;
    let bob = scene.person("bob", &[]).await;
    let (mut wire, message) = scene.parked().await;
    tokio::join!(scene.press(&message, "Approve", &scene.ada), scene.press(&message, "Approve", &bob));
    assert_eq!(wire.reply().await.status, 200);
    scene.teams.wait_card("the service answered 200").await;
    assert_eq!(scene.origin.arrived(1).await.len(), 1);
}

#[tokio::test]
async fn a_decision_elsewhere_reaches_the_card() {
    let scene = Scene::new().await;
    let (mut wire, _) = scene.parked().await;
    let hold = scene.alice.wait_pending().await;
    scene.alice.deny(&hold, "no").await;
    assert_eq!(wire.reply().await.status, 403);
    scene.teams.wait_card("Denied by alice").await;
}

#[tokio::test]
async fn what_teams_does_not_take_at_once_comes_later() {
    let scene = Scene::new().await;
    for status in [429, 412, 502] {
        scene.teams.fail_next(status, None);
    }
    let (_wire, message) = scene.parked().await;
    assert_eq!(message.versions.len(), 1);
    assert_eq!(scene.teams.messages().len(), 1, "posted once");
    soon("the end of the attempts", async {
        while !scene.holdpoint.log().contains("not taken yet") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
