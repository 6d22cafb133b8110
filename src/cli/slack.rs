//! `holdpoint slack setup`: what an administrator of Slack needs: the app manifest, and whether tokens and channels
//! are good, with what to do where they are not.

use super::out;
use crate::config::Config;
use crate::notify::slack::api::{Api, ApiError, Identity};
use crate::notify::slack::user::Home;
use crate::notify::slack::{Inbound, Settings, manifest};
use crate::outbound::Outbound;
use crate::routing::Place;
use crate::tls::{Trust, provider};
use secrecy::SecretString;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print the app manifest; where Slack is configured, check tokens and channels instead
    Setup(Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the manifest even so
    #[arg(long)]
    manifest: bool,
    /// The manifest for clicks by HTTP (`slack.mode: http`), instead of Socket Mode
    #[arg(long)]
    http: bool,
}

pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    let Command::Setup(args) = command;
    let settings = config.slack.as_ref();
    match settings {
        Some(settings) if !args.manifest && !args.http => check(config, settings).await,
        _ => {
            let http = args.http || settings.is_some_and(|s| matches!(s.inbound, Inbound::Http { .. }));
            let base = http.then(|| config.control.base_url());
            out::line(manifest(base.as_deref()).trim_end())?;
            let token = if http { SECRET } else { TOKEN };
            eprintln!("{}", NEXT.replace("{token}", token));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What was found: a line each.
#[derive(Debug, Default)]
struct Findings {
    failed: bool,
}

impl Findings {
    fn good(&self, what: &str) -> anyhow::Result<()> {
        Ok(out::line(&format!("  ok    {what}"))?)
    }

    fn note(&self, what: &str) -> anyhow::Result<()> {
        Ok(out::line(&format!("  note  {what}"))?)
    }

    fn bad(&mut self, what: &str, remedy: &str) -> anyhow::Result<()> {
        self.failed = true;
        Ok(out::line(&format!("  FAIL  {what}\n        {remedy}"))?)
    }
}

async fn check(config: &Config, settings: &Settings) -> anyhow::Result<ExitCode> {
    let trust = Trust::new(&config.upstream.extra_ca, &provider())?;
    let api = Api::new(Outbound::new(Some(&trust)), &settings.api, settings.bot_token.clone());
    let mut found = Findings::default();
    match api.auth_test().await {
        Ok(identity) => {
            workspace(&mut found, settings, &identity)?;
            scopes(&mut found, config, &identity)?;
        }
        Err(error) => found.bad(&format!("the bot token: {}", said(&error)), BOT_REMEDY)?,
    }
    match &settings.inbound {
        Inbound::Sockets { app_token, .. } => sockets(&mut found, &api, app_token).await?,
        Inbound::Http { .. } => {
            let url = config.control.base_url();
            found.note(&format!("Slack must reach {url}/slack/interactions (the app's Request URL)"))?;
        }
    }
    let mut named = 0;
    for (name, place) in &config.channels {
        if let Place::Slack(id) = place {
            named += 1;
            channel(&mut found, &api, name, id).await?;
        }
    }
    if named == 0 {
        let remedy = "add one: `channels: { security: { slack: C0123ABCD } }`";
        found.bad("no channel of `channels` is in Slack", remedy)?;
    }
    let end =
        if found.failed { "\nNot ready yet: see FAIL above." } else { "\nReady: start `holdpoint serve`." };
    out::line(end)?;
    Ok(if found.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn workspace(found: &mut Findings, settings: &Settings, identity: &Identity) -> anyhow::Result<()> {
    found.good(&format!("the bot token is of the workspace {} (`{}`)", identity.team, identity.team_id))?;
    match (Home::of(settings.team.as_deref(), identity), &settings.team) {
        (Err(why), _) => found.bad(&why, "correct `slack.team`, or take the token of the right workspace"),
        (Ok(_), Some(team)) => found.good(&format!("only members of `{team}` may decide")),
        (Ok(_), None) => {
            let id = &identity.team_id;
            found.note(&format!("write `slack.team: {id}`, so that another token cannot change who decides"))
        }
    }
}

fn scopes(found: &mut Findings, config: &Config, identity: &Identity) -> anyhow::Result<()> {
    let has = |scope: &&&str| identity.scopes.iter().any(|granted| granted == **scope);
    let missing: Vec<&str> = NEEDED.iter().filter(|scope| !has(scope)).copied().collect();
    if missing.is_empty() {
        found.good("the bot has the scopes that it needs")?;
    } else {
        found.bad(&format!("the bot lacks scopes: {}", missing.join(", ")), SCOPE_REMEDY)?;
    }
    let email = config.identity.as_ref().is_some_and(|identity| identity.match_email);
    match (email, has(&&"users:read.email")) {
        (true, false) => {
            found.bad("`identity.match-email` is on, and the bot lacks `users:read.email`", SCOPE_REMEDY)
        }
        (false, true) => {
            found.note("the bot may read addresses (`users:read.email`), which nothing here uses")
        }
        _ => Ok(()),
    }
}

async fn sockets(found: &mut Findings, api: &Api, token: &SecretString) -> anyhow::Result<()> {
    match api.open_socket(token).await {
        Ok(_) => found.good("the app token opens sockets"),
        Err(error) => found.bad(&format!("the app token: {}", said(&error)), APP_REMEDY),
    }
}

async fn channel(found: &mut Findings, api: &Api, name: &str, id: &str) -> anyhow::Result<()> {
    let channel = match api.conversation(id).await {
        Ok(channel) => channel,
        Err(error) => {
            let what = format!("channel `{name}` ({id}): {}", said(&error));
            return found.bad(&what, CHANNEL_REMEDY);
        }
    };
    let what = format!("channel `{name}` is #{} ({id})", channel.name);
    if channel.is_archived {
        return found.bad(&format!("{what}, which is archived"), "name another channel");
    }
    if !channel.is_member {
        return found
            .bad(&format!("{what}, but the bot is not in it"), "in that channel, write: /invite @Holdpoint");
    }
    found.good(&format!("{what}, and the bot is in it"))?;
    if channel.is_ext_shared {
        found.note(&format!(
            "#{} is shared with another organisation: its people can read every card",
            channel.name
        ))?;
    }
    Ok(())
}

fn said(error: &ApiError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

const NEEDED: &[&str] = &["chat:write", "im:write", "users:read"];
const NEXT: &str = "
1. Open https://api.slack.com/apps, Create New App, From a manifest; choose the workspace; paste what is above.
2. Install the app to the workspace. OAuth & Permissions shows the Bot User OAuth Token (xoxb-…): `slack.bot-token`.
3. {token}
4. In each channel that is to get cards, write: /invite @Holdpoint
5. Put the tokens and the channels' ids into the configuration, and run `holdpoint slack setup` again.";
const TOKEN: &str = "Basic Information, App-Level Tokens: make one with the scope connections:write (xapp-…): `slack.app-token`.";
const SECRET: &str = "Basic Information, App Credentials shows the Signing Secret: `slack.signing-secret`, with `slack.mode: http`.";
const BOT_REMEDY: &str =
    "copy the Bot User OAuth Token (xoxb-…) from OAuth & Permissions; install the app first";
const APP_REMEDY: &str = "Basic Information, App-Level Tokens: one with the scope connections:write (xapp-…); Socket Mode must be on";
const SCOPE_REMEDY: &str = "OAuth & Permissions, Scopes: add them, then install the app again";
const CHANNEL_REMEDY: &str =
    "check the id (the channel's details, at the bottom); in a private channel, write: /invite @Holdpoint";
