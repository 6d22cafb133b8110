//! The database: holds, votes, agents, reviewers, sessions, and the audit rows that commit with them.
//!
//! SQLite in WAL mode with `synchronous=FULL`: what was committed survives a crash. One connection writes,
//! several read. Every write is one transaction that also appends its audit rows ([`crate::audit`]).

use std::path::PathBuf;

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
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("the database cannot be opened: `{path}`")]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
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
}
