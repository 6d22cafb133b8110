//! A small HTTP client for the control listener: one request, one connection.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ClientError {
    #[error("no connection")]
    Connect(#[source] std::io::Error),
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

/// Sends a request to `address` (`host:port`) and reads the whole answer.
pub(super) async fn send(address: &str, request: Request<String>) -> Result<Response<Bytes>, ClientError> {
    let exchange = async {
        let Stream { response, _connection } = open(address, request).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(ClientError::Body)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    tokio::time::timeout(WAIT_MAX, exchange).await.unwrap_or(Err(ClientError::Late))
}

/// Sends a request and returns with the head of the answer.
pub(super) async fn open(address: &str, request: Request<String>) -> Result<Stream, ClientError> {
    let socket = TcpStream::connect(address).await.map_err(ClientError::Connect)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let mut task = JoinSet::new();
    task.spawn(async move {
        let _ = connection.await; // the same error reaches the sender
    });
    let response = sender.send_request(request).await?;
    Ok(Stream { response, _connection: task })
}

const WAIT_MAX: Duration = Duration::from_secs(30);

/// Held bodies are shown whole, and are 16 MiB at most by default.
const ANSWER_BYTES_MAX: usize = 64 << 20;
