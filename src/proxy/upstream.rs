//! Connections to origins: dialled by name, address checked, certificate verified, pooled.
//!
//! HTTP/1.1 connections rest in a stack per origin, newest on top; an HTTP/2 connection is shared by all. While
//! a request is held no connection is open for it.

use super::body::Outgoing;
use super::destination::{Guard, Refused};
use super::settings::Timeouts;
use crate::authority::{Authority, Scheme};
use crate::tls::{Alpn, Trust, plain_reason};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use moka::sync::Cache;
use rustls_pki_types::ServerName;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::TaskTracker;

/// All origins that were asked for lately.
#[derive(Debug)]
pub(super) struct Upstreams {
    shared: Arc<Shared>,
    origins: Cache<(Scheme, Authority), Arc<Origin>>,
}

#[derive(Debug)]
struct Shared {
    guard: Guard,
    trust: Option<Trust>,
    timeouts: Timeouts,
    tasks: TaskTracker,
}

/// One origin and its idle connections.
#[derive(Debug)]
pub(super) struct Origin {
    shared: Arc<Shared>,
    scheme: Scheme,
    authority: Authority,
    idle: Mutex<Resting>,
    http2: Mutex<Option<http2::SendRequest<Outgoing>>>,
}

/// Idle connections, oldest first.
#[derive(Debug, Default)]
struct Resting(VecDeque<Idle>);

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<Outgoing>,
    since: Instant,
}

/// A connection that is in use; given back when the response has ended well, closed otherwise.
#[derive(Debug)]
pub(super) struct Lease(Option<(Arc<Origin>, http1::SendRequest<Outgoing>)>);

/// Why an origin did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum UpstreamError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, String),
    #[error("no safe connection: {0}")]
    Handshake(String),
    #[error("it did not answer within {0:?}")]
    Silent(Duration),
    #[error("the connection broke: {}", reason(.0))]
    Broken(hyper::Error),
}

/// An open connection, of either version.
enum Connection {
    Http1(http1::SendRequest<Outgoing>),
    Http2(http2::SendRequest<Outgoing>),
}

impl Upstreams {
    pub(super) fn new(guard: Guard, trust: Option<Trust>, timeouts: Timeouts, tasks: TaskTracker) -> Self {
        let shared = Arc::new(Shared { guard, trust, timeouts, tasks });
        let origins = Cache::builder().max_capacity(ORIGINS_MAX).time_to_idle(ORIGIN_IDLE).build();
        Self { shared, origins }
    }

    pub(super) fn origin(&self, scheme: Scheme, authority: &Authority) -> Arc<Origin> {
        self.origins.get_with((scheme, authority.clone()), || {
            Arc::new(Origin {
                shared: Arc::clone(&self.shared),
                scheme,
                authority: authority.clone(),
                idle: Mutex::default(),
                http2: Mutex::default(),
            })
        })
    }

    /// A bare TCP connection, for what passes unread.
    ///
    /// # Errors
    /// As a request's.
    pub(super) async fn dial(&self, authority: &Authority) -> Result<TcpStream, UpstreamError> {
        self.shared.dial(authority).await
    }
}

impl Origin {
    /// Sends a request and waits for the head of the response. `offer` says what a new connection may speak.
    ///
    /// # Errors
    /// Nothing came back. A request that was never written to a connection is tried once more on a new one;
    /// otherwise nothing is ever sent twice.
    ///
    /// # Cancel safety
    /// Dropped, the request may have been sent or not; its connection is closed.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Outgoing>,
        offer: Alpn,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        for _ in 0..REUSES_MAX {
            let Some(connection) = self.reuse(offer).await else { break };
            match self.send_on(connection, request).await? {
                Ok(answered) => return Ok(answered),
                Err((unsent, _)) => request = unsent,
            }
        }
        let connection = Box::pin(self.connect(offer)).await?; // seldom, and large: off the usual path
        match self.send_on(connection, request).await? {
            Ok(answered) => Ok(answered),
            Err((_, why)) => {
                Err(UpstreamError::Handshake(format!("it closed the connection at once: {}", reason(&why))))
            }
        }
    }

    /// `Ok(Err(..))`: the connection was dead before a byte was written, and why.
    async fn send_on(
        self: &Arc<Self>,
        connection: Connection,
        mut request: Request<Outgoing>,
    ) -> Result<Result<(Response<Incoming>, Lease), (Request<Outgoing>, hyper::Error)>, UpstreamError> {
        let first_byte = self.shared.timeouts.first_byte;
        let silent = |_| UpstreamError::Silent(first_byte);
        let (sent, lease) = match connection {
            Connection::Http1(mut sender) => {
                let sent = timeout(first_byte, sender.try_send_request(request)).await.map_err(silent)?;
                (sent, Lease(Some((Arc::clone(self), sender))))
            }
            Connection::Http2(mut sender) => {
                absolute(&mut request, self.scheme, &self.authority)?;
                let sent = timeout(first_byte, sender.try_send_request(request)).await.map_err(silent)?;
                (sent, Lease(None))
            }
        };
        match sent {
            Ok(response) => Ok(Ok((response, lease))),
            Err(mut failed) => match failed.take_message() {
                Some(mut unsent) => {
                    relative(&mut unsent)?;
                    Ok(Err((unsent, failed.into_error())))
                }
                None => Err(UpstreamError::Broken(failed.into_error())),
            },
        }
    }

    async fn reuse(&self, offer: Alpn) -> Option<Connection> {
        if offer == Alpn::Both {
            let mut shared = self.http2.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(sender) = shared.as_ref() {
                if sender.is_closed() {
                    *shared = None;
                } else {
                    return Some(Connection::Http2(sender.clone()));
                }
            }
        }
        loop {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_ready()?;
            if idle.since.elapsed() > IDLE_MAX || idle.sender.is_closed() {
                continue;
            }
            // The last response has ended; the connection's own task may need a moment to see it.
            if idle.sender.is_ready() || matches!(timeout(READY_MAX, idle.sender.ready()).await, Ok(Ok(()))) {
                return Some(Connection::Http1(idle.sender));
            }
        }
    }

    async fn connect(&self, offer: Alpn) -> Result<Connection, UpstreamError> {
        let tcp = self.shared.dial(&self.authority).await?;
        if self.scheme == Scheme::Http {
            return self.http1(tcp).await;
        }
        let name = match self.authority.host.ip() {
            Some(ip) => ServerName::from(ip),
            None => ServerName::try_from(self.authority.host.as_str().to_owned())
                .map_err(|e| UpstreamError::Handshake(e.to_string()))?,
        };
        let Some(trust) = &self.shared.trust else {
            return Err(UpstreamError::Handshake(NO_ROOTS.to_owned()));
        };
        let limit = self.shared.timeouts.handshake;
        let tls = timeout(limit, TlsConnector::from(trust.config(offer)).connect(name, tcp))
            .await
            .map_err(|_| UpstreamError::Handshake(format!("no TLS handshake within {limit:?}")))?
            .map_err(|e| UpstreamError::Handshake(tls_reason(&e)))?;
        if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(tls).await
        } else {
            self.http1(tls).await
        }
    }

    async fn http1<T>(&self, io: T) -> Result<Connection, UpstreamError>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .handshake(TokioIo::new(io))
            .await
            .map_err(UpstreamError::Broken)?;
        self.shared.tasks.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Connection::Http1(sender))
    }

    async fn http2<T>(&self, io: T) -> Result<Connection, UpstreamError>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http2::Builder::new(super::Owned(self.shared.tasks.clone()))
            .initial_stream_window_size(super::STREAM_WINDOW)
            .initial_connection_window_size(super::CONNECTION_WINDOW)
            .timer(hyper_util::rt::TokioTimer::new())
            .keep_alive_interval(Some(PING_EVERY))
            .handshake(TokioIo::new(io))
            .await
            .map_err(UpstreamError::Broken)?;
        self.shared.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        *self.http2.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        Ok(Connection::Http2(sender))
    }
}

impl Resting {
    /// The newest that can send at once; else the newest, whose last response has only just ended.
    fn pop_ready(&mut self) -> Option<Idle> {
        let newest = self.0.len().checked_sub(1)?;
        let ready = self.0.iter().rposition(|idle| idle.sender.is_ready());
        self.0.remove(ready.unwrap_or(newest))
    }

    /// Takes one back, and lets go of those that have rested for too long.
    fn push(&mut self, sender: http1::SendRequest<Outgoing>) {
        let since = Instant::now();
        while self.0.front().is_some_and(|oldest| since.duration_since(oldest.since) > IDLE_MAX) {
            self.0.pop_front();
        }
        if self.0.len() < IDLE_PER_ORIGIN_MAX {
            self.0.push_back(Idle { sender, since });
        }
    }
}

impl Shared {
    async fn dial(&self, authority: &Authority) -> Result<TcpStream, UpstreamError> {
        let mut last = None;
        for address in self.guard.addresses(authority).await? {
            match timeout(self.timeouts.connect, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    super::tune(&tcp);
                    return Ok(tcp);
                }
                Ok(Err(error)) => last = Some(UpstreamError::Connect(address, error.to_string())),
                Err(_) => {
                    let reason = format!("no answer within {:?}", self.timeouts.connect);
                    last = Some(UpstreamError::Connect(address, reason));
                }
            }
        }
        Err(last.unwrap_or_else(|| Refused::Unresolved(authority.host.to_string()).into()))
    }
}

impl Lease {
    /// Puts the connection back on top of the stack.
    pub(super) fn give_back(mut self) {
        if let Some((origin, sender)) = self.0.take()
            && !sender.is_closed()
        {
            origin.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        }
    }
}

/// HTTP/2 wants scheme and authority in the target and no `Host`. A target that cannot be written so is an error,
/// never another target.
fn absolute(
    request: &mut Request<Outgoing>,
    scheme: Scheme,
    authority: &Authority,
) -> Result<(), UpstreamError> {
    let text = if authority.port == scheme.default_port() {
        authority.host.to_string()
    } else {
        authority.to_string()
    };
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(match scheme {
        Scheme::Http => http::uri::Scheme::HTTP,
        Scheme::Https => http::uri::Scheme::HTTPS,
    });
    parts.authority = Some(text.parse().map_err(untargeted)?);
    *request.uri_mut() = http::Uri::from_parts(parts).map_err(untargeted)?;
    *request.version_mut() = http::Version::HTTP_2;
    request.headers_mut().remove(http::header::HOST);
    Ok(())
}

/// Undoes [`absolute`] for a request that was not sent: the next connection may speak HTTP/1.1.
fn relative(request: &mut Request<Outgoing>) -> Result<(), UpstreamError> {
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = None;
    if let Some(authority) = parts.authority.take() {
        let host = http::HeaderValue::try_from(authority.as_str()).map_err(untargeted)?;
        request.headers_mut().insert(http::header::HOST, host);
        *request.uri_mut() = http::Uri::from_parts(parts).map_err(untargeted)?;
    }
    *request.version_mut() = http::Version::HTTP_11;
    Ok(())
}

fn untargeted(error: impl std::fmt::Display) -> UpstreamError {
    UpstreamError::Handshake(format!("the request's target cannot be written for it: {error}"))
}

/// Why a connection ended. TLS 1.3 has its client ask before it knows whether the server takes it, so the cause can be
/// the handshake's.
fn reason(error: &hyper::Error) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return plain_reason(tls);
        }
        said.push_str(&format!(": {error}"));
        cause = error.source();
    }
    said
}

fn tls_reason(error: &std::io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => plain_reason(tls),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it ended the connection in the middle of the TLS handshake".to_owned()
        }
        None => format!("it broke the connection in the middle of the TLS handshake: {error}"),
    }
}

const NO_ROOTS: &str = "there are no root certificates to verify it with: install the package ca-certificates, or name a PEM file in `upstream.extra-ca`";
const ORIGINS_MAX: u64 = 10_000;
const ORIGIN_IDLE: Duration = Duration::from_secs(600);
/// Origins close idle connections after 60 seconds or more, nearly all of them.
const IDLE_MAX: Duration = Duration::from_secs(45);
const IDLE_PER_ORIGIN_MAX: usize = 1_024;
const REUSES_MAX: usize = 3;
const READY_MAX: Duration = Duration::from_millis(20);
const PING_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_not_sent_is_as_it_was() {
        for (url, port, host) in [("/a%2Fb?c=%zz", 443, "api.test"), ("/", 8443, "api.test:8443")] {
            let authority = Authority { host: crate::authority::Host::parse("api.test").unwrap(), port };
            let mut request = Request::get(url).header("host", host).body(Outgoing::Empty).unwrap();
            absolute(&mut request, Scheme::Https, &authority).unwrap();
            assert_eq!(request.uri().to_string(), format!("https://{host}{url}"));
            assert!(!request.headers().contains_key("host"));
            relative(&mut request).unwrap();
            assert_eq!(
                (request.uri().to_string().as_str(), request.headers()["host"].to_str().unwrap()),
                (url, host)
            );
            assert_eq!(request.version(), http::Version::HTTP_11);
        }
    }
}
