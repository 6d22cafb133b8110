//! The ledger: nothing in it changes without being noticed.

use crate::support::{Office, ballot};
use holdpoint::approval::Choice::{Approve, Deny};
use holdpoint::audit::{Event, EventKind};
use holdpoint::desk::{Settings, VoteError};
use holdpoint::digest::sha256_hex;
use holdpoint::ledger::{Filter, Verified};
use jiff::Timestamp;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use std::path::Path;

/// A connection such as somebody with access to the file has it.
async fn intruder(data: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(data.join("holdpoint.db")).connect().await.unwrap()
}

async fn run(conn: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(conn).await.map(drop)
}

/// A ledger with some rows: two agents, a hold, a refused vote and a denial.
async fn filled(data: &Path) -> Office {
    let office = Office::open(data, Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    office.agent("cd", None).await;
    let alice = office.reviewer("alice", &[]).await;
    let waiter = office.wait(&agent, "one").await;
    office.vote(waiter.id(), &alice, Approve).await.unwrap_err();
    office.vote(waiter.id(), &alice, Deny).await.unwrap();
    office
}

#[tokio::test]
async fn rows_neither_change_nor_go() {
    let folder = tempfile::tempdir().unwrap();
    let office = filled(folder.path()).await;
    let mut conn = intruder(folder.path()).await;
    for statement in [
        "UPDATE audit SET actor = 'person:mallory' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
        "INSERT INTO audit SELECT seq + 100, at, event, actor, subject, canonical, hash FROM audit WHERE seq = 1",
        "INSERT OR REPLACE INTO audit SELECT 1, at, event, actor, subject, canonical, hash FROM audit WHERE seq = 2",
        "DELETE FROM holds",
        "DELETE FROM votes",
        "UPDATE votes SET choice = 'approve'",
        "UPDATE holds SET state = 'approved' WHERE state = 'denied'",
        "UPDATE holds SET record = x'00'",
        "DELETE FROM agents",
    ] {
        assert!(run(&mut conn, statement).await.is_err(), "{statement}");
    }
    office.assert_sound().await;
    office.close().await;
}

#[tokio::test]
async fn whoever_goes_round_the_triggers_is_noticed() {
    for (statement, place) in [
        ("UPDATE audit SET actor = 'person:mallory' WHERE seq = 2", "row 2"),
        ("UPDATE audit SET at = at + 1 WHERE seq = 4", "row 4"),
        ("UPDATE audit SET subject = 'hp_000000000000' WHERE seq = 4", "row 4"),
        ("UPDATE audit SET canonical = replace(canonical, 'alice', 'carol') WHERE seq = 1", "row 1"),
        ("DELETE FROM audit WHERE seq = 3", "row 3"),
        ("DELETE FROM audit WHERE seq = 1", "row 1"),
        (
            "UPDATE audit SET canonical = b.canonical, hash = b.hash FROM audit b WHERE audit.seq = 2 AND b.seq = 3",
            "row 2",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let office = filled(folder.path()).await;
        office.assert_sound().await;
        let mut conn = intruder(folder.path()).await;
        for trigger in ["DROP TRIGGER audit_stays", "DROP TRIGGER audit_keeps"] {
            run(&mut conn, trigger).await.unwrap();
        }
        run(&mut conn, statement).await.unwrap();
        match office.ledger.verify().await.unwrap() {
            Verified::Broken { at, .. } => assert_eq!(at, place, "{statement}"),
            sound @ Verified::Sound { .. } => panic!("{statement}: {sound:?}"),
        }
        office.close().await;
    }
}

#[tokio::test]
async fn a_traffic_segment_is_checked_while_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let traffic = folder.path().join("traffic");
    std::fs::create_dir(&traffic).unwrap();
    let file = traffic.join("1.jsonl.zst");
    std::fs::write(&file, b"records").unwrap();
    let event = Event {
        at: Timestamp::UNIX_EPOCH,
        event: EventKind::TrafficSegment,
        actor: "holdpoint".to_owned(),
        subject: None,
        detail: json!({ "file": "1.jsonl.zst", "sha256": sha256_hex(b"records"), "records": 7 }),
    };
    let row = office.ledger.append(event).await.unwrap();
    assert_ne!(row.event.at, Timestamp::UNIX_EPOCH, "the database's clock counts");
    assert!(matches!(office.ledger.verify().await.unwrap(), Verified::Sound { segments: 1, rows: 1, .. }));
    std::fs::write(&file, b"record").unwrap();
    assert!(
        matches!(office.ledger.verify().await.unwrap(), Verified::Broken { at, .. } if at.contains("1.jsonl.zst"))
    );
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(office.ledger.verify().await.unwrap(), Verified::Sound { segments: 0, .. }));
    office.close().await;
}

#[tokio::test]
async fn rows_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let office = filled(folder.path()).await;
    let all = office.ledger.rows(&Filter::default()).await.unwrap();
    assert!(all.iter().zip(1..).all(|(row, seq)| row.seq == seq));
    let find = async |filter: Filter| office.ledger.rows(&filter).await.unwrap();
    let added = find(Filter { event: Some(EventKind::AgentAdded), ..Filter::default() }).await;
    assert_eq!(added.len(), 2);
    let by_alice = find(Filter { actor: Some("person:alice".to_owned()), ..Filter::default() }).await;
    let kinds: Vec<EventKind> = by_alice.iter().map(|row| row.event.event).collect();
    assert_eq!(kinds, [EventKind::HoldVoteRefused, EventKind::HoldVoted, EventKind::HoldDenied]);
    let page = find(Filter { after_seq: 2, limit: 2, ..Filter::default() }).await;
    assert_eq!(page.iter().map(|row| row.seq).collect::<Vec<_>>(), [3, 4]);
    let none = find(Filter { until: Some(Timestamp::UNIX_EPOCH), ..Filter::default() }).await;
    assert!(none.is_empty());
    assert_eq!(
        find(Filter { since: Some(Timestamp::UNIX_EPOCH), ..Filter::default() }).await.len(),
        all.len()
    );
    office.close().await;
}

/// What was parked cannot be changed under the reviewer's eyes: neither shown nor approved.
#[tokio::test]
async fn a_changed_request_is_neither_shown_nor_approved() {
    for statement in [
        "UPDATE holds SET record = (SELECT record FROM holds ORDER BY seq DESC LIMIT 1) WHERE seq = 1",
        "UPDATE holds SET url = 'https://api.example/harmless' WHERE seq = 1",
        "UPDATE holds SET expires_at = expires_at + 1 WHERE seq = 1",
        "UPDATE holds SET digest = zeroblob(32) WHERE seq = 1",
        "UPDATE bodies SET sealed = (SELECT sealed FROM bodies ORDER BY hold DESC LIMIT 1) WHERE hold = 1",
        "UPDATE bodies SET sealed = zeroblob(64) WHERE hold = 1",
        "DELETE FROM bodies WHERE hold = 1",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let office = Office::open(folder.path(), Settings::default()).await;
        let agent = office.agent("ci", Some("alice")).await;
        let bob = office.reviewer("bob", &[]).await;
        let waiter = office.wait(&agent, "one").await;
        let other = office.wait(&agent, "two").await;
        let id = waiter.id().clone();
        let digest = office.hold(&id).await.digest;
        let mut conn = intruder(folder.path()).await;
        run(&mut conn, "DROP TRIGGER holds_fixed").await.unwrap();
        run(&mut conn, statement).await.unwrap();
        assert!(office.desk.hold(&id).await.is_err(), "{statement}");
        let refused = office.desk.vote(&id, &bob, ballot(digest, Approve)).await.unwrap_err();
        assert!(matches!(refused, VoteError::Store(_)), "{statement}: {refused:?}");
        assert_eq!(office.events(&id).await, [EventKind::HoldCreated], "{statement}");
        office.vote(other.id(), &bob, Approve).await.unwrap();
        drop((waiter, other));
        office.close().await;
    }
}

/// Secrets of a request stand nowhere in the data folder in clear.
#[tokio::test]
async fn canaries_stay_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let token = office.reviewers.add("carol", &[]).await.unwrap();
    let link = office.reviewers.login_link("carol").await.unwrap();
    for (body, choice) in [("canary-in-body one", Approve), ("canary-in-body two", Deny)] {
        let waiter = office.wait(&agent, body).await;
        office.vote(waiter.id(), &bob, choice).await.unwrap();
        drop(waiter.outcome(crate::support::LONG).await);
    }
    let _pending = office.wait(&agent, "canary-in-body three").await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for canary in ["canary-in-body", "canary-in-query", "canary-in-words", &token, &link] {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} in {}", path.display());
        }
    }
    office.close().await;
}
