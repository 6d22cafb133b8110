//! The origin's direction of a WebSocket: its bytes as they come, and answers of ours between two of its messages.

use crate::decode::websocket::{PROTOCOL_ERROR, Places, Walker, close_frame};
use bytes::{Bytes, BytesMut};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

/// A frame of ours to the agent.
#[derive(Debug)]
pub(super) enum Told {
    Message(Bytes),
    /// A close frame: nothing follows it.
    Last(Bytes),
}

pub(super) struct Outbox<'a, S> {
    from: ReadHalf<S>,
    to: WriteHalf<S>,
    told: mpsc::Receiver<Told>,
    /// What was told and has found no place yet.
    waiting: Option<Told>,
    walker: Walker,
    moved: &'a AtomicU64,
}

impl<'a, S: AsyncRead + AsyncWrite> Outbox<'a, S> {
    pub(super) fn new(
        from: ReadHalf<S>,
        to: WriteHalf<S>,
        told: mpsc::Receiver<Told>,
        moved: &'a AtomicU64,
    ) -> Self {
        Self { from, to, told, waiting: None, walker: Walker::default(), moved }
    }

    /// Carries until the origin has ended, or we have said our last. How it ended.
    pub(super) async fn carry(mut self) -> &'static str {
        let how = self.carry_all().await.unwrap_or("client-gone");
        let _ = self.to.shutdown().await;
        how
    }

    async fn carry_all(&mut self) -> io::Result<&'static str> {
        let mut bytes = BytesMut::new();
        loop {
            if let Some(told) = self.waiting.take_if(|told| told.place(self.walker.places()).is_some()) {
                super::write(&mut self.to, told.frame()).await?;
                if told.is_last() {
                    return Ok("complete");
                }
            }
            bytes.clear();
            bytes.reserve(READ_BYTES);
            // Both are cancel-safe.
            let read = tokio::select! {
                biased;
                Some(told) = self.told.recv(), if self.waiting.is_none() => {
                    self.waiting = Some(told);
                    continue;
                }
                read = self.from.read_buf(&mut bytes) => read,
            };
            let Ok(count @ 1..) = read else { return Ok("complete") };
            self.moved.fetch_add(u64::try_from(count).unwrap_or_default(), Relaxed);
            let places = match self.walker.walk(&bytes) {
                Ok(places) => places,
                Err(violation) => {
                    let reason = format!("The origin sent {violation}.");
                    super::write(&mut self.to, &close_frame(PROTOCOL_ERROR, &reason, None)).await?;
                    return Ok("upstream-failed");
                }
            };
            // An origin that is always in the middle of something when we look would keep us from saying anything.
            if let Some(at) = self.waiting.as_ref().and_then(|told| told.place(places))
                && let Some((before, after)) = bytes.split_at_checked(at)
                && let Some(told) = self.waiting.take()
            {
                super::write(&mut self.to, before).await?;
                super::write(&mut self.to, told.frame()).await?;
                if told.is_last() {
                    return Ok("complete");
                }
                super::write(&mut self.to, after).await?;
            } else {
                super::write(&mut self.to, &bytes).await?;
            }
        }
    }
}

impl Told {
    const fn frame(&self) -> &Bytes {
        match self {
            Self::Message(frame) | Self::Last(frame) => frame,
        }
    }

    const fn is_last(&self) -> bool {
        matches!(self, Self::Last(_))
    }

    const fn place(&self, places: Places) -> Option<usize> {
        match self {
            Self::Message(_) => places.message,
            Self::Last(_) => places.control,
        }
    }
}

const READ_BYTES: usize = 16 << 10;
