//! Origins that do not speak TLS at all, or stop in the middle.

use super::bad_certificates::{recorded, refused};
use super::support::tap::Taken;
use super::support::{Setup, soon};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a peer does once it has the ClientHello.
#[derive(Debug, Clone, Copy)]
enum Answers {
    With(&'static [u8]),
    /// Ends its side.
    Fin,
    Reset,
    Never,
}

#[tokio::test]
async fn what_is_no_tls_is_refused_with_the_reason() {
    let cases = [
        ("plain-http.test", Answers::With(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), NO_TLS),
        ("garbage.test", Answers::With(b"\0\x01\x02SSH-2.0-none\r\n\xff\xff\xff\xff"), NO_TLS),
        ("half-a-record.test", Answers::With(b"\x16\x03\x03\x40\x00\x02"), "ended the connection"),
        ("fin.test", Answers::Fin, "ended the connection"),
        ("reset.test", Answers::Reset, "broke the connection"),
        ("silent.test", Answers::Never, "no TLS handshake within 3s"),
    ];
    let mut setup = Setup::new().set("/timeouts", json!({ "handshake": "3s" }));
    let mut peers = Vec::new();
    for (host, answers, says) in cases {
        let peer = Peer::start(answers).await;
        setup = setup.resolve(&format!("{host}:443"), peer.addr);
        peers.push((host, says, peer));
    }
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let mut holdpoint = setup.resolve("gone.test:443", gone).start().await;
    let mut wrong = Vec::new();
    for (host, says, peer) in &peers {
        refused(&holdpoint, host, says, &mut wrong).await;
        let taken = peer.taken.bytes();
        assert_eq!(taken.first(), Some(&TLS_HANDSHAKE), "{host} was sent a ClientHello");
        assert!(!taken.windows(6).any(|bytes| bytes == b"secret" || bytes == b"POST /"), "{host}");
    }
    refused(&holdpoint, "gone.test", "no connection to 127.0.0.1", &mut wrong).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    recorded(&mut holdpoint, peers.iter().map(|(host, ..)| *host).chain(["gone.test"])).await;
}

struct Peer {
    addr: SocketAddr,
    taken: Taken,
    _listening: JoinSet<()>,
}

impl Peer {
    async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("bound");
        let taken = Taken::default();
        let mut listening = JoinSet::new();
        let all = taken.clone();
        listening.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                answer(tcp, answers, &all).await;
            }
        });
        Self { addr, taken, _listening: listening }
    }
}

async fn answer(mut tcp: TcpStream, answers: Answers, taken: &Taken) {
    let mut bytes = [0; 4096];
    let read = soon("a ClientHello", tcp.read(&mut bytes)).await.unwrap_or(0);
    taken.add(&bytes[..read]);
    match answers {
        Answers::With(text) => drop(tcp.write_all(text).await),
        Answers::Fin | Answers::Never => {}
        Answers::Reset => {
            socket2::SockRef::from(&tcp).set_linger(Some(Duration::ZERO)).expect("a live socket");
            return;
        }
    }
    if !matches!(answers, Answers::Never) {
        let _ = tcp.shutdown().await;
    }
    while let Ok(read @ 1..) = soon("the end of a connection", tcp.read(&mut bytes)).await {
        taken.add(&bytes[..read]);
    }
}

const NO_TLS: &str = "does not answer in TLS";
/// The content type of a ClientHello's record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;
