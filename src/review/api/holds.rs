//! The list of holds.

use super::hold::Summary;
use crate::desk::Filter;
use crate::hold::{HoldId, HoldState};
use crate::review::Face;
use crate::review::problem::Problem;
use crate::review::session::Caller;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// `pending`, `approved`, `released`, `denied`, `expired` or `withdrawn`
    state: Option<String>,
    /// Name of an agent
    agent: Option<String>,
    /// `pack/rule`
    rule: Option<String>,
    /// A word in URL, agent or rule
    q: Option<String>,
    /// Holds made before this one, for paging
    before: Option<String>,
    /// At most so many; 100 when left out, 500 at most
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Holds {
    holds: Vec<Summary>,
}

/// Holds, newest first
#[utoipa::path(get, path = "/v1/holds", tag = "holds", params(Asked), responses(
    (status = 200, description = "The holds", body = Holds),
    (status = 400, description = "A parameter is none", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(face): State<Arc<Face>>,
    _: Caller,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Holds>, Problem> {
    let Query(asked) = asked.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let filter = asked.filter().map_err(Problem::bad_request)?;
    let holds = face.context.desk.list(&filter).await?;
    Ok(Json(Holds { holds: holds.iter().map(|hold| Summary::of(hold, &face)).collect() }))
}

impl Asked {
    fn filter(self) -> Result<Filter, String> {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let state = some(self.state).map(|text| text.parse::<HoldState>()).transpose()?;
        let before = some(self.before).map(|text| text.parse::<HoldId>()).transpose();
        Ok(Filter {
            state,
            agent: some(self.agent),
            rule: some(self.rule),
            text: some(self.q),
            before: before.map_err(|error| error.to_string())?,
            limit: self.limit.unwrap_or_default(),
        })
    }
}
