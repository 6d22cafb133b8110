//! A held request: read whole, parked, waited for.

use super::Gate;
use super::exchange::{Link, Taken, unread};
use super::patience::{of_message, patience};
use super::reply::{HoldView, Reply, status_url};
use crate::decode::websocket;
use crate::desk::{Budget, Outcome, ParkError, Parked, Parking, Release};
use crate::digest::{RequestDigest, call_digest, message_digest, request_digest, sha256_hex};
use crate::hold::{AgentWords, HoldId, MESSAGE, ParkedRequest};
use crate::request::Head;
use crate::ruling::{Grounds, ParkedReply};
use bytes::Bytes;
use http::{StatusCode, Version};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A body in memory, with its share of the budget.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _budget: Budget,
}

impl Whole {
    pub(super) const fn new(bytes: Bytes, budget: Budget) -> Self {
        Self { bytes, _budget: budget }
    }
}

/// What is to be parked.
pub(super) struct Held<'a> {
    pub(super) link: &'a Arc<Link>,
    pub(super) head: Head<'a>,
    pub(super) form: Form,
    pub(super) grounds: Grounds,
    pub(super) words: AgentWords,
    /// Since the call began, of which a deadline speaks.
    pub(super) spent: Duration,
}

/// A request, or a message on the connection that it has opened.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// `is_call`: JSON-RPC is what is spoken where it goes, so that the number of a call counts for nothing.
    Request {
        version: Version,
        is_call: bool,
    },
    Message(websocket::Kind),
}

/// Reads a body to its end, within the budget for held bytes.
///
/// # Errors
/// 413 when it is longer than can be held, 503 when the budget is used up, 408 when the client stalls.
pub(super) async fn read_whole(gate: &Arc<Gate>, taken: Taken) -> Result<Whole, Reply> {
    let limit = gate.settings.limits.held_body_bytes;
    let mut read = taken.into_read();
    let announced = read.announced().map(|rest| usize::try_from(rest).unwrap_or(usize::MAX));
    let expected = read.bytes.len().saturating_add(announced.unwrap_or(0));
    if expected > limit {
        return Err(too_long(limit));
    }
    // A body of unknown length takes the most that it could be: the budget is never overdrawn.
    let share = if read.rest.is_none() || announced.is_some() { expected } else { limit };
    let budget = gate.services.desk.budget(share).ok_or_else(full)?;
    if !read.up_to(limit, gate.settings.timeouts.idle).await.map_err(|e| unread(&e))? {
        return Err(too_long(limit));
    }
    Ok(Whole::new(read.bytes.freeze(), budget))
}

/// Parks the request and waits. A `Release` means: durable, send it now, once.
///
/// # Errors
/// What the client hears instead, and the hold if there is one.
///
/// # Cancel safety
/// Dropped (the client has gone), the hold stays and nothing is released for this connection.
pub(super) async fn park(held: Held<'_>, body: &Bytes) -> Result<Release, (Reply, Option<HoldId>)> {
    let Held { link, head, form, grounds, words, spent } = held;
    let services = &link.gate.services;
    let credential = services.fingerprints.credential(head.headers);
    let (id, settings, cap) = (link.known.agent.id, &link.gate.settings.patience, grounds.review.patience);
    let (digest, waits, method, http_version) = match form {
        Form::Request { version, is_call } => (
            if is_call { call_digest } else { request_digest }(id, &head, &credential, body),
            patience(head.headers, spent, settings, cap),
            head.method.as_str(),
            format!("{version:?}"),
        ),
        Form::Message(kind) => (
            message_digest(id, &head, &credential, kind.as_str(), body),
            of_message(settings, cap),
            MESSAGE,
            format!("WebSocket, {}", kind.as_str()),
        ),
    };
    let answer = grounds.review.reply;
    let request = ParkedRequest {
        method: method.to_owned(),
        url: head.url(),
        host: head.authority.host.as_str().to_owned(),
        http_version,
        headers: services.fingerprints.fields(head.headers),
        body: Some(body.clone()),
        body_bytes: u64::try_from(body.len()).unwrap_or_default(),
        body_sha256: sha256_hex(body),
    };
    let (agent, sent) = (Arc::clone(&link.known.agent), request.body_sha256.clone());
    let parking = Parking {
        agent,
        initiator: link.known.initiator.clone(),
        source: link.source,
        digest,
        request,
        grounds,
        words,
    };
    let waiter = match services.desk.park(parking).await.map_err(|e| (unparked(&e), None))? {
        Parked::Waiting(waiter) => waiter,
        Parked::Released(release) => return Ok(release.sending(sent)),
        Parked::Denied { hold, reason } => {
            let id = hold.clone();
            return Err((refused("denied", hold, digest, reason), Some(id)));
        }
    };
    let (id, expires_at) = (waiter.id().clone(), waiter.expires_at());
    let outcome = tokio::select! {
        biased;
        () = link.gate.shutdown.cancelled() => Outcome::PatienceOver,
        outcome = waiter.outcome(waits) => outcome,
    };
    let reply = match outcome {
        Outcome::Released(release) => return Ok(release.sending(sent)),
        Outcome::PatienceOver => pending(answer, id.clone(), digest, Some(expires_at)),
        Outcome::Superseded => superseded(id.clone(), digest),
        Outcome::Denied { reason } => refused("denied", id.clone(), digest, reason),
        Outcome::Expired => refused("approval_expired", id.clone(), digest, None),
        Outcome::Withdrawn => refused("withdrawn", id.clone(), digest, None),
        Outcome::Unrecorded => unrecorded(id.clone(), digest),
    };
    Err((reply, Some(id)))
}

/// Patience is over: nothing was sent, wait, repeat.
fn pending(answer: ParkedReply, id: HoldId, digest: RequestDigest, expires_at: Option<Timestamp>) -> Reply {
    let message = format!(
        "Held for approval as {id}. Nothing was sent. A person must review this request. Do not work around it and do not change it: wait for the review (GET {} through this proxy, with `Prefer: wait=25`), then repeat the identical request{}.",
        status_url(&id),
        expires_at.map(|at| format!(" before {at:.0}")).unwrap_or_default(),
    );
    let status = match answer {
        ParkedReply::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        ParkedReply::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
    };
    let mut reply = Reply::new(status, "approval_pending", "parked", message).with_hold(HoldView {
        id,
        digest,
        expires_at,
    });
    if answer == ParkedReply::TooManyRequests {
        reply.retry_after_seconds = Some(RETRY_AFTER_SECONDS);
    }
    reply
}

fn superseded(id: HoldId, digest: RequestDigest) -> Reply {
    let message = format!(
        "Held as {id}. The identical request came again on a newer connection; that one is answered. Nothing was sent for this one."
    );
    Reply::new(StatusCode::PRECONDITION_REQUIRED, "approval_pending", "superseded", message)
        .with_hold(HoldView { id, digest, expires_at: None })
}

fn refused(code: &'static str, id: HoldId, digest: RequestDigest, reason: Option<String>) -> Reply {
    let (what, end) = match code {
        "denied" => ("A reviewer denied this request", "denied"),
        "withdrawn" => ("The request was withdrawn, since its agent was revoked", "withdrawn"),
        _ => ("Nobody decided on this request in time", "expired"),
    };
    let because = reason.map(|r| format!(": {r}")).unwrap_or_default();
    let message = format!(
        "{what} ({id}){because}. Nothing was sent. Do not repeat the request and do not look for another way to do the same."
    );
    Reply::new(StatusCode::FORBIDDEN, code, end, message).with_hold(HoldView { id, digest, expires_at: None })
}

fn unrecorded(id: HoldId, digest: RequestDigest) -> Reply {
    let message = format!(
        "Nothing was sent: the release of {id} could not be recorded. The approval stands; repeat the identical request."
    );
    let mut reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", "unrecorded", message)
        .with_hold(HoldView { id, digest, expires_at: None });
    reply.retry_after_seconds = Some(RETRY_AFTER_SECONDS);
    reply
}

fn unparked(error: &ParkError) -> Reply {
    match error {
        ParkError::AgentFull { retry_after, .. } => {
            let mut reply = Reply::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_holds",
                "refused",
                format!("Nothing was sent: {error}. Wait until they are reviewed."),
            );
            reply.retry_after_seconds = Some(retry_after.as_secs());
            reply
        }
        ParkError::Revoked(_) => Reply::new(
            StatusCode::FORBIDDEN,
            "agent_revoked",
            "refused",
            format!("Nothing was sent: {error}."),
        ),
        ParkError::Full => full(),
        ParkError::Store(source) => {
            tracing::error!(error = source as &dyn std::error::Error, "a hold could not be recorded");
            let message =
                format!("Nothing was sent: {error}. It recovers by itself; repeat the request later.");
            Reply::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", "unrecorded", message)
        }
    }
}

pub(super) fn full() -> Reply {
    let mut reply = Reply::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_holds",
        "refused",
        "Nothing was sent: too many requests are held at this moment (`hold.max-held-bytes`, `limits.held`).",
    );
    reply.retry_after_seconds = Some(RETRY_AFTER_SECONDS);
    reply
}

pub(super) fn too_long(limit: usize) -> Reply {
    let message = format!(
        "Nothing was sent: a rule holds this request, and its body is longer than the {limit} bytes that can be held (`hold.max-body-bytes`)."
    );
    Reply::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", "refused", message)
}

const RETRY_AFTER_SECONDS: u64 = 15;
