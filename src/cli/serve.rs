//! `holdpoint serve`: runs the server and says what to do next.

use super::server_file::ServerFile;
use crate::config::{self, Config};
use crate::server::Server;
use crate::telemetry;
use anyhow::Context as _;
use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let telemetry = telemetry::init(&config.log, config.otlp_endpoint.as_deref())?;
    let server = Server::start(&config).await?;
    let file = ServerFile::write(&config, server.listen(), server.control())
        .context("the server's addresses cannot be written to the data folder")?;
    let link = if config.solo { Some(operator(&server, &config).await?) } else { None };
    super::out::line(&welcome(&server, &config, link.as_deref()))?;
    if config.solo {
        tracing::warn!("SOLO MODE: one person runs the agents and reviews; nobody else checks the approvals");
    }
    let served = server.serve().await;
    drop(file);
    telemetry.flush().await;
    served?;
    Ok(ExitCode::SUCCESS)
}

/// In solo mode the person at this machine needs no set-up: an account, its token in a file for the commands,
/// and a login link for the browser. Returns the link.
async fn operator(server: &Server, config: &Config) -> anyhow::Result<String> {
    let token_file = config.store.data.join(OPERATOR_TOKEN_FILE);
    let reviewers = server.reviewers();
    let known = match std::fs::read_to_string(&token_file) {
        Ok(token) => reviewers.by_token(token.trim()).await?.is_some(),
        Err(_) => false,
    };
    if !known {
        let token = reviewers.add(OPERATOR, &[]).await?;
        write_secret(&token_file, &token).context("the operator's token cannot be written")?;
    }
    let secret = reviewers.login_link(OPERATOR).await?;
    let base = config
        .control
        .url
        .clone()
        .unwrap_or_else(|| format!("http://{}", config::reachable(server.control())));
    Ok(format!("{base}/login?link={secret}"))
}

fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let fresh = path.with_extension("new");
    let _ = std::fs::remove_file(&fresh); // of an earlier try
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

fn welcome(server: &Server, config: &Config, link: Option<&str>) -> String {
    let mut text = format!("Holdpoint {} is ready.\n\n", env!("CARGO_PKG_VERSION"));
    let mut row = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<16} {value}"); // writing to a String cannot fail
    };
    row("Start an agent", "holdpoint run -- COMMAND");
    match link {
        Some(link) => row("Open the inbox", &format!("{link}  (once, within 15 minutes)")),
        None => row(
            "Open the inbox",
            &config.control.url.clone().unwrap_or_else(|| format!("http://{}", server.control())),
        ),
    }
    row("Trust the CA", &server.certificate().display().to_string());
    row("Agents connect", &server.listen().to_string());
    if link.is_some() {
        row(
            "Solo mode",
            "you approve your own agents' calls; add a reviewer with `holdpoint reviewers add NAME --group G`, then set `solo: false`",
        );
    } else {
        row("Reviewers", "holdpoint reviewers add NAME --group GROUP");
    }
    text
}

/// The account of whoever runs Holdpoint alone.
const OPERATOR: &str = "operator";
pub(super) const OPERATOR_TOKEN_FILE: &str = "operator.token";
