//! The life of one request, top to bottom.
//!
//! No error path leads to forward: [`forward`] is called in two places, below the verdict `pass` and below a
//! durable release, and nowhere else.

use super::Gate;
use super::body::{Answer, Outgoing, Read, ReadError, Sent};
use super::destination::Destination;
use super::entered::Entered;
use super::fields;
use super::messages::{self, First, Watch};
use super::parked::{self, Form, Held};
use super::pulse::Pulse;
use super::reply::{Dialect, Reply};
use super::strict;
use super::upgrade::{self, Opening};
use super::upstream::UpstreamError;
use crate::agents::Known;
use crate::authority::{Authority, Scheme};
use crate::decode::{self, grpc, object_store};
use crate::hold::AgentWords;
use crate::metrics::{Metrics, Reason};
use crate::path;
use crate::request::{Caller, Head};
use crate::rules::{Basis, Message, Need};
use crate::ruling::Verdict;
use crate::tls::Alpn;
use crate::traffic::Record;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use jiff::Timestamp;
use std::borrow::Cow;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// One connection of an agent, as its requests see it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) gate: Arc<Gate>,
    pub(super) known: Known,
    pub(super) source: IpAddr,
    /// What a tunnel is for; without a tunnel each request names its own.
    pub(super) destination: Option<Destination>,
    /// The name in the ClientHello was another one than in `CONNECT`.
    pub(super) misdirected: Option<String>,
    pub(super) host: HostField,
    pub(super) http2: bool,
    pub(super) pulse: Arc<Pulse>,
}

/// What `Host` is to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostField {
    /// It names what everything else names.
    Agrees,
    /// It alone says where a redirected request goes; at this port.
    Names(u16),
    /// It names the listener, which stands for one origin: it is replaced.
    Ours,
}

/// A request on its way through the phases.
struct Exchange<'a> {
    link: &'a Arc<Link>,
    parts: Parts,
    destination: Destination,
    words: AgentWords,
    /// It asks to change to another protocol.
    opening: Option<Opening>,
    entered: &'a mut Option<Entered>,
    /// Where the request is judged message by message.
    watch: Option<Box<Watch>>,
}

/// A body so far: untouched, or as much of it as somebody needed.
pub(super) enum Taken {
    Stream(Incoming),
    Read(Read),
    /// Of a stream of messages, the first.
    Message(Box<First>),
}

/// The service of a connection.
///
/// # Cancel safety
/// Dropped at any point (the agent has gone), the exchange's record is written and nothing more is forwarded.
pub(super) async fn exchange(
    link: Arc<Link>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let beat = link.pulse.beat();
    let (parts, body) = request.into_parts();
    // HTTP/1 leaves the content of an answer to HEAD out by itself; in HTTP/2 it would be an error of the stream.
    let is_bare = link.http2 && parts.method == Method::HEAD;

    // A place in the record first: what cannot be recorded does not happen.
    let mut entered = match Entered::reserve(&link, &parts).await {
        Ok(entered) => Some(entered),
        Err(unwritable) => {
            let reply = Reply::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "audit_unavailable",
                "unrecorded",
                format!(
                    "Nothing was sent: {unwritable}. Tell the operator of Holdpoint; it recovers by itself."
                ),
            );
            let own = answer(&link, reply, &Dialect::Json, None);
            return Ok(own.map(|body| if is_bare { body.bare() } else { body }.with_beat(beat)));
        }
    };
    let response = match through(&link, parts, body, &mut entered).await {
        Ok(response) => response,
        Err((reply, dialect)) => answer(&link, reply, &dialect, entered.take()),
    };
    link.pulse.answered(response.status() == StatusCode::SWITCHING_PROTOCOLS);
    Ok(response.map(|body| if is_bare { body.bare() } else { body }.with_beat(beat)))
}

type Refusal = (Reply, Dialect);
async fn through(
    link: &Arc<Link>,
    mut parts: Parts,
    body: Incoming,
    entered: &mut Option<Entered>,
) -> Result<Response<Answer>, Refusal> {
    let plain = |reply| (reply, Dialect::Json);

    // A head that could be read in more than one way never gets here: this one stands in its place.
    if let Some((status, why)) = strict::refused_by(&parts) {
        return Err(plain(malformed(status, &why)));
    }

    // `CONNECT` opens a connection to us; within one it would open another, at the origin. Letter case is no matter.
    if is_connect(&parts) {
        return Err(plain(malformed(501, &"`CONNECT` comes first on a connection, or not at all")));
    }

    // Fields that end here, and those that no client means.
    let found = fields::look(&parts.headers);
    let taken = fields::take(&mut parts.headers, &found)
        .map_err(|e| plain(malformed(if e == fields::FieldError::Expectation { 417 } else { 400 }, &e)))?;

    // Everybody agrees where it goes: CONNECT, SNI, Host or :authority, and the target.
    let destination = agree(link, &parts).map_err(plain)?;
    if !found.names_host() || parts.headers.get(HOST) != Some(&destination.text) {
        parts.headers.insert(HOST, destination.text.clone()); // in the one spelling that was compared
    }

    // One canonical path: what rules match and what goes on the wire.
    let readings = canonical(&mut parts, destination.authority.host.as_str()).map_err(plain)?;
    if let Some(entered) = entered {
        entered.agreed(&parts, &destination);
    }
    if destination.is_own() {
        return Box::pin(super::own::answer(link, &parts, entered)).await.map_err(plain);
    }
    let mut exchange =
        Exchange { link, parts, destination, words: taken.words, opening: None, entered, watch: None };
    let rules = link.gate.services.rules.load_full();
    let caller = Caller { agent: &link.known.agent, source: link.source };

    // What may be said once the protocol has changed?
    if let Some(protocol) = taken.upgrade {
        let has_body = !http_body::Body::is_end_stream(&body);
        let opening = Opening::of(protocol, &exchange.head(&readings), &rules, &caller, &exchange.words);
        if has_body && opening.takes_no_body() {
            let reply = malformed(400, &"a handshake of a WebSocket has no body, and this one has");
            return Err(exchange.refuse(reply, None));
        }
        opening.write_to(&mut exchange.parts.headers);
        exchange.opening = Some(opening);
    }
    let unseen = exchange.opening.as_ref().and_then(Opening::unseen);

    // What must be known of the body? Usually nothing: it stays a stream.
    let need = rules.need(&exchange.head(&readings), &caller);
    let (taken, mut decoded) = match need {
        Need::None => (Taken::Stream(body), decode::Body::NotRead),
        Need::Body if grpc::is_stream(&exchange.head(&readings), rules.descriptors()) => {
            let first = messages::first(link, &exchange.parts.headers, body);
            Box::pin(first).await.map_err(|r| exchange.refuse(r, None))?
        }
        Need::Body => Box::pin(inspect(&exchange, body)).await.map_err(|r| exchange.refuse(r, None))?,
    };

    // The ruling.
    let (now, rates) = (Timestamp::now(), &link.gate.services.rates);
    if let Some(opening) = &mut exchange.opening {
        opening.judged(&rules, now);
    }
    let head = exchange.head(&readings);
    let mut ruling = rules.evaluate(&head, &caller, &decoded, now, rates);
    if let Some(unseen) = unseen {
        decoded = unseen;
        let message = Message { handshake: &head, caller: &caller, body: &decoded, harmless: false };
        ruling = ruling.or_stricter(rules.evaluate_message(&message, now, rates));
    }
    let rule = rule_name(&ruling.basis);
    let metrics = &link.gate.services.metrics;
    match ruling.verdict {
        Verdict::Pass => {
            metrics.passed.inc();
            let would_have = ruling.would_have.map(|(verdict, _)| verdict);
            exchange.note(|record| {
                (record.verdict, record.rule, record.would_have) =
                    (Some(Verdict::Pass), Some(rule), would_have);
            });
            let (outgoing, sent) = exchange.outgoing(taken, &readings);
            let dialect = match exchange.watch {
                Some(_) => exchange.dialect(None),
                None => Dialect::Json,
            };
            forward(&mut exchange, outgoing, sent).await.map_err(|reply| (reply, dialect))
        }
        Verdict::Deny => {
            metrics.denied.inc();
            exchange.note(|record| (record.verdict, record.rule) = (Some(Verdict::Deny), Some(rule)));
            let reply = denied(&ruling.basis);
            Err(exchange.refuse(reply, taken.read_bytes()))
        }
        Verdict::Hold => {
            metrics.held.inc();
            let grounds = rules.grounds(&ruling, &head, &caller, &decoded);
            let is_call = rules.speaks_rpc(&head, &caller, &decoded);
            let talks = grpc::is_talk(&head, rules.descriptors());
            drop((rules, decoded)); // a request may be held for hours
            let taken = match taken {
                // Who waits for an answer to its first message would never send the last.
                Taken::Stream(body) if talks => {
                    let first = messages::first(link, &exchange.parts.headers, body);
                    Box::pin(first).await.map_err(|r| exchange.refuse(r, None))?.0
                }
                taken => taken,
            };
            exchange.note(|record| (record.verdict, record.rule) = (Some(Verdict::Hold), Some(rule)));
            Box::pin(hold(exchange, grounds, is_call, taken, readings)).await
        }
    }
}

/// Parks the request; forwards it when, and only when, a release for it is durable.
async fn hold(
    mut exchange: Exchange<'_>,
    grounds: crate::ruling::Grounds,
    is_call: bool,
    taken: Taken,
    readings: path::Readings,
) -> Result<Response<Answer>, Refusal> {
    let link = exchange.link;
    let (whole, inlet) = match taken {
        Taken::Message(first) => (messages::held(link, first.message), Some(first.inlet)),
        taken => (parked::read_whole(&link.gate, taken).await, None),
    };
    let whole = whole.map_err(|r| exchange.refuse(r, None))?;
    let bytes = whole.bytes.clone();
    let form = Form::Request { version: exchange.parts.version, is_call };
    let (head, words) = (exchange.head(&[]), exchange.words.clone());
    let held = Held { link, head, form, grounds, words, spent: Duration::ZERO };
    let parked = parked::park(held, &bytes).await;
    let release = match parked {
        Ok(release) => release,
        Err((reply, id)) => {
            exchange.note(|record| record.hold = id);
            return Err(exchange.refuse(reply, Some(&bytes)));
        }
    };
    exchange.note(|record| record.hold = Some(release.id().clone()));
    let dialect = exchange.dialect(Some(&bytes));
    // The very bytes that were shown; of a stream they are not all.
    let (outgoing, sent) = match inlet {
        Some(inlet) => exchange.open(&readings, First { message: bytes, inlet }),
        None => exchange.framed(bytes),
    };
    let response = forward(&mut exchange, outgoing, sent).await.map_err(|mut reply| {
        reply.message.push_str(match reply.code {
            "upstream_failed" | "upstream_silent" => {
                " The request may or may not have been carried out; Holdpoint does not send it again. Check before you repeat it."
            }
            "unresolved_host" | "address_refused" | "upstream_unreachable" => {
                " Nothing was sent, and the approval is spent: ask again when the origin can be reached."
            }
            _ => "", // a later message ended the call
        });
        (reply, dialect)
    })?; // dropping `release` here records the outcome as ambiguous
    release.answered(response.status().as_u16());
    drop(whole);
    Ok(response)
}

/// Sends the request to its origin and the origin's answer back. The one way out.
async fn forward(exchange: &mut Exchange<'_>, body: Outgoing, sent: Sent) -> Result<Response<Answer>, Reply> {
    let link = exchange.link;
    let mut request = Request::new(body);
    *request.method_mut() = exchange.parts.method.clone();
    *request.uri_mut() = std::mem::take(&mut exchange.parts.uri);
    *request.headers_mut() = std::mem::take(&mut exchange.parts.headers);
    // The spelling of field names, as hyper keeps it beside the fields.
    *request.extensions_mut() = std::mem::take(&mut exchange.parts.extensions);
    if let Some(opening) = exchange.opening.take() {
        let Exchange { destination, entered, .. } = exchange;
        return Box::pin(upgrade::forward(link, destination, request, opening, entered)).await;
    }
    let offer = if link.http2 { Alpn::Both } else { Alpn::Http1 };
    let sending = exchange.destination.origin.send(request, offer);
    let answered = match &mut exchange.watch {
        None => sending.await,
        Some(watch) => Box::pin(watch.unless_ended(sending)).await?,
    };
    let (response, lease) =
        answered.map_err(|error| upstream_failed(link, &exchange.destination.authority, &error))?;
    let (mut head, incoming) = response.into_parts();
    fields::clean_response(&mut head.headers);
    head.version = if link.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
    exchange.note(|record| {
        record.status = Some(head.status.as_u16());
        record.end = "client-gone"; // unless the body comes to its end
    });
    let idle = link.gate.settings.timeouts.idle;
    let answer = Answer::relay(incoming, lease, sent, exchange.entered.take(), idle);
    Ok(Response::from_parts(head, answer.with_watch(exchange.watch.take())))
}

/// Reads what a rule needs of the body and decodes it. A body over the limit is not judged by its head.
async fn inspect(exchange: &Exchange<'_>, body: Incoming) -> Result<(Taken, decode::Body), Reply> {
    use http_body::Body as _;
    if body.is_end_stream() {
        return Ok((Taken::Stream(body), decode::Body::Empty));
    }
    let settings = &exchange.link.gate.settings;
    let limit = settings.limits.inspect_bytes;
    let mut read = Read::new(body);
    let announced = read.announced().is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX));
    // The commands of a push stand before its packfile, which nobody reads.
    let is_push = decode::git::repository(exchange.parts.uri.path()).is_some()
        && !exchange.parts.headers.contains_key(CONTENT_ENCODING);
    let too_long = if announced && !is_push {
        true
    } else {
        !read.up_to(limit, settings.timeouts.idle).await.map_err(|e| unread(&e))?
    };
    let decoded = match settings.limits.too_long() {
        decode::Body::Unreadable(why) if too_long && is_push => {
            decode::Body::Binary { bytes: read.bytes.to_vec(), why }
        }
        unreadable if too_long => unreadable,
        _ => decode::body(&exchange.parts.headers, &read.bytes, settings.limits.decoding()),
    };
    Ok((Taken::Read(read), decoded))
}

/// `CONNECT`, or what only it may have for a target: a host with no path.
fn is_connect(parts: &Parts) -> bool {
    parts.method == Method::CONNECT
        || parts.method.as_str().eq_ignore_ascii_case("connect")
        || (parts.uri.authority().is_some() && parts.uri.scheme().is_none())
}

/// The destination that everything in the request names.
fn agree(link: &Link, parts: &Parts) -> Result<Destination, Reply> {
    if let Some(name) = &link.misdirected {
        return Err(misdirected(&format!("the TLS handshake named `{name}`")));
    }
    let destination = match &link.destination {
        Some(destination) => destination.clone(),
        None => match link.host {
            HostField::Names(port) => named_by_host(link, &parts.headers, port)?,
            HostField::Agrees | HostField::Ours => asked_for(link, &parts.uri)?,
        },
    };
    if let Some(scheme) = parts.uri.scheme_str()
        && !scheme.eq_ignore_ascii_case(destination.scheme.as_str())
        && link.host != HostField::Ours
    {
        return Err(misdirected(&format!("the request target is an `{scheme}` URL")));
    }
    if let Some(authority) = parts.uri.authority()
        && !destination.is_named_by(authority.as_str().as_bytes())
    {
        return Err(misdirected(&format!("the request target names `{authority}`")));
    }
    match parts.headers.get(HOST) {
        _ if link.host == HostField::Ours => Ok(destination),
        Some(host) if !destination.is_named_by(host.as_bytes()) => Err(misdirected(&format!(
            "`Host` names `{}`",
            String::from_utf8_lossy(host.as_bytes()).escape_debug()
        ))),
        None if parts.version == Version::HTTP_11 => Err(malformed(400, &"a request needs a `Host` field")),
        _ => Ok(destination),
    }
}

/// The destination of a request in absolute-form (RFC 9112 §3.2.2).
fn asked_for(link: &Link, uri: &Uri) -> Result<Destination, Reply> {
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(malformed(
            400,
            &"this is a proxy: set HTTPS_PROXY to its address, or ask with an absolute URL; people look for the inbox at the control listener",
        ));
    };
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(malformed(400, &"`https` goes through CONNECT, not through an absolute URL"));
    }
    let authority =
        Authority::parse(authority.as_str(), Scheme::Http.default_port()).map_err(|e| malformed(400, &e))?;
    let origin = link.gate.upstreams.origin(Scheme::Http, &authority);
    Ok(Destination::new(Scheme::Http, authority, origin))
}

/// The destination of a plain request that was redirected here on its way to `port`.
fn named_by_host(link: &Link, headers: &http::HeaderMap, port: u16) -> Result<Destination, Reply> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.ok_or_else(|| malformed(400, &"a request needs a `Host` field"))?;
    let authority = Authority::parse(host, Scheme::Http.default_port()).map_err(|e| malformed(400, &e))?;
    if authority.port != port {
        return Err(misdirected(&format!("`Host` names port {}", authority.port)));
    }
    let origin = link.gate.upstreams.origin(Scheme::Http, &authority);
    Ok(Destination::new(Scheme::Http, authority, origin))
}

/// Makes the target canonical, in origin-form; for an object store it stays as it is. Returns its other readings.
fn canonical(parts: &mut Parts, host: &str) -> Result<path::Readings, Reply> {
    let raw = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if raw == "*" && parts.method == Method::OPTIONS {
        parts.uri = Uri::from_static("*");
        return Ok(path::Readings::new());
    }
    let target =
        path::canonical_unless(raw, || object_store::keeps_paths(host)).map_err(|e| malformed(400, &e))?;
    let mut readings = target.readings;
    path::add_named(&parts.headers, &mut readings).map_err(|e| malformed(400, &e))?;
    let rewritten = match (&target.path, target.query) {
        (Cow::Borrowed(_), _) => None,
        (Cow::Owned(path), None) => Some(path.clone()),
        (Cow::Owned(path), Some(query)) => Some(format!("{path}?{query}")),
    };
    if let Some(text) = rewritten {
        parts.uri = text.parse().map_err(|_| malformed(400, &"the target is no path"))?;
    } else if parts.uri.authority().is_some() {
        let mut uri = std::mem::take(&mut parts.uri).into_parts();
        (uri.scheme, uri.authority) = (None, None);
        parts.uri = Uri::from_parts(uri).map_err(|_| malformed(400, &"the target is no path"))?;
    }
    Ok(readings)
}

impl Exchange<'_> {
    fn head<'h>(&'h self, readings: &'h [Box<str>]) -> Head<'h> {
        Head {
            method: &self.parts.method,
            scheme: self.destination.scheme,
            authority: &self.destination.authority,
            path: self.parts.uri.path(),
            readings,
            query: self.parts.uri.query(),
            headers: &self.parts.headers,
        }
    }

    /// What goes on: the same bytes, or the stream that nobody touched.
    fn outgoing(&mut self, taken: Taken, readings: &[Box<str>]) -> (Outgoing, Sent) {
        match taken {
            Taken::Stream(body) => Outgoing::stream(body),
            Taken::Read(Read { bytes, rest: None }) => {
                let length = u64::try_from(bytes.len()).unwrap_or_default();
                (Outgoing::Whole(Some(bytes.freeze())), Sent::Known(length))
            }
            Taken::Read(Read { bytes, rest: Some(rest) }) => {
                // Too long to judge, and no rule that holds or denies minded: observed, or a read.
                let outgoing = Outgoing::Resumed(Some(bytes.freeze()), rest);
                let length = http_body::Body::size_hint(&outgoing).lower();
                (outgoing, Sent::Known(length))
            }
            Taken::Message(first) => self.open(readings, *first),
        }
    }

    /// A stream of messages, the first of which may leave.
    fn open(&mut self, readings: &[Box<str>], first: First) -> (Outgoing, Sent) {
        let Self { link, destination, parts, words, .. } = self;
        let (outgoing, sent, watch) =
            messages::open(link, destination, parts, readings, std::mem::take(words), first);
        self.watch = Some(watch);
        (outgoing, sent)
    }

    /// A body that was read whole: framed by its length, whatever framing it came in.
    fn framed(&mut self, bytes: Bytes) -> (Outgoing, Sent) {
        self.parts.headers.remove(CONTENT_LENGTH);
        if bytes.is_empty() {
            return (Outgoing::Empty, Sent::Known(0));
        }
        self.parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        let sent = Sent::Known(u64::try_from(bytes.len()).unwrap_or_default());
        (Outgoing::Whole(Some(bytes)), sent)
    }

    fn note(&mut self, write: impl FnOnce(&mut Record)) {
        if let Some(entered) = self.entered {
            write(entered.record());
        }
    }

    fn dialect(&self, body: Option<&[u8]>) -> Dialect {
        let host = self.destination.authority.host.as_str();
        Dialect::of(host, self.parts.uri.path(), &self.parts.headers, body)
    }

    fn refuse(&self, reply: Reply, body: Option<&[u8]>) -> Refusal {
        (reply, self.dialect(body))
    }
}

impl Taken {
    fn read_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Stream(_) | Self::Message(_) => None,
            // Where more is to come, only an error makes the client stop sending.
            Self::Read(read) => read.rest.is_none().then_some(&read.bytes),
        }
    }

    /// For the hold: what was read, and the rest.
    pub(super) fn into_read(self) -> Read {
        match self {
            Self::Stream(body) => Read::new(body),
            Self::Read(read) => read,
            Self::Message(first) => first.into_read(),
        }
    }
}

/// Finishes an answer of our own: its record says how the exchange ended.
fn answer(link: &Link, reply: Reply, dialect: &Dialect, mut entered: Option<Entered>) -> Response<Answer> {
    let end = reply.end;
    let response = reply.into_response(dialect, &link.gate.settings.control_url);
    if let Some(entered) = &mut entered {
        entered.answered(response.status().as_u16(), end);
    }
    response.map(|bytes| Answer::own(bytes, entered))
}

/// The name of what a ruling rests on, shared.
pub(super) fn rule_name(basis: &Basis<'_>) -> Arc<str> {
    static READ: LazyLock<Arc<str>> = LazyLock::new(|| "otherwise/read".into());
    static WRITE: LazyLock<Arc<str>> = LazyLock::new(|| "otherwise/write".into());
    static UNKNOWN: LazyLock<Arc<str>> = LazyLock::new(|| "otherwise/unknown-host".into());
    static BATCH: LazyLock<Arc<str>> = LazyLock::new(|| "otherwise/unreadable-batch".into());
    match basis {
        Basis::Rule(rule) | Basis::Unreadable(rule) => Arc::clone(&rule.id),
        Basis::OtherwiseRead => Arc::clone(&READ),
        Basis::OtherwiseWrite => Arc::clone(&WRITE),
        Basis::UnknownHost => Arc::clone(&UNKNOWN),
        Basis::UnreadableBatch => Arc::clone(&BATCH),
    }
}

/// Says which rule, not how to get round it.
pub(super) fn denied(basis: &Basis<'_>) -> Reply {
    let message = format!(
        "Denied by rule `{}`. Nothing was sent. Do not repeat the request and do not look for another way to do the same; tell the person you work for.",
        basis.name()
    );
    Reply::new(StatusCode::FORBIDDEN, "denied", "denied", message)
}

pub(super) fn malformed(status: u16, why: &dyn std::fmt::Display) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    Reply::new(status, "malformed_request", "malformed", format!("Nothing was sent: {why}."))
}

fn misdirected(what: &str) -> Reply {
    let message = format!("Nothing was sent: {what}, but the connection is for another host.");
    Reply::new(StatusCode::MISDIRECTED_REQUEST, "misdirected_request", "misdirected", message)
}

pub(super) fn unread(error: &ReadError) -> Reply {
    if matches!(error, ReadError::Malformed(_)) {
        return malformed(400, error);
    }
    Reply::new(
        StatusCode::REQUEST_TIMEOUT,
        "body_unread",
        "client-gone",
        format!("Nothing was sent: {error}."),
    )
}

pub(super) fn upstream_failed(link: &Link, authority: &Authority, error: &UpstreamError) -> Reply {
    upstream_failed_reply(&link.gate.services.metrics, authority, error)
}

pub(super) fn upstream_failed_reply(
    metrics: &Metrics,
    authority: &Authority,
    error: &UpstreamError,
) -> Reply {
    let (status, code, end) = match error {
        UpstreamError::Refused(super::destination::Refused::Unresolved(_)) => {
            (StatusCode::BAD_GATEWAY, "unresolved_host", "upstream-failed")
        }
        UpstreamError::Refused(_) => (StatusCode::FORBIDDEN, "address_refused", "address-refused"),
        UpstreamError::Silent(_) => (StatusCode::GATEWAY_TIMEOUT, "upstream_silent", "upstream-silent"),
        UpstreamError::Connect(..) | UpstreamError::Handshake(_) => {
            (StatusCode::BAD_GATEWAY, "upstream_unreachable", "upstream-failed")
        }
        UpstreamError::Broken(_) => (StatusCode::BAD_GATEWAY, "upstream_failed", "upstream-failed"),
    };
    metrics.failed.get_or_create(&Reason { reason: end }).inc();
    let mut message = format!("`{authority}` could not be reached: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    message.push('.');
    Reply::new(status, code, end, message)
}
