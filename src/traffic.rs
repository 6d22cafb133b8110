//! The traffic log: one record for each exchange, in append-only segment files.
//!
//! A place is reserved before anything is forwarded; what happens to the exchange later, its record is
//! written exactly once, when the place is dropped.

use crate::authority::{Authority, Scheme};
use crate::hold::HoldId;
use crate::ruling::Verdict;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Settings {
    /// `<data>/traffic`.
    pub folder: PathBuf,
    /// A segment is closed at this size, before compression.
    pub segment_bytes_max: u64,
    /// … and at this age.
    pub segment_age_max: Duration,
    /// Records that wait to be written, at most; beyond it exchanges wait, then fail.
    pub queue_max: usize,
}

/// The traffic log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Traffic {}

/// The record of an exchange: filled in as it goes, written when its [`Place`] is dropped.
///
/// Everything here is shared or inline, so that filling it allocates nothing.
#[derive(Debug)]
pub struct Record {
    pub agent: Arc<crate::agent::Agent>,
    pub source: Option<IpAddr>,
    pub scheme: Scheme,
    pub authority: Option<Arc<Authority>>,
    pub method: http::Method,
    /// Path and query as forwarded; the query is redacted when it is written.
    pub target: Option<http::uri::PathAndQuery>,
    pub verdict: Option<Verdict>,
    /// `pack/rule` or the otherwise branch.
    pub rule: Option<Arc<str>>,
    /// In observe mode: what it would have been.
    pub would_have: Option<Verdict>,
    pub hold: Option<HoldId>,
    /// Passed unread (`tunnel:` hosts).
    pub tunnel: bool,
    pub status: Option<u16>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// How it ended: one of a closed set of words (`complete`, `client-gone`, `upstream-failed`, …).
    pub end: &'static str,
    pub started: std::time::Instant,
    pub started_at: jiff::Timestamp,
}

/// A reserved place in the log, with the record that will stand there. Dropping it writes the record.
#[derive(Debug)]
pub struct Place {}

/// The record could not be promised; nothing may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the traffic log cannot be written")]
pub struct Unwritable;

impl Traffic {
    /// Reserves a place. At once when the writer keeps up; waits a moment when it does not.
    ///
    /// # Errors
    /// The disk is full or the writer fails: the caller answers 503.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing is reserved and nothing written.
    pub async fn reserve(&self, record: Record) -> Result<Place, Unwritable> {
        let _ = record;
        todo!("operations helper")
    }
}

impl Place {
    pub fn record(&mut self) -> &mut Record {
        todo!("operations helper")
    }
}
