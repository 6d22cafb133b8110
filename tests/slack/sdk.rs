//! The official SDKs against the fake: what Slack's own code takes for Slack is good enough to test ours with. And
//! Slack's own models of blocks against our cards.

use super::*;
use std::path::PathBuf;
use std::process::Stdio;
use support::slack::{APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, sign};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Starts a script of `tests/slack` with the tools that `scripts/test` installs.
async fn script(program: &str, name: &str, slack: &FakeSlack, stdin: &Value) -> tokio::process::Child {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let tools = root.join("target/test-tools");
    let mut child = Command::new(tools.join("python/bin").join(program))
        .arg(root.join("tests/slack").join(name))
        .env("SLACK_API", format!("{}/", slack.api()))
        .env("BOT_TOKEN", BOT_TOKEN)
        .env("APP_TOKEN", APP_TOKEN)
        .env("SIGNING_SECRET", SIGNING_SECRET)
        .env("NODE_PATH", tools.join("node/node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the tools are installed by `scripts/test`");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(stdin.to_string().as_bytes()).await.expect("it reads");
    child
}

async fn passes(child: tokio::process::Child) {
    let output = soon("the end of the script", child.wait_with_output()).await.expect("an end");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("all good"),
        "{said}"
    );
}

/// A socket of the SDK takes a press and acknowledges it.
async fn over_a_socket(slack: &FakeSlack) {
    slack.sockets(1).await;
    slack
        .tell(json!({ "type": "block_actions", "actions": [{ "action_id": "approve", "value": "hpb_1" }] }))
        .await;
}

#[tokio::test]
async fn pythons_sdk_takes_the_fake_for_slack_and_our_cards_for_blocks() {
    let scene = Scene::new().await;
    let _wire = scene.send("/held/x", "Holdpoint-Reason: because\r\n", "a=1").await;
    let card = scene.slack.first_card().await;
    scene.slack.press("UALICE", &card, "Deny…").await;
    let modal = scene.slack.modal("UALICE").await;
    let long = {
        let _wire = scene.park(&"x".repeat(20_000)).await;
        scene.slack.wait("a long card", |all| all.get(1).cloned()).await
    };

    let slack = FakeSlack::start().await;
    slack.user("UALICE", json!({}));
    let given = json!({
        "cards": [card.blocks, long.blocks], "modal": modal,
        "timestamp": "1531420618", "body": "payload=%7B%7D", "signature": sign("1531420618", "payload=%7B%7D"),
    });
    let child = script("python", "sdk.py", &slack, &given).await;
    tokio::join!(over_a_socket(&slack), passes(child));
}

#[tokio::test]
async fn nodes_sdk_takes_the_fake_for_slack() {
    let slack = FakeSlack::start().await;
    slack.user("UALICE", json!({}));
    let child = script("node", "sdk.cjs", &slack, &json!({})).await;
    tokio::join!(over_a_socket(&slack), passes(child));
}
