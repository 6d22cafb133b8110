//! Streams of gRPC messages, where a rule asks what a message says: each is judged as it comes, since the client may
//! wait for an answer to it before it sends the next. What is held stops the messages behind it and nothing else.
//!
//! ```text
//! client ─▶ Inlet ─ one message ─▶ ruling ─┬─ pass ─▶ Messages (the body) ─▶ origin
//!                                          ├─ hold ─▶ desk ─ released ─▶    ┘
//!                                          └─ deny ─▶ the body breaks off; Watch ends the answer with the reason
//! ```
//!
//! The first message is judged together with the head, by the exchange; nothing leaves before.

use super::body::{Outgoing, Read, ReadError, SendError, Sent};
use super::destination::Destination;
use super::exchange::{Link, Taken, denied, malformed, unread};
use super::parked::{self, Form, Held, Whole};
use super::reply::Reply;
use crate::decode::{self, grpc};
use crate::desk::{Budget, Release};
use crate::hold::{AgentWords, HoldId};
use crate::request::{Caller, Head};
use crate::ruling::Verdict;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use jiff::Timestamp;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Where messages come in, one after the other.
#[derive(Debug)]
pub(super) struct Inlet {
    bytes: BytesMut,
    rest: Incoming,
    /// For a message that is longer than rules look at.
    budget: Option<Budget>,
}

/// The first message, and where the others come in.
#[derive(Debug)]
pub(super) struct First {
    pub(super) message: Bytes,
    pub(super) inlet: Inlet,
}

/// A call whose messages are judged: what its head says.
struct Call {
    link: Arc<Link>,
    destination: Destination,
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    readings: Vec<Box<str>>,
    words: AgentWords,
    opened: Instant,
}

/// The body of such a call, towards the origin. It ends well only when the client's did.
pub(super) struct Messages(Step);

enum Step {
    First(Option<Bytes>, Box<Pump>),
    Working(Pin<Box<dyn Future<Output = Judged> + Send + Sync>>),
    Ended,
}

/// What comes of one more message.
type Judged = (Box<Pump>, Result<Option<Bytes>, SendError>);

/// Takes messages in and judges them.
struct Pump {
    call: Call,
    inlet: Inlet,
    notes: Arc<Mutex<Notes>>,
    verdict: Option<oneshot::Sender<Reply>>,
    stop: CancellationToken,
    sent: Arc<AtomicU64>,
    /// The message under way, counted from one.
    nth: u64,
}

/// What became of messages behind the first one, for the record.
#[derive(Debug, Default)]
struct Notes {
    hold: Option<HoldId>,
    releases: Vec<Release>,
}

/// The same call, from where the answer goes. Dropped, no further message leaves.
#[derive(Debug)]
pub(super) struct Watch {
    verdict: Option<oneshot::Receiver<Reply>>,
    notes: Arc<Mutex<Notes>>,
    /// It ends as Connect does, and not with trailers.
    connect: bool,
    _stop: DropGuard,
}

/// Why there is no further message.
enum NoMessage {
    End,
    Broken(hyper::Error),
    Refused(Reply),
}

/// Reads the first message, or all there is where that is none.
///
/// # Errors
/// The client breaks off or stalls, or the message is longer than can be held.
pub(super) async fn first(
    link: &Link,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<(Taken, decode::Body), Reply> {
    let idle = link.gate.settings.timeouts.idle;
    let mut inlet = Inlet { bytes: BytesMut::new(), rest: body, budget: None };
    match timeout(idle, inlet.next(link)).await {
        Err(_) => Err(unread(&ReadError::Slow(idle))),
        Ok(Ok(message)) => {
            let decoded = decoded(link, headers, &message);
            Ok((Taken::Message(Box::new(First { message, inlet })), decoded))
        }
        Ok(Err(NoMessage::End)) => {
            let decoded = decoded(link, headers, &inlet.bytes);
            Ok((Taken::Read(Read { bytes: inlet.bytes, rest: None }), decoded))
        }
        Ok(Err(NoMessage::Broken(error))) => Err(unread(&ReadError::Client(error))),
        Ok(Err(NoMessage::Refused(reply))) => Err(reply),
    }
}

/// Lets the first message go, and judges those behind it. `parts` are those of the request as it is sent.
pub(super) fn open(
    link: &Arc<Link>,
    destination: &Destination,
    parts: &Parts,
    readings: &[Box<str>],
    words: AgentWords,
    first: First,
) -> (Outgoing, Sent, Box<Watch>) {
    let First { message, inlet } = first;
    let call = Call {
        link: Arc::clone(link),
        destination: destination.clone(),
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        version: parts.version,
        headers: parts.headers.clone(),
        readings: readings.to_vec(),
        words,
        opened: Instant::now(),
    };
    let (verdict, given) = oneshot::channel();
    let (stop, notes, sent) = (CancellationToken::new(), Arc::default(), Arc::default());
    let watch = Watch {
        verdict: Some(given),
        notes: Arc::clone(&notes),
        connect: is_connect(&parts.headers),
        _stop: stop.clone().drop_guard(),
    };
    let pump = Pump { call, inlet, notes, verdict: Some(verdict), stop, sent: Arc::clone(&sent), nth: 1 };
    let messages = Messages(Step::First(Some(message), Box::new(pump)));
    (Outgoing::Messages(messages), Sent::Counted(sent), Box::new(watch))
}

/// A first message that is to be held, with its share of the budget.
///
/// # Errors
/// There is no room for it.
pub(super) fn held(link: &Link, message: Bytes) -> Result<Whole, Reply> {
    let budget = link.gate.services.desk.budget(message.len()).ok_or_else(parked::full)?;
    Ok(Whole::new(message, budget))
}

impl First {
    /// As a body of which that much was read.
    pub(super) fn into_read(self) -> Read {
        let mut bytes = BytesMut::from(self.message);
        bytes.extend_from_slice(&self.inlet.bytes);
        Read { bytes, rest: Some(self.inlet.rest) }
    }
}

impl Inlet {
    /// The next message with what stands before it.
    ///
    /// # Cancel safety
    /// What was read stays.
    async fn next(&mut self, link: &Link) -> Result<Bytes, NoMessage> {
        let limits = &link.gate.settings.limits;
        self.budget = None;
        loop {
            let length = grpc::message_bytes(&self.bytes);
            if let Some(length) = length {
                if length > limits.held_body_bytes {
                    return Err(NoMessage::Refused(parked::too_long(limits.held_body_bytes)));
                }
                if length > limits.inspect_bytes && self.budget.is_none() {
                    let budget = link.gate.services.desk.budget(length);
                    self.budget = Some(budget.ok_or_else(|| NoMessage::Refused(parked::full()))?);
                }
                if self.bytes.len() >= length {
                    return Ok(self.bytes.split_to(length).freeze());
                }
            }
            match self.rest.frame().await {
                None => return Err(NoMessage::End),
                Some(Err(error)) => return Err(NoMessage::Broken(error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.bytes.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

impl Pump {
    async fn next(mut self: Box<Self>) -> Judged {
        let stop = self.stop.clone();
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => Err(SendError::Stopped),
            next = self.judged() => next,
        };
        (self, next)
    }

    /// The next message that may leave; `None`: the client has sent its last.
    async fn judged(&mut self) -> Result<Option<Bytes>, SendError> {
        self.nth += 1;
        match self.inlet.next(&self.call.link).await {
            Ok(message) => self.judge(message).await.map(Some),
            Err(NoMessage::End) if self.inlet.bytes.is_empty() => Ok(None),
            Err(NoMessage::End) => Err(self.refuse(malformed(400, &"the stream ends within a message"))),
            Err(NoMessage::Broken(error)) => Err(SendError::Client(error)),
            Err(NoMessage::Refused(reply)) => Err(self.refuse(reply)),
        }
    }

    async fn judge(&mut self, message: Bytes) -> Result<Bytes, SendError> {
        let link = Arc::clone(&self.call.link);
        let services = &link.gate.services;
        let grounds = {
            let decoded = decoded(&link, &self.call.headers, &message);
            let rules = services.rules.load();
            let head = self.call.head();
            let caller = Caller { agent: &link.known.agent, source: link.source };
            let ruling = rules.evaluate(&head, &caller, &decoded, Timestamp::now(), &services.rates);
            match ruling.verdict {
                Verdict::Pass => return Ok(message),
                Verdict::Deny => {
                    services.metrics.denied.inc();
                    let reply = denied(&ruling.basis);
                    return Err(self.refuse(reply));
                }
                Verdict::Hold => rules.grounds(&ruling, &head, &caller, &decoded),
            }
        };
        services.metrics.held.inc();
        let whole = held(&link, message).map_err(|reply| self.refuse(reply))?;
        let held = Held {
            link: &link,
            head: self.call.head(),
            form: Form::Request { version: self.call.version, is_call: false },
            grounds,
            words: self.call.words.clone(),
            spent: self.call.opened.elapsed(),
        };
        let parked = parked::park(held, &whole.bytes).await;
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        match parked {
            Ok(release) => {
                notes.hold = Some(release.id().clone());
                // What finds no room is recorded as ambiguous.
                if notes.releases.len() < RELEASES_MAX {
                    notes.releases.push(release);
                }
                Ok(whole.bytes.clone())
            }
            Err((reply, id)) => {
                notes.hold = id.or(notes.hold.take());
                drop(notes);
                Err(self.refuse(reply))
            }
        }
    }

    /// Tells the answer's side why the call ends.
    fn refuse(&mut self, mut reply: Reply) -> SendError {
        let this = format!("Message {} of this call was not sent; those before it were", self.nth);
        reply.message = reply.message.replacen("Nothing was sent", &this, 1);
        if let Some(verdict) = self.verdict.take() {
            let _ = verdict.send(reply); // nobody listens when the call has ended
        }
        SendError::Stopped
    }
}

impl Call {
    fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            scheme: self.destination.scheme,
            authority: &self.destination.authority,
            path: self.uri.path(),
            readings: &self.readings,
            query: self.uri.query(),
            headers: &self.headers,
        }
    }
}

impl Messages {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        loop {
            match std::mem::replace(&mut self.0, Step::Ended) {
                Step::First(Some(message), pump) => {
                    pump.sent.fetch_add(u64::try_from(message.len()).unwrap_or_default(), Relaxed);
                    self.0 = Step::First(None, pump);
                    return Poll::Ready(Some(Ok(Frame::data(message))));
                }
                Step::First(None, pump) => self.0 = Step::Working(Box::pin(pump.next())),
                Step::Working(mut work) => {
                    let Poll::Ready((pump, next)) = work.as_mut().poll(cx) else {
                        self.0 = Step::Working(work);
                        return Poll::Pending;
                    };
                    match next {
                        Ok(Some(message)) => self.0 = Step::First(Some(message), pump),
                        Ok(None) => return Poll::Ready(None),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                Step::Ended => return Poll::Ready(None),
            }
        }
    }

    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.0, Step::Ended)
    }
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Messages")
    }
}

impl Watch {
    /// What comes of `sending`, unless a message ends the call before.
    ///
    /// # Errors
    /// The answer to the call.
    pub(super) async fn unless_ended<T>(&mut self, sending: impl Future<Output = T>) -> Result<T, Reply> {
        tokio::select! {
            biased;
            reply = std::future::poll_fn(|cx| self.poll_end(cx)) => Err(reply),
            sent = sending => Ok(sent),
        }
    }

    /// The reason why a message ended the call; pending as long as none has.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Reply> {
        let Some(verdict) = &mut self.verdict else { return Poll::Pending };
        match Pin::new(verdict).poll(cx) {
            Poll::Ready(Ok(reply)) => {
                self.verdict = None;
                Poll::Ready(reply)
            }
            Poll::Ready(Err(_)) => {
                self.verdict = None;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// The end of an answer that has begun, with the reason.
    pub(super) fn end(&self, reply: &Reply) -> Frame<Bytes> {
        if self.connect { Frame::data(reply.connect_end()) } else { Frame::trailers(reply.grpc_trailers()) }
    }

    /// The last hold among the messages behind the first.
    pub(super) fn hold(&self) -> Option<HoldId> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).hold.clone()
    }

    /// The call came to its proper end: so did what was released within it.
    pub(super) fn answered(&self, status: StatusCode) {
        let releases =
            std::mem::take(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner).releases);
        releases.into_iter().for_each(|release| release.answered(status.as_u16()));
    }
}

fn is_connect(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/connect"))
}

fn decoded(link: &Link, headers: &HeaderMap, message: &[u8]) -> decode::Body {
    let limits = &link.gate.settings.limits;
    if message.len() > limits.inspect_bytes {
        limits.too_long()
    } else {
        decode::body(headers, message, limits.decoding())
    }
}

/// Releases of one call whose outcome is noted at its end.
const RELEASES_MAX: usize = 100;
