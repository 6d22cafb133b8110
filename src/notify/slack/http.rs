//! `POST /slack/interactions`: clicks by HTTP, for who lets Slack call in.
//!
//! Only the signature says that it is Slack. It is checked over the bytes as they came, before anything reads them.

use super::Slack;
use super::payload;
use super::signature::{SignatureError, Verifier};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::Timestamp;
use secrecy::SecretString;
use std::sync::Arc;

#[derive(Debug)]
struct Door {
    slack: Arc<Slack>,
    verifier: Verifier,
}

pub(super) fn routes(slack: &Arc<Slack>, secret: &SecretString) -> Router {
    let door = Door { slack: Arc::clone(slack), verifier: Verifier::new(secret) };
    Router::new()
        .route("/slack/interactions", post(interaction))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(door))
}

/// Acknowledges at once, and does the rest afterwards: Slack waits three seconds.
async fn interaction(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (timestamp, signature) = (text("x-slack-request-timestamp"), text("x-slack-signature"));
    let now = Timestamp::now().as_second();
    if let Err(error) = door.verifier.check(timestamp, signature, &body, now) {
        tracing::warn!(%error, "a request to `/slack/interactions` was refused");
        let status = match error {
            SignatureError::Full => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        };
        return (status, format!("{error}\n")).into_response();
    }
    let payload = url::form_urlencoded::parse(&body).find(|(name, _)| name == "payload");
    let deed = payload.and_then(|(_, payload)| payload::read(payload.as_bytes()));
    let taken = deed.is_none_or(|deed| door.slack.later(deed));
    if taken { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }.into_response()
}

/// A payload repeats the whole message, with all its blocks.
const BODY_BYTES_MAX: usize = 256 << 10;
