//! Parking: one transaction finds the live hold of the identical request, or makes a new one.

use super::grants;
use super::holds::{self, Columns, Record};
use super::key::{Keys, Part};
use super::release::{end, release};
use super::writer::Tx;
use super::{Store, StoreError, time};
use crate::agent::Agent;
use crate::approval::Charter;
use crate::audit::EventKind;
use crate::digest::RequestDigest;
use crate::grant;
use crate::hold::{AgentWords, Hold, HoldId, HoldState, ParkedRequest};
use crate::person::Person;
use crate::ruling::Grounds;
use jiff::Timestamp;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A request that is to be parked.
#[derive(Debug)]
pub struct Parking {
    pub agent: Arc<Agent>,
    /// On whose behalf the agent acts, where its credentials say so.
    pub initiator: Option<Person>,
    pub source: IpAddr,
    pub digest: RequestDigest,
    pub request: ParkedRequest,
    pub grounds: Grounds,
    pub words: AgentWords,
}

/// Under what terms requests are parked.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) solo: bool,
    /// When the rule says nothing.
    pub(crate) expires: Duration,
    pub(crate) approval_life: Duration,
    pub(crate) pending_per_agent_max: usize,
    pub(crate) charter: Arc<Charter>,
    pub(crate) grants: Arc<grant::Policy>,
}

impl Terms {
    fn bench(&self) -> grants::Bench<'_> {
        grants::Bench { policy: &self.grants, charter: &self.charter }
    }
}

/// What parking led to. `W` is the seat of whom waits.
#[derive(Debug)]
pub(crate) enum ParkResult<W> {
    Waiting(W),
    /// The approval of the identical request, or a use of a grant, is spent on this one.
    Released(HoldId),
    Denied {
        hold: HoldId,
        reason: Option<String>,
    },
    AgentFull {
        pending: usize,
        /// Since when it has had too many.
        flooding: Duration,
    },
    Revoked,
}

/// The agent, and the newest hold of the identical request.
#[derive(Debug, sqlx::FromRow)]
struct Before {
    revoked_at: Option<i64>,
    pending: i64,
    flooding_since: Option<i64>,
    seq: Option<i64>,
    id: Option<String>,
    state: Option<String>,
    expires_at: Option<i64>,
    due_at: Option<i64>,
}

impl Store {
    /// Parks a request. `seat` is called within the transaction when the request has to wait, so that no
    /// decision can come before the seat is there; when the commit fails the seat is dropped.
    pub(crate) async fn park<W, S>(
        &self,
        parking: Parking,
        terms: Terms,
        seat: S,
    ) -> Result<ParkResult<W>, StoreError>
    where
        W: Send + 'static,
        S: FnOnce(HoldId, Timestamp) -> W + Send + 'static,
    {
        let id = new_id()?;
        let body = match &parking.request.body {
            Some(body) if !body.is_empty() => Some(self.keys.seal(id.as_str(), Part::Body, body)?),
            _ => None,
        };
        let keys = Arc::clone(&self.keys);
        self.queue.write(move |tx| Box::pin(park(tx, keys, id, parking, body, terms, seat))).await
    }
}

async fn park<W, S>(
    tx: &mut Tx,
    keys: Arc<Keys>,
    id: HoldId,
    parking: Parking,
    body: Option<Vec<u8>>,
    terms: Terms,
    seat: S,
) -> Result<ParkResult<W>, StoreError>
where
    S: FnOnce(HoldId, Timestamp) -> W,
{
    let before: Option<Before> = sqlx::query_as(
        "SELECT a.revoked_at, a.pending, a.flooding_since, h.seq, h.id, h.state, h.expires_at, h.due_at
         FROM agents a LEFT JOIN holds h
           ON h.seq = (SELECT max(seq) FROM holds WHERE agent_id = a.id AND digest = ?2)
         WHERE a.id = ?1",
    )
    .bind(parking.agent.id)
    .bind(parking.digest.0.as_slice())
    .fetch_optional(&mut tx.conn)
    .await?;
    let Some(before) = before.filter(|b| b.revoked_at.is_none()) else { return Ok(ParkResult::Revoked) };
    let actor = format!("agent:{}", parking.agent.name);

    if let Before {
        seq: Some(seq), id: Some(known), state: Some(state), expires_at: Some(expires_at), ..
    } = &before
    {
        let damaged = || StoreError::Damaged(format!("hold `{known}`"));
        let known: HoldId = known.parse().map_err(|_| damaged())?;
        let state: HoldState = state.parse().map_err(|_| damaged())?;
        let due = before.due_at.is_some_and(|due| due <= tx.now.as_millisecond());
        match state {
            HoldState::Pending | HoldState::Approved if due => {
                end(tx, &known, state, HoldState::Expired).await?;
            }
            HoldState::Pending => {
                join(tx, &known, actor, &parking).await?;
                // People may have been asked before the grant was made: it counts for those who ask again.
                // Whoever owned the agent when they were, or had it act for them, does not let it pass now either.
                let (_, standing) = holds::load(&mut tx.conn, &keys, &known).await?.ok_or_else(damaged)?;
                let mut draft = draft(&known, &parking, &terms, tx.now)?;
                draft.owners.extend(standing.owners);
                let same = standing.initiator == draft.initiator;
                let grant = if same { grants::find(tx, &draft, terms.bench()).await? } else { None };
                if let Some(grant) = grant {
                    grants::spend(tx, &grant, &draft, terms.approval_life).await?;
                    return Ok(ParkResult::Released(known));
                }
                return Ok(ParkResult::Waiting(seat(known, time(*expires_at)?)));
            }
            HoldState::Approved => {
                if !release(tx, &known, Some(&parking.request.body_sha256)).await? {
                    return Err(damaged());
                }
                return Ok(ParkResult::Released(known));
            }
            HoldState::Denied if *expires_at > tx.now.as_millisecond() => {
                let reason =
                    sqlx::query_scalar("SELECT reason FROM votes WHERE hold = ? AND choice = 'deny'")
                        .bind(seq)
                        .fetch_optional(&mut tx.conn)
                        .await?
                        .flatten();
                return Ok(ParkResult::Denied { hold: known, reason });
            }
            HoldState::Denied | HoldState::Released | HoldState::Expired | HoldState::Withdrawn => {}
        }
    }

    let draft = draft(&id, &parking, &terms, tx.now)?;
    if let Some(grant) = grants::find(tx, &draft, terms.bench()).await? {
        let life = terms.approval_life;
        create(tx, &keys, &id, actor, parking, body, terms).await?;
        grants::spend(tx, &grant, &draft, life).await?;
        return Ok(ParkResult::Released(id));
    }
    let pending = usize::try_from(before.pending).unwrap_or(usize::MAX);
    if pending >= terms.pending_per_agent_max {
        let flooding = flood(tx, &before, &parking.agent, terms.pending_per_agent_max).await?;
        return Ok(ParkResult::AgentFull { pending, flooding });
    }
    let expires_at = create(tx, &keys, &id, actor, parking, body, terms).await?;
    Ok(ParkResult::Waiting(seat(id, expires_at)))
}

/// The hold that would be made of a request.
fn draft(id: &HoldId, parking: &Parking, terms: &Terms, now: Timestamp) -> Result<Hold, StoreError> {
    let Parking { agent, initiator, source, digest, request, grounds, words } = parking;
    Ok(Hold {
        id: id.clone(),
        version: 1,
        state: HoldState::Pending,
        digest: *digest,
        agent_id: agent.id,
        agent: agent.name.clone(),
        owners: agent.owners.clone(),
        initiator: initiator.clone(),
        grant: None,
        source: source.to_string(),
        request: request.clone(),
        grounds: grounds.clone(),
        words: words.clone(),
        solo: terms.solo,
        created_at: now,
        expires_at: later(now, grounds.review.expires.unwrap_or(terms.expires)),
        decided_at: None,
        approval_expires_at: None,
        released_at: None,
        outcome: None,
        requests: 1,
        votes: Vec::new(),
    })
}

/// How long the agent has had too many holds open. The first refusal begins an episode and is recorded; it ends,
/// by a trigger, when half of what it may have is decided. Refusals in between write nothing.
async fn flood(tx: &mut Tx, before: &Before, agent: &Agent, most: usize) -> Result<Duration, StoreError> {
    if let Some(since) = before.flooding_since {
        return Ok(Duration::try_from(tx.now.duration_since(time(since)?)).unwrap_or_default());
    }
    sqlx::query("UPDATE agents SET flooding_since = ?, calm_at = ? WHERE id = ?")
        .bind(tx.now.as_millisecond())
        .bind(i64::try_from(most / 2).unwrap_or(i64::MAX))
        .bind(agent.id)
        .execute(&mut tx.conn)
        .await?;
    let detail = json!({ "agent_id": agent.id, "pending": before.pending, "most": most });
    tx.record(EventKind::AgentFlooding, format!("agent:{}", agent.name), Some(&agent.name), detail).await?;
    Ok(Duration::ZERO)
}

async fn join(tx: &mut Tx, id: &HoldId, actor: String, parking: &Parking) -> Result<(), StoreError> {
    let requests: i64 = sqlx::query_scalar(
        "UPDATE holds SET requests = requests + 1, version = version + 1 WHERE id = ? RETURNING requests",
    )
    .bind(id.as_str())
    .fetch_one(&mut tx.conn)
    .await?;
    // The number of a call may be another one: here stands what bytes this try would send.
    let detail = json!({
        "digest": parking.digest,
        "source": parking.source,
        "requests": requests,
        "body_sha256": parking.request.body_sha256,
    });
    tx.record(EventKind::HoldJoined, actor, Some(id.as_str()), detail).await?;
    Ok(())
}

async fn create(
    tx: &mut Tx,
    keys: &Keys,
    id: &HoldId,
    actor: String,
    parking: Parking,
    body: Option<Vec<u8>>,
    terms: Terms,
) -> Result<Timestamp, StoreError> {
    let life = parking.grounds.review.expires.unwrap_or(terms.expires);
    let expires_at = later(tx.now, life);
    let record = Record {
        digest: parking.digest,
        agent_id: parking.agent.id,
        agent: parking.agent.name.clone(),
        owners: parking.agent.owners.clone(),
        initiator: parking.initiator,
        source: parking.source.to_string(),
        request: parking.request,
        grounds: parking.grounds,
        words: parking.words,
        solo: terms.solo,
        created_at: tx.now.as_millisecond(),
        expires_at: expires_at.as_millisecond(),
    };
    let sealed = record.sealed(keys, id)?;
    let columns = record.columns();
    let seq = insert(tx, id, &columns, sealed).await?;
    if let Some(body) = body {
        sqlx::query("INSERT INTO bodies (hold, sealed) VALUES (?, ?)")
            .bind(seq)
            .bind(body)
            .execute(&mut tx.conn)
            .await?;
    }
    let detail = json!({
        "digest": record.digest,
        "agent_id": record.agent_id,
        "owners": record.owners,
        "initiator": record.initiator,
        "source": record.source,
        "method": columns.method,
        "url": columns.url,
        "body_bytes": record.request.body_bytes,
        "body_sha256": record.request.body_sha256,
        "rule": columns.rule,
        "risk": record.grounds.risk,
        "ruleset": record.grounds.ruleset,
        "session": record.words.session,
        "traceparent": record.words.traceparent,
        "solo": record.solo,
        "expires_at": expires_at,
    });
    tx.record(EventKind::HoldCreated, actor, Some(id.as_str()), detail).await?;
    Ok(expires_at)
}

async fn insert(tx: &mut Tx, id: &HoldId, columns: &Columns, sealed: Vec<u8>) -> Result<i64, StoreError> {
    let done = sqlx::query(
        "INSERT INTO holds (id, version, state, digest, agent_id, agent, rule, method, url, shape, created_at,
             expires_at, due_at, record, requests)
         VALUES (?1, 1, 'pending', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, 1)",
    )
    .bind(id.as_str())
    .bind(&columns.digest)
    .bind(columns.agent_id)
    .bind(&columns.agent)
    .bind(&columns.rule)
    .bind(&columns.method)
    .bind(&columns.url)
    .bind(&columns.shape)
    .bind(columns.created_at)
    .bind(columns.expires_at)
    .bind(sealed)
    .execute(&mut tx.conn)
    .await?;
    Ok(done.last_insert_rowid())
}

/// `life` after `now`, to the millisecond; the end of time when that is sooner.
pub(super) fn later(now: Timestamp, life: Duration) -> Timestamp {
    let life = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
    let at = now.as_millisecond().saturating_add(life).min(Timestamp::MAX.as_millisecond());
    Timestamp::from_millisecond(at).unwrap_or(now)
}

fn new_id() -> Result<HoldId, StoreError> {
    let mut bits = [0; 8];
    aws_lc_rs::rand::fill(&mut bits).map_err(|_| StoreError::Closed)?;
    Ok(HoldId::from_random(u64::from_be_bytes(bits)))
}
