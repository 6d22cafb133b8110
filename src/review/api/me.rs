//! Who asks: what `holdpoint whoami` shows.

use crate::review::Face;
use crate::review::problem::Problem;
use crate::review::rights;
use crate::review::session::Anyone;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    /// `issuer|subject`, or the name of a local account
    person: String,
    display: String,
    /// An account of this Holdpoint, not of the identity provider
    local: bool,
    groups: Vec<String>,
    /// When the identity provider last confirmed the groups
    #[schema(value_type = Option<String>, format = DateTime)]
    groups_at: Option<jiff::Timestamp>,
    /// `reviewer`, `auditor`, `admin`
    roles: Vec<&'static str>,
    /// Whether this credential may decide at all
    decides: bool,
    /// If not, why
    undeciding: Option<String>,
}

/// Who the caller is
#[utoipa::path(get, path = "/v1/me", tag = "people", responses(
    (status = 200, description = "The caller, as known now", body = Me),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(State(face): State<Arc<Face>>, Anyone(caller): Anyone) -> Json<Me> {
    let reviewer = &caller.reviewer;
    Json(Me {
        person: reviewer.person.to_string(),
        display: reviewer.display.clone(),
        local: reviewer.person.is_local(),
        groups: reviewer.groups.iter().cloned().collect(),
        groups_at: reviewer.groups_at,
        roles: rights::roles(&face, reviewer),
        decides: caller.decides.is_ok(),
        undeciding: caller.decides.err().map(|why| why.to_string()),
    })
}
