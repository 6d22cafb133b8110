//! A look at the database from outside, without opening it for service: nothing is made, migrated or written.

use super::{MIGRATIONS, Settings, StoreError};
use crate::audit;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// What is wrong with the file itself; `None`: SQLite finds it sound.
    pub damage: Option<String>,
    /// The schema that it has, and the one of this program.
    pub schema: i64,
    pub schema_known: i64,
    /// Rows at the ledger's end that were looked at.
    pub rows: usize,
    /// The first of them that does not follow on the one before.
    pub broken_row: Option<i64>,
}

/// Looks at the database and at the last `rows` rows of its ledger. `None`: there is no database yet.
///
/// # Errors
/// It cannot be opened or read.
pub async fn inspect(settings: &Settings, rows: u32) -> Result<Option<Inspection>, StoreError> {
    let file = settings.data.join("holdpoint.db");
    if !file.exists() {
        return Ok(None);
    }
    let mut conn = SqliteConnectOptions::new()
        .filename(&file)
        .read_only(true)
        .busy_timeout(super::BUSY_TIMEOUT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(|source| StoreError::Open { path: file, source: source.into() })?;
    let check: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut conn).await?;
    let schema: i64 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
            .fetch_one(&mut conn)
            .await?;
    let (rows, broken_row) = ledger(&mut conn, rows).await?;
    conn.close().await?;
    Ok(Some(Inspection {
        damage: (check != "ok").then_some(check),
        schema,
        schema_known: MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default(),
        rows,
        broken_row,
    }))
}

/// How many rows there are of the last `limit`, and the first that is broken.
async fn ledger(conn: &mut SqliteConnection, limit: u32) -> Result<(usize, Option<i64>), StoreError> {
    let mut rows: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT seq, canonical, hash FROM audit ORDER BY seq DESC LIMIT ?")
            .bind(limit.saturating_add(1)) // the first one is only followed on
            .fetch_all(conn)
            .await?;
    rows.reverse();
    let mut previous = (0, audit::GENESIS);
    let mut broken = None;
    for (at, (seq, canonical, hash)) in rows.iter().enumerate() {
        let first_of_more = at == 0 && *seq > 1;
        let follows = *seq == previous.0 + 1 && audit::chain(previous.1, canonical) == *hash;
        if !first_of_more && !follows {
            broken = broken.or(Some(*seq));
        }
        previous = (*seq, hash);
    }
    Ok((rows.len(), broken))
}
