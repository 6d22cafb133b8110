//! Rules and ledger, as lists.

use crate::ledger::Filter;
use crate::review::Face;
use crate::review::problem::Problem;
use crate::review::session::Caller;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rules {
    /// SHA-256 over files and settings
    digest: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Rule {
    /// `pack/id`
    id: String,
    /// `pass`, `hold` or `deny`
    verdict: &'static str,
    /// `low`, `medium`, `high` or `critical`
    risk: &'static str,
    why: String,
    file: String,
    line: usize,
}

/// The rules in force
#[utoipa::path(get, path = "/v1/rules", tag = "rules", responses(
    (status = 200, description = "The rules, by id", body = Rules),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn rules(State(face): State<Arc<Face>>, _: Caller) -> Json<Rules> {
    let set = face.context.rules.load();
    let rules = set.overview().into_iter().map(|rule| Rule {
        id: rule.id,
        verdict: rule.verdict.as_str(),
        risk: rule.risk.as_str(),
        why: rule.why,
        file: rule.file,
        line: rule.line,
    });
    Json(Rules { rules: rules.collect(), digest: set.digest().to_owned() })
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// Rows after this sequence number
    #[serde(default)]
    after: i64,
    /// A hold, agent or rule set
    subject: Option<String>,
    /// At most so many; 100 when left out, 1000 at most
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rows {
    /// Rows as they are hashed, with `seq` and `hash`
    #[schema(value_type = Vec<Object>)]
    rows: Vec<crate::audit::Row>,
}

/// Rows of the ledger, in order
#[utoipa::path(get, path = "/v1/ledger", tag = "ledger", params(After), responses(
    (status = 200, description = "The rows", body = Rows),
    (status = 400, description = "A parameter is none", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn ledger(
    State(face): State<Arc<Face>>,
    _: Caller,
    after: Result<Query<After>, QueryRejection>,
) -> Result<Json<Rows>, Problem> {
    let Query(after) = after.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let filter = Filter {
        after_seq: after.after,
        subject: after.subject,
        limit: after.limit.unwrap_or(100).clamp(1, 1000),
        ..Filter::default()
    };
    Ok(Json(Rows { rows: face.context.ledger.rows(&filter).await? }))
}
