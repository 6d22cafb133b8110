//! Grants: listed by everybody with a role, revoked by reviewers, administrators and owners; made with a vote.

use crate::desk::{Granted, Revoking};
use crate::grant::{Life, NoGrant, Scope, Wanted, in_words};
use crate::hold::Hold;
use crate::review::Face;
use crate::review::problem::Problem;
use crate::review::session::Caller;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What an approval is to let pass beyond this request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// `request`, `resource` or `rule`
    #[schema(value_type = String)]
    scope: Scope,
    /// `15m`, `1h` or `8h`
    #[schema(value_type = String)]
    expires_in: Life,
    /// How often
    #[schema(minimum = 1, maximum = 50)]
    uses: u32,
}

impl Wish {
    pub(super) fn wanted(&self) -> Wanted {
        Wanted { scope: self.scope, life: self.expires_in, uses: self.uses }
    }
}

/// A temporary pass that came out of a reviewed request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Grant {
    /// `hg_` and twelve characters
    pub(super) id: String,
    /// `live`, `revoked`, `expired`, `used-up`, `agent-revoked` or `maker-not-entitled`
    standing: &'static str,
    /// The reviewed request
    hold: String,
    agent: String,
    rule: String,
    /// `request`, `resource` or `rule`
    scope: &'static str,
    /// What passes, in words
    covers: String,
    /// Who made it
    granted_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    uses_left: u32,
    used: u32,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    revoked_by: Option<String>,
}

impl Grant {
    pub(super) fn of(grant: &crate::grant::Grant, standing: &'static str, hold: &Hold) -> Self {
        Self {
            id: grant.id.to_string(),
            standing,
            hold: grant.hold.to_string(),
            agent: grant.agent.clone(),
            rule: grant.rule.clone(),
            scope: grant.scope.as_str(),
            covers: in_words(grant.scope, hold),
            granted_by: grant.person.to_string(),
            created_at: grant.created_at,
            expires_at: grant.expires_at,
            uses_left: grant.uses_left,
            used: grant.used,
            revoked_at: grant.revoked_at,
            revoked_by: grant.revoked_by.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Grants {
    grants: Vec<Grant>,
}

/// The newest 200 grants, live and past
#[utoipa::path(get, path = "/v1/grants", tag = "grants", responses(
    (status = 200, description = "The grants, newest first", body = Grants),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "No role", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(face): State<Arc<Face>>, _: Caller) -> Result<Json<Grants>, Problem> {
    let all = face.context.desk.grants().await?;
    let shown = |granted: &Granted| Grant::of(&granted.grant, granted.standing.as_str(), &granted.hold);
    Ok(Json(Grants { grants: all.iter().map(shown).collect() }))
}

/// What became of the wish to revoke
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revoked {
    id: String,
    /// False: it was revoked before
    changed: bool,
}

/// End a grant at once
#[utoipa::path(post, path = "/v1/grants/{id}/revoke", tag = "grants",
    params(("id" = String, Path, description = "`hg_` and twelve characters")),
    responses(
        (status = 200, description = "It is revoked", body = Revoked),
        (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The caller may not revoke it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such grant", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke(
    State(face): State<Arc<Face>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Revoked>, Problem> {
    let nothing = || Problem::new(StatusCode::NOT_FOUND, "no-such-grant").detail("there is no such grant");
    let grant = id.parse().map_err(|_| nothing())?;
    let changed = match face.context.desk.revoke_grant(&grant, &caller.reviewer).await? {
        Revoking::Done => true,
        Revoking::Already => false,
        Revoking::NoSuchGrant => return Err(nothing()),
        Revoking::NotTheirs => {
            let why = "reviewers, administrators and the agent's owners revoke grants";
            return Err(Problem::new(StatusCode::FORBIDDEN, "not-yours").detail(why));
        }
    };
    Ok(Json(Revoked { id: grant.to_string(), changed }))
}

/// Neither vote nor grant counted.
pub(super) fn refused(why: &NoGrant) -> Problem {
    let status = match why {
        NoGrant::NotApproved(_) | NoGrant::NotDecisive | NoGrant::TooLate => StatusCode::CONFLICT,
        NoGrant::NotTheirs | NoGrant::Chat | NoGrant::Judged(_) => StatusCode::FORBIDDEN,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem::new(status, "no-grant").detail(format!("nothing was decided and nothing is granted: {why}"))
}
