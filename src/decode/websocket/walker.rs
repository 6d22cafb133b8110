//! Where messages of a server end.

use super::Violation;
use super::head::{BYTES_MAX, Head, Opcode};
use smallvec::SmallVec;

/// Follows what a server sends. Its payloads are not looked at.
#[derive(Debug, Default)]
pub struct Walker {
    /// The beginning of a frame whose head is not whole yet.
    head: SmallVec<[u8; BYTES_MAX]>,
    /// Payload bytes of the frame under way.
    left: u64,
    /// A fragment was sent, and the last one was not.
    in_message: bool,
    closed: bool,
}

/// The last places in some bytes where something of ours can be put.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Places {
    /// A message: none of the server's is under way.
    pub message: Option<usize>,
    /// A control frame, which may stand within a message (§5.4).
    pub control: Option<usize>,
}

impl Walker {
    /// Where something can be put now; the place is what has been walked.
    pub fn places(&self) -> Places {
        self.places_at(0)
    }

    /// Walks over bytes that were sent.
    ///
    /// # Errors
    /// No server may send that. Where its frames end is not known any more.
    pub fn walk(&mut self, bytes: &[u8]) -> Result<Places, Violation> {
        let mut at = 0;
        let mut places = Places::default();
        while let Some(ahead) = bytes.get(at..).filter(|ahead| !ahead.is_empty()) {
            if self.left > 0 {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(ahead.len());
                at += length;
                self.left -= u64::try_from(length).unwrap_or(self.left);
            } else {
                let before = self.head.len();
                self.head.extend(ahead.iter().copied().take(BYTES_MAX - before));
                let Some(head) = Head::of_server(&self.head)? else {
                    break; // all of `ahead` is kept: a head is never longer
                };
                self.head.clear();
                at += head.bytes.saturating_sub(before);
                self.left = head.payload;
                self.closed |= head.opcode == Opcode::Close;
                if !head.opcode.is_control() {
                    self.in_message = !head.last;
                }
            }
            let here = self.places_at(at);
            places =
                Places { message: here.message.or(places.message), control: here.control.or(places.control) };
        }
        Ok(places)
    }

    fn places_at(&self, at: usize) -> Places {
        // After its close frame a server is not listened to any more.
        let between_frames = self.head.is_empty() && self.left == 0 && !self.closed;
        Places {
            message: (between_frames && !self.in_message).then_some(at),
            control: between_frames.then_some(at),
        }
    }
}
