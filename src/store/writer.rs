//! The one connection that writes.
//!
//! Jobs queue; a task takes all that wait, runs each in a savepoint of one transaction, and commits them
//! together: a thousand parks at once cost a few syncs of the disk, not a thousand. A job that fails is
//! undone alone; a transaction that fails is undone whole, and every job in it is told so. Nobody hears of
//! success before the commit.

use super::StoreError;
use crate::audit::{self, Event, EventKind};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// What a job sees: the connection within the transaction, its clock, and the end of the ledger.
#[derive(Debug)]
pub(crate) struct Tx {
    pub(crate) conn: SqliteConnection,
    /// The database's clock when the transaction began, in milliseconds.
    pub(crate) now: Timestamp,
    last: Link,
}

#[derive(Debug, Clone)]
struct Link {
    seq: i64,
    hash: String,
}

impl Tx {
    /// Appends a row to the ledger, within the transaction.
    pub(crate) async fn record(
        &mut self,
        event: EventKind,
        actor: String,
        subject: Option<&str>,
        detail: Value,
    ) -> Result<audit::Row, StoreError> {
        let event = Event { at: self.now, event, actor, subject: subject.map(str::to_owned), detail };
        let seq = self.last.seq + 1;
        let canonical = audit::canonical(seq, &event);
        let hash = audit::chain(&self.last.hash, &canonical);
        sqlx::query(
            "INSERT INTO audit (seq, at, event, actor, subject, canonical, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(seq)
        .bind(event.at.as_millisecond())
        .bind(event.event.name())
        .bind(&event.actor)
        .bind(&event.subject)
        .bind(canonical)
        .bind(&hash)
        .execute(&mut self.conn)
        .await?;
        self.last = Link { seq, hash: hash.clone() };
        Ok(audit::Row { seq, event, hash })
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), StoreError> {
        sqlx::query(statement).execute(&mut self.conn).await?;
        Ok(())
    }

    async fn begin(&mut self) -> Result<(), StoreError> {
        self.run("BEGIN IMMEDIATE").await?;
        let (now, seq, hash): (i64, Option<i64>, Option<String>) = sqlx::query_as(
            "SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER), seq, hash
             FROM (SELECT 1) LEFT JOIN (SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1)",
        )
        .fetch_one(&mut self.conn)
        .await?;
        self.now = super::time(now)?;
        self.last = Link { seq: seq.unwrap_or(0), hash: hash.unwrap_or_else(|| audit::GENESIS.to_owned()) };
        Ok(())
    }

    /// Runs one job in a savepoint. The outer error means that the transaction itself is gone.
    async fn attempt(&mut self, job: &mut dyn Job) -> Result<Result<(), StoreError>, StoreError> {
        let last = self.last.clone();
        self.run("SAVEPOINT job").await?;
        let result = job.run(self).await;
        if let Err(cause) = &result {
            self.last = last;
            // On some failures (a full disk) SQLite has rolled all back already: what counts is why.
            self.run("ROLLBACK TO job").await.map_err(|_| cause.clone())?;
        }
        self.run("RELEASE job").await?;
        Ok(result)
    }
}

/// The sending end.
#[derive(Debug, Clone)]
pub(crate) struct Queue(mpsc::Sender<Box<dyn Job>>);

impl Queue {
    /// Runs `work` in a transaction, and returns what it made once that is committed.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the work may or may not be done; if it is, it is done whole.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        let (reply, done) = oneshot::channel();
        let job = Box::new(Work { work: Some(work), made: None, reply });
        self.0.send(job).await.map_err(|_| StoreError::Closed)?;
        done.await.map_err(|_| StoreError::Closed)?
    }
}

/// The receiving end, with its connection.
#[derive(Debug)]
pub(crate) struct Writer {
    options: SqliteConnectOptions,
    /// `None` after a failure: opened anew for the next batch.
    tx: Option<Tx>,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    committed: Arc<Notify>,
}

impl Writer {
    pub(crate) fn new(options: SqliteConnectOptions, committed: Arc<Notify>) -> (Queue, Self) {
        let (sender, jobs) = mpsc::channel(QUEUE_MAX);
        (Queue(sender), Self { options, tx: None, jobs, committed })
    }

    /// Works until `stop`, then finishes what is queued.
    pub(crate) async fn serve(mut self, stop: CancellationToken) {
        let mut batch: Vec<Box<dyn Job>> = Vec::with_capacity(BATCH_MAX);
        loop {
            // Both branches are cancel-safe.
            tokio::select! {
                biased;
                () = stop.cancelled(), if !self.jobs.is_closed() => self.jobs.close(),
                taken = self.jobs.recv_many(&mut batch, BATCH_MAX) => {
                    if taken == 0 {
                        break;
                    }
                    self.batch(std::mem::take(&mut batch)).await;
                }
            }
        }
        if let Some(tx) = self.tx.take()
            && let Err(error) = tx.conn.close().await
        {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }

    async fn batch(&mut self, mut batch: Vec<Box<dyn Job>>) {
        let mut results = Vec::with_capacity(batch.len());
        match self.transact(&mut batch, &mut results).await {
            Ok(()) => {
                self.committed.notify_one();
                for (job, result) in batch.into_iter().zip(results) {
                    job.finish(result);
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    jobs = batch.len(),
                    "nothing was written"
                );
                // Who came in the meantime would wait for the same failure, one batch after the other.
                while let Ok(job) = self.jobs.try_recv() {
                    batch.push(job);
                }
                for job in batch {
                    job.finish(Err(error.clone()));
                }
            }
        }
    }

    async fn transact(
        &mut self,
        batch: &mut [Box<dyn Job>],
        results: &mut Vec<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        // Taken out, and put back only when all went well: a connection that failed is not used again.
        let mut tx = match self.tx.take() {
            Some(tx) => tx,
            None => self.connect().await?,
        };
        tx.begin().await?;
        for job in batch {
            results.push(tx.attempt(job.as_mut()).await?);
        }
        tx.run("COMMIT").await?;
        self.tx = Some(tx);
        Ok(())
    }

    async fn connect(&self) -> Result<Tx, StoreError> {
        let conn = self.options.connect().await?;
        Ok(Tx { conn, now: Timestamp::UNIX_EPOCH, last: Link { seq: 0, hash: String::new() } })
    }
}

trait Job: Send + std::fmt::Debug {
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>>;
    fn finish(self: Box<Self>, result: Result<(), StoreError>);
}

struct Work<T, F> {
    work: Option<F>,
    made: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> std::fmt::Debug for Work<T, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let work = self.work.take().ok_or(StoreError::Closed)?;
            self.made = Some(work(tx).await?);
            Ok(())
        })
    }

    fn finish(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { made, reply, .. } = *self;
        let result = result.and_then(|()| made.ok_or(StoreError::Closed));
        // When nobody waits any more, what was made is dropped, and its own drop does what is due.
        let _ = reply.send(result);
    }
}

/// Jobs that wait; beyond it writers wait for a place.
const QUEUE_MAX: usize = 4096;
/// Jobs that share a commit: bounds how long the first waits for the last.
const BATCH_MAX: usize = 256;
