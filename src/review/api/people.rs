//! People who decide: local accounts, and people of the identity provider who have signed in.

use crate::person::Person;
use crate::review::Face;
use crate::review::problem::Problem;
use crate::review::rights;
use crate::review::session::Caller;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct People {
    people: Vec<Someone>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Someone {
    /// `issuer|subject`, or the name of a local account
    person: String,
    display: String,
    /// Shown, never compared
    email: Option<String>,
    /// An account of this Holdpoint, not of the identity provider
    local: bool,
    groups: Vec<String>,
    /// When the identity provider last confirmed the groups
    #[schema(value_type = Option<String>, format = DateTime)]
    groups_at: Option<jiff::Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<jiff::Timestamp>,
}

/// Everybody who could ever sign in or did
#[utoipa::path(get, path = "/v1/people", tag = "people", responses(
    (status = 200, description = "Local accounts, then people of the identity provider", body = People),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "No role", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(face): State<Arc<Face>>, _: Caller) -> Result<Json<People>, Problem> {
    let reviewers = &face.context.reviewers;
    let mut people: Vec<Someone> = Vec::new();
    people.extend(reviewers.list().await?.into_iter().map(|account| Someone {
        person: account.name.clone(),
        display: account.name,
        email: None,
        local: true,
        groups: account.groups,
        groups_at: None,
        revoked_at: account.revoked_at,
    }));
    people.extend(reviewers.people().await?.into_iter().map(|known| Someone {
        person: known.person.to_string(),
        display: known.display,
        email: known.email,
        local: false,
        groups: known.groups.into_iter().collect(),
        groups_at: Some(known.groups_at),
        revoked_at: known.revoked_at,
    }));
    Ok(Json(People { people }))
}

/// End somebody's rights
///
/// Of a local account with its tokens, links and sessions; of a person of the identity provider with their
/// sessions and chat accounts: another login changes nothing.
#[utoipa::path(delete, path = "/v1/people/{person}", tag = "people",
    params(("person" = String, Path, description = "`issuer|subject`, percent-encoded, or the name of a local account")),
    responses(
        (status = 204, description = "Revoked"),
        (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nobody who could be revoked", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke(
    State(face): State<Arc<Face>>,
    caller: Caller,
    Path(person): Path<String>,
) -> Result<StatusCode, Problem> {
    if !rights::is_admin(&face, &caller.reviewer) {
        return Err(rights::not_admin("revoking people"));
    }
    let nobody = || Problem::new(StatusCode::NOT_FOUND, "no-such-person").detail("there is nobody to revoke");
    let person: Person = person.parse().map_err(|_| nobody())?;
    if face.context.reviewers.revoke(&person, Some(&caller.reviewer.person)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(nobody())
    }
}
