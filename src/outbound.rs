//! Holdpoint's own calls to the outside: identity providers, chat services, webhooks. Never on behalf of an agent:
//! every address comes from the configuration, or from who the configuration names.
//!
//! One client on hyper and rustls, HTTP/1.1, no redirects, every call with an end in time and size. Plain `http://`
//! and `ws://` reach this machine only.

use crate::tls::{Alpn, Trust};
use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;

/// The client. Cheap to clone; connections are pooled.
#[derive(Debug, Clone)]
pub struct Outbound {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    tls: Option<Arc<ClientConfig>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why nothing came back. The text names the host, never a path or query: those may be secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    #[error("`{0}` is plain, which is for this machine only; use https")]
    Plain(String),
    #[error("the address has no host")]
    NoHost,
    #[error("no certificate authority is trusted: install ca-certificates")]
    NoRoots,
    #[error("`{host}` did not answer in {after:?}")]
    TimedOut { host: String, after: Duration },
    #[error("`{host}` cannot be reached: {reason}")]
    Unreachable { host: String, reason: String },
    #[error("`{host}` answered more than {most} bytes")]
    TooLong { host: String, most: usize },
    #[error("`{host}` did not answer JSON of the expected shape: {reason}")]
    NotAsExpected { host: String, reason: String },
}

impl Outbound {
    /// Without `trust` only this machine can be reached.
    pub fn new(trust: Option<&Trust>) -> Self {
        let tls = trust.map(|trust| {
            let mut config = ClientConfig::clone(&trust.config(Alpn::Http1));
            config.alpn_protocols.clear(); // the connector sets its own
            config
        });
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_MAX));
        http.set_keepalive(Some(KEEPALIVE));
        let config = tls.clone().unwrap_or_else(no_roots);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(POOL_IDLE).build(connector);
        Self { client, tls: tls.map(Arc::new) }
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// Nothing, or too much, came back in time. The request may have arrived.
    ///
    /// # Cancel safety
    /// Dropped, the request may or may not have arrived.
    pub async fn send(&self, mut request: Request<Bytes>) -> Result<Answer, OutboundError> {
        let host = self.admit(request.uri())?;
        request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static(OUR_NAME));
        let exchange = async {
            let answer = self.client.request(request.map(Full::new)).await;
            let answer = answer.map_err(|error| unreachable(&host, &error))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    OutboundError::TooLong { host: host.clone(), most: ANSWER_BYTES_MAX }
                } else {
                    unreachable(&host, error.as_ref())
                }
            })?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        match tokio::time::timeout(EXCHANGE_MAX, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(OutboundError::TimedOut { host, after: EXCHANGE_MAX }),
        }
    }

    /// Reads a JSON document: a GET that must answer 200.
    ///
    /// # Errors
    /// As [`Self::send`]; also another status, or another document.
    pub async fn get_json<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, OutboundError> {
        let request = Request::get(url).header(http::header::ACCEPT, "application/json").body(Bytes::new());
        let request = request.map_err(|_| OutboundError::NoHost)?;
        let host = request.uri().host().unwrap_or_default().to_owned();
        let answer = self.send(request).await?;
        let wrong = |reason: String| OutboundError::NotAsExpected { host, reason };
        if answer.status != StatusCode::OK {
            return Err(wrong(format!("status {}", answer.status.as_u16())));
        }
        serde_json::from_slice(&answer.body).map_err(|error| wrong(error.to_string()))
    }

    /// Opens a WebSocket (RFC 6455).
    ///
    /// # Errors
    /// The host cannot be reached, or does not switch protocols.
    pub async fn web_socket(&self, url: &str) -> Result<WebSocketStream<Box<dyn Wire>>, OutboundError> {
        let uri: Uri = url.parse().map_err(|_| OutboundError::NoHost)?;
        let host = self.admit(&uri)?;
        let secure = matches!(uri.scheme_str(), Some("wss" | "https"));
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let opening = async {
            let reached = TcpStream::connect((bare(&host), port)).await;
            let stream = reached.map_err(|error| unreachable(&host, &error))?;
            let stream: Box<dyn Wire> = if secure {
                let config = self.tls.clone().ok_or(OutboundError::NoRoots)?;
                let name = ServerName::try_from(bare(&host).to_owned()).map_err(|_| OutboundError::NoHost)?;
                let tls = TlsConnector::from(config).connect(name, stream).await;
                Box::new(tls.map_err(|error| unreachable(&host, &error))?)
            } else {
                Box::new(stream)
            };
            let (socket, _) = tokio_tungstenite::client_async(url, stream)
                .await
                .map_err(|error| unreachable(&host, &error))?;
            Ok(socket)
        };
        match tokio::time::timeout(CONNECT_MAX, opening).await {
            Ok(socket) => socket,
            Err(_) => Err(OutboundError::TimedOut { host: host.clone(), after: CONNECT_MAX }),
        }
    }

    /// The host of an address that may be reached at all.
    fn admit(&self, uri: &Uri) -> Result<String, OutboundError> {
        let host = uri.host().ok_or(OutboundError::NoHost)?.to_owned();
        match uri.scheme_str() {
            Some("https" | "wss") if self.tls.is_none() => Err(OutboundError::NoRoots),
            Some("https" | "wss") => Ok(host),
            _ if is_this_machine(&host) => Ok(host),
            _ => Err(OutboundError::Plain(host)),
        }
    }
}

/// What a WebSocket runs over.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl std::fmt::Debug for dyn Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

/// Whether an address may be called at all: https, or this machine. For the configuration to say so early.
pub fn is_safe(url: &url::Url) -> bool {
    match url.scheme() {
        "https" | "wss" => url.has_host(),
        "http" | "ws" => url.host_str().is_some_and(is_this_machine),
        _ => false,
    }
}

fn is_this_machine(host: &str) -> bool {
    bare(host).parse::<IpAddr>().map_or(host == "localhost", |ip| ip.is_loopback())
}

/// Without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The innermost reason: the outer ones say that a request failed.
fn unreachable(host: &str, error: &(dyn std::error::Error + 'static)) -> OutboundError {
    let innermost = std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error);
    OutboundError::Unreachable { host: host.to_owned(), reason: innermost.to_string() }
}

/// Trusts nobody: plain calls to this machine need a connector, too.
fn no_roots() -> ClientConfig {
    ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has the versions that rustls calls safe")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

const OUR_NAME: &str = concat!("Holdpoint/", env!("CARGO_PKG_VERSION"));
const CONNECT_MAX: Duration = Duration::from_secs(10);
const EXCHANGE_MAX: Duration = Duration::from_secs(20);
const KEEPALIVE: Duration = Duration::from_secs(30);
const POOL_IDLE: Duration = Duration::from_secs(50);
const ANSWER_BYTES_MAX: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_addresses_are_for_this_machine() {
        for (url, safe) in [
            ("https://idp.example/x", true),
            ("http://127.0.0.1:9/x", true),
            ("http://localhost:9", true),
            ("ws://[::1]:9/", true),
            ("http://idp.example", false),
            ("http://127.0.0.1.example", false),
            ("ws://10.0.0.1/", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(is_safe(&url::Url::parse(url).unwrap()), safe, "{url}");
        }
    }

    #[tokio::test]
    async fn nothing_plain_leaves_for_elsewhere() {
        let outbound = Outbound::new(None);
        let ask = |url: &str| outbound.send(Request::get(url).body(Bytes::new()).unwrap());
        assert!(matches!(ask("http://idp.example/").await, Err(OutboundError::Plain(_))));
        assert!(matches!(ask("https://idp.example/").await, Err(OutboundError::NoRoots)));
        assert!(matches!(outbound.web_socket("ws://idp.example/").await, Err(OutboundError::Plain(_))));
    }
}
