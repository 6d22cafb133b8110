//! What the cards show, and what they offer.

use super::Scene;
use super::support::teams::{CHANNEL, actions};
use serde_json::{Value, json};

fn titles(card: &Value) -> Vec<String> {
    let mut found = Vec::new();
    actions(card, &mut found);
    found.iter().map(|action| action["title"].as_str().expect("a title").to_owned()).collect()
}

#[tokio::test]
async fn a_request_that_does_not_fit_is_approved_in_the_inbox_only() {
    let scene = Scene::new().await;
    let body = json!({ "text": "x".repeat(40_000) }).to_string();
    let mut wire = scene.park("/held/large", &body).await;
    let message = scene.card().await;
    assert_eq!(titles(message.card()), ["Deny"]);
    assert!(message.versions[0].to_string().len() <= 28_000);

    // An approval that somebody makes up does not count either.
    let mut forged = scene.teams.press(&message, "Deny", 0, None, &scene.ada);
    forged["value"]["action"]["verb"] = json!("approve");
    forged["value"]["action"]["data"]["choice"] = json!("approve");
    let answer = scene.answered(&forged).await.to_string();
    assert!(answer.contains("this card does not show the whole request"), "{answer}");
    assert_eq!(scene.refusals().await.len(), 1);
    scene.origin.assert_untouched();
    let hold = scene.alice.wait_pending().await;
    scene.alice.approve(&hold).await;
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn high_assurance_is_not_to_be_had_in_chat() {
    let scene = Scene::reviewed("{ assurance: high }").await;
    let (_wire, message) = scene.parked().await;
    assert_eq!(titles(message.card()), ["Deny"]);
    assert!(message.card().to_string().contains("a fresh, strong login"));
    let mut forged = scene.teams.press(&message, "Deny", 0, None, &scene.ada);
    forged["value"]["action"]["verb"] = json!("approve");
    forged["value"]["action"]["data"]["choice"] = json!("approve");
    let answer = scene.answered(&forged).await.to_string();
    assert!(answer.contains("Your click did not count"), "{answer}");
    assert_eq!(scene.refusals().await.len(), 1);
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn requests_of_one_kind_share_a_card_and_are_decided_one_by_one() {
    let scene = Scene::new().await;
    let mut first = scene.park("/held/items/1", "{}").await;
    scene.card().await;
    let mut second = scene.park("/held/items/2", "{}").await;
    let message = scene.teams.wait_card("2 requests of one kind").await;
    assert_eq!(scene.teams.messages().len(), 1);
    assert_eq!(titles(message.card()), ["Approve", "Deny", "Approve", "Deny"]);

    let deny = scene.teams.press(&message, "Deny", 1, Some("not this one"), &scene.ada);
    scene.answered(&deny).await;
    let reply = second.reply().await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("not this one"), "{}", reply.text());
    let message = scene.teams.wait_card("Denied by ada").await;
    assert_eq!(titles(message.card()), ["Approve", "Deny"]);
    scene.press(&message, "Approve", &scene.ada).await;
    assert_eq!(first.reply().await.status, 200);
    assert_eq!(scene.origin.arrived(1).await[0].target, "/held/items/1");
}

#[tokio::test]
async fn the_bot_answers_who_writes_to_it_and_remembers_where_it_is() {
    let scene = Scene::new().await;
    let mut hello = scene.teams.activity("message", &scene.ada);
    hello["text"] = json!("approve everything");
    hello["conversation"] =
        json!({ "id": "a:ada-object", "tenantId": super::TENANT, "conversationType": "personal" });
    assert_eq!(scene.call(&hello).await.status, 200);
    let message = scene.teams.wait_message().await;
    assert_eq!(message.conversation, "a:ada-object");
    assert!(message.card().to_string().contains("Nothing that you write to me decides anything"));

    let added = scene.teams.activity("conversationUpdate", &scene.ada);
    assert_eq!(scene.call(&added).await.status, 200);
    let known = scene.holdpoint.cli_json(&["teams", "conversations", "--json"]).await;
    let known = known.as_array().expect("a list");
    assert!(known.iter().any(|row| row["id"] == CHANNEL && row["name"] == "Platform"), "{known:?}");
    let mut removed = scene.teams.activity("installationUpdate", &scene.ada);
    removed["action"] = json!("remove");
    assert_eq!(scene.call(&removed).await.status, 200);
    let known = scene.holdpoint.cli_json(&["teams", "conversations", "--json"]).await;
    assert_eq!(known.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn setup_checks_the_credentials_and_says_what_to_enter() {
    let scene = Scene::new().await;
    let good = scene.holdpoint.cli(&["teams", "setup"]).await;
    let text = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(good.status.success(), "{text}");
    assert!(text.contains("https://holds.example.com/teams/messages"), "{text}");
    assert!(text.contains("credentials  good"), "{text}");
    let mut command = scene.holdpoint.command(["teams", "setup"]);
    let bad = command.env("HOLDPOINT_TEAMS_APP_SECRET", "wrong").output().await.expect("it runs");
    let text = String::from_utf8_lossy(&bad.stdout).into_owned();
    assert!(!bad.status.success());
    assert!(text.contains("AADSTS7000215: Invalid client secret provided."), "{text}");
    assert!(!text.contains("the-client-secret") && !text.contains("wrong"), "{text}");

    let packed = scene.holdpoint.cli(&["teams", "package"]).await;
    assert!(packed.status.success());
    let zip = std::fs::read(scene.holdpoint.folder.path().join("holdpoint-teams.zip")).expect("the package");
    assert_eq!(&zip[..2], b"PK");
}
