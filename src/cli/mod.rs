//! The commands. Each is one file; this one holds the command line and hands over.
//!
//! Results go to standard output, everything else (logs, errors, what to do next) to standard error.

mod agents;
mod api;
mod ca;
mod card;
mod client;
mod doctor;
mod env;
mod grants;
mod holds;

mod ledger;
mod login;
mod out;
mod probe;
mod proxy_url;
mod reviewers;
mod routes;
mod rules;
mod run;
mod serve;
mod server_file;
mod slack;
mod teams;
mod toolchain;
mod trust;

use crate::config::{self, Config};
use anyhow::Context;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Holds what AI agents would do until a person signs.
///
/// Without a command, Holdpoint serves: agents on 127.0.0.1:8080, reviewers on 127.0.0.1:8081.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// Configuration file; without it `holdpoint.yaml` in the current folder, if there is one
    #[arg(long, global = true, env = "HOLDPOINT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy and the inbox (the default)
    Serve,
    /// Start a command with the proxy and the CA set for every common toolchain
    Run(run::Args),
    /// Print what `run` would set, for shells, Dockerfiles and Kubernetes manifests
    Env(env::Args),
    /// Enrol, list, rotate and revoke agents
    #[command(subcommand)]
    Agents(agents::Command),
    /// Add, list and revoke reviewers, and make login links for them
    #[command(subcommand)]
    Reviewers(reviewers::Command),
    /// Sign in at the identity provider, for the other commands
    Login(login::LoginArgs),
    /// Forget the login
    Logout(login::LogoutArgs),
    /// Say who the other commands are
    Whoami(login::WhoamiArgs),
    /// List, show, approve, deny and watch held requests
    Holds(holds::Args),
    /// List and revoke grants: what passes without being asked
    Grants(grants::Args),
    /// Check, explain and list rules
    #[command(subcommand)]
    Rules(rules::Command),
    /// Say who is told of a hold
    #[command(subcommand)]
    Routes(routes::Command),
    /// List, export and verify the ledger
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// The certificate authority that agents must trust
    #[command(subcommand)]
    Ca(ca::Command),
    /// The app in Slack: manifest, and checks of tokens and channels
    #[command(subcommand)]
    Slack(slack::Command),
    /// The bot in Microsoft Teams: app package, checks, conversations
    #[command(subcommand)]
    Teams(teams::Command),
    /// Check ports, CA trust, clock, disk, rules and database, and say what to do
    Doctor(doctor::Args),
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// What stopped it, for people.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let file = self.config.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()));
        let config = load(file.as_deref())?;
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => runtime(Threads::Many)?.block_on(serve::run(config)),
            Command::Run(args) => runtime(Threads::One)?.block_on(run::run(&config, args)),
            Command::Env(args) => env::run(&config, &args),
            Command::Agents(command) => runtime(Threads::One)?.block_on(agents::run(&config, command)),
            Command::Reviewers(command) => runtime(Threads::One)?.block_on(reviewers::run(&config, command)),
            Command::Login(args) => runtime(Threads::One)?.block_on(login::login(&config, args)),
            Command::Logout(args) => runtime(Threads::One)?.block_on(login::logout(&config, args)),
            Command::Whoami(args) => runtime(Threads::One)?.block_on(login::whoami(&config, args)),
            Command::Holds(args) => runtime(Threads::One)?.block_on(holds::run(&config, args)),
            Command::Grants(args) => runtime(Threads::One)?.block_on(grants::run(&config, args)),
            Command::Rules(command) => rules::run(&config, command),
            Command::Routes(command) => runtime(Threads::One)?.block_on(routes::run(&config, command)),
            Command::Ledger(command) => runtime(Threads::One)?.block_on(ledger::run(&config, command)),
            Command::Ca(command) => ca::run(&config, &command),
            Command::Slack(command) => runtime(Threads::One)?.block_on(slack::run(&config, command)),
            Command::Teams(command) => runtime(Threads::One)?.block_on(teams::run(&config, command)),
            Command::Doctor(args) => runtime(Threads::One)?.block_on(doctor::run(&config, args)),
        }
    }
}

fn load(file: Option<&Path>) -> anyhow::Result<Config> {
    Ok(config::load(file, &config::environment())?)
}

#[derive(Clone, Copy)]
enum Threads {
    One,
    Many,
}

fn runtime(threads: Threads) -> anyhow::Result<tokio::runtime::Runtime> {
    match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Many => tokio::runtime::Builder::new_multi_thread(),
    }
    .enable_all()
    .build()
    .context("the runtime cannot be started")
}

const DEFAULT_FILE: &str = "holdpoint.yaml";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
