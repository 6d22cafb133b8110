//! HTTP/2, frame by frame, without a library's scruples (RFC 9113 §4, RFC 7541).

use super::support::soon;
use super::support::wire::tls_tunnel;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub(crate) struct Frames(TlsStream<TcpStream>);

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const GOAWAY: u8 = 7;

impl Frames {
    pub(crate) async fn tunnel(proxy: SocketAddr, authority: &str, ca: &str) -> Self {
        let host = authority.rsplit_once(':').expect("host:port").0;
        let mut tls = tls_tunnel(proxy, authority, host, ca, "", &["h2"]).await.expect("a tunnel with TLS");
        soon("a preface", tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"))
            .await
            .expect("open");
        Self(tls)
    }

    /// The other side may have had enough.
    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        let _ = soon("a frame", self.0.write_all(&frame)).await;
        let _ = soon("a frame", self.0.flush()).await;
    }

    /// The status of the answer to a stream; `None` when the stream, or the connection, is reset.
    pub(crate) async fn status(&mut self, stream: u32) -> Option<u16> {
        soon("an answer of HTTP/2", async {
            loop {
                let mut head = [0; 9];
                self.0.read_exact(&mut head).await.ok()?;
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; usize::try_from(length).expect("small")];
                self.0.read_exact(&mut payload).await.ok()?;
                let about = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                match head[3] {
                    HEADERS if about == stream => match status(&payload) {
                        100 => {}
                        status => return Some(status),
                    },
                    RST_STREAM if about == stream => return None,
                    GOAWAY => return None,
                    _ => {}
                }
            }
        })
        .await
    }
}

/// A header block: literal fields without indexing, with names and values as they are.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // An integer with a prefix of seven bits (RFC 7541 §5.1).
            match u8::try_from(text.len()).ok().filter(|length| *length < 127) {
                Some(length) => block.push(length),
                None => {
                    let mut rest = text.len() - 127;
                    block.push(127);
                    while rest >= 128 {
                        block.push(u8::try_from(rest % 128).expect("below 128") | 128);
                        rest /= 128;
                    }
                    block.push(u8::try_from(rest).expect("below 128"));
                }
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// `:status`, which comes first (RFC 7541 appendix A and B).
fn status(block: &[u8]) -> u16 {
    match block {
        [0x20..0x40, rest @ ..] => status(rest), // the size of the table
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8a, ..] => 206,
        [0x8b, ..] => 304,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        [0x08 | 0x48, length, rest @ ..] if length & 0x80 == 0 => {
            std::str::from_utf8(&rest[..usize::from(*length)]).expect("digits").parse().expect("a number")
        }
        [0x08 | 0x48, _, rest @ ..] => {
            // Huffman: 0, 1 and 2 have five bits, the others six.
            let mut bits = rest.iter().flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1)));
            let mut digit = || {
                let five = (0..5).fold(0, |code, _| code << 1 | bits.next().expect("three digits"));
                if five < 3 { five } else { (five << 1 | bits.next().expect("three digits")) - 0x19 + 3 }
            };
            digit() * 100 + digit() * 10 + digit()
        }
        other => panic!("no status: {other:?}"),
    }
}
