//! An exchange as it stands in the record: its place in the traffic log and its trace span. Both are finished
//! when this is dropped, however the exchange ends.

use super::destination::Destination;
use super::exchange::Link;
use crate::authority::Scheme;
use crate::trace::{self, Outcome};
use crate::traffic::{Place, Record, Unwritable};
use http::request::Parts;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Instant;
use tracing::Span;

#[derive(Debug)]
pub(super) struct Entered {
    place: Place,
    span: Span,
}

impl Entered {
    /// Reserves the place. Everything in the record is shared or inline: nothing is allocated for it.
    ///
    /// # Errors
    /// The record cannot be promised; nothing may be forwarded.
    pub(super) async fn reserve(link: &Link, parts: &Parts) -> Result<Self, Unwritable> {
        let record = Record {
            agent: Arc::clone(&link.known.agent),
            source: Some(link.source),
            scheme: link.destination.as_ref().map_or(Scheme::Http, |d| d.scheme),
            authority: link.destination.as_ref().map(|d| Arc::clone(&d.authority)),
            method: parts.method.clone(),
            target: parts.uri.path_and_query().cloned(),
            verdict: None,
            rule: None,
            would_have: None,
            hold: None,
            tunnel: false,
            status: None,
            request_bytes: 0,
            response_bytes: 0,
            end: "client-gone", // until it is known better
            started: Instant::now(),
            started_at: Timestamp::now(),
        };
        let place = link.gate.services.traffic.reserve(record).await?;
        Ok(Self { place, span: Span::none() })
    }

    pub(super) fn record(&mut self) -> &mut Record {
        self.place.record()
    }

    /// Notes what was agreed on, and begins the span if traces are collected.
    pub(super) fn agreed(&mut self, parts: &Parts, destination: &Destination) {
        let record = self.place.record();
        if record.authority.is_none() {
            record.authority = Some(Arc::clone(&destination.authority));
            record.scheme = destination.scheme;
        }
        record.target = parts.uri.path_and_query().cloned();
        self.span = trace::exchange(&parts.headers, &parts.method, &destination.authority);
    }

    pub(super) fn answered(&mut self, status: u16, end: &'static str) {
        let record = self.place.record();
        (record.status, record.end) = (Some(status), end);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if self.span.is_disabled() {
            return;
        }
        let record = self.place.record();
        let outcome = Outcome {
            agent: &record.agent.name,
            verdict: record.verdict,
            rule: record.rule.as_deref(),
            hold: record.hold.as_ref().map(crate::hold::HoldId::as_str),
            status: record.status,
            end: record.end,
        };
        trace::ended(&self.span, outcome);
    }
}
