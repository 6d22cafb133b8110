//! The table of `docs/clients.md`: each story is held to its row, and writes it when it is told to
//! (`UPDATE_CLIENTS=1 cargo test --test clients`).

use super::REASON;
use super::story::Outcome;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Compares what a client showed with its row.
pub(crate) fn check(name: &str, parked: &Outcome, denied: &Outcome) {
    let version = parked.version.first().map_or("the distribution's", String::as_str);
    let row = format!(
        "| {name} | {version} | {} | {} | {} |",
        parked.timeout,
        cell(parked, "Nothing was sent", "Held for approval hp_"),
        cell(denied, REASON, "Not approved hp_"),
    );
    let _one_at_a_time = WRITING.lock().expect("no panic while locked");
    let text = std::fs::read_to_string(file()).expect("docs/clients.md");
    let mut rows = rows(&text);
    if rows.contains(&row.as_str()) {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_CLIENTS").is_some(),
        "docs/clients.md is out of date, it should say:\n{row}"
    );
    rows.retain(|old| key(old) != name);
    rows.push(&row);
    rows.sort_by_key(|row| STORIES.iter().position(|story| *story == key(row)));
    std::fs::write(file(), with(&text, &rows)).expect("docs/clients.md");
}

/// There is a row for each story, and none that no story holds to the truth.
#[test]
fn every_row_has_a_story() {
    if writing() {
        return; // the stories are not told yet
    }
    let text = std::fs::read_to_string(file()).expect("docs/clients.md");
    let keys: Vec<&str> = rows(&text).into_iter().map(key).collect();
    assert_eq!(keys, STORIES);
}

fn writing() -> bool {
    std::env::var_os("UPDATE_CLIENTS").is_some()
}

/// What the client's user sees: what is raised, and where the message stands.
fn cell(outcome: &Outcome, message: &str, phrase: &str) -> String {
    let raised = match outcome.raised.as_deref().unwrap_or_default() {
        "Seen" => "nothing is raised".to_owned(),
        code if code.contains(' ') => code.to_owned(),
        name => format!("`{name}`"),
    };
    if outcome.error.contains(message) {
        format!("{raised}: the message")
    } else if outcome.error.contains(phrase) {
        format!("{raised}: the reason phrase; the message in the body")
    } else {
        format!("{raised}: the status; the message in the body")
    }
}

fn rows(text: &str) -> Vec<&str> {
    let (_, rest) = text.split_once(BEGIN).expect("the beginning of the table");
    let (table, _) = rest.split_once(END).expect("the end of the table");
    table.trim().lines().skip(2).collect()
}

fn key(row: &str) -> &str {
    row.split('|').nth(1).unwrap_or_default().trim()
}

fn with(text: &str, rows: &[&str]) -> String {
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the table");
    let (_, after) = rest.split_once(END).expect("the end of the table");
    let mut text = format!("{before}{BEGIN}\n{HEAD}");
    for row in rows {
        let _ = writeln!(text, "{row}");
    }
    text + END + after
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients.md")
}

static WRITING: Mutex<()> = Mutex::new(());

const BEGIN: &str = "<!-- written by UPDATE_CLIENTS=1 cargo test --test clients -->";
const END: &str = "<!-- end -->";
const HEAD: &str = "\
| client | version | gives up after | patience over | denied |
|---|---|---|---|---|
";
/// In the order of the table.
const STORIES: &[&str] = &[
    "curl (HTTP/1.1)",
    "curl (HTTP/2)",
    "curl (upload, `Expect`)",
    "curl (WebSocket)",
    "wget",
    "git",
    "git LFS",
    "Python: requests",
    "Python: requests (file)",
    "Python: httpx (HTTP/1.1)",
    "Python: httpx (HTTP/2)",
    "Python: aiohttp",
    "Python: urllib3",
    "Python: urllib",
    "Python: google-api-python-client",
    "Python: kubernetes",
    "Python: stripe",
    "Python: PyGithub",
    "Python: openai",
    "Python: anthropic",
    "Python: boto3 (DynamoDB)",
    "Python: boto3 (S3)",
    "Python: mcp",
    "Python: mcp (with a session)",
    "Python: grpcio",
    "Python: websockets",
    "Node: fetch",
    "Node: fetch (form)",
    "Node: undici",
    "Node: axios",
    "Node: octokit",
    "Node: openai",
    "Node: AWS SDK v3",
    "Node: ws",
];
