//! Log lines on their way to a file that may be full, closed or not read by anybody.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// A writer that never blocks and never fails. Each write is one line; when the file does not keep up, lines
/// are dropped, and their number is written as soon as it does. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Answered when all before it is written.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Starts a thread that writes to `file` until the last clone is dropped.
    pub(super) fn to(file: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = sync_channel(LINES_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(file, &lines, &counter))?;
        Ok(Self { queue, dropped })
    }

    /// Waits until what is queued now is written, but not longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let (written, wait) = sync_channel(1);
        if self.queue.try_send(Message::Flush(written)).is_ok() {
            let _ = wait.recv_timeout(patience);
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_owned())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line that cannot be written is lost: there is no better place to say so.
fn write(mut file: impl Write, lines: &Receiver<Message>, dropped: &AtomicU64) {
    for message in lines {
        match message {
            Message::Line(line) => {
                let _ = file.write_all(&line);
            }
            Message::Flush(written) => {
                let _ = file.flush();
                let _ = written.try_send(());
            }
        }
        let missing = dropped.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let _ = writeln!(file, "… {missing} log lines were dropped here");
        }
    }
}

/// Lines that wait, at most.
pub(super) const LINES_MAX: usize = 4096;
