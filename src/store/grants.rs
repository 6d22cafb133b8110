//! Grants as rows: made beside a vote, spent beside a park, each in that transaction.

use super::holds::Concerned;
use super::park::later;
use super::people::{self, parse};
use super::release::release;
use super::vote::VoteTerms;
use super::writer::Tx;
use super::{Store, StoreError, holds, time};
use crate::approval::{Charter, Login, Reviewer, Vote};
use crate::audit::EventKind;
use crate::grant::{self, Facts, Grant, GrantId, NoGrant, Same, Wanted, covers, stands};
use crate::hold::{Hold, HoldState};
use crate::person::Person;
use crate::role::Role;
use jiff::Timestamp;
use serde_json::json;
use sqlx::SqliteConnection;
use std::sync::Arc;
use std::time::Duration;

/// A grant as listed.
#[derive(Debug, Clone)]
pub struct Granted {
    pub grant: Grant,
    pub standing: Standing,
    /// The reviewed request, without its body.
    pub hold: Hold,
}

/// Whether a grant can still be used, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Live,
    Revoked,
    Expired,
    UsedUp,
    AgentRevoked,
    /// Who made it may not let such a request pass any more.
    MakerOut,
}

impl Standing {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::UsedUp => "used-up",
            Self::AgentRevoked => "agent-revoked",
            Self::MakerOut => "maker-not-entitled",
        }
    }
}

/// What became of the wish to revoke a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoking {
    Done,
    /// It was revoked before.
    Already,
    NoSuchGrant,
    /// The caller has no part in it: neither reviewer nor administrator, nor owner of the agent.
    NotTheirs,
}

#[derive(Debug, sqlx::FromRow)]
struct Stored {
    id: String,
    hold: String,
    agent_id: i64,
    agent: String,
    agent_revoked_at: Option<i64>,
    rule: String,
    scope: String,
    same: String,
    person: String,
    created_at: i64,
    expires_at: i64,
    uses_left: i64,
    used: i64,
    revoked_at: Option<i64>,
    revoked_by: Option<String>,
}

impl TryFrom<Stored> for Grant {
    type Error = StoreError;

    fn try_from(row: Stored) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged(format!("grant `{}`", row.id.escape_debug()));
        Ok(Self {
            id: row.id.parse().map_err(|_| damaged())?,
            hold: row.hold.parse().map_err(|_| damaged())?,
            agent_id: row.agent_id,
            rule: row.rule.clone(),
            scope: row.scope.parse().map_err(|_| damaged())?,
            same: Same(row.same.clone()),
            person: parse(&row.person)?,
            created_at: time(row.created_at)?,
            expires_at: time(row.expires_at)?,
            uses_left: u32::try_from(row.uses_left).map_err(|_| damaged())?,
            used: u32::try_from(row.used).map_err(|_| damaged())?,
            revoked_at: row.revoked_at.map(time).transpose()?,
            revoked_by: row.revoked_by,
            agent: row.agent,
        })
    }
}

/// By what the use of a grant is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bench<'a> {
    pub(super) policy: &'a grant::Policy,
    pub(super) charter: &'a Charter,
}

/// The grant that lets a request pass that was drafted as a hold just now: it covers it, is alive, and its maker
/// could approve the request now. Of several the narrowest, of those the one that ends first.
pub(super) async fn find(tx: &mut Tx, draft: &Hold, bench: Bench<'_>) -> Result<Option<Grant>, StoreError> {
    let mut candidates = live(&mut tx.conn, draft, tx.now).await?;
    candidates.retain(|grant| covers(grant, &Facts::of(draft)));
    candidates.sort_by_key(|grant| (grant.scope, grant.expires_at));
    for grant in candidates {
        if entitled(&mut tx.conn, &grant, draft, bench, tx.now).await?.is_ok() {
            return Ok(Some(grant));
        }
    }
    Ok(None)
}

/// Whether its maker may let the request pass now, whatever it covers.
async fn entitled(
    conn: &mut SqliteConnection,
    grant: &Grant,
    hold: &Hold,
    bench: Bench<'_>,
    now: Timestamp,
) -> Result<Result<(), NoGrant>, StoreError> {
    let Some(maker) = people::current(conn, &known(&grant.person)).await? else {
        return Ok(Err(NoGrant::NotTheirs));
    };
    let concerned = Concerned::of(conn, hold).await?;
    let law = concerned.law(false, bench.charter);
    Ok(stands(bench.policy, grant.scope, hold, &law, &maker, now))
}

/// A person of whom only the name is known yet. No login: nothing that asks for one is granted.
fn known(person: &Person) -> Reviewer {
    Reviewer {
        person: person.clone(),
        key: None,
        display: String::new(),
        groups: std::collections::BTreeSet::new(),
        groups_at: None,
        login: Login::default(),
    }
}

/// Grants for this agent and rule that have neither ended nor been used up or revoked.
async fn live(conn: &mut SqliteConnection, hold: &Hold, now: Timestamp) -> Result<Vec<Grant>, StoreError> {
    let rows: Vec<Stored> = sqlx::query_as(
        "SELECT g.*, a.name AS agent, a.revoked_at AS agent_revoked_at
         FROM grants g JOIN agents a ON a.id = g.agent_id
         WHERE g.agent_id = ? AND g.rule = ? AND g.expires_at > ? AND g.revoked_at IS NULL AND g.uses_left > 0
           AND a.revoked_at IS NULL
         ORDER BY g.expires_at LIMIT ?",
    )
    .bind(hold.agent_id)
    .bind(&hold.grounds.rule)
    .bind(now.as_millisecond())
    .bind(LIVE_MAX)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Grant::try_from).collect()
}

/// Lets the hold that was just made leave by the grant: approved without a vote, and released at once.
pub(super) async fn spend(
    tx: &mut Tx,
    grant: &Grant,
    hold: &Hold,
    approval_life: Duration,
) -> Result<(), StoreError> {
    let damaged = || StoreError::Damaged(format!("grant `{}`", grant.id));
    let now = tx.now.as_millisecond();
    let left: Option<i64> = sqlx::query_scalar(
        "UPDATE grants SET uses_left = uses_left - 1, used = used + 1
         WHERE id = ?1 AND uses_left > 0 AND revoked_at IS NULL AND expires_at > ?2 RETURNING uses_left",
    )
    .bind(grant.id.as_str())
    .bind(now)
    .fetch_optional(&mut tx.conn)
    .await?;
    let left = left.ok_or_else(damaged)?;
    let ends = later(tx.now, approval_life.max(Duration::from_secs(1)));
    let approved = sqlx::query(
        "UPDATE holds SET state = 'approved', version = version + 1, decided_at = ?1, approval_expires_at = ?2,
             due_at = ?2, by_grant = ?3
         WHERE id = ?4 AND state = 'pending'",
    )
    .bind(now)
    .bind(ends.as_millisecond())
    .bind(grant.id.as_str())
    .bind(hold.id.as_str())
    .execute(&mut tx.conn)
    .await?
    .rows_affected();
    if approved != 1 {
        return Err(damaged());
    }
    let actor = format!("agent:{}", hold.agent);
    let detail = json!({
        "hold": hold.id,
        "digest": hold.digest,
        "scope": grant.scope,
        "reviewed": grant.hold,
        "granted_by": grant.person,
        "uses_left": left,
    });
    tx.record(EventKind::GrantUsed, actor, Some(grant.id.as_str()), detail).await?;
    let detail = json!({ "digest": hold.digest, "by": [], "grant": grant.id, "solo": hold.solo });
    tx.record(EventKind::HoldApproved, format!("grant:{}", grant.id), Some(hold.id.as_str()), detail).await?;
    if !release(tx, &hold.id, None).await? {
        return Err(damaged());
    }
    Ok(())
}

/// Writes a grant from a hold that its maker has approved, now or before. The same wish again finds the grant
/// that it made, while that lives.
pub(super) async fn write(
    tx: &mut Tx,
    hold: &Hold,
    maker: &Reviewer,
    wanted: Wanted,
    same: Same,
    vote: &Vote,
) -> Result<Grant, StoreError> {
    let mut known = live(&mut tx.conn, hold, tx.now).await?;
    known.retain(|g| {
        g.hold == hold.id && g.person == maker.person && g.scope == wanted.scope && g.same == same
    });
    if let Some(known) = known.pop() {
        return Ok(known);
    }
    let grant = Grant {
        id: new_id()?,
        hold: hold.id.clone(),
        agent_id: hold.agent_id,
        agent: hold.agent.clone(),
        rule: hold.grounds.rule.clone(),
        scope: wanted.scope,
        same,
        person: maker.person.clone(),
        created_at: tx.now,
        expires_at: later(tx.now, wanted.life.duration()),
        uses_left: wanted.uses,
        used: 0,
        revoked_at: None,
        revoked_by: None,
    };
    sqlx::query(
        "INSERT INTO grants (id, hold, agent_id, rule, scope, same, person, created_at, expires_at, uses_left)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(grant.id.as_str())
    .bind(grant.hold.as_str())
    .bind(grant.agent_id)
    .bind(&grant.rule)
    .bind(grant.scope.as_str())
    .bind(grant.same.as_str())
    .bind(grant.person.to_string())
    .bind(grant.created_at.as_millisecond())
    .bind(grant.expires_at.as_millisecond())
    .bind(i64::from(grant.uses_left))
    .execute(&mut tx.conn)
    .await?;
    let detail = json!({
        "hold": hold.id,
        "digest": hold.digest,
        "agent": hold.agent,
        "rule": grant.rule,
        "scope": grant.scope,
        "covers": grant::in_words(grant.scope, hold),
        "expires_at": grant.expires_at,
        "uses": grant.uses_left,
        "channel": vote.channel,
        "groups": maker.groups,
        "login": maker.login,
    });
    let actor = format!("person:{}", maker.person);
    tx.record(EventKind::GrantCreated, actor, Some(grant.id.as_str()), detail).await?;
    Ok(grant)
}

/// What the grant that is wanted would cover, judged in this transaction.
pub(super) async fn check(
    tx: &mut Tx,
    hold: &Hold,
    maker: &Reviewer,
    wanted: Wanted,
    vote: &Vote,
    terms: &VoteTerms,
) -> Result<Result<Same, NoGrant>, StoreError> {
    use crate::approval::{Channel, Choice};
    if vote.choice != Choice::Approve {
        return Ok(Err(NoGrant::NotAnApproval));
    }
    if matches!(vote.channel, Channel::Slack | Channel::Teams) {
        return Ok(Err(NoGrant::Chat));
    }
    let concerned = Concerned::of(&mut tx.conn, hold).await?;
    let law = concerned.law(false, &terms.charter);
    Ok(grant::make(&terms.grants, wanted, hold, &law, maker, tx.now))
}

/// Whether a grant may still come of a hold that is decided: by one who approved it, not long ago.
pub(super) fn afterwards(
    hold: &Hold,
    maker: &Reviewer,
    policy: &grant::Policy,
    now: Timestamp,
) -> Option<NoGrant> {
    use crate::approval::Choice;
    let theirs = |v: &crate::hold::VoteRecord| v.person == maker.person && v.vote == Choice::Approve;
    if !hold.votes.iter().any(theirs) {
        return Some(NoGrant::NotTheirs);
    }
    if hold.state == HoldState::Pending {
        return Some(NoGrant::NotDecisive);
    }
    if !matches!(hold.state, HoldState::Approved | HoldState::Released) {
        return Some(NoGrant::NotApproved(hold.state));
    }
    let age = hold.decided_at.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
    age.is_none_or(|age| age > policy.longest).then_some(NoGrant::TooLate)
}

impl Store {
    /// Grants, newest first: the live ones, or all.
    pub(crate) async fn grants(&self, bench: (&grant::Policy, &Charter)) -> Result<Vec<Granted>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        let rows: Vec<Stored> = sqlx::query_as(
            "SELECT g.*, a.name AS agent, a.revoked_at AS agent_revoked_at
             FROM grants g JOIN agents a ON a.id = g.agent_id ORDER BY g.created_at DESC, g.id LIMIT ?",
        )
        .bind(LIST_MAX)
        .fetch_all(&mut *conn)
        .await?;
        let now = now(&mut conn).await?;
        let bench = Bench { policy: bench.0, charter: bench.1 };
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let agent_revoked = row.agent_revoked_at.is_some();
            let grant = Grant::try_from(row)?;
            let Some((_, hold)) = holds::load(&mut conn, &self.keys, &grant.hold).await? else { continue };
            let standing = match &grant {
                Grant { revoked_at: Some(_), .. } => Standing::Revoked,
                Grant { uses_left: 0, .. } => Standing::UsedUp,
                Grant { expires_at, .. } if *expires_at <= now => Standing::Expired,
                _ if agent_revoked => Standing::AgentRevoked,
                _ if entitled(&mut conn, &grant, &hold, bench, now).await?.is_err() => Standing::MakerOut,
                _ => Standing::Live,
            };
            all.push(Granted { grant, standing, hold });
        }
        Ok(all)
    }

    /// The grant that a hold left by, or else the live ones for its agent and rule, and whether each covers it.
    /// `hold` has its body.
    pub(crate) async fn grants_about(
        &self,
        hold: &Hold,
        bench: (&grant::Policy, &Charter),
    ) -> Result<Vec<(Grant, bool)>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        if let Some(id) = &hold.grant {
            let row: Option<Stored> = sqlx::query_as(
                "SELECT g.*, a.name AS agent, a.revoked_at AS agent_revoked_at
                 FROM grants g JOIN agents a ON a.id = g.agent_id WHERE g.id = ?",
            )
            .bind(id)
            .fetch_optional(&mut *conn)
            .await?;
            return row.into_iter().map(|row| Ok((Grant::try_from(row)?, true))).collect();
        }
        let now = now(&mut conn).await?;
        let bench = Bench { policy: bench.0, charter: bench.1 };
        let mut found = Vec::new();
        for grant in live(&mut conn, hold, now).await? {
            if entitled(&mut conn, &grant, hold, bench, now).await?.is_ok() {
                let covered = covers(&grant, &Facts::of(hold));
                found.push((grant, covered));
            }
        }
        found.sort_by_key(|(grant, covered)| (!covered, grant.scope, grant.expires_at));
        Ok(found)
    }

    /// Which grants this person could make from a hold, and why not the others.
    pub(crate) async fn grantable(
        &self,
        hold: &Hold,
        maker: &Reviewer,
        bench: (&grant::Policy, &Charter),
    ) -> Result<Vec<(grant::Scope, Result<(), NoGrant>)>, StoreError> {
        let mut conn = self.readers.acquire().await?;
        let now = now(&mut conn).await?;
        let (policy, charter) = bench;
        let Some(maker) = people::current(&mut conn, maker).await? else { return Ok(Vec::new()) };
        let concerned = Concerned::of(&mut conn, hold).await?;
        let law = concerned.law(false, charter);
        let shortest = grant::Life::Quarter;
        let offer = |scope| {
            let wanted = Wanted { scope, life: shortest, uses: 1 };
            (scope, grant::make(policy, wanted, hold, &law, &maker, now).map(drop))
        };
        Ok(grant::Scope::ALL.into_iter().map(offer).collect())
    }

    /// Ends a grant at once: its next use comes after this commit or not at all.
    pub(crate) async fn revoke_grant(
        &self,
        id: &GrantId,
        by: &Reviewer,
        charter: &Arc<Charter>,
    ) -> Result<Revoking, StoreError> {
        let (id, by, charter) = (id.clone(), by.clone(), Arc::clone(charter));
        self.queue.write(move |tx| Box::pin(async move { revoke(tx, &id, &by, &charter).await })).await
    }
}

async fn revoke(tx: &mut Tx, id: &GrantId, by: &Reviewer, charter: &Charter) -> Result<Revoking, StoreError> {
    let row: Option<(String, i64, Option<i64>)> =
        sqlx::query_as("SELECT person, agent_id, revoked_at FROM grants WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&mut tx.conn)
            .await?;
    let Some((maker, agent_id, revoked_at)) = row else { return Ok(Revoking::NoSuchGrant) };
    let Some(by) = people::current(&mut tx.conn, by).await? else { return Ok(Revoking::NotTheirs) };
    let owners = holds::owners(&mut tx.conn, agent_id).await?;
    let roles = [Role::Reviewer, Role::Admin].into_iter().any(|role| charter.roles.has(role, &by.groups));
    if !roles && parse(&maker)? != by.person && !owners.contains(&by.person) {
        return Ok(Revoking::NotTheirs);
    }
    if revoked_at.is_some() {
        return Ok(Revoking::Already);
    }
    let actor = format!("person:{}", by.person);
    let left: i64 = sqlx::query_scalar(
        "UPDATE grants SET revoked_at = ?, revoked_by = ? WHERE id = ? RETURNING uses_left",
    )
    .bind(tx.now.as_millisecond())
    .bind(&actor)
    .bind(id.as_str())
    .fetch_one(&mut tx.conn)
    .await?;
    tx.record(EventKind::GrantRevoked, actor, Some(id.as_str()), json!({ "uses_left": left })).await?;
    Ok(Revoking::Done)
}

async fn now(conn: &mut SqliteConnection) -> Result<Timestamp, StoreError> {
    let now = sqlx::query_scalar("SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)")
        .fetch_one(conn)
        .await?;
    time(now)
}

fn new_id() -> Result<GrantId, StoreError> {
    let mut bits = [0; 8];
    aws_lc_rs::rand::fill(&mut bits).map_err(|_| StoreError::Closed)?;
    Ok(GrantId::from_random(u64::from_be_bytes(bits)))
}

/// For an agent and a rule; more than anybody can keep in mind.
const LIVE_MAX: u32 = 100;
const LIST_MAX: u32 = 200;
