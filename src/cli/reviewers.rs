//! `holdpoint reviewers`

use crate::config::Config;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {}

pub(super) async fn run(_: &Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {}
}
