//! The cards before Microsoft's own library: `adaptivecards` from npm, in Node and in Chromium.

use super::Scene;
use super::support::soon;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;

/// Cards of every kind, as the binary posts them.
async fn cards() -> Vec<(&'static str, Value)> {
    let scene = Scene::reviewed("{ approvals: 2 }").await;
    scene.person("grace", &[]).await;
    let body = json!({ "charge": "ch_3Pq", "amount": 120_000, "reason": "requested_by_customer",
        "metadata": { "note": "*not* a [link](https://evil.example) <b>or markup</b>" } });
    let mut wire = scene.park("/held/refunds", &body.to_string()).await;
    let message = scene.card().await;
    let mut cards = vec![("teams-card", message.card().clone())];
    let stranger = scene.teams.person("stranger");
    cards.push(("teams-link", scene.press(&message, "Approve", &stranger).await));
    scene.press(&message, "Approve", &scene.ada).await;
    let message = scene.teams.wait_card("1 of 2 approvals").await;
    let grace = scene.teams.person("grace-object");
    scene.press(&message, "Approve", &grace).await;
    assert_eq!(wire.reply().await.status, 200);
    cards.push(("teams-released", scene.teams.wait_card("the service answered 200").await.card().clone()));

    let _first = scene.park("/held/items/1", "{}").await;
    let second = |teams: &super::Teams| teams.messages().get(1).cloned();
    scene.teams.wait("a second message", second).await;
    let _second = scene.park("/held/items/2", "{}").await;
    cards.push(("teams-list", scene.teams.wait_card("2 requests of one kind").await.card().clone()));
    cards
}

#[tokio::test]
async fn the_official_library_finds_nothing_wrong() {
    let cards: Vec<Value> = cards().await.into_iter().map(|(_, card)| card).collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), json!(cards).to_string()).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/teams/official.mjs");
    let output =
        run(Command::new(tools("python/bin/node")).args([&script, &tools("node"), file.path()])).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "[]");
}

/// `cargo test --test teams -- --ignored` makes the pictures of the documentation anew.
#[tokio::test]
#[ignore = "makes the pictures of the documentation"]
async fn pictures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = tools("node/node_modules/adaptivecards/dist/adaptivecards.js");
    let cards = cards().await;
    std::fs::write(root.join("target/teams-cards.json"), json!(cards).to_string()).expect("written");
    for (name, card) in cards {
        let page = include_str!("official.html")
            .replace("LIBRARY", &format!("file://{}", library.display()))
            .replace("CARD", &card.to_string().replace("</", "<\\/"));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("card.html");
        std::fs::write(&file, page).expect("written");
        let height = match name {
            "teams-link" => 790,
            "teams-list" => 800,
            _ => 670,
        };
        let shot = root.join(format!("docs/pictures/{name}.png"));
        let mut command = Command::new("chromium");
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .arg("--allow-file-access-from-files")
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg(format!("--window-size=720,{height}"))
            .arg(format!("--screenshot={}", shot.display()))
            .arg(format!("file://{}", file.display()));
        let output = run(&mut command).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

async fn run(command: &mut Command) -> Output {
    soon("the end of a command", command.kill_on_drop(true).output()).await.expect("it starts")
}

/// What `scripts/test` installs.
fn tools(path: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools").join(path);
    assert!(tools.exists(), "`{}` is missing: run scripts/test", tools.display());
    tools
}
