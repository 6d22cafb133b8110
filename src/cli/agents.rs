//! `holdpoint agents`: enrol, list, rotate, revoke. Works on the database, whether a server runs or not; a
//! running one sees the change within a moment.

use super::out;
use super::proxy_url::ProxyUrl;
use super::server_file;
use crate::agents::Agents;
use crate::config::Config;
use crate::person::Person;
use crate::store::Store;
use anyhow::bail;
use std::collections::BTreeMap;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Enrol an agent, and print its proxy URL, once
    Add {
        name: String,
        /// A person it acts for: `issuer|subject`, the address of somebody who has signed in, or a local account;
        /// they can never approve its calls. Without one, two people must approve
        #[arg(long, value_name = "PERSON")]
        owner: Vec<String>,
        /// Something to match on in rules
        #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
        label: Vec<(String, String)>,
        #[arg(long)]
        json: bool,
    },
    /// List all agents that ever were
    List {
        #[arg(long)]
        json: bool,
    },
    /// Give an agent a new token; connections with the old one close
    Rotate {
        name: String,
        #[arg(long)]
        json: bool,
    },
    /// End an agent for ever: its connections close, its open holds are withdrawn
    Revoke { name: String },
}

pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    let store = Store::open(&config.store).await?;
    let done = obey(config, &store, command).await;
    store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn obey(config: &Config, store: &Store, command: Command) -> anyhow::Result<()> {
    let agents = Agents::open(store).await?;
    match command {
        Command::Add { name, owner, label, json } => {
            let labels: BTreeMap<_, _> = label.into_iter().collect();
            let mut owners = Vec::with_capacity(owner.len());
            for text in &owner {
                owners.push(agents.owner(text).await?);
            }
            let token = agents.add(&name, &owners, &labels).await?;
            if owners.is_empty() {
                eprintln!("`{name}` has no owner: two people must approve each of its holds.");
            }
            show_once(config, &name, &token, json)
        }
        Command::List { json } => list(&agents, json).await,
        Command::Rotate { name, json } => match agents.rotate(&name, None).await? {
            Some(token) => show_once(config, &name, &token, json),
            None => bail!("there is no agent `{name}` with a token: look at `holdpoint agents list`"),
        },
        Command::Revoke { name } => {
            if !agents.revoke(&name, None).await? {
                bail!("there is no agent `{name}` to revoke: look at `holdpoint agents list`");
            }
            eprintln!("`{name}` is revoked: its connections close, its open holds are withdrawn.");
            Ok(())
        }
    }
}

/// The one time that a token can be read.
fn show_once(config: &Config, name: &str, token: &str, json: bool) -> anyhow::Result<()> {
    let proxy = ProxyUrl::of(server_file::agents_address(config))?.with_credentials(name, token)?;
    if json {
        return out::json(&serde_json::json!({ "name": name, "token": token, "proxy": proxy.to_string() }));
    }
    eprintln!("The proxy URL of `{name}`, shown this once; only a hash of the token is kept:\n");
    out::line(&proxy.to_string())?;
    eprintln!("\nStart it behind Holdpoint:\n\n  holdpoint run --proxy {proxy} -- COMMAND");
    Ok(())
}

async fn list(agents: &Agents, json: bool) -> anyhow::Result<()> {
    let all = agents.list().await?;
    if json {
        return out::json(&serde_json::json!({ "agents": all }));
    }
    let rows: Vec<_> = all
        .iter()
        .map(|enrolled| {
            let owners: Vec<_> = enrolled.agent.owners.iter().map(Person::to_string).collect();
            let labels: Vec<_> = enrolled.agent.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            [
                enrolled.agent.name.clone(),
                if enrolled.revoked_at.is_some() { "revoked" } else { "active" }.to_owned(),
                enrolled.pending.to_string(),
                owners.join(","),
                enrolled.enrolled_by.clone().unwrap_or_else(|| "-".to_owned()),
                labels.join(","),
            ]
        })
        .collect();
    Ok(out::line(&out::columns(["NAME", "STATE", "PENDING", "OWNERS", "ENROLLED BY", "LABELS"], &rows))?)
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is written `key=value`".to_owned()),
    }
}
