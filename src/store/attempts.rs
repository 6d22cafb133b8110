//! Attempts: which delivery is next, what it is merged with, and what came of it.

use super::deliveries::{DIGEST_EVERY_MS, Kind};
use super::park::later;
use super::writer::Tx;
use super::{Store, StoreError, time};
use crate::audit::EventKind;
use crate::hold::HoldId;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// What is due.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Channels, each with the first of its deliveries that is due.
    pub(crate) first: Vec<(String, i64)>,
    /// How long until another one is.
    pub(crate) next: Option<Duration>,
}

/// A delivery of which an attempt begins.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) id: i64,
    pub(crate) channel: String,
    pub(crate) kind: Kind,
    pub(crate) hold: Option<HoldId>,
    pub(crate) body: Value,
    /// From 1.
    pub(crate) attempt: u32,
    pub(crate) created_at: Timestamp,
}

/// What came of an attempt.
#[derive(Debug, Clone)]
pub(crate) enum Attempted {
    Done(String),
    Later {
        wait: Duration,
        why: String,
    },
    Never(String),
    /// The receiver is gone for good: nothing more is sent to this address.
    Gone {
        address: Vec<u8>,
        why: String,
    },
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    channel: String,
    kind: String,
    hold: Option<String>,
    body: String,
    while_pending: bool,
    created_at: i64,
    attempts: i64,
}

impl Store {
    /// What is due by the database's clock, leaving out channels that are busy.
    pub(crate) async fn due_deliveries(&self, busy: &[String]) -> Result<Due, StoreError> {
        let busy = json!(busy).to_string();
        let mut conn = self.readers.acquire().await?;
        let first: Vec<(String, i64)> = sqlx::query_as(
            "SELECT channel, min(id) FROM deliveries
             WHERE due_at <= CAST(round(unixepoch('subsec') * 1000) AS INTEGER)
               AND channel NOT IN (SELECT value FROM json_each(?)) GROUP BY channel ORDER BY 2",
        )
        .bind(&busy)
        .fetch_all(&mut *conn)
        .await?;
        let next: Option<i64> = sqlx::query_scalar(
            "SELECT min(due_at) - CAST(round(unixepoch('subsec') * 1000) AS INTEGER) FROM deliveries
             WHERE due_at IS NOT NULL AND channel NOT IN (SELECT value FROM json_each(?))",
        )
        .bind(&busy)
        .fetch_one(&mut *conn)
        .await?;
        let next = next.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default()));
        Ok(Due { first, next })
    }

    /// Begins an attempt, and counts it. `None`: there is nothing to tell (any more): it was merged, or done by
    /// another process, or the hold was decided before anybody heard of it.
    pub(crate) async fn take_delivery(&self, id: i64) -> Result<Option<Taken>, StoreError> {
        self.queue.write(move |tx| Box::pin(take(tx, id))).await
    }

    /// Writes down what came of an attempt. True: it was given up, which the ledger says as well.
    pub(crate) async fn finish_delivery(
        &self,
        taken: Taken,
        attempted: Attempted,
    ) -> Result<bool, StoreError> {
        self.queue.write(move |tx| Box::pin(finish(tx, taken, attempted))).await
    }

    /// Where the digest of a channel stands, while one does.
    pub(crate) async fn digest_message(&self, channel: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar("SELECT message FROM digests WHERE channel = ?")
            .bind(channel)
            .fetch_optional(&self.readers)
            .await?)
    }

    pub(crate) async fn keep_digest(&self, channel: &str, message: &str) -> Result<(), StoreError> {
        let (channel, message) = (channel.to_owned(), message.to_owned());
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO digests (channel, message, posted_at) VALUES (?1, ?2, ?3)
                         ON CONFLICT (channel) DO UPDATE SET message = ?2, posted_at = ?3",
                    )
                    .bind(channel)
                    .bind(message)
                    .bind(tx.now.as_millisecond())
                    .execute(&mut tx.conn)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Webhooks that are disabled, with the address that said so.
    pub(crate) async fn disabled_webhooks(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(sqlx::query_as("SELECT name, address FROM disabled_webhooks").fetch_all(&self.readers).await?)
    }

    /// The address was changed: it is on again.
    pub(crate) async fn enable_webhook(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let done = sqlx::query("DELETE FROM disabled_webhooks WHERE name = ?")
                        .bind(&name)
                        .execute(&mut tx.conn)
                        .await?;
                    if done.rows_affected() > 0 {
                        let detail = json!({ "why": "the configuration has another address" });
                        let actor = super::release::HOLDPOINT.to_owned();
                        tx.record(EventKind::WebhookEnabled, actor, Some(&name), detail).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

async fn take(tx: &mut Tx, id: i64) -> Result<Option<Taken>, StoreError> {
    let Some(row) = due_row(tx, id).await? else { return Ok(None) };
    let kind: Kind = row.kind.parse()?;
    let mut id = id;
    if kind == Kind::Card
        && let Some(hold) = row.hold.as_deref()
    {
        id = merge(tx, &row.channel, hold).await?.unwrap_or(id);
        let (posted, pending): (bool, bool) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM cards WHERE hold = ?1 AND channel = ?2),
                    EXISTS (SELECT 1 FROM holds WHERE id = ?1 AND state = 'pending')",
        )
        .bind(hold)
        .bind(&row.channel)
        .fetch_one(&mut tx.conn)
        .await?;
        if !posted && !pending {
            over(tx, id, "decided before anybody was told").await?;
            return Ok(None);
        }
        if !posted && floods(tx, &row.channel).await? {
            digest(tx, &row.channel, id).await?;
            return Ok(None);
        }
    }
    if row.while_pending
        && let Some(hold) = row.hold.as_deref()
    {
        let pending: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM holds WHERE id = ? AND state = 'pending')")
                .bind(hold)
                .fetch_one(&mut tx.conn)
                .await?;
        if !pending {
            over(tx, id, "decided in time").await?;
            return Ok(None);
        }
        if kind == Kind::Notice && said_already(tx, &row, hold).await? {
            over(tx, id, "the message or digest that shows the hold has called already").await?;
            return Ok(None);
        }
    }
    sqlx::query("UPDATE deliveries SET attempts = attempts + 1 WHERE id = ?")
        .bind(id)
        .execute(&mut tx.conn)
        .await?;
    let Some(row) = due_row(tx, id).await? else { return Ok(None) };
    let body = match kind {
        Kind::Digest => match counted(tx, &row.channel).await? {
            Some(body) => body,
            None => {
                over(tx, id, "there is no digest any more").await?;
                return Ok(None);
            }
        },
        _ => serde_json::from_str(&row.body).unwrap_or_default(),
    };
    let damaged = |_| StoreError::Damaged(format!("delivery {id}"));
    Ok(Some(Taken {
        id,
        channel: row.channel,
        kind,
        hold: row.hold.as_deref().map(str::parse).transpose().map_err(damaged)?,
        body,
        attempt: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        created_at: time(row.created_at)?,
    }))
}

/// Whether the hold is one of many: in the digest of the channel, or added to a message that stood there.
async fn said_already(tx: &mut Tx, row: &Row, hold: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM digested WHERE channel = ?1 AND hold = ?2) OR EXISTS (
             SELECT 1 FROM cards mine JOIN cards c ON c.channel = mine.channel AND c.message = mine.message
             JOIN holds h ON h.id = c.hold JOIN holds own ON own.id = mine.hold
             WHERE mine.channel = ?1 AND mine.hold = ?2 AND h.seq < own.seq AND h.state = 'pending'
               AND h.agent_id = own.agent_id AND h.rule = own.rule AND h.shape = own.shape)",
    )
    .bind(&row.channel)
    .bind(hold)
    .fetch_one(&mut tx.conn)
    .await?)
}

async fn due_row(tx: &mut Tx, id: i64) -> Result<Option<Row>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT channel, kind, hold, body, while_pending, created_at, attempts FROM deliveries
         WHERE id = ? AND due_at IS NOT NULL",
    )
    .bind(id)
    .fetch_optional(&mut tx.conn)
    .await?)
}

/// All that is under way for one hold and channel is one: the newest goes on, with what the oldest had to say
/// and the attempts that were made.
async fn merge(tx: &mut Tx, channel: &str, hold: &str) -> Result<Option<i64>, StoreError> {
    let now = tx.now.as_millisecond();
    let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(
        "SELECT id, body, attempts, begins_at FROM deliveries
         WHERE channel = ? AND hold = ? AND kind = 'card' AND due_at IS NOT NULL AND begins_at <= ? ORDER BY id",
    )
    .bind(channel)
    .bind(hold)
    .bind(now)
    .fetch_all(&mut tx.conn)
    .await?;
    let Some((newest, ..)) = rows.last() else { return Ok(None) };
    if rows.len() == 1 {
        return Ok(Some(*newest));
    }
    let body = rows.iter().map(|row| row.1.as_str()).find(|body| *body != "{}").unwrap_or("{}");
    let attempts = rows.iter().map(|row| row.2).max().unwrap_or_default();
    let begins_at = rows.iter().map(|row| row.3).min().unwrap_or(now);
    sqlx::query(
        "UPDATE deliveries SET due_at = NULL, done_at = ?1, answer = 'merged into ' || ?2
         WHERE channel = ?3 AND hold = ?4 AND kind = 'card' AND due_at IS NOT NULL AND begins_at <= ?1 AND id <> ?2",
    )
    .bind(now)
    .bind(newest)
    .bind(channel)
    .bind(hold)
    .execute(&mut tx.conn)
    .await?;
    sqlx::query("UPDATE deliveries SET body = ?, attempts = ?, begins_at = ? WHERE id = ?")
        .bind(body)
        .bind(attempts)
        .bind(begins_at)
        .bind(newest)
        .execute(&mut tx.conn)
        .await?;
    Ok(Some(*newest))
}

/// Whether a channel is about to get more new cards in a minute than people read, or is in the middle of it.
async fn floods(tx: &mut Tx, channel: &str) -> Result<bool, StoreError> {
    let since = tx.now.as_millisecond().saturating_sub(FLOOD_WINDOW_MS);
    let (posted, waiting, digested): (i64, i64, bool) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM cards WHERE channel = ?1 AND posted_at > ?2),
                (SELECT count(DISTINCT d.hold) FROM deliveries d
                 WHERE d.channel = ?1 AND d.kind = 'card' AND d.due_at IS NOT NULL AND d.begins_at <= ?3
                   AND NOT EXISTS (SELECT 1 FROM cards c WHERE c.hold = d.hold AND c.channel = ?1)),
                EXISTS (SELECT 1 FROM digested WHERE channel = ?1 AND at > ?2)",
    )
    .bind(channel)
    .bind(since)
    .bind(tx.now.as_millisecond())
    .fetch_one(&mut tx.conn)
    .await?;
    Ok(digested || posted + waiting > FLOOD_CARDS)
}

/// Puts everything that waits for its first card in the channel into the digest.
async fn digest(tx: &mut Tx, channel: &str, id: i64) -> Result<(), StoreError> {
    let now = tx.now.as_millisecond();
    sqlx::query(
        "INSERT INTO digested (channel, hold, at)
         SELECT DISTINCT d.channel, d.hold, ?2 FROM deliveries d JOIN holds h ON h.id = d.hold
         WHERE d.channel = ?1 AND d.kind = 'card' AND d.due_at IS NOT NULL AND d.begins_at <= ?2
           AND h.state = 'pending'
           AND NOT EXISTS (SELECT 1 FROM cards c WHERE c.hold = d.hold AND c.channel = ?1)
         ON CONFLICT DO NOTHING",
    )
    .bind(channel)
    .bind(now)
    .execute(&mut tx.conn)
    .await?;
    sqlx::query(
        "UPDATE deliveries SET due_at = NULL, done_at = ?2, answer = 'in the digest'
         WHERE channel = ?1 AND kind = 'card' AND due_at IS NOT NULL AND begins_at <= ?2
           AND hold IN (SELECT hold FROM digested WHERE channel = ?1)
           AND NOT EXISTS (SELECT 1 FROM cards c WHERE c.hold = deliveries.hold AND c.channel = ?1)",
    )
    .bind(channel)
    .bind(now)
    .execute(&mut tx.conn)
    .await?;
    let seq: i64 = sqlx::query_scalar("SELECT seq FROM deliveries WHERE id = ?")
        .bind(id)
        .fetch_one(&mut tx.conn)
        .await?;
    let stands: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM digests WHERE channel = ?)")
        .bind(channel)
        .fetch_one(&mut tx.conn)
        .await?;
    sqlx::query(
        "INSERT INTO deliveries (channel, kind, seq, step, body, created_at, begins_at, due_at)
         SELECT ?1, 'digest', ?2, 0, '{}', ?3, ?3, ?4
         WHERE NOT EXISTS (SELECT 1 FROM deliveries
             WHERE channel = ?1 AND kind = 'digest' AND due_at IS NOT NULL AND attempts = 0)
         ON CONFLICT (channel, kind, seq, step) DO UPDATE SET due_at = ?4, done_at = NULL, attempts = 0",
    )
    .bind(channel)
    .bind(seq)
    .bind(now)
    .bind(if stands { now.saturating_add(DIGEST_EVERY_MS) } else { now })
    .execute(&mut tx.conn)
    .await?;
    Ok(())
}

/// The digest of a channel as it is now; `None`: there is none.
async fn counted(tx: &mut Tx, channel: &str) -> Result<Option<Value>, StoreError> {
    let (count, pending): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE h.state = 'pending')
         FROM digested d JOIN holds h ON h.id = d.hold WHERE d.channel = ?",
    )
    .bind(channel)
    .fetch_one(&mut tx.conn)
    .await?;
    if count == 0 {
        return Ok(None);
    }
    let mut names = Vec::with_capacity(2);
    for query in [
        "SELECT DISTINCT h.agent FROM digested d JOIN holds h ON h.id = d.hold WHERE d.channel = ? ORDER BY 1 LIMIT 10",
        "SELECT DISTINCT h.rule FROM digested d JOIN holds h ON h.id = d.hold WHERE d.channel = ? ORDER BY 1 LIMIT 10",
    ] {
        let found: Vec<String> = sqlx::query_scalar(query).bind(channel).fetch_all(&mut tx.conn).await?;
        names.push(found);
    }
    Ok(Some(json!({ "count": count, "pending": pending, "agents": names.first(), "rules": names.last() })))
}

async fn over(tx: &mut Tx, id: i64, answer: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE deliveries SET due_at = NULL, done_at = ?, answer = ? WHERE id = ?")
        .bind(tx.now.as_millisecond())
        .bind(answer)
        .bind(id)
        .execute(&mut tx.conn)
        .await?;
    Ok(())
}

async fn finish(tx: &mut Tx, taken: Taken, attempted: Attempted) -> Result<bool, StoreError> {
    let why = match attempted {
        Attempted::Done(answer) => {
            over(tx, taken.id, &cut(&answer)).await?;
            if taken.kind == Kind::Digest && taken.body.get("pending") == Some(&json!(0)) {
                end_digest(tx, &taken.channel).await?;
            }
            return Ok(false);
        }
        Attempted::Later { wait, why } => {
            let begins_at: Option<i64> =
                sqlx::query_scalar("SELECT begins_at FROM deliveries WHERE id = ? AND due_at IS NOT NULL")
                    .bind(taken.id)
                    .fetch_optional(&mut tx.conn)
                    .await?;
            let Some(begins_at) = begins_at else { return Ok(false) };
            let due_at = later(tx.now, wait).as_millisecond();
            if due_at <= begins_at.saturating_add(GIVE_UP_MS) {
                sqlx::query("UPDATE deliveries SET due_at = ?, answer = ? WHERE id = ?")
                    .bind(due_at)
                    .bind(cut(&why))
                    .bind(taken.id)
                    .execute(&mut tx.conn)
                    .await?;
                return Ok(false);
            }
            why
        }
        Attempted::Never(why) => why,
        Attempted::Gone { address, why } => {
            sqlx::query("INSERT INTO disabled_webhooks (name, address, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
                .bind(&taken.channel)
                .bind(address)
                .bind(tx.now.as_millisecond())
                .execute(&mut tx.conn)
                .await?;
            // What else waits for it will not be taken either.
            sqlx::query(
                "UPDATE deliveries SET due_at = NULL, answer = ?1 WHERE channel = ?2 AND due_at IS NOT NULL",
            )
            .bind("not sent: the webhook is disabled")
            .bind(&taken.channel)
            .execute(&mut tx.conn)
            .await?;
            let detail = json!({ "why": cut(&why), "delivery": taken.id });
            let actor = super::release::HOLDPOINT.to_owned();
            tx.record(EventKind::WebhookDisabled, actor, Some(&taken.channel), detail).await?;
            why
        }
    };
    sqlx::query("UPDATE deliveries SET due_at = NULL, done_at = NULL, answer = ? WHERE id = ?")
        .bind(cut(&why))
        .bind(taken.id)
        .execute(&mut tx.conn)
        .await?;
    let detail = json!({
        "delivery": taken.id,
        "channel": taken.channel,
        "kind": taken.kind,
        "attempts": taken.attempt,
        "why": cut(&why),
        "about": taken.body.get("type"),
    });
    let subject = taken.hold.as_ref().map(HoldId::as_str);
    tx.record(EventKind::DeliveryFailed, super::release::HOLDPOINT.to_owned(), subject, detail).await?;
    Ok(true)
}

/// All of it is decided: the next flood gets a digest of its own.
async fn end_digest(tx: &mut Tx, channel: &str) -> Result<(), StoreError> {
    let ended = sqlx::query(
        "DELETE FROM digested WHERE channel = ?1 AND NOT EXISTS (SELECT 1 FROM digested d
             JOIN holds h ON h.id = d.hold WHERE d.channel = ?1 AND h.state = 'pending')",
    )
    .bind(channel)
    .execute(&mut tx.conn)
    .await?;
    if ended.rows_affected() > 0 {
        sqlx::query("DELETE FROM digests WHERE channel = ?").bind(channel).execute(&mut tx.conn).await?;
    }
    Ok(())
}

/// What the other side said is shown, but not at any length.
fn cut(text: &str) -> String {
    text.chars().take(ANSWER_CHARS).collect()
}

const ANSWER_CHARS: usize = 500;
/// New cards that a channel gets in a minute at most; what is more goes into a digest.
const FLOOD_CARDS: i64 = 20;
const FLOOD_WINDOW_MS: i64 = 60_000;
/// After so long nobody needs to be told any more.
const GIVE_UP_MS: i64 = 24 * 3600 * 1000;
