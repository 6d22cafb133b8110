//! Agents as rows. They are never removed, and their names never used again: a record names one for ever.

use super::release::{HOLDPOINT, end};
use super::{Store, StoreError, time};
use crate::agent::{Agent, LOCAL_AGENT};
use crate::audit::EventKind;
use crate::hold::HoldState;
use crate::person::Person;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// An agent as listed.
#[derive(Debug, Clone, Serialize)]
pub struct Enrolled {
    #[serde(flatten)]
    pub agent: Agent,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// Holds of it that wait for a decision.
    pub pending: u32,
}

/// An agent that may send, with the hash of its token; `local` has none.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) agent: Agent,
    pub(crate) token_hash: Option<Vec<u8>>,
}

/// An agent that is to be enrolled.
#[derive(Debug, Clone)]
pub(crate) struct Enrolling {
    pub(crate) name: String,
    pub(crate) owners: Vec<Person>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) token_hash: Vec<u8>,
}

#[derive(Debug, sqlx::FromRow)]
struct Stored {
    id: i64,
    name: String,
    token_hash: Option<Vec<u8>>,
    owners: String,
    labels: String,
    created_at: i64,
    revoked_at: Option<i64>,
    pending: i64,
}

impl Stored {
    fn agent(&self) -> Result<Agent, StoreError> {
        let damaged = |_| StoreError::Damaged(format!("agent `{}`", self.name));
        Ok(Agent {
            id: self.id,
            name: self.name.clone(),
            owners: serde_json::from_str(&self.owners).map_err(damaged)?,
            labels: serde_json::from_str(&self.labels).map_err(damaged)?,
        })
    }
}

impl Store {
    pub(crate) async fn agents(&self) -> Result<Vec<Enrolled>, StoreError> {
        let stored = self.agent_rows().await?;
        stored
            .into_iter()
            .map(|row| {
                Ok(Enrolled {
                    agent: row.agent()?,
                    created_at: time(row.created_at)?,
                    revoked_at: row.revoked_at.map(time).transpose()?,
                    pending: u32::try_from(row.pending).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// Those that may send.
    pub(crate) async fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        let stored = self.agent_rows().await?;
        stored
            .into_iter()
            .filter(|row| row.revoked_at.is_none())
            .map(|row| Ok(Credential { agent: row.agent()?, token_hash: row.token_hash }))
            .collect()
    }

    async fn agent_rows(&self) -> Result<Vec<Stored>, StoreError> {
        Ok(sqlx::query_as("SELECT * FROM agents ORDER BY name").fetch_all(&self.readers).await?)
    }

    pub(crate) async fn enrol(&self, enrolling: Enrolling) -> Result<(), StoreError> {
        check_name(&enrolling.name, "")?;
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let added = sqlx::query(
                        "INSERT INTO agents (name, token_hash, owners, labels, created_at) VALUES (?, ?, ?, ?, ?)
                         ON CONFLICT (name) DO NOTHING",
                    )
                    .bind(&enrolling.name)
                    .bind(&enrolling.token_hash)
                    .bind(json!(enrolling.owners).to_string())
                    .bind(json!(enrolling.labels).to_string())
                    .bind(tx.now.as_millisecond())
                    .execute(&mut tx.conn)
                    .await?;
                    if added.rows_affected() == 0 {
                        return Err(StoreError::NameTaken(enrolling.name));
                    }
                    let detail = json!({ "owners": enrolling.owners, "labels": enrolling.labels });
                    tx.record(EventKind::AgentAdded, HOLDPOINT.to_owned(), Some(&enrolling.name), detail).await?;
                    Ok(())
                })
            })
            .await
    }

    /// False: there is no such agent that could have another token.
    pub(crate) async fn rotate_agent(&self, name: &str, token_hash: Vec<u8>) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let changed = sqlx::query(
                        "UPDATE agents SET token_hash = ? WHERE name = ? AND revoked_at IS NULL AND name <> ?",
                    )
                    .bind(token_hash)
                    .bind(&name)
                    .bind(LOCAL_AGENT)
                    .execute(&mut tx.conn)
                    .await?
                    .rows_affected();
                    if changed == 0 {
                        return Ok(false);
                    }
                    tx.record(EventKind::AgentRotated, HOLDPOINT.to_owned(), Some(&name), json!({})).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Ends an agent and withdraws its open holds. False: there is no such agent that could be ended.
    pub(crate) async fn revoke_agent(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let id: Option<i64> = sqlx::query_scalar(
                        "UPDATE agents SET revoked_at = ?, token_hash = NULL
                         WHERE name = ? AND revoked_at IS NULL AND name <> ? RETURNING id",
                    )
                    .bind(tx.now.as_millisecond())
                    .bind(&name)
                    .bind(LOCAL_AGENT)
                    .fetch_optional(&mut tx.conn)
                    .await?;
                    let Some(id) = id else { return Ok(false) };
                    let live: Vec<(String, String)> = sqlx::query_as(
                        "SELECT id, state FROM holds
                         WHERE agent_id = ? AND state IN ('pending', 'approved') ORDER BY seq",
                    )
                    .bind(id)
                    .fetch_all(&mut tx.conn)
                    .await?;
                    for (hold, state) in &live {
                        let damaged = || StoreError::Damaged(format!("hold `{hold}`"));
                        let state: HoldState = state.parse().map_err(|_| damaged())?;
                        let hold = hold.parse().map_err(|_| damaged())?;
                        end(tx, &hold, state, HoldState::Withdrawn).await?;
                    }
                    let detail = json!({ "withdrawn": live.len() });
                    tx.record(EventKind::AgentRevoked, HOLDPOINT.to_owned(), Some(&name), detail).await?;
                    Ok(true)
                })
            })
            .await
    }
}

/// `[a-z0-9][a-z0-9._-]{0,62}`, and whatever `more` allows after the first character.
pub(super) fn check_name(name: &str, more: &str) -> Result<(), StoreError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let sound = name.starts_with(plain)
        && name.len() <= NAME_BYTES_MAX
        && name.chars().all(|c| plain(c) || "._-".contains(c) || more.contains(c));
    if sound { Ok(()) } else { Err(StoreError::BadName(name.escape_debug().to_string())) }
}

const NAME_BYTES_MAX: usize = 63;
