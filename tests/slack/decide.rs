//! Hold, card, click, release.

use super::*;
use support::slack::labels;

#[tokio::test]
async fn a_click_releases_and_the_card_says_how_it_ended() {
    let scene = Scene::new().await;
    let wire = scene.park("amount=12").await;
    let card = scene.slack.first_card().await;
    let hold = hold_of(&card);
    assert!(all_text(&card.blocks).contains("amount=12") && all_text(&card.blocks).contains("0 of 1"));
    assert_eq!(labels(&card.blocks), ["Approve", "Deny…", "Open the review"]);

    // The first click is of an account that nobody knows: a way to say whose it is, and nothing else.
    scene.link("UALICE", "alice").await;
    assert!(scene.refusals().await.contains("nobody knows whose account this is"));
    assert_eq!(scene.alice.hold(&hold).await["state"], "pending");

    scene.slack.press("UALICE", &card, "Approve").await;
    assert_eq!(scene.slack.told("UALICE").await, "Approved.");
    assert_eq!(answer(wire).await.status, 200);
    let ended = scene.slack.card(&hold, "the service answered 200").await;
    assert_eq!((ended.ts.as_str(), labels(&ended.blocks)), (card.ts.as_str(), vec![]));

    let voted = scene.ledger("hold.voted").await;
    let voted = json!(voted).to_string();
    assert!(voted.contains("slack:T0TEST/UALICE") && voted.contains("\"chat\""), "{voted}");
}

#[tokio::test]
async fn a_denial_has_a_reason_that_the_agent_hears() {
    let scene = Scene::new().await;
    let wire = scene.park("amount=12").await;
    scene.link("UALICE", "alice").await;
    let card = scene.slack.first_card().await;
    scene.slack.press("UALICE", &card, "Deny…").await;
    let modal = scene.slack.modal("UALICE").await;
    scene.slack.submit("UALICE", &modal, "Not on a <!channel> Friday.").await;
    assert_eq!(scene.slack.told("UALICE").await, "Denied. The agent is told.");
    let reply = answer(wire).await;
    assert!(reply.status == 403 && reply.text().contains("Not on a <!channel> Friday."), "{}", reply.text());
    let ended = scene.slack.card(&hold_of(&card), "Not on a <!channel> Friday.").await;
    assert!(labels(&ended.blocks).is_empty() && !ended.text.contains("<!"), "{ended:?}");
}

#[tokio::test]
async fn two_people_means_two_people() {
    let scene = Scene::with(|setup| setup.rules(&rule("{ approvals: 2 }"))).await;
    let wire = scene.park("x").await;
    scene.link("UALICE", "alice").await;
    let card = scene.slack.first_card().await;
    let hold = hold_of(&card);
    scene.slack.press("UALICE", &card, "Approve").await;
    assert_eq!(
        scene.slack.told("UALICE").await,
        "Your approval counts. 1 of 2. Others must approve as well."
    );
    let card = scene.slack.card(&hold, "1 of 2").await;
    scene.slack.press("UALICE", &card, "Approve").await;
    assert!(scene.slack.told("UALICE").await.contains("1 of 2"), "the same person counts once");

    scene.link("UBOB", "bob").await;
    scene.slack.press("UBOB", &card, "Approve").await;
    assert_eq!(scene.slack.told("UBOB").await, "Approved.");
    assert_eq!(answer(wire).await.status, 200);
    scene.slack.card(&hold, "the service answered 200").await;
}

#[tokio::test]
async fn nobody_approves_their_own_agent_but_may_stop_it() {
    let scene = Scene::new().await;
    let wire = scene.park("x").await;
    scene.link("UOLGA", "olga").await;
    let card = scene.slack.first_card().await;
    scene.slack.press("UOLGA", &card, "Approve").await;
    let told = scene.slack.told("UOLGA").await;
    assert_eq!(told, "Your vote did not count: nobody approves the calls of their own agent.");
    assert!(scene.refusals().await.contains("own agent"));
    assert_eq!(scene.origin.seen().len(), 0);

    scene.slack.press("UOLGA", &card, "Deny…").await;
    let modal = scene.slack.modal("UOLGA").await;
    scene.slack.submit("UOLGA", &modal, "mine, and wrong").await;
    assert_eq!(answer(wire).await.status, 403);
}

#[tokio::test]
async fn a_decision_elsewhere_reaches_the_card() {
    let scene = Scene::new().await;
    let wire = scene.park("x").await;
    let card = scene.slack.first_card().await;
    let hold = scene.alice.hold(&hold_of(&card)).await;
    assert_eq!(scene.alice.deny(&hold, "seen in the inbox").await.status, 200);
    assert_eq!(answer(wire).await.status, 403);
    let ended = scene.slack.card(&hold_of(&card), "seen in the inbox").await;
    // Whoever still has the old card on their screen decides nothing any more.
    scene.slack.press("UALICE", &card, "Deny…").await;
    assert_eq!(scene.slack.told("UALICE").await, "Your vote did not count: the hold is denied.");
    assert!(labels(&ended.blocks).is_empty());
}

#[tokio::test]
async fn an_expired_card_says_so() {
    let scene = Scene::with(|setup| setup.set("/hold/expires", json!("2s"))).await;
    let wire = scene.park("x").await;
    let card = scene.slack.first_card().await;
    assert_eq!(answer(wire).await.status, 403);
    let ended = scene.slack.card(&hold_of(&card), "Expired").await;
    assert!(labels(&ended.blocks).is_empty());
}

#[tokio::test]
async fn a_restart_between_card_and_click_changes_nothing() {
    let mut scene = Scene::new().await;
    let wire = scene.park("x").await;
    scene.link("UALICE", "alice").await;
    let card = scene.slack.first_card().await;
    drop(wire);
    scene.holdpoint.kill().await;
    scene.slack.drop_sockets().await;
    scene.slack.sockets(0).await;
    scene.holdpoint.start_again().await;
    scene.slack.sockets(2).await;

    scene.slack.press("UALICE", &card, "Approve").await;
    assert_eq!(scene.slack.told("UALICE").await, "Approved.");
    scene.slack.card(&hold_of(&card), "It leaves when the agent repeats it").await;
    assert_eq!(answer(scene.park("x").await).await.status, 200);
    let ended = scene.slack.card(&hold_of(&card), "the service answered 200").await;
    assert_eq!(ended.ts, card.ts);
}
