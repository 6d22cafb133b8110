//! A client that says every byte itself, and reads HTTP/1.1 answers without a library's forgiveness.

use super::authority::provider;
use super::soon;
use bytes::{Buf, Bytes, BytesMut};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection and what was read ahead of it.
pub struct Wire {
    stream: Box<dyn Stream>,
    ahead: BytesMut,
}

/// An answer as read from the wire.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub phrase: String,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Bytes,
    /// Fields after a chunked body.
    pub trailers: Vec<(String, String)>,
}

impl Reply {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {}", self.text()))
    }
}

impl Wire {
    /// A bare TCP connection.
    pub async fn plain(addr: SocketAddr) -> Self {
        let stream = soon("a TCP connection", TcpStream::connect(addr)).await.expect("a TCP connection");
        stream.set_nodelay(true).expect("a live socket");
        Self { stream: Box::new(stream), ahead: BytesMut::new() }
    }

    /// A TLS connection to an origin itself, HTTP/1.1.
    pub async fn direct(origin: SocketAddr, name: &str, ca: &str) -> Self {
        let stream = soon("a TCP connection", TcpStream::connect(origin)).await.expect("a TCP connection");
        stream.set_nodelay(true).expect("a live socket");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let connector = TlsConnector::from(client_config(ca, &["http/1.1"]));
        let stream = soon("a TLS handshake", connector.connect(name, stream)).await.expect("a TLS handshake");
        Self { stream: Box::new(stream), ahead: BytesMut::new() }
    }

    /// A tunnel to `authority` (`host:port`), with TLS for its host and HTTP/1.1 in it. `ca` is the PEM text that
    /// is trusted.
    pub async fn tunnel(proxy: SocketAddr, authority: &str, ca: &str) -> Self {
        let host = authority.rsplit_once(':').expect("host:port").0;
        Self::tunnel_as(proxy, authority, host, ca, "").await.expect("a tunnel with TLS")
    }

    /// The same with an SNI of its own and further lines (each ended by CRLF) in the CONNECT head. An answer
    /// to CONNECT other than 200 comes back as the error.
    pub async fn tunnel_as(
        proxy: SocketAddr,
        authority: &str,
        sni: &str,
        ca: &str,
        lines: &str,
    ) -> Result<Self, Reply> {
        let tls = tls_tunnel(proxy, authority, sni, ca, lines, &["http/1.1"]).await?;
        Ok(Self { stream: Box::new(tls), ahead: BytesMut::new() })
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon("sent bytes", async {
            self.stream.write_all(bytes.as_ref()).await.expect("the connection is open");
            self.stream.flush().await.expect("the connection is open");
        })
        .await;
    }

    /// Sends what the other side may refuse to take any more of.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        soon("sent bytes", async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request).await;
        self.reply().await
    }

    /// The next answer with its body; interim answers (1xx but 101) are passed over.
    pub async fn reply(&mut self) -> Reply {
        loop {
            let mut reply = self.head().await;
            if (100..200).contains(&reply.status) && reply.status != 101 {
                continue;
            }
            self.read_body(&mut reply).await;
            return reply;
        }
    }

    /// The next head, interim or not, without a body.
    pub async fn head(&mut self) -> Reply {
        let end = loop {
            if let Some(at) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            let so_far = String::from_utf8_lossy(&self.ahead).into_owned();
            assert!(self.more().await, "the connection ended within a head: `{so_far}`");
        };
        let head = self.ahead.split_to(end);
        self.ahead.advance(4);
        let head = String::from_utf8(head.to_vec()).expect("a head of text");
        let (line, fields) = head.split_once("\r\n").unwrap_or((&head, ""));
        let mut words = line.splitn(3, ' ');
        assert!(words.next().is_some_and(|v| v.starts_with("HTTP/1.")), "no status line: `{line}`");
        let status =
            words.next().and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no status: `{line}`"));
        Reply {
            status,
            phrase: words.next().unwrap_or_default().to_owned(),
            fields: fields_of(fields),
            body: Bytes::new(),
            trailers: Vec::new(),
        }
    }

    async fn read_body(&mut self, reply: &mut Reply) {
        if matches!(reply.status, 101 | 204 | 304) {
            return;
        }
        if reply.field("transfer-encoding") == Some("chunked") {
            let mut body = BytesMut::new();
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            loop {
                let line = self.line().await;
                if line.is_empty() {
                    break;
                }
                reply.trailers.extend(fields_of(&line));
            }
            reply.body = body.freeze();
        } else if let Some(length) = reply.field("content-length") {
            let length = length.parse().expect("a number");
            reply.body = self.exactly(length).await;
        } else {
            while self.more().await {}
            reply.body = self.ahead.split().freeze();
        }
    }

    /// The data of the next chunk; empty at the last.
    pub async fn chunk(&mut self) -> Bytes {
        let line = self.line().await;
        let size = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("no chunk size: `{line}`"));
        let data = self.exactly(size).await;
        if size > 0 {
            assert_eq!(self.line().await, "", "a chunk ends with CRLF");
        }
        data
    }

    async fn line(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.ahead.windows(2).position(|w| w == b"\r\n") {
                break at;
            }
            assert!(self.more().await, "the connection ended within a line");
        };
        let line = self.ahead.split_to(end);
        self.ahead.advance(2);
        String::from_utf8(line.to_vec()).expect("a line of text")
    }

    /// So many bytes of the stream.
    pub async fn exactly(&mut self, size: usize) -> Bytes {
        while self.ahead.len() < size {
            assert!(self.more().await, "the connection ended after {} of {size} bytes", self.ahead.len());
        }
        self.ahead.split_to(size).freeze()
    }

    /// Reads once; false at the end of the stream, however it ended.
    pub async fn more(&mut self) -> bool {
        soon("bytes or the end of a connection", self.stream.read_buf(&mut self.ahead)).await.unwrap_or(0) > 0
    }

    /// Reads to the end of the stream: what came beyond the answers read so far.
    pub async fn rest(&mut self) -> Bytes {
        while self.more().await {}
        self.ahead.split().freeze()
    }

    /// What was read ahead and not asked for yet.
    pub fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Tells the other side that nothing more will be sent.
    pub async fn finish(&mut self) {
        let _ = soon("the end of sending", self.stream.shutdown()).await;
    }
}

/// CONNECT through the proxy and a TLS handshake in the tunnel.
pub async fn tls_tunnel(
    proxy: SocketAddr,
    authority: &str,
    sni: &str,
    ca: &str,
    lines: &str,
    alpn: &[&str],
) -> Result<TlsStream<TcpStream>, Reply> {
    let mut stream = soon("a TCP connection", TcpStream::connect(proxy)).await.expect("a TCP connection");
    stream.set_nodelay(true).expect("a live socket");
    let connect = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{lines}\r\n");
    soon("CONNECT sent", stream.write_all(connect.as_bytes())).await.expect("the connection is open");
    // Nothing may be read ahead: the next bytes belong to TLS.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = soon("an answer to CONNECT", stream.read_u8()).await.expect("an answer to CONNECT");
        head.push(byte);
    }
    let status = String::from_utf8_lossy(&head);
    if status.split(' ').nth(1) != Some("200") {
        let mut refused = Wire { stream: Box::new(stream), ahead: BytesMut::from(&head[..]) };
        return Err(refused.reply().await);
    }
    let name = ServerName::try_from(sni.trim_matches(['[', ']']).to_owned()).expect("a name");
    let connector = TlsConnector::from(client_config(ca, alpn));
    Ok(soon("a TLS handshake", connector.connect(name, stream)).await.expect("a TLS handshake"))
}

/// Trusts `ca` and nothing else.
pub fn client_config(ca: &str, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate.expect("PEM")).expect("a root");
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn fields_of(lines: &str) -> Vec<(String, String)> {
    lines
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}
