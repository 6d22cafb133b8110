//! The framing of HTTP/1.1 as it comes in, held to the letter of RFC 9112.
//!
//! An HTTP library may repair what it reads: take `Transfer-Encoding` over `Content-Length` (§6.1), a bare LF for a
//! line's end (§2.2). A repaired request is another one than was sent, and whoever reads it next may repair it
//! differently. So the bytes are looked at before the library has them: a head that could be read in two ways is
//! refused here. This only refuses; what passes is read by the library as ever.

use memchr::{memchr, memchr2};

/// Where one message ends and the next begins. Feed it with what arrives, in order.
#[derive(Debug, Default)]
pub struct Framing {
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before or in a head.
    #[default]
    Head,
    /// So many bytes of body are to come.
    Body(u64),
    /// In the line of a chunk's size (RFC 9112 §7.1).
    Size {
        digits: u8,
        size: u64,
        rest: Line,
    },
    /// So many bytes of chunk are to come, then a line's end.
    Chunk(u64),
    ChunkEnd(Line),
    /// In the trailer section; `length` of its line so far.
    Trailer {
        length: usize,
        cr: bool,
        whole: usize,
    },
}

/// How far a line has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Line {
    #[default]
    Text,
    Extension,
    Cr,
}

/// What is to be done with the bytes that were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes from the front are sound, and no head.
    Sound(usize),
    /// So many bytes from the front are a sound head. `upgrade`: what follows may be no HTTP.
    Head { length: usize, upgrade: bool },
    /// The head is not whole yet: look again, from its beginning, when more has come.
    Partial,
    /// Nothing from here on can be read in one way only.
    Refused(Refused),
}

/// What is wrong with a head, or with the body that it announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    #[error("a line of the head does not end with CR LF")]
    LineEnd,
    #[error("a line of the head begins with a blank: folded fields are obsolete")]
    Folded,
    #[error("a line of the head is no field")]
    NoField,
    #[error("the request line is not `METHOD TARGET HTTP/1.1`")]
    RequestLine,
    #[error("both `Content-Length` and `Transfer-Encoding` say how long the body is")]
    TwoFramings,
    #[error("`Content-Length` is not one whole number, given once")]
    Length,
    #[error("`Transfer-Encoding` is not `chunked`, given once, in HTTP/1.1")]
    Coding,
    #[error("the chunks of the body are malformed")]
    Chunks,
}

impl Refused {
    /// All that end a head, in the order of [`Self::code`].
    const ALL: [Self; 8] = [
        Self::LineEnd,
        Self::Folded,
        Self::NoField,
        Self::RequestLine,
        Self::TwoFramings,
        Self::Length,
        Self::Coding,
        Self::Chunks,
    ];

    /// A digit that stands for it.
    pub fn code(self) -> u8 {
        let at = Self::ALL.iter().position(|one| *one == self);
        b'0' + at.and_then(|at| u8::try_from(at).ok()).unwrap_or_default()
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code.checked_sub(b'0')?)).copied()
    }
}

impl Framing {
    /// Looks at `bytes`, which follow on what was sound before. Not empty.
    pub fn step(&mut self, bytes: &[u8]) -> Step {
        match self.state {
            State::Head => self.head(bytes),
            State::Body(left) => {
                let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left);
                self.state = if here == left { State::Head } else { State::Body(left - here) };
                Step::Sound(usize::try_from(here).unwrap_or(bytes.len()))
            }
            _ => self.chunked(bytes),
        }
    }

    /// Whether the next byte begins a message, or is in its head.
    pub fn expects_head(&self) -> bool {
        self.state == State::Head
    }

    fn head(&mut self, bytes: &[u8]) -> Step {
        // One empty line before a request line is what some old clients leave behind a body (RFC 9112 §2.2).
        let (before, head) = match bytes {
            [b'\r'] => return Step::Partial,
            [b'\r', b'\n', head @ ..] => (2, head),
            head => (0, head),
        };
        match read_head(head) {
            Ok(None) => Step::Partial,
            Ok(Some(Head { length, body, upgrade })) => {
                self.state = match body {
                    Body::Length(0) => State::Head,
                    Body::Length(length) => State::Body(length),
                    Body::Chunked => State::Size { digits: 0, size: 0, rest: Line::Text },
                };
                Step::Head { length: before + length, upgrade }
            }
            Err(refused) => Step::Refused(refused),
        }
    }

    /// Chunk by chunk; the data itself is not looked at.
    fn chunked(&mut self, bytes: &[u8]) -> Step {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if let State::Chunk(left) = self.state {
                let here = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(left);
                self.state =
                    if here == left { State::ChunkEnd(Line::Text) } else { State::Chunk(left - here) };
                at += usize::try_from(here).unwrap_or(rest.len());
                continue;
            }
            let Some(&byte) = rest.first() else { break };
            match after(self.state, byte) {
                Some(next) => self.state = next,
                None => return Step::Refused(Refused::Chunks),
            }
            at += 1;
            if self.state == State::Head {
                break;
            }
        }
        Step::Sound(at)
    }
}

/// The state that a byte between chunks leads to; `None`: no such byte belongs there.
fn after(state: State, byte: u8) -> Option<State> {
    match state {
        State::Size { digits, size, rest: Line::Text } => match (byte, char::from(byte).to_digit(16)) {
            (_, Some(digit)) if digits < SIZE_DIGITS_MAX => {
                Some(State::Size { digits: digits + 1, size: size << 4 | u64::from(digit), rest: Line::Text })
            }
            (b';', _) if digits > 0 => Some(State::Size { digits: 1, size, rest: Line::Extension }),
            (b'\r', _) if digits > 0 => Some(State::Size { digits, size, rest: Line::Cr }),
            _ => None,
        },
        // The count of digits counts the extension's bytes now.
        State::Size { digits, size, rest: Line::Extension } => match byte {
            b'\r' => Some(State::Size { digits, size, rest: Line::Cr }),
            b'\t' | b' '..=b'~' if digits < u8::MAX => {
                Some(State::Size { digits: digits + 1, size, rest: Line::Extension })
            }
            _ => None,
        },
        State::Size { size, rest: Line::Cr, .. } => match (byte, size) {
            (b'\n', 0) => Some(State::Trailer { length: 0, cr: false, whole: 0 }),
            (b'\n', _) => Some(State::Chunk(size)),
            _ => None,
        },
        State::ChunkEnd(Line::Text) if byte == b'\r' => Some(State::ChunkEnd(Line::Cr)),
        State::ChunkEnd(Line::Cr) if byte == b'\n' => {
            Some(State::Size { digits: 0, size: 0, rest: Line::Text })
        }
        State::Trailer { length, cr: false, whole } if whole < TRAILER_BYTES_MAX => match byte {
            b'\r' => Some(State::Trailer { length, cr: true, whole: whole + 1 }),
            b'\n' | 0 => None,
            b' ' | b'\t' if length == 0 => None,
            _ => Some(State::Trailer { length: length + 1, cr: false, whole: whole + 1 }),
        },
        State::Trailer { length, cr: true, whole } if byte == b'\n' => {
            Some(if length == 0 { State::Head } else { State::Trailer { length: 0, cr: false, whole } })
        }
        _ => None,
    }
}

#[derive(Debug)]
struct Head {
    length: usize,
    body: Body,
    upgrade: bool,
}

#[derive(Debug, Clone, Copy)]
enum Body {
    Length(u64),
    Chunked,
}

/// What a whole head says of the body behind it.
fn read_head(bytes: &[u8]) -> Result<Option<Head>, Refused> {
    let mut lines = Lines { bytes, at: 0 };
    let Some(request_line) = lines.next()? else { return Ok(None) };
    let http11 = match request_line {
        [first, .., b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1')] if *first > b' ' => {
            *minor == b'1'
        }
        _ => return Err(Refused::RequestLine),
    };
    let (mut length, mut chunked, mut upgrade) = (None, false, false);
    loop {
        let Some(line) = lines.next()? else { return Ok(None) };
        if line.is_empty() {
            break;
        }
        if line.first().is_some_and(|first| matches!(first, b' ' | b'\t')) {
            return Err(Refused::Folded);
        }
        let colon = memchr(b':', line).filter(|colon| *colon > 0).ok_or(Refused::NoField)?;
        let (name, value) = line.split_at_checked(colon).ok_or(Refused::NoField)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"upgrade") {
            upgrade = true;
        } else if is(b"content-length") {
            if length.replace(number(value).ok_or(Refused::Length)?).is_some() {
                return Err(Refused::Length);
            }
        } else if is(b"transfer-encoding") {
            let again = std::mem::replace(&mut chunked, true);
            if again || !http11 || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refused::Coding);
            }
        } else if name.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
            return Err(Refused::NoField);
        }
    }
    let body = match (length, chunked) {
        (Some(_), true) => return Err(Refused::TwoFramings),
        (None, true) => Body::Chunked,
        (length, false) => Body::Length(length.unwrap_or_default()),
    };
    Ok(Some(Head { length: lines.at, body, upgrade }))
}

/// Lines that end with CR LF, and have neither within.
struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Lines<'b> {
    /// The next line without its end. `None`: it is not whole yet.
    fn next(&mut self) -> Result<Option<&'b [u8]>, Refused> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(end) = memchr2(b'\r', b'\n', rest) else { return Ok(None) };
        match (rest.get(end), rest.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => {
                self.at += end + 2;
                Ok(rest.get(..end))
            }
            (Some(b'\r'), None) => Ok(None),
            _ => Err(Refused::LineEnd),
        }
    }
}

/// 1*DIGIT (RFC 9110 §8.6), below 2⁶³: nobody adds to it.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 18 && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

const SIZE_DIGITS_MAX: u8 = 15;
const TRAILER_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The heads of a stream that comes in pieces of `piece` bytes, or why it is refused.
    fn heads(stream: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, Refused> {
        let mut framing = Framing::default();
        let (mut heads, mut waiting) = (Vec::new(), Vec::new());
        for piece in stream.chunks(piece.max(1)) {
            waiting.extend_from_slice(piece);
            while !waiting.is_empty() {
                match framing.step(&waiting) {
                    Step::Sound(count) => drop(waiting.drain(..count)),
                    Step::Head { length, .. } => heads.push(waiting.drain(..length).collect()),
                    Step::Partial => break,
                    Step::Refused(refused) => return Err(refused),
                }
            }
        }
        Ok(heads)
    }

    #[track_caller]
    fn refused(stream: &str, why: Refused) {
        for piece in [1, 2, 7, 4096] {
            assert_eq!(heads(stream.as_bytes(), piece), Err(why), "{stream:?} in pieces of {piece}");
        }
    }

    const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

    #[test]
    fn messages_follow_each_other() {
        let chunked =
            "POST /c HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n4;x=\"y\"\r\nGET \r\n0\r\nX-T: 1\r\n\r\n";
        let sized = "POST /s HTTP/1.0\r\ncontent-length: 5 \r\n\r\nGET /";
        let stream = [GET, chunked, sized, "\r\n", GET, GET].concat();
        for piece in [1, 2, 3, 16, 4096] {
            let heads = heads(stream.as_bytes(), piece).unwrap();
            let lines: Vec<&[u8]> =
                heads.iter().map(|h| h.trim_ascii_start().split(|b| *b == b'\r').next().unwrap()).collect();
            let expected = [
                "GET /x HTTP/1.1",
                "POST /c HTTP/1.1",
                "POST /s HTTP/1.0",
                "GET /x HTTP/1.1",
                "GET /x HTTP/1.1",
            ];
            assert_eq!(lines, expected.map(str::as_bytes), "in pieces of {piece}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let post = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n\r\nbody");
        for fields in [
            "Content-Length: 4\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
        ] {
            refused(&post(fields), Refused::TwoFramings);
        }
        for length in ["4, 4", "+4", "-4", "0x4", "4 4", "", "99999999999999999999", "4\r\nContent-Length: 4"]
        {
            refused(&post(&format!("Content-Length: {length}")), Refused::Length);
        }
        for coding in [
            "gzip, chunked",
            "xchunked",
            "\"chunked\"",
            "chunked\r\nTransfer-Encoding: chunked",
            "chunked;a=b",
            "",
        ] {
            refused(&post(&format!("Transfer-Encoding: {coding}")), Refused::Coding);
        }
        refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Refused::Coding);
        refused("GET / HTTP/1.1\nHost: a\n\n", Refused::LineEnd);
        refused("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", Refused::LineEnd);
        refused("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", Refused::LineEnd);
        refused("GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", Refused::Folded);
        refused("GET / HTTP/1.1\r\nno field\r\n\r\n", Refused::NoField);
        refused("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refused::NoField);
        refused("GET / HTTP/1.1\r\n: a\r\n\r\n", Refused::NoField);
        refused("GET /\r\n\r\n", Refused::RequestLine);
        refused("GET / HTTP/1.2\r\n\r\n", Refused::RequestLine);
        refused("GET / http/1.1\r\n\r\n", Refused::RequestLine);
        refused("GET / HTTP/1.1 \r\n\r\n", Refused::RequestLine);
        refused("PRI * HTTP/2.0\r\n\r\n", Refused::RequestLine);
        for chunks in [
            "x\r\n",
            "-4\r\n",
            " 4\r\n",
            "4 \r\nbody",
            "4\nbody",
            "4\r\nbodyX",
            "4\r\nbody\n",
            "\r\n",
            "4;a\nbody",
            "0\r\n x: 1\r\n",
            "0\r\nx: 1\n",
        ] {
            refused(
                &format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
                Refused::Chunks,
            );
        }
    }

    #[test]
    fn codes_come_back() {
        for refused in Refused::ALL {
            assert_eq!(Refused::from_code(refused.code()), Some(refused));
        }
        assert_eq!(Refused::from_code(b'/'), None);
        assert_eq!(Refused::from_code(b'z'), None);
    }

    fn message() -> impl Strategy<Value = Vec<u8>> {
        let body = prop::collection::vec(any::<u8>(), 0..40);
        prop_oneof![
            Just(GET.as_bytes().to_vec()),
            body.clone().prop_map(|body| {
                [format!("PUT /b HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes(), body]
                    .concat()
            }),
            prop::collection::vec(body, 0..4).prop_map(|chunks| {
                let mut bytes = b"PUT /c HTTP/1.1\r\ntransfer-encoding:chunked\r\n\r\n".to_vec();
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
                bytes
            }),
        ]
    }

    proptest! {
        /// However the bytes are cut, the same messages are found: bodies never pass for heads.
        #[test]
        fn cuts_make_no_difference(messages in prop::collection::vec(message(), 1..5), piece in 1_usize..64) {
            let found = heads(&messages.concat(), piece).unwrap();
            prop_assert_eq!(found.len(), messages.len());
        }

        #[test]
        fn anything_may_come(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..64) {
            prop_assert_eq!(heads(&bytes, piece).is_err(), heads(&bytes, 4096).is_err());
        }
    }
}
