//! Our own token, by client credentials (RFC 6749 §4.4) from Entra: kept until five minutes before its end.

use super::settings::Settings;
use crate::outbound::{Outbound, OutboundError};
use crate::redact::visible;
use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::form_urlencoded::Serializer;

#[derive(Debug)]
pub(super) struct Tokens {
    settings: Arc<Settings>,
    outbound: Outbound,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    token: SecretString,
    until: Instant,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("Entra cannot be reached for a token: {0}")]
    Outbound(#[from] OutboundError),
    /// With the code and first sentence of Entra: `AADSTS7000215: Invalid client secret provided`.
    #[error("Entra gives no token ({status}): {why}")]
    Refused { status: u16, why: String },
    #[error("Entra gave a token that cannot be used")]
    Unusable,
}

impl Tokens {
    pub(super) fn new(settings: Arc<Settings>, outbound: &Outbound) -> Self {
        Self { settings, outbound: outbound.clone(), kept: Mutex::new(None) }
    }

    /// The token that is kept, or a new one.
    pub(super) async fn current(&self) -> Result<SecretString, TokenError> {
        let now = Instant::now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(kept) = kept.filter(|kept| now < kept.until) {
            return Ok(kept.token);
        }
        let granted = self.ask().await?;
        let life = Duration::from_secs(granted.expires_in).saturating_sub(BEFORE_END).min(LIFE_MAX);
        let token = SecretString::from(granted.access_token);
        let kept = Kept { token: token.clone(), until: now + life };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(token)
    }

    /// The Connector did not take it.
    pub(super) fn forget(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn ask(&self) -> Result<Granted, TokenError> {
        let settings = &self.settings;
        let body = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &settings.app_id)
            .append_pair("client_secret", settings.app_secret.expose_secret())
            .append_pair("scope", settings.cloud.scope())
            .finish();
        let request = Request::post(format!("{}/{}/oauth2/v2.0/token", settings.login, settings.tenant))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(body))
            .map_err(|_| OutboundError::NoHost)?;
        let answer = self.outbound.send(request).await?;
        if !answer.status.is_success() {
            return Err(TokenError::Refused { status: answer.status.as_u16(), why: reason(&answer.body) });
        }
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| TokenError::Unusable)?;
        let usable = granted.token_type.eq_ignore_ascii_case("bearer") && !granted.access_token.is_empty();
        usable.then_some(granted).ok_or(TokenError::Unusable)
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
    token_type: String,
}

/// What Entra says: one line, cut short.
fn reason(body: &[u8]) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        error: String,
        error_description: String,
    }
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let text = if refusal.error_description.is_empty() { refusal.error } else { refusal.error_description };
    let line: String = visible(text.lines().next().unwrap_or_default()).chars().take(REASON_MAX).collect();
    if line.is_empty() { "no reason given".to_owned() } else { line }
}

const BEFORE_END: Duration = Duration::from_mins(5);
/// However long Entra says: a token is asked for anew at least so often.
const LIFE_MAX: Duration = Duration::from_hours(24);
const REASON_MAX: usize = 200;
