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
    /// Since when it has had more than it may: more are refused.
    pub flooding_since: Option<Timestamp>,
    /// The person who enrolled it, or `workload`; `None`: whoever keeps this machine.
    pub enrolled_by: Option<String>,
    /// Whose tokens it comes with: `issuer|agent`.
    pub workload: Option<String>,
}

/// An agent that may send, with the hash of its token; `local` has none, and one of a workload has none.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) agent: Agent,
    pub(crate) token_hash: Option<Vec<u8>>,
    pub(crate) workload: Option<String>,
}

/// An agent that is to be enrolled.
#[derive(Debug, Clone)]
pub(crate) struct Enrolling {
    pub(crate) name: String,
    pub(crate) owners: Vec<Person>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) how: Enrolment,
}

/// How an agent comes to be, and what it shows to be it.
#[derive(Debug, Clone)]
pub(crate) enum Enrolment {
    /// By this person, or by whoever keeps the machine; the hash of its token.
    Token { by: Option<Person>, hash: Vec<u8> },
    /// At the first use of a token of this workload.
    Workload(String),
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
    flooding_since: Option<i64>,
    enrolled_by: Option<String>,
    workload: Option<String>,
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
    /// The labels of an agent now; none, if there is no such agent.
    pub(crate) async fn labels(&self, agent_id: i64) -> Result<BTreeMap<String, String>, StoreError> {
        let labels: Option<String> = sqlx::query_scalar("SELECT labels FROM agents WHERE id = ?")
            .bind(agent_id)
            .fetch_optional(&self.readers)
            .await?;
        let damaged = |_| StoreError::Damaged(format!("the labels of agent {agent_id}"));
        labels.map_or_else(|| Ok(BTreeMap::new()), |text| serde_json::from_str(&text).map_err(damaged))
    }

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
                    flooding_since: row.flooding_since.map(time).transpose()?,
                    enrolled_by: row.enrolled_by,
                    workload: row.workload,
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
            .map(|row| {
                Ok(Credential { agent: row.agent()?, token_hash: row.token_hash, workload: row.workload })
            })
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
                    let Enrolling { name, owners, labels, how } = enrolling;
                    let (by, hash, workload) = match &how {
                        Enrolment::Token { by, hash } => (by.as_ref().map(Person::to_string), Some(hash), None),
                        Enrolment::Workload(workload) => (Some("workload".to_owned()), None, Some(workload)),
                    };
                    let added = sqlx::query(
                        "INSERT INTO agents (name, token_hash, owners, labels, created_at, enrolled_by, workload)
                         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    )
                    .bind(&name)
                    .bind(hash)
                    .bind(json!(owners).to_string())
                    .bind(json!(labels).to_string())
                    .bind(tx.now.as_millisecond())
                    .bind(&by)
                    .bind(workload)
                    .execute(&mut tx.conn)
                    .await?;
                    if added.rows_affected() == 0 {
                        return Err(StoreError::NameTaken(name));
                    }
                    let by = match &how {
                        Enrolment::Token { by, .. } => actor(by.as_ref()),
                        Enrolment::Workload(_) => HOLDPOINT.to_owned(),
                    };
                    let detail = match workload {
                        Some(workload) => json!({ "owners": owners, "labels": labels, "workload": workload }),
                        None => json!({ "owners": owners, "labels": labels }),
                    };
                    tx.record(EventKind::AgentAdded, by, Some(&name), detail).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Gives an agent of a workload the owners and labels that the configuration names now. The owners of its
    /// holds, at the time of parking, stay as they were.
    pub(crate) async fn change_agent(
        &self,
        workload: &str,
        owners: &[Person],
        labels: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let (workload, owners, labels) = (workload.to_owned(), owners.to_vec(), labels.clone());
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let changed: Option<String> = sqlx::query_scalar(
                        "UPDATE agents SET owners = ?1, labels = ?2
                         WHERE workload = ?3 AND revoked_at IS NULL AND (owners <> ?1 OR labels <> ?2)
                         RETURNING name",
                    )
                    .bind(json!(owners).to_string())
                    .bind(json!(labels).to_string())
                    .bind(workload)
                    .fetch_optional(&mut tx.conn)
                    .await?;
                    let Some(name) = changed else { return Ok(()) };
                    let detail = json!({ "owners": owners, "labels": labels });
                    tx.record(EventKind::AgentChanged, HOLDPOINT.to_owned(), Some(&name), detail).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Gives an agent another token. A person who is handed it could act as the agent from then on, and is one
    /// of its owners. False: there is no such agent that could have another token.
    pub(crate) async fn rotate_agent(
        &self,
        name: &str,
        token_hash: Vec<u8>,
        by: Option<&Person>,
    ) -> Result<bool, StoreError> {
        let (name, by) = (name.to_owned(), by.cloned());
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    let owners: Option<String> = sqlx::query_scalar(
                        "UPDATE agents SET token_hash = ?
                         WHERE name = ? AND token_hash IS NOT NULL AND revoked_at IS NULL RETURNING owners",
                    )
                    .bind(token_hash)
                    .bind(&name)
                    .fetch_optional(&mut tx.conn)
                    .await?;
                    let Some(owners) = owners else { return Ok(false) };
                    let damaged = |_| StoreError::Damaged(format!("agent `{name}`"));
                    let mut owners: Vec<Person> = serde_json::from_str(&owners).map_err(damaged)?;
                    let mut detail = json!({});
                    if let Some(by) = by.as_ref().filter(|by| !owners.contains(by)) {
                        owners.push(by.clone());
                        sqlx::query("UPDATE agents SET owners = ? WHERE name = ?")
                            .bind(json!(owners).to_string())
                            .bind(&name)
                            .execute(&mut tx.conn)
                            .await?;
                        detail = json!({ "owners": owners });
                    }
                    tx.record(EventKind::AgentRotated, actor(by.as_ref()), Some(&name), detail).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Ends an agent and withdraws its open holds. False: there is no such agent that could be ended.
    pub(crate) async fn revoke_agent(&self, name: &str, by: Option<&Person>) -> Result<bool, StoreError> {
        let (name, by) = (name.to_owned(), actor(by));
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
                    tx.record(EventKind::AgentRevoked, by, Some(&name), detail).await?;
                    Ok(true)
                })
            })
            .await
    }
}

/// Who does it: a person, or whoever keeps the machine.
pub(super) fn actor(by: Option<&Person>) -> String {
    by.map_or_else(|| HOLDPOINT.to_owned(), |by| format!("person:{by}"))
}

/// `[a-z0-9][a-z0-9._-]{0,62}`, and whatever `more` allows after the first character.
pub(crate) fn check_name(name: &str, more: &str) -> Result<(), StoreError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let sound = name.starts_with(plain)
        && name.len() <= NAME_BYTES_MAX
        && name.chars().all(|c| plain(c) || "._-".contains(c) || more.contains(c));
    if sound { Ok(()) } else { Err(StoreError::BadName(name.escape_debug().to_string())) }
}

const NAME_BYTES_MAX: usize = 63;
