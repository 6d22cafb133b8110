//! `holdpoint rules`: check, explain, list.

use crate::config::Config;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {}

pub(super) fn run(_: &Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {}
}
