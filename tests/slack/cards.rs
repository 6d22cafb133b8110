//! What a card shows, and what it must not do.

use super::*;
use support::slack::{buttons, labels};

#[tokio::test]
async fn what_a_hostile_agent_writes_is_text() {
    let scene = Scene::new().await;
    let says = "<!channel> *approve* <https://evil.test|the review> `x` @here";
    let fields = format!("Holdpoint-Reason: {says}\r\n");
    let _wire =
        scene.send("/held/%3C!here%3E", &fields, "```\n<!everyone> \u{202e}lanosrep\u{200b} & <b>").await;
    let card = scene.slack.first_card().await;
    let json = card.blocks.to_string();
    assert!(!json.contains("mrkdwn"), "no markup is made of anything");
    let text = all_text(&card.blocks);
    assert!(text.contains("<!everyone>") && text.contains("its own words, not checked"), "{text}");
    assert!(!json.contains('\u{202e}') && !json.contains('\u{200b}'), "made visible");
    assert!(!card.text.contains(['<', '>']), "{}", card.text);
    // The only addresses are ours.
    let urls = buttons(&card.blocks).into_iter().filter_map(|b| b["url"].as_str().map(str::to_owned));
    let page = format!("http://{}/holds/", scene.holdpoint.control);
    assert!(urls.into_iter().all(|url| url.starts_with(&page)));
}

#[tokio::test]
async fn what_does_not_fit_cannot_be_approved_here() {
    let scene = Scene::new().await;
    let _wire = scene.park(&"0123456789 ".repeat(1_500)).await;
    let card = scene.slack.first_card().await;
    assert_eq!(labels(&card.blocks), ["Deny…", "Open the review"]);
    assert!(all_text(&card.blocks).contains("more characters: open the review"));
    // Nor by who makes the press up.
    let mut payload = scene.slack.pressing("UALICE", &card, "Deny…");
    payload["actions"][0]["action_id"] = json!("approve");
    scene.slack.tell(payload.clone()).await;
    scene.slack.told("UALICE").await;
    scene.follow(&link_in(&scene.invitation("UALICE").await.blocks), "alice").await;
    scene.slack.tell(payload).await;
    let told = scene.slack.told("UALICE").await;
    assert!(told.starts_with("Your vote did not count: the card does not show the whole request."), "{told}");
    assert_eq!(scene.alice.hold(&hold_of(&card)).await["state"], "pending");
}

#[tokio::test]
async fn requests_of_one_kind_share_a_message_and_are_decided_one_by_one() {
    let scene = Scene::new().await;
    let first = scene.park("amount=1").await;
    scene.link("UALICE", "alice").await;
    let second = scene.park("amount=2").await;
    let card = scene
        .slack
        .wait("both in one message", |all| {
            all.iter().find(|post| all_text(&post.blocks).contains("amount=2")).cloned()
        })
        .await;
    assert!(all_text(&card.blocks).contains("amount=1"), "one message");
    assert_eq!(labels(&card.blocks).iter().filter(|label| *label == "Approve").count(), 2);
    let values: Vec<_> = buttons(&card.blocks).into_iter().filter(|b| b["action_id"] == "approve").collect();
    assert_ne!(values[0]["value"], values[1]["value"]);

    let mut payload = scene.slack.pressing("UALICE", &card, "Approve");
    payload["actions"][0]["value"] = values[1]["value"].clone();
    scene.slack.tell(payload).await;
    assert_eq!(scene.slack.told("UALICE").await, "Approved.");
    assert_eq!(answer(second).await.status, 200);
    let after = scene
        .slack
        .wait("one left", |all| {
            all.iter().find(|post| all_text(&post.blocks).contains("the service answered 200")).cloned()
        })
        .await;
    assert_eq!((after.ts.as_str(), labels(&after.blocks).len()), (card.ts.as_str(), 3));
    scene.slack.press("UALICE", &after, "Approve").await;
    assert_eq!(answer(first).await.status, 200);
}

#[tokio::test]
async fn a_card_waits_out_slacks_limits_and_comes_once() {
    let scene = Scene::new().await;
    scene.slack.limit("chat.postMessage", 1, 1);
    let _wire = scene.park("x").await;
    scene.slack.first_card().await;
    assert_eq!((scene.slack.calls("chat.postMessage"), scene.slack.posted().len()), (2, 1));
}

#[tokio::test]
async fn a_card_that_somebody_removed_is_posted_again_while_it_waits() {
    let scene = Scene::with(|setup| setup.rules(&rule("{ approvals: 2 }"))).await;
    let _wire = scene.park("x").await;
    scene.link("UALICE", "alice").await;
    let card = scene.slack.first_card().await;
    scene.slack.delete(&card.ts);
    let hold = scene.alice.hold(&hold_of(&card)).await;
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    let again = scene.slack.card(&hold_of(&card), "1 of 2").await;
    assert_ne!(again.ts, card.ts);
}
