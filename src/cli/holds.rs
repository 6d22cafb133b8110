//! `holdpoint holds`: see and decide held requests, by the API of the control listener.

use super::api::{Api, ApiArgs, hold_path, segment};
use super::card::{Detail, Summary, one_line};
use super::out;
use crate::approval::Choice;
use crate::config::Config;
use crate::grant::{Life, Scope};
use crate::hold::HoldState;
use anyhow::{Context, bail};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    api: ApiArgs,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List holds, newest first
    List {
        /// pending, approved, released, denied, expired, withdrawn, or all
        #[arg(long, default_value = "pending")]
        state: States,
        /// Only of this agent
        #[arg(long)]
        agent: Option<String>,
        /// Only by this rule, `pack/rule`
        #[arg(long)]
        rule: Option<String>,
        /// Only with this word in URL, agent or rule
        #[arg(long)]
        text: Option<String>,
        /// At most so many (500)
        #[arg(long)]
        limit: Option<u32>,
    },
    /// Show one hold whole: the request, the digest, why it stopped
    Show { id: String },
    /// Approve a hold
    Approve {
        id: String,
        #[command(flatten)]
        ballot: Ballot,
        #[command(flatten)]
        grant: Granting,
    },
    /// Deny a hold
    Deny {
        id: String,
        #[command(flatten)]
        ballot: Ballot,
    },
    /// Print new holds and decisions as they happen
    Watch,
}

#[derive(Debug, clap::Args)]
struct Ballot {
    /// What to say; a denial's reason goes to the agent
    #[arg(long)]
    reason: Option<String>,
    /// The digest that was looked at: the vote counts for this request alone
    #[arg(long)]
    digest: Option<String>,
}

/// What is to pass without being asked, because this request was looked at.
#[derive(Debug, clap::Args)]
struct Granting {
    /// request: this request again; resource: this operation and resource; rule: this rule for this agent and
    /// session
    #[arg(long, value_name = "SCOPE")]
    grant: Option<Scope>,
    /// 15m, 1h or 8h
    #[arg(long = "for", value_name = "LENGTH", default_value = "15m", requires = "grant")]
    life: Life,
    /// How often
    #[arg(long, value_name = "N", default_value_t = 1, requires = "grant")]
    uses: u32,
}

pub(super) async fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    let api = Api::open(config, args.api).await?;
    match args.command {
        Command::List { state, agent, rule, text, limit } => {
            let query = query(state, agent, rule, text, limit);
            list(&api, &query, args.json).await?;
        }
        Command::Show { id } => show(&api, &id, args.json).await?,
        Command::Approve { id, ballot, grant } => {
            let Granting { grant, life, uses } = grant;
            let grant = grant.map(|scope| json!({ "scope": scope, "expires_in": life, "uses": uses }));
            vote(&api, &id, Choice::Approve, ballot, grant, args.json).await?;
        }
        Command::Deny { id, ballot } => vote(&api, &id, Choice::Deny, ballot, None, args.json).await?,
        Command::Watch => watch(&api, args.json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn query(
    states: States,
    agent: Option<String>,
    rule: Option<String>,
    text: Option<String>,
    limit: Option<u32>,
) -> String {
    let pairs = [
        ("state", states.0.map(|s| s.as_str().to_owned())),
        ("agent", agent),
        ("rule", rule),
        ("q", text),
        ("limit", limit.map(|n| n.to_string())),
    ];
    let written = pairs.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", segment(&value?))));
    written.collect::<Vec<_>>().join("&")
}

async fn list(api: &Api, query: &str, json: bool) -> anyhow::Result<()> {
    let answer = api.get(&format!("/v1/holds?{query}")).await?;
    if json {
        return out::json(&answer);
    }
    let holds: Vec<Summary> = read(answer.get("holds").cloned().unwrap_or_default())?;
    if holds.is_empty() {
        eprintln!("Nothing is held.");
        return Ok(());
    }
    let now = Timestamp::now();
    let rows: Vec<_> = holds.iter().map(|hold| hold.cells(now)).collect();
    Ok(out::line(&out::columns(["ID", "STATE", "RISK", "AGE", "LEFT", "AGENT", "REQUEST"], &rows))?)
}

async fn show(api: &Api, id: &str, json: bool) -> anyhow::Result<()> {
    let hold = api.get(&hold_path(id)?).await?;
    if json {
        return out::json(&hold);
    }
    let detail: Detail = read(hold)?;
    Ok(out::line(detail.text(Timestamp::now()).trim_end())?)
}

/// The vote carries the digest of what is shown here, or of what was looked at before.
async fn vote(
    api: &Api,
    id: &str,
    choice: Choice,
    ballot: Ballot,
    grant: Option<Value>,
    json: bool,
) -> anyhow::Result<()> {
    let path = hold_path(id)?;
    let hold: Summary = read(api.get(&path).await?)?;
    if ballot.digest.as_ref().is_some_and(|seen| *seen != hold.digest) {
        bail!("the hold is of another request than the one you looked at: its digest is {}", hold.digest);
    }
    eprintln!("{}", hold.one_line());
    let mut body = json!({ "digest": hold.digest, "vote": choice, "reason": ballot.reason });
    if let (Some(grant), Some(body)) = (grant, body.as_object_mut()) {
        body.insert("grant".to_owned(), grant);
    }
    let answer = api.post(&format!("{path}/votes"), &body).await?;
    if json {
        return out::json(&answer);
    }
    let granted = answer.get("granted").cloned().unwrap_or_default();
    let after: Summary = read(answer)?;
    out::line(&outcome(&after, hold.waiting > 0))?;
    let text = |key: &str| one_line(granted.get(key).and_then(Value::as_str).unwrap_or_default());
    if granted.is_object() {
        out::line(&format!("{} lets pass until {}: {}", text("id"), text("expires_at"), text("covers")))?;
    }
    Ok(())
}

/// `waited`: a client was there before the vote, and is answered now.
fn outcome(hold: &Summary, waited: bool) -> String {
    match hold.state.as_str() {
        "pending" => format!(
            "{} is still pending: {} of {} approvals",
            hold.id, hold.approvals.have, hold.approvals.needed
        ),
        "approved" | "released" if waited => {
            format!("{} is approved: the waiting client is answered", hold.id)
        }
        "approved" => {
            format!("{} is approved: the agent may send the identical request again, once", hold.id)
        }
        state => format!("{} is {state}", hold.id),
    }
}

/// Follows the events, coming back with the last one's number when the stream ends.
async fn watch(api: &Api, json: bool) -> anyhow::Result<()> {
    let mut last: Option<i64> = None;
    loop {
        follow(api, &mut last, json).await?;
        tokio::time::sleep(COME_BACK_AFTER).await;
    }
}

/// One event stream, to its end.
async fn follow(api: &Api, last: &mut Option<i64>, json: bool) -> anyhow::Result<()> {
    let mut stream = api.stream("/v1/events", *last).await?;
    if last.is_none() {
        eprintln!("Watching; end with Ctrl-C.");
    }
    let mut text = Vec::new();
    while let Some(frame) = stream.response.body_mut().frame().await {
        let Ok(frame) = frame else { return Ok(()) }; // broken off: come back
        text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if text.len() > EVENT_BYTES_MAX {
            bail!("an event is too long; is this the control listener?");
        }
        while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            if let Some(row) = row_of(&String::from_utf8_lossy(&event)) {
                *last = row.get("seq").and_then(Value::as_i64).or(*last);
                announce(api, &row, json).await?;
            }
        }
    }
    Ok(())
}

/// The `data` of a server-sent event, which is a row of the ledger.
fn row_of(event: &str) -> Option<Value> {
    let data: Vec<_> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    serde_json::from_str(&data.join("\n")).ok()
}

async fn announce(api: &Api, row: &Value, json: bool) -> anyhow::Result<()> {
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
    let (event, id) = (text("event"), text("subject"));
    if !event.starts_with("hold.") {
        return Ok(());
    }
    if json {
        return out::json(row);
    }
    match event {
        "hold.created" => {
            let hold: Summary = read(api.get(&hold_path(id)?).await?)?;
            out::line(&hold.one_line())?;
        }
        _ => out::line(&format!("{}  {}  by {}", one_line(id), one_line(event), one_line(text("actor"))))?,
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> anyhow::Result<T> {
    serde_json::from_value(value).context("the answer is not what this version of Holdpoint expects")
}

/// One state, or `all` of them.
#[derive(Debug, Clone, Copy)]
struct States(Option<HoldState>);

impl FromStr for States {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self(None)) } else { text.parse().map(|state| Self(Some(state))) }
    }
}

/// Between the end of an event stream and the next.
const COME_BACK_AFTER: Duration = Duration::from_secs(1);
/// A row has no body, and is far shorter.
const EVENT_BYTES_MAX: usize = 1 << 20;
