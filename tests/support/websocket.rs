//! The origin's side of a WebSocket: it writes down every frame, echoes messages, answers pings, and says what a test
//! tells it to. And the client's side, frame by frame.

use super::wire::{Reply, Wire};
use super::{Holdpoint, soon};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{broadcast, watch};

/// A frame, unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Last fragment, reserved bits, opcode: `0x81` is a whole text.
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn text(&self) -> &str {
        assert_eq!(self.first, 0x81, "a whole text: {self:?}");
        std::str::from_utf8(&self.payload).expect("UTF-8")
    }

    /// The code and the reason of a close frame.
    pub fn close(&self) -> (u16, &str) {
        assert_eq!(self.first, 0x88, "a close frame: {self:?}");
        let (code, reason) = self.payload.split_first_chunk::<2>().expect("a code");
        (u16::from_be_bytes(*code), std::str::from_utf8(reason).expect("UTF-8"))
    }
}

/// All WebSockets of one origin.
#[derive(Debug)]
pub struct Sockets {
    frames: Mutex<Vec<Frame>>,
    count: watch::Sender<usize>,
    /// Of connections that have ended.
    ended: watch::Sender<usize>,
    say: broadcast::Sender<Vec<u8>>,
}

impl Default for Sockets {
    fn default() -> Self {
        let (count, ended, say) = (watch::Sender::new(0), watch::Sender::new(0), broadcast::Sender::new(64));
        Self { frames: Mutex::default(), count, ended, say }
    }
}

impl Sockets {
    /// All frames that have come.
    pub fn seen(&self) -> Vec<Frame> {
        self.frames.lock().expect("no panic while locked").clone()
    }

    /// Waits until so many frames have come.
    pub async fn arrived(&self, count: usize) -> Vec<Frame> {
        let mut counted = self.count.subscribe();
        let _ = soon("a frame at the origin", counted.wait_for(|n| *n >= count)).await;
        self.seen()
    }

    /// Waits until so many connections have ended.
    pub async fn ended(&self, count: usize) {
        let mut ended = self.ended.subscribe();
        let _ = soon("the end of a WebSocket at the origin", ended.wait_for(|n| *n >= count)).await;
    }

    /// Sends bytes on every open connection.
    pub fn say(&self, bytes: &[u8]) {
        self.say.send(bytes.to_vec()).expect("a connection is open");
    }

    /// Serves one connection to its end; a quiet one echoes nothing.
    pub async fn serve(&self, upgrade: OnUpgrade, quiet: bool) {
        let mut say = self.say.subscribe();
        if let Ok(upgraded) = upgrade.await {
            let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
            let mut bytes = Vec::new();
            let _: io::Result<()> = async {
                loop {
                    while let Some((frame, length)) = take(&bytes) {
                        bytes.drain(..length);
                        let answer = match frame.first & 0x0F {
                            0x9 => written(0x8A, &frame.payload, None),
                            0x8 => written(0x88, &frame.payload, None),
                            0xA => Vec::new(),
                            _ if quiet => Vec::new(),
                            _ => written(frame.first, &frame.payload, None),
                        };
                        let closes = frame.first & 0x0F == 0x8;
                        self.note(frame);
                        to.write_all(&answer).await?;
                        if closes {
                            return to.shutdown().await;
                        }
                    }
                    tokio::select! {
                        said = say.recv() => to.write_all(&said.expect("never lags")).await?,
                        read = from.read_buf(&mut bytes) => if read? == 0 { return Ok(()) },
                    }
                }
            }
            .await;
        }
        self.ended.send_modify(|n| *n += 1);
    }

    fn note(&self, frame: Frame) {
        let mut frames = self.frames.lock().expect("no panic while locked");
        frames.push(frame);
        self.count.send_replace(frames.len());
    }
}

/// The first frame in these bytes, and its length.
fn take(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (at, length) = match second & 0x7F {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?),
        length => (2, usize::from(length)),
    };
    let masked = second & 0x80 != 0;
    let mask: [u8; 4] = if masked { *bytes.get(at..)?.first_chunk()? } else { [0; 4] };
    let at = at + if masked { 4 } else { 0 };
    let payload = bytes.get(at..at + length)?;
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    Some((Frame { first, payload }, at + length))
}

/// A frame as bytes, in the shortest way.
pub fn written(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(masked | u8::try_from(length).expect("short")),
        length @ 126..0x1_0000 => {
            bytes.push(masked | 126);
            bytes.extend(u16::try_from(length).expect("two bytes").to_be_bytes());
        }
        length => {
            bytes.push(masked | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.iter().flatten());
    let mask = mask.unwrap_or_default();
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A frame as a client writes it.
pub fn masked(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    written(first, payload.as_ref(), Some([0x37, 0xFA, 0x21, 0x3D]))
}

/// A client.
pub struct Socket {
    pub wire: Wire,
    /// The answer to the handshake.
    pub reply: Reply,
}

impl Socket {
    /// Opens one at `api.test`. `fields`: further lines of the head, each ended by CRLF.
    pub async fn open(holdpoint: &Holdpoint, target: &str, fields: &str) -> Self {
        let socket = Self::ask(holdpoint, target, fields).await;
        assert_eq!(socket.reply.status, 101, "{}", socket.reply.text());
        socket
    }

    /// The same, whatever the answer is.
    pub async fn ask(holdpoint: &Holdpoint, target: &str, fields: &str) -> Self {
        let mut wire = Wire::tunnel(holdpoint.listen, "api.test:443", &holdpoint.ca).await;
        wire.send(handshake(target, fields)).await;
        let reply = wire.reply().await;
        Self { wire, reply }
    }

    pub async fn send(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        self.wire.send(masked(first, payload)).await;
    }

    pub async fn text(&mut self, text: &str) {
        self.send(0x81, text).await;
    }

    /// Sends a text, and expects its echo to be the next that comes.
    pub async fn echo(&mut self, text: &str) {
        self.text(text).await;
        assert_eq!(self.next().await.text(), text);
    }

    /// The next frame that comes.
    pub async fn next(&mut self) -> Frame {
        loop {
            if let Some((frame, length)) = take(self.wire.ahead()) {
                assert_eq!(self.wire.ahead()[1] & 0x80, 0, "a server does not mask");
                self.wire.exactly(length).await;
                return frame;
            }
            assert!(self.wire.more().await, "the connection ended before a frame");
        }
    }

    /// Expects the end of the stream.
    pub async fn ends(&mut self) {
        let rest = self.wire.rest().await;
        assert!(rest.is_empty(), "nothing after the last frame: {rest:02x?}");
    }
}

pub fn handshake(target: &str, fields: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}
