//! The trace span of an exchange.
//!
//! Made only when traces are collected ([`crate::telemetry`]'s layer asks for spans of [`TARGET`]): otherwise
//! asking costs one load. It is a child of the span that the agent names in `traceparent` (W3C Trace Context).
//! The origin gets the agent's `traceparent` as it was sent: what is forwarded is what was ruled on.

use crate::authority::Authority;
use crate::ruling::Verdict;
use http::{HeaderMap, Method};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of exchange spans. They are at level `trace`, so that logs do not ask for them.
pub const TARGET: &str = "holdpoint::exchange";

/// The span of an exchange, from now until its last clone is dropped. Path and query stay out of it: they can
/// carry credentials, and traces leave the machine.
pub fn exchange(headers: &HeaderMap, method: &Method, authority: &Authority) -> Span {
    if !tracing::span_enabled!(target: TARGET, tracing::Level::TRACE) {
        return Span::none();
    }
    let span = tracing::trace_span!(
        target: TARGET,
        "exchange",
        otel.name = %format_args!("{method} {}", authority.host),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %method,
        server.address = %authority.host,
        server.port = authority.port,
        http.response.status_code = Empty,
        holdpoint.agent = Empty,
        holdpoint.verdict = Empty,
        holdpoint.rule = Empty,
        holdpoint.hold = Empty,
        holdpoint.end = Empty,
    );
    // Fails only where no collector listens, after all.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers)));
    span
}

/// What the exchange came to.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    pub agent: &'a str,
    pub verdict: Option<Verdict>,
    pub rule: Option<&'a str>,
    pub hold: Option<&'a str>,
    pub status: Option<u16>,
    /// The word of [`crate::traffic::Record::end`].
    pub end: &'a str,
}

/// Writes the outcome into the span.
pub fn ended(span: &Span, outcome: Outcome<'_>) {
    if span.is_disabled() {
        return;
    }
    span.record("holdpoint.agent", outcome.agent);
    span.record("holdpoint.verdict", outcome.verdict.map(Verdict::as_str));
    span.record("holdpoint.rule", outcome.rule);
    span.record("holdpoint.hold", outcome.hold);
    span.record("http.response.status_code", outcome.status);
    span.record("holdpoint.end", outcome.end);
    if outcome.status.is_none_or(|status| status >= 500) {
        span.record("otel.status_code", "ERROR");
    }
}
