//! The database: holds, votes, agents, reviewers, sessions, and the audit rows that commit with them.
//!
//! SQLite in WAL mode with `synchronous=FULL`: what was committed survives a crash. One connection writes,
//! several read. Every write is one transaction that also appends its audit rows ([`crate::audit`]), by the
//! database's clock. All SQL stands in this folder, one file for each noun.

mod accounts;
mod agents;
mod attempts;
mod audit;
mod cards;
mod conversations;
mod deliveries;
mod grants;
mod holds;
mod inspect;
mod key;
#[cfg(test)]
mod law;
mod park;
mod people;
mod release;
mod reviewers;
mod reviewing;
mod sessions;
mod tail;
#[cfg(test)]
mod tests;
mod vote;
mod writer;

pub use accounts::{LinkedAccount, LinkedBy, Ticketed};
pub use agents::Enrolled;
pub(crate) use agents::{Credential, Enrolling, Enrolment, check_name};
pub(crate) use attempts::{Attempted, Taken};
pub use audit::{Filter as LedgerFilter, Verified};
pub use cards::CardRow;
pub use conversations::ConversationRow;
pub(crate) use deliveries::Entry;
pub use deliveries::{DeliveryFilter, DeliveryRow, DeliveryState, Kind};
pub use grants::{Granted, Revoking, Standing};
pub use holds::{Filter, History, Past};
pub use inspect::{Inspection, inspect};
pub use park::Parking;
pub(crate) use park::{ParkResult, Terms};
pub use people::{KnownPerson, Profile};
pub(crate) use release::Finished;
pub use reviewers::Account;
pub use reviewing::{DayReviewed, PersonReviewing, QUICK, Reviewing, RuleReviewed};
pub(crate) use vote::{Ballot, VoteTerms};

use crate::audit::Row;
use crate::redact::Fingerprints;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use key::Keys;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder: `holdpoint.db` and `seal.key` (0600) live here.
    pub data: PathBuf,
}

/// The open database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    data: Arc<Path>,
    keys: Arc<Keys>,
    queue: writer::Queue,
    readers: SqlitePool,
    rows: broadcast::Sender<Arc<Row>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What went wrong, by whose fault.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("the database cannot be opened: `{path}`")]
    Open { path: PathBuf, source: Arc<sqlx::Error> },
    #[error("the database refused")]
    Database(#[source] Arc<sqlx::Error>),
    #[error("a file of the data folder cannot be used: `{path}`")]
    File { path: PathBuf, source: Arc<io::Error> },
    #[error("`{path}` is not the key that this database was sealed with; restore the one that was")]
    Key { path: PathBuf },
    /// What is stored is not what was written: somebody changed it, or the disk did.
    #[error("{0} was changed outside Holdpoint and cannot be trusted")]
    Damaged(String),
    #[error("a name is a letter or digit and then up to 62 of `a-z 0-9 . _ -`: `{0}`")]
    BadName(String),
    #[error("`{0}` exists already, or did once; names are not used again")]
    NameTaken(String),
    #[error("there is no reviewer `{0}`")]
    NoSuchReviewer(String),
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
    /// Starts two tasks, which end with [`Self::close`]: the writer, and the one that follows the ledger.
    ///
    /// # Errors
    /// The folder or file cannot be made or read, the key file is another's, or the schema is newer than
    /// this program.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        let data: Arc<Path> = settings.data.as_path().into();
        let file = data.join("holdpoint.db");
        // Held while schema and key are made: two commands may start at once.
        let (_opening, keys) = prepare(Arc::clone(&data)).await?;
        let options = options(&file);
        migrate(&options, &file, &keys).await?;

        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options.clone().pragma("query_only", "ON"))
            .await
            .map_err(|source| StoreError::Open { path: file.clone(), source: Arc::new(source) })?;
        let seq = audit::last_seq(&readers).await?;
        let committed = Arc::new(Notify::new());
        let (queue, writer) = writer::Writer::new(options, Arc::clone(&committed));
        let (rows, _) = broadcast::channel(ROWS_MAX);
        let tail = tail::Tail { readers: readers.clone(), committed, rows: rows.clone(), seq };
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        tasks.spawn(writer.serve(stop.clone()));
        tasks.spawn(tail.follow(stop.clone()));
        Ok(Self { data, keys: Arc::new(keys), queue, readers, rows, tasks, stop })
    }

    /// Fingerprints by a key of this installation.
    pub fn fingerprints(&self) -> Fingerprints {
        self.keys.fingerprints()
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Writes and reads once, for the readiness probe: fails while the disk is full, read-only or locked.
    ///
    /// # Errors
    /// What a write would meet.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.queue
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query("UPDATE meta SET value = ? WHERE name = 'probe'")
                        .bind(tx.now.to_string())
                        .execute(&mut tx.conn)
                        .await?;
                    Ok(())
                })
            })
            .await?;
        audit::last_seq(&self.readers).await?;
        Ok(())
    }

    /// Ledger rows as they commit, whichever process wrote them. A slow receiver is told how many it missed.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Row>> {
        self.rows.subscribe()
    }

    /// Tasks that live as long as the store, and the token that ends them.
    pub(crate) fn tasks(&self) -> (&TaskTracker, &CancellationToken) {
        (&self.tasks, &self.stop)
    }

    /// Locks the data folder for one server; the lock ends with the file.
    pub(crate) fn lock_for_serving(&self) -> Result<File, StoreError> {
        let path = self.data.join("serve.lock");
        let failed = |source| StoreError::File { path: path.clone(), source: Arc::new(source) };
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse(self.data.to_path_buf())),
            Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Finishes the writes that are queued, and closes. Last in a shutdown, after everything that uses it.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.readers.close().await;
    }
}

/// A stored time, in milliseconds.
fn time(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| StoreError::Damaged(format!("the time `{ms}`")))
}

/// SHA-256 of a token or other random secret, as stored.
pub(crate) fn secret_hash(secret: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// A prefix that says what it is, and 32 random bytes in base64url.
pub(crate) fn random_secret(prefix: &str) -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| StoreError::Closed)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // What is erased is overwritten.
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        .pragma("journal_size_limit", WAL_BYTES_MAX.to_string())
        .disable_statement_logging()
}

/// Makes folder, lock, key and database file, private to this user.
async fn prepare(data: Arc<Path>) -> Result<(File, Keys), StoreError> {
    let work = move || {
        let failed = |path: &Path, source: io::Error| StoreError::File {
            path: path.to_owned(),
            source: Arc::new(source),
        };
        make_folder(&data).map_err(|source| failed(&data, source))?;
        let path = data.join("open.lock");
        let lock = File::create(&path).map_err(|source| failed(&path, source))?;
        lock.lock().map_err(|source| failed(&path, source))?;
        let key = data.join("seal.key");
        let path = data.join("holdpoint.db");
        if path.exists() && !key.exists() {
            return Err(StoreError::Key { path: key });
        }
        let keys = Keys::open(&key)?;
        make_private(&path).map_err(|source| failed(&path, source))?;
        Ok((lock, keys))
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}

fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// SQLite gives its side files the mode of the database.
fn make_private(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file).map(drop)
}

async fn migrate(options: &SqliteConnectOptions, file: &Path, keys: &Keys) -> Result<(), StoreError> {
    let failed = |source: sqlx::Error| StoreError::Open { path: file.to_owned(), source: Arc::new(source) };
    let mut conn = options.connect().await.map_err(failed)?;
    MIGRATIONS.run(&mut conn).await.map_err(|error| failed(error.into()))?;
    sqlx::query("INSERT OR IGNORE INTO meta VALUES ('key', ?)").bind(keys.check()).execute(&mut conn).await?;
    let known: String =
        sqlx::query_scalar("SELECT value FROM meta WHERE name = 'key'").fetch_one(&mut conn).await?;
    conn.close().await?;
    if known != keys.check() {
        return Err(StoreError::Key { path: file.with_file_name("seal.key") });
    }
    Ok(())
}

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations");

/// How long a locked database is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
/// Rows that a slow subscriber may lag behind before it is told that it missed some.
const ROWS_MAX: usize = 4096;
/// The write-ahead log is cut back to this after a checkpoint.
const WAL_BYTES_MAX: u64 = 64 << 20;
