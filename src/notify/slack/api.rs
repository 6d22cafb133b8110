//! Slack's Web API, as far as we use it: nine methods, each one POST.
//!
//! Writes are JSON, reads are forms (Slack takes JSON for writes only). Everything else about an answer than `ok`,
//! `error` and the few fields named here is ignored.

use crate::outbound::{Answer, Outbound, OutboundError};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The client of one workspace.
#[derive(Debug)]
pub struct Api {
    outbound: Outbound,
    /// Without a slash at the end.
    base: String,
    bot_token: SecretString,
    /// When the next message may go to a conversation, by its id.
    turns: Mutex<HashMap<String, Instant>>,
    /// Methods that Slack does not want to hear of before.
    quiet: Mutex<HashMap<&'static str, Instant>>,
}

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    #[error("Slack cannot be reached for `{method}`")]
    Unreachable { method: &'static str, source: OutboundError },
    #[error("Slack takes no more `{method}` for {after:?}")]
    Limited { method: &'static str, after: Duration },
    /// `error` is one of Slack's words: `channel_not_found`.
    #[error("Slack refuses `{method}`: `{error}`")]
    Refused { method: &'static str, error: String },
    #[error("Slack answered `{method}` with status {status}")]
    Status { method: &'static str, status: StatusCode },
    #[error("Slack's answer to `{method}` is not as expected")]
    Unexpected { method: &'static str },
}

/// What a token is for (`auth.test`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    #[serde(default)]
    pub team: String,
    pub team_id: String,
    #[serde(default)]
    pub enterprise_id: Option<String>,
    /// The bot's user.
    #[serde(default)]
    pub user_id: String,
    /// What the token may do, from the field `x-oauth-scopes`.
    #[serde(skip)]
    pub scopes: Vec<String>,
}

/// A user as Slack knows them (`users.info`). What is not said is not assumed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    pub id: String,
    pub team_id: Option<String>,
    pub deleted: Option<bool>,
    pub is_bot: Option<bool>,
    pub is_restricted: Option<bool>,
    pub is_ultra_restricted: Option<bool>,
    #[serde(default)]
    pub is_stranger: bool,
    #[serde(default)]
    pub is_workflow_bot: bool,
    #[serde(default)]
    pub is_email_confirmed: bool,
    pub enterprise_user: Option<EnterpriseUser>,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub profile: Profile,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EnterpriseUser {
    pub enterprise_id: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Profile {
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub real_name: String,
    pub email: Option<String>,
}

/// A conversation (`conversations.info`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Conversation {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub is_member: bool,
    #[serde(default)]
    pub is_archived: bool,
    /// Shared with another organisation.
    #[serde(default)]
    pub is_ext_shared: bool,
}

/// What a message says: blocks, and a line for notifications.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// In Slack's markup: escaped already.
    pub text: String,
    pub blocks: Vec<Value>,
}

impl Api {
    pub fn new(outbound: Outbound, base: &str, bot_token: SecretString) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { outbound, base, bot_token, turns: Mutex::default(), quiet: Mutex::default() }
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// See [`ApiError`]; so for all that follow.
    pub async fn auth_test(&self) -> Result<Identity, ApiError> {
        let (mut identity, answer): (Identity, _) = self.form("auth.test", &self.bot_token, &[]).await?;
        let scopes = answer.headers.get("x-oauth-scopes").and_then(|value| value.to_str().ok());
        identity.scopes = scopes.unwrap_or_default().split(',').map(|s| s.trim().to_owned()).collect();
        Ok(identity)
    }

    /// Posts a message, in its turn: one a second for each conversation. Returns its `ts`.
    pub async fn post_message(&self, conversation: &str, message: &Message) -> Result<String, ApiError> {
        self.turn(conversation).await?;
        let body = json!({
            "channel": conversation, "text": message.text, "blocks": message.blocks,
            "parse": "none", "link_names": false, "unfurl_links": false, "unfurl_media": false,
        });
        let posted: Posted = self.json("chat.postMessage", &body).await?;
        Ok(posted.ts)
    }

    /// Replaces what a message says.
    pub async fn update(&self, conversation: &str, ts: &str, message: &Message) -> Result<(), ApiError> {
        let body = json!({
            "channel": conversation, "ts": ts, "text": message.text, "blocks": message.blocks,
            "parse": "none", "link_names": false,
        });
        self.json::<Empty>("chat.update", &body).await.map(drop)
    }

    /// Says something to one user, where they are. `text` is in Slack's markup.
    pub async fn post_ephemeral(&self, conversation: &str, user: &str, text: &str) -> Result<(), ApiError> {
        let body = json!({
            "channel": conversation, "user": user, "text": text, "parse": "none", "link_names": false,
        });
        self.json::<Empty>("chat.postEphemeral", &body).await.map(drop)
    }

    /// The conversation with one user.
    pub async fn open_direct(&self, user: &str) -> Result<String, ApiError> {
        let opened: Opened = self.json("conversations.open", &json!({ "users": user })).await?;
        Ok(opened.channel.id)
    }

    /// Shows a modal to whoever caused the trigger, which is good for three seconds.
    pub async fn open_view(&self, trigger: &str, view: &Value) -> Result<(), ApiError> {
        let body = json!({ "trigger_id": trigger, "view": view });
        self.json::<Empty>("views.open", &body).await.map(drop)
    }

    pub async fn user(&self, id: &str) -> Result<User, ApiError> {
        let (found, _): (Found, _) = self.form("users.info", &self.bot_token, &[("user", id)]).await?;
        if found.user.id == id { Ok(found.user) } else { Err(ApiError::Unexpected { method: "users.info" }) }
    }

    pub async fn conversation(&self, id: &str) -> Result<Conversation, ApiError> {
        #[derive(Deserialize)]
        struct Info {
            channel: Conversation,
        }
        let (info, _): (Info, _) =
            self.form("conversations.info", &self.bot_token, &[("channel", id)]).await?;
        Ok(info.channel)
    }

    /// The address of a socket, good once. It is a secret.
    pub async fn open_socket(&self, app_token: &SecretString) -> Result<SecretString, ApiError> {
        #[derive(Deserialize)]
        struct Address {
            url: String,
        }
        let (address, _): (Address, _) = self.form("apps.connections.open", app_token, &[]).await?;
        Ok(address.url.into())
    }

    /// # Errors
    /// As [`Outbound::web_socket`].
    pub async fn web_socket(&self, address: &SecretString) -> Result<super::socket::Stream, OutboundError> {
        self.outbound.web_socket(address.expose_secret()).await
    }

    async fn json<T: DeserializeOwned>(&self, method: &'static str, body: &Value) -> Result<T, ApiError> {
        let body = Bytes::from(body.to_string());
        self.call(method, &self.bot_token, "application/json; charset=utf-8", body)
            .await
            .map(|(found, _)| found)
    }

    async fn form<T: DeserializeOwned>(
        &self,
        method: &'static str,
        token: &SecretString,
        pairs: &[(&str, &str)],
    ) -> Result<(T, Answer), ApiError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.call(method, token, "application/x-www-form-urlencoded", body.into()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        token: &SecretString,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<(T, Answer), ApiError> {
        self.heed(method)?;
        let unexpected = || ApiError::Unexpected { method };
        let bearer = format!("Bearer {}", token.expose_secret());
        let mut bearer = HeaderValue::try_from(bearer).map_err(|_| unexpected())?;
        bearer.set_sensitive(true);
        let request = Request::post(format!("{}/{method}", self.base))
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, content_type)
            .body(body)
            .map_err(|_| unexpected())?;
        let answer = self.outbound.send(request).await;
        let answer = answer.map_err(|source| ApiError::Unreachable { method, source })?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.hush(method, &answer));
        }
        if !answer.status.is_success() {
            return Err(ApiError::Status { method, status: answer.status });
        }
        let verdict: Verdict = serde_json::from_slice(&answer.body).map_err(|_| unexpected())?;
        if !verdict.ok {
            let error = verdict.error.unwrap_or_else(|| "no reason given".to_owned());
            if error == "ratelimited" {
                return Err(self.hush(method, &answer));
            }
            return Err(ApiError::Refused { method, error });
        }
        let found = serde_json::from_slice(&answer.body).map_err(|_| unexpected())?;
        Ok((found, answer))
    }

    /// Notes that a method is not wanted for a while.
    fn hush(&self, method: &'static str, answer: &Answer) -> ApiError {
        let seconds = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let after = Duration::from_secs(seconds.unwrap_or(RETRY_SECS)).min(RETRY_MAX);
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.insert(method, Instant::now() + after);
        ApiError::Limited { method, after }
    }

    /// Refuses what Slack does not want yet.
    fn heed(&self, method: &'static str) -> Result<(), ApiError> {
        let quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        match quiet.get(method).map(|until| until.duration_since(Instant::now())) {
            Some(after) if !after.is_zero() => Err(ApiError::Limited { method, after }),
            _ => Ok(()),
        }
    }

    /// Waits for the turn of a message; when that would take long, somebody else should ask later.
    async fn turn(&self, conversation: &str) -> Result<(), ApiError> {
        let now = Instant::now();
        let at = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, next| *next > now); // as many as conversations had a message in the last seconds
            let at = turns.get(conversation).copied().unwrap_or(now);
            if at.duration_since(now) > TURN_WAIT_MAX {
                return Err(ApiError::Limited { method: "chat.postMessage", after: at.duration_since(now) });
            }
            turns.insert(conversation.to_owned(), at + PACE);
            at
        };
        tokio::time::sleep_until(at).await;
        Ok(())
    }
}

impl ApiError {
    /// Slack's word, if it refused.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Refused { error, .. } => Some(error),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Empty {}

#[derive(Deserialize)]
struct Posted {
    ts: String,
}

#[derive(Deserialize)]
struct Opened {
    channel: Direct,
}

#[derive(Deserialize)]
struct Direct {
    id: String,
}

#[derive(Deserialize)]
struct Found {
    user: User,
}

/// "Roughly one message a second for each channel", short bursts apart.
pub(super) const PACE: Duration = Duration::from_secs(1);
const TURN_WAIT_MAX: Duration = Duration::from_secs(5);
/// When Slack does not say how long.
const RETRY_SECS: u64 = 30;
const RETRY_MAX: Duration = Duration::from_mins(10);
