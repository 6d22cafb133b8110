//! A database that cannot be written: full, read-only, broken in the middle of a job.

use super::{Ballot, ParkResult, Parking, Profile, Settings, Store, StoreError, Terms, VoteTerms, audit};
use crate::agent::{Agent, LOCAL_AGENT};
use crate::approval::{Channel, Choice, Login, Reviewer, Vote};
use crate::audit::EventKind;
use crate::digest::{RequestDigest, sha256_hex};
use crate::hold::{AgentWords, HoldId, HoldState, ParkedRequest};
use crate::person::Person;
use crate::ruling::{Grounds, ReviewPolicy, Risk};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

fn terms() -> Terms {
    Terms {
        solo: true,
        expires: Duration::from_hours(1),
        approval_life: Duration::from_hours(1),
        pending_per_agent_max: 1000,
        charter: Arc::default(),
        grants: Arc::default(),
    }
}

async fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Settings { data: folder.path().to_owned() }).await.unwrap();
    (folder, store)
}

fn parking(body: &str) -> Parking {
    let mut digest = [0; 32];
    digest.copy_from_slice(&sha256_hex(body.as_bytes()).as_bytes()[..32]);
    Parking {
        agent: Arc::new(Agent {
            id: 1,
            name: LOCAL_AGENT.to_owned(),
            owners: Vec::new(),
            labels: BTreeMap::new(),
        }),
        initiator: None,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        digest: RequestDigest(digest),
        request: ParkedRequest {
            method: "POST".to_owned(),
            url: "https://api.example/things".to_owned(),
            host: "api.example".to_owned(),
            http_version: "HTTP/2".to_owned(),
            headers: Vec::new(),
            body_bytes: body.len() as u64,
            body_sha256: sha256_hex(body.as_bytes()),
            body: Some(body.to_owned().into()),
        },
        grounds: Grounds {
            rule: "test/post".to_owned(),
            why: String::new(),
            risk: Risk::Low,
            tags: Vec::new(),
            matched: Vec::new(),
            review: ReviewPolicy::default(),
            summary: String::new(),
            ruleset: String::new(),
            parts: Vec::new(),
            held_by: Vec::new(),
        },
        words: AgentWords::default(),
    }
}

async fn park(store: &Store, body: &str) -> Result<HoldId, StoreError> {
    match store.park(parking(body), terms(), |id, _| id).await? {
        ParkResult::Waiting(id) => Ok(id),
        other => panic!("{other:?}"),
    }
}

async fn approve(store: &Store, id: &HoldId, reason: String) -> Result<Ballot, StoreError> {
    let digest = store.hold(id).await.unwrap().unwrap().digest;
    let vote = Vote { digest, choice: Choice::Approve, reason: Some(reason), channel: Channel::Cli };
    let person = Person { issuer: "https://idp.example".to_owned(), subject: "bob".to_owned() };
    let profile = Profile {
        person: person.clone(),
        key: None,
        display: "Bob".to_owned(),
        email: None,
        groups: std::collections::BTreeSet::default(),
        groups_at: Timestamp::now(),
    };
    assert!(store.know(profile).await?);
    let reviewer = Reviewer {
        person,
        key: None,
        display: String::new(),
        groups: std::collections::BTreeSet::default(),
        groups_at: None,
        login: Login::default(),
    };
    let terms = VoteTerms {
        solo: true,
        approval_life: Duration::from_hours(1),
        charter: Arc::default(),
        grants: Arc::default(),
    };
    store.vote(id, &reviewer, vote, None, terms).await
}

/// Runs a statement on the connection that writes.
async fn on_writer(store: &Store, statement: &'static str) -> Result<(), StoreError> {
    store
        .queue
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(statement).execute(&mut tx.conn).await?;
                Ok(())
            })
        })
        .await
}

async fn rows(store: &Store) -> i64 {
    audit::last_seq(&store.readers).await.unwrap()
}

async fn assert_sound(store: &Store) {
    let verified = store.verify().await.unwrap();
    assert!(matches!(verified, audit::Verified::Sound { .. }), "{verified:?}");
}

/// SQLite takes no page more than there are: what a full disk is to it.
const FULL: &str = "PRAGMA max_page_count = 1";
const ROOM: &str = "PRAGMA max_page_count = 1000000";

#[tokio::test]
async fn a_full_disk_parks_nothing_and_decides_nothing() {
    let (_folder, store) = open().await;
    let id = park(&store, "before").await.unwrap();
    on_writer(&store, FULL).await.unwrap();
    let before = rows(&store).await;

    let large = "x".repeat(100_000);
    let refused = park(&store, &large).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Database(e) if e.to_string().contains("full")), "{refused:?}");
    on_writer(&store, FULL).await.unwrap();
    assert!(approve(&store, &id, large.clone()).await.is_err());
    assert_eq!(rows(&store).await, before, "no row of what did not happen");
    assert_eq!(store.hold(&id).await.unwrap().unwrap().state, HoldState::Pending);
    assert!(store.hold(&id).await.unwrap().unwrap().votes.is_empty());
    assert!(!store.claim(&id).await.unwrap());

    on_writer(&store, ROOM).await.unwrap();
    park(&store, &large).await.unwrap();
    assert!(matches!(approve(&store, &id, large).await.unwrap(), Ballot::Recorded(_)));
    assert!(store.claim(&id).await.unwrap());
    assert!(!store.claim(&id).await.unwrap(), "once");
    assert_sound(&store).await;
    store.close().await;
}

#[tokio::test]
async fn an_approval_that_cannot_be_spent_stands() {
    let (_folder, store) = open().await;
    let id = park(&store, "one").await.unwrap();
    approve(&store, &id, String::new()).await.unwrap();
    on_writer(&store, "PRAGMA query_only = ON").await.unwrap();
    let refused = store.claim(&id).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Database(e) if e.to_string().contains("readonly")), "{refused:?}");
    assert_eq!(store.hold(&id).await.unwrap().unwrap().state, HoldState::Approved);
    // The connection that failed was given up; the next one can write.
    store.probe().await.unwrap();
    on_writer(&store, "PRAGMA query_only = ON").await.unwrap();
    assert!(store.probe().await.is_err());
    assert!(store.claim(&id).await.unwrap());
    assert_sound(&store).await;
    store.close().await;
}

/// A job that fails after it has written is undone alone; its neighbours in the transaction stay.
#[tokio::test]
async fn a_job_that_fails_is_undone_alone() {
    let (_folder, store) = open().await;
    let failing = store.queue.write(|tx| {
        Box::pin(async move {
            tx.record(EventKind::ServerStarted, "holdpoint".to_owned(), None, json!({})).await?;
            sqlx::query("DELETE FROM audit").execute(&mut tx.conn).await?;
            Ok(())
        })
    });
    let (before, failed, after) = tokio::join!(park(&store, "one"), failing, park(&store, "two"));
    before.unwrap();
    after.unwrap();
    assert!(failed.is_err());
    assert_eq!(rows(&store).await, 2);
    assert_sound(&store).await;
    store.close().await;
}

/// A connection that is lost in the middle of a transaction takes its jobs with it, and no more.
#[tokio::test]
async fn a_lost_transaction_is_lost_whole_and_the_next_one_works() {
    let (_folder, store) = open().await;
    let losing = store.queue.write(|tx| {
        Box::pin(async move {
            sqlx::query("ROLLBACK").execute(&mut tx.conn).await?;
            Ok(())
        })
    });
    let (neighbour, lost) = tokio::join!(park(&store, "one"), losing);
    assert!(neighbour.is_err() && lost.is_err(), "nobody is told of success without a commit");
    assert_eq!(rows(&store).await, 0);
    park(&store, "one").await.unwrap();
    assert_sound(&store).await;
    store.close().await;
}

/// A failed commit drops the seat: who was told to wait does not wait with a hold that is not there.
#[tokio::test]
async fn a_seat_ends_with_the_transaction_that_made_it() {
    let (_folder, store) = open().await;
    let seat = Arc::new(());
    let (kept, other) = (Arc::clone(&seat), Arc::clone(&seat));
    let losing = store.queue.write(|tx| {
        Box::pin(async move {
            sqlx::query("ROLLBACK").execute(&mut tx.conn).await?;
            Ok(())
        })
    });
    let parking_lost = store.park(parking("one"), terms(), move |_, _| kept);
    let (parked, _) = tokio::join!(parking_lost, losing);
    assert!(parked.is_err());
    assert_eq!(Arc::strong_count(&seat), 2);
    drop(other);
    store.close().await;
}

/// Triggers guard the machine even against this program.
#[tokio::test]
async fn the_database_knows_the_way_of_a_hold() {
    let (_folder, store) = open().await;
    for from in HoldState::ALL {
        for to in HoldState::ALL {
            let id = park(&store, &format!("{} {}", from.as_str(), to.as_str())).await.unwrap();
            let way: &[HoldState] = match from {
                HoldState::Pending => &[],
                HoldState::Released => &[HoldState::Approved, HoldState::Released],
                _ => &[from],
            };
            for state in way {
                set_state(&store, &id, *state).await.unwrap();
            }
            let went = set_state(&store, &id, to).await.is_ok();
            assert_eq!(went, from.may_become(to), "{from:?} -> {to:?}");
        }
    }
    store.close().await;
}

async fn set_state(store: &Store, id: &HoldId, state: HoldState) -> Result<(), StoreError> {
    let id = id.clone();
    store
        .queue
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE holds SET state = ? WHERE id = ?")
                    .bind(state.as_str())
                    .bind(id.as_str())
                    .execute(&mut tx.conn)
                    .await?;
                Ok(())
            })
        })
        .await
}
