//! Agents: listed by everybody with a role, enrolled by people for themselves, kept by their owners and admins.

use crate::agents::OwnerError;
use crate::review::Face;
use crate::review::problem::Problem;
use crate::review::rights;
use crate::review::session::{Anyone, Caller};
use crate::store::StoreError;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Agents {
    agents: Vec<Agent>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Agent {
    name: String,
    /// `issuer|subject`, or the name of a local account; they never approve its calls
    owners: Vec<String>,
    labels: BTreeMap<String, String>,
    /// A person, or `workload`; null: whoever keeps the machine
    enrolled_by: Option<String>,
    /// Whose tokens it comes with: `issuer|agent`
    workload: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: jiff::Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<jiff::Timestamp>,
    /// Holds that wait for a decision
    pending: u32,
}

/// All agents that ever were
#[utoipa::path(get, path = "/v1/agents", tag = "agents", responses(
    (status = 200, description = "The agents, by name", body = Agents),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "No role", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(face): State<Arc<Face>>, _: Caller) -> Result<Json<Agents>, Problem> {
    let agents = face.context.agents.list().await?.into_iter().map(|enrolled| Agent {
        name: enrolled.agent.name,
        owners: enrolled.agent.owners.iter().map(ToString::to_string).collect(),
        labels: enrolled.agent.labels,
        enrolled_by: enrolled.enrolled_by,
        workload: enrolled.workload,
        created_at: enrolled.created_at,
        revoked_at: enrolled.revoked_at,
        pending: enrolled.pending,
    });
    Ok(Json(Agents { agents: agents.collect() }))
}

/// An agent to enrol.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Enrolment {
    /// A letter or digit and then up to 62 of `a-z 0-9 . _ -`; never used before
    name: String,
    /// Owners beside the caller, who always is one: `issuer|subject`, the address of somebody who has signed
    /// in, or a local account. Needs the role `admin`
    #[serde(default)]
    owners: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// What the agent shows to the proxy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Credentials {
    name: String,
    /// Shown this once: `HTTPS_PROXY=http://NAME:TOKEN@HOST:PORT`
    token: String,
}

/// Enrol an agent of one's own
///
/// The caller is one of its owners, and can never approve its calls.
#[utoipa::path(post, path = "/v1/agents", tag = "agents", request_body = Enrolment, responses(
    (status = 201, description = "Enrolled", body = Credentials),
    (status = 400, description = "Not an agent", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "The caller may not", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "The name is or was in use", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn enrol(
    State(face): State<Arc<Face>>,
    Anyone(caller): Anyone,
    enrolment: Result<Json<Enrolment>, JsonRejection>,
) -> Result<(StatusCode, Json<Credentials>), Problem> {
    let Json(Enrolment { name, owners, labels }) =
        enrolment.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    if !rights::may_enrol(&face, &caller.reviewer) {
        return Err(rights::no_role(&caller.reviewer));
    }
    if !owners.is_empty() && !rights::is_admin(&face, &caller.reviewer) {
        return Err(rights::not_admin("naming other owners"));
    }
    if owners.len() > OWNERS_MAX || labels.len() > LABELS_MAX {
        return Err(Problem::bad_request(format!("at most {OWNERS_MAX} owners and {LABELS_MAX} labels")));
    }
    let mut others = Vec::with_capacity(owners.len());
    for text in &owners {
        others.push(face.context.agents.owner(text).await?);
    }
    let token = face.context.agents.add_own(&name, &others, &labels, &caller.reviewer.person).await;
    Ok((StatusCode::CREATED, Json(Credentials { token: token.map_err(enrolment_failed)?, name })))
}

/// Give an agent another token
///
/// Connections with the old one close. For its owners and admins; whoever is handed the token is one of the
/// owners from then on.
#[utoipa::path(post, path = "/v1/agents/{name}/rotate", tag = "agents",
    params(("name" = String, Path, description = "Name of the agent")),
    responses(
        (status = 200, description = "The new token", body = Credentials),
        (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such agent with a token", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rotate(
    State(face): State<Arc<Face>>,
    Anyone(caller): Anyone,
    Path(name): Path<String>,
) -> Result<Json<Credentials>, Problem> {
    may_change(&face, &caller, &name).await?;
    let token = face.context.agents.rotate(&name, Some(&caller.reviewer.person)).await?;
    Ok(Json(Credentials { token: token.ok_or_else(no_such_agent)?, name }))
}

/// End an agent for ever
///
/// Its connections close, its open holds are withdrawn. For its owners and admins.
#[utoipa::path(delete, path = "/v1/agents/{name}", tag = "agents",
    params(("name" = String, Path, description = "Name of the agent")),
    responses(
        (status = 204, description = "Revoked"),
        (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such agent", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke(
    State(face): State<Arc<Face>>,
    Anyone(caller): Anyone,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    may_change(&face, &caller, &name).await?;
    if face.context.agents.revoke(&name, Some(&caller.reviewer.person)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_such_agent())
    }
}

/// Who may not change an agent does not learn whether it is there.
async fn may_change(face: &Face, caller: &Caller, name: &str) -> Result<(), Problem> {
    let agents = face.context.agents.list().await?;
    let agent = agents.iter().find(|enrolled| enrolled.agent.name == name);
    match agent {
        Some(agent) if rights::may_change(face, &caller.reviewer, agent) => Ok(()),
        None if rights::is_admin(face, &caller.reviewer) => Err(no_such_agent()),
        _ => Err(rights::not_admin("changing the agents of others")),
    }
}

fn no_such_agent() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-such-agent")
        .detail("there is no such agent that could be changed")
}

fn enrolment_failed(error: StoreError) -> Problem {
    match error {
        StoreError::BadName(_) => Problem::bad_request(error.to_string()),
        StoreError::NameTaken(_) => {
            Problem::new(StatusCode::CONFLICT, "name-taken").detail(error.to_string())
        }
        error => error.into(),
    }
}

impl From<OwnerError> for Problem {
    fn from(error: OwnerError) -> Self {
        match error {
            OwnerError::Store(error) => error.into(),
            error => Self::bad_request(error.to_string()),
        }
    }
}

const OWNERS_MAX: usize = 32;
const LABELS_MAX: usize = 32;
