//! A small HTTP client: one request, one connection. Plain to the control listener itself, TLS to whatever
//! stands before it.

use crate::tls::{Alpn, Trust, TrustError, provider};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use url::Url;

/// Where to send requests: `http://127.0.0.1:8081`, `https://holdpoint.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    tls: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ClientError {
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    #[error("the machine's trust store cannot be used")]
    Trust(#[from] TrustError),
    #[error("the connection broke")]
    Exchange(#[from] hyper::Error),
    #[error("no answer within {} s", WAIT_MAX.as_secs())]
    Late,
    #[error("the answer is too long or breaks off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A response that is still being read. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) response: Response<Incoming>,
    /// Owns the task that drives the connection.
    _connection: JoinSet<()>,
}

impl Endpoint {
    pub(super) fn plain(host: &str, port: u16) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Self { tls: false, host, port }
    }

    /// As a URL, without a slash at the end.
    pub(super) fn url(&self) -> String {
        format!("{}://{self}", if self.tls { "https" } else { "http" })
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn send(&self, request: Request<String>) -> Result<Response<Bytes>, ClientError> {
        let exchange = async {
            let Stream { response, _connection } = self.open(request).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(ClientError::Body)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(WAIT_MAX, exchange).await.unwrap_or(Err(ClientError::Late))
    }

    /// Sends a request and returns with the head of the answer.
    pub(super) async fn open(&self, request: Request<String>) -> Result<Stream, ClientError> {
        let socket =
            TcpStream::connect((self.host.as_str(), self.port)).await.map_err(ClientError::Connect)?;
        if !self.tls {
            return exchange(socket, request).await;
        }
        let name = ServerName::try_from(self.host.clone()).map_err(|error| {
            ClientError::Connect(std::io::Error::new(std::io::ErrorKind::InvalidInput, error))
        })?;
        let connector = TlsConnector::from(Trust::new(&[], &provider())?.config(Alpn::Http1));
        exchange(connector.connect(name, socket).await.map_err(ClientError::Connect)?, request).await
    }
}

async fn exchange<S>(socket: S, request: Request<String>) -> Result<Stream, ClientError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let mut task = JoinSet::new();
    task.spawn(async move {
        let _ = connection.await; // the same error reaches the sender
    });
    let response = sender.send_request(request).await?;
    Ok(Stream { response, _connection: task })
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.path(), "" | "/") && url.query().is_none());
        let parts =
            url.as_ref().and_then(|url| Some((url.scheme(), url.host_str()?, url.port_or_known_default()?)));
        match parts {
            Some((scheme @ ("http" | "https"), host, port)) => {
                Ok(Self { tls: scheme == "https", ..Self::plain(host, port) })
            }
            _ => {
                Err("an address such as `http://127.0.0.1:8081` or `https://holdpoint.example.com`"
                    .to_owned())
            }
        }
    }
}

impl fmt::Display for Endpoint {
    /// The authority, as a `Host` field has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else if self.port == if self.tls { 443 } else { 80 } {
            f.write_str(&self.host)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

const WAIT_MAX: Duration = Duration::from_secs(30);

/// Held bodies are shown whole, and are 16 MiB at most by default.
const ANSWER_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, shown, tls) in [
            ("http://127.0.0.1:8081", "127.0.0.1:8081", false),
            ("http://[::1]:8081/", "[::1]:8081", false),
            ("https://holdpoint.example.com", "holdpoint.example.com", true),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.to_string().as_str(), endpoint.tls), (shown, tls));
        }
        for bad in ["127.0.0.1:8081", "ftp://x", "http://x/y", ""] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
