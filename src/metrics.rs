//! Counters and gauges, resolved at start: on the hot path each is one atomic addition.

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Everything that `/metrics` shows. Cheap to clone by its `Arc`.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Exchanges by verdict, and judged messages of WebSockets.
    pub passed: Counter,
    pub held: Counter,
    pub denied: Counter,
    /// Exchanges that ended in an error of ours or of the upstream, by reason.
    pub failed: Family<Reason, Counter>,
    pub connections: Gauge,
    pub exchanges_active: Gauge,
    pub leaves_minted: Counter,
    pub holds_pending: Gauge,
    pub held_bytes: Gauge,
    /// Seconds from parking to decision.
    pub decision_seconds: DecisionSeconds,
    pub decisions: Family<Decision, Counter>,
    pub votes: Family<Voted, Counter>,
    /// Decisions sooner after parking than anybody reads.
    pub quick_decisions: Counter,
    pub grants_made: Counter,
    pub grants_used: Counter,
    /// Episodes of agents with too many holds open.
    pub floods: Counter,
    pub rules_reloads: Family<Reason, Counter>,
    /// Attempts to tell somebody, by result.
    pub deliveries: Family<Reason, Counter>,
    pub traffic_records: Counter,
    pub traffic_failures: Counter,
    /// Open sockets to Slack.
    pub slack_sockets: Gauge,
    slack_silence: SinceFrame,
}

/// Seconds since something last came from Slack over a socket, as of when it is asked for; none before the first.
#[derive(Debug, Clone, Default)]
struct SinceFrame(Arc<AtomicI64>);

impl EncodeMetric for SinceFrame {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let last = self.0.load(Ordering::Relaxed);
        let since = if last == 0 { 0 } else { jiff::Timestamp::now().as_second().saturating_sub(last) };
        encoder.encode_gauge(&since)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

/// Why something failed: one of a small closed set of words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Decision {
    pub decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Voted {
    pub channel: String,
    pub choice: String,
}

/// A histogram with buckets for people: a second to eight hours.
#[derive(Debug)]
pub struct DecisionSeconds(pub Histogram);

impl Default for DecisionSeconds {
    fn default() -> Self {
        Self(Histogram::new([1., 2., 5., 10., 30., 60., 120., 300., 600., 1800., 3600., 14400., 28800.]))
    }
}

impl Metrics {
    /// All of them, registered.
    pub fn registered() -> (Arc<Self>, Registry) {
        let metrics = Arc::new(Self::default());
        let mut registry = Registry::with_prefix("holdpoint");
        let m = &metrics;
        registry.register("exchanges_passed", "Exchanges passed on", m.passed.clone());
        registry.register("exchanges_held", "Exchanges parked for a person", m.held.clone());
        registry.register("exchanges_denied", "Exchanges denied by a rule", m.denied.clone());
        registry.register("exchanges_failed", "Exchanges that failed, by reason", m.failed.clone());
        registry.register("connections", "Open connections from agents", m.connections.clone());
        registry.register("exchanges_active", "Exchanges under way", m.exchanges_active.clone());
        registry.register("leaves_minted", "Leaf certificates minted", m.leaves_minted.clone());
        registry.register("holds_pending", "Holds that wait for a decision", m.holds_pending.clone());
        registry.register("held_bytes", "Bytes of parked requests in memory", m.held_bytes.clone());
        registry.register("decision_seconds", "From parking to decision", m.decision_seconds.0.clone());
        registry.register("decisions", "Decisions by kind", m.decisions.clone());
        registry.register("votes", "Votes that counted, by channel and choice", m.votes.clone());
        let quick = "Decisions within two seconds of parking";
        registry.register("quick_decisions", quick, m.quick_decisions.clone());
        registry.register("grants_made", "Grants made beside approvals", m.grants_made.clone());
        registry.register("grants_used", "Requests that left by a grant", m.grants_used.clone());
        registry.register("agent_floods", "Times that an agent had too many holds open", m.floods.clone());
        registry.register("rules_reloads", "Rule set loads, by result", m.rules_reloads.clone());
        registry.register(
            "deliveries",
            "Attempts to tell channels and webhooks, by result",
            m.deliveries.clone(),
        );
        registry.register("traffic_records", "Records written to the traffic log", m.traffic_records.clone());
        registry.register("traffic_failures", "Failed writes of the traffic log", m.traffic_failures.clone());
        registry.register("slack_sockets", "Open sockets to Slack", m.slack_sockets.clone());
        let help = "Seconds since something last came from Slack over a socket";
        registry.register("slack_silence_seconds", help, m.slack_silence.clone());
        (metrics, registry)
    }

    /// Something came from Slack.
    pub fn slack_frame(&self) {
        self.slack_silence.0.store(jiff::Timestamp::now().as_second(), Ordering::Relaxed);
    }
}
