//! How a connection begins: accepted, its head read, its agent known, its destination agreed.

use super::destination::Destination;
use super::exchange::{HostField, Link, exchange, upstream_failed_reply};
use super::pulse::{Pulse, Stream};
use super::reply::{Dialect, Reply};
use super::socks;
use super::strict::Strict;
use super::tunnel::{self, Failure};
use super::way::{Way, WayKind};
use super::{CONNECTION_WINDOW, Gate, Owned, STREAM_WINDOW};
use crate::agents::{Known, WorkloadError};
use crate::authority::{Authority, Host, Scheme};
use crate::framing::{Framing, Step};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::{Response, StatusCode};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// `CONNECT` was heard and accepted.
pub(super) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// An accepted `CONNECT` whose bytes are still untouched.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) gate: Arc<Gate>,
    pub(super) known: Known,
    pub(super) source: IpAddr,
    pub(super) authority: Authority,
    pub(super) tcp: TcpStream,
    pub(super) asked: Asked,
    /// What the agent sent before it was told to go on.
    pub(super) early: Bytes,
}

/// How a tunnel was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Connect,
    Socks,
    /// Not at all: the connection was redirected here.
    Silently,
}

impl Asked {
    /// The answer that the way is open.
    pub(super) const fn established(self) -> &'static [u8] {
        match self {
            Self::Connect => ESTABLISHED,
            Self::Socks => socks::ESTABLISHED,
            Self::Silently => b"",
        }
    }
}

/// Accepts until shutdown. At the limit of connections new ones wait in the backlog.
pub(super) async fn accept(gate: Arc<Gate>, listener: TcpListener) {
    accept_with(gate, listener, |gate, tcp, source| async move { connection(&gate, tcp, source).await })
        .await;
}

/// As [`accept`], for a listener without credentials.
pub(super) async fn accept_way(gate: Arc<Gate>, way: Arc<Way>, listener: TcpListener) {
    accept_with(gate, listener, move |gate, tcp, source| {
        let way = Arc::clone(&way);
        async move { redirected(&gate, &way, tcp, source).await }
    })
    .await;
}

async fn accept_with<F, C>(gate: Arc<Gate>, listener: TcpListener, connection: C)
where
    C: Fn(Arc<Gate>, TcpStream, IpAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(gate.settings.limits.connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = gate.shutdown.cancelled() => return,
        };
        match accepted {
            Ok((tcp, from)) => {
                let connected = connection(Arc::clone(&gate), tcp, from.ip().to_canonical());
                let metrics = Arc::clone(&gate.services.metrics);
                gate.tasks.spawn(async move {
                    metrics.connections.inc();
                    connected.await;
                    metrics.connections.dec();
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others must end before this can go on.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, from its first byte to its last.
async fn connection(gate: &Arc<Gate>, mut tcp: TcpStream, source: IpAddr) {
    super::tune(&tcp);
    let limit = gate.settings.timeouts.header;
    let mut buffer = BytesMut::with_capacity(HEAD_BYTES);
    let opening =
        match timeout(limit, read_opening(&mut tcp, &mut buffer, gate.settings.limits.header_bytes)).await {
            Ok(Ok(Some(opening))) => opening,
            Ok(Ok(None)) => return, // came and went
            Ok(Err(reply)) => return refuse(gate, tcp, reply).await,
            Err(_) => return,
        };
    if let Target::Socks = opening.target {
        return by_socks(gate, tcp, buffer, source).await;
    }
    let known = match identify(gate, opening.credentials.as_deref()).await {
        Ok(known) => known,
        Err(reply) => return refuse(gate, tcp, reply).await,
    };
    match opening.target {
        Target::Tunnel(authority) => {
            let early = buffer.split_off(opening.length).freeze();
            let asked = Asked::Connect;
            let tunnel = Tunnel { gate: Arc::clone(gate), known, source, authority, tcp, asked, early };
            if gate.settings.tunnel.iter().any(|pattern| pattern.matches(&tunnel.authority.host)) {
                pass_unread(tunnel).await;
            } else {
                intercept(tunnel).await;
            }
        }
        Target::Plain => {
            let pulse = Arc::new(Pulse::default());
            let stream = Stream::new(tcp, buffer.freeze(), Arc::clone(&pulse));
            let link = Link {
                gate: Arc::clone(gate),
                known,
                source,
                destination: None,
                misdirected: None,
                host: HostField::Agrees,
                http2: false,
                pulse,
            };
            serve_http1(link, stream).await;
        }
        Target::Socks => {}
    }
}

/// A connection that speaks SOCKS5.
async fn by_socks(gate: &Arc<Gate>, mut tcp: TcpStream, mut buffer: BytesMut, source: IpAddr) {
    let greeted = timeout(gate.settings.timeouts.header, socks::greet(gate, &mut tcp, &mut buffer)).await;
    let (known, authority) = match greeted {
        Ok(Ok(Some(asked))) => asked,
        Ok(Ok(None)) => {
            tracing::info!(%source, "a SOCKS connection was refused");
            return;
        }
        Ok(Err(_)) | Err(_) => return,
    };
    let early = buffer.freeze();
    let tunnel = Tunnel { gate: Arc::clone(gate), known, source, authority, tcp, asked: Asked::Socks, early };
    if gate.settings.tunnel.iter().any(|pattern| pattern.matches(&tunnel.authority.host)) {
        pass_unread(tunnel).await;
    } else {
        intercept(tunnel).await;
    }
}

/// A connection on a listener that knows its agent by where it comes from.
async fn redirected(gate: &Arc<Gate>, way: &Way, tcp: TcpStream, source: IpAddr) {
    super::tune(&tcp);
    let Some(known) = way.agent(gate, source) else {
        tracing::warn!(%source, listen = %way.listen, "no agent is bound to this address: name its network under `agents:` of the listener");
        return;
    };
    if let WayKind::Reverse { scheme, authority } = &way.kind {
        let pulse = Arc::new(Pulse::default());
        let stream = Stream::new(tcp, Bytes::new(), Arc::clone(&pulse));
        let origin = gate.upstreams.origin(*scheme, authority);
        let link = Link {
            gate: Arc::clone(gate),
            known,
            source,
            destination: Some(Destination::new(*scheme, authority.clone(), origin)),
            misdirected: None,
            host: HostField::Ours,
            http2: false,
            pulse,
        };
        return serve_http1(link, stream).await;
    }
    match way.original(&tcp) {
        Ok(authority) => {
            let (asked, early) = (Asked::Silently, Bytes::new());
            intercept(Tunnel { gate: Arc::clone(gate), known, source, authority, tcp, asked, early }).await;
        }
        Err(error) => {
            tracing::warn!(%error, listen = %way.listen, "a connection was not redirected here: where it was going is unknown")
        }
    }
}

/// What the first head on a connection asks for.
struct Opening {
    target: Target,
    /// `Proxy-Authorization`, as sent.
    credentials: Option<String>,
    /// Bytes of the head.
    length: usize,
}

enum Target {
    Tunnel(Authority),
    /// Anything but `CONNECT`: read again, request by request.
    Plain,
    /// No HTTP: SOCKS5.
    Socks,
}

/// Reads the first head. `None`: the connection ended before it.
async fn read_opening(
    tcp: &mut TcpStream,
    buffer: &mut BytesMut,
    limit: usize,
) -> Result<Option<Opening>, Reply> {
    loop {
        if tcp.read_buf(buffer).await.unwrap_or(0) == 0 {
            return Ok(None);
        }
        if buffer.first() == Some(&socks::VERSION) {
            return Ok(Some(Opening { target: Target::Socks, credentials: None, length: 0 }));
        }
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut head = httparse::Request::new(&mut fields);
        match head.parse(buffer) {
            Ok(httparse::Status::Complete(length)) => {
                // Other heads are looked at again, with what follows them.
                if head.method == Some("CONNECT")
                    && let Step::Refused(refused) = Framing::default().step(buffer)
                {
                    return Err(bad(StatusCode::BAD_REQUEST, &refused.to_string()));
                }
                return opening(&head, length).map(Some);
            }
            Ok(httparse::Status::Partial) if buffer.len() > limit => {
                return Err(bad(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request head is too long"));
            }
            Ok(httparse::Status::Partial) => {}
            Err(error) => {
                return Err(bad(StatusCode::BAD_REQUEST, &format!("this is no HTTP/1.1 request: {error}")));
            }
        }
    }
}

fn opening(head: &httparse::Request<'_, '_>, length: usize) -> Result<Opening, Reply> {
    let mut credentials = head.headers.iter().filter(|f| f.name.eq_ignore_ascii_case("proxy-authorization"));
    let first = credentials.next().map(|f| String::from_utf8_lossy(f.value).into_owned());
    if credentials.next().is_some() {
        return Err(bad(StatusCode::BAD_REQUEST, "there is more than one `Proxy-Authorization` field"));
    }
    if head.method != Some("CONNECT") {
        return Ok(Opening { target: Target::Plain, credentials: first, length });
    }
    let text = head.path.unwrap_or_default();
    let named = Authority::parse(text, 0).map_err(|e| bad(StatusCode::BAD_REQUEST, &e.to_string()))?;
    if named.port == 0 {
        return Err(bad(StatusCode::BAD_REQUEST, "CONNECT needs a port"));
    }
    // RFC 9110 §7.2: the field and the target of a CONNECT are one and the same.
    for host in head.headers.iter().filter(|f| f.name.eq_ignore_ascii_case("host")) {
        let same = std::str::from_utf8(host.value)
            .ok()
            .and_then(|host| Authority::parse(host, named.port).ok())
            .is_some_and(|host| host == named);
        if !same {
            return Err(bad(StatusCode::MISDIRECTED_REQUEST, "`CONNECT` and `Host` name different hosts"));
        }
    }
    Ok(Opening { target: Target::Tunnel(named), credentials: first, length })
}

/// The agent behind the credentials; without any, on a loopback-only listener, `local`.
async fn identify(gate: &Gate, credentials: Option<&str>) -> Result<Known, Reply> {
    let agents = &gate.services.agents;
    match credentials {
        None if gate.loopback => Ok(agents.local()),
        None => Err(unknown_agent("This proxy wants to know its agents")),
        Some(value) => {
            let basic = basic(value);
            if let Some(known) = basic.as_ref().and_then(|(name, token)| agents.authenticate(name, token)) {
                return Ok(known);
            }
            let shown = match &basic {
                Some((name, token)) => {
                    Some((Some(name.as_str()).filter(|name| !name.is_empty()), token.as_str()))
                }
                None => bearer(value).map(|token| (None, token)),
            };
            match shown {
                Some((name, token)) if token.contains('.') => of_workload(gate, name, token).await,
                _ => Err(unknown_agent("These proxy credentials are not known, or were revoked")),
            }
        }
    }
}

/// The agent of a workload, by a token that its platform gave it.
async fn of_workload(gate: &Gate, name: Option<&str>, token: &str) -> Result<Known, Reply> {
    let admitted = timeout(gate.settings.timeouts.handshake, gate.services.agents.admit(name, token)).await;
    match admitted {
        Ok(Ok(known)) => Ok(known),
        Ok(Err(WorkloadError::Issuer)) => {
            Err(unknown_agent("These proxy credentials are not known, or were revoked"))
        }
        Ok(Err(error)) if !error.is_outage() => {
            Err(unknown_agent(&format!("This token of a workload is not accepted: {error}")))
        }
        failed => {
            if let Ok(Err(error)) = failed {
                tracing::error!(error = &error as &dyn std::error::Error, "a workload cannot be identified");
            }
            let message = "Nothing was sent: the token of this workload cannot be checked at the moment.";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Err(Reply::new(status, "workload_unchecked", "unavailable", message.to_owned()))
        }
    }
}

/// RFC 7617.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, token) = decoded.split_once(':')?;
    Some((name.to_owned(), token.to_owned()))
}

/// RFC 6750 §2.1.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn pass_unread(tunnel: Tunnel) {
    let authority = tunnel.authority.clone();
    match tunnel::pass(tunnel).await {
        Ok(()) => {}
        Err((tunnel, Failure::Upstream(error))) => {
            let reply = upstream_failed_reply(&tunnel.gate.services.metrics, &authority, &error);
            refuse_tunnel(tunnel, reply).await;
        }
        Err((tunnel, Failure::Unrecorded)) => {
            let reply = bad(StatusCode::SERVICE_UNAVAILABLE, "the traffic log cannot be written");
            refuse_tunnel(tunnel, reply).await;
        }
    }
}

/// Refuses in the words of how it was asked.
async fn refuse_tunnel(mut tunnel: Tunnel, reply: Reply) {
    match tunnel.asked {
        Asked::Connect => refuse(&tunnel.gate, tunnel.tcp, reply).await,
        Asked::Socks => {
            let refused = socks::refuse::<()>(&mut tunnel.tcp, socks::UNREACHABLE);
            let _ = timeout(LINGER, refused).await; // the agent may be gone
        }
        Asked::Silently => {}
    }
}

/// Accepts the tunnel, and opens what comes through it.
async fn intercept(tunnel: Tunnel) {
    let Tunnel { gate, known, source, mut authority, mut tcp, asked, early } = tunnel;
    let mut first = BytesMut::from(&*early);
    let opened = async {
        tcp.write_all(asked.established()).await?;
        if first.is_empty() {
            first.reserve(FIRST_BYTES);
            tcp.read_buf(&mut first).await?;
        }
        io::Result::Ok(())
    };
    if !matches!(timeout(gate.settings.timeouts.handshake, opened).await, Ok(Ok(()))) {
        return;
    }
    let kind = first.first().copied();
    // Who was redirected, or resolved the name themselves, says in the handshake whom they want. That name is
    // judged, dialled and verified; the address that they had is not.
    let by_address = asked == Asked::Silently || asked == Asked::Socks && authority.host.ip().is_some();
    if by_address && kind == Some(TLS_HANDSHAKE) {
        match timeout(gate.settings.timeouts.handshake, named_in_hello(&mut tcp, &mut first)).await {
            Ok(Ok(Some(host))) => authority.host = host,
            Ok(Ok(None)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
        if asked == Asked::Silently
            && gate.settings.tunnel.iter().any(|pattern| pattern.matches(&authority.host))
        {
            let early = first.freeze();
            return pass_unread(Tunnel { gate, known, source, authority, tcp, asked, early }).await;
        }
    }
    let host = if by_address { HostField::Names(authority.port) } else { HostField::Agrees };
    let pulse = Arc::new(Pulse::default());
    let stream = Stream::new(tcp, first.freeze(), Arc::clone(&pulse));
    let link = |scheme, misdirected, http2| {
        let origin = gate.upstreams.origin(scheme, &authority);
        let destination = Destination::new(scheme, authority.clone(), origin);
        let destination = Some(destination).filter(|_| scheme == Scheme::Https || !by_address);
        Link {
            gate: Arc::clone(&gate),
            known: known.clone(),
            source,
            destination,
            misdirected,
            host: if scheme == Scheme::Http { host } else { HostField::Agrees },
            http2,
            pulse: Arc::clone(&pulse),
        }
    };
    match kind {
        Some(TLS_HANDSHAKE) => {
            let Some((tls, misdirected)) = handshake(&gate, &authority.host, stream).await else { return };
            if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                serve_http2(link(Scheme::Https, misdirected, true), tls).await;
            } else {
                serve_http1(link(Scheme::Https, misdirected, false), tls).await;
            }
        }
        Some(b'A'..=b'Z') => serve_http1(link(Scheme::Http, None, false), stream).await,
        _ => {
            tracing::info!(%authority, "bytes in a tunnel are neither TLS nor HTTP; name the host under `tunnel:` if it must pass unread")
        }
    }
}

/// The name in a ClientHello, which is read whole and stays in `first`.
async fn named_in_hello(tcp: &mut TcpStream, first: &mut BytesMut) -> io::Result<Option<Host>> {
    let mut acceptor = rustls::server::Acceptor::default();
    let mut seen = 0;
    loop {
        let mut come = first.get(seen..).unwrap_or_default();
        while !come.is_empty() {
            seen += acceptor.read_tls(&mut come)?;
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                // A name that is no host is dealt with in the handshake.
                return Ok(accepted.client_hello().server_name().and_then(|name| Host::parse(name).ok()));
            }
            Ok(None) if first.len() < HELLO_BYTES_MAX => {}
            Ok(None) | Err(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
        if tcp.read_buf(first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The TLS handshake with an agent, as the host that it asked for. A `ClientHello` that names another host than
/// `CONNECT` gets its handshake, so that the agent can be told: the name comes back.
async fn handshake(gate: &Gate, host: &Host, stream: Stream) -> Option<(TlsStream<Stream>, Option<String>)> {
    let accept = async {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let named = start.client_hello().server_name().map(str::to_owned);
        let (leaf_host, misdirected) = match named {
            None => (host.clone(), None),
            Some(name) => match Host::parse(&name) {
                Ok(named) if named == *host => (named, None),
                Ok(named) => (named, Some(name)),
                Err(_) => (host.clone(), Some(name)), // no name that we know is not the one that was agreed on
            },
        };
        let config = gate.services.leaves.config(&leaf_host).map_err(io::Error::other)?;
        let tls = start.into_stream(config).await?;
        io::Result::Ok((tls, misdirected))
    };
    match timeout(gate.settings.timeouts.handshake, accept).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(error)) => {
            let distrusts = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .is_some_and(|e| matches!(e, rustls::Error::AlertReceived(_)));
            if distrusts {
                tracing::info!(%host, %error, "an agent does not trust the CA; start it with `holdpoint run -- …`, or see `holdpoint env`");
            } else {
                tracing::debug!(%host, %error, "a handshake with an agent failed");
            }
            None
        }
        Err(_) => None,
    }
}

async fn serve_http1<S>(link: Link, io: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let link = Arc::new(link);
    let service_link = Arc::clone(&link);
    let io = Strict::new(io, Arc::clone(&link.pulse), link.gate.settings.limits.header_bytes);
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .preserve_header_case(true)
        .max_header_size(link.gate.settings.limits.header_bytes)
        .max_buf_size(link.gate.settings.limits.header_bytes.max(HTTP1_BUFFER_MIN))
        .serve_connection(
            TokioIo::new(io),
            service_fn(move |request| exchange(Arc::clone(&service_link), request)),
        )
        .with_upgrades();
    attend(&link, connection, |connection| connection.graceful_shutdown()).await;
}

async fn serve_http2<S>(link: Link, io: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let link = Arc::new(link);
    let service_link = Arc::clone(&link);
    let limit = u32::try_from(link.gate.settings.limits.header_bytes).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(Owned(link.gate.tasks.clone()))
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(limit)
        .serve_connection(
            TokioIo::new(io),
            service_fn(move |request| exchange(Arc::clone(&service_link), request)),
        );
    attend(&link, connection, |connection| connection.graceful_shutdown()).await;
}

/// Serves a connection until its agent ends it, or something stops it.
async fn attend<C>(link: &Link, connection: C, close: impl Fn(Pin<&mut C>))
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    // Polled only when it has something to say: a connection is woken twice for every request.
    let mut stop = FuturesUnordered::from_iter([stop(link, Closing::No)]);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection of an agent ended");
                }
                return;
            }
            Some(stopped) = stop.next() => match stopped {
                Stop::Gracefully => {
                    close(connection.as_mut());
                    stop.push(self::stop(link, Closing::Yes));
                }
                Stop::Now => return,
            },
        }
    }
}

/// Why a connection ends before its agent ends it.
enum Stop {
    /// Shutdown: what is under way may end.
    Gracefully,
    /// Revoked, its token at its end, idle for too long, or a head that does not come to its end.
    Now,
}

/// Whether a connection has been told to end after what is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    Yes,
}

async fn stop(link: &Link, closing: Closing) -> Stop {
    let timeouts = &link.gate.settings.timeouts;
    tokio::select! {
        () = link.gate.shutdown.cancelled(), if closing == Closing::No => Stop::Gracefully,
        () = link.known.ended() => Stop::Now,
        () = link.pulse.stopped(timeouts.header, timeouts.idle) => Stop::Now,
    }
}

/// Answers before any HTTP library is involved, and closes.
async fn refuse(gate: &Gate, mut tcp: TcpStream, reply: Reply) {
    tracing::info!(status = reply.status.as_u16(), reason = %reply.message, "a connection was refused");
    let unauthenticated = reply.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    let response = reply.into_response(&Dialect::Json, &gate.settings.control_url);
    let mut bytes = raw(&response, unauthenticated);
    let answer = async {
        tcp.write_all_buf(&mut bytes).await?;
        tcp.shutdown().await?;
        // Closing on unread bytes would reset the connection and lose the answer.
        let mut rest = [0; 1024];
        while tcp.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, answer).await; // the agent may be gone; there is nobody left to tell
}

fn raw(response: &Response<Bytes>, unauthenticated: bool) -> BytesMut {
    let status = response.status();
    let mut head =
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or("Refused"));
    for (name, value) in response.headers() {
        head.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
    }
    if unauthenticated {
        head.push_str("proxy-authenticate: Basic realm=\"holdpoint\"\r\n");
    }
    head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", response.body().len()));
    let mut bytes = BytesMut::from(head.as_bytes());
    bytes.extend_from_slice(response.body());
    bytes
}

fn bad(status: StatusCode, why: &str) -> Reply {
    Reply::new(status, "malformed_request", "malformed", format!("Nothing was sent: {why}."))
}

fn unknown_agent(what: &str) -> Reply {
    let message = format!(
        "{what}. Set HTTPS_PROXY=http://NAME:TOKEN@HOST:PORT as printed by `holdpoint agents add NAME --owner PERSON`."
    );
    Reply::new(StatusCode::PROXY_AUTHENTICATION_REQUIRED, "unknown_agent", "refused", message)
}

/// A first guess; most heads are shorter.
const HEAD_BYTES: usize = 512;
/// A ClientHello fits, unless it carries a post-quantum key.
const FIRST_BYTES: usize = 2048;
const FIELDS_MAX: usize = 100;
/// hyper reads with no less.
const HTTP1_BUFFER_MIN: usize = 8192;
/// RFC 8446 §5.1.
const TLS_HANDSHAKE: u8 = 22;
/// A ClientHello with everything in it is a few KiB.
const HELLO_BYTES_MAX: usize = 64 << 10;
const STREAMS_MAX: u32 = 256;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const LINGER: Duration = Duration::from_secs(2);
