//! Local reviewer accounts as rows, with their tokens, login links and sessions, all by hash.

use super::agents::check_name;
use super::release::HOLDPOINT;
use super::{Store, StoreError, secret_hash, time};
use crate::approval::Reviewer;
use crate::audit::EventKind;
use crate::person::Person;
use jiff::Timestamp;
use serde_json::json;
use sqlx::SqliteConnection;
use std::collections::BTreeSet;
use std::time::Duration;

/// An account as listed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Account {
    pub name: String,
    pub groups: Vec<String>,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// A session as stored.
#[derive(Debug)]
pub(crate) struct SessionRow {
    pub(crate) reviewer: Reviewer,
    pub(crate) csrf: String,
    pub(crate) expires_at: Timestamp,
    /// Used so long ago that the use should be noted.
    pub(crate) stale: bool,
}

impl Store {
    /// Makes an account or, for one that exists, sets its groups (when any are named); adds a token.
    pub(crate) async fn add_reviewer(
        &self,
        name: &str,
        groups: &[String],
        token: &str,
    ) -> Result<(), StoreError> {
        check_name(name, "@")?;
        let name = name.to_owned();
        let groups: BTreeSet<String> = groups.iter().cloned().collect();
        let hash = secret_hash(token);
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let id: Option<i64> = sqlx::query_scalar(
                        "INSERT INTO reviewers (name, groups, created_at) VALUES (?1, ?2, ?3)
                         ON CONFLICT (name) DO UPDATE SET groups = iif(?2 = '[]', groups, ?2)
                             WHERE revoked_at IS NULL
                         RETURNING id",
                    )
                    .bind(&name)
                    .bind(json!(groups).to_string())
                    .bind(tx.now.as_millisecond())
                    .fetch_optional(&mut tx.conn)
                    .await?;
                    let Some(id) = id else { return Err(StoreError::NameTaken(name)) };
                    sqlx::query("INSERT INTO reviewer_tokens (hash, reviewer, created_at) VALUES (?, ?, ?)")
                        .bind(hash)
                        .bind(id)
                        .bind(tx.now.as_millisecond())
                        .execute(&mut tx.conn)
                        .await?;
                    let detail = json!({ "groups": groups });
                    tx.record(EventKind::ReviewerAdded, HOLDPOINT.to_owned(), Some(&name), detail).await?;
                    Ok(())
                })
            })
            .await
    }

    pub(crate) async fn reviewers(&self) -> Result<Vec<Account>, StoreError> {
        let stored: Vec<(String, String, i64, Option<i64>)> =
            sqlx::query_as("SELECT name, groups, created_at, revoked_at FROM reviewers ORDER BY name")
                .fetch_all(&self.readers)
                .await?;
        stored
            .into_iter()
            .map(|(name, groups, created_at, revoked_at)| {
                Ok(Account {
                    groups: parse_groups(&name, &groups)?.into_iter().collect(),
                    name,
                    created_at: time(created_at)?,
                    revoked_at: revoked_at.map(time).transpose()?,
                })
            })
            .collect()
    }

    pub(crate) async fn revoke_reviewer(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let id: Option<i64> = sqlx::query_scalar(
                        "UPDATE reviewers SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL RETURNING id",
                    )
                    .bind(tx.now.as_millisecond())
                    .bind(&name)
                    .fetch_optional(&mut tx.conn)
                    .await?;
                    let Some(id) = id else { return Ok(false) };
                    for statement in [
                        "DELETE FROM reviewer_tokens WHERE reviewer = ?",
                        "DELETE FROM login_links WHERE reviewer = ?",
                        "DELETE FROM sessions WHERE reviewer = ?",
                    ] {
                        sqlx::query(statement).bind(id).execute(&mut tx.conn).await?;
                    }
                    tx.record(EventKind::ReviewerRevoked, HOLDPOINT.to_owned(), Some(&name), json!({})).await?;
                    Ok(true)
                })
            })
            .await
    }

    pub(crate) async fn reviewer_by_token(&self, token: &str) -> Result<Option<Reviewer>, StoreError> {
        let row: Option<(String, String)> = sqlx::query_as(
            "SELECT r.name, r.groups FROM reviewer_tokens t JOIN reviewers r ON r.id = t.reviewer
             WHERE t.hash = ? AND r.revoked_at IS NULL",
        )
        .bind(secret_hash(token))
        .fetch_optional(&self.readers)
        .await?;
        row.map(|(name, groups)| reviewer(name, &groups)).transpose()
    }

    /// Keeps a login link for `life`. False: there is no such account.
    pub(crate) async fn keep_link(
        &self,
        name: &str,
        secret: &str,
        life: Duration,
    ) -> Result<bool, StoreError> {
        let (name, hash) = (name.to_owned(), secret_hash(secret));
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let kept = sqlx::query(
                        "INSERT INTO login_links (hash, reviewer, expires_at)
                         SELECT ?, id, ? FROM reviewers WHERE name = ? AND revoked_at IS NULL",
                    )
                    .bind(hash)
                    .bind(super::park::later(tx.now, life).as_millisecond())
                    .bind(name)
                    .execute(&mut tx.conn)
                    .await?;
                    Ok(kept.rows_affected() == 1)
                })
            })
            .await
    }

    /// Spends a link on a session. False: the link is unknown, spent or too old.
    pub(crate) async fn spend_link(
        &self,
        secret: &str,
        cookie: &str,
        life: Duration,
    ) -> Result<bool, StoreError> {
        let (hash, session) = (secret_hash(secret), secret_hash(cookie));
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let now = tx.now.as_millisecond();
                    let found: Option<(i64, i64)> = sqlx::query_as(
                        "DELETE FROM login_links WHERE hash = ? RETURNING reviewer, expires_at",
                    )
                    .bind(hash)
                    .fetch_optional(&mut tx.conn)
                    .await?;
                    let Some((id, _)) = found.filter(|(_, expires_at)| *expires_at > now) else {
                        return Ok(false);
                    };
                    sqlx::query(
                        "INSERT INTO sessions (hash, reviewer, seen_at, expires_at) VALUES (?, ?, ?, ?)",
                    )
                    .bind(session)
                    .bind(id)
                    .bind(now)
                    .bind(super::park::later(tx.now, life).as_millisecond())
                    .execute(&mut tx.conn)
                    .await?;
                    let name: String = sqlx::query_scalar("SELECT name FROM reviewers WHERE id = ?")
                        .bind(id)
                        .fetch_one(&mut tx.conn)
                        .await?;
                    let actor = format!("person:{}", Person::local(&name));
                    tx.record(EventKind::ReviewerLogin, actor, Some(&name), json!({ "by": "link" })).await?;
                    Ok(true)
                })
            })
            .await
    }

    pub(crate) async fn session(
        &self,
        cookie: &str,
        idle: Duration,
        note_after: Duration,
    ) -> Result<Option<SessionRow>, StoreError> {
        let hash = secret_hash(cookie);
        let row: Option<(String, String, i64, i64, i64)> = sqlx::query_as(
            "SELECT r.name, r.groups, s.seen_at, s.expires_at, CAST(round(unixepoch('subsec') * 1000) AS INTEGER)
             FROM sessions s JOIN reviewers r ON r.id = s.reviewer WHERE s.hash = ? AND r.revoked_at IS NULL",
        )
        .bind(&hash)
        .fetch_optional(&self.readers)
        .await?;
        let Some((name, groups, seen_at, expires_at, now)) = row else { return Ok(None) };
        let unused = Duration::from_millis(u64::try_from(now - seen_at).unwrap_or_default());
        if now >= expires_at || unused >= idle {
            return Ok(None);
        }
        Ok(Some(SessionRow {
            reviewer: reviewer(name, &groups)?,
            csrf: self.keys.form_token(&hash),
            expires_at: time(expires_at)?,
            stale: unused >= note_after,
        }))
    }

    pub(crate) async fn note_session(&self, cookie: &str) -> Result<(), StoreError> {
        let hash = secret_hash(cookie);
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("UPDATE sessions SET seen_at = ? WHERE hash = ?")
                        .bind(tx.now.as_millisecond())
                        .bind(hash)
                        .execute(&mut tx.conn)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    pub(crate) async fn end_session(&self, cookie: &str) -> Result<(), StoreError> {
        let hash = secret_hash(cookie);
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM sessions WHERE hash = ?")
                        .bind(hash)
                        .execute(&mut tx.conn)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// The reviewer as of now: of a local account what stands in the table, whatever the caller believes.
/// `None`: there is no such account any more.
pub(super) async fn current(
    conn: &mut SqliteConnection,
    claimed: &Reviewer,
) -> Result<Option<Reviewer>, StoreError> {
    if !claimed.person.is_local() {
        return Ok(Some(claimed.clone()));
    }
    let groups: Option<String> =
        sqlx::query_scalar("SELECT groups FROM reviewers WHERE name = ? AND revoked_at IS NULL")
            .bind(&claimed.person.subject)
            .fetch_optional(conn)
            .await?;
    groups.map(|groups| reviewer(claimed.person.subject.clone(), &groups)).transpose()
}

fn reviewer(name: String, groups: &str) -> Result<Reviewer, StoreError> {
    Ok(Reviewer { person: Person::local(&name), groups: parse_groups(&name, groups)?, display: name })
}

fn parse_groups(name: &str, groups: &str) -> Result<BTreeSet<String>, StoreError> {
    serde_json::from_str(groups).map_err(|_| StoreError::Damaged(format!("reviewer `{name}`")))
}
