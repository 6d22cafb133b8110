//! Who is who among those who decide: accounts kept here, and people of identity providers, by (issuer, subject).

use super::writer::Tx;
use super::{Store, StoreError, time};
use crate::approval::Reviewer;
use crate::audit::EventKind;
use crate::person::Person;
use jiff::Timestamp;
use serde_json::json;
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};

/// What an identity provider says of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub person: Person,
    /// Joins the accounts of one human (`identity.person-key`).
    pub key: Option<String>,
    /// Shown, never compared.
    pub display: String,
    /// Shown, never compared. Verified by the provider, or not there.
    pub email: Option<String>,
    pub groups: BTreeSet<String>,
    /// When the provider said so.
    pub groups_at: Timestamp,
}

/// A person as listed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct KnownPerson {
    pub person: Person,
    pub display: String,
    pub email: Option<String>,
    pub groups: BTreeSet<String>,
    pub groups_at: Timestamp,
    pub seen_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

#[derive(Debug, sqlx::FromRow)]
struct Stored {
    person: String,
    key: Option<String>,
    display: String,
    email: Option<String>,
    groups: String,
    groups_at: i64,
    seen_at: i64,
    revoked_at: Option<i64>,
}

impl Store {
    /// Keeps what the provider says, unless something newer is known. False: the person was revoked here.
    pub(crate) async fn know(&self, profile: Profile) -> Result<bool, StoreError> {
        self.queue.write(move |tx| Box::pin(async move { know(tx, &profile).await })).await
    }

    /// Keeps the groups that the provider confirmed at this time, unless newer ones are known; nothing else of the
    /// person changes.
    pub(crate) async fn confirm_groups(
        &self,
        person: &Person,
        groups: &BTreeSet<String>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (person, groups) = (person.to_string(), json!(groups).to_string());
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE people SET groups = ?2, groups_at = ?3, seen_at = ?4
                         WHERE person = ?1 AND groups_at < ?3 AND revoked_at IS NULL",
                    )
                    .bind(person)
                    .bind(groups)
                    .bind(at.min(tx.now).as_millisecond())
                    .bind(tx.now.as_millisecond())
                    .execute(&mut tx.conn)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// All that ever signed in, by name.
    pub(crate) async fn people(&self) -> Result<Vec<KnownPerson>, StoreError> {
        let stored: Vec<Stored> =
            sqlx::query_as("SELECT * FROM people ORDER BY display, person").fetch_all(&self.readers).await?;
        stored.into_iter().map(KnownPerson::try_from).collect()
    }

    /// Display names, of those of these people who have one.
    pub(crate) async fn names(&self, people: &[&Person]) -> Result<BTreeMap<Person, String>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT person, display FROM people WHERE person IN (SELECT value FROM json_each(?))",
        )
        .bind(json!(people).to_string())
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|(person, display)| Ok((parse(&person)?, display))).collect()
    }

    /// The person as a reviewer now, by whatever login they came. `None`: unknown, or revoked.
    pub(crate) async fn reviewer(&self, claimed: &Reviewer) -> Result<Option<Reviewer>, StoreError> {
        current(&mut *self.readers.acquire().await?, claimed).await
    }

    /// The one person of this verified address, when there is exactly one.
    pub(crate) async fn person_by_email(&self, email: &str) -> Result<Option<Person>, StoreError> {
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT person FROM people WHERE lower(email) = lower(?) AND revoked_at IS NULL LIMIT 2",
        )
        .bind(email)
        .fetch_all(&self.readers)
        .await?;
        match found.as_slice() {
            [person] => Ok(Some(parse(person)?)),
            _ => Ok(None),
        }
    }

    /// Ends a person's rights here, with their sessions and chat accounts. False: unknown, or revoked before.
    pub(crate) async fn revoke_person(
        &self,
        person: &Person,
        by: Option<&Person>,
    ) -> Result<bool, StoreError> {
        let (text, actor) = (person.to_string(), super::agents::actor(by));
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let revoked = sqlx::query(
                        "UPDATE people SET revoked_at = ? WHERE person = ? AND revoked_at IS NULL",
                    )
                    .bind(tx.now.as_millisecond())
                    .bind(&text)
                    .execute(&mut tx.conn)
                    .await?;
                    if revoked.rows_affected() == 0 {
                        return Ok(false);
                    }
                    for statement in
                        ["DELETE FROM sessions WHERE person = ?", "DELETE FROM accounts WHERE person = ?"]
                    {
                        sqlx::query(statement).bind(&text).execute(&mut tx.conn).await?;
                    }
                    tx.record(EventKind::ReviewerRevoked, actor, Some(&text), json!({ "local": false }))
                        .await?;
                    Ok(true)
                })
            })
            .await
    }
}

pub(super) async fn know(tx: &mut Tx, profile: &Profile) -> Result<bool, StoreError> {
    let known: Option<Option<i64>> = sqlx::query_scalar(
        "INSERT INTO people (person, key, display, email, groups, groups_at, first_at, seen_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
         ON CONFLICT (person) DO UPDATE SET seen_at = ?7,
             key = iif(?6 >= groups_at, ?2, key), display = iif(?6 >= groups_at, ?3, display),
             email = iif(?6 >= groups_at, ?4, email), groups = iif(?6 >= groups_at, ?5, groups),
             groups_at = max(groups_at, ?6)
         RETURNING revoked_at",
    )
    .bind(profile.person.to_string())
    .bind(&profile.key)
    .bind(&profile.display)
    .bind(&profile.email)
    .bind(json!(profile.groups).to_string())
    // A provider whose clock runs ahead vouches for nothing that is to come.
    .bind(profile.groups_at.min(tx.now).as_millisecond())
    .bind(tx.now.as_millisecond())
    .fetch_optional(&mut tx.conn)
    .await?;
    Ok(known.is_some_and(|revoked_at| revoked_at.is_none()))
}

/// The reviewer as of now: what stands in the tables, whatever the caller believes; the login is the caller's.
/// `None`: there is no such account any more.
pub(super) async fn current(
    conn: &mut SqliteConnection,
    claimed: &Reviewer,
) -> Result<Option<Reviewer>, StoreError> {
    if claimed.person.is_local() {
        let groups = super::reviewers::groups(conn, &claimed.person.subject).await?;
        return Ok(groups.map(|groups| Reviewer {
            person: claimed.person.clone(),
            key: None,
            display: claimed.person.subject.clone(),
            groups,
            groups_at: None,
            login: claimed.login.clone(),
        }));
    }
    let stored: Option<Stored> =
        sqlx::query_as("SELECT * FROM people WHERE person = ? AND revoked_at IS NULL")
            .bind(claimed.person.to_string())
            .fetch_optional(conn)
            .await?;
    let Some(mut stored) = stored else { return Ok(None) };
    let key = stored.key.take();
    let known = KnownPerson::try_from(stored)?;
    Ok(Some(Reviewer {
        person: known.person,
        key,
        display: known.display,
        groups: known.groups,
        groups_at: Some(known.groups_at),
        login: claimed.login.clone(),
    }))
}

/// What joins accounts, of those of these people who have it.
pub(super) async fn keys(
    conn: &mut SqliteConnection,
    people: &[&Person],
) -> Result<BTreeMap<Person, String>, StoreError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT person, key FROM people WHERE key IS NOT NULL AND person IN (SELECT value FROM json_each(?))",
    )
    .bind(json!(people).to_string())
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|(person, key)| Ok((parse(&person)?, key))).collect()
}

pub(super) fn parse(person: &str) -> Result<Person, StoreError> {
    person.parse().map_err(|_| StoreError::Damaged(format!("person `{}`", person.escape_debug())))
}

impl TryFrom<Stored> for KnownPerson {
    type Error = StoreError;

    fn try_from(stored: Stored) -> Result<Self, StoreError> {
        let damaged = |_| StoreError::Damaged(format!("person `{}`", stored.person.escape_debug()));
        Ok(Self {
            person: parse(&stored.person)?,
            groups: serde_json::from_str(&stored.groups).map_err(damaged)?,
            display: stored.display,
            email: stored.email,
            groups_at: time(stored.groups_at)?,
            seen_at: time(stored.seen_at)?,
            revoked_at: stored.revoked_at.map(time).transpose()?,
        })
    }
}
