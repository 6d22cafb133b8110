//! The outbox as rows: what the ledger leads to, and how it is listed and sent again. Taking and finishing
//! attempts stands in `attempts.rs`.

use super::writer::Tx;
use super::{Store, StoreError, time};
use crate::audit::EventKind;
use crate::hold::HoldId;
use crate::person::Person;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::str::FromStr;
use std::time::Duration;

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Post the hold's card, or bring the one that stands there up to date. Shows the hold as it is now, so that
    /// late and repeated deliveries do no harm. The body says whom a new card calls on:
    /// `{ "groups": ["platform-oncall"], "people": ["issuer|subject"], "names": ["Ada"] }`, or `{}`.
    Card,
    /// A sentence: to a channel, or to one person. The body is `{ "text": …, "person": "issuer|subject" or null,
    /// "groups": […], "people": […], "names": […] }`.
    Notice,
    /// One message for the holds that would be too many cards: post it, or bring the one that stands there up to
    /// date: `{ "count": 12, "pending": 3, "agents": ["ci"], "rules": ["github/push"] }`.
    Digest,
    /// A ledger event for a machine: the body is the CloudEvent.
    Event,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Notice => "notice",
            Self::Digest => "digest",
            Self::Event => "event",
        }
    }
}

impl FromStr for Kind {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        [Self::Card, Self::Notice, Self::Digest, Self::Event]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| StoreError::Damaged("a delivery".to_owned()))
    }
}

/// What a ledger row leads to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    /// Something to be told.
    Post {
        channel: String,
        kind: Kind,
        seq: i64,
        step: u32,
        hold: Option<HoldId>,
        body: Value,
        /// When, by the database's clock.
        at: Timestamp,
        while_pending: bool,
    },
    /// The hold has changed: wherever it is shown, bring that up to date.
    Refresh { hold: HoldId, seq: i64 },
}

/// A delivery as listed.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryRow {
    pub id: i64,
    pub channel: String,
    pub kind: Kind,
    /// The ledger row that it comes from.
    pub seq: i64,
    pub hold: Option<String>,
    pub state: DeliveryState,
    pub attempts: u32,
    pub created_at: Timestamp,
    pub due_at: Option<Timestamp>,
    pub done_at: Option<Timestamp>,
    /// Of the last attempt.
    pub answer: Option<String>,
    pub body: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    Waiting,
    Done,
    Failed,
}

impl DeliveryState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Which deliveries, newest first.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub channel: Option<String>,
    pub state: Option<DeliveryState>,
    pub hold: Option<String>,
    /// Those before this one, for paging.
    pub before: Option<i64>,
    /// At most so many; 100 when zero, 500 at most.
    pub limit: u32,
}

#[derive(Debug, sqlx::FromRow)]
struct Stored {
    id: i64,
    channel: String,
    kind: String,
    seq: i64,
    hold: Option<String>,
    attempts: i64,
    created_at: i64,
    due_at: Option<i64>,
    done_at: Option<i64>,
    answer: Option<String>,
    body: String,
}

impl Store {
    /// Where `name` has read the ledger to. One that never did starts at the ledger's end.
    pub(crate) async fn begin_cursor(&self, name: &'static str) -> Result<i64, StoreError> {
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    Ok(sqlx::query_scalar(
                        "INSERT INTO cursors (name, seq) VALUES (?, (SELECT coalesce(max(seq), 0) FROM audit))
                         ON CONFLICT (name) DO UPDATE SET seq = seq RETURNING seq",
                    )
                    .bind(name)
                    .fetch_one(&mut tx.conn)
                    .await?)
                })
            })
            .await
    }

    /// Forgets how far `name` has read: it tells of nothing that happens until it begins again.
    pub(crate) async fn drop_cursor(&self, name: &'static str) -> Result<(), StoreError> {
        let known: Option<i64> = sqlx::query_scalar("SELECT seq FROM cursors WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        if known.is_none() {
            return Ok(());
        }
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM cursors WHERE name = ?")
                        .bind(name)
                        .execute(&mut tx.conn)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Writes what the ledger rows up to `to` lead to, and moves the cursor, in one transaction. False: the
    /// cursor stood elsewhere than at `from`; nothing was written.
    pub(crate) async fn expand(
        &self,
        name: &'static str,
        from: i64,
        to: i64,
        entries: Vec<Entry>,
    ) -> Result<bool, StoreError> {
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let moved = sqlx::query("UPDATE cursors SET seq = ?3 WHERE name = ?1 AND seq = ?2")
                        .bind(name)
                        .bind(from)
                        .bind(to)
                        .execute(&mut tx.conn)
                        .await?
                        .rows_affected();
                    if moved == 0 {
                        return Ok(false);
                    }
                    for entry in &entries {
                        match entry {
                            Entry::Post { .. } => post(tx, entry).await?,
                            Entry::Refresh { hold, seq } => refresh(tx, hold, *seq).await?,
                        }
                    }
                    Ok(true)
                })
            })
            .await
    }

    pub(crate) async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
        let limit = if filter.limit == 0 { 100 } else { filter.limit.min(500) };
        let stored: Vec<Stored> = sqlx::query_as(
            "SELECT id, channel, kind, seq, hold, attempts, created_at, due_at, done_at, answer, body FROM deliveries
             WHERE (?1 IS NULL OR channel = ?1) AND (?2 IS NULL OR hold = ?2) AND (?3 IS NULL OR id < ?3)
               AND (?4 IS NULL OR ?4 = CASE WHEN due_at IS NOT NULL THEN 'waiting' WHEN done_at IS NULL
                    THEN 'failed' ELSE 'done' END)
             ORDER BY id DESC LIMIT ?5",
        )
        .bind(&filter.channel)
        .bind(&filter.hold)
        .bind(filter.before)
        .bind(filter.state.map(DeliveryState::as_str))
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        stored.into_iter().map(DeliveryRow::try_from).collect()
    }

    /// Has a delivery tried again, from the start: the same thing, under the same id. A webhook that was
    /// disabled is on again. `None`: there is no such delivery. False: it is under way already.
    pub(crate) async fn replay(&self, id: i64, by: &Person) -> Result<Option<bool>, StoreError> {
        let actor = format!("person:{by}");
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let known: Option<(String, Option<i64>, Option<String>)> =
                        sqlx::query_as("SELECT channel, due_at, hold FROM deliveries WHERE id = ?")
                            .bind(id)
                            .fetch_optional(&mut tx.conn)
                            .await?;
                    let Some((channel, due, hold)) = known else { return Ok(None) };
                    if due.is_some() {
                        return Ok(Some(false));
                    }
                    sqlx::query(
                        "UPDATE deliveries SET due_at = ?1, begins_at = ?1, done_at = NULL, attempts = 0 WHERE id = ?2",
                    )
                    .bind(tx.now.as_millisecond())
                    .bind(id)
                    .execute(&mut tx.conn)
                    .await?;
                    let detail = json!({ "delivery": id, "channel": channel });
                    tx.record(EventKind::DeliveryReplayed, actor.clone(), hold.as_deref(), detail).await?;
                    let enabled = sqlx::query("DELETE FROM disabled_webhooks WHERE name = ?")
                        .bind(&channel)
                        .execute(&mut tx.conn)
                        .await?
                        .rows_affected();
                    if enabled > 0 {
                        tx.record(EventKind::WebhookEnabled, actor, Some(&channel), json!({})).await?;
                    }
                    Ok(Some(true))
                })
            })
            .await
    }

    /// Forgets what was over `keep` ago.
    pub(crate) async fn purge_deliveries(&self, keep: Duration) -> Result<(), StoreError> {
        let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries
                             WHERE due_at IS NULL AND begins_at < ? ORDER BY id LIMIT 1000)",
                    )
                    .bind(tx.now.as_millisecond().saturating_sub(keep))
                    .execute(&mut tx.conn)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn post(tx: &mut Tx, entry: &Entry) -> Result<(), StoreError> {
    let Entry::Post { channel, kind, seq, step, hold, body, at, while_pending } = entry else {
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO deliveries (channel, kind, seq, step, hold, body, while_pending, created_at, begins_at, due_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) ON CONFLICT DO NOTHING",
    )
    .bind(channel)
    .bind(kind.as_str())
    .bind(seq)
    .bind(step)
    .bind(hold.as_ref().map(HoldId::as_str))
    .bind(body.to_string())
    .bind(while_pending)
    .bind(tx.now.as_millisecond())
    .bind(at.as_millisecond())
    .execute(&mut tx.conn)
    .await?;
    Ok(())
}

/// One row for each channel that shows the hold, or is about to. A delivery that no attempt was begun of will
/// show it as it is then, so that it stands for this one as well; so does one that is not yet to begin.
async fn refresh(tx: &mut Tx, hold: &HoldId, seq: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO deliveries (channel, kind, seq, step, hold, body, created_at, begins_at, due_at)
         SELECT channel, 'card', ?2, 0, ?1, '{}', ?3, ?3, ?3
         FROM (SELECT channel FROM cards WHERE hold = ?1
               UNION SELECT channel FROM deliveries WHERE hold = ?1 AND kind = 'card' AND due_at IS NOT NULL)
         WHERE channel NOT IN (SELECT channel FROM deliveries
             WHERE hold = ?1 AND kind = 'card' AND due_at IS NOT NULL AND attempts = 0)
         ON CONFLICT DO NOTHING",
    )
    .bind(hold.as_str())
    .bind(seq)
    .bind(tx.now.as_millisecond())
    .execute(&mut tx.conn)
    .await?;
    sqlx::query(
        "INSERT INTO deliveries (channel, kind, seq, step, body, created_at, begins_at, due_at)
         SELECT channel, 'digest', ?2, 0, '{}', ?3, ?3, ?4 FROM digested
         WHERE hold = ?1 AND channel NOT IN (SELECT channel FROM deliveries
             WHERE kind = 'digest' AND due_at IS NOT NULL AND attempts = 0)
         ON CONFLICT DO NOTHING",
    )
    .bind(hold.as_str())
    .bind(seq)
    .bind(tx.now.as_millisecond())
    .bind(tx.now.as_millisecond().saturating_add(DIGEST_EVERY_MS))
    .execute(&mut tx.conn)
    .await?;
    Ok(())
}

impl TryFrom<Stored> for DeliveryRow {
    type Error = StoreError;

    fn try_from(stored: Stored) -> Result<Self, StoreError> {
        let state = match (stored.due_at, stored.done_at) {
            (Some(_), _) => DeliveryState::Waiting,
            (None, Some(_)) => DeliveryState::Done,
            (None, None) => DeliveryState::Failed,
        };
        Ok(Self {
            id: stored.id,
            channel: stored.channel,
            kind: stored.kind.parse()?,
            seq: stored.seq,
            hold: stored.hold,
            state,
            attempts: u32::try_from(stored.attempts).unwrap_or(u32::MAX),
            created_at: time(stored.created_at)?,
            due_at: stored.due_at.map(time).transpose()?,
            done_at: stored.done_at.map(time).transpose()?,
            answer: stored.answer,
            body: serde_json::from_str(&stored.body).unwrap_or_default(),
        })
    }
}

/// A digest that many changes bring up to date gets one delivery for the changes of so long.
pub(super) const DIGEST_EVERY_MS: i64 = 3_000;
