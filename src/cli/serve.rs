//! `holdpoint serve`

use crate::config::Config;
use std::process::ExitCode;

pub(super) async fn run(_: Config) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
