//! Local reviewer accounts as rows, with their tokens and login links, by hash.

use super::agents::check_name;
use super::release::HOLDPOINT;
use super::{Store, StoreError, secret_hash, sessions, time};
use crate::approval::{Login, LoginBy, Reviewer};
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
                    let detail = json!({ "groups": groups, "local": true });
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

    pub(crate) async fn revoke_reviewer(&self, name: &str, by: Option<&Person>) -> Result<bool, StoreError> {
        let (name, actor) = (name.to_owned(), super::agents::actor(by));
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
                    for statement in
                        ["DELETE FROM reviewer_tokens WHERE reviewer = ?", "DELETE FROM login_links WHERE reviewer = ?"]
                    {
                        sqlx::query(statement).bind(id).execute(&mut tx.conn).await?;
                    }
                    for statement in ["DELETE FROM sessions WHERE person = ?", "DELETE FROM accounts WHERE person = ?"] {
                        sqlx::query(statement)
                            .bind(Person::local(&name).to_string())
                            .execute(&mut tx.conn)
                            .await?;
                    }
                    tx.record(EventKind::ReviewerRevoked, actor, Some(&name), json!({ "local": true })).await?;
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
                    let name: String = sqlx::query_scalar("SELECT name FROM reviewers WHERE id = ?")
                        .bind(id)
                        .fetch_one(&mut tx.conn)
                        .await?;
                    let login = Login { by: LoginBy::Link, at: Some(tx.now), ..Login::default() };
                    sessions::begin(tx, &Person::local(&name), &login, None, session, life).await?;
                    Ok(true)
                })
            })
            .await
    }
}

/// The groups of an account; `None`: there is none.
pub(super) async fn groups(
    conn: &mut SqliteConnection,
    name: &str,
) -> Result<Option<BTreeSet<String>>, StoreError> {
    let groups: Option<String> =
        sqlx::query_scalar("SELECT groups FROM reviewers WHERE name = ? AND revoked_at IS NULL")
            .bind(name)
            .fetch_optional(conn)
            .await?;
    groups.map(|groups| parse_groups(name, &groups)).transpose()
}

fn reviewer(name: String, groups: &str) -> Result<Reviewer, StoreError> {
    Ok(Reviewer {
        person: Person::local(&name),
        key: None,
        groups: parse_groups(&name, groups)?,
        groups_at: None,
        display: name,
        login: Login::default(),
    })
}

fn parse_groups(name: &str, groups: &str) -> Result<BTreeSet<String>, StoreError> {
    serde_json::from_str(groups).map_err(|_| StoreError::Damaged(format!("reviewer `{name}`")))
}
