//! The ledger's rows: read, appended, and verified link by link.

use super::{Store, StoreError};
use crate::audit::{self, Event, EventKind, Row};
use crate::digest::hex;
use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use sqlx::SqlitePool;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Which rows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub after_seq: i64,
    pub event: Option<EventKind>,
    /// A hold, agent or rule set.
    pub subject: Option<String>,
    pub actor: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// At most so many; zero: all.
    pub limit: u32,
}

/// What verification found.
#[derive(Debug)]
pub enum Verified {
    /// All rows, and every closed traffic segment that is still there, are as they were written.
    Sound { rows: u64, last_hash: String, segments: u64 },
    /// The first row or segment that is not.
    Broken { at: String, why: String },
}

/// A row as stored.
#[derive(Debug, sqlx::FromRow)]
struct Stored {
    seq: i64,
    at: i64,
    event: String,
    actor: String,
    subject: Option<String>,
    canonical: String,
    hash: String,
}

/// What the canonical bytes say.
#[derive(serde::Deserialize)]
struct Said {
    seq: i64,
    event: Event,
}

impl Store {
    pub(crate) async fn ledger_rows(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        let limit = if filter.limit == 0 { i64::MAX } else { i64::from(filter.limit) };
        let stored: Vec<Stored> = sqlx::query_as(
            "SELECT seq, at, event, actor, subject, canonical, hash FROM audit
             WHERE seq > ?1 AND (?2 IS NULL OR event = ?2) AND (?3 IS NULL OR subject = ?3)
               AND (?4 IS NULL OR actor = ?4) AND (?5 IS NULL OR at >= ?5) AND (?6 IS NULL OR at <= ?6)
             ORDER BY seq LIMIT ?7",
        )
        .bind(filter.after_seq)
        .bind(filter.event.map(EventKind::name))
        .bind(&filter.subject)
        .bind(&filter.actor)
        .bind(filter.since.map(Timestamp::as_millisecond))
        .bind(filter.until.map(Timestamp::as_millisecond))
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        stored.into_iter().map(Row::try_from).collect()
    }

    pub(crate) async fn append(&self, event: Event) -> Result<Row, StoreError> {
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    tx.record(event.event, event.actor, event.subject.as_deref(), event.detail).await
                })
            })
            .await
    }

    pub(crate) async fn verify(&self) -> Result<Verified, StoreError> {
        let mut previous = audit::GENESIS.to_owned();
        let mut seq = 0;
        let mut segments = 0;
        loop {
            let page = stored_after(&self.readers, seq, VERIFY_PAGE).await?;
            let whole = page.len() == VERIFY_PAGE as usize;
            for row in page {
                let checked = check(&previous, seq, &row);
                let segment = match checked {
                    Ok(event) if event.event == EventKind::TrafficSegment => Some(event),
                    Ok(_) => None,
                    Err(why) => return Ok(Verified::Broken { at: format!("row {}", seq + 1), why }),
                };
                if let Some(event) = segment {
                    match self.check_segment(event).await? {
                        Segment::Sound => segments += 1,
                        Segment::Gone => {}
                        Segment::Broken { file, why } => {
                            return Ok(Verified::Broken { at: format!("segment `{file}`"), why });
                        }
                    }
                }
                seq = row.seq;
                previous = row.hash;
            }
            if !whole {
                break;
            }
        }
        let rows = u64::try_from(seq).unwrap_or_default();
        Ok(Verified::Sound { rows, last_hash: previous, segments })
    }

    /// Compares a closed traffic segment with the digest that the ledger has of it.
    async fn check_segment(&self, event: Event) -> Result<Segment, StoreError> {
        let text = |key: &str| event.detail.get(key).and_then(|v| v.as_str()).map(str::to_owned);
        let (Some(file), Some(expected)) = (text("file"), text("sha256")) else {
            return Ok(Segment::Broken {
                file: String::new(),
                why: "the row names no file or digest".to_owned(),
            });
        };
        // The name alone: a row leads nowhere outside the folder.
        let Some(name) = Path::new(&file).file_name() else {
            return Ok(Segment::Broken { file, why: "the row names no file".to_owned() });
        };
        let path = self.data.join("traffic").join(name);
        let read =
            tokio::task::spawn_blocking(move || sha256_of(&path)).await.map_err(|_| StoreError::Closed)?;
        Ok(match read {
            Ok(digest) if digest == expected => Segment::Sound,
            Ok(digest) => {
                Segment::Broken { file, why: format!("its SHA-256 is {digest}, the ledger has {expected}") }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Segment::Gone,
            Err(error) => Segment::Broken { file, why: error.to_string() },
        })
    }
}

enum Segment {
    Sound,
    Gone,
    Broken { file: String, why: String },
}

/// Rows after `seq`, in order.
pub(super) async fn after(readers: &SqlitePool, seq: i64, limit: u32) -> Result<Vec<Row>, StoreError> {
    stored_after(readers, seq, limit).await?.into_iter().map(Row::try_from).collect()
}

pub(super) async fn last_seq(readers: &SqlitePool) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM audit").fetch_one(readers).await?)
}

async fn stored_after(readers: &SqlitePool, seq: i64, limit: u32) -> Result<Vec<Stored>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT seq, at, event, actor, subject, canonical, hash FROM audit
         WHERE seq > ? ORDER BY seq LIMIT ?",
    )
    .bind(seq)
    .bind(limit)
    .fetch_all(readers)
    .await?)
}

/// Whether a row follows on the one before, and says the same in its columns as in the bytes that were hashed.
fn check(previous: &str, previous_seq: i64, row: &Stored) -> Result<Event, String> {
    if row.seq != previous_seq + 1 {
        return Err(format!("the next row is {}: rows are missing", row.seq));
    }
    if audit::chain(previous, &row.canonical) != row.hash {
        return Err("its hash does not follow from the row before and its own bytes".to_owned());
    }
    let said: Said =
        serde_json::from_str(&row.canonical).map_err(|e| format!("its bytes are no event: {e}"))?;
    let same = said.seq == row.seq
        && said.event.at.as_millisecond() == row.at
        && said.event.event.name() == row.event
        && said.event.actor == row.actor
        && said.event.subject == row.subject;
    if !same {
        return Err("its columns say something else than the bytes that were hashed".to_owned());
    }
    Ok(said.event)
}

fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|b| !b.is_empty()) else { break };
        context.update(bytes);
    }
    Ok(hex(context.finish().as_ref()))
}

impl TryFrom<Stored> for Row {
    type Error = StoreError;

    fn try_from(stored: Stored) -> Result<Self, StoreError> {
        let said: Said = serde_json::from_str(&stored.canonical)
            .map_err(|_| StoreError::Damaged(format!("row {} of the ledger", stored.seq)))?;
        Ok(Self { seq: stored.seq, event: said.event, hash: stored.hash })
    }
}

const VERIFY_PAGE: u32 = 1000;
