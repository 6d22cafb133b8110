//! The log of what was told to channels and webhooks, and telling it again.

use crate::outbox::{DeliveryFilter, DeliveryRow, DeliveryState};
use crate::review::Face;
use crate::review::problem::Problem;
use crate::review::rights;
use crate::review::session::Caller;
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// A channel or webhook
    channel: Option<String>,
    /// `waiting`, `done` or `failed`
    #[param(value_type = Option<String>)]
    state: Option<DeliveryState>,
    /// A hold
    hold: Option<String>,
    /// Deliveries before this one, for paging
    before: Option<i64>,
    /// At most so many; 100 when left out, 500 at most
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deliveries {
    deliveries: Vec<Delivery>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Delivery {
    id: i64,
    /// The name of the channel or webhook in the configuration
    channel: String,
    /// `card`, `notice`, `digest` or `event`
    kind: &'static str,
    /// The ledger row that it comes from
    seq: i64,
    hold: Option<String>,
    /// `waiting`, `done` or `failed`
    state: &'static str,
    attempts: u32,
    #[schema(value_type = String, format = DateTime)]
    created_at: jiff::Timestamp,
    /// The next try
    #[schema(value_type = Option<String>, format = DateTime)]
    due_at: Option<jiff::Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<jiff::Timestamp>,
    /// What the last attempt was answered, or what went wrong
    answer: Option<String>,
}

/// What was told to channels and webhooks
///
/// Newest first. Thirty days are kept.
#[utoipa::path(get, path = "/v1/deliveries", tag = "deliveries", params(Which), responses(
    (status = 200, description = "The deliveries", body = Deliveries),
    (status = 400, description = "A parameter is none", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(face): State<Arc<Face>>,
    _: Caller,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Deliveries>, Problem> {
    let Query(which) = which.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let filter = DeliveryFilter {
        channel: which.channel,
        state: which.state,
        hold: which.hold,
        before: which.before,
        limit: which.limit.unwrap_or(100).clamp(1, 500),
    };
    let found = face.context.outbox.list(&filter).await?;
    Ok(Json(Deliveries { deliveries: found.into_iter().map(Delivery::from).collect() }))
}

/// Tell it again
///
/// The same thing, under the same id; a webhook that was disabled is on again. For admins.
#[utoipa::path(post, path = "/v1/deliveries/{id}/replay", tag = "deliveries",
    params(("id" = i64, Path, description = "Number of the delivery")),
    responses(
        (status = 202, description = "It is tried again at once"),
        (status = 400, description = "Not a number", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The caller is no admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such delivery", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is under way already", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn replay(
    State(face): State<Arc<Face>>,
    caller: Caller,
    id: Result<Path<i64>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    if !rights::may_replay(&face, &caller.reviewer) {
        return Err(rights::not_admin("having something delivered again"));
    }
    match face.context.outbox.replay(id, &caller.reviewer.person).await? {
        Some(true) => Ok(StatusCode::ACCEPTED),
        Some(false) => Err(Problem::new(StatusCode::CONFLICT, "under-way").detail("it is under way already")),
        None => {
            Err(Problem::new(StatusCode::NOT_FOUND, "no-such-delivery").detail("there is no such delivery"))
        }
    }
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            channel: row.channel,
            kind: row.kind.as_str(),
            seq: row.seq,
            hold: row.hold,
            state: row.state.as_str(),
            attempts: row.attempts,
            created_at: row.created_at,
            due_at: row.due_at,
            done_at: row.done_at,
            answer: row.answer,
        }
    }
}
