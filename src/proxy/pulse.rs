//! A connection's stream: gives back bytes that were read too early, and notes when bytes move.
//!
//! The notes let one timer per connection tell a slow head from an idle connection from a busy one, so that
//! no timer is set for a request.

use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What moved on a connection since it began.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    bytes: AtomicU64,
    heads: AtomicU64,
    active: AtomicU32,
    upgrade: AtomicU8,
    /// Who waits to read on until the request to change protocols is answered.
    reader: AtomicWaker,
}

/// Whether a connection changes to another protocol (RFC 9110 §7.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrade {
    No,
    /// A request asked for it; what comes behind it is neither HTTP nor not, until it is answered.
    Asked,
    /// 101 was answered.
    Done,
}

/// An exchange under way; dropping it ends it.
#[derive(Debug)]
pub(super) struct Beat(Arc<Pulse>);

impl Pulse {
    pub(super) fn beat(self: &Arc<Self>) -> Beat {
        self.heads.fetch_add(1, Relaxed);
        self.active.fetch_add(1, Relaxed);
        Beat(Arc::clone(self))
    }

    pub(super) fn upgrade(&self) -> Upgrade {
        match self.upgrade.load(Relaxed) {
            0 => Upgrade::No,
            1 => Upgrade::Asked,
            _ => Upgrade::Done,
        }
    }

    pub(super) fn ask_upgrade(&self) {
        self.upgrade.store(1, Relaxed);
    }

    /// What the answer to a request says on it.
    pub(super) fn answered(&self, switching: bool) {
        if self.upgrade() == Upgrade::Asked {
            self.upgrade.store(if switching { 2 } else { 0 }, Relaxed);
            self.reader.wake(); // the library does not read again by itself what was said not to be there yet
        }
    }

    /// Wakes this task when [`Self::answered`] was called.
    pub(super) fn wake_when_answered(&self, cx: &Context<'_>) {
        self.reader.register(cx.waker());
    }

    /// Returns when nothing was under way for `idle`, or bytes came in for `header` without becoming a request.
    ///
    /// # Cancel safety
    /// Holds no state but its own.
    pub(super) async fn stopped(&self, header: Duration, idle: Duration) {
        let mut seen = (self.bytes.load(Relaxed), self.heads.load(Relaxed));
        let mut quiet_since = Instant::now();
        loop {
            tokio::time::sleep(header.min(idle)).await;
            let now = (self.bytes.load(Relaxed), self.heads.load(Relaxed));
            let busy = self.active.load(Relaxed) > 0;
            let slow_head = !busy && now.0 != seen.0 && now.1 == seen.1;
            if slow_head {
                return;
            }
            if busy || now != seen {
                quiet_since = Instant::now();
            } else if quiet_since.elapsed() >= idle {
                return;
            }
            seen = now;
        }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

/// A TCP stream with the bytes before it.
#[derive(Debug)]
pub(super) struct Stream {
    prefix: Bytes,
    tcp: TcpStream,
    pulse: Arc<Pulse>,
}

impl Stream {
    pub(super) const fn new(tcp: TcpStream, prefix: Bytes, pulse: Arc<Pulse>) -> Self {
        Self { prefix, tcp, pulse }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let count = self.prefix.len().min(buf.remaining());
            let early = self.prefix.split_to(count);
            buf.put_slice(early.chunk());
            if self.prefix.is_empty() {
                self.prefix = Bytes::new(); // an empty rest would keep the whole buffer alive
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buf);
        if polled.is_ready() {
            let read = u64::try_from(buf.filled().len().saturating_sub(before)).unwrap_or_default();
            // One task reads a connection, so a load and a store do; an addition would lock the bus.
            self.pulse.bytes.store(self.pulse.bytes.load(Relaxed).wrapping_add(read), Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Duration = Duration::from_secs(30);
    const IDLE: Duration = Duration::from_secs(600);

    async fn stops_within(pulse: &Arc<Pulse>, limit: Duration) -> bool {
        tokio::time::timeout(limit, pulse.stopped(HEADER, IDLE)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_ends_after_the_idle_time() {
        let pulse = Arc::new(Pulse::default());
        assert!(!stops_within(&pulse, IDLE - Duration::from_secs(1)).await);
        assert!(stops_within(&pulse, IDLE + HEADER).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_head_ends_after_the_header_time() {
        let pulse = Arc::new(Pulse::default());
        let dribble = Arc::clone(&pulse);
        let dribbling = async move {
            loop {
                dribble.bytes.fetch_add(1, Relaxed);
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        };
        tokio::select! {
            () = dribbling => {}
            stopped = stops_within(&pulse, 2 * HEADER + Duration::from_secs(1)) => assert!(stopped),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_exchange_is_left_alone() {
        let pulse = Arc::new(Pulse::default());
        let beat = pulse.beat();
        assert!(!stops_within(&pulse, 10 * IDLE).await);
        drop(beat);
        assert!(stops_within(&pulse, IDLE + 2 * HEADER).await);
    }
}
