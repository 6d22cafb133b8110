//! The database: holds, votes, agents, reviewers, sessions, and the audit rows that commit with them.
//!
//! SQLite in WAL mode with `synchronous=FULL`: what was committed survives a crash. One connection writes,
//! several read. Every write is one transaction that also appends its audit rows ([`crate::audit`]).

use crate::redact::Fingerprints;
use std::path::PathBuf;
use std::sync::Arc;

/// Where and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder: `holdpoint.db` and `seal.key` (0600) live here.
    pub data: PathBuf,
}

/// The open database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

/// What went wrong, by whose fault.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("the database cannot be opened: `{path}`")]
    Open { path: PathBuf, source: Arc<sqlx::Error> },
    #[error("the database refused")]
    Database(#[source] Arc<sqlx::Error>),
    #[error("a file of the data folder cannot be used: `{path}`")]
    File { path: PathBuf, source: Arc<std::io::Error> },
    #[error("`{path}` is not the key that this database was sealed with; restore the one that was")]
    Key { path: PathBuf },
    /// What is stored is not what was written: somebody changed it, or the disk did.
    #[error("{0} was changed outside Holdpoint and cannot be trusted")]
    Damaged(String),
    #[error("a name is a letter or digit and then up to 62 of `a-z 0-9 . _ -`: `{0}`")]
    BadName(String),
    #[error("`{0}` exists already, or did once; names are not used again")]
    NameTaken(String),
    #[error("another Holdpoint serves this data folder: `{0}`")]
    InUse(PathBuf),
    #[error("the database is being closed")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl Store {
    /// Opens or makes the database, brings its schema up to date, and makes the seal key when missing.
    ///
    /// # Errors
    /// The folder or file cannot be made or read, or the schema is newer than this program.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        let _ = settings;
        todo!("store helper")
    }

    /// Fingerprints by a key of this installation.
    pub fn fingerprints(&self) -> Fingerprints {
        todo!("store helper")
    }

    /// Finishes the writes that are queued, and closes. Last in a shutdown, after everything that uses it.
    pub async fn close(&self) {
        todo!("store helper")
    }
}
