//! `holdpoint slack setup`.

use super::*;

async fn setup(holdpoint: &Holdpoint, args: &[&str]) -> (bool, String) {
    let output = holdpoint.cli(&[&["slack", "setup"], args].concat()).await;
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("text"))
}

#[tokio::test]
async fn what_is_good_is_said_and_what_is_not_with_its_remedy() {
    let mut scene = Scene::new().await;
    let (good, text) = setup(&scene.holdpoint, &[]).await;
    assert!(good && text.contains("Ready: start `holdpoint serve`"), "{text}");
    for line in [
        "ok    the bot token is of the workspace Acme (`T0TEST`)",
        "ok    only members of `T0TEST` may decide",
        "ok    the bot has the scopes that it needs",
        "ok    the app token opens sockets",
        "ok    channel `security` is #security (C0SEC), and the bot is in it",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }

    scene.holdpoint.stop().await;
    let mut config: Value =
        serde_json::from_slice(&std::fs::read(scene.holdpoint.config_file()).unwrap()).unwrap();
    config["slack"]["team"] = json!("T0OTHER");
    config["slack"]["app-token"] = json!("xapp-wrong");
    config["channels"] = json!({ "out": { "slack": "C0OUT" }, "none": { "slack": "C0NONE" } });
    std::fs::write(scene.holdpoint.config_file(), config.to_string()).unwrap();
    let (good, text) = setup(&scene.holdpoint, &[]).await;
    assert!(!good && text.contains("Not ready yet"), "{text}");
    for line in [
        "FAIL  `slack.bot-token` is of the workspace `T0TEST`, but `slack.team` is `T0OTHER`",
        "FAIL  the app token: Slack refuses `apps.connections.open`: `invalid_auth`",
        "#outside (C0OUT), but the bot is not in it\n        in that channel, write: /invite @Holdpoint",
        "FAIL  channel `none` (C0NONE): Slack refuses `conversations.info`: `channel_not_found`",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("xapp-wrong"), "no secret is shown");
}

#[tokio::test]
async fn the_manifest_is_the_one_of_the_documentation() {
    let holdpoint = Setup::new().start().await;
    let (_, text) = setup(&holdpoint, &[]).await;
    let documented =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/slack-manifest.yaml")).unwrap();
    assert!(text.starts_with(documented.trim_end()), "{text}");
    let (_, text) = setup(&holdpoint, &["--http"]).await;
    assert!(text.contains("socket_mode_enabled: false") && text.contains("/slack/interactions"), "{text}");
}
