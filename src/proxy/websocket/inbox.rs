//! What an agent has sent on its WebSocket, and nobody has dealt with yet.

use crate::decode::websocket::{Event, Message, Reader, Violation};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadHalf};

pub(super) struct Inbox<'a, S> {
    from: &'a mut ReadHalf<S>,
    reader: Reader,
    bytes: BytesMut,
    messages: VecDeque<Message>,
    /// Payload bytes in `messages`.
    waiting_bytes: usize,
    /// What comes after the messages that wait: nothing more.
    pub(super) end: Option<End>,
    moved: &'a AtomicU64,
}

/// How an agent's direction ends.
#[derive(Debug)]
pub(super) enum End {
    /// It has said so, in this frame.
    Closed(Bytes),
    /// Its connection has ended.
    Gone,
    Broken(Violation),
}

impl<'a, S: AsyncRead + AsyncWrite> Inbox<'a, S> {
    pub(super) fn new(from: &'a mut ReadHalf<S>, message_bytes_max: usize, moved: &'a AtomicU64) -> Self {
        Self {
            from,
            reader: Reader::new(message_bytes_max),
            bytes: BytesMut::new(),
            messages: VecDeque::new(),
            waiting_bytes: 0,
            end: None,
            moved,
        }
    }

    /// Reads once.
    ///
    /// # Cancel safety
    /// What was read is kept; dropped before, nothing was.
    pub(super) async fn read(&mut self) -> io::Result<()> {
        self.bytes.reserve(READ_BYTES);
        let count = self.from.read_buf(&mut self.bytes).await?;
        self.moved.fetch_add(u64::try_from(count).unwrap_or_default(), Relaxed);
        if count == 0 {
            self.end = Some(End::Gone);
        }
        Ok(())
    }

    /// The next message of what was read; what comes before it goes on in its turn. `None`: more must be read, or `end`
    /// is what comes next.
    pub(super) async fn next_message<W: AsyncWrite + Unpin>(
        &mut self,
        to: &mut W,
    ) -> io::Result<Option<Message>> {
        while self.messages.is_empty() && self.sort_one(to).await? {}
        let message = self.messages.pop_front();
        self.waiting_bytes -= message.as_ref().map_or(0, |message| message.payload.len());
        Ok(message)
    }

    /// While a message waits for a person: pings and pongs overtake it (RFC 6455 §5.4), messages are put in line behind it.
    pub(super) async fn sort_ahead<W: AsyncWrite + Unpin>(&mut self, to: &mut W) -> io::Result<()> {
        while self.waiting_bytes < AHEAD_BYTES_MAX
            && self.messages.len() < AHEAD_MAX
            && self.sort_one(to).await?
        {}
        Ok(())
    }

    /// False when more must be read, or nothing follows.
    async fn sort_one<W: AsyncWrite + Unpin>(&mut self, to: &mut W) -> io::Result<bool> {
        if self.end.is_some() {
            return Ok(false);
        }
        match self.reader.next(&mut self.bytes) {
            Ok(None) => return Ok(false),
            Ok(Some(Event::Message(message))) => {
                self.waiting_bytes += message.payload.len();
                self.messages.push_back(message);
            }
            Ok(Some(Event::Control(control))) if control.closes => {
                self.end = Some(End::Closed(control.frame));
            }
            Ok(Some(Event::Control(control))) => super::write(to, &control.frame).await?,
            Err(violation) => self.end = Some(End::Broken(violation)),
        }
        Ok(true)
    }

    /// Whether more may be read while a message waits for a person.
    pub(super) fn has_room(&self) -> bool {
        self.messages.len() < AHEAD_MAX
            && self.waiting_bytes + self.reader.kept_bytes() + self.bytes.len() < AHEAD_BYTES_MAX
    }
}

/// Read ahead of a message that is held, at most; then the agent is not read from any more, its control frames included.
pub(super) const AHEAD_BYTES_MAX: usize = 64 << 10;
const AHEAD_MAX: usize = 256;
const READ_BYTES: usize = 16 << 10;
