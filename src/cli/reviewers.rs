//! `holdpoint reviewers`: people who decide: local accounts, which are kept here, and people of the identity
//! provider who have signed in. Works while a server runs.

use super::{out, server_file};
use crate::config::Config;
use crate::person::Person;
use crate::redact::visible;
use crate::reviewers::Reviewers;
use crate::store::Store;
use anyhow::bail;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a local account, or give one further groups; prints a new API token, once
    Add {
        name: String,
        /// A group that rules may ask for
        #[arg(long, value_name = "GROUP")]
        group: Vec<String>,
        #[arg(long)]
        json: bool,
    },
    /// List all reviewers that ever were: local accounts, and people of the identity provider
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
    /// End a local account, or the rights of a person of the identity provider (`issuer|subject`)
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
            let person: Person = name.parse()?;
            if !reviewers.revoke(&person, None).await? {
                bail!("there is no reviewer `{person}` to revoke: look at `holdpoint reviewers list`");
            }
            if person.is_local() {
                eprintln!("`{person}` is revoked: tokens, links and sessions have ended.");
            } else {
                eprintln!(
                    "`{person}` is revoked: sessions have ended, and a new login changes nothing here."
                );
            }
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
    let (accounts, people) = (reviewers.list().await?, reviewers.people().await?);
    if json {
        let local = accounts.iter().map(|account| with(account, serde_json::json!({ "local": true })));
        let of_provider = people.iter().map(|person| {
            let name = person.person.to_string();
            with(person, serde_json::json!({ "local": false, "name": name, "issuer": person.person.issuer }))
        });
        let all: Vec<_> = local.chain(of_provider).collect();
        return out::json(&serde_json::json!({ "reviewers": all }));
    }
    let state = |revoked: bool| if revoked { "revoked" } else { "active" }.to_owned();
    let mut rows: Vec<_> = accounts
        .iter()
        .map(|account| {
            let state = state(account.revoked_at.is_some());
            [account.name.clone(), state, "local account".to_owned(), account.groups.join(",")]
        })
        .collect();
    rows.extend(people.iter().map(|person| {
        let shown = match &person.email {
            Some(email) => format!("{} <{email}>", visible(&person.display)),
            None => visible(&person.display).into_owned(),
        };
        let groups: Vec<&str> = person.groups.iter().map(String::as_str).collect();
        [person.person.to_string(), state(person.revoked_at.is_some()), shown, groups.join(",")]
    }));
    Ok(out::line(&out::columns(["NAME", "STATE", "WHO", "GROUPS"], &rows))?)
}

fn with(reviewer: &impl serde::Serialize, more: serde_json::Value) -> serde_json::Value {
    let mut value = serde_json::to_value(reviewer).unwrap_or_default();
    if let (Some(value), serde_json::Value::Object(more)) = (value.as_object_mut(), more) {
        value.extend(more);
    }
    value
}
