use super::*;
use crate::authority::Authority;
use crate::ruling::Verdict;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io::Read as _;
use std::sync::mpsc;
use tokio::net::TcpListener;

fn log(filter: &str, format: LogFormat) -> Log {
    Log { filter: filter.to_owned(), format }
}

/// Runs `body` with logs of this kind and returns what was written.
fn written(log: &Log, body: impl FnOnce()) -> String {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let lines = Lines::to(writer).unwrap();
    let (subscriber, _) = subscriber(log, false, &lines, None).unwrap();
    tracing::subscriber::with_default(subscriber, body);
    drop(lines);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn text_and_json() {
    let text = written(&log("info", LogFormat::Text), || {
        tracing::info!(agent = "ci", "hello");
        tracing::debug!("not this");
    });
    assert!(text.contains("INFO") && text.contains("hello agent=\"ci\""), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");

    let text = written(&log("info", LogFormat::Json), || tracing::info!(agent = "ci", "hello"));
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["message"], &line["agent"]), (&"hello".into(), &"ci".into()));
}

#[test]
fn without_a_collector_no_span_is_made() {
    let text = written(&log("debug", LogFormat::Text), || {
        let authority = Authority::parse("api.test", 443).unwrap();
        assert!(trace::exchange(&HeaderMap::new(), &Method::GET, &authority).is_disabled());
    });
    assert_eq!(text, "");
}

#[test]
fn what_makes_no_sense_is_said() {
    let lines = Lines::to(std::io::sink()).unwrap();
    let filter = log("holdpoint=loud", LogFormat::Text);
    assert!(matches!(subscriber(&filter, false, &lines, None), Err(TelemetryError::Filter { .. })));
    let filter = log("info", LogFormat::Text);
    let endpoint = Some("https://collector.test");
    assert!(matches!(subscriber(&filter, false, &lines, endpoint), Err(TelemetryError::Endpoint { .. })));
}

#[test]
fn a_full_file_stops_nobody() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let lines = Lines::to(full).unwrap();
    let (subscriber, _) = subscriber(&log("info", LogFormat::Text), false, &lines, None).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        for n in 0..10 * lines::LINES_MAX {
            tracing::info!(n, "nobody can read this");
        }
    });
    lines.flush(Duration::from_secs(20));
}

#[test]
fn a_pipe_that_nobody_reads_stops_nobody_and_the_gap_is_told() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let lines = Lines::to(writer).unwrap();
    let (subscriber, _) = subscriber(&log("info", LogFormat::Text), false, &lines, None).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        for n in 0..10 * lines::LINES_MAX {
            tracing::info!(n, "a line of a length that fills the pipe before the queue is full");
        }
    });
    drop(lines);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.contains("log lines were dropped here"), "{}", text.len());
}

/// A collector: passes on path, content type and body of what it is sent.
async fn collector() -> (String, mpsc::Receiver<(String, HeaderValue, Bytes)>, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let sender = sender.clone();
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let sender = sender.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let content_type = head.headers[http::header::CONTENT_TYPE].clone();
                    sender.send((head.uri.path().to_owned(), content_type, body)).unwrap();
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(Full::<Bytes>::default()))
                }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        }
    });
    (endpoint, received, serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_are_spans_at_the_collector_under_the_agents_trace() {
    let (endpoint, received, _serving) = collector().await;
    let lines = Lines::to(std::io::sink()).unwrap();
    let (subscriber, traces) =
        subscriber(&log("info", LogFormat::Text), false, &lines, Some(&endpoint)).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let mut headers = HeaderMap::new();
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        headers.insert("traceparent", HeaderValue::from_static(parent));
        let authority = Authority::parse("api.test", 443).unwrap();
        let span = trace::exchange(&headers, &Method::DELETE, &authority);
        assert!(!span.is_disabled());
        let outcome = trace::Outcome {
            agent: "ci",
            verdict: Some(Verdict::Hold),
            rule: Some("github/delete-repository"),
            hold: None,
            status: Some(428),
            end: "parked",
        };
        trace::ended(&span, outcome);
        tracing::trace_span!("not an exchange").in_scope(|| {});
    });
    Guard { lines, traces }.flush().await;

    let (path, content_type, body) = received.try_recv().expect("the flush waited for the answer");
    assert_eq!((path.as_str(), content_type.as_bytes()), ("/v1/traces", &b"application/x-protobuf"[..]));
    let has = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
    assert!(has(b"DELETE api.test") && has(b"github/delete-repository") && has(b"service.version"));
    assert!(!has(b"not an exchange"));
    let trace_id =
        [0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36];
    let parent_id = [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];
    assert!(has(&trace_id) && has(&parent_id), "it hangs under the agent's span, sampled or not");
}
