//! Which identity provider there is, for `holdpoint login`. Everybody may ask: nothing here is a secret.

use crate::review::Face;
use crate::review::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What a client needs to sign in. Its tokens are for the API alone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Published {
    issuer: String,
    /// Public client for a browser that comes back to the caller's machine; null: not offered
    cli_client_id: Option<String>,
    /// Public client for the device flow, whose tokens read and never decide; null: not offered
    device_client_id: Option<String>,
    scopes: Scopes,
    /// What the tokens must be for, where the provider wants to be told (RFC 8707)
    resource: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Scopes {
    /// To ask for, to decide
    decide: Vec<String>,
    /// To ask for, to read
    read: Vec<String>,
}

/// The identity provider
#[utoipa::path(get, path = "/v1/identity", tag = "people", security(()), responses(
    (status = 200, description = "Where and how to sign in", body = Published),
    (status = 404, description = "There are local accounts only", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(State(face): State<Arc<Face>>) -> Result<Json<Published>, Problem> {
    let settings = face.context.identity.as_ref().map(|identity| identity.settings());
    let Some((settings, audience)) = settings.and_then(|s| Some((s, s.api_audience.as_ref()?))) else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no-identity-provider").detail(
            "this Holdpoint takes no tokens of an identity provider (`identity.api.audience`): `holdpoint reviewers add NAME` makes one",
        ));
    };
    // Entra wants the audience before each scope, and takes no `resource`.
    let entra = settings.is_entra();
    let scope = |name: &str| if entra { format!("{audience}/{name}") } else { name.to_owned() };
    let decide = ["openid", "offline_access"].map(str::to_owned).into_iter();
    Ok(Json(Published {
        issuer: settings.issuer.clone(),
        cli_client_id: settings.cli_client_id.clone(),
        device_client_id: settings.device_client_id.clone(),
        scopes: Scopes {
            decide: decide.chain([scope("holds:read"), scope("holds:decide")]).collect(),
            read: vec!["openid".to_owned(), scope("holds:read")],
        },
        resource: (!entra).then(|| audience.clone()),
    }))
}
