//! The head of a frame (RFC 6455 §5.2).

use super::{Violation, broken};
use bytes::{BufMut as _, BytesMut};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// How long the head itself is.
    pub(super) bytes: usize,
    /// No fragment follows.
    pub(super) last: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    pub(super) payload: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn of(bits: u8) -> Result<Self, Violation> {
        Ok(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return Err(broken("a frame of an unknown kind")),
        })
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    pub(super) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl Head {
    /// Of a frame that a client sends; `None` when more bytes are needed to know it.
    pub(super) fn of_client(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let Some(mut head) = Self::unmasked(bytes, MASKED)? else { return Ok(None) };
        let mask = bytes.get(head.bytes..).and_then(|rest| rest.first_chunk::<4>());
        let Some(mask) = mask else { return Ok(None) };
        head.mask = *mask;
        head.bytes += mask.len();
        Ok(Some(head))
    }

    /// Of a frame that a server sends.
    pub(super) fn of_server(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        Self::unmasked(bytes, 0)
    }

    /// The head without its mask. Whatever the first bytes tell is refused before the others have come.
    fn unmasked(bytes: &[u8], masked: u8) -> Result<Option<Self>, Violation> {
        let Some(&[first, second]) = bytes.first_chunk::<2>() else {
            // The first byte alone can be wrong.
            return bytes.first().map_or(Ok(None), |first| first_byte(*first).map(|_| None));
        };
        let (last, opcode) = first_byte(first)?;
        if second & MASKED != masked {
            return Err(broken(if masked == 0 {
                "a masked frame of a server"
            } else {
                "a frame without a mask"
            }));
        }
        let short = second & !MASKED;
        if opcode.is_control() && (short > CONTROL_BYTES_MAX || !last) {
            return Err(broken("a control frame that is long or a fragment"));
        }
        let rest = bytes.get(2..).unwrap_or_default();
        let (length_bytes, payload, least) = match short {
            126 => {
                let Some(length) = rest.first_chunk::<2>() else { return Ok(None) };
                (2, u64::from(u16::from_be_bytes(*length)), 126)
            }
            127 => {
                let Some(length) = rest.first_chunk::<8>() else { return Ok(None) };
                (8, u64::from_be_bytes(*length), 1 << 16)
            }
            length => (0, u64::from(length), 0),
        };
        if payload < least || payload > i64::MAX.unsigned_abs() {
            return Err(broken("a length that is not written in the shortest way"));
        }
        Ok(Some(Self { bytes: 2 + length_bytes, last, opcode, mask: [0; 4], payload }))
    }
}

fn first_byte(byte: u8) -> Result<(bool, Opcode), Violation> {
    if byte & RESERVED != 0 {
        return Err(broken("a frame with reserved bits, and no extension was agreed on"));
    }
    Ok((byte & LAST != 0, Opcode::of(byte & OPCODE)?))
}

/// Writes the head of a frame that is a message, or a control frame.
pub(super) fn put(frame: &mut BytesMut, opcode: Opcode, length: usize, mask: Option<[u8; 4]>) {
    frame.put_u8(LAST | opcode.bits());
    let masked = if mask.is_some() { MASKED } else { 0 };
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => frame.put_u8(masked | short),
        (_, Ok(length)) => {
            frame.put_u8(masked | 126);
            frame.put_u16(length);
        }
        (_, Err(_)) => {
            frame.put_u8(masked | 127);
            frame.put_u64(u64::try_from(length).unwrap_or(u64::MAX));
        }
    }
    if let Some(mask) = mask {
        frame.put_slice(&mask);
    }
}

/// Two bytes, eight of length, four of mask.
pub(super) const BYTES_MAX: usize = 14;
const LAST: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const CONTROL_BYTES_MAX: u8 = 125;
