//! Votes by the API.

use super::grants::{self, Grant, Wish};
use super::hold::Detail;
use crate::approval::{Choice, Refusal, StepUp, Vote};
use crate::desk::{GrantError, VoteError};
use crate::hold::{Hold, HoldId};
use crate::review::Face;
use crate::review::pages::vote::status;
use crate::review::problem::Problem;
use crate::review::session::Caller;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A vote.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ballot {
    /// Of the hold that was looked at: `sha256:` and 64 digits
    digest: String,
    /// `approve` or `deny`
    #[schema(value_type = String)]
    vote: Choice,
    /// Goes back to the agent with a denial
    #[schema(max_length = 2000)]
    reason: Option<String>,
    /// With the approval that decides, or again after it: what is to pass beyond this request
    grant: Option<Wish>,
}

/// Vote on a hold
///
/// The vote is judged in the transaction that records it. The same vote again is answered as the first one.
#[utoipa::path(post, path = "/v1/holds/{id}/votes", tag = "holds",
    params(("id" = String, Path, description = "`hp_` and twelve characters")),
    request_body = Ballot,
    responses(
        (status = 200, description = "Counted; the hold as it stands", body = Detail),
        (status = 400, description = "Not a vote", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No or unknown token, or a login that is not fresh and strong enough for this rule (`WWW-Authenticate` as in RFC 9470)", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not vote so", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such hold", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another digest, or decided already: `hold` is the recorded outcome", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cast(
    State(face): State<Arc<Face>>,
    caller: Caller,
    Path(id): Path<String>,
    ballot: Result<Json<Ballot>, JsonRejection>,
) -> Result<Json<Detail>, Problem> {
    let id: HoldId = id.parse().map_err(|_| Problem::no_such_hold())?;
    let Json(ballot) = ballot.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    if ballot.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(Problem::bad_request(format!("a reason has at most {REASON_BYTES_MAX} bytes")));
    }
    let digest = ballot.digest.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    let vote = Vote { digest, choice: ballot.vote, reason: ballot.reason, channel: caller.channel };
    let desk = &face.context.desk;
    let cast = match &ballot.grant {
        None => {
            desk.vote(&id, &caller.reviewer, vote).await.map(|hold| (hold, None)).map_err(GrantError::from)
        }
        Some(wish) => desk
            .vote_granting(&id, &caller.reviewer, vote, wish.wanted())
            .await
            .map(|(hold, grant)| (hold, Some(grant))),
    };
    let (hold, grant) = match cast {
        Ok(cast) => cast,
        Err(GrantError::None(why)) => return Err(grants::refused(&why)),
        Err(GrantError::Vote(VoteError::NoSuchHold(_))) => return Err(Problem::no_such_hold()),
        Err(GrantError::Vote(VoteError::Store(error))) => return Err(error.into()),
        Err(GrantError::Vote(VoteError::Refused(refusal))) => {
            let hold = face.context.desk.hold(&id).await?.ok_or_else(Problem::no_such_hold)?;
            return Err(refused(&refusal, &hold, &face, &caller).await?);
        }
    };
    let mut detail = Detail::of(&hold, &face, &caller).await?;
    detail.granted = grant.map(|grant| Grant::of(&grant, "live", &hold));
    Ok(Json(detail))
}

async fn refused(refusal: &Refusal, hold: &Hold, face: &Face, caller: &Caller) -> Result<Problem, Problem> {
    let word = match refusal {
        Refusal::StaleDigest => "stale-digest",
        Refusal::NotPending(_) => "not-pending",
        Refusal::Expired => "expired",
        Refusal::AlreadyVoted => "already-voted",
        Refusal::OwnAgent => "own-agent",
        Refusal::NotInGroup(_) => "not-in-group",
        Refusal::NotAReviewer => "not-a-reviewer",
        Refusal::OutsideRole => "outside-role",
        Refusal::StaleGroups => "stale-groups",
        Refusal::StepUp => "step-up",
    };
    let mut problem = Problem::new(status(refusal), word).detail(refusal.to_string());
    if matches!(refusal, Refusal::StepUp) {
        return Ok(stronger(&face.context.desk.settings().charter.step_up));
    }
    if status(refusal) == StatusCode::CONFLICT {
        problem.hold = serde_json::to_value(Detail::of(hold, face, caller).await?).ok().map(Box::new);
    }
    Ok(problem)
}

/// What a caller must come back with (RFC 9470 §3).
fn stronger(step_up: &StepUp) -> Problem {
    let mut challenge = "Bearer error=\"insufficient_user_authentication\", \
                         error_description=\"a fresh, strong login is required\""
        .to_owned();
    if !step_up.acr.is_empty() {
        challenge.push_str(&format!(", acr_values=\"{}\"", step_up.acr.join(" ")));
    }
    challenge.push_str(&format!(", max_age=\"{}\"", step_up.max_age.as_secs()));
    let mut problem = Problem::new(StatusCode::UNAUTHORIZED, "step-up").detail(Refusal::StepUp.to_string());
    problem.challenge = HeaderValue::from_str(&challenge).ok();
    problem
}

const REASON_BYTES_MAX: usize = 2000;
