//! Tokens at the API: of a local account, or of the identity provider.

use super::Face;
use super::problem::Problem;
use crate::approval::{Channel, Reviewer};
use crate::audit::{Event, EventKind};
use crate::hold::HoldId;
use crate::identity::{AccessError, Undeciding};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::json;

/// Who came with a token, and what it is good for.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) reviewer: Reviewer,
    /// A program that the provider itself lets read.
    pub(super) machine: bool,
    pub(super) decides: Result<(), Undeciding>,
}

pub(super) async fn shown(token: &str, face: &Face) -> Result<Shown, Problem> {
    let identity = match &face.context.identity {
        Some(identity) if !token.starts_with(LOCAL) => identity,
        _ => {
            let reviewer = face.context.reviewers.by_token(token).await?;
            let reviewer = reviewer.ok_or_else(Problem::unauthenticated)?;
            return Ok(Shown { reviewer, machine: false, decides: Ok(()) });
        }
    };
    match identity.access(token).await {
        Ok(access) => {
            Ok(Shown { reviewer: access.reviewer, machine: access.machine, decides: access.decides })
        }
        Err(AccessError::Store(error)) => Err(error.into()),
        Err(error) if error.is_outage() => {
            tracing::error!(error = &error as &dyn std::error::Error, "an access token cannot be checked");
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "identity-provider")
                .detail("the identity provider does not answer; try again"))
        }
        Err(error @ AccessError::NoScope) => {
            Err(Problem::new(StatusCode::FORBIDDEN, "insufficient-scope").detail(error.to_string()))
        }
        Err(error) => {
            let mut problem =
                Problem::new(StatusCode::UNAUTHORIZED, "invalid-token").detail(error.to_string());
            problem.challenge = Some(HeaderValue::from_static("Bearer error=\"invalid_token\""));
            Err(problem)
        }
    }
}

/// Refuses, and records, what a token that only reads would change.
pub(super) async fn refused(
    why: Undeciding,
    reviewer: &Reviewer,
    channel: Channel,
    parts: &Parts,
    face: &Face,
) -> Problem {
    if let Some(hold) = voted(parts.uri.path()) {
        let event = Event {
            at: Timestamp::now(),
            event: EventKind::HoldVoteRefused,
            actor: format!("person:{}", reviewer.person),
            subject: Some(hold.to_string()),
            detail: json!({
                "channel": channel, "login": reviewer.login, "local": false, "why": why.to_string(),
            }),
        };
        if let Err(error) = face.context.ledger.append(event).await {
            return error.into();
        }
    }
    tracing::info!(person = %reviewer.person, %why, "a token that only reads was to change something");
    Problem::new(StatusCode::FORBIDDEN, "token-reads-only").detail(why.to_string())
}

/// The hold of a vote.
fn voted(path: &str) -> Option<HoldId> {
    path.strip_prefix("/v1/holds/")?.strip_suffix("/votes")?.parse().ok()
}

/// How tokens of local accounts begin.
const LOCAL: &str = "hpr_";
