//! The HTTP API of the control listener, as commands use it.

use super::client::{ClientError, Endpoint, Stream};
use super::{login, server_file};
use crate::config::Config;
use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// Where the API is and who asks.
#[derive(Debug, clap::Args)]
pub(super) struct ApiArgs {
    /// Address of the control listener; by default the configured one
    #[arg(long, global = true, env = "HOLDPOINT_URL", value_name = "URL")]
    url: Option<Endpoint>,

    /// API token of a reviewer; by default that of `holdpoint login`, or the operator's, where `holdpoint serve`
    /// runs in solo mode
    #[arg(long, global = true, env = "HOLDPOINT_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
}

impl ApiArgs {
    /// The control listener.
    pub(super) fn endpoint(&self, config: &Config) -> Endpoint {
        self.url.clone().unwrap_or_else(|| {
            let address = server_file::control_address(config);
            Endpoint::plain(&address.ip().to_string(), address.port())
        })
    }
}

/// The API.
#[derive(Debug)]
pub(super) struct Api {
    endpoint: Endpoint,
    /// `None`: for what everybody may ask.
    token: Option<SecretString>,
}

impl Api {
    /// As who the user is: by a token that they name, their login, or where they run Holdpoint alone.
    ///
    /// # Errors
    /// No token is known, or the login has ended.
    pub(super) async fn open(config: &Config, args: ApiArgs) -> anyhow::Result<Self> {
        let endpoint = args.endpoint(config);
        let token = match args.token {
            Some(token) => token,
            None => match login::token(config, &endpoint.url()).await? {
                Some(token) => token,
                None => std::fs::read_to_string(operator_token_path(config)).ok().map(|t| t.trim().to_owned()).context(
                    "who are you? `holdpoint login` signs you in; or say --token or HOLDPOINT_TOKEN, which `holdpoint reviewers add NAME` makes",
                )?,
            },
        };
        Ok(Self { endpoint, token: Some(token.into()) })
    }

    pub(super) fn with_token(config: &Config, args: &ApiArgs, token: String) -> Self {
        Self { endpoint: args.endpoint(config), token: Some(token.into()) }
    }

    pub(super) fn anonymous(config: &Config, args: &ApiArgs) -> Self {
        Self { endpoint: args.endpoint(config), token: None }
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, String::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, path, body.to_string()).await
    }

    /// A response that goes on: the event stream, after the last event that was seen.
    pub(super) async fn stream(&self, path: &str, last_event: Option<i64>) -> anyhow::Result<Stream> {
        let mut request = self.request(Method::GET, path).header("accept", "text/event-stream");
        if let Some(id) = last_event {
            request = request.header("last-event-id", id);
        }
        let stream = self.endpoint.open(request.body(String::new())?).await.map_err(|e| self.unreached(e))?;
        match stream.response.status() {
            StatusCode::OK => Ok(stream),
            status => Err(refused(status, &Bytes::new())),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> anyhow::Result<Value> {
        let request = self.request(method, path).header("content-type", "application/json").body(body)?;
        let answer = self.endpoint.send(request).await.map_err(|e| self.unreached(e))?;
        if !answer.status().is_success() {
            return Err(refused(answer.status(), answer.body()));
        }
        serde_json::from_slice(answer.body()).context("the answer is not JSON; is this the control listener?")
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.endpoint.to_string())
            .header("user-agent", concat!("holdpoint-cli/", env!("CARGO_PKG_VERSION")));
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.expose_secret())),
            None => request,
        }
    }

    fn unreached(&self, error: ClientError) -> anyhow::Error {
        let what = format!(
            "Holdpoint does not answer on {}: start it with `holdpoint serve`, or say where it is with --url",
            self.endpoint
        );
        anyhow::Error::new(error).context(what)
    }
}

/// The token of the reviewer `operator`, whom `serve` makes in solo mode.
pub(super) fn operator_token_path(config: &Config) -> std::path::PathBuf {
    config.store.data.join("operator.token")
}

/// The API says why in the form of RFC 9457.
fn refused(status: StatusCode, body: &Bytes) -> anyhow::Error {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let why = ["detail", "title"].iter().find_map(|key| problem.get(key)?.as_str());
    match (status, why) {
        (StatusCode::UNAUTHORIZED, why) => anyhow::anyhow!(
            "the token is not accepted{}: `holdpoint login` signs you in; or say --token or HOLDPOINT_TOKEN, which `holdpoint reviewers add NAME` makes",
            why.map(|why| format!(" ({})", crate::redact::visible(why))).unwrap_or_default()
        ),
        (_, Some(why)) => anyhow::anyhow!("{}", crate::redact::visible(why)),
        (_, None) => anyhow::anyhow!("the answer is {status}"),
    }
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Refuses what is no hold id before anybody is asked.
pub(super) fn hold_path(id: &str) -> anyhow::Result<String> {
    match id.parse::<crate::hold::HoldId>() {
        Ok(id) => Ok(format!("/v1/holds/{id}")),
        Err(error) => bail!("{error}: `{}`", id.escape_debug()),
    }
}
