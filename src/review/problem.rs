//! Errors of the API: `application/problem+json` (RFC 9457).

use crate::store::StoreError;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// One problem. `type` is a stable word of ours, `title` the status in words.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct Problem {
    /// `urn:holdpoint:problem:` and a stable word.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) title: String,
    pub(super) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
    /// On a conflict: the hold as it stands, with the recorded outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) hold: Option<Box<serde_json::Value>>,
    /// What `WWW-Authenticate` says with a 401, instead of `Bearer` alone.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) challenge: Option<HeaderValue>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, word: &str) -> Self {
        Self {
            kind: format!("urn:holdpoint:problem:{word}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: None,
            hold: None,
            challenge: None,
        }
    }

    pub(super) fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into());
        self
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request").detail(detail)
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated")
            .detail("send `Authorization: Bearer TOKEN`; `holdpoint reviewers add NAME` makes a token")
    }

    pub(super) fn no_such_hold() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-such-hold").detail("there is no such hold")
    }
}

impl From<StoreError> for Problem {
    /// Outside: that it failed. Inside, in the log: why.
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed a reviewer's request");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store").detail("the store did not answer; try again")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = self.challenge.unwrap_or(HeaderValue::from_static("Bearer"));
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

pub(super) async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found").detail("there is nothing at this path")
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed")
}
