//! `holdpoint run -- CMD`: starts a command whose traffic goes through the proxy.
//!
//! The command replaces this process, so that signals, the terminal and the exit code are its own.

use super::proxy_url::ProxyUrl;
use super::toolchain::UNSET;
use super::toolchain::{self, TrustPaths};
use super::trust::{self, Java};
use super::{probe, server_file};
use crate::config::Config;
use anyhow::bail;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    proxy: ProxyArgs,

    /// Set JAVA_TOOL_OPTIONS too (done by itself for java, mvn, gradle and their like)
    #[arg(long)]
    java: bool,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<std::ffi::OsString>,
}

/// Which proxy, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct ProxyArgs {
    /// The proxy's URL, `http://[NAME:TOKEN@]host:port`; by default the configured listener
    #[arg(long, env = "HOLDPOINT_PROXY_URL", hide_env_values = true, value_name = "URL")]
    proxy: Option<ProxyUrl>,

    /// The agent's name, for an enrolled agent
    #[arg(long, requires = "token", value_name = "NAME")]
    agent: Option<String>,

    /// The agent's token
    #[arg(long, requires = "agent", value_name = "TOKEN")]
    token: Option<String>,

    /// Hosts that are reached without the proxy, separated by commas
    #[arg(long, default_value = "", value_name = "HOSTS")]
    no_proxy: String,
}

impl ProxyArgs {
    pub(super) fn url(&self, config: &Config) -> anyhow::Result<ProxyUrl> {
        let url = match &self.proxy {
            Some(url) => url.clone(),
            None => ProxyUrl::of(server_file::agents_address(config))?,
        };
        Ok(match (&self.agent, &self.token) {
            (Some(name), Some(token)) => url.with_credentials(name, token)?,
            _ => url,
        })
    }

    pub(super) fn no_proxy(&self) -> &str {
        &self.no_proxy
    }
}

pub(super) async fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    let Some((program, arguments)) = args.command.split_first() else { bail!("say which command to run") };
    let java = if args.java || toolchain::is_java(&program.to_string_lossy()) { Java::Yes } else { Java::No };
    let paths = trust::prepare(config, java)?;
    if args.java && paths.truststore.is_none() {
        bail!("there is no `keytool` to make a Java truststore with; is a JDK or JRE on the PATH?");
    }
    let proxy = args.proxy.url(config)?;
    probe::proxy_answers(&proxy).await?;

    let mut command = Command::new(program);
    command.args(arguments);
    set(&mut command, &proxy, args.proxy.no_proxy(), &paths);
    let error = command.exec(); // returns only when it failed
    Err(anyhow::Error::new(error).context(format!("cannot start `{}`", program.to_string_lossy())))
}

/// Inherited values are overridden: a machine may have a proxy or roots of its own.
fn set(command: &mut Command, proxy: &ProxyUrl, no_proxy: &str, paths: &TrustPaths) {
    for name in UNSET {
        command.env_remove(name);
    }
    command.envs(toolchain::proxy(proxy, no_proxy)).envs(toolchain::trust(paths));
    if let Some((name, options)) = toolchain::java(proxy, paths) {
        let inherited = std::env::var(name).unwrap_or_default(); // the last of two equal options counts
        command.env(name, format!("{inherited} {options}").trim_start());
    }
}
