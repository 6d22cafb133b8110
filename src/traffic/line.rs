//! A record as it stands in a segment: one line of JSON.

use super::Record;
use crate::authority::Scheme;
use crate::ruling::Verdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

/// One line. What is unknown is left out. Borrows the record when written, owns its text when read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line<'a> {
    /// When the exchange began.
    pub at: Timestamp,
    pub agent: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    pub method: Cow<'a, str>,
    pub scheme: Scheme,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Cow<'a, str>>,
    /// Redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_have: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub tunnel: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// From the first byte of the head to the end of the exchange.
    pub duration_us: u64,
    pub end: Cow<'a, str>,
}

impl<'a> Line<'a> {
    pub(super) fn of(record: &'a Record, duration: Duration) -> Self {
        let authority = record.authority.as_deref();
        let target = record.target.as_ref();
        Line {
            at: record.started_at,
            agent: record.agent.name.as_str().into(),
            source: record.source,
            method: record.method.as_str().into(),
            scheme: record.scheme,
            host: authority.map(|a| a.host.as_str().into()),
            port: authority.map(|a| a.port),
            path: target.map(|t| t.path().into()),
            query: target.and_then(|t| t.query()).map(shown),
            verdict: record.verdict,
            rule: record.rule.as_deref().map(Cow::from),
            would_have: record.would_have,
            hold: record.hold.as_ref().map(|id| id.as_str().into()),
            tunnel: record.tunnel,
            status: record.status,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            end: record.end.into(),
        }
    }

    /// Appends the line to `lines`.
    pub(super) fn append_to(&self, lines: &mut Vec<u8>) {
        serde_json::to_writer(&mut *lines, self).expect("text and numbers into memory");
        lines.push(b'\n');
    }
}

/// The query may carry credentials: only its length is shown.
fn shown(query: &str) -> Cow<'_, str> {
    if query.is_empty() { query.into() } else { format!("({} bytes)", query.len()).into() }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
