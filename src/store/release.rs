//! What ends a hold: the claim that spends an approval, outcomes, expiry, withdrawal; and erasing bodies.

use super::writer::Tx;
use super::{Store, StoreError};
use crate::audit::EventKind;
use crate::hold::{HoldId, HoldState, ReleaseOutcome};
use serde_json::{Value, json};
use std::time::Duration;

/// What became of a release.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) id: HoldId,
    pub(crate) outcome: ReleaseOutcome,
    /// Why it is ambiguous.
    pub(crate) detail: Option<&'static str>,
    /// Of the body that was handed over to be sent, where one was.
    pub(crate) body_sha256: Option<String>,
}

impl Store {
    /// Spends the approval of a hold. False: there is none to spend. True at most once for each hold; when it
    /// returns, `hold.released` is committed.
    pub(crate) async fn claim(&self, id: &HoldId) -> Result<bool, StoreError> {
        let id = id.clone();
        self.queue.write(move |tx| Box::pin(async move { release(tx, &id, None).await })).await
    }

    /// Records what became of releases.
    pub(crate) async fn finish(&self, finished: Vec<Finished>) -> Result<(), StoreError> {
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    for one in finished {
                        finish(tx, &one).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Records releases without outcome as ambiguous: whether they left died with the process that sent them.
    /// Returns how many there were.
    pub(crate) async fn recover(&self) -> Result<usize, StoreError> {
        self.queue
            .write(|tx| {
                Box::pin(async move {
                    let ids: Vec<String> = sqlx::query_scalar(
                        "SELECT id FROM holds WHERE state = 'released' AND outcome IS NULL ORDER BY seq",
                    )
                    .fetch_all(&mut tx.conn)
                    .await?;
                    for id in &ids {
                        let id = id.parse().map_err(|_| StoreError::Damaged(format!("hold `{id}`")))?;
                        let outcome = ReleaseOutcome::Ambiguous;
                        let detail = Some("outcome unknown after restart");
                        finish(tx, &Finished { id, outcome, detail, body_sha256: None }).await?;
                    }
                    Ok(ids.len())
                })
            })
            .await
    }

    /// Whether live holds are due to expire, and how many are pending.
    pub(crate) async fn due(&self) -> Result<(bool, i64), StoreError> {
        Ok(sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM holds WHERE due_at <= CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
                    (SELECT coalesce(sum(pending), 0) FROM agents)",
        )
        .fetch_one(&self.readers)
        .await?)
    }

    /// Expires holds that are due, some at a time. Returns how many.
    pub(crate) async fn expire(&self) -> Result<usize, StoreError> {
        self.queue
            .write(|tx| {
                Box::pin(async move {
                    let due: Vec<(String, String)> = sqlx::query_as(
                        "SELECT id, state FROM holds WHERE due_at <= ? ORDER BY due_at LIMIT ?",
                    )
                    .bind(tx.now.as_millisecond())
                    .bind(EXPIRE_MAX)
                    .fetch_all(&mut tx.conn)
                    .await?;
                    for (id, state) in &due {
                        let damaged = || StoreError::Damaged(format!("hold `{id}`"));
                        let state = state.parse().map_err(|_| damaged())?;
                        end(tx, &id.parse().map_err(|_| damaged())?, state, HoldState::Expired).await?;
                    }
                    Ok(due.len())
                })
            })
            .await
    }

    /// Erases bodies of holds that ended `keep` ago, and logins that are over.
    pub(crate) async fn erase(&self, keep: Duration) -> Result<(), StoreError> {
        let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let now = tx.now.as_millisecond();
                    sqlx::query(
                        "DELETE FROM bodies WHERE hold IN (SELECT b.hold FROM bodies b JOIN holds h ON h.seq = b.hold
                             WHERE h.ended_at <= ? LIMIT ?)",
                    )
                    .bind(now.saturating_sub(keep))
                    .bind(ERASE_MAX)
                    .execute(&mut tx.conn)
                    .await?;
                    sqlx::query("DELETE FROM login_links WHERE expires_at <= ?").bind(now).execute(&mut tx.conn).await?;
                    sqlx::query("DELETE FROM logins WHERE expires_at <= ?").bind(now).execute(&mut tx.conn).await?;
                    sqlx::query("DELETE FROM tickets WHERE expires_at <= ?").bind(now).execute(&mut tx.conn).await?;
                    sqlx::query("DELETE FROM sessions WHERE expires_at <= ?").bind(now).execute(&mut tx.conn).await?;
                    Ok(())
                })
            })
            .await
    }
}

/// `approved → released`, if it stands there and the approval has not run out. `body_sha256` is that of the try which
/// it is spent on, where that try is not in the record yet.
pub(super) async fn release(tx: &mut Tx, id: &HoldId, body_sha256: Option<&str>) -> Result<bool, StoreError> {
    let released: Option<(Vec<u8>, String)> = sqlx::query_as(
        "UPDATE holds SET state = 'released', version = version + 1, released_at = ?1, ended_at = ?1, due_at = NULL
         WHERE id = ?2 AND state = 'approved' AND due_at > ?1 RETURNING digest, agent",
    )
    .bind(tx.now.as_millisecond())
    .bind(id.as_str())
    .fetch_optional(&mut tx.conn)
    .await?;
    let Some((digest, agent)) = released else { return Ok(false) };
    let digest = format!("sha256:{}", crate::digest::hex(&digest));
    let detail = with_body(json!({ "digest": digest }), body_sha256);
    tx.record(EventKind::HoldReleased, format!("agent:{agent}"), Some(id.as_str()), detail).await?;
    Ok(true)
}

/// Ends a live hold without a release: expired or withdrawn.
pub(super) async fn end(tx: &mut Tx, id: &HoldId, from: HoldState, to: HoldState) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE holds SET state = ?1, version = version + 1, ended_at = ?2, due_at = NULL
         WHERE id = ?3 AND state = ?4",
    )
    .bind(to.as_str())
    .bind(tx.now.as_millisecond())
    .bind(id.as_str())
    .bind(from.as_str())
    .execute(&mut tx.conn)
    .await?
    .rows_affected();
    if changed == 0 {
        return Ok(());
    }
    let event = if to == HoldState::Withdrawn { EventKind::HoldWithdrawn } else { EventKind::HoldExpired };
    tx.record(event, HOLDPOINT.to_owned(), Some(id.as_str()), json!({ "from": from })).await?;
    Ok(())
}

async fn finish(tx: &mut Tx, finished: &Finished) -> Result<(), StoreError> {
    let outcome = serde_json::to_string(&finished.outcome).map_err(|_| StoreError::Closed)?;
    let agent: Option<String> = sqlx::query_scalar(
        "UPDATE holds SET outcome = ?, version = version + 1
         WHERE id = ? AND state = 'released' AND outcome IS NULL RETURNING agent",
    )
    .bind(outcome)
    .bind(finished.id.as_str())
    .fetch_optional(&mut tx.conn)
    .await?;
    if agent.is_none() {
        return Ok(());
    }
    let (event, detail) = match finished.outcome {
        ReleaseOutcome::Answered { status } => (EventKind::HoldAnswered, json!({ "status": status })),
        ReleaseOutcome::Ambiguous => (EventKind::HoldAmbiguous, json!({ "why": finished.detail })),
    };
    let detail = with_body(detail, finished.body_sha256.as_deref());
    tx.record(event, HOLDPOINT.to_owned(), Some(finished.id.as_str()), detail).await?;
    Ok(())
}

fn with_body(mut detail: Value, sha256: Option<&str>) -> Value {
    if let (Some(members), Some(sha256)) = (detail.as_object_mut(), sha256) {
        members.insert("body_sha256".to_owned(), json!(sha256));
    }
    detail
}

/// The actor of what nobody did in particular.
pub(super) const HOLDPOINT: &str = "holdpoint";
/// Holds that one transaction expires.
const EXPIRE_MAX: u32 = 200;
/// Bodies that one transaction erases.
const ERASE_MAX: u32 = 200;
