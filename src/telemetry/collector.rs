//! Traces to an OTLP collector: protobuf over HTTP, in batches.

use super::TelemetryError;
use opentelemetry::KeyValue;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// Collects spans, and sends them to `endpoint` from a thread of its own. At most 2,048 wait; more are dropped.
pub(super) fn provider(endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    if !endpoint.starts_with("http://") {
        return Err(TelemetryError::Endpoint { endpoint: endpoint.to_owned() });
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .with_timeout(SEND_MAX)
        .with_http_client(Client::new())
        .build()
        .map_err(|source| TelemetryError::Collector { endpoint: endpoint.to_owned(), source })?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        // The agent names its parent span, but it does not choose whether it is seen.
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(Resource::builder().with_service_name("holdpoint").with_attribute(version).build())
        .build())
}

/// The exporter's thread knows no tokio; its requests are sent by the runtime that serves.
#[derive(Debug, Clone)]
struct Client {
    runtime: Handle,
    http: HyperClient,
    /// So that a collector that is away is logged once, not with every batch.
    failing: Arc<AtomicBool>,
}

impl Client {
    fn new() -> Self {
        Self {
            runtime: Handle::current(),
            http: HyperClient::with_default_connector(SEND_MAX, None),
            failing: Arc::default(),
        }
    }

    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http;
        let answer = self.runtime.spawn(async move { http.send_bytes(request).await }).await?;
        let trouble = match &answer {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(response.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        if self.failing.swap(trouble.is_some(), Ordering::Relaxed) != trouble.is_some() {
            match trouble {
                Some(error) => {
                    tracing::warn!(error, "traces cannot be sent; they are dropped until they can")
                }
                None => tracing::info!("traces can be sent again"),
            }
        }
        answer
    }
}

impl HttpClient for Client {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.clone().send(request))
    }
}

/// One batch, at most.
const SEND_MAX: Duration = Duration::from_secs(10);
