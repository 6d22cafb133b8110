//! The identity provider as a public client sees it: its endpoints, and its tokens.

use super::kept::Kept;
use crate::jwt::discovery_address;
use crate::outbound::{Answer, Outbound, is_safe};
use crate::redact::visible;
use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

/// What of the discovery document (OpenID Connect Discovery §3, RFC 8414) we use, as written.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    device_authorization_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// The provider's endpoints. Every address may be called.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) device_authorization_endpoint: Option<Url>,
    /// Whether every answer names its issuer (RFC 9207 §3).
    pub(super) names_itself: bool,
}

/// RFC 6749 §5.1.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    expires_in: Option<i64>,
}

impl Tokens {
    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        Timestamp::now().checked_add(SignedDuration::from_secs(self.expires_in?)).ok()
    }
}

/// RFC 6749 §5.2.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refused {
    #[serde(default)]
    pub(super) error: String,
    #[serde(default)]
    error_description: String,
}

impl Refused {
    pub(super) fn said(&self) -> String {
        match (visible(&self.error), visible(&self.error_description)) {
            (error, description) if description.is_empty() => error.into_owned(),
            (error, description) => format!("{error}: {description}"),
        }
    }
}

impl Provider {
    pub(super) async fn discover(outbound: &Outbound, issuer: &str) -> anyhow::Result<Self> {
        let document: Document = outbound
            .get_json(&discovery_address(issuer))
            .await
            .context("the identity provider does not describe itself")?;
        if document.issuer != issuer {
            bail!("the identity provider says that it is `{}`, not `{issuer}`", visible(&document.issuer));
        }
        let address = |text: &str| {
            let url = Url::parse(text).ok().filter(is_safe);
            url.context("the identity provider names an endpoint that is no https address")
        };
        Ok(Self {
            authorization_endpoint: address(&document.authorization_endpoint)?,
            token_endpoint: address(&document.token_endpoint)?,
            device_authorization_endpoint: document
                .device_authorization_endpoint
                .as_deref()
                .map(address)
                .transpose()?,
            names_itself: document.authorization_response_iss_parameter_supported,
        })
    }
}

/// Posts a form. Public clients have no secret to send with it.
pub(super) async fn post(outbound: &Outbound, url: &Url, form: &[(&str, &str)]) -> anyhow::Result<Answer> {
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    let request = Request::post(url.as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .body(Bytes::from(body))?;
    Ok(outbound.send(request).await?)
}

/// The tokens of an answer, or what the provider says instead.
pub(super) fn tokens(answer: &Answer) -> anyhow::Result<Result<Tokens, Refused>> {
    if answer.status == StatusCode::OK {
        let tokens = serde_json::from_slice(&answer.body);
        return Ok(Ok(tokens.context("the identity provider did not answer with a token")?));
    }
    let refused: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
    if refused.error.is_empty() {
        bail!("the identity provider answered {}", answer.status);
    }
    Ok(Err(refused))
}

/// The login with fresh tokens. `None`: it cannot be renewed.
pub(in crate::cli) async fn refresh(outbound: &Outbound, kept: &Kept) -> anyhow::Result<Option<Kept>> {
    let Some(refresh_token) = &kept.refresh_token else { return Ok(None) };
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.as_str()),
        ("client_id", &kept.client),
    ];
    let answer = post(outbound, &Url::parse(&kept.token_endpoint)?, &form).await?;
    match tokens(&answer)? {
        Ok(tokens) => Ok(Some(kept.renewed(tokens))),
        Err(refused) => bail!("the identity provider says {}", refused.said()),
    }
}

/// 32 random bytes.
pub(super) fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
