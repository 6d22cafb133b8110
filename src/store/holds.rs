//! Holds as rows: what never changes is one sealed record; columns beside it are for finding and grouping,
//! and are compared with the record whenever a hold is read.

use super::key::{Keys, Part};
use super::{Store, StoreError, time};
use crate::approval::{Charter, Law, Reviewer};
use crate::digest::{RequestDigest, sha256_hex};
use crate::hold::{AgentWords, Hold, HoldId, HoldState, ParkedRequest, ReleaseOutcome, VoteRecord, shape};
use crate::person::Person;
use crate::ruling::Grounds;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// Which holds to list. Everything `None`: all, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub state: Option<HoldState>,
    pub agent: Option<String>,
    pub rule: Option<String>,
    /// A word in URL, agent or rule.
    pub text: Option<String>,
    /// Holds made before this one, for paging.
    pub before: Option<HoldId>,
    /// At most so many; 100 when zero, 500 at most.
    pub limit: u32,
}

/// What was decided before on requests of the same shape: same agent or any, rule, method, host and path
/// with its variable-looking segments left open.
#[derive(Debug, Clone, Default, Serialize)]
pub struct History {
    pub approved: u32,
    pub denied: u32,
    pub expired: u32,
    /// By this agent alone.
    pub by_this_agent: u32,
    /// The newest few, newest first.
    pub recent: Vec<Past>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Past {
    pub id: HoldId,
    pub state: HoldState,
    pub agent: String,
    pub at: Timestamp,
    pub decided_by: Vec<Person>,
    pub reason: Option<String>,
}

/// The part of a hold that never changes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) digest: RequestDigest,
    pub(super) agent_id: i64,
    pub(super) agent: String,
    pub(super) owners: Vec<Person>,
    #[serde(default)]
    pub(super) initiator: Option<Person>,
    pub(super) source: String,
    pub(super) request: ParkedRequest,
    pub(super) grounds: Grounds,
    pub(super) words: AgentWords,
    pub(super) solo: bool,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
}

impl Record {
    /// What of it stands in columns.
    pub(super) fn columns(&self) -> Columns {
        let request = &self.request;
        Columns {
            digest: self.digest.0.to_vec(),
            agent_id: self.agent_id,
            agent: self.agent.clone(),
            rule: self.grounds.rule.clone(),
            method: request.method.clone(),
            url: crate::redact::url(&request.url).into_owned(),
            shape: shape(&request.method, &request.url),
            created_at: self.created_at,
            expires_at: self.expires_at,
        }
    }

    pub(super) fn sealed(&self, keys: &Keys, id: &HoldId) -> Result<Vec<u8>, StoreError> {
        let plain = serde_json::to_vec(self).map_err(|_| StoreError::Damaged(format!("hold `{id}`")))?;
        keys.seal(id.as_str(), Part::Record, &plain)
    }
}

/// The columns that repeat the record.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Columns {
    pub(super) digest: Vec<u8>,
    pub(super) agent_id: i64,
    pub(super) agent: String,
    pub(super) rule: String,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) shape: String,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
}

/// A row of `holds`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Stored {
    pub(super) seq: i64,
    id: String,
    version: i64,
    state: String,
    #[sqlx(flatten)]
    columns: Columns,
    record: Vec<u8>,
    decided_at: Option<i64>,
    approval_expires_at: Option<i64>,
    released_at: Option<i64>,
    outcome: Option<String>,
    requests: i64,
    by_grant: Option<String>,
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct StoredVote {
    hold: i64,
    person: String,
    choice: String,
    groups: String,
    reason: Option<String>,
    channel: String,
    assurance: String,
    account: Option<String>,
    at: i64,
}

impl Stored {
    /// The hold, without its body.
    pub(super) fn into_hold(self, keys: &Keys, votes: Vec<VoteRecord>) -> Result<Hold, StoreError> {
        let damaged = || StoreError::Damaged(format!("hold `{}`", self.id));
        let plain = keys.open_sealed(&self.id, Part::Record, &self.record)?;
        let record: Record = serde_json::from_slice(&plain).map_err(|_| damaged())?;
        if record.columns() != self.columns {
            return Err(damaged());
        }
        let outcome = self.outcome.as_deref().map(serde_json::from_str::<ReleaseOutcome>).transpose();
        Ok(Hold {
            id: self.id.parse().map_err(|_| damaged())?,
            version: self.version,
            state: self.state.parse().map_err(|_| damaged())?,
            digest: record.digest,
            agent_id: record.agent_id,
            agent: record.agent,
            owners: record.owners,
            initiator: record.initiator,
            grant: self.by_grant,
            source: record.source,
            request: record.request,
            grounds: record.grounds,
            words: record.words,
            solo: record.solo,
            created_at: time(record.created_at)?,
            expires_at: time(record.expires_at)?,
            decided_at: self.decided_at.map(time).transpose()?,
            approval_expires_at: self.approval_expires_at.map(time).transpose()?,
            released_at: self.released_at.map(time).transpose()?,
            outcome: outcome.map_err(|_| damaged())?,
            requests: u32::try_from(self.requests).unwrap_or(u32::MAX),
            votes,
        })
    }
}

impl TryFrom<StoredVote> for VoteRecord {
    type Error = StoreError;

    fn try_from(vote: StoredVote) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged("a vote".to_owned());
        Ok(Self {
            person: vote.person.parse().map_err(|_| damaged())?,
            groups: serde_json::from_str(&vote.groups).map_err(|_| damaged())?,
            vote: serde_json::from_value(vote.choice.into()).map_err(|_| damaged())?,
            reason: vote.reason,
            channel: serde_json::from_value(vote.channel.into()).map_err(|_| damaged())?,
            assurance: serde_json::from_value(vote.assurance.into()).map_err(|_| damaged())?,
            account: vote.account,
            at: time(vote.at)?,
        })
    }
}

impl Store {
    pub(crate) async fn list(&self, filter: &Filter) -> Result<Vec<Hold>, StoreError> {
        let limit = if filter.limit == 0 { LIST_DEFAULT } else { filter.limit.min(LIST_MAX) };
        let text = filter.text.as_deref().filter(|t| !t.is_empty());
        let stored: Vec<Stored> = sqlx::query_as(
            "SELECT * FROM holds
             WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR agent = ?2) AND (?3 IS NULL OR rule = ?3)
               AND (?4 IS NULL OR instr(lower(url), lower(?4)) OR instr(agent, lower(?4)) OR instr(rule, lower(?4)))
               AND (?5 IS NULL OR seq < (SELECT seq FROM holds WHERE id = ?5))
             ORDER BY seq DESC LIMIT ?6",
        )
        .bind(filter.state.map(HoldState::as_str))
        .bind(&filter.agent)
        .bind(&filter.rule)
        .bind(text)
        .bind(filter.before.as_ref().map(HoldId::as_str))
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        let seqs: Vec<i64> = stored.iter().map(|hold| hold.seq).collect();
        let mut votes: Vec<StoredVote> = sqlx::query_as(
            "SELECT hold, person, choice, groups, reason, channel, assurance, account, at FROM votes
             WHERE hold IN (SELECT value FROM json_each(?)) ORDER BY hold, at",
        )
        .bind(serde_json::json!(seqs).to_string())
        .fetch_all(&self.readers)
        .await?;
        let mut holds = Vec::with_capacity(stored.len());
        for hold in stored {
            let (own, others) = votes.into_iter().partition(|vote| vote.hold == hold.seq);
            votes = others;
            holds.push(hold.into_hold(&self.keys, records(own)?)?);
        }
        Ok(holds)
    }

    /// One hold without its body.
    pub(crate) async fn hold(&self, id: &HoldId) -> Result<Option<Hold>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        Ok(load(&mut conn, &self.keys, id).await?.map(|(_, hold)| hold))
    }

    /// One hold with its body, when that is still kept.
    pub(crate) async fn hold_whole(&self, id: &HoldId) -> Result<Option<Hold>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        let Some((seq, mut hold)) = load(&mut conn, &self.keys, id).await? else { return Ok(None) };
        hold.request.body = body(&mut conn, &self.keys, seq, &hold).await?;
        Ok(Some(hold))
    }

    /// Its version, if there is such a hold.
    pub(crate) async fn version(&self, id: &HoldId) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar("SELECT version FROM holds WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Of these holds those that are not pending: where they stand, and the reason of a denial.
    pub(crate) async fn decided(
        &self,
        ids: &[HoldId],
    ) -> Result<Vec<(HoldId, HoldState, Option<String>)>, StoreError> {
        let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
            "SELECT id, state, (SELECT reason FROM votes WHERE hold = holds.seq AND choice = 'deny' ORDER BY at LIMIT 1)
             FROM holds WHERE id IN (SELECT value FROM json_each(?)) AND state <> 'pending'",
        )
        .bind(serde_json::json!(ids).to_string())
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(id, state, reason)| {
                let damaged = || StoreError::Damaged(format!("hold `{id}`"));
                Ok((id.parse().map_err(|_| damaged())?, state.parse().map_err(|_| damaged())?, reason))
            })
            .collect()
    }

    pub(crate) async fn history(&self, hold: &Hold) -> Result<History, StoreError> {
        let shape = shape(&hold.request.method, &hold.request.url);
        let mut conn = self.readers.acquire().await?;
        let counts: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT state, count(*), count(*) FILTER (WHERE agent_id = ?3) FROM holds
             WHERE shape = ?1 AND rule = ?2 AND id <> ?4 GROUP BY state",
        )
        .bind(&shape)
        .bind(&hold.grounds.rule)
        .bind(hold.agent_id)
        .bind(hold.id.as_str())
        .fetch_all(&mut *conn)
        .await?;
        let mut history = History::default();
        for (state, count, by_this_agent) in counts {
            let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
            match state.as_str() {
                "approved" | "released" => history.approved += number(count),
                "denied" => history.denied += number(count),
                "expired" => history.expired += number(count),
                _ => continue,
            }
            history.by_this_agent += number(by_this_agent);
        }
        let recent: Vec<(i64, String, String, String, i64)> = sqlx::query_as(
            "SELECT seq, id, state, agent, coalesce(decided_at, ended_at, created_at) FROM holds
             WHERE shape = ?1 AND rule = ?2 AND id <> ?3 AND state <> 'pending' ORDER BY seq DESC LIMIT ?4",
        )
        .bind(&shape)
        .bind(&hold.grounds.rule)
        .bind(hold.id.as_str())
        .bind(RECENT)
        .fetch_all(&mut *conn)
        .await?;
        for (seq, id, state, agent, at) in recent {
            let damaged = || StoreError::Damaged(format!("hold `{id}`"));
            let votes = votes(&mut conn, seq).await?;
            history.recent.push(Past {
                id: id.parse().map_err(|_| damaged())?,
                state: state.parse().map_err(|_| damaged())?,
                agent,
                at: time(at)?,
                reason: votes.iter().rev().find_map(|vote| vote.reason.clone()),
                decided_by: votes.into_iter().map(|vote| vote.person).collect(),
            });
        }
        Ok(history)
    }

    /// Who is concerned by a hold now.
    pub(crate) async fn concerned(&self, hold: &Hold) -> Result<Concerned, StoreError> {
        Concerned::of(&mut *self.readers.acquire().await?, hold).await
    }

    /// What a vote would be judged by now: the bench, the reviewer as stored, and the time.
    pub(crate) async fn bench(
        &self,
        hold: &Hold,
        reviewer: &Reviewer,
    ) -> Result<(Concerned, Option<Reviewer>, Timestamp), StoreError> {
        let mut conn = self.readers.acquire().await?;
        let reviewer = super::people::current(&mut conn, reviewer).await?;
        let concerned = Concerned::of(&mut conn, hold).await?;
        let now = sqlx::query_scalar("SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)")
            .fetch_one(&mut *conn)
            .await?;
        Ok((concerned, reviewer, time(now)?))
    }
}

/// Who is concerned by a hold at this moment.
#[derive(Debug)]
pub(crate) struct Concerned {
    /// The agent's owners now.
    pub(crate) owners: Vec<Person>,
    /// What joins accounts, of owners, initiator and voters.
    pub(crate) keys: BTreeMap<Person, String>,
}

impl Concerned {
    pub(super) async fn of(conn: &mut SqliteConnection, hold: &Hold) -> Result<Self, StoreError> {
        let owners = owners(conn, hold.agent_id).await?;
        let voters = hold.votes.iter().map(|vote| &vote.person);
        let all: Vec<&Person> =
            owners.iter().chain(&hold.owners).chain(&hold.initiator).chain(voters).collect();
        let keys = super::people::keys(conn, &all).await?;
        Ok(Self { owners, keys })
    }

    pub(crate) fn law<'a>(&'a self, solo: bool, charter: &'a Charter) -> Law<'a> {
        Law { owners_now: &self.owners, solo, keys: &self.keys, charter }
    }
}

/// One hold without its body, and its row number.
pub(super) async fn load(
    conn: &mut SqliteConnection,
    keys: &Keys,
    id: &HoldId,
) -> Result<Option<(i64, Hold)>, StoreError> {
    let stored: Option<Stored> = sqlx::query_as("SELECT * FROM holds WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    let Some(stored) = stored else { return Ok(None) };
    let seq = stored.seq;
    let votes = votes(conn, seq).await?;
    Ok(Some((seq, stored.into_hold(keys, votes)?)))
}

/// The body as received: `None` when it was erased. An error when it is not what was parked.
pub(super) async fn body(
    conn: &mut SqliteConnection,
    keys: &Keys,
    seq: i64,
    hold: &Hold,
) -> Result<Option<bytes::Bytes>, StoreError> {
    let damaged = || StoreError::Damaged(format!("the body of hold `{}`", hold.id));
    if hold.request.body_bytes == 0 {
        return Ok(Some(bytes::Bytes::new()));
    }
    let sealed: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT sealed FROM bodies WHERE hold = ?").bind(seq).fetch_optional(conn).await?;
    let Some(sealed) = sealed else {
        return if hold.state.is_final() { Ok(None) } else { Err(damaged()) };
    };
    let body = keys.open_sealed(hold.id.as_str(), Part::Body, &sealed).map_err(|_| damaged())?;
    if sha256_hex(&body) != hold.request.body_sha256 {
        return Err(damaged());
    }
    Ok(Some(body.into()))
}

/// The agent's owners at this moment.
pub(super) async fn owners(conn: &mut SqliteConnection, agent_id: i64) -> Result<Vec<Person>, StoreError> {
    let owners: String =
        sqlx::query_scalar("SELECT owners FROM agents WHERE id = ?").bind(agent_id).fetch_one(conn).await?;
    serde_json::from_str(&owners).map_err(|_| StoreError::Damaged(format!("agent {agent_id}")))
}

async fn votes(conn: &mut SqliteConnection, seq: i64) -> Result<Vec<VoteRecord>, StoreError> {
    records(
        sqlx::query_as(
            "SELECT hold, person, choice, groups, reason, channel, assurance, account, at FROM votes WHERE hold = ? ORDER BY at",
        )
        .bind(seq)
        .fetch_all(conn)
        .await?,
    )
}

fn records(votes: Vec<StoredVote>) -> Result<Vec<VoteRecord>, StoreError> {
    votes.into_iter().map(VoteRecord::try_from).collect()
}

const LIST_DEFAULT: u32 = 100;
const LIST_MAX: u32 = 500;
/// Past holds shown with a new one.
const RECENT: u32 = 5;
