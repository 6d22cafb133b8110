//! A stream of HTTP/1.1 from an agent that the HTTP library reads only as far as it can be read in one way.
//!
//! A head that [`Framing`] refuses is replaced by a head that says so ([`refused_by`]): the library hands it to the
//! exchange in its turn, behind requests that came before it, and the agent gets its 400 and the record its line.
//! Nothing that comes after it is read.

use super::pulse::{Pulse, Upgrade};
use crate::framing::{Framing, Refused, Step};
use bytes::{Buf, BytesMut};
use http::Method;
use http::request::Parts;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads strictly, writes as ever.
#[derive(Debug)]
pub(super) struct Strict<S> {
    inner: S,
    framing: Framing,
    pulse: Arc<Pulse>,
    /// Bytes that are kept back: the beginning of a head, or what came behind a request to change protocols.
    kept: BytesMut,
    /// So many of them are sound and may go on.
    sound: usize,
    ended: Option<End>,
    head_bytes_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The head that says so stands in `kept`; what follows is thrown away.
    Replaced,
    /// Within a body: no answer can be put there.
    Broken(Refused),
}

impl<S> Strict<S> {
    pub(super) fn new(inner: S, pulse: Arc<Pulse>, head_bytes_max: usize) -> Self {
        Self {
            inner,
            framing: Framing::default(),
            pulse,
            kept: BytesMut::new(),
            sound: 0,
            ended: None,
            head_bytes_max,
        }
    }

    /// Looks at bytes that have come in. Returns how many from the front may go on.
    fn look(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.pulse.upgrade() == Upgrade::Asked && self.framing.expects_head() {
                break; // only the answer tells what this is
            }
            match self.framing.step(rest) {
                Step::Sound(count) => at += count,
                Step::Head { length, upgrade } => {
                    at += length;
                    if upgrade {
                        self.pulse.ask_upgrade();
                    }
                }
                Step::Partial => break,
                Step::Refused(refused) => {
                    let in_head = self.framing.expects_head();
                    self.ended = Some(if in_head { End::Replaced } else { End::Broken(refused) });
                    if in_head {
                        self.kept = replacement(refused.code());
                        self.sound = self.kept.len();
                    }
                    break;
                }
            }
        }
        at
    }
}

impl<S: AsyncRead + Unpin> Strict<S> {
    /// Reads once more behind what is kept back. False: the stream has ended.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut bytes = [0; MORE_BYTES];
        let mut buf = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
        self.kept.extend_from_slice(buf.filled());
        Poll::Ready(Ok(!buf.filled().is_empty()))
    }

    /// Reads on and throws away, so that the answer is not lost to a reset. Never ready but for the end.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut bytes = [0; MORE_BYTES];
            let mut buf = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.sound > 0 {
                let count = this.sound.min(buf.remaining());
                buf.put_slice(this.kept.get(..count).unwrap_or_default());
                this.kept.advance(count);
                this.sound -= count;
                return Poll::Ready(Ok(()));
            }
            match this.ended {
                Some(End::Replaced) => return this.poll_drain(cx),
                Some(End::Broken(refused)) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refused)));
                }
                None => {}
            }
            match this.pulse.upgrade() {
                Upgrade::Done if this.kept.is_empty() => return Pin::new(&mut this.inner).poll_read(cx, buf),
                Upgrade::Done => {
                    this.sound = this.kept.len();
                    continue;
                }
                Upgrade::Asked if this.framing.expects_head() => {
                    // Read on only to notice that the agent has gone.
                    this.pulse.wake_when_answered(cx);
                    if this.kept.len() >= MORE_BYTES {
                        return Poll::Pending;
                    }
                    if !ready!(this.poll_more(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                    continue;
                }
                Upgrade::Asked | Upgrade::No => {}
            }
            if this.kept.is_empty() {
                let before = buf.filled().len();
                ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
                let come = buf.filled().get(before..).unwrap_or_default();
                if come.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let sound = this.look(come);
                if this.ended.is_none() {
                    this.kept.extend_from_slice(come.get(sound..).unwrap_or_default());
                }
                buf.set_filled(before + sound);
                if sound > 0 {
                    return Poll::Ready(Ok(()));
                }
            } else {
                let kept = std::mem::take(&mut this.kept);
                let sound = this.look(&kept);
                if this.ended.is_none() {
                    (this.kept, this.sound) = (kept, sound);
                } else if sound > 0 {
                    // What was sound before the end goes on first.
                    let mut all = kept;
                    all.truncate(sound);
                    all.extend_from_slice(&this.kept);
                    (this.sound, this.kept) = (all.len(), all);
                }
                if this.sound > 0 || this.ended.is_some() {
                    continue;
                }
                if this.kept.len() > this.head_bytes_max {
                    this.ended = Some(End::Replaced);
                    this.kept = replacement(TOO_LONG);
                    this.sound = this.kept.len();
                } else if this.pulse.upgrade() != Upgrade::Asked && !ready!(this.poll_more(cx))? {
                    return Poll::Ready(Ok(())); // ended within a head
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// A head in the place of one that was refused. Whoever sends it themselves is refused as well.
fn replacement(code: u8) -> BytesMut {
    let head =
        format!("{REFUSED} /{} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n", char::from(code));
    BytesMut::from(head.as_bytes())
}

/// Why a head was refused, if this is one in the place of such a one: the status and the reason.
pub(super) fn refused_by(parts: &Parts) -> Option<(u16, String)> {
    // Standard methods are told apart without a look at their text.
    if matches!(parts.method, Method::GET | Method::POST) || parts.method.as_str() != REFUSED {
        return None;
    }
    match parts.uri.path().as_bytes() {
        [b'/', TOO_LONG] => Some((431, "the request head is too long".to_owned())),
        [b'/', code] => Refused::from_code(*code).map(|refused| (400, refused.to_string())),
        _ => None,
    }
    .or_else(|| Some((400, "the request is malformed".to_owned())))
}

const REFUSED: &str = "HOLDPOINT-REFUSED";
const TOO_LONG: u8 = b'L';
const MORE_BYTES: usize = 4096;
