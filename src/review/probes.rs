//! What machines ask without credentials: metrics, liveness, readiness.

use super::Face;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// `GET /metrics`, OpenMetrics text.
pub(super) async fn metrics(State(face): State<Arc<Face>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &face.context.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: agents and reviewers can be served.
pub(super) async fn readyz(State(face): State<Arc<Face>>) -> Response {
    if *face.context.ready.borrow() {
        (StatusCode::OK, "ready\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
