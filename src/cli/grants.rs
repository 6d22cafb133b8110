//! `holdpoint grants`: what passes without being asked. Made beside an approval: `holdpoint holds approve --grant`.

use super::api::{Api, ApiArgs, segment};
use super::card::one_line;
use super::out;
use crate::config::Config;
use crate::grant::GrantId;
use serde_json::{Value, json};
use std::process::ExitCode;

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
    /// List grants, newest first: the live ones
    List {
        /// Past ones as well
        #[arg(long)]
        all: bool,
    },
    /// End a grant at once
    Revoke { id: String },
}

pub(super) async fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    let api = Api::open(config, args.api).await?;
    match args.command {
        Command::List { all } => list(&api, all, args.json).await?,
        Command::Revoke { id } => {
            let id: GrantId = id.parse()?;
            let answer = api.post(&format!("/v1/grants/{}/revoke", segment(id.as_str())), &json!({})).await?;
            if args.json {
                out::json(&answer)?;
            } else {
                out::line(&format!("{id} is revoked: nothing passes by it any more"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(api: &Api, all: bool, json: bool) -> anyhow::Result<()> {
    let answer = api.get("/v1/grants").await?;
    let grants = answer.get("grants").and_then(Value::as_array).cloned().unwrap_or_default();
    let text =
        |grant: &Value, key: &str| one_line(grant.get(key).and_then(Value::as_str).unwrap_or_default());
    let shown: Vec<&Value> = grants.iter().filter(|grant| all || text(grant, "standing") == "live").collect();
    if json {
        return out::json(&json!({ "grants": shown }));
    }
    if shown.is_empty() {
        eprintln!("Nothing is granted.");
        return Ok(());
    }
    let number =
        |grant: &Value, key: &str| grant.get(key).and_then(Value::as_u64).unwrap_or_default().to_string();
    let row = |grant: &&Value| {
        [
            text(grant, "id"),
            text(grant, "standing"),
            number(grant, "uses_left"),
            text(grant, "expires_at").chars().take(16).collect(),
            text(grant, "granted_by"),
            text(grant, "covers"),
        ]
    };
    let rows: Vec<_> = shown.iter().map(row).collect();
    Ok(out::line(&out::columns(["ID", "STANDING", "LEFT", "UNTIL", "BY", "COVERS"], &rows))?)
}
