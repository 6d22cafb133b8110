//! The API, `/v1`: for the command line and for programs of reviewers.
//!
//! Each route is made from the function that documents it, so that document and router cannot differ.

#![expect(unused_qualifications, reason = "what `utoipa::path` expands to")]

mod agents;
mod deliveries;
pub(super) mod events;
mod grants;
mod hold;
mod holds;
mod identity;
mod lists;
mod me;
mod people;
mod reviewing;
mod vote;

use super::Face;
use super::problem::Problem;
use super::session::Caller;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes under `/v1`, and the document that describes them.
pub(super) fn routes() -> (Router<Arc<Face>>, utoipa::openapi::OpenApi) {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(holds::list))
        .routes(routes!(hold::show))
        .routes(routes!(vote::cast))
        .routes(routes!(events::stream))
        .routes(routes!(agents::list, agents::enrol))
        .routes(routes!(agents::rotate))
        .routes(routes!(agents::revoke))
        .routes(routes!(identity::show))
        .routes(routes!(reviewing::show))
        .routes(routes!(grants::list))
        .routes(routes!(grants::revoke))
        .routes(routes!(me::show))
        .routes(routes!(people::list))
        .routes(routes!(people::revoke))
        .routes(routes!(lists::rules))
        .routes(routes!(lists::ledger))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::replay))
        .routes(routes!(document))
        .split_for_parts();
    (router.route("/v1/{*rest}", axum::routing::any(nothing)), document)
}

/// An unknown path of the API: 401 before 404, as everywhere.
async fn nothing(_: Caller) -> Problem {
    super::problem::not_found().await
}

/// This document
#[utoipa::path(get, path = "/v1/openapi.json", tag = "document", responses(
    (status = 200, description = "OpenAPI 3.1", body = Object),
    (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
))]
async fn document(State(face): State<Arc<Face>>, _: Caller) -> Response {
    ([(CONTENT_TYPE, "application/json")], face.document.clone()).into_response()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdpoint",
        description = "Holds that wait for a person, and the decisions on them.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&Bearer),
    security(("token" = []))
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.description = Some("Made by `holdpoint reviewers add NAME`".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(http));
    }
}
