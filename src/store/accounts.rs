//! Chat accounts: whose they are, and the one-time tickets that link them to who signs in.

use super::park::later;
use super::people::parse;
use super::release::HOLDPOINT;
use super::{Store, StoreError, secret_hash, time};
use crate::audit::EventKind;
use crate::person::Person;
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

/// How it is known whose account it is, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkedBy {
    /// The person signed in with a ticket that only the account had.
    Login,
    /// The identity provider names the account.
    Attribute,
    /// The verified addresses are the same (`match-email`).
    Email,
}

impl LinkedBy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Attribute => "attribute",
            Self::Email => "email",
        }
    }
}

/// A link as listed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct LinkedAccount {
    pub account: String,
    pub person: Person,
    pub how: String,
    pub linked_at: Timestamp,
}

/// An account that a ticket stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticketed {
    pub account: String,
    /// As the chat service shows it. Whoever it belongs to chose it.
    pub display: String,
}

impl Store {
    pub(crate) async fn account_person(&self, account: &str) -> Result<Option<Person>, StoreError> {
        let person: Option<String> = sqlx::query_scalar("SELECT person FROM accounts WHERE account = ?")
            .bind(account)
            .fetch_optional(&self.readers)
            .await?;
        person.as_deref().map(parse).transpose()
    }

    pub(crate) async fn accounts_of(&self, person: &Person) -> Result<Vec<LinkedAccount>, StoreError> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT account, person, how, linked_at FROM accounts WHERE person = ? ORDER BY account",
        )
        .bind(person.to_string())
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(account, person, how, linked_at)| {
                Ok(LinkedAccount { account, person: parse(&person)?, how, linked_at: time(linked_at)? })
            })
            .collect()
    }

    /// Links an account that the identity provider or an address tells of. One that is linked stays as it is.
    pub(crate) async fn link_account(
        &self,
        account: &str,
        person: &Person,
        how: LinkedBy,
    ) -> Result<(), StoreError> {
        let (account, person) = (account.to_owned(), person.to_string());
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let linked = sqlx::query(
                        "INSERT INTO accounts (account, person, how, linked_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    )
                    .bind(&account)
                    .bind(&person)
                    .bind(how.as_str())
                    .bind(tx.now.as_millisecond())
                    .execute(&mut tx.conn)
                    .await?;
                    if linked.rows_affected() == 1 {
                        let detail = json!({ "person": person, "how": how });
                        tx.record(EventKind::AccountLinked, HOLDPOINT.to_owned(), Some(&account), detail).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// False: it was not linked.
    pub(crate) async fn unlink_account(&self, account: &str, by: &Person) -> Result<bool, StoreError> {
        let (account, actor) = (account.to_owned(), format!("person:{by}"));
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let person: Option<String> =
                        sqlx::query_scalar("DELETE FROM accounts WHERE account = ? RETURNING person")
                            .bind(&account)
                            .fetch_optional(&mut tx.conn)
                            .await?;
                    let Some(person) = person else { return Ok(false) };
                    let detail = json!({ "person": person });
                    tx.record(EventKind::AccountUnlinked, actor, Some(&account), detail).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Keeps a ticket for an account; older ones of the account are void.
    pub(crate) async fn keep_ticket(
        &self,
        secret: &str,
        account: &str,
        display: &str,
        life: Duration,
    ) -> Result<(), StoreError> {
        let (hash, account, display) = (secret_hash(secret), account.to_owned(), display.to_owned());
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM tickets WHERE account = ?")
                        .bind(&account)
                        .execute(&mut tx.conn)
                        .await?;
                    sqlx::query(
                        "INSERT INTO tickets (hash, account, display, expires_at) VALUES (?, ?, ?, ?)",
                    )
                    .bind(hash)
                    .bind(account)
                    .bind(display)
                    .bind(later(tx.now, life).as_millisecond())
                    .execute(&mut tx.conn)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// What a ticket stands for, without spending it.
    pub(crate) async fn ticket(&self, secret: &str) -> Result<Option<Ticketed>, StoreError> {
        let row: Option<(String, String)> = sqlx::query_as(
            "SELECT account, display FROM tickets
             WHERE hash = ? AND expires_at > CAST(round(unixepoch('subsec') * 1000) AS INTEGER)",
        )
        .bind(secret_hash(secret))
        .fetch_optional(&self.readers)
        .await?;
        Ok(row.map(|(account, display)| Ticketed { account, display }))
    }

    /// Spends a ticket: its account is this person's from now on, whoever's it was. `None`: unknown, spent or
    /// too old.
    pub(crate) async fn spend_ticket(
        &self,
        secret: &str,
        person: &Person,
    ) -> Result<Option<Ticketed>, StoreError> {
        let (hash, person) = (secret_hash(secret), person.to_string());
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let found: Option<(String, String, i64)> = sqlx::query_as(
                        "DELETE FROM tickets WHERE hash = ? RETURNING account, display, expires_at",
                    )
                    .bind(hash)
                    .fetch_optional(&mut tx.conn)
                    .await?;
                    let now = tx.now.as_millisecond();
                    let Some((account, display, _)) = found.filter(|(_, _, expires_at)| *expires_at > now)
                    else {
                        return Ok(None);
                    };
                    sqlx::query(
                        "INSERT INTO accounts (account, person, how, linked_at) VALUES (?1, ?2, 'login', ?3)
                         ON CONFLICT (account) DO UPDATE SET person = ?2, how = 'login', linked_at = ?3",
                    )
                    .bind(&account)
                    .bind(&person)
                    .bind(now)
                    .execute(&mut tx.conn)
                    .await?;
                    let detail = json!({ "person": person, "how": "login" });
                    tx.record(EventKind::AccountLinked, format!("person:{person}"), Some(&account), detail)
                        .await?;
                    Ok(Some(Ticketed { account, display }))
                })
            })
            .await
    }
}
