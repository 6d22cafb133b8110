//! Reviewing itself, in numbers.

use crate::review::Face;
use crate::review::problem::Problem;
use crate::review::session::Caller;
use crate::store;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// The last so many days: 7 when left out, 90 at most
    days: Option<u32>,
}

/// What reviewing was like
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reviewing {
    /// Over so many days
    days: u32,
    /// Held for people; those that left by a grant apart
    holds: u32,
    approved: u32,
    denied: u32,
    /// Ended without a decision
    expired: u32,
    pending: u32,
    /// Left by a grant
    by_grant: u32,
    /// From parking to decision
    median_seconds: Option<f64>,
    p90_seconds: Option<f64>,
    votes: u32,
    /// Votes sooner than two seconds after parking
    quick_votes: u32,
    rules: Vec<Rule>,
    reviewers: Vec<Reviewer>,
    by_day: Vec<Day>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Rule {
    rule: String,
    holds: u32,
    approved: u32,
    denied: u32,
    expired: u32,
    /// Approvals in 100 decisions
    approved_percent: Option<u32>,
    /// Approved often, denied never: narrow it
    never_denied: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Reviewer {
    person: String,
    approved: u32,
    denied: u32,
    /// Sooner than two seconds after parking
    quick: u32,
    /// Days with a vote, and the most votes on one
    days: u32,
    busiest_day: u32,
    /// Over 50 approvals and no denial
    approves_all: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Day {
    /// UTC
    day: String,
    approved: u32,
    denied: u32,
}

/// How reviewing goes: times, ratios, load
#[utoipa::path(get, path = "/v1/reviewing", tag = "reviewing", params(Span), responses(
    (status = 200, description = "The numbers", body = Reviewing),
    (status = 400, description = "A parameter is none", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "No role", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(face): State<Arc<Face>>,
    _: Caller,
    span: Result<Query<Span>, QueryRejection>,
) -> Result<Json<Reviewing>, Problem> {
    let Query(span) = span.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let days = span.days.unwrap_or(7).clamp(1, DAYS_MAX);
    let numbers = face.context.desk.reviewing(days).await?;
    Ok(Json(Reviewing::of(days, &numbers)))
}

impl Reviewing {
    fn of(days: u32, numbers: &store::Reviewing) -> Self {
        let rule = |rule: &store::RuleReviewed| Rule {
            rule: rule.rule.clone(),
            holds: rule.holds,
            approved: rule.approved,
            denied: rule.denied,
            expired: rule.expired,
            approved_percent: rule.approved_percent(),
            never_denied: rule.is_noise(),
        };
        let reviewer = |person: &store::PersonReviewing| Reviewer {
            person: person.person.to_string(),
            approved: person.approved,
            denied: person.denied,
            quick: person.quick,
            days: person.days,
            busiest_day: person.busiest_day,
            approves_all: person.approves_all(),
        };
        let day = |day: &store::DayReviewed| Day {
            day: day.day.clone(),
            approved: day.approved,
            denied: day.denied,
        };
        Self {
            days,
            holds: numbers.holds,
            approved: numbers.approved,
            denied: numbers.denied,
            expired: numbers.expired,
            pending: numbers.pending,
            by_grant: numbers.by_grant,
            median_seconds: numbers.median.map(|time| time.as_secs_f64()),
            p90_seconds: numbers.p90.map(|time| time.as_secs_f64()),
            votes: numbers.votes,
            quick_votes: numbers.quick,
            rules: numbers.rules.iter().map(rule).collect(),
            reviewers: numbers.people.iter().map(reviewer).collect(),
            by_day: numbers.days.iter().map(day).collect(),
        }
    }
}

const DAYS_MAX: u32 = 90;
