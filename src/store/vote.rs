//! Voting: one transaction judges the vote by what it sees, records it, and takes the decision it makes.

use super::holds::Concerned;
use super::key::Keys;
use super::park::later;
use super::release::{HOLDPOINT, end};
use super::writer::Tx;
use super::{Store, StoreError, grants, holds, people};
use crate::approval::{Charter, Choice, Refusal, Reviewer, Tally, Vote, judge};
use crate::audit::EventKind;
use crate::grant::{self, Grant, NoGrant, Wanted};
use crate::hold::{Hold, HoldId, HoldState, VoteRecord};
use crate::ruling::Assurance;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// What a vote led to.
#[derive(Debug)]
pub(crate) enum Ballot {
    /// Counted, now or before: the hold as it stands.
    Recorded(Box<Hold>),
    /// Counted, and a grant came of it, now or before.
    Granted(Box<Hold>, Box<Grant>),
    Refused(Refusal),
    /// There can be no such grant: nothing counted.
    NoGrant(NoGrant),
    NoSuchHold,
}

/// By what votes are judged, besides what the database says.
#[derive(Debug, Clone)]
pub(crate) struct VoteTerms {
    pub(crate) solo: bool,
    pub(crate) approval_life: Duration,
    pub(crate) charter: Arc<Charter>,
    pub(crate) grants: Arc<grant::Policy>,
}

impl Store {
    pub(crate) async fn vote(
        &self,
        id: &HoldId,
        reviewer: &Reviewer,
        vote: Vote,
        wanted: Option<Wanted>,
        terms: VoteTerms,
    ) -> Result<Ballot, StoreError> {
        let keys = Arc::clone(&self.keys);
        let (id, reviewer) = (id.clone(), reviewer.clone());
        self.queue
            .write(move |tx| {
                Box::pin(async move { cast(tx, &keys, &id, reviewer, vote, wanted, terms).await })
            })
            .await
    }
}

async fn cast(
    tx: &mut Tx,
    keys: &Keys,
    id: &HoldId,
    reviewer: Reviewer,
    vote: Vote,
    wanted: Option<Wanted>,
    terms: VoteTerms,
) -> Result<Ballot, StoreError> {
    let Some((seq, mut hold)) = holds::load(&mut tx.conn, keys, id).await? else {
        return Ok(Ballot::NoSuchHold);
    };
    let Some(reviewer) = people::current(&mut tx.conn, &reviewer).await? else {
        return refuse(tx, &hold, &reviewer, &vote, Refusal::NotAReviewer).await;
    };
    let voted = hold.votes.iter().any(|v| v.person == reviewer.person && v.vote == vote.choice);
    if voted && vote.digest == hold.digest {
        let Some(wanted) = wanted else { return Ok(Ballot::Recorded(Box::new(hold))) };
        hold.request.body = holds::body(&mut tx.conn, keys, seq, &hold).await?;
        return grant_afterwards(tx, hold, &reviewer, &vote, wanted, &terms).await;
    }
    let concerned = Concerned::of(&mut tx.conn, &hold).await?;
    let law = concerned.law(terms.solo, &terms.charter);
    let tally = match judge(&hold, &law, &reviewer, &vote, tx.now) {
        Ok(tally) => tally,
        Err(refusal) => {
            if refusal == Refusal::Expired {
                end(tx, id, hold.state, HoldState::Expired).await?;
            }
            return refuse(tx, &hold, &reviewer, &vote, refusal).await;
        }
    };
    if vote.choice == Choice::Approve {
        // Nobody approves what is no longer what was parked.
        hold.request.body = holds::body(&mut tx.conn, keys, seq, &hold).await?;
    }
    let wanted = match wanted {
        None => None,
        Some(_) if vote.choice == Choice::Approve && tally != Tally::Approved => {
            return no_grant(tx, &hold, &reviewer, &vote, NoGrant::NotDecisive).await;
        }
        Some(wanted) => match grants::check(tx, &hold, &reviewer, wanted, &vote, &terms).await? {
            Ok(same) => Some((wanted, same)),
            Err(why) => return no_grant(tx, &hold, &reviewer, &vote, why).await,
        },
    };
    let assurance = terms.charter.step_up.assurance(&reviewer.login, tx.now);
    record(tx, seq, &mut hold, &reviewer, assurance, vote.clone(), &tally).await?;
    decide(tx, &mut hold, &tally, terms.approval_life).await?;
    let Some((wanted, same)) = wanted else { return Ok(Ballot::Recorded(Box::new(hold))) };
    let grant = grants::write(tx, &hold, &reviewer, wanted, same, &vote).await?;
    Ok(Ballot::Granted(Box::new(hold), Box::new(grant)))
}

/// A grant from a hold that its maker has approved before.
async fn grant_afterwards(
    tx: &mut Tx,
    hold: Hold,
    reviewer: &Reviewer,
    vote: &Vote,
    wanted: Wanted,
    terms: &VoteTerms,
) -> Result<Ballot, StoreError> {
    if let Some(why) = grants::afterwards(&hold, reviewer, &terms.grants, tx.now) {
        return no_grant(tx, &hold, reviewer, vote, why).await;
    }
    match grants::check(tx, &hold, reviewer, wanted, vote, terms).await? {
        Ok(same) => {
            let grant = grants::write(tx, &hold, reviewer, wanted, same, vote).await?;
            Ok(Ballot::Granted(Box::new(hold), Box::new(grant)))
        }
        Err(why) => no_grant(tx, &hold, reviewer, vote, why).await,
    }
}

async fn no_grant(
    tx: &mut Tx,
    hold: &Hold,
    reviewer: &Reviewer,
    vote: &Vote,
    why: NoGrant,
) -> Result<Ballot, StoreError> {
    record_refusal(tx, hold, reviewer, vote, &why.to_string()).await?;
    Ok(Ballot::NoGrant(why))
}

async fn refuse(
    tx: &mut Tx,
    hold: &Hold,
    reviewer: &Reviewer,
    vote: &Vote,
    refusal: Refusal,
) -> Result<Ballot, StoreError> {
    record_refusal(tx, hold, reviewer, vote, &refusal.to_string()).await?;
    Ok(Ballot::Refused(refusal))
}

async fn record_refusal(
    tx: &mut Tx,
    hold: &Hold,
    reviewer: &Reviewer,
    vote: &Vote,
    why: &str,
) -> Result<(), StoreError> {
    let detail = json!({
        "digest": vote.digest,
        "vote": vote.choice,
        "channel": vote.channel,
        "groups": reviewer.groups,
        "login": reviewer.login,
        "local": reviewer.person.is_local(),
        "why": why,
    });
    let actor = format!("person:{}", reviewer.person);
    tx.record(EventKind::HoldVoteRefused, actor, Some(hold.id.as_str()), detail).await?;
    Ok(())
}

async fn record(
    tx: &mut Tx,
    seq: i64,
    hold: &mut Hold,
    reviewer: &Reviewer,
    assurance: Assurance,
    vote: Vote,
    tally: &Tally,
) -> Result<(), StoreError> {
    let missing = if let Tally::Open { missing } = tally { *missing } else { 0 };
    let channel = json!(vote.channel);
    sqlx::query(
        "INSERT INTO votes (hold, person, choice, groups, reason, channel, assurance, account, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(seq)
    .bind(reviewer.person.to_string())
    .bind(vote.choice.as_str())
    .bind(json!(reviewer.groups).to_string())
    .bind(&vote.reason)
    .bind(channel.as_str())
    .bind(assurance.as_str())
    .bind(&reviewer.login.account)
    .bind(tx.now.as_millisecond())
    .execute(&mut tx.conn)
    .await?;
    let detail = json!({
        "digest": vote.digest,
        "vote": vote.choice,
        "reason": vote.reason,
        "channel": vote.channel,
        "groups": reviewer.groups,
        "login": reviewer.login,
        "local": reviewer.person.is_local(),
        "assurance": assurance,
        "missing": missing,
        "solo": hold.solo,
    });
    let actor = format!("person:{}", reviewer.person);
    tx.record(EventKind::HoldVoted, actor, Some(hold.id.as_str()), detail).await?;
    hold.votes.push(VoteRecord {
        person: reviewer.person.clone(),
        groups: reviewer.groups.iter().cloned().collect(),
        vote: vote.choice,
        reason: vote.reason,
        channel: vote.channel,
        assurance,
        account: reviewer.login.account.clone(),
        at: tx.now,
    });
    Ok(())
}

/// The state that follows from the tally, compare-and-set on the version that was judged.
async fn decide(
    tx: &mut Tx,
    hold: &mut Hold,
    tally: &Tally,
    approval_life: Duration,
) -> Result<(), StoreError> {
    let (state, event) = match tally {
        Tally::Open { .. } => (HoldState::Pending, None),
        Tally::Approved => (HoldState::Approved, Some(EventKind::HoldApproved)),
        Tally::Denied => (HoldState::Denied, Some(EventKind::HoldDenied)),
    };
    let now = tx.now.as_millisecond();
    let approval_ends = (state == HoldState::Approved).then(|| later(tx.now, approval_life));
    let changed = match event {
        None => sqlx::query("UPDATE holds SET version = version + 1 WHERE id = ? AND version = ?")
            .bind(hold.id.as_str())
            .bind(hold.version),
        Some(_) => sqlx::query(
            "UPDATE holds SET state = ?1, version = version + 1, decided_at = ?2, approval_expires_at = ?3,
                 due_at = ?3, ended_at = iif(?1 = 'denied', ?2, NULL)
             WHERE id = ?4 AND version = ?5 AND state = 'pending'",
        )
        .bind(state.as_str())
        .bind(now)
        .bind(approval_ends.map(|at| at.as_millisecond()))
        .bind(hold.id.as_str())
        .bind(hold.version),
    }
    .execute(&mut tx.conn)
    .await?
    .rows_affected();
    if changed != 1 {
        return Err(StoreError::Damaged(format!("hold `{}`", hold.id)));
    }
    hold.version += 1;
    let Some(event) = event else { return Ok(()) };
    hold.state = state;
    hold.decided_at = Some(tx.now);
    hold.approval_expires_at = approval_ends;
    let by: Vec<_> = hold.votes.iter().map(|v| json!({ "person": v.person, "vote": v.vote })).collect();
    let detail = json!({
        "digest": hold.digest,
        "by": by,
        "reason": hold.votes.last().and_then(|v| v.reason.as_deref()),
        "solo": hold.solo,
        "waited_ms": now.saturating_sub(hold.created_at.as_millisecond()),
    });
    // The actor is whose vote tipped it; all who voted stand in the detail.
    let actor = hold.votes.last().map_or_else(|| HOLDPOINT.to_owned(), |v| format!("person:{}", v.person));
    tx.record(event, actor, Some(hold.id.as_str()), detail).await?;
    Ok(())
}
