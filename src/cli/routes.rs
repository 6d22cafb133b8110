//! `holdpoint routes`: asks the configuration who would be told, and when.

use super::out;
use crate::config::Config;
use crate::hold::HoldId;
use crate::routing::{Routing, Told};
use crate::ruling::{Grounds, ReviewPolicy, Risk};
use crate::store::Store;
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say who would be told of a hold, where, and when
    Explain(Explain),
}

#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// A hold that there is; without one, say what it would be like
    hold: Option<String>,
    /// `pack/rule`
    #[arg(long, conflicts_with = "hold")]
    rule: Option<String>,
    #[arg(long, conflicts_with = "hold")]
    agent: Option<String>,
    /// `low`, `medium`, `high` or `critical`
    #[arg(long, conflicts_with = "hold", default_value = "medium", value_parser = risk)]
    risk: Risk,
    #[arg(long, conflicts_with = "hold")]
    tag: Vec<String>,
    /// The agent's label `environment`
    #[arg(long, conflicts_with = "hold")]
    environment: Option<String>,
    /// When it is held: `2026-11-20T22:00:00+01:00`; now, when left out
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    let Command::Explain(asked) = command;
    let like = match &asked.hold {
        Some(id) => of_hold(config, id).await?,
        None => Like {
            grounds: made_up(asked.rule.as_deref().unwrap_or("otherwise/write"), asked.risk, asked.tag),
            agent: asked.agent.unwrap_or_else(|| crate::agent::LOCAL_AGENT.to_owned()),
            environment: asked.environment,
            at: Timestamp::now(),
        },
    };
    let at = asked.at.unwrap_or(like.at);
    let routing = Routing::new(config.channels.clone(), config.routes.clone());
    let environment = like.environment.as_deref();
    let route = routing.route(&like.grounds, &like.agent, environment, at);
    let plan = routing.plan(&like.grounds, &like.agent, environment, at);
    if asked.json {
        let plan: Vec<_> = plan.iter().map(entry).collect();
        out::json(&json!({
            "route": route.map(|route| &route.name),
            "plan": plan,
            "tell_owner": route.is_some_and(|route| route.tell_owner),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    out::line(&match route {
        Some(route) => format!("Route `{}`.", route.name),
        None => "No route covers it: every channel is told.".to_owned(),
    })?;
    if plan.is_empty() {
        out::line("Nobody is told; it is in the inbox.")?;
    } else {
        let rows: Vec<[String; 4]> = plan.iter().map(row).collect();
        out::line(&out::columns(["WHEN", "CHANNEL", "WHAT", "CALLS"], &rows))?;
    }
    if route.is_some_and(|route| route.tell_owner) {
        out::line("The agent's owners hear how it ended, where they have linked a chat account.")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the routes look at.
struct Like {
    grounds: Grounds,
    agent: String,
    environment: Option<String>,
    at: Timestamp,
}

async fn of_hold(config: &Config, id: &str) -> anyhow::Result<Like> {
    let id: HoldId = id.parse()?;
    let store = Store::open(&config.store).await?;
    let found = store.hold(&id).await;
    let labels = match &found {
        Ok(Some(hold)) => store.labels(hold.agent_id).await,
        _ => Ok(std::collections::BTreeMap::new()),
    };
    store.close().await;
    let Some(hold) = found.context("the hold cannot be read")? else { bail!("there is no hold `{id}`") };
    let environment = labels?.remove("environment");
    Ok(Like { grounds: hold.grounds, agent: hold.agent, environment, at: hold.created_at })
}

fn made_up(rule: &str, risk: Risk, tags: Vec<String>) -> Grounds {
    Grounds {
        rule: rule.to_owned(),
        why: String::new(),
        risk,
        tags,
        matched: Vec::new(),
        review: ReviewPolicy::default(),
        summary: String::new(),
        ruleset: String::new(),
        parts: Vec::new(),
        held_by: Default::default(),
    }
}

fn entry(told: &Told) -> serde_json::Value {
    json!({
        "at": told.at,
        "channel": told.channel,
        "what": what(told),
        "step": told.step,
        "groups": told.call.groups,
        "on_call": told.call.on_call,
    })
}

fn row(told: &Told) -> [String; 4] {
    let groups = told.call.groups.iter().cloned();
    let on_call = told.call.on_call.iter().map(|name| format!("on call: {name}"));
    let calls: Vec<String> = groups.chain(on_call).collect();
    let when = told.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    [when, told.channel.clone(), what(told).to_owned(), calls.join(", ")]
}

const fn what(told: &Told) -> &'static str {
    match (told.step, told.again) {
        (0, _) => "card",
        (_, false) => "card, if still pending",
        (_, true) => "reminder, if still pending",
    }
}

fn risk(text: &str) -> Result<Risk, String> {
    let risks = [Risk::Low, Risk::Medium, Risk::High, Risk::Critical];
    let found = risks.into_iter().find(|risk| risk.as_str() == text);
    found.ok_or_else(|| "one of low, medium, high, critical".to_owned())
}
