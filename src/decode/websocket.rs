//! WebSocket frames, held to the letter of RFC 6455.
//!
//! [`Reader`] takes apart what a client sends: messages whole, whatever fragments they came in, and control frames as
//! they stand. [`Walker`] follows what a server sends only as far as to know where something can be put in between.
//! Extensions are never agreed on where messages are read, so that nothing in a frame can be reserved or compressed.
//!
//! A message goes on as one frame around the very bytes that were judged ([`Message::frame`]). For a message that came in
//! one frame those are the bytes that came; one that came in fragments is put together, since a server that took each
//! fragment for a message would see something that nobody has judged.

mod head;
mod walker;

pub use walker::{Places, Walker};

use self::head::{Head, Opcode};
use super::Json;
use super::{Body, Decoded};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// A frame or a message that no client may send, or no server: the connection ends with this code (§7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Violation {
    pub code: u16,
    pub what: &'static str,
}

/// What a client has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Message(Message),
    /// May stand between the fragments of a message, and overtake it (§5.4).
    Control(Control),
}

/// A data message, put together and unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: Kind,
    pub payload: Bytes,
    /// Of its first frame: the client's own choice, used once.
    mask: [u8; 4],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    Binary,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }
}

/// A control frame, sound, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    pub closes: bool,
    pub frame: Bytes,
}

/// Reads what a client sends, in whatever pieces it comes.
#[derive(Debug)]
pub struct Reader {
    payload_bytes_max: usize,
    /// Of the message under way.
    kind: Option<Kind>,
    mask: [u8; 4],
    payload: BytesMut,
    /// The data frame under way: its head has been read.
    frame: Option<Frame>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    last: bool,
    mask: [u8; 4],
    read: usize,
    left: usize,
}

impl Reader {
    /// Messages of more than `payload_bytes_max` are a violation.
    pub fn new(payload_bytes_max: usize) -> Self {
        Self { payload_bytes_max, kind: None, mask: [0; 4], payload: BytesMut::new(), frame: None }
    }

    /// Bytes of a message that is not whole yet.
    pub fn kept_bytes(&self) -> usize {
        self.payload.len()
    }

    /// Takes what comes next off the front of `bytes`; `None` when more is needed.
    ///
    /// # Errors
    /// The connection cannot go on. Nothing may be read from it any more.
    pub fn next(&mut self, bytes: &mut BytesMut) -> Result<Option<Event>, Violation> {
        loop {
            if let Some(frame) = &mut self.frame {
                let count = frame.left.min(bytes.len());
                let at = self.payload.len();
                self.payload.extend_from_slice(&bytes.split_to(count));
                apply_mask(self.payload.get_mut(at..).unwrap_or_default(), frame.mask, frame.read);
                (frame.read, frame.left) = (frame.read + count, frame.left - count);
                if frame.left > 0 {
                    return Ok(None);
                }
                let last = frame.last;
                self.frame = None;
                if last {
                    return self.whole().map(|message| Some(Event::Message(message)));
                }
            }
            let Some(head) = Head::of_client(bytes)? else { return Ok(None) };
            if head.opcode.is_control() {
                let length = head.bytes + usize::try_from(head.payload).unwrap_or(usize::MAX);
                if bytes.len() < length {
                    return Ok(None);
                }
                return control(&head, bytes.split_to(length).freeze())
                    .map(|frame| Some(Event::Control(frame)));
            }
            self.begin(&head)?;
            bytes.advance(head.bytes);
        }
    }

    fn begin(&mut self, head: &Head) -> Result<(), Violation> {
        let kind = match (head.opcode, self.kind) {
            (Opcode::Text, None) => Kind::Text,
            (Opcode::Binary, None) => Kind::Binary,
            (Opcode::Continuation, Some(kind)) => kind,
            (Opcode::Continuation, None) => return Err(broken("a continuation of no message")),
            _ => return Err(broken("a message within another one")),
        };
        let left = usize::try_from(head.payload).unwrap_or(usize::MAX);
        if left > self.payload_bytes_max.saturating_sub(self.payload.len()) {
            return Err(Violation { code: TOO_LARGE, what: "a message that is too long to be judged" });
        }
        if self.kind.is_none() {
            self.mask = head.mask;
        }
        self.kind = Some(kind);
        self.frame = Some(Frame { last: head.last, mask: head.mask, read: 0, left });
        Ok(())
    }

    fn whole(&mut self) -> Result<Message, Violation> {
        let payload = self.payload.split().freeze();
        let kind = self.kind.take().unwrap_or(Kind::Binary);
        if kind == Kind::Text && std::str::from_utf8(&payload).is_err() {
            return Err(Violation { code: NOT_UTF8, what: "a text message that is not UTF-8" });
        }
        Ok(Message { kind, payload, mask: self.mask })
    }
}

impl Message {
    /// The one frame that it leaves in.
    pub fn frame(&self) -> Bytes {
        let opcode = match self.kind {
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
        };
        frame(opcode, &self.payload, Some(self.mask))
    }
}

/// A text message of ours to a client.
pub fn text_frame(text: &str) -> Bytes {
    frame(Opcode::Text, text.as_bytes(), None)
}

/// A close frame of ours: to a server masked, to a client not. The reason is cut to what a control frame holds.
pub fn close_frame(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Bytes {
    let reason = reason.get(..reason.floor_char_boundary(REASON_BYTES_MAX)).unwrap_or_default();
    let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
    frame(Opcode::Close, &payload, mask)
}

fn frame(opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + head::BYTES_MAX);
    head::put(&mut frame, opcode, payload.len(), mask);
    let at = frame.len();
    frame.put_slice(payload);
    if let Some(mask) = mask {
        apply_mask(frame.get_mut(at..).unwrap_or_default(), mask, 0);
    }
    frame.freeze()
}

/// §5.3: the same operation masks and unmasks. `at`: how far into the payload the bytes begin.
fn apply_mask(bytes: &mut [u8], mask: [u8; 4], at: usize) {
    let mut mask = mask;
    mask.rotate_left(at % 4);
    // Eight at a time, which the compiler makes more of.
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

/// Checks what a control frame carries (§5.5).
fn control(head: &Head, frame: Bytes) -> Result<Control, Violation> {
    let closes = head.opcode == Opcode::Close;
    let mut payload = BytesMut::from(frame.get(head.bytes..).unwrap_or_default());
    if !closes || payload.is_empty() {
        return Ok(Control { closes, frame });
    }
    apply_mask(&mut payload, head.mask, 0);
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return Err(broken("a close frame with half a code"));
    };
    if !may_be_sent(u16::from_be_bytes(*code)) {
        return Err(broken("a close frame with a code that is not to be sent"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation { code: NOT_UTF8, what: "a close frame with a reason that is not UTF-8" });
    }
    Ok(Control { closes, frame })
}

/// §7.4, with the codes that IANA has registered since.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

const fn broken(what: &'static str) -> Violation {
    Violation { code: PROTOCOL_ERROR, what }
}

/// Whether a message of GraphQL over WebSocket only keeps the conversation going: it opens it, answers a ping, or ends
/// a subscription, under the subprotocol that the server has agreed to.
pub fn is_chatter(subprotocol: &str, body: &Body) -> bool {
    if !GRAPHQL.contains(&subprotocol) {
        return false;
    }
    let Body::Decoded(Decoded { json: Some(Json::Map(members)), .. }) = body else { return false };
    let mut kinds = members.iter().filter(|(name, _)| name == "type");
    let is_known = match (kinds.next(), kinds.next()) {
        (Some((_, Json::Text(kind))), None) => CHATTER.contains(&kind.as_str()),
        _ => false,
    };
    // Nothing else, and nothing twice: a server that reads leniently finds no query in it either.
    is_known
        && members.len() <= 3
        && members.iter().all(|(name, _)| ["type", "id", "payload"].contains(&&**name))
}

/// The subprotocols of GraphQL: that of the library `graphql-ws`, and the older one of `subscriptions-transport-ws`.
pub const GRAPHQL: [&str; 2] = ["graphql-transport-ws", "graphql-ws"];
const CHATTER: [&str; 6] = ["connection_init", "ping", "pong", "complete", "stop", "connection_terminate"];

/// Close codes (§7.4.1).
pub const GOING_AWAY: u16 = 1001;
pub const PROTOCOL_ERROR: u16 = 1002;
pub const NOT_UTF8: u16 = 1007;
pub const POLICY: u16 = 1008;
pub const TOO_LARGE: u16 = 1009;
pub const TRY_AGAIN: u16 = 1013;
/// A control frame carries 125 bytes, two of which are the code.
const REASON_BYTES_MAX: usize = 123;

#[cfg(test)]
mod tests;
