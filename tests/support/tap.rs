//! A stream that writes down what is read from it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What came in on one connection, cut at [`KEPT_BYTES_MAX`]. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Taken(Arc<Mutex<Vec<u8>>>);

impl Taken {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no panic while locked").clone()
    }

    pub fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().expect("no panic while locked");
        let room = KEPT_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// Passes everything on and keeps a copy of what was read.
pub struct Tap<S> {
    pub inner: S,
    pub taken: Taken,
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.taken.add(&buf.filled()[before..]);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Enough for every head and small body; downloads of megabytes are counted, not kept.
const KEPT_BYTES_MAX: usize = 256 << 10;
