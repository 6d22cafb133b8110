//! Sessions of browsers, and logins under way: all by hash.

use super::key::Part;
use super::park::later;
use super::people::{self, Profile};
use super::writer::Tx;
use super::{Store, StoreError, secret_hash, time};
use crate::approval::{Login, Reviewer};
use crate::audit::EventKind;
use crate::person::Person;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

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
    /// Keeps what the provider says of a person who has signed in, and begins their session, which replaces
    /// the one of `instead`. False: the person was revoked here.
    pub(crate) async fn begin_session(
        &self,
        profile: Profile,
        login: Login,
        sid: Option<String>,
        cookie: &str,
        instead: Option<&str>,
        life: Duration,
    ) -> Result<bool, StoreError> {
        let session = secret_hash(cookie);
        let instead = instead.map(secret_hash);
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    if !people::know(tx, &profile).await? {
                        return Ok(false);
                    }
                    if let Some(old) = instead {
                        sqlx::query("DELETE FROM sessions WHERE hash = ?")
                            .bind(old)
                            .execute(&mut tx.conn)
                            .await?;
                    }
                    begin(tx, &profile.person, &login, sid.as_deref(), session, life).await?;
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
        let mut conn = self.readers.acquire().await?;
        let row: Option<(String, String, i64, i64, i64)> = sqlx::query_as(
            "SELECT person, login, seen_at, expires_at, CAST(round(unixepoch('subsec') * 1000) AS INTEGER)
             FROM sessions WHERE hash = ?",
        )
        .bind(&hash)
        .fetch_optional(&mut *conn)
        .await?;
        let Some((person, login, seen_at, expires_at, now)) = row else { return Ok(None) };
        let unused = Duration::from_millis(u64::try_from(now - seen_at).unwrap_or_default());
        if now >= expires_at || unused >= idle {
            return Ok(None);
        }
        let claimed = Reviewer {
            person: people::parse(&person)?,
            key: None,
            display: String::new(),
            groups: BTreeSet::new(),
            groups_at: None,
            login: serde_json::from_str(&login).map_err(|_| StoreError::Damaged("a session".to_owned()))?,
        };
        let Some(reviewer) = people::current(&mut conn, &claimed).await? else { return Ok(None) };
        Ok(Some(SessionRow {
            reviewer,
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
                    let person: Option<String> =
                        sqlx::query_scalar("DELETE FROM sessions WHERE hash = ? RETURNING person")
                            .bind(hash)
                            .fetch_optional(&mut tx.conn)
                            .await?;
                    if let Some(person) = person {
                        let detail = json!({ "by": "person", "sessions": 1 });
                        let actor = format!("person:{person}");
                        tx.record(EventKind::ReviewerLogout, actor, Some(&person), detail).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Ends what the provider has ended: the sessions of its `sid`, or, without one, all of the person.
    /// Returns how many.
    pub(crate) async fn end_sessions(
        &self,
        person: Option<&Person>,
        sid: Option<&str>,
    ) -> Result<u64, StoreError> {
        let (person, sid) = (person.map(Person::to_string), sid.map(str::to_owned));
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let ended = sqlx::query(
                        "DELETE FROM sessions WHERE (?1 IS NOT NULL OR ?2 IS NOT NULL)
                           AND (?1 IS NULL OR person = ?1) AND (?2 IS NULL OR sid = ?2)",
                    )
                    .bind(&person)
                    .bind(&sid)
                    .execute(&mut tx.conn)
                    .await?
                    .rows_affected();
                    if ended > 0 {
                        let actor =
                            person.as_ref().map_or_else(|| "identity".to_owned(), |p| format!("person:{p}"));
                        let detail = json!({ "by": "back-channel", "sessions": ended });
                        tx.record(EventKind::ReviewerLogout, actor, person.as_deref(), detail).await?;
                    }
                    Ok(ended)
                })
            })
            .await
    }

    /// Keeps what a login needs when it comes back from the provider, under its `state`.
    pub(crate) async fn keep_login(
        &self,
        state: &str,
        plain: &[u8],
        life: Duration,
    ) -> Result<(), StoreError> {
        let hash = secret_hash(state);
        let sealed = self.keys.seal(LOGINS, Part::Login, plain)?;
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("INSERT INTO logins (hash, sealed, expires_at) VALUES (?, ?, ?)")
                        .bind(hash)
                        .bind(sealed)
                        .bind(later(tx.now, life).as_millisecond())
                        .execute(&mut tx.conn)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Spends a login under way. `None`: unknown, spent or too old.
    pub(crate) async fn spend_login(&self, state: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let hash = secret_hash(state);
        let found: Option<Vec<u8>> = self
            .queue
            .write(move |tx| {
                Box::pin(async move {
                    let found: Option<(Vec<u8>, i64)> =
                        sqlx::query_as("DELETE FROM logins WHERE hash = ? RETURNING sealed, expires_at")
                            .bind(hash)
                            .fetch_optional(&mut tx.conn)
                            .await?;
                    let now = tx.now.as_millisecond();
                    Ok(found.filter(|(_, expires_at)| *expires_at > now).map(|(sealed, _)| sealed))
                })
            })
            .await?;
        found.map(|sealed| self.keys.open_sealed(LOGINS, Part::Login, &sealed)).transpose()
    }
}

/// Begins a session within the transaction that showed who it is.
pub(super) async fn begin(
    tx: &mut Tx,
    person: &Person,
    login: &Login,
    sid: Option<&str>,
    session: Vec<u8>,
    life: Duration,
) -> Result<(), StoreError> {
    let text = person.to_string();
    sqlx::query(
        "INSERT INTO sessions (hash, person, login, sid, seen_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(session)
    .bind(&text)
    .bind(json!(login).to_string())
    .bind(sid)
    .bind(tx.now.as_millisecond())
    .bind(later(tx.now, life).as_millisecond())
    .execute(&mut tx.conn)
    .await?;
    let detail = json!({ "login": login });
    tx.record(EventKind::ReviewerLogin, format!("person:{text}"), Some(&text), detail).await?;
    Ok(())
}

/// What logins under way are sealed for: they belong to no hold.
const LOGINS: &str = "logins";
