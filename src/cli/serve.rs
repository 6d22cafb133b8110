//! `holdpoint serve`: runs the server and says what to do next.

use super::api::operator_token_path;
use super::server_file::{self, ServerFile};
use super::trust::{self, Java};
use crate::config::Config;
use crate::server::Server;
use crate::telemetry;
use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let telemetry = telemetry::init(&config.log, config.otlp_endpoint.as_deref())?;
    raise_open_files();
    let server = Server::start(&config).await?;
    if config.solo {
        operator(&server, &config).await?;
    }
    // Last: with the addresses, the commands must find everything else.
    let file = ServerFile::write(&config, server.listen(), server.control())
        .context("the server's addresses cannot be written to the data folder")?;
    if let Err(error) = trust::prepare(&config, Java::No) {
        // Served all the same: the files may be kept up to date by somebody else.
        tracing::warn!("`holdpoint run` may fail: {error:#}");
    }
    let link = if config.solo {
        Some(super::reviewers::login_link(&config, server.reviewers(), OPERATOR).await?)
    } else {
        None
    };
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

/// Takes all the open files that the system grants; the usual soft limit of 1,024 is kept low for programs
/// that use `select`.
fn raise_open_files() {
    let granted = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: granted.maximum, ..granted });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

/// In solo mode the person at this machine needs no set-up: an account, and its token in a file for the commands.
async fn operator(server: &Server, config: &Config) -> anyhow::Result<()> {
    let token_file = operator_token_path(config);
    let reviewers = server.reviewers();
    let known = match std::fs::read_to_string(&token_file) {
        Ok(token) => reviewers.by_token(token.trim()).await?.is_some(),
        Err(_) => false,
    };
    if !known {
        let token = reviewers.add(OPERATOR, &[]).await?;
        write_secret(&token_file, &token).context("the operator's token cannot be written")?;
    }
    Ok(())
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

/// What to do next: a few aligned lines.
fn welcome(server: &Server, config: &Config, link: Option<&str>) -> String {
    let holdpoint = command_line(config);
    let mut text = format!("Holdpoint {} is ready.\n\n", env!("CARGO_PKG_VERSION"));
    let mut row = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<16} {value}"); // writing to a String cannot fail
    };
    row("Start an agent", &format!("{holdpoint} run -- COMMAND"));
    match link {
        Some(link) => row("Open the inbox", &format!("{link}   (works once, for 15 minutes)")),
        None => row("Open the inbox", &server_file::control_url(config)),
    }
    row("Agents connect", &format!("http://{}", server.listen()));
    let certificate = std::path::absolute(server.certificate());
    row("The CA to trust", &certificate.as_deref().unwrap_or(server.certificate()).display().to_string());
    if link.is_some() {
        row("A new link", &format!("{holdpoint} reviewers link {OPERATOR}"));
        row("SOLO MODE", "you review the calls of your own agents; nobody else checks");
    } else {
        row("Enrol an agent", &format!("{holdpoint} agents add NAME --owner PERSON"));
        row("Add a reviewer", &format!("{holdpoint} reviewers add NAME --group GROUP"));
    }
    text
}

/// How this program is called from the current folder, with this configuration.
fn command_line(config: &Config) -> String {
    let program = std::env::current_exe().ok().map_or_else(|| "holdpoint".to_owned(), |path| shortest(&path));
    match &config.file {
        Some(file) if file != Path::new(super::DEFAULT_FILE) => {
            format!("{program} --config {}", file.display())
        }
        _ => program,
    }
}

/// The bare name when the PATH finds it, else the path from the current folder.
fn shortest(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default();
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
    });
    if found.is_some_and(|found| std::fs::canonicalize(found).is_ok_and(|found| found == program)) {
        return name.to_string_lossy().into_owned();
    }
    let here = std::env::current_dir().ok();
    let near = here.and_then(|here| program.strip_prefix(here).ok());
    near.unwrap_or(program).display().to_string()
}

/// The account of whoever runs Holdpoint alone.
const OPERATOR: &str = "operator";
