use super::segment::Segment;
use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

/// A log in a folder of its own, and what it hands to the ledger.
struct Log {
    traffic: Traffic,
    closed: mpsc::Receiver<Closed>,
    metrics: Arc<Metrics>,
}

fn open_with(settings: Settings) -> Result<Log, OpenError> {
    let (sender, closed) = mpsc::channel(10_000);
    let metrics = Arc::new(Metrics::default());
    Traffic::open(settings, Arc::clone(&metrics), sender).map(|traffic| Log { traffic, closed, metrics })
}

fn open(folder: &Path) -> Log {
    open_with(Settings::in_folder(folder.to_owned())).expect("the folder can be written")
}

fn record(path: &str) -> Record {
    let agent = Agent { id: 1, name: "ci".to_owned(), owners: Vec::new(), labels: BTreeMap::new() };
    Record {
        agent: Arc::new(agent),
        source: Some("127.0.0.1".parse().unwrap()),
        scheme: Scheme::Https,
        authority: Some(Arc::new(Authority::parse("api.test", 443).unwrap())),
        method: http::Method::POST,
        target: Some(path.parse().unwrap()),
        verdict: Some(Verdict::Pass),
        rule: Some("otherwise/read".into()),
        would_have: None,
        hold: None,
        tunnel: false,
        status: Some(200),
        request_bytes: 1024,
        response_bytes: 4096,
        end: "complete",
        started: Instant::now(),
        started_at: "2026-11-20T13:36:15.123456Z".parse().unwrap(),
    }
}

async fn close(log: &Log) {
    log.traffic.close(Duration::from_secs(30)).await.expect("everything is written");
}

fn paths(folder: &Path) -> Vec<String> {
    read(folder, Filter::default())
        .unwrap()
        .map(|line| line.expect("every line is sound").path.expect("every record has one").into_owned())
        .collect()
}

fn files(folder: &Path, suffix: &str) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(suffix)).collect();
    names.sort();
    names
}

fn sha256(path: &Path) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &fs::read(path).unwrap());
    crate::digest::hex(digest.as_ref())
}

#[tokio::test]
async fn a_record_is_one_line_and_shows_no_secret() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    let mut place = log.traffic.reserve(record("/v1/refunds?token=secret")).await.unwrap();
    place.record().hold = Some(HoldId::from_random(7));
    place.record().would_have = Some(Verdict::Hold);
    drop(place);
    drop(log.traffic.reserve(Record { target: None, authority: None, ..record("/") }).await.unwrap());
    close(&log).await;

    let lines: Vec<Line<'_>> = read(folder.path(), Filter::default()).unwrap().map(Result::unwrap).collect();
    let mut text = Vec::new();
    for line in &lines {
        Line { duration_us: 42, ..line.clone() }.append_to(&mut text);
    }
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("secret"), "{text}");
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn segments_are_for_the_owner_only() {
    let folder = TempDir::new().unwrap();
    let inner = folder.path().join("traffic");
    let log = open(&inner);
    drop(log.traffic.reserve(record("/")).await.unwrap());
    close(&log).await;
    assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
    for name in files(&inner, "") {
        assert_eq!(fs::metadata(inner.join(&name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn full_segments_are_compressed_and_reported_and_go_when_recorded() {
    let folder = TempDir::new().unwrap();
    let settings = Settings { segment_bytes_max: 2000, ..Settings::in_folder(folder.path().to_owned()) };
    let mut log = open_with(settings).unwrap();
    let sent: Vec<String> = (0..200).map(|n| format!("/{n}")).collect();
    for path in &sent {
        drop(log.traffic.reserve(record(path)).await.unwrap());
        tokio::task::yield_now().await;
    }
    close(&log).await;
    drop(log.traffic);

    assert_eq!(paths(folder.path()), sent, "before the ledger has them");
    let mut records = 0;
    while let Some(closed) = log.closed.recv().await {
        let file = folder.path().join(&closed.name);
        assert_eq!(closed.sha256, sha256(&file));
        assert_eq!(closed.bytes, fs::metadata(&file).unwrap().len());
        assert_eq!(closed.first, Some("2026-11-20T13:36:15.123456Z".parse().unwrap()));
        assert_eq!(closed.event().detail["file"], closed.name, "as the ledger's check reads it");
        records += closed.records;
        closed.recorded().unwrap();
    }
    assert_eq!(records, 200);
    assert_eq!(log.metrics.traffic_records.get(), 200);
    assert_eq!(files(folder.path(), ".jsonl"), [""; 0]);
    assert_eq!(paths(folder.path()), sent, "after");
}

#[tokio::test]
async fn a_segment_that_a_crash_left_open_is_closed_without_its_torn_line() {
    let folder = TempDir::new().unwrap();
    let mut lines = Vec::new();
    Line::of(&record("/whole"), Duration::ZERO).append_to(&mut lines);
    lines.extend_from_slice(br#"{"at":"2026-11-20T13:36:15Z","agent":"c"#);
    fs::write(folder.path().join("20261120T133615Z-000004.jsonl"), &lines).unwrap();
    fs::write(folder.path().join("20261120T133615Z-000005.jsonl"), b"").unwrap();

    let mut reports = Vec::new();
    for _ in 0..2 {
        let mut log = open(folder.path()); // the ledger never gets to record it: reported by each start
        let closed = log.closed.recv().await.unwrap();
        assert_eq!(closed.name, "20261120T133615Z-000004.jsonl.zst");
        assert_eq!(closed.records, 1);
        reports.push((closed.name.clone(), closed.sha256.clone()));
        close(&log).await;
    }
    assert_eq!(reports[0], reports[1]);
    assert_eq!(paths(folder.path()), ["/whole"]);

    let mut log = open(folder.path());
    log.closed.recv().await.unwrap().recorded().unwrap();
    drop(log.traffic.reserve(record("/next")).await.unwrap());
    close(&log).await;
    assert_eq!(paths(folder.path()), ["/whole", "/next"]);
}

#[tokio::test]
async fn a_folder_has_one_writer() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    assert!(matches!(open_with(Settings::in_folder(folder.path().to_owned())), Err(OpenError::Taken { .. })));
    close(&log).await;
    open(folder.path());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_said_at_start() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("traffic");
    fs::write(&file, "a file").unwrap();
    assert!(matches!(open_with(Settings::in_folder(file)), Err(OpenError::Folder { .. })));
}

/// Every write makes a new segment here; with the folder gone that fails, as on a full disk.
#[tokio::test]
async fn unwritable_gives_no_places_keeps_what_it_promised_and_recovers_by_itself() {
    let parent = TempDir::new().unwrap();
    let (folder, away) = (parent.path().join("traffic"), parent.path().join("away"));
    let log = open_with(Settings { segment_bytes_max: 1, ..Settings::in_folder(folder.clone()) }).unwrap();
    let promised = log.traffic.reserve(record("/promised")).await.unwrap();

    fs::rename(&folder, &away).unwrap();
    fs::write(&folder, "in the way").unwrap();
    drop(log.traffic.reserve(record("/first")).await.unwrap());
    until(|| !log.traffic.is_writable()).await;
    assert!(matches!(log.traffic.reserve(record("/refused")).await, Err(Unwritable)));
    drop(promised);
    assert!(log.metrics.traffic_failures.get() > 0);

    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    until(|| log.traffic.is_writable()).await;
    drop(log.traffic.reserve(record("/after")).await.unwrap());
    close(&log).await;
    assert_eq!(paths(&folder), ["/first", "/promised", "/after"]);
}

#[tokio::test]
async fn a_full_disk_gives_no_places_and_closing_says_what_is_lost() {
    let folder = TempDir::new().unwrap();
    let (queue, finished) = mpsc::channel(16);
    let (sender, _closed) = mpsc::channel(16);
    let shared = Arc::new(Shared {
        writable: AtomicBool::new(true),
        closing: CancellationToken::new(),
        deadline: OnceLock::new(),
        ended: CancellationToken::new(),
        thread: Mutex::new(None),
    });
    let settings = Settings::in_folder(folder.path().to_owned());
    let mut writer =
        writer::Writer::open(settings, finished, Arc::clone(&shared), Arc::default(), sender).unwrap();
    writer.segment = Some(full_device(folder.path()));
    let thread = std::thread::spawn(move || writer.work());
    let traffic = Traffic { queue, shared };

    drop(traffic.reserve(record("/")).await.unwrap());
    until(|| !traffic.is_writable()).await;
    assert!(traffic.reserve(record("/")).await.is_err());
    assert_eq!(traffic.close(Duration::ZERO).await, Err(Unwritable));
    thread.join().unwrap();
}

/// Every write to it fails with ENOSPC.
fn full_device(folder: &Path) -> Segment {
    let file = fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
    Segment::over(file, folder.join("20261120T133615Z-000009.jsonl"))
}

#[test]
fn a_failed_append_leaves_whole_lines_only() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("20261120T133615Z-000001.jsonl");
    let file = fs::OpenOptions::new().append(true).create_new(true).open(&path).unwrap();
    let mut beside = file.try_clone().unwrap();
    let mut segment = Segment::over(file, path.clone());
    segment.append(b"one\n").unwrap();
    beside.write_all(b"tw").unwrap(); // as a write that failed half-way leaves it
    segment.torn = true;
    segment.append(b"two\n").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
}

#[tokio::test]
async fn a_full_queue_is_waited_for_and_then_refused() {
    let folder = TempDir::new().unwrap();
    let log = open_with(Settings { queue_max: 1, ..Settings::in_folder(folder.path().to_owned()) }).unwrap();
    let first = log.traffic.reserve(record("/first")).await.unwrap();
    assert!(matches!(log.traffic.reserve(record("/refused")).await, Err(Unwritable)));
    drop(first);
    drop(log.traffic.reserve(record("/second")).await.unwrap());
    close(&log).await;
    assert_eq!(paths(folder.path()), ["/first", "/second"]);
}

#[tokio::test]
async fn closing_waits_for_places_that_are_out_and_gives_no_more() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path());
    let out = log.traffic.reserve(record("/out")).await.unwrap();
    let traffic = log.traffic.clone();
    let closing =
        tokio::task::JoinSet::from_iter([async move { traffic.close(Duration::from_secs(30)).await }]);
    let mut last = Ok(());
    until(|| match futures_util::FutureExt::now_or_never(log.traffic.reserve(record("/late"))) {
        Some(Err(error)) => {
            last = Err(error);
            true
        }
        _ => false,
    })
    .await;
    assert_eq!(last, Err(Unwritable));
    drop(out);
    assert_eq!(closing.join_all().await, [Ok(())]);
    assert!(paths(folder.path()).contains(&"/out".to_owned()));
}

#[tokio::test]
async fn reading_filters() {
    let folder = TempDir::new().unwrap();
    let log = open_with(Settings { segment_bytes_max: 1, ..Settings::in_folder(folder.path().to_owned()) })
        .unwrap();
    for (path, verdict, at) in [("/a", Verdict::Pass, 1), ("/b", Verdict::Deny, 2), ("/c", Verdict::Deny, 3)]
    {
        let started_at = jiff::Timestamp::from_second(at).unwrap();
        let record = Record { verdict: Some(verdict), started_at, ..record(path) };
        drop(log.traffic.reserve(record).await.unwrap());
    }
    close(&log).await;
    let found = |filter| -> Vec<String> {
        read(folder.path(), filter).unwrap().map(|l| l.unwrap().path.unwrap().into_owned()).collect()
    };
    let second = |s| Some(jiff::Timestamp::from_second(s).unwrap());
    assert_eq!(found(Filter { verdict: Some(Verdict::Deny), ..Filter::default() }), ["/b", "/c"]);
    assert_eq!(found(Filter { since: second(2), until: second(3), ..Filter::default() }), ["/b"]);
    assert_eq!(found(Filter { agent: Some("other".to_owned()), ..Filter::default() }), [""; 0]);
    assert_eq!(found(Filter { host: Some("api.test".to_owned()), ..Filter::default() }), ["/a", "/b", "/c"]);
    assert_eq!(found(Filter { since: Some(jiff::Timestamp::now()), ..Filter::default() }), [""; 0]);
    assert!(read(&folder.path().join("missing"), Filter::default()).unwrap().next().is_none());
}

/// How a place may end.
#[derive(Debug, Clone, Copy)]
enum End {
    Dropped,
    Cancelled,
    Panicked,
    AnotherThread,
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(24))]

    #[test]
    fn every_place_is_one_line(
        ends in proptest::collection::vec(
            proptest::sample::select(vec![End::Dropped, End::Cancelled, End::Panicked, End::AnotherThread]),
            0..60,
        ),
        segment_bytes_max in 1_u64..5000,
        queue_max in 1_usize..40,
    ) {
        let folder = TempDir::new().unwrap();
        let settings = Settings { segment_bytes_max, queue_max, ..Settings::in_folder(folder.path().to_owned()) };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
        runtime.block_on(async {
            let log = open_with(settings).unwrap();
            let mut tasks = tokio::task::JoinSet::new();
            for (n, end) in ends.iter().copied().enumerate() {
                let place = log.traffic.reserve(record(&format!("/{n}"))).await.unwrap();
                end_it(place, end, &mut tasks);
            }
            while tasks.join_next().await.is_some() {}
            close(&log).await;
        });
        let got = paths(folder.path());
        let all: BTreeSet<String> = (0..ends.len()).map(|n| format!("/{n}")).collect();
        proptest::prop_assert_eq!(got.len(), ends.len());
        proptest::prop_assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), all);
    }
}

fn end_it(place: Place, end: End, tasks: &mut tokio::task::JoinSet<()>) {
    match end {
        End::Dropped => drop(place),
        End::Cancelled => {
            let task = tasks.spawn(async move {
                let _place = place;
                std::future::pending::<()>().await;
            });
            task.abort();
        }
        End::Panicked => {
            tasks.spawn(async move {
                let _place = place;
                std::panic::resume_unwind(Box::new(()));
            });
        }
        End::AnotherThread => {
            tasks.spawn_blocking(move || drop(place));
        }
    }
}

/// Waits for what another thread does and nobody announces.
async fn until(mut holds: impl FnMut() -> bool) {
    let patience = Duration::from_secs(20);
    let met = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(patience, met).await.expect("it comes to hold");
}
