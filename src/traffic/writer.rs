//! The writer: takes finished records off the queue, on a thread of its own, and appends them to segments.
//!
//! It never drops what it has taken. While a write fails, it keeps its lines, takes no more, and the log
//! gives out no places; the queue bounds what can wait.

use super::segment::{self, Closed, Segment};
use super::{Finished, Line, OpenError, Settings, Shared};
use crate::metrics::Metrics;
use jiff::Timestamp;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until, timeout_at};

#[derive(Debug)]
pub(super) struct Writer {
    settings: Settings,
    queue: mpsc::Receiver<Finished>,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    closed: mpsc::Sender<Closed>,
    /// None only after one was full and while the next cannot be made.
    pub(super) segment: Option<Segment>,
    seq: u64,
    /// Whole lines that are not in the segment yet.
    lines: Vec<u8>,
    records: u64,
    /// When the segment must be synced; none: it is.
    sync_due: Option<Instant>,
    /// Full segments that are still to be compressed, oldest first.
    full: Vec<PathBuf>,
    /// Closing failed: not again before.
    close_after: Option<Instant>,
    _folder: File,
}

impl Writer {
    /// Takes the folder and opens a segment in it.
    pub(super) fn open(
        settings: Settings,
        queue: mpsc::Receiver<Finished>,
        shared: Arc<Shared>,
        metrics: Arc<Metrics>,
        closed: mpsc::Sender<Closed>,
    ) -> Result<Self, OpenError> {
        let folder = settings.folder.clone();
        let unusable = |source| OpenError::Folder { folder: folder.clone(), source };
        let lock = segment::take_folder(&folder).map_err(unusable)?;
        let lock = lock.ok_or_else(|| OpenError::Taken { folder: folder.clone() })?;
        let found = segment::list(&folder).map_err(unusable)?;
        let seq = found.last().map_or(0, |last| last.seq) + 1;
        let segment = Segment::create(&folder, seq, Timestamp::now()).map_err(unusable)?;
        Ok(Self {
            settings,
            queue,
            shared,
            metrics,
            closed,
            segment: Some(segment),
            seq,
            lines: Vec::new(),
            records: 0,
            sync_due: None,
            full: found.into_iter().filter(|f| !f.closed).map(|f| f.path).collect(),
            close_after: None,
            _folder: lock,
        })
    }

    /// The whole life of the writer's thread. Its runtime only waits: file calls block this thread.
    pub(super) fn work(self) {
        let _ended = self.shared.ended.clone().drop_guard();
        match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime.block_on(self.run()),
            Err(error) => tracing::error!(%error, "the traffic log's thread cannot wait"),
        }
    }

    async fn run(mut self) {
        self.close_full();
        while self.wait().await {
            while self.take() {
                self.write().await;
            }
            self.write().await;
            self.close_full();
            tokio::select! {
                () = sleep(WINDOW) => {}
                () = self.shared.closing.cancelled() => {}
            }
        }
        self.finish().await;
    }

    /// Until there is something to do. False: it is time to close. Cancel safe: `recv` is.
    async fn wait(&mut self) -> bool {
        let due = self.due();
        tokio::select! {
            finished = self.queue.recv() => finished.map(|finished| self.add(&finished)).is_some(),
            () = self.shared.closing.cancelled() => false,
            () = sleep_until(due.into()) => true,
        }
    }

    /// When something is to be done even if no record comes.
    fn due(&self) -> Instant {
        let aged =
            self.segment.as_ref().filter(|s| s.bytes > 0).map(|s| s.opened + self.settings.segment_age_max);
        let close = self.close_after.filter(|_| !self.full.is_empty());
        [aged, close, self.sync_due].into_iter().flatten().min().unwrap_or_else(|| Instant::now() + IDLE_MAX)
    }

    /// Formats what is in the queue, up to [`LINES_BYTES_MAX`]. True: there may be more.
    fn take(&mut self) -> bool {
        while self.lines.len() < LINES_BYTES_MAX {
            let Ok(finished) = self.queue.try_recv() else { return false };
            self.add(&finished);
        }
        true
    }

    fn add(&mut self, finished: &Finished) {
        Line::of(&finished.record, finished.duration).append_to(&mut self.lines);
        self.records += 1;
    }

    /// Brings the lines to the file, and tries until it succeeds or the log's closing is over.
    async fn write(&mut self) {
        let mut pause = RETRY_FIRST;
        while let Err(error) = self.try_write() {
            self.metrics.traffic_failures.inc();
            if self.shared.writable.swap(false, Ordering::Relaxed) {
                tracing::error!(%error, folder = %self.settings.folder.display(), "the traffic log cannot be written; nothing is forwarded");
            }
            if self.shared.deadline.get().is_some_and(|deadline| Instant::now() >= *deadline) {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
        if !self.shared.writable.swap(true, Ordering::Relaxed) {
            tracing::info!("the traffic log can be written again");
        }
    }

    /// What stands done stays done: called again after an error, it goes on where that happened.
    fn try_write(&mut self) -> io::Result<()> {
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => {
                let segment = Segment::create(&self.settings.folder, self.seq + 1, Timestamp::now())?;
                self.seq += 1;
                none.insert(segment)
            }
        };
        if !self.lines.is_empty() {
            segment.append(&self.lines)?;
            self.lines.clear();
            self.metrics.traffic_records.inc_by(std::mem::take(&mut self.records));
            self.sync_due.get_or_insert_with(|| Instant::now() + SYNC_INTERVAL);
        }
        if self.sync_due.is_some_and(|due| Instant::now() >= due) {
            segment.sync()?;
            self.sync_due = None;
        }
        let aged = segment.opened.elapsed() >= self.settings.segment_age_max;
        if segment.bytes >= self.settings.segment_bytes_max || (aged && segment.bytes > 0) {
            self.full.extend(self.segment.take().map(|segment| segment.path));
            self.sync_due = None; // closing syncs
            return self.try_write();
        }
        Ok(())
    }

    /// Compresses full segments and hands them on. One that fails stays, as it is, and is tried again later.
    fn close_full(&mut self) {
        if self.close_after.is_some_and(|after| Instant::now() < after) {
            return;
        }
        self.close_after = None;
        while let Some(path) = self.full.first() {
            match segment::close(path) {
                Ok(closed) => {
                    // Not taken (full, gone): the next start reports it again, for its plain file stays.
                    if let Some(closed) = closed {
                        let _ = self.closed.try_send(closed);
                    }
                    self.full.remove(0);
                }
                Err(error) => {
                    self.metrics.traffic_failures.inc();
                    tracing::error!(%error, segment = %path.display(), "a segment of the traffic log cannot be closed");
                    self.close_after = Some(Instant::now() + CLOSE_RETRY);
                    return;
                }
            }
        }
    }

    /// Waits for the places that are still out, writes everything, closes the segment.
    async fn finish(mut self) {
        let deadline = *self.shared.deadline.get_or_init(|| Instant::now() + FINISH_MAX);
        self.queue.close();
        while let Ok(Some(finished)) = timeout_at(deadline.into(), self.queue.recv()).await {
            self.add(&finished);
            if self.lines.len() >= LINES_BYTES_MAX {
                self.write().await;
            }
        }
        self.write().await;
        if self.lines.is_empty() {
            self.full.extend(self.segment.take().map(|segment| segment.path));
        } else {
            tracing::error!(records = self.records, "records of the traffic log are lost");
        }
        self.close_after = None;
        self.close_full();
    }
}

/// Records of this time are written together when there are many. A record that comes alone is written at once.
pub(super) const WINDOW: Duration = Duration::from_millis(20);
/// The file is synced this long after it was written to.
pub(super) const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Written at this size without waiting for more.
const LINES_BYTES_MAX: usize = 256 * 1024;
const IDLE_MAX: Duration = Duration::from_secs(3600);
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);
const CLOSE_RETRY: Duration = Duration::from_secs(30);
/// When every handle is dropped and nobody said how long closing may take.
const FINISH_MAX: Duration = Duration::from_secs(5);
