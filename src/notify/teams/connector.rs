//! Calls to the Bot Connector: post, update, open a conversation, ask who somebody is.
//!
//! One function makes every call, and it is the only one that has the token: an address that the configuration
//! does not name as the Connector's never sees it, whoever brought that address.

use super::settings::Settings;
use super::token::{TokenError, Tokens};
use crate::outbound::{Outbound, OutboundError};
use crate::outbox::Receipt;
use crate::redact::visible;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

#[derive(Debug)]
pub(super) struct Connector {
    settings: Arc<Settings>,
    outbound: Outbound,
    tokens: Tokens,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Posted {
    pub(super) conversation: String,
    pub(super) activity: String,
}

/// Somebody in a conversation, as Teams knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Member {
    pub(super) name: Option<String>,
    /// Its domain is one that the tenant has proven to own, which `email` need not be.
    pub(super) user_principal_name: Option<String>,
    pub(super) tenant_id: Option<String>,
    /// `user`, `guest`, `anonymous`.
    pub(super) user_role: Option<String>,
    pub(super) aad_object_id: Option<String>,
    pub(super) object_id: Option<String>,
}

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectorError {
    #[error("`{0}` is not an address of the Bot Connector (`teams.hosts`): nothing was sent there")]
    Elsewhere(String),
    #[error("no token for the Bot Connector")]
    Token(#[from] TokenError),
    #[error("the Bot Connector cannot be reached")]
    Outbound(#[from] OutboundError),
    #[error("the Bot Connector answered {status} `{code}`")]
    Status { status: u16, code: String, after: Option<Duration> },
    #[error("the Bot Connector did not say where the message stands")]
    NoPlace,
}

impl Connector {
    pub(super) fn new(settings: Arc<Settings>, outbound: &Outbound) -> Self {
        let tokens = Tokens::new(Arc::clone(&settings), outbound);
        Self { settings, outbound: outbound.clone(), tokens }
    }

    pub(super) const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Posts a message: a new thread in a channel of a team, or a message in a chat.
    pub(super) async fn post(
        &self,
        service: &str,
        conversation: &str,
        activity: &Value,
    ) -> Result<Posted, ConnectorError> {
        if !is_channel(conversation) {
            let path = ["v3", "conversations", conversation, "activities"];
            let answer = self.call(Method::POST, service, &path, Some(activity)).await?;
            let activity = text(&answer, "id").ok_or(ConnectorError::NoPlace)?;
            return Ok(Posted { conversation: conversation.to_owned(), activity });
        }
        let body = json!({
            "isGroup": true,
            "bot": self.bot(),
            "channelData": { "channel": { "id": conversation } },
            "tenantId": self.settings.tenant,
            "activity": activity,
        });
        let answer = self.call(Method::POST, service, &["v3", "conversations"], Some(&body)).await?;
        match (text(&answer, "id"), text(&answer, "activityId")) {
            (Some(conversation), Some(activity)) => Ok(Posted { conversation, activity }),
            _ => Err(ConnectorError::NoPlace),
        }
    }

    /// Opens the conversation with one person, or finds the one that there is. `member` is their id for this bot
    /// (`29:…`), or their object id in Entra.
    pub(super) async fn open(
        &self,
        service: &str,
        tenant: &str,
        member: &str,
    ) -> Result<String, ConnectorError> {
        let body = json!({
            "isGroup": false,
            "bot": self.bot(),
            "members": [{ "id": member }],
            "tenantId": tenant,
            "channelData": { "tenant": { "id": tenant } },
        });
        let answer = self.call(Method::POST, service, &["v3", "conversations"], Some(&body)).await?;
        text(&answer, "id").ok_or(ConnectorError::NoPlace)
    }

    /// Replaces a message for everybody.
    pub(super) async fn replace(
        &self,
        service: &str,
        posted: &Posted,
        activity: &Value,
    ) -> Result<(), ConnectorError> {
        let path = ["v3", "conversations", &posted.conversation, "activities", &posted.activity];
        self.call(Method::PUT, service, &path, Some(activity)).await.map(drop)
    }

    /// Who this is, by their id for this bot.
    pub(super) async fn member(
        &self,
        service: &str,
        conversation: &str,
        user: &str,
    ) -> Result<Member, ConnectorError> {
        let path = ["v3", "conversations", conversation, "members", user];
        let answer = self.call(Method::GET, service, &path, None).await?;
        Ok(serde_json::from_value(answer).unwrap_or_default())
    }

    async fn call(
        &self,
        method: Method,
        service: &str,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Value, ConnectorError> {
        let elsewhere = || ConnectorError::Elsewhere(host_of(service));
        let base = Url::parse(service).map_err(|_| elsewhere())?;
        if !self.settings.is_service(&base) {
            return Err(elsewhere());
        }
        let path: String =
            path.iter().map(|part| format!("/{}", utf8_percent_encode(part, &SEGMENT))).collect();
        let url = format!("{}{path}", base.as_str().trim_end_matches('/'));
        let token = self.tokens.current().await?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| TokenError::Unusable)?;
        bearer.set_sensitive(true);
        let body = body.map(|body| Bytes::from(body.to_string()));
        let request = Request::builder().method(method).uri(url).header(AUTHORIZATION, bearer);
        let request = match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body),
            None => request.body(Bytes::new()),
        };
        let answer = self.outbound.send(request.map_err(|_| elsewhere())?).await?;
        if answer.status.is_success() {
            return Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null));
        }
        if answer.status == StatusCode::UNAUTHORIZED {
            self.tokens.forget(); // the next try brings a fresh one
        }
        let after =
            answer.headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.trim().parse().ok());
        Err(ConnectorError::Status {
            status: answer.status.as_u16(),
            code: code_of(&answer.body),
            after: after.map(Duration::from_secs),
        })
    }

    fn bot(&self) -> Value {
        json!({ "id": format!("28:{}", self.settings.app_id) })
    }
}

impl ConnectorError {
    /// Whether the message or conversation is no longer there.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 410, .. })
    }

    /// Whether the message is too large.
    pub(super) const fn is_too_large(&self) -> bool {
        matches!(self, Self::Status { status: 413, .. })
    }

    /// What the outbox is to do about it.
    pub(super) fn receipt(&self) -> Receipt {
        let why = self.to_string();
        match self {
            Self::Elsewhere(_) | Self::NoPlace => Receipt::Never(why),
            Self::Token(error) => Receipt::Later { after: None, why: error.to_string() },
            Self::Outbound(error) => Receipt::Later { after: None, why: error.to_string() },
            // 412: two wrote to the conversation at once; the others are named by "Rate limits" of Teams.
            Self::Status { status: 401 | 408 | 412 | 429 | 500..=599, after, .. } => {
                Receipt::Later { after: after.map(jittered), why }
            }
            Self::Status { status: 403 | 404, .. } => {
                Receipt::Never(format!("{why}: is the app installed in that team or chat?"))
            }
            Self::Status { .. } => Receipt::Never(why),
        }
    }
}

/// Channels of teams; chats are `19:…@thread.v2`, `a:…` and others.
fn is_channel(conversation: &str) -> bool {
    !conversation.contains(';')
        && (conversation.ends_with("@thread.tacv2") || conversation.ends_with("@thread.skype"))
}

fn text(answer: &Value, member: &str) -> Option<String> {
    answer.get(member)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// `error.code` of an answer, cut short.
fn code_of(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = answer.pointer("/error/code").and_then(Value::as_str).unwrap_or("no reason given");
    visible(code).chars().take(CODE_MAX).collect()
}

fn host_of(service: &str) -> String {
    let host = Url::parse(service).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.map_or_else(|| "no address".to_owned(), |host| visible(&host).chars().take(CODE_MAX).collect())
}

/// Somewhat later than asked: not all at once.
fn jittered(after: Duration) -> Duration {
    let mut random = [0_u8; 1];
    let part = aws_lc_rs::rand::fill(&mut random).map_or(128, |()| u32::from(random[0]));
    let spread = (after / 4).max(Duration::from_secs(1));
    after.min(AFTER_MAX) + spread.min(AFTER_MAX) * part / 256
}

/// What a path segment may have as it is (RFC 3986 §2.3). Conversation ids have `;`, `=`, `@` and `:`.
const SEGMENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const CODE_MAX: usize = 80;
/// Nobody makes us wait longer than this between two tries.
const AFTER_MAX: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_again() {
        let status = |status, after| ConnectorError::Status { status, code: "x".to_owned(), after };
        for code in [401, 412, 429, 500, 502, 503, 504] {
            assert!(matches!(status(code, None).receipt(), Receipt::Later { after: None, .. }), "{code}");
        }
        for code in [400, 403, 404, 413] {
            assert!(matches!(status(code, None).receipt(), Receipt::Never(_)), "{code}");
        }
        let asked = Duration::from_secs(8);
        let Receipt::Later { after: Some(after), .. } = status(429, Some(asked)).receipt() else { panic!() };
        assert!((asked..asked + asked / 4).contains(&after), "{after:?}");
    }

    #[test]
    fn ids_stay_one_segment() {
        let id = "19:a@thread.tacv2;messageid=1/../x?y#z";
        let encoded = utf8_percent_encode(id, &SEGMENT).to_string();
        assert_eq!(encoded, "19%3Aa%40thread.tacv2%3Bmessageid%3D1%2F..%2Fx%3Fy%23z");
    }
}
