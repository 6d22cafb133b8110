//! What follows a handshake that was judged (RFC 9110 §7.8): a WebSocket whose messages are judged, or bytes.
//!
//! Messages are judged where a rule could match one ([`crate::rules::RuleSet::hears`]). A protocol that cannot be read
//! there counts as a body that cannot be read, and is held before it opens. Where no rule could match, bytes pass as they
//! come, until rules are loaded that could.

use super::body::{Answer, Outgoing, Sent};
use super::destination::Destination;
use super::entered::Entered;
use super::exchange::{Link, upstream_failed};
use super::fields;
use super::reply::Reply;
use super::websocket::{self, Judged, Session};
use crate::decode;
use crate::hold::AgentWords;
use crate::request::{Caller, Head};
use crate::rules::RuleSet;
use crate::tls::Alpn;
use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::sync::OwnedSemaphorePermit;

/// A request to change to another protocol.
#[derive(Debug)]
pub(super) struct Opening {
    protocol: HeaderValue,
    after: After,
    judged: Judged,
    /// Of the path of the request that asks.
    readings: Vec<Box<str>>,
    words: AgentWords,
}

/// What is done with what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// No rule could match it.
    Free,
    /// A WebSocket; a rule could match its messages.
    Judged,
    /// A rule could match what is said, and it cannot be read.
    Unseen,
}

impl Opening {
    pub(super) fn of(
        protocol: HeaderValue,
        head: &Head<'_>,
        rules: &RuleSet,
        caller: &Caller<'_>,
        words: &AgentWords,
    ) -> Self {
        let now = Timestamp::now();
        let after = match rules.hears(head, caller, now) {
            false => After::Free,
            true if is_websocket(&protocol, head) => After::Judged,
            true => After::Unseen,
        };
        Self {
            protocol,
            after,
            judged: Judged::by(rules, now),
            readings: head.readings.to_vec(),
            words: words.clone(),
        }
    }

    /// Makes the fields what will leave. Rules, reviewers and the digest see the protocol that is asked for. Where messages
    /// are judged, nothing may compress or reshape them (RFC 7692): no extension is asked for.
    pub(super) fn write_to(&self, headers: &mut HeaderMap) {
        headers.insert(UPGRADE, self.protocol.clone());
        if self.after == After::Judged {
            headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        }
    }

    /// Whether a body must not come with it: a handshake of a WebSocket has none, and to some servers one is the first
    /// frames.
    pub(super) fn takes_no_body(&self) -> bool {
        self.protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
    }

    /// When the request that asks for it is judged.
    pub(super) fn judged(&mut self, rules: &RuleSet, now: Timestamp) {
        self.judged = Judged::by(rules, now);
    }

    /// What it counts as, where a rule could match what follows and nobody can read it.
    pub(super) fn unseen(&self) -> Option<decode::Body> {
        let protocol = || String::from_utf8_lossy(self.protocol.as_bytes()).escape_debug().to_string();
        (self.after == After::Unseen).then(|| {
            decode::Body::Unreadable(format!(
                "it asks to change to `{}`, and nobody could read what is said then",
                protocol()
            ))
        })
    }
}

/// The handshake of RFC 6455 §4.1, version 13: another one, or a sloppy one, may be framed in another way.
fn is_websocket(protocol: &HeaderValue, head: &Head<'_>) -> bool {
    let once = |name: HeaderName| {
        let mut values = head.headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
        && *head.method == Method::GET
        && once(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
        && once(SEC_WEBSOCKET_KEY).is_some()
}

/// Forwards the handshake; if the origin agrees, connects both sides until one ends.
///
/// # Errors
/// The origin could not be reached, or answers what nobody asked for; or too many connections are open.
pub(super) async fn forward(
    link: &Arc<Link>,
    destination: &Destination,
    mut request: Request<Outgoing>,
    opening: Opening,
    entered: &mut Option<Entered>,
) -> Result<Response<Answer>, Reply> {
    let place = Arc::clone(&link.gate.upgrades).try_acquire_owned().map_err(|_| full())?;
    let downstream = request.extensions_mut().remove::<OnUpgrade>();
    let after = opening.after;
    let Opening { readings, judged, words, .. } = opening;
    let mut session = Session::of(link, destination, &request, readings, judged, words);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade")); // `Upgrade` stands there already
    *request.version_mut() = Version::HTTP_11;
    let sent = destination.origin.send(request, Alpn::Http1).await;
    let (mut response, lease) =
        sent.map_err(|error| upstream_failed(link, &destination.authority, &error))?;
    let idle = link.gate.settings.timeouts.idle;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (mut head, body) = response.into_parts();
        fields::clean_response(&mut head.headers);
        head.version = Version::HTTP_11;
        note(entered, head.status.as_u16(), "client-gone");
        return Ok(Response::from_parts(
            head,
            Answer::relay(body, lease, Sent::Known(0), entered.take(), idle),
        ));
    }
    drop(lease); // the connection is no longer HTTP
    if after == After::Judged {
        session.agreed(response.headers()).map_err(|why| unagreed(destination, why))?;
    }
    note(entered, 101, "upgraded");
    let upstream = hyper::upgrade::on(&mut response);
    if let Some(downstream) = downstream {
        let (entered, tasks) = (entered.take(), link.gate.tasks.clone());
        tasks.spawn(async move { connect(&session, after, downstream, upstream, entered, place).await });
    }
    let mut answer = Response::new(Answer::own(Bytes::new(), None));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = std::mem::take(response.headers_mut()); // `Connection: upgrade` is meant for the agent
    Ok(answer)
}

/// Connects both sides until one has ended, the agent is revoked, or shutdown; then the record is written.
async fn connect(
    session: &Session,
    after: After,
    downstream: OnUpgrade,
    upstream: OnUpgrade,
    mut entered: Option<Entered>,
    _place: OwnedSemaphorePermit,
) {
    let (Ok(downstream), Ok(upstream)) = (downstream.await, upstream.await) else { return };
    let (downstream, upstream) = (TokioIo::new(downstream), TokioIo::new(upstream));
    if after == After::Judged {
        let end = Box::pin(websocket::connect(session, downstream, upstream)).await;
        if let Some(entered) = &mut entered {
            let record = entered.record();
            (record.request_bytes, record.response_bytes, record.end) = (end.up, end.down, end.how);
        }
        return;
    }
    if let (Some(entered), Some((up, down))) =
        (&mut entered, relay(session, after, downstream, upstream).await)
    {
        let record = entered.record();
        (record.request_bytes, record.response_bytes, record.end) = (up, down, "complete");
    }
}

/// Copies bytes. How many, when both sides have ended.
async fn relay(
    session: &Session,
    after: After,
    mut downstream: TokioIo<Upgraded>,
    mut upstream: TokioIo<Upgraded>,
) -> Option<(u64, u64)> {
    let Link { gate, known, .. } = &*session.link;
    tokio::select! {
        copied = copy_bidirectional_with_sizes(&mut downstream, &mut upstream, COPY_BYTES, COPY_BYTES) => copied.ok(),
        () = known.ended() => None,
        () = gate.shutdown.cancelled() => None,
        () = minded(session), if after == After::Free => None,
    }
}

/// Returns when rules are in force that could match what is said on a connection that was opened free, or would hold or
/// deny its handshake. They may have changed since: a handshake can wait for hours.
async fn minded(session: &Session) {
    let rules = &session.link.gate.services.rules;
    let mut known = None;
    loop {
        let now = rules.load_full();
        if known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &now)) {
            if session.is_heard_by(&now) {
                let host = &session.destination.authority.host;
                tracing::info!(%host, "new rules could match what is said on an open connection: it ends");
                return;
            }
            known = Some(now);
        }
        tokio::time::sleep(RULES_LOOK_EVERY).await;
    }
}

fn note(entered: &mut Option<Entered>, status: u16, end: &'static str) {
    if let Some(entered) = entered {
        entered.answered(status, end);
    }
}

fn full() -> Reply {
    let mut reply = Reply::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_connections",
        "refused",
        "Nothing was sent: too many connections have changed to another protocol (`limits.connections`).",
    );
    reply.retry_after_seconds = Some(RETRY_AFTER_SECONDS);
    reply
}

fn unagreed(destination: &Destination, why: &str) -> Reply {
    let message =
        format!("`{}` answered the handshake with what nobody asked for: {why}.", destination.authority);
    Reply::new(StatusCode::BAD_GATEWAY, "upstream_failed", "upstream-failed", message)
}

const COPY_BYTES: usize = 16 << 10;
const RULES_LOOK_EVERY: Duration = Duration::from_secs(1);
const RETRY_AFTER_SECONDS: u64 = 15;
