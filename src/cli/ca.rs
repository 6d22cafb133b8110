//! `holdpoint ca`: the certificate that agents must trust.

use super::{out, trust};
use crate::config::Config;
use anyhow::Context;
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print where the certificate is
    Path,
    /// Print the certificate (PEM)
    Show,
    /// Say how to make this machine trust it
    InstallHint,
}

pub(super) fn run(config: &Config, command: &Command) -> anyhow::Result<ExitCode> {
    let path = trust::ca_path(config)?;
    let pem = std::fs::read_to_string(&path)
        .with_context(|| format!("there is no CA at `{}` yet: start `holdpoint serve`", path.display()))?;
    match command {
        Command::Path => out::line(&path.display().to_string())?,
        Command::Show => out::line(pem.trim_end())?,
        Command::InstallHint => out::line(&install_hint(&path.display().to_string()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn install_hint(path: &str) -> String {
    format!(
        "`holdpoint run -- COMMAND` needs no installation: it makes one command trust the CA, and nothing else.\n\
         To make a whole machine trust it (a container, a build machine; not your own):\n\n\
         Debian, Ubuntu, Alpine   cp {path} /usr/local/share/ca-certificates/holdpoint.crt && update-ca-certificates\n\
         Fedora, RHEL             cp {path} /etc/pki/ca-trust/source/anchors/holdpoint.pem && update-ca-trust\n\
         Arch                     trust anchor {path}\n\
         macOS                    security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {path}\n\
         Windows                  certutil -addstore -f ROOT {path}\n\n\
         Programs with roots of their own (Node, Python, Java \u{2026}) need the variables of `holdpoint env` as well."
    )
}
