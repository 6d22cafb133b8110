//! A proxy that opens nothing: what a client sends through it arrives as it left. Against this the way through
//! Holdpoint is compared.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) struct Tunnel {
    pub(crate) addr: SocketAddr,
    _listening: JoinSet<()>,
}

impl Tunnel {
    /// Leads every name to one origin.
    pub(crate) async fn to(origin: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(carry(stream, origin));
            }
        });
        Self { addr, _listening: listening }
    }
}

async fn carry(mut client: TcpStream, origin: SocketAddr) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    assert!(head.starts_with(b"CONNECT "), "only tunnels are asked for: {}", String::from_utf8_lossy(&head));
    let Ok(mut origin) = TcpStream::connect(origin).await else { return };
    let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let _ = tokio::io::copy_bidirectional(&mut client, &mut origin).await;
}
