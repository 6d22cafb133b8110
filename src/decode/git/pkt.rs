//! Packets with their length in front (gitprotocol-common, "pkt-line format").

use super::GitError;

pub(super) enum Line<'b> {
    Data(&'b [u8]),
    /// `0000`.
    Flush,
}

/// The packets of a body, up to where the reader stops.
pub(super) struct Lines<'b> {
    rest: &'b [u8],
}

impl<'b> Lines<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn next(&mut self) -> Result<Line<'b>, GitError> {
        let (head, rest) = self.rest.split_at_checked(HEAD_BYTES).ok_or(GitError::Truncated)?;
        let length =
            head.iter().try_fold(0, |length, b| Some(length << 4 | hex(*b)?)).ok_or(GitError::Length)?;
        if length == 0 {
            self.rest = rest;
            return Ok(Line::Flush);
        }
        // 1 to 3 mean something in protocol v2 only, which has no push; more than 65520 is for nobody.
        let length =
            length.checked_sub(HEAD_BYTES).filter(|n| *n <= DATA_BYTES_MAX).ok_or(GitError::Length)?;
        let (data, rest) = rest.split_at_checked(length).ok_or(GitError::Truncated)?;
        self.rest = rest;
        Ok(Line::Data(data))
    }
}

const fn hex(b: u8) -> Option<usize> {
    match b {
        b'0'..=b'9' => Some((b - b'0') as usize),
        b'a'..=b'f' => Some((b - b'a' + 10) as usize),
        b'A'..=b'F' => Some((b - b'A' + 10) as usize),
        _ => None,
    }
}

const HEAD_BYTES: usize = 4;
const DATA_BYTES_MAX: usize = 65_516;
