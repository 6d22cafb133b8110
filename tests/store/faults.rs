//! A locked database, and files as a crash leaves them.

use crate::support::{LONG, Office, ballot};
use holdpoint::approval::Choice::Approve;
use holdpoint::audit::EventKind;
use holdpoint::desk::{Outcome, ParkError, Settings, VoteError};
use holdpoint::hold::{HoldState, ReleaseOutcome};
use holdpoint::store::{self, Store, StoreError};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use std::path::Path;
use std::time::Duration;

#[tokio::test]
async fn while_the_database_is_locked_nothing_moves_and_then_all_does() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let waiter = office.wait(&agent, "one").await;
    let id = waiter.id().clone();
    let digest = office.hold(&id).await.digest;
    let path = folder.path().join("holdpoint.db");
    let mut conn = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut conn).await.unwrap();

    let (parked, voted, probed) = tokio::join!(
        office.park(&agent, "two"),
        office.desk.vote(&id, &bob, ballot(digest, Approve)),
        office.store.probe(),
    );
    assert!(matches!(parked, Err(ParkError::Store(StoreError::Database(_)))), "{parked:?}");
    assert!(matches!(voted, Err(VoteError::Store(StoreError::Database(_)))), "{voted:?}");
    assert!(probed.is_err());
    assert_eq!(office.hold(&id).await.state, HoldState::Pending, "readers still read");

    sqlx::query("ROLLBACK").execute(&mut conn).await.unwrap();
    office.store.probe().await.unwrap();
    drop(office.wait(&agent, "two").await);
    office.desk.vote(&id, &bob, ballot(digest, Approve)).await.unwrap();
    assert!(matches!(waiter.outcome(LONG).await, Outcome::Released(_)));
    office.assert_sound().await;
    office.close().await;
}

/// The files of a running office, as they are at this moment.
fn snapshot(from: &Path, to: &Path) {
    for name in ["seal.key", "holdpoint.db", "holdpoint.db-wal"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[tokio::test]
async fn after_a_crash_nothing_is_lost_and_nothing_released() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let pending = office.wait(&agent, "pending").await.id().clone();
    let approved = office.wait(&agent, "approved").await.id().clone();
    office.vote(&approved, &bob, Approve).await.unwrap();
    let waiter = office.wait(&agent, "released").await;
    let released = waiter.id().clone();
    office.vote(&released, &bob, Approve).await.unwrap();
    let Outcome::Released(release) = waiter.outcome(LONG).await else { panic!() };

    let crashed = tempfile::tempdir().unwrap();
    snapshot(folder.path(), crashed.path());
    drop(release);
    office.close().await;

    let office = Office::open(crashed.path(), Settings::default()).await;
    office.assert_sound().await;
    let hold = office.hold(&released).await;
    assert_eq!((hold.state, hold.outcome), (HoldState::Released, Some(ReleaseOutcome::Ambiguous)));
    let rows = office.rows(&released).await;
    assert_eq!(rows.last().unwrap().event.detail["why"], "outcome unknown after restart");
    assert_eq!(office.hold(&pending).await.state, HoldState::Pending);
    assert_eq!(office.hold(&approved).await.state, HoldState::Approved, "an acknowledged approval survives");
    assert_eq!(office.wait(&agent, "pending").await.id(), &pending, "the resend joins");
    assert_ne!(office.wait(&agent, "released").await.id(), &released);
    assert!(matches!(office.park(&agent, "approved").await.unwrap(), holdpoint::desk::Parked::Released(_)));
    office.close().await;
}

/// At whatever moment the process dies: every park that was acknowledged is there, and the ledger is sound.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_moment_leaves_a_sound_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    for round in 0..5 {
        let crashed = tempfile::tempdir().unwrap();
        let known = office.wait(&agent, &format!("known {round}")).await.id().clone();
        let busy = async {
            for number in 0..20 {
                let id = office.wait(&agent, &format!("{round} {number}")).await.id().clone();
                office.vote(&id, &bob, Approve).await.unwrap();
            }
        };
        let (from, to) = (folder.path().to_owned(), crashed.path().to_owned());
        let copy = tokio::task::spawn_blocking(move || snapshot(&from, &to));
        let (copied, ()) = tokio::join!(copy, busy);
        copied.unwrap();
        let after = Office::open(crashed.path(), Settings::default()).await;
        after.assert_sound().await;
        assert_eq!(after.events(&known).await, [EventKind::HoldCreated]);
        after.close().await;
    }
    office.close().await;
}

#[tokio::test]
async fn a_database_without_its_key_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let settings = store::Settings { data: folder.path().join("data") };
    Store::open(&settings).await.unwrap().close().await;
    let key = settings.data.join("seal.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(Store::open(&settings).await, Err(StoreError::Key { .. })));
    std::fs::write(&key, [1; 32]).unwrap();
    assert!(matches!(Store::open(&settings).await, Err(StoreError::Key { .. })));
    std::fs::write(&key, kept).unwrap();
    Store::open(&settings).await.unwrap().close().await;
}

#[tokio::test]
async fn the_data_folder_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let office = Office::open(&data, Settings::default()).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for name in ["seal.key", "holdpoint.db", "holdpoint.db-wal"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    office.close().await;
}

#[tokio::test]
async fn closing_does_not_wait_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let office = Office::open(folder.path(), Settings::default()).await;
    let agent = office.agent("ci", Some("alice")).await;
    let bob = office.reviewer("bob", &[]).await;
    let waiter = office.wait(&agent, "one").await;
    let id = waiter.id().clone();
    office.vote(&id, &bob, Approve).await.unwrap();
    let Outcome::Released(release) = waiter.outcome(LONG).await else { panic!() };
    office.desk.close(Duration::ZERO).await;
    assert!(matches!(office.park(&agent, "two").await, Err(ParkError::Store(StoreError::Closed))));
    office.store.close().await;
    assert!(matches!(office.store.probe().await, Err(StoreError::Closed)));
    release.answered(200);
    let office = Office::open(folder.path(), Settings::default()).await;
    assert_eq!(office.hold(&id).await.outcome, Some(ReleaseOutcome::Ambiguous));
    office.close().await;
}
