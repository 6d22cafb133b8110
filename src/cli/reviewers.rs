//! `holdpoint reviewers`: local accounts for people who decide. Works while a server runs.

use super::{out, server_file};
use crate::config::Config;
use crate::reviewers::Reviewers;
use crate::store::Store;
use anyhow::bail;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a reviewer, or give one further groups; prints a new API token, once
    Add {
        name: String,
        /// A group that rules may ask for
        #[arg(long, value_name = "GROUP")]
        group: Vec<String>,
        #[arg(long)]
        json: bool,
    },
    /// List all reviewers that ever were
    List {
        #[arg(long)]
        json: bool,
    },
    /// Print a link that logs a browser in, once, within 15 minutes
    Link {
        name: String,
        #[arg(long)]
        json: bool,
    },
    /// End an account with its tokens, links and sessions
    Revoke { name: String },
}

pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    let store = Store::open(&config.store).await?;
    let done = obey(config, &Reviewers::new(&store), command).await;
    store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn obey(config: &Config, reviewers: &Reviewers, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add { name, group, json } => {
            let token = reviewers.add(&name, &group).await?;
            if json {
                return out::json(&serde_json::json!({ "name": name, "groups": group, "token": token }));
            }
            eprintln!("The API token of `{name}`, shown this once; only a hash of it is kept:\n");
            out::line(&token)?;
            eprintln!(
                "\nFor the command line:  export HOLDPOINT_TOKEN=TOKEN\n\
                 For the browser:       holdpoint reviewers link {name}"
            );
            Ok(())
        }
        Command::List { json } => list(reviewers, json).await,
        Command::Link { name, json } => {
            let known = reviewers.list().await?.iter().any(|a| a.name == name && a.revoked_at.is_none());
            if !known {
                bail!("there is no reviewer `{name}`: add one with `holdpoint reviewers add {name}`");
            }
            let link = login_link(config, reviewers, &name).await?;
            if json {
                out::json(&serde_json::json!({ "name": name, "link": link }))
            } else {
                Ok(out::line(&link)?)
            }
        }
        Command::Revoke { name } => {
            if !reviewers.revoke(&name).await? {
                bail!("there is no reviewer `{name}` to revoke: look at `holdpoint reviewers list`");
            }
            eprintln!("`{name}` is revoked: tokens, links and sessions have ended.");
            Ok(())
        }
    }
}

/// The address that logs a browser in as this reviewer, once.
pub(super) async fn login_link(config: &Config, reviewers: &Reviewers, name: &str) -> anyhow::Result<String> {
    let secret = reviewers.login_link(name).await?;
    Ok(format!("{}/login?link={secret}", server_file::control_url(config)))
}

async fn list(reviewers: &Reviewers, json: bool) -> anyhow::Result<()> {
    let all = reviewers.list().await?;
    if json {
        return out::json(&serde_json::json!({ "reviewers": all }));
    }
    let rows: Vec<_> = all
        .iter()
        .map(|account| {
            let state = if account.revoked_at.is_some() { "revoked" } else { "active" };
            [account.name.clone(), state.to_owned(), account.groups.join(",")]
        })
        .collect();
    Ok(out::line(&out::columns(["NAME", "STATE", "GROUPS"], &rows))?)
}
