//! What a record of the traffic log costs: nanoseconds on the request's thread (reserve, fill, drop), and
//! microseconds of the writer's processor time (format, write, rotate, compress).
//!
//! `cargo bench --bench traffic`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints and may panic")]

use holdpoint::agent::Agent;
use holdpoint::authority::{Authority, Scheme};
use holdpoint::metrics::Metrics;
use holdpoint::ruling::Verdict;
use holdpoint::traffic::{Record, Settings, Traffic};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bench = std::thread::Builder::new().name("traffic-bench".to_owned()).spawn(move || {
        runtime.block_on(async {
            for _ in 0..3 {
                measure().await;
            }
        });
    });
    bench.unwrap().join().unwrap();
}

async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let (closed, _reported) = tokio::sync::mpsc::channel(100);
    let settings = Settings::in_folder(folder.path().to_owned());
    let traffic = Traffic::open(settings, Arc::new(Metrics::default()), closed).unwrap();
    let shared = Shared::new();

    let mut request = Duration::ZERO;
    for _ in 0..BURSTS {
        let before = processor_time("traffic-bench");
        for n in 0..BURST {
            let mut place = traffic.reserve(shared.record()).await.unwrap();
            let record = place.record();
            record.verdict = Some(Verdict::Pass);
            record.rule = Some(Arc::clone(&shared.rule));
            record.status = Some(200);
            record.response_bytes = n;
            record.end = "complete";
        }
        request += processor_time("traffic-bench") - before;
        tokio::time::sleep(Duration::from_millis(25)).await; // the queue empties
    }
    let records = BURSTS * BURST;
    let writer = processor_time("traffic");
    traffic.close(Duration::from_secs(30)).await.unwrap();
    let sizes = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    println!(
        "{records} records: {:.0} ns each on the request's thread, {:.3} µs each of the writer, {} KiB on disk",
        request.as_secs_f64() * 1e9 / records as f64,
        writer.as_secs_f64() * 1e6 / records as f64,
        sizes.sum::<u64>() / 1024,
    );
}

/// What exchanges have at hand anyway.
struct Shared {
    agent: Arc<Agent>,
    authority: Arc<Authority>,
    target: http::uri::PathAndQuery,
    rule: Arc<str>,
}

impl Shared {
    fn new() -> Self {
        let agent = Agent { id: 1, name: "ci".to_owned(), owners: Vec::new(), labels: BTreeMap::new() };
        Self {
            agent: Arc::new(agent),
            authority: Arc::new(Authority::parse("api.github.com", 443).unwrap()),
            target: "/repos/acme/site/issues/1347/comments?per_page=100&page=3".parse().unwrap(),
            rule: "otherwise/read".into(),
        }
    }

    fn record(&self) -> Record {
        Record {
            agent: Arc::clone(&self.agent),
            source: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            scheme: Scheme::Https,
            authority: Some(Arc::clone(&self.authority)),
            method: http::Method::GET,
            target: Some(self.target.clone()),
            verdict: None,
            rule: None,
            would_have: None,
            hold: None,
            tunnel: false,
            status: None,
            request_bytes: 1024,
            response_bytes: 0,
            end: "client-gone",
            started: Instant::now(),
            started_at: jiff::Timestamp::now(),
        }
    }
}

/// Processor time of the thread of that name so far.
fn processor_time(name: &str) -> Duration {
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        if fs::read_to_string(path.join("comm")).unwrap().trim() == name {
            let schedstat = fs::read_to_string(path.join("schedstat")).unwrap();
            let nanoseconds = schedstat.split(' ').next().unwrap().parse().unwrap();
            return Duration::from_nanos(nanoseconds);
        }
    }
    panic!("there is no thread `{name}`")
}

const BURST: u64 = 500;
const BURSTS: u64 = 400;
