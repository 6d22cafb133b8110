//! The traffic log: one record for each exchange, in append-only segment files.
//!
//! A place is reserved before anything is forwarded; what happens to the exchange later, its record is
//! written exactly once, when the place is dropped. On the request's thread that costs a few atomic
//! operations; formatting, files and compression belong to the writer's own thread.
//!
//! What a crash can lose: when the process dies, the records of the last 20 ms and of exchanges still under
//! way; when the machine dies, also those of the last second. Holds and decisions are not here but in the
//! ledger, durable before anything moves.

mod line;
mod read;
mod segment;
mod writer;

pub use line::Line;
pub use read::{Filter, Lines, ReadError, read};
pub use segment::Closed;

use crate::agent::Agent;
use crate::authority::{Authority, Scheme};
use crate::hold::HoldId;
use crate::metrics::Metrics;
use crate::ruling::Verdict;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone)]
pub struct Settings {
    /// `<data>/traffic`.
    pub folder: PathBuf,
    /// A segment is closed at this size, before compression.
    pub segment_bytes_max: u64,
    /// … and at this age.
    pub segment_age_max: Duration,
    /// Exchanges under way and records that wait to be written, together, at most; beyond it exchanges wait
    /// a moment, then fail. Room is taken as it is needed, not at start.
    pub queue_max: usize,
}

impl Settings {
    /// The usual sizes: 32 MiB or an hour to a segment, 65,536 places.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder,
            segment_bytes_max: 32 * 1024 * 1024,
            segment_age_max: Duration::from_secs(3600),
            queue_max: 65_536,
        }
    }
}

/// The traffic log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Traffic {
    queue: mpsc::Sender<Finished>,
    shared: Arc<Shared>,
}

/// What the log and its writer both see.
#[derive(Debug)]
struct Shared {
    writable: AtomicBool,
    /// Cancelled when the log is to close.
    closing: CancellationToken,
    /// How long the writer may take for that.
    deadline: OnceLock<Instant>,
    /// Cancelled when the writer has ended.
    ended: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The record of an exchange: filled in as it goes, written when its [`Place`] is dropped.
///
/// Everything here is shared or inline, so that filling it allocates nothing.
#[derive(Debug)]
pub struct Record {
    pub agent: Arc<Agent>,
    pub source: Option<IpAddr>,
    pub scheme: Scheme,
    pub authority: Option<Arc<Authority>>,
    pub method: http::Method,
    /// Path and query as forwarded; the query is redacted when it is written.
    pub target: Option<http::uri::PathAndQuery>,
    pub verdict: Option<Verdict>,
    /// `pack/rule` or the otherwise branch.
    pub rule: Option<Arc<str>>,
    /// In observe mode: what it would have been.
    pub would_have: Option<Verdict>,
    pub hold: Option<HoldId>,
    /// Passed unread (`tunnel:` hosts).
    pub tunnel: bool,
    pub status: Option<u16>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// How it ended: one of a closed set of words (`complete`, `client-gone`, `upstream-failed`, …).
    pub end: &'static str,
    pub started: Instant,
    pub started_at: jiff::Timestamp,
}

/// A record on its way to the writer.
#[derive(Debug)]
struct Finished {
    record: Record,
    duration: Duration,
}

/// A reserved place in the log, with the record that will stand there. Dropping it writes the record:
/// it neither blocks nor fails, since its room in the queue was taken with the place.
#[derive(Debug)]
pub struct Place {
    kept: Option<(mpsc::OwnedPermit<Finished>, Record)>,
}

/// The record could not be promised; nothing may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the traffic log cannot be written")]
pub struct Unwritable;

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    #[error("the traffic folder cannot be written: `{folder}`")]
    Folder { folder: PathBuf, source: std::io::Error },
    #[error("another Holdpoint writes the traffic folder: `{folder}`")]
    Taken { folder: PathBuf },
    #[error("the traffic log's thread cannot be started")]
    Thread(#[source] std::io::Error),
}

impl Traffic {
    /// Opens the log and starts its writer. Segments that an earlier process left open are closed in the
    /// background. Every closed segment is handed to `closed`, to become an event of the ledger; see
    /// [`Closed::recorded`] for what is promised about it.
    ///
    /// # Errors
    /// The folder cannot be made or written, or belongs to another process.
    pub fn open(
        settings: Settings,
        metrics: Arc<Metrics>,
        closed: mpsc::Sender<Closed>,
    ) -> Result<Self, OpenError> {
        let (queue, finished) = mpsc::channel(settings.queue_max.max(1));
        let shared = Arc::new(Shared {
            writable: AtomicBool::new(true),
            closing: CancellationToken::new(),
            deadline: OnceLock::new(),
            ended: CancellationToken::new(),
            thread: Mutex::new(None),
        });
        let writer = writer::Writer::open(settings, finished, Arc::clone(&shared), metrics, closed)?;
        let thread = std::thread::Builder::new()
            .name("traffic".to_owned())
            .spawn(move || writer.work())
            .map_err(OpenError::Thread)?;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Self { queue, shared })
    }

    /// Reserves a place. At once when the writer keeps up; waits at most a second when it does not.
    ///
    /// # Errors
    /// The disk is full, the writer fails or the log is closed: the caller answers 503.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing is reserved and nothing written.
    pub async fn reserve(&self, record: Record) -> Result<Place, Unwritable> {
        if !self.is_writable() {
            return Err(Unwritable);
        }
        let permit = match self.queue.clone().try_reserve_owned() {
            Ok(permit) => permit,
            Err(TrySendError::Full(queue)) => {
                // Boxed: seldom, and it would make every exchange's future larger.
                let permit = Box::pin(tokio::time::timeout(RESERVE_WAIT_MAX, queue.reserve_owned())).await;
                permit.map_err(|_| Unwritable)?.map_err(|_| Unwritable)?
            }
            Err(TrySendError::Closed(_)) => return Err(Unwritable),
        };
        Ok(Place { kept: Some((permit, record)) })
    }

    /// Whether places can be had. False from a failed write until one succeeds again.
    pub fn is_writable(&self) -> bool {
        self.shared.writable.load(Ordering::Relaxed)
    }

    /// Refuses new places, waits for those that are out, writes everything and closes the segment; gives up
    /// after `patience`.
    ///
    /// # Errors
    /// Not everything could be written in time.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the writer goes on closing until `patience` is over.
    pub async fn close(&self, patience: Duration) -> Result<(), Unwritable> {
        let deadline = *self.shared.deadline.get_or_init(|| Instant::now() + patience);
        self.shared.closing.cancel();
        let ended = tokio::time::timeout_at(deadline.into(), self.shared.ended.cancelled()).await;
        if ended.is_ok() {
            let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            let _ = thread.map(JoinHandle::join);
        }
        if ended.is_ok() && self.is_writable() { Ok(()) } else { Err(Unwritable) }
    }
}

impl Place {
    pub fn record(&mut self) -> &mut Record {
        &mut self.kept.as_mut().expect("only drop takes it").1
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((permit, record)) = self.kept.take() {
            let duration = record.started.elapsed();
            permit.send(Finished { record, duration });
        }
    }
}

/// How long a full queue is waited for.
const RESERVE_WAIT_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
