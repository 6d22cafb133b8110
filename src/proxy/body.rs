//! Bodies on their way through: streamed and counted, or read whole because a rule asked for it.

use super::entered::Entered;
use super::messages::{Messages, Watch};
use super::pulse::Beat;
use super::upstream::Lease;
use crate::ruling::Verdict;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, timeout};

/// What is sent to an origin. Trailers of a request end here (RFC 9110 §6.5.1): some servers take them for fields of
/// the head, which no rule has seen there, and no client of today depends on them.
#[derive(Debug)]
pub(super) enum Outgoing {
    Empty,
    /// Read whole before: the very bytes that were judged.
    Whole(Option<Bytes>),
    /// Looked at in its beginning, which a rule could not judge but did not mind; then the rest.
    Resumed(Option<Bytes>, Incoming),
    /// Never touched; its length is known from its head.
    Stream(Incoming),
    /// Never touched; counted, since nothing says how long it is.
    Counted(Incoming, Arc<AtomicU64>),
    /// Judged message by message.
    Messages(Messages),
}

/// Why the body of a request broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the client broke off")]
    Client(#[from] hyper::Error),
    #[error("a message in it does not leave")]
    Stopped,
}

impl Outgoing {
    pub(super) fn stream(body: Incoming) -> (Self, Sent) {
        match body.size_hint().exact() {
            Some(0) => (Self::Empty, Sent::Known(0)),
            Some(length) => (Self::Stream(body), Sent::Known(length)),
            None => {
                let count = Arc::new(AtomicU64::new(0));
                (Self::Counted(body, Arc::clone(&count)), Sent::Counted(count))
            }
        }
    }
}

/// How many body bytes a request has: announced, or counted as they go.
#[derive(Debug)]
pub(super) enum Sent {
    Known(u64),
    Counted(Arc<AtomicU64>),
}

impl Sent {
    fn bytes(&self) -> u64 {
        match self {
            Self::Known(bytes) => *bytes,
            Self::Counted(count) => count.load(Relaxed),
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Resumed(read, rest) => match read.take() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => without_trailers(Pin::new(rest).poll_frame(cx)).map_err(SendError::from),
            },
            Self::Stream(body) => without_trailers(Pin::new(body).poll_frame(cx)).map_err(SendError::from),
            Self::Messages(messages) => messages.poll_frame(cx),
            Self::Counted(body, count) => {
                let polled = without_trailers(Pin::new(body).poll_frame(cx));
                if let Poll::Ready(Some(Ok(frame))) = &polled
                    && let Some(data) = frame.data_ref()
                {
                    count.fetch_add(u64::try_from(data.len()).unwrap_or_default(), Relaxed);
                }
                polled.map_err(SendError::from)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_none(),
            Self::Resumed(read, rest) => read.is_none() && rest.is_end_stream(),
            Self::Stream(body) | Self::Counted(body, _) => body.is_end_stream(),
            Self::Messages(messages) => messages.has_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Messages(_) => SizeHint::default(),
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| u64::try_from(b.len()).unwrap_or_default()))
            }
            Self::Resumed(read, rest) => {
                let read = read.as_ref().map_or(0, |b| u64::try_from(b.len()).unwrap_or_default());
                rest.size_hint()
                    .exact()
                    .map_or_else(SizeHint::default, |rest| SizeHint::with_exact(read + rest))
            }
            Self::Stream(body) | Self::Counted(body, _) => body.size_hint(),
        }
    }
}

/// Trailers are the last frame of a body.
fn without_trailers(
    polled: Poll<Option<Result<Frame<Bytes>, hyper::Error>>>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    match polled {
        Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(None),
        polled => polled,
    }
}

/// What an agent is answered with. It carries the exchange's place in the record: when the last byte has left,
/// or the agent has gone, dropping it writes the record.
#[derive(Debug)]
pub(super) struct Answer {
    source: Source,
    entered: Option<Entered>,
    sent: Sent,
    received: u64,
    /// The origin's body came to its proper end.
    complete: bool,
    /// Where the request is judged message by message.
    watch: Option<Box<Watch>>,
    _beat: Option<Beat>,
}

#[derive(Debug)]
enum Source {
    /// Ours.
    Own(Option<Bytes>),
    /// An origin's. The lease gives the connection back when the body has ended.
    Origin { body: Incoming, lease: Option<Lease>, stall: Stall },
}

/// A body that stands still: a timer that exists only while nothing comes.
#[derive(Debug)]
struct Stall {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why the body of an answer broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("the origin broke off")]
    Origin(#[from] hyper::Error),
    #[error("the origin sent nothing for {0:?}")]
    Stalled(Duration),
}

impl Answer {
    pub(super) const fn own(bytes: Bytes, entered: Option<Entered>) -> Self {
        Self {
            source: Source::Own(Some(bytes)),
            entered,
            sent: Sent::Known(0),
            received: 0,
            complete: false,
            watch: None,
            _beat: None,
        }
    }

    pub(super) const fn relay(
        body: Incoming,
        lease: Lease,
        sent: Sent,
        entered: Option<Entered>,
        idle: Duration,
    ) -> Self {
        let stall = Stall { limit: idle, timer: None };
        let source = Source::Origin { body, lease: Some(lease), stall };
        Self { source, entered, sent, received: 0, complete: false, watch: None, _beat: None }
    }

    /// Ends when a message of the request ends the call.
    pub(super) fn with_watch(mut self, watch: Option<Box<Watch>>) -> Self {
        self.watch = watch;
        self
    }

    /// Without the content that is ours: the answer to HEAD has none.
    pub(super) fn bare(mut self) -> Self {
        if let Source::Own(bytes) = &mut self.source {
            *bytes = None;
        }
        self
    }

    pub(super) fn with_beat(mut self, beat: Beat) -> Self {
        self._beat = Some(beat);
        self
    }

    fn end(&mut self, how: &'static str) {
        if let Some(entered) = &mut self.entered {
            entered.record().end = how;
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let this = &mut *self;
        if let Some(watch) = &mut this.watch
            && matches!(this.source, Source::Origin { .. })
            && let Poll::Ready(reply) = watch.poll_end(cx)
        {
            let last = watch.end(&reply);
            this.end(reply.end);
            this.source = Source::Own(None); // which closes the stream at the origin
            return Poll::Ready(Some(Ok(last)));
        }
        let polled = match &mut this.source {
            Source::Own(bytes) => {
                return Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b))));
            }
            Source::Origin { body, stall, .. } => {
                let polled = Pin::new(body).poll_frame(cx);
                if polled.is_pending() && stall.poll(cx).is_ready() {
                    let limit = stall.limit;
                    this.end("upstream-stalled");
                    return Poll::Ready(Some(Err(AnswerError::Stalled(limit))));
                }
                stall.moved(&polled);
                polled
            }
        };
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.received += u64::try_from(data.len()).unwrap_or_default();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.end("upstream-failed");
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                this.complete = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Source::Origin { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| u64::try_from(b.len()).unwrap_or_default()))
            }
            Source::Origin { body, .. } => body.size_hint(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Source::Origin { body, lease, .. } = &mut self.source {
            // A body of known length is not polled again after its last byte.
            self.complete |= body.is_end_stream();
            if self.complete {
                if let Some(lease) = lease.take() {
                    lease.give_back();
                }
                self.end("complete");
            }
        }
        if let Some(watch) = &self.watch {
            if self.complete {
                watch.answered(StatusCode::OK);
            }
            if let (Some(hold), Some(entered)) = (watch.hold(), &mut self.entered) {
                let record = entered.record();
                (record.verdict, record.hold) = (Some(Verdict::Hold), Some(hold));
            }
        }
        if let Some(entered) = &mut self.entered {
            let record = entered.record();
            record.request_bytes = record.request_bytes.max(self.sent.bytes());
            record.response_bytes = self.received;
        }
    }
}

impl Stall {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit))).as_mut().poll(cx)
    }

    fn moved<T>(&mut self, polled: &Poll<T>) {
        if polled.is_ready()
            && let Some(timer) = &mut self.timer
        {
            timer.as_mut().reset(tokio::time::Instant::now() + self.limit);
        }
    }
}

/// A body read to its end, or as far as a limit.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) bytes: BytesMut,
    /// What was not read because the limit was reached.
    pub(super) rest: Option<Incoming>,
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("the client broke off")]
    Client(#[source] hyper::Error),
    /// The chunks of an HTTP/1.1 body do not add up.
    #[error("the body is not framed as its head says")]
    Malformed(#[source] hyper::Error),
    #[error("the client sent nothing for {0:?}")]
    Slow(Duration),
}

impl ReadError {
    fn of(error: hyper::Error) -> Self {
        use std::io::ErrorKind::{InvalidData, InvalidInput};
        let decoding = std::error::Error::source(&error).and_then(|e| e.downcast_ref::<std::io::Error>());
        match decoding.map(std::io::Error::kind) {
            Some(InvalidData | InvalidInput) => Self::Malformed(error),
            _ => Self::Client(error),
        }
    }
}

impl Read {
    pub(super) fn new(body: Incoming) -> Self {
        Self { bytes: BytesMut::new(), rest: Some(body) }
    }

    /// Reads on, until the end or until there are more than `limit` bytes. True: the end was reached.
    ///
    /// # Errors
    /// The client broke off or stalled.
    ///
    /// # Cancel safety
    /// What was read stays in `bytes`.
    pub(super) async fn up_to(&mut self, limit: usize, idle: Duration) -> Result<bool, ReadError> {
        while let Some(body) = &mut self.rest {
            if self.bytes.len() > limit {
                return Ok(false);
            }
            match timeout(idle, body.frame()).await.map_err(|_| ReadError::Slow(idle))? {
                None => self.rest = None,
                Some(frame) => {
                    if let Ok(data) = frame.map_err(ReadError::of)?.into_data() {
                        self.bytes.extend_from_slice(&data);
                    }
                }
            }
        }
        Ok(self.bytes.len() <= limit)
    }

    /// The length that the head announces, if any.
    pub(super) fn announced(&self) -> Option<u64> {
        self.rest.as_ref().and_then(|body| body.size_hint().exact())
    }
}
