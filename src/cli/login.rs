//! `holdpoint login`, `logout`, `whoami`: the command line as a person of the identity provider.
//!
//! By default the browser signs in and comes back to a port of this machine (RFC 8252), with PKCE (RFC 7636).
//! `--device` is for machines without a browser (RFC 8628): its tokens read and never decide, since whoever types a
//! code cannot know who asked for it.

mod device;
mod kept;
mod loopback;
mod provider;

pub(super) use kept::Kept;
pub(super) use provider::refresh;

use super::api::{Api, ApiArgs};
use super::out;
use crate::config::Config;
use crate::outbound::{Outbound, is_safe};
use crate::redact::visible;
use crate::tls::{Trust, provider as crypto};
use anyhow::{Context as _, bail};
use provider::{Provider, Tokens};
use serde::Deserialize;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct LoginArgs {
    #[command(flatten)]
    api: ApiArgs,

    /// For a machine without a browser: type a code elsewhere. Such a login reads and never decides
    #[arg(long)]
    device: bool,

    /// Print the address to open instead of opening it
    #[arg(long)]
    no_browser: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct LogoutArgs {
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct WhoamiArgs {
    #[command(flatten)]
    api: ApiArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `GET /v1/identity` says.
#[derive(Debug, Deserialize)]
struct Published {
    issuer: String,
    cli_client_id: Option<String>,
    device_client_id: Option<String>,
    scopes: Scopes,
    resource: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Scopes {
    decide: Vec<String>,
    read: Vec<String>,
}

pub(super) async fn login(config: &Config, args: LoginArgs) -> anyhow::Result<ExitCode> {
    let server = args.api.endpoint(config);
    let url = server.url();
    if !url::Url::parse(&url).is_ok_and(|url| is_safe(&url)) {
        bail!(
            "`{url}` is plain and not this machine: a login there could be read on the way; use its https address"
        );
    }
    let published = published(config, &args.api).await?;
    let outbound = outbound(config);
    let provider = Provider::discover(&outbound, &published.issuer).await?;
    let host = url::Url::parse(&published.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    eprintln!("Signing in at {}.", host.as_deref().unwrap_or(&published.issuer));
    let (client, tokens) = if args.device {
        let client = published.device_client_id.context(
            "this Holdpoint takes no login without a browser: its configuration has no `identity.device-client-id`",
        )?;
        eprintln!("This login is for reading only: it never decides.");
        let asked = device::Asked {
            client: &client,
            scopes: &published.scopes.read,
            resource: published.resource.as_deref(),
        };
        let tokens = device::tokens(&outbound, &provider, asked).await?;
        (client, tokens)
    } else {
        let client = published.cli_client_id.context(
            "this Holdpoint takes no login of the command line: its configuration has no `identity.cli-client-id`",
        )?;
        let asked = loopback::Asked {
            client: &client,
            issuer: &published.issuer,
            scopes: &published.scopes.decide,
            resource: published.resource.as_deref(),
            browser: !args.no_browser,
        };
        let tokens = loopback::tokens(&outbound, &provider, asked).await?;
        (client, tokens)
    };
    let me = keep(&url, &client, &provider, tokens, config, &args.api).await?;
    eprintln!("{}", sentence(&me));
    Ok(ExitCode::SUCCESS)
}

/// Shows the token to the server, and keeps it when it is taken.
async fn keep(
    url: &str,
    client: &str,
    provider: &Provider,
    tokens: Tokens,
    config: &Config,
    api: &ApiArgs,
) -> anyhow::Result<Value> {
    let me = Api::with_token(config, api, tokens.access_token.clone()).get("/v1/me").await?;
    Kept::of(client, provider, tokens).write(url)?;
    Ok(me)
}

pub(super) async fn logout(config: &Config, args: LogoutArgs) -> anyhow::Result<ExitCode> {
    let url = args.api.endpoint(config).url();
    if Kept::remove(&url)? {
        eprintln!("The login at {url} is forgotten on this machine.");
    } else {
        eprintln!("There was no login at {url}.");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn whoami(config: &Config, args: WhoamiArgs) -> anyhow::Result<ExitCode> {
    let me = Api::open(config, args.api).await?.get("/v1/me").await?;
    if args.json {
        out::json(&me)?;
    } else {
        out::line(&sentence(&me))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Who that is, in a line or two.
fn sentence(me: &Value) -> String {
    let text = |key: &str| visible(me.get(key).and_then(Value::as_str).unwrap_or_default()).into_owned();
    let list = |key: &str| {
        let list = me.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        list.map(|word| visible(word).into_owned()).collect::<Vec<_>>().join(", ")
    };
    let mut said = format!("You are {}", text("display"));
    if text("display") != text("person") {
        said.push_str(&format!(" ({})", text("person")));
    }
    if me.get("local").and_then(Value::as_bool) == Some(true) {
        said.push_str(", a local account");
    }
    let (roles, groups) = (list("roles"), list("groups"));
    said.push_str(&match (roles.as_str(), groups.as_str()) {
        ("", "") => ", without a role here: the identity provider names no group of yours.".to_owned(),
        ("", groups) => format!(", without a role here: none of your groups has one ({groups})."),
        (roles, "") => format!("; roles: {roles}."),
        (roles, groups) => format!("; roles: {roles}; groups: {groups}."),
    });
    if me.get("decides").and_then(Value::as_bool) == Some(false) {
        said.push_str(&format!("\nThis login reads only: {}.", text("undeciding")));
    }
    said
}

async fn published(config: &Config, api: &ApiArgs) -> anyhow::Result<Published> {
    let answer = Api::anonymous(config, api).get("/v1/identity").await?;
    serde_json::from_value(answer).context("the server does not say which identity provider it uses")
}

fn outbound(config: &Config) -> Outbound {
    let trust = Trust::new(&config.upstream.extra_ca, &crypto());
    if let Err(error) = &trust {
        eprintln!("No https address can be reached: {error}");
    }
    Outbound::new(trust.ok().as_ref())
}

/// The token of a login at this server, refreshed when it is about to end. `None`: there is no login.
pub(super) async fn token(config: &Config, url: &str) -> anyhow::Result<Option<String>> {
    let Some(kept) = Kept::read(url)? else { return Ok(None) };
    if !kept.is_ending() {
        return Ok(Some(kept.access_token().to_owned()));
    }
    match refresh(&outbound(config), &kept).await {
        Ok(Some(fresh)) => {
            fresh.write(url)?;
            Ok(Some(fresh.access_token().to_owned()))
        }
        // The server says what is wrong with it.
        Ok(None) if !kept.has_ended() => Ok(Some(kept.access_token().to_owned())),
        Ok(None) => bail!("your login has ended: `holdpoint login` begins another"),
        Err(error) => {
            Err(error.context("your login has ended and cannot be renewed: `holdpoint login` begins another"))
        }
    }
}
