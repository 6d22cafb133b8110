//! A WebSocket whose messages are judged (RFC 6455).
//!
//! ```text
//! agent ──frames──▶ inbox ──message──▶ rules ─┬─ pass ─▶ one frame ──▶ origin
//!                     └─ ping, pong, close ───┼──────────────────────▶
//!                                             ├─ hold ─▶ desk ─ release ─▶ one frame ──▶ origin
//!                                             └─ deny, not approved ─▶ answer or close ─▶ agent
//! agent ◀──────────────── as it comes; answers of ours between two messages ──────────── origin
//! ```
//!
//! Messages leave in the order in which they came, each after its ruling. While one is held the next ones wait: a bounded
//! number of bytes is read ahead, so that control frames still pass; then nothing more is read. The other direction is
//! never stopped. The record of the handshake is the place under which messages pass; what is held, denied or only
//! observed has a record of its own, with a place that was reserved before.

mod answer;
mod inbox;
mod outbox;
mod session;

pub(super) use self::session::{Judged, Session};

use self::answer::Refused;
use self::inbox::{End, Inbox};
use self::outbox::{Outbox, Told};
use self::session::What;
use super::exchange::Link;
use super::parked::{self, Form, Held};
use super::reply::Reply;
use crate::decode::websocket::{self as frames, Message};
use crate::desk::Release;
use crate::ruling::Grounds;
use crate::traffic::{Place, Record};
use http::StatusCode;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How a connection has ended, for its record.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) how: &'static str,
    /// Bytes that the agent sent.
    pub(super) up: u64,
    /// Bytes that the origin sent.
    pub(super) down: u64,
}

/// What moved on a connection, and whether a message of it waits for a person.
#[derive(Debug, Default)]
struct Pulse {
    up: AtomicU64,
    down: AtomicU64,
    holding: AtomicBool,
}

/// Why we end a connection, and how each side is told.
#[derive(Debug)]
struct Close {
    how: &'static str,
    code: u16,
    reason: String,
}

/// Connects both sides until one has ended, a frame cannot be read, a message ends it, the agent is revoked, nothing has
/// moved for the idle time, or shutdown.
///
/// # Cancel safety
/// Dropped, both connections break off. A hold stays; a message that was being written is recorded as ambiguous.
pub(super) async fn connect<S>(session: &Session, downstream: S, upstream: S) -> Ended
where
    S: AsyncRead + AsyncWrite + Send,
{
    let (mut from_agent, to_agent) = tokio::io::split(downstream);
    let (from_origin, mut to_origin) = tokio::io::split(upstream);
    let (tell, told) = mpsc::channel(TOLD_MAX);
    let pulse = Pulse::default();
    let how = {
        let mut down = pin!(Outbox::new(from_origin, to_agent, told, &pulse.down).carry());
        let up = Up { session, tell: tell.clone(), pulse: &pulse };
        let Link { gate, known, .. } = &*session.link;
        // Whatever is dropped half done here ends with its connection.
        let over = tokio::select! {
            biased;
            () = gate.shutdown.cancelled() => Over::Close(Close::new("upgraded", frames::GOING_AWAY, SHUTDOWN)),
            () = known.ended() => Over::Close(Close::new("upgraded", frames::POLICY, REVOKED)),
            over = up.carry(&mut from_agent, &mut to_origin) => over,
            how = &mut down => Over::Ended(how),
            () = pulse.stopped(gate.settings.timeouts.idle) => Over::Close(Close::new("idle", frames::GOING_AWAY, IDLE)),
        };
        match over {
            Over::Ended(how) => how,
            // What the origin still says gets through, its own close frame above all.
            Over::Agent => timeout(CLOSE_WAIT, &mut down).await.unwrap_or("complete"),
            Over::Close(close) => {
                let last = Told::Last(frames::close_frame(close.code, &close.reason, None));
                let told = async {
                    let _ = tell.send(last).await;
                    down.await
                };
                let _ = timeout(CLOSE_WAIT, told).await;
                close.how
            }
        }
    };
    // Bytes that nobody reads would turn the end into a reset, and the agent would not see why.
    let mut unread = [0; DRAIN_BYTES];
    let drain = async { while matches!(from_agent.read(&mut unread).await, Ok(1..)) {} };
    let _ = timeout(DRAIN_WAIT, drain).await;
    pulse.ended(how)
}

/// What has ended a connection.
enum Over {
    /// The origin's direction.
    Ended(&'static str),
    /// The agent, as it may.
    Agent,
    /// We do.
    Close(Close),
}

/// The agent's direction.
struct Up<'a> {
    session: &'a Session,
    /// To the agent, between two messages of the origin.
    tell: mpsc::Sender<Told>,
    pulse: &'a Pulse,
}

/// What became of a message that had a ruling.
enum Passage {
    /// The next one.
    On,
    Over(Over),
}

impl Up<'_> {
    /// Carries messages until the agent has ended, or the connection must end.
    async fn carry<S>(&self, from: &mut ReadHalf<S>, to: &mut WriteHalf<S>) -> Over
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        let limit = self.session.link.gate.settings.limits.inspect_bytes;
        let mut inbox = Inbox::new(from, limit, &self.pulse.up);
        let over = self.judge_all(&mut inbox, to).await;
        if let Over::Close(close) = &over
            && let Some(mask) = mask()
        {
            // Between two frames: every return is.
            let frame = frames::close_frame(close.code, &close.reason, Some(mask));
            let _ = timeout(CLOSE_WAIT, write(to, &frame)).await;
        }
        over
    }

    async fn judge_all<S>(&self, inbox: &mut Inbox<'_, S>, to: &mut WriteHalf<S>) -> Over
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        loop {
            // The origin takes no more; its own direction says why.
            let Ok(message) = inbox.next_message(to).await else { return Over::Agent };
            if let Some(message) = message {
                match self.pass_hold_or_deny(&message, inbox, to).await {
                    Passage::On => continue,
                    Passage::Over(over) => return over,
                }
            }
            if let Some(end) = inbox.end.take() {
                return end.finish(to).await;
            }
            if inbox.read().await.is_err() {
                return End::Gone.finish(to).await;
            }
        }
    }

    /// The life of one message: the ruling, and what it leads to.
    async fn pass_hold_or_deny<S>(
        &self,
        message: &Message,
        inbox: &mut Inbox<'_, S>,
        to: &mut WriteHalf<S>,
    ) -> Passage
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        let metrics = &self.session.link.gate.services.metrics;
        let ruled = self.session.rule_on(message);
        // What passes is part of what the handshake's record stands for; all else has a place of its own first.
        let mut place = None;
        if ruled.is_recorded() {
            match self.session.reserve(message, &ruled).await {
                Ok(reserved) => place = Some(reserved),
                Err(reply) => return self.refuse(message, &reply).await,
            }
        }
        match ruled.what {
            What::Pass => {
                metrics.passed.inc();
                if write(to, &message.frame()).await.is_err() {
                    return Passage::Over(Over::Agent);
                }
                note(&mut place, |record| record.end = "complete");
                Passage::On
            }
            What::Deny(reply) => {
                metrics.denied.inc();
                note(&mut place, |record| {
                    (record.status, record.end) = (Some(reply.status.as_u16()), reply.end)
                });
                self.refuse(message, &reply).await
            }
            What::Hold(grounds) => {
                metrics.held.inc();
                self.pulse.holding.store(true, Relaxed);
                let held = self.hold(message, *grounds, inbox, to).await;
                self.pulse.holding.store(false, Relaxed);
                let release = match held {
                    Waited::Released(release) => release,
                    Waited::Refused(reply) => {
                        note(&mut place, |record| {
                            record.hold = reply.hold.as_ref().map(|hold| hold.id.clone());
                            (record.status, record.end) = (Some(reply.status.as_u16()), reply.end);
                        });
                        return self.refuse(message, &reply).await;
                    }
                    Waited::Ended(end) => return Passage::Over(end.finish(to).await),
                };
                note(&mut place, |record| record.hold = Some(release.id().clone()));
                // The one way out of a hold. Dropped before it has left, the release is recorded as ambiguous.
                if write(to, &message.frame()).await.is_err() {
                    return Passage::Over(Over::Agent);
                }
                release.answered(StatusCode::SWITCHING_PROTOCOLS.as_u16());
                note(&mut place, |record| record.end = "complete");
                Passage::On
            }
        }
    }

    /// Parks a message and waits; control frames go on meanwhile, and an agent that ends the connection is heard.
    async fn hold<S>(
        &self,
        message: &Message,
        grounds: Grounds,
        inbox: &mut Inbox<'_, S>,
        to: &mut WriteHalf<S>,
    ) -> Waited
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        let Session { link, words, .. } = self.session;
        let share = message.payload.len().saturating_add(inbox::AHEAD_BYTES_MAX);
        let Some(_budget) = link.gate.services.desk.budget(share) else {
            return Waited::Refused(parked::full());
        };
        let form = Form::Message(message.kind);
        let (head, words) = (self.session.head(), words.clone());
        let held = Held { link, head, form, grounds, words, spent: Duration::ZERO };
        let mut parked = pin!(parked::park(held, &message.payload));
        loop {
            if inbox.sort_ahead(to).await.is_err() {
                return Waited::Ended(End::Gone);
            }
            if let Some(end) = inbox.end.take() {
                return Waited::Ended(end);
            }
            // Both are cancel-safe; what is read stays in the inbox.
            let read = tokio::select! {
                biased;
                outcome = &mut parked => return match outcome {
                    Ok(release) => Waited::Released(release),
                    Err((reply, _)) => Waited::Refused(reply),
                },
                read = inbox.read(), if inbox.has_room() => read,
            };
            if read.is_err() {
                return Waited::Ended(End::Gone);
            }
        }
    }

    /// Tells the agent what became of a message that does not leave, in its own protocol; where that has no words for
    /// it, the connection ends.
    async fn refuse(&self, message: &Message, reply: &Reply) -> Passage {
        match Refused::of(message, &self.session.subprotocol, reply) {
            Refused::Silently => Passage::On,
            Refused::Answered(text) => {
                let told = Told::Message(frames::text_frame(&text));
                if self.tell.send(told).await.is_ok() { Passage::On } else { Passage::Over(Over::Agent) }
            }
            Refused::Closed { code } => {
                Passage::Over(Over::Close(Close::new(reply.end, code, &reply.message)))
            }
        }
    }
}

/// What waiting for a person led to.
enum Waited {
    Released(Release),
    Refused(Reply),
    /// The agent has ended the connection. The hold stays.
    Ended(End),
}

impl End {
    /// The agent has ended: passes that on, or says what was wrong.
    async fn finish<W: AsyncWrite + Unpin>(self, to: &mut W) -> Over {
        match self {
            Self::Gone => {
                let _ = timeout(CLOSE_WAIT, to.shutdown()).await;
                Over::Agent
            }
            // The origin answers it and ends; that we would send no more before it has could look like a broken line.
            Self::Closed(frame) => {
                let _ = timeout(CLOSE_WAIT, write(to, &frame)).await;
                Over::Agent
            }
            Self::Broken(violation) => {
                let reason = format!("Holdpoint was sent {violation}.");
                Over::Close(Close::new("malformed", violation.code, &reason))
            }
        }
    }
}

impl Close {
    fn new(how: &'static str, code: u16, reason: &str) -> Self {
        Self { how, code, reason: reason.to_owned() }
    }
}

impl Pulse {
    /// Returns when nothing has moved for `idle`. A message that waits for a person is something.
    async fn stopped(&self, idle: Duration) {
        let moved = || (self.up.load(Relaxed), self.down.load(Relaxed));
        let mut seen = moved();
        loop {
            tokio::time::sleep(idle).await;
            if seen == moved() && !self.holding.load(Relaxed) {
                return;
            }
            seen = moved();
        }
    }

    fn ended(&self, how: &'static str) -> Ended {
        Ended { how, up: self.up.load(Relaxed), down: self.down.load(Relaxed) }
    }
}

async fn write<W: AsyncWrite + Unpin>(to: &mut W, frame: &[u8]) -> std::io::Result<()> {
    to.write_all(frame).await?;
    to.flush().await
}

fn note(place: &mut Option<Place>, write: impl FnOnce(&mut Record)) {
    if let Some(place) = place {
        write(place.record());
    }
}

/// For frames of our own to an origin (RFC 6455 §5.3).
fn mask() -> Option<[u8; 4]> {
    let mut mask = [0; 4];
    aws_lc_rs::rand::fill(&mut mask).is_ok().then_some(mask)
}

const SHUTDOWN: &str = "Holdpoint is shutting down; what is held stays held.";
const REVOKED: &str = "The agent was revoked.";
const IDLE: &str = "Nothing was said for too long.";
/// Answers of ours that wait for the origin to come to the end of a message; then the agent's direction waits.
const TOLD_MAX: usize = 4;
/// For the other side to end after we have, or for it to take our last frame.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
const DRAIN_WAIT: Duration = Duration::from_secs(2);
const DRAIN_BYTES: usize = 4 << 10;
