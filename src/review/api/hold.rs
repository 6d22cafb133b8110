//! A hold as JSON, and the one-hold route with its long poll.

use crate::approval::{Channel, Choice};
use crate::desk::VoteError;
use crate::hold::{Hold, HoldId, HoldState, ReleaseOutcome};
use crate::review::Face;
use crate::review::card::Approvals;
use crate::review::problem::Problem;
use crate::review::session::Caller;
use crate::ruling::{BatchPart, Risk};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// What lists have of a hold.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Summary {
    /// `hp_` and twelve characters
    pub(super) id: String,
    /// Grows with each change
    version: i64,
    /// `pending`, `approved`, `released`, `denied`, `expired` or `withdrawn`
    state: &'static str,
    /// `sha256:` and 64 digits; a vote must carry it
    digest: String,
    agent: String,
    owners: Vec<String>,
    method: String,
    url: String,
    host: String,
    /// `low`, `medium`, `high` or `critical`
    risk: &'static str,
    rule: String,
    why: String,
    /// One sentence of what the request would do
    summary: String,
    solo: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    approval_expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    released_at: Option<Timestamp>,
    /// Times that the identical request came
    requests: u32,
    approvals: Progress,
    /// Live connections that wait with it in this process
    waiting: usize,
}

/// Distinct people that have approved, and that must.
#[derive(Debug, Serialize, ToSchema)]
struct Progress {
    needed: usize,
    have: usize,
}

/// Everything of a hold.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Detail {
    #[serde(flatten)]
    summary: Summary,
    source: String,
    request: Request,
    /// What the rule matched
    matched: Vec<Matched>,
    /// Of a batch: its parts
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part>,
    review: Review,
    /// SHA-256 over the rule set in force when it was parked
    ruleset: String,
    /// What the agent says; untrusted
    words: Words,
    votes: Vec<Vote>,
    outcome: Option<Outcome>,
    /// Whether the caller could approve now
    may_approve: bool,
    /// If not, why
    refusal: Option<String>,
    /// The grant that it left by, without a vote
    by_grant: Option<String>,
    /// That grant, or a live one for others like it, in a sentence
    grant: Option<String>,
    /// In the answer to a vote: the grant that came with it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) granted: Option<super::grants::Grant>,
}

/// The request that would leave.
#[derive(Debug, Serialize, ToSchema)]
struct Request {
    method: String,
    url: String,
    host: String,
    http_version: String,
    headers: Vec<Field>,
    body: Option<Body>,
    body_bytes: u64,
    body_sha256: String,
}

/// A header field; secrets are shown by kind, end and fingerprint.
#[derive(Debug, Serialize, ToSchema)]
struct Field {
    name: String,
    value: String,
    redacted: bool,
}

/// Exactly as it was received.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    /// `utf-8` or `base64`
    encoding: &'static str,
    content: String,
}

/// One request of a batch, and what it would be ruled if it came alone.
#[derive(Debug, Serialize, ToSchema)]
struct Part {
    method: String,
    /// Path and query
    target: String,
    /// `pass`, `hold` or `deny`
    verdict: &'static str,
    rule: String,
}

impl Part {
    fn of(part: &BatchPart) -> Self {
        let BatchPart { method, target, verdict, rule } = part.clone();
        Self { method, target, verdict: verdict.as_str(), rule }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Matched {
    field: String,
    value: String,
}

/// Who must agree.
#[derive(Debug, Serialize, ToSchema)]
struct Review {
    approvals: u32,
    from: Vec<String>,
    each: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Words {
    reason: Option<String>,
    session: Option<String>,
    traceparent: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Vote {
    person: String,
    /// By an account of this Holdpoint, not of the identity provider
    local: bool,
    groups: Vec<String>,
    /// `approve` or `deny`
    #[schema(value_type = String)]
    vote: Choice,
    reason: Option<String>,
    /// `web`, `api` or `cli`
    #[schema(value_type = String)]
    channel: Channel,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// What became of the release.
#[derive(Debug, Serialize, ToSchema)]
struct Outcome {
    /// `answered` or `ambiguous`
    result: &'static str,
    /// Of the origin's answer
    status: Option<u16>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Known {
    /// With `Prefer: wait=25`: answer when the hold has another version than this one; without it, than now.
    version: Option<i64>,
}

/// One hold
///
/// With `Prefer: wait=N` (RFC 7240, at most 25 seconds) the answer waits until the hold changes.
#[utoipa::path(get, path = "/v1/holds/{id}", tag = "holds",
    params(
        ("id" = String, Path, description = "`hp_` and twelve characters"),
        Known,
        ("Prefer" = Option<String>, Header, description = "`wait=25`"),
    ),
    responses(
        (status = 200, description = "The hold", body = Detail),
        (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such hold", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(face): State<Arc<Face>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(known): Query<Known>,
    headers: HeaderMap,
) -> Result<Json<Detail>, Problem> {
    let id: HoldId = id.parse().map_err(|_| Problem::no_such_hold())?;
    let mut hold = face.context.desk.hold(&id).await?.ok_or_else(Problem::no_such_hold)?;
    if let Some(wait) = wait(&headers)
        && !hold.state.is_final()
        && known.version.is_none_or(|version| version == hold.version)
    {
        tokio::select! { // both only wait
            () = face.context.desk.changed(&id, hold.version, wait) => {}
            () = face.context.shutdown.cancelled() => {}
        }
        hold = face.context.desk.hold(&id).await?.ok_or_else(Problem::no_such_hold)?;
    }
    Ok(Json(Detail::of(&hold, &face, &caller).await?))
}

/// The seconds of `Prefer: wait=N`, within our bound.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let mut words = preferences.flat_map(|value| value.split([',', ';'])).map(str::trim);
    let seconds = words.find_map(|word| word.strip_prefix("wait=")?.trim_matches('"').parse().ok())?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

impl Summary {
    pub(super) fn of(hold: &Hold, face: &Face) -> Self {
        let approvals = Approvals::of(hold, face.context.solo);
        Self {
            id: hold.id.to_string(),
            version: hold.version,
            state: hold.state.as_str(),
            digest: hold.digest.to_string(),
            agent: hold.agent.clone(),
            owners: hold.owners.iter().map(ToString::to_string).collect(),
            method: hold.request.method.clone(),
            url: hold.request.url.clone(),
            host: hold.request.host.clone(),
            risk: Risk::as_str(hold.grounds.risk),
            rule: hold.grounds.rule.clone(),
            why: hold.grounds.why.clone(),
            summary: hold.grounds.summary.clone(),
            solo: hold.solo,
            created_at: hold.created_at,
            expires_at: hold.expires_at,
            decided_at: hold.decided_at,
            approval_expires_at: hold.approval_expires_at,
            released_at: hold.released_at,
            requests: hold.requests,
            approvals: Progress { needed: approvals.needed, have: approvals.have },
            waiting: if hold.state == HoldState::Pending { face.context.desk.waiting(&hold.id).0 } else { 0 },
        }
    }
}

impl Detail {
    pub(super) async fn of(hold: &Hold, face: &Face, caller: &Caller) -> Result<Self, Problem> {
        let refusal = match face.context.desk.may_approve(hold, &caller.reviewer).await {
            Ok(()) => caller.decides.err().map(|why| why.to_string()),
            Err(VoteError::Store(error)) => return Err(error.into()),
            Err(refused) => Some(refused.to_string()),
        };
        let review = &hold.grounds.review;
        let matched = hold.grounds.matched.iter();
        Ok(Self {
            summary: Summary::of(hold, face),
            source: hold.source.clone(),
            request: Request::of(hold),
            matched: matched.map(|m| Matched { field: m.field.clone(), value: m.value.clone() }).collect(),
            parts: hold.grounds.parts.iter().map(Part::of).collect(),
            review: Review {
                approvals: review.approvals,
                from: review.from.clone(),
                each: review.each.clone(),
            },
            ruleset: hold.grounds.ruleset.clone(),
            words: Words {
                reason: hold.words.reason.clone(),
                session: hold.words.session.clone(),
                traceparent: hold.words.traceparent.clone(),
            },
            votes: hold.votes.iter().map(Vote::of).collect(),
            outcome: hold.outcome.map(Outcome::of),
            may_approve: refusal.is_none(),
            refusal,
            by_grant: hold.grant.clone(),
            grant: face.context.desk.grant_line(hold).await?,
            granted: None,
        })
    }
}

impl Request {
    fn of(hold: &Hold) -> Self {
        let request = &hold.request;
        let field = |field: &crate::hold::ShownField| Field {
            name: field.name.clone(),
            value: field.value.clone(),
            redacted: field.redacted,
        };
        Self {
            method: request.method.clone(),
            url: request.url.clone(),
            host: request.host.clone(),
            http_version: request.http_version.clone(),
            headers: request.headers.iter().map(field).collect(),
            body: request.body.as_deref().map(Body::of),
            body_bytes: request.body_bytes,
            body_sha256: request.body_sha256.clone(),
        }
    }
}

impl Body {
    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { encoding: "utf-8", content: text.to_owned() },
            Err(_) => Self { encoding: "base64", content: BASE64.encode(bytes) },
        }
    }
}

impl Vote {
    fn of(vote: &crate::hold::VoteRecord) -> Self {
        Self {
            person: vote.person.to_string(),
            local: vote.person.is_local(),
            groups: vote.groups.clone(),
            vote: vote.vote,
            reason: vote.reason.clone(),
            channel: vote.channel,
            at: vote.at,
        }
    }
}

impl Outcome {
    fn of(outcome: ReleaseOutcome) -> Self {
        match outcome {
            ReleaseOutcome::Answered { status } => Self { result: "answered", status: Some(status) },
            ReleaseOutcome::Ambiguous => Self { result: "ambiguous", status: None },
        }
    }
}

/// Shorter than what clients and balancers between them wait (30 s and more), and than our own limit.
const WAIT_MAX: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn preferences_are_bounded() {
        let asked = |text: &'static str| {
            wait(&HeaderMap::from_iter([(HeaderName::from_static("prefer"), HeaderValue::from_static(text))]))
        };
        assert_eq!(asked("wait=5"), Some(Duration::from_secs(5)));
        assert_eq!(asked("respond-async, wait=10"), Some(Duration::from_secs(10)));
        assert_eq!(asked("wait=100000"), Some(WAIT_MAX));
        assert_eq!(asked("wait=-1"), None);
        assert_eq!(asked("handling=lenient"), None);
    }
}
