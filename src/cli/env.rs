//! `holdpoint env`

use crate::config::Config;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Config, _: &Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
