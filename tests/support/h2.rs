//! An HTTP/2 client in a tunnel.

use super::soon;
use super::wire::{Reply, tls_tunnel};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tokio::task::JoinSet;

pub struct H2 {
    send: SendRequest<Full<Bytes>>,
    /// The connection's driver; ends with the client.
    _driver: JoinSet<()>,
}

impl H2 {
    pub async fn tunnel(proxy: SocketAddr, authority: &str, ca: &str) -> Self {
        let host = authority.rsplit_once(':').expect("host:port").0;
        let tls = tls_tunnel(proxy, authority, host, ca, "", &["h2"]).await.expect("a tunnel with TLS");
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "h2 is offered to the agent");
        let (send, connection) = handshake(TokioExecutor::new(), TokioIo::new(tls)).await.expect("a preface");
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        Self { send, _driver: driver }
    }

    /// The head of the answer; the body is still to be read.
    pub async fn start(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        soon("an h2 stream", self.send.ready()).await.expect("an open connection");
        soon("an h2 answer", self.send.send_request(request)).await.expect("an answer")
    }

    /// The whole answer.
    pub async fn ask(&mut self, request: Request<Full<Bytes>>) -> Reply {
        let (head, body) = self.start(request).await.into_parts();
        let body = soon("an h2 body", body.collect()).await.expect("a whole body");
        let plain = |fields: &http::HeaderMap| -> Vec<(String, String)> {
            fields
                .iter()
                .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
                .collect()
        };
        let trailers = body.trailers().map(plain).unwrap_or_default();
        Reply {
            status: head.status.as_u16(),
            phrase: String::new(),
            fields: plain(&head.headers),
            body: body.to_bytes(),
            trailers,
        }
    }
}

/// A request with a body, without fields of the library's own.
pub fn request(method: &str, url: &str, body: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(url)
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request")
}
