//! The book of events: complete, and it shows when somebody wrote in it.

use super::Scene;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

#[tokio::test]
async fn every_step_of_a_hold_is_in_the_ledger() {
    let scene = Scene::new().await;
    let mut wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    scene.alice.approve(&hold).await;
    assert_eq!(wire.reply().await.status, 200);
    let id = hold["id"].as_str().unwrap();
    let answered = |hold: &Value| hold["outcome"]["status"] == 200;
    scene.alice.wait_detail(id, "the origin's answer to be recorded", answered).await;
    let ledger = scene.holdpoint.ledger().await;
    let steps: Vec<&str> =
        ledger.iter().filter(|r| r["subject"] == id).filter_map(|r| r["event"].as_str()).collect();
    assert_eq!(steps, ["hold.created", "hold.voted", "hold.approved", "hold.released", "hold.answered"]);
    let sequence: Vec<_> = ledger.iter().filter_map(|r| r["seq"].as_u64()).collect();
    assert_eq!(sequence, (1..=ledger.len() as u64).collect::<Vec<_>>(), "without gaps");
    let voted = ledger.iter().find(|r| r["event"] == "hold.voted").unwrap();
    assert!(voted["actor"].as_str().is_some_and(|a| a.contains("alice")), "{voted}");
    assert!(voted.to_string().contains("\"api\""), "through which channel: {voted}");
}

#[tokio::test]
async fn verify_finds_a_change() {
    let mut scene = Scene::new().await;
    let mut wire = scene.park("x").await;
    let hold = scene.alice.wait_pending().await;
    scene.alice.deny(&hold, "no").await;
    wire.reply().await;
    scene.holdpoint.stop().await;
    let verify = || scene.holdpoint.cli(&["ledger", "verify"]);
    let sound = verify().await;
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stderr));

    let database = scene.holdpoint.data.join("holdpoint.db");
    sql(&database, "drop trigger audit_stays");
    let row = "(select seq from audit where event = 'hold.denied')";
    sql(
        &database,
        &format!("update audit set canonical = replace(canonical, 'alice', 'mallory') where seq = {row}"),
    );
    let broken = verify().await;
    assert!(!broken.status.success(), "a changed row goes unnoticed");
    let said = String::from_utf8_lossy(&[broken.stdout, broken.stderr].concat()).into_owned();
    assert!(said.contains(|c: char| c.is_ascii_digit()), "it says where: {said}");

    sql(
        &database,
        &format!("update audit set canonical = replace(canonical, 'mallory', 'alice') where seq = {row}"),
    );
    assert!(verify().await.status.success(), "the change was all that was wrong");
    sql(&database, "drop trigger audit_keeps");
    sql(&database, &format!("delete from audit where seq = {row}"));
    assert!(!verify().await.status.success(), "a missing row goes unnoticed");
}

/// Writes in the database as an intruder would: with a tool of their own.
fn sql(database: &Path, statement: &str) {
    let program = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute(sys.argv[2])\nc.commit()";
    let status = Command::new("python3").args(["-c", program]).arg(database).arg(statement).status();
    assert!(status.expect("python3 is there").success(), "{statement}");
}
