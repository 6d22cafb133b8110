//! What the provider says of itself (OpenID Connect Discovery 1.0 §3).

use super::{Identity, IdentityError};
use crate::jwt::discovery_address;
use crate::outbound::{OutboundError, is_safe};
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// The parts of the document that we use, as written.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// The provider's endpoints and ways. Every address may be called.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) userinfo: Option<Url>,
    pub(super) end_session: Option<Url>,
    /// Whether it takes `client_secret_basic`.
    pub(super) basic: bool,
    /// Whether every answer names its issuer (RFC 9207 §3).
    pub(super) names_itself: bool,
}

/// The document, kept for a while, and longer when there is no newer one to be had.
#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: Mutex<Option<(Arc<Provider>, Instant)>>,
}

impl Document {
    fn check(self, issuer: &str) -> Result<Provider, IdentityError> {
        if self.issuer != issuer {
            let found = self.issuer.chars().take(200).flat_map(char::escape_debug).collect();
            return Err(IdentityError::Discovery { expected: issuer.to_owned(), found });
        }
        let methods = self.code_challenge_methods_supported;
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err(IdentityError::Document("it does not offer PKCE with S256"));
        }
        // Basic is what counts when the provider says nothing.
        let methods = self.token_endpoint_auth_methods_supported;
        let basic =
            methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        Ok(Provider {
            authorization: address(&self.authorization_endpoint)?,
            token: address(&self.token_endpoint)?,
            userinfo: self.userinfo_endpoint.as_deref().map(address).transpose()?,
            end_session: self.end_session_endpoint.as_deref().map(address).transpose()?,
            basic,
            names_itself: self.authorization_response_iss_parameter_supported,
        })
    }
}

fn address(text: &str) -> Result<Url, IdentityError> {
    let url = Url::parse(text).ok().filter(is_safe);
    url.ok_or(IdentityError::Document("an endpoint is no https address"))
}

impl Identity {
    /// The provider's document, fetched at first need and every hour.
    pub(super) async fn provider(&self) -> Result<Arc<Provider>, IdentityError> {
        let kept = self.provider.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((provider, at)) = &kept
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(provider));
        }
        let fetched = self.outbound.get_json::<Document>(&discovery_address(&self.settings.issuer)).await;
        match (fetched, kept) {
            (Ok(document), _) => {
                let provider = Arc::new(document.check(&self.settings.issuer)?);
                let now = Instant::now();
                *self.provider.kept.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((Arc::clone(&provider), now));
                Ok(provider)
            }
            (Err(error), Some((provider, _))) => {
                tracing::warn!(%error, "the discovery document is old: there is no newer one to be had");
                Ok(provider)
            }
            (Err(OutboundError::NotAsExpected { reason, host }), None) => {
                tracing::warn!(%host, %reason, "there is no usable discovery document");
                Err(IdentityError::Unreachable(OutboundError::NotAsExpected { reason, host }))
            }
            (Err(error), None) => Err(IdentityError::Unreachable(error)),
        }
    }
}

const FRESH: Duration = Duration::from_hours(1);
