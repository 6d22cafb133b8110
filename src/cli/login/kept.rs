//! The logins of this user: one file in their configuration folder, for nobody else to read.

use super::provider::{Provider, Tokens};
use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A login at one server.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::cli) struct Kept {
    pub(super) client: String,
    pub(super) token_endpoint: String,
    access_token: String,
    pub(super) refresh_token: Option<String>,
    /// `None`: the provider did not say.
    ends_at: Option<Timestamp>,
}

impl Kept {
    pub(super) fn of(client: &str, provider: &Provider, tokens: Tokens) -> Self {
        Self {
            client: client.to_owned(),
            token_endpoint: provider.token_endpoint.to_string(),
            ends_at: tokens.ends_at(),
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
        }
    }

    /// With other tokens; a provider that gives no new refresh token leaves the old one valid.
    pub(super) fn renewed(&self, tokens: Tokens) -> Self {
        Self {
            ends_at: tokens.ends_at(),
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token.or_else(|| self.refresh_token.clone()),
            ..self.clone()
        }
    }

    pub(in crate::cli) fn access_token(&self) -> &str {
        &self.access_token
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ends_at.is_some_and(|at| at <= Timestamp::now().saturating_add(SOON).unwrap_or(Timestamp::MAX))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ends_at.is_some_and(|at| at <= Timestamp::now())
    }

    /// The login at this server.
    pub(in crate::cli) fn read(server: &str) -> anyhow::Result<Option<Self>> {
        let Some(path) = path() else { return Ok(None) };
        Ok(all(&path)?.remove(server))
    }

    pub(super) fn write(&self, server: &str) -> anyhow::Result<()> {
        let path = path().context("there is no folder to keep the login in: set HOME")?;
        let mut logins = all(&path)?;
        logins.insert(server.to_owned(), self.clone());
        store(&path, &logins)
    }

    /// False: there was none.
    pub(super) fn remove(server: &str) -> anyhow::Result<bool> {
        let Some(path) = path() else { return Ok(false) };
        let mut logins = all(&path)?;
        let removed = logins.remove(server).is_some();
        if removed {
            store(&path, &logins)?;
        }
        Ok(removed)
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("client", &self.client).finish_non_exhaustive()
    }
}

/// XDG Base Directory Specification: `$XDG_CONFIG_HOME`, which must be absolute, or `~/.config`.
fn path() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")))?;
    Some(base.join("holdpoint").join("logins.json"))
}

fn all(path: &Path) -> anyhow::Result<BTreeMap<String, Kept>> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .with_context(|| format!("`{}` is damaged: remove it and sign in again", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    }
}

fn store(path: &Path, logins: &BTreeMap<String, Kept>) -> anyhow::Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let fresh = path.with_extension("new");
        let _ = std::fs::remove_file(&fresh); // of an earlier try
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(logins)?)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    write().with_context(|| format!("the login cannot be kept in `{}`", path.display()))
}

/// A token is renewed so long before its end, so that it lasts for a command.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
