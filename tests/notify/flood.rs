//! Many holds at once: few messages, and nothing lost.

use super::receiver::Receiver;
use super::{Scene, support::Wire};
use futures_util::future::join_all;
use serde_json::{Value, json};

const HOLDS: usize = 500;

#[tokio::test]
async fn five_hundred_holds_are_few_messages_and_none_is_lost() {
    let channel = Receiver::new().await;
    let siem = Receiver::new().await;
    let scene = Scene::with(|setup| {
        setup
            .set("/channels", json!({ "ops": { "workflow": channel.url("/flow") } }))
            .set("/webhooks", json!({ "siem": super::webhook(&siem, &["hold.created"]) }))
            .set("/routes", json!([{ "notify": ["ops"], "groups": ["oncall"] }]))
            .set("/hold/patience", json!("0s"))
            .set("/limits", json!({ "pending-per-agent": HOLDS }))
    })
    .await;
    for batch in 0..10 {
        let scene = &scene;
        let parked = (0..HOLDS / 10)
            .map(|at| async move { scene.park(&format!("/held/{batch}"), &at.to_string()).await });
        let mut wires: Vec<Wire> = join_all(parked).await;
        for reply in join_all(wires.iter_mut().map(Wire::reply)).await {
            assert_eq!(reply.status, 428);
        }
    }
    // The machine hears of each.
    let told = siem
        .until("every hold at the webhook", |came| {
            let told: std::collections::BTreeSet<String> =
                came.iter().map(|one| one.json()["subject"].to_string()).collect();
            (told.len() == HOLDS).then_some(told)
        })
        .await;
    assert_eq!(told.len(), HOLDS);
    // The people of the channel: each hold is in a card of its own or in the digest, and nothing waits.
    scene
        .until("nothing to wait for in the channel", "?channel=ops&state=waiting", |all| {
            all.is_empty().then_some(())
        })
        .await;
    let mut cards: Vec<Value> = Vec::new();
    let mut before = String::new();
    loop {
        let page = scene.deliveries(&format!("?channel=ops&limit=500{before}")).await;
        let Some(last) = page.last() else { break };
        before = format!("&before={}", last["id"]);
        cards.extend(page.into_iter().filter(|one| one["kind"] == "card"));
    }
    let holds: std::collections::BTreeSet<String> = cards.iter().map(|one| one["hold"].to_string()).collect();
    assert_eq!(holds.len(), HOLDS, "each has a delivery");
    let digested = cards.iter().filter(|one| one["answer"] == "in the digest").count();
    let posted = HOLDS - digested;
    assert!(posted <= 20, "{posted} cards");
    assert!(cards.iter().all(|one| one["state"] == "done"), "nothing failed");
    let messages = channel.came();
    assert!(messages.len() <= 80, "{} messages for {HOLDS} holds", messages.len());
    let last =
        messages.iter().rev().find(|one| String::from_utf8_lossy(&one.body).contains(&digested.to_string()));
    assert!(last.is_some(), "the digest counts all that have no card of their own");
}
