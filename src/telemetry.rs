//! Logs and traces.
//!
//! Logs go to standard error through a bounded queue; traces, when `otlp.endpoint` is set, to a collector
//! through another. Neither can block, fail or stop an exchange: at the bound, lines and spans are dropped.

mod collector;
mod lines;

use crate::config::{Log, LogFormat};
use crate::trace;
use lines::Lines;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::io::IsTerminal;
use std::time::Duration;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, FilterFn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry};

/// Keeps logs and traces flowing.
#[derive(Debug)]
#[must_use = "dropped, it takes what is still queued along"]
pub struct Guard {
    lines: Lines,
    traces: Option<SdkTracerProvider>,
}

/// Why there are no logs or traces.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    #[error("the log filter is not understood: `{filter}`")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error(
        "traces cannot be sent to `{endpoint}`: only plain `http://` collectors are supported; run one beside Holdpoint"
    )]
    Endpoint { endpoint: String },
    #[error("traces cannot be sent to `{endpoint}`")]
    Collector { endpoint: String, source: opentelemetry_otlp::ExporterBuildError },
    #[error("the log's thread cannot be started")]
    Thread(#[source] std::io::Error),
    #[error("logs were set up before")]
    Twice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Sets up logs, and traces if there is an endpoint, for the process. Called once, within the runtime that
/// serves: spans are sent by it.
///
/// # Errors
/// The filter or the endpoint make no sense, or a thread cannot be started.
pub fn init(log: &Log, otlp_endpoint: Option<&str>) -> Result<Guard, TelemetryError> {
    let stderr = std::io::stderr();
    let colours = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = Lines::to(stderr).map_err(TelemetryError::Thread)?;
    let (subscriber, traces) = subscriber(log, colours, &lines, otlp_endpoint)?;
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Twice)?;
    Ok(Guard { lines, traces })
}

fn subscriber(
    log: &Log,
    colours: bool,
    lines: &Lines,
    otlp_endpoint: Option<&str>,
) -> Result<(impl Subscriber + Send + Sync + use<>, Option<SdkTracerProvider>), TelemetryError> {
    let traces = otlp_endpoint.map(collector::provider).transpose()?;
    let mut layers = vec![logs(log, colours, lines)?];
    layers.extend(traces.as_ref().map(spans));
    Ok((Registry::default().with(layers), traces))
}

fn logs(
    log: &Log,
    colours: bool,
    lines: &Lines,
) -> Result<Box<dyn Layer<Registry> + Send + Sync>, TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(&log.filter)
        .map_err(|source| TelemetryError::Filter { filter: log.filter.clone(), source })?;
    let lines = lines.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(move || lines.clone());
    Ok(match log.format {
        LogFormat::Text => layer.with_filter(filter).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    })
}

/// Sends the spans of exchanges to the collector, and only those.
fn spans(provider: &SdkTracerProvider) -> Box<dyn Layer<Registry> + Send + Sync> {
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("holdpoint"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_filter(FilterFn::new(|metadata| metadata.is_span() && metadata.target() == trace::TARGET))
        .boxed()
}

impl Guard {
    /// Sends and writes what is queued, for [`FLUSH_MAX`] each at most.
    ///
    /// # Cancel safety
    /// Dropped before it returns, some of it may be lost.
    pub async fn flush(self) {
        let Self { lines, traces } = self;
        let flushing = tokio::task::spawn_blocking(move || {
            if let Some(Err(error)) = traces.map(|traces| traces.shutdown_with_timeout(FLUSH_MAX)) {
                tracing::warn!(%error, "the last traces were not sent");
            }
            lines.flush(FLUSH_MAX);
        });
        let _ = flushing.await;
    }
}

/// How long the end of the process waits for logs, and for traces.
pub const FLUSH_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
