//! Sockets that die, are renewed, and cannot be opened.

use super::*;

async fn scene(silence: &str) -> Scene {
    let silence = json!(silence);
    Scene::with(|setup| setup.set("/slack/silence", silence)).await
}

/// A press arrives.
async fn hears(scene: &Scene) {
    let card = scene.slack.first_card().await;
    scene.slack.press("UALICE", &card, "Approve").await;
    assert!(scene.slack.told("UALICE").await.starts_with("Your vote did not count"));
}

#[tokio::test]
async fn two_sockets_and_either_will_do() {
    let scene = scene("60s").await;
    scene.slack.sockets(2).await;
    let _wire = scene.park("x").await;
    hears(&scene).await;
    let metrics = scene.alice.get("/metrics").await.text();
    assert!(metrics.contains("holdpoint_slack_sockets 2"), "{metrics}");
    assert!(metrics.contains("holdpoint_slack_silence_seconds "), "{metrics}");
}

#[tokio::test]
async fn a_socket_that_is_silent_is_replaced() {
    let scene = scene("1s").await;
    scene.slack.sockets(2).await;
    let before = scene.slack.opened_so_far();
    scene.slack.half_die().await;
    scene.slack.opened(before + 2).await;
    let _wire = scene.park("x").await;
    hears(&scene).await;
}

#[tokio::test]
async fn a_socket_that_lives_is_not() {
    let scene = scene("1s").await;
    scene.slack.sockets(2).await;
    let before = scene.slack.opened_so_far();
    scene.slack.pongs(20).await; // of two sockets, in about three seconds
    assert_eq!(scene.slack.opened_so_far(), before);
}

#[tokio::test]
async fn the_next_socket_is_open_before_the_old_one_goes() {
    let scene = scene("60s").await;
    scene.slack.sockets(2).await;
    for reason in ["warning", "refresh_requested"] {
        let before = scene.slack.opened_so_far();
        // As long as no new one can be opened, the old ones serve.
        scene.slack.fail("apps.connections.open", 1_000, "internal_error");
        scene.slack.refresh(reason).await;
        let _wire = scene.park("x").await;
        hears(&scene).await;
        assert_eq!(scene.slack.opened_so_far(), before);
        scene.slack.mend("apps.connections.open");
        scene.slack.opened(before + 2).await;
        scene.slack.sockets(2).await;
        hears(&scene).await;
    }
}

#[tokio::test]
async fn opening_is_tried_until_it_works_and_the_channel_is_told() {
    let scene = scene("1s").await;
    scene.slack.sockets(2).await;
    scene.slack.fail("apps.connections.open", 1_000, "internal_error");
    scene.slack.drop_sockets().await;
    let says =
        |text: &'static str| move |all: &[Posted]| all.iter().find(|post| post.text.contains(text)).map(drop);
    scene.slack.wait("the channel is told", says("does not hear the buttons")).await;
    scene.slack.mend("apps.connections.open");
    scene.slack.sockets(2).await;
    scene.slack.wait("and told again", says("hears the buttons here again")).await;
    assert!(scene.holdpoint.log().contains("no socket to Slack could be opened"));
}
