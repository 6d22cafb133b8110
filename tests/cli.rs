//! The commands, run as processes. Those that need a server run beside a real one.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::{Holdpoint, Origin, Setup, TestAuthority};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// The binary in a folder, with nothing inherited that could change what it does.
fn holdpoint(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdpoint"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .current_dir(folder)
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output of a command that must succeed.
#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Standard error of a command that must fail.
#[track_caller]
fn fails(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn every_mistake_of_the_configuration_is_shown_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("holdpoint.yaml"), "listen: 8080\nmode: obsreve\n").unwrap();
    for command in [&["serve"][..], &["agents", "list"], &["env"], &["holds", "list"], &["ca", "path"]] {
        let stderr = fails(&holdpoint(folder.path(), command));
        assert!(stderr.contains("2 mistakes") && stderr.contains("holdpoint.yaml:2:7"), "{stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");
}

#[test]
fn a_configuration_that_is_named_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let stderr = fails(&holdpoint(folder.path(), &["agents", "list", "--config", "missing.yaml"]));
    assert!(stderr.contains("`missing.yaml`: No such file"), "{stderr}");
}

#[test]
fn agents_are_enrolled_listed_rotated_and_revoked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| holdpoint(folder.path(), args);
    let added: Value = serde_json::from_str(&ok(&run(&[
        "agents", "add", "ci", "--owner", "alice", "--label", "team=web", "--json",
    ])))
    .unwrap();
    let token = added["token"].as_str().unwrap();
    assert_eq!(added["proxy"], format!("http://ci:{token}@127.0.0.1:8080"));

    let listed = ok(&run(&["agents", "list"]));
    assert!(
        listed.lines().any(|l| l.starts_with("ci ") && l.contains("alice") && l.contains("team=web")),
        "{listed}"
    );
    assert!(!listed.contains(token));

    let rotated: Value = serde_json::from_str(&ok(&run(&["agents", "rotate", "ci", "--json"]))).unwrap();
    assert_ne!(rotated["token"], added["token"]);
    ok(&run(&["agents", "revoke", "ci"]));
    assert!(fails(&run(&["agents", "revoke", "ci"])).contains("there is no agent `ci` to revoke"));
    assert!(fails(&run(&["agents", "add", "ci"])).contains("not used again"));
    assert!(fails(&run(&["agents", "add", "two words"])).contains("`two words`"));

    let events: Vec<Value> =
        ok(&run(&["ledger", "export"])).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of_ci: Vec<_> = events.iter().filter(|e| e["subject"] == "ci").map(|e| e["event"].clone()).collect();
    assert_eq!(of_ci, ["agent.added", "agent.rotated", "agent.revoked"]);
    assert!(ok(&run(&["ledger", "verify"])).starts_with("sound: "));
    let only = ok(&run(&["ledger", "export", "--event", "agent.revoked", "--since", "1h"]));
    assert_eq!(only.lines().count(), 1);
    assert_eq!(ok(&run(&["ledger", "export", "--until", "1h"])), "");
}

/// Somebody who can write to the database takes the triggers away and changes who did it.
#[tokio::test]
async fn a_changed_ledger_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    ok(&holdpoint(folder.path(), &["reviewers", "add", "bob"]));
    ok(&holdpoint(folder.path(), &["reviewers", "revoke", "bob"]));
    assert!(ok(&holdpoint(folder.path(), &["ledger", "list"])).contains("reviewer.added"));

    let options = SqliteConnectOptions::new().filename(folder.path().join("data/holdpoint.db"));
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let change = "DROP TRIGGER audit_stays; UPDATE audit SET canonical = replace(canonical, 'bob', 'eve') WHERE seq = 1";
    database.execute(change).await.unwrap();
    database.close().await.unwrap();

    let output = holdpoint(folder.path(), &["ledger", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("BROKEN at "), "{}", text(&output.stdout));
    let json = holdpoint(folder.path(), &["ledger", "verify", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&json.stdout).unwrap()["sound"], false);
}

#[test]
fn reviewers_are_added_linked_and_revoked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| holdpoint(folder.path(), args);
    let added: Value = serde_json::from_str(&ok(&run(&[
        "reviewers",
        "add",
        "bob",
        "--group",
        "a",
        "--group",
        "b",
        "--json",
    ])))
    .unwrap();
    assert!(added["token"].as_str().unwrap().len() > 20);
    assert_eq!((&added["name"], &added["groups"]), (&"bob".into(), &serde_json::json!(["a", "b"])));
    let link = ok(&run(&["reviewers", "link", "bob"]));
    assert!(link.starts_with("http://127.0.0.1:8081/login?link="), "{link}");
    assert!(fails(&run(&["reviewers", "link", "eve"])).contains("there is no reviewer `eve`"));
    ok(&run(&["reviewers", "revoke", "bob"]));
    assert!(ok(&run(&["reviewers", "list"])).contains("revoked"));
    assert!(fails(&run(&["reviewers", "link", "bob"])).contains("there is no reviewer `bob`"));
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| holdpoint(folder.path(), args);
    assert!(fails(&run(&["run", "--", "true"])).contains("start `holdpoint serve` first"));
    assert!(fails(&run(&["ca", "show"])).contains("start `holdpoint serve`"));
    assert!(fails(&run(&["holds", "list"])).contains("HOLDPOINT_TOKEN"));
    let stderr = fails(&run(&["holds", "list", "--token", "x", "--url", "http://127.0.0.1:1"]));
    assert!(stderr.contains("start it with `holdpoint serve`"), "{stderr}");
    assert!(fails(&run(&["holds", "show", "7", "--token", "x"])).contains("a hold id is"));

    std::fs::create_dir(folder.path().join("certs")).unwrap();
    std::fs::write(folder.path().join("certs/ca.pem"), "a CA\n").unwrap();
    let stderr = fails(&run(&["run", "--proxy", "http://127.0.0.1:1", "--", "true"]));
    assert!(stderr.contains("Holdpoint does not answer on 127.0.0.1:1"), "{stderr}");
    assert!(ok(&run(&["env"])).contains("export HTTPS_PROXY=http://127.0.0.1:8080\n"));
}

async fn server() -> Holdpoint {
    Setup::new().start().await
}

#[tokio::test]
async fn run_becomes_the_command_behind_the_proxy() {
    let holdpoint = server().await;
    let output = holdpoint.cli(&["run", "--", "sh", "-c", "env; exit 7"]).await;
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    let proxy = format!("http://{}", holdpoint.listen);
    let certs = holdpoint.ca_file().parent().unwrap().to_owned();
    let bundle = certs.join("bundle.pem");
    for (name, value) in [
        ("HTTPS_PROXY", proxy.as_str()),
        ("http_proxy", &proxy),
        ("NO_PROXY", ""),
        ("NODE_EXTRA_CA_CERTS", holdpoint.ca_file().to_str().unwrap()),
        ("SSL_CERT_FILE", bundle.to_str().unwrap()),
        ("GIT_SSL_CAINFO", bundle.to_str().unwrap()),
    ] {
        assert!(stdout.lines().any(|line| line == format!("{name}={value}")), "{name}={value} in:\n{stdout}");
    }
    assert!(std::fs::read_to_string(&bundle).unwrap().contains(holdpoint.ca.trim()));
}

/// A machine may have a proxy, exceptions and roots of its own.
#[tokio::test]
async fn run_overrides_what_it_inherits() {
    let holdpoint = server().await;
    let output = holdpoint
        .command(["run", "--", "env"])
        .envs([
            ("HTTPS_PROXY", "http://elsewhere:1"),
            ("ALL_PROXY", "socks5://elsewhere:1"),
            ("no_proxy", "*"),
            ("SSL_CERT_DIR", "/elsewhere"),
            ("NODE_EXTRA_CA_CERTS", "/elsewhere"),
        ])
        .output()
        .await
        .unwrap();
    let stdout = ok(&output);
    assert!(!stdout.contains("elsewhere") && !stdout.contains("no_proxy=*"), "{stdout}");
}

#[tokio::test]
async fn a_command_that_is_not_there_is_named() {
    let holdpoint = server().await;
    let output = holdpoint.cli(&["run", "--", "no-such-command"]).await;
    assert!(fails(&output).contains("cannot start `no-such-command`"));
}

#[tokio::test]
async fn run_finds_out_that_the_credentials_are_wrong() {
    let holdpoint = server().await;
    let output = holdpoint.cli(&["run", "--agent", "nobody", "--token", "wrong", "--", "true"]).await;
    assert!(fails(&output).contains("does not know this agent and token"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn holds_are_decided_from_the_command_line() {
    let authority = TestAuthority::new("origins");
    let origin = Origin::tls(&authority, &["api.test"]).await;
    let holdpoint = Setup::new().origin("api.test:443", &origin).trust(&authority).start().await;
    let url = "https://api.test/held/x";
    let curl = |data: &'static str| {
        holdpoint.command(["run", "--", "curl", "-sS", "-w", "%{http_code}", "-d", data, url]).output()
    };

    // No token is said: in solo mode the operator's file is enough.
    let decide = async |vote: &[&str]| {
        let listed = loop {
            let listed = holdpoint.cli_json(&["holds", "list", "--json"]).await;
            if !listed["holds"].as_array().unwrap().is_empty() {
                break listed;
            }
        };
        let hold = &listed["holds"][0];
        let id = hold["id"].as_str().unwrap();
        let shown = ok(&holdpoint.cli(&["holds", "show", id]).await);
        assert!(
            shown.contains(hold["digest"].as_str().unwrap())
                && shown.contains("POST https://api.test/held/x")
        );
        let stale = format!("sha256:{}", "0".repeat(64));
        fails(&holdpoint.cli(&["holds", "approve", id, "--digest", &stale]).await);
        let args: Vec<&str> = ["holds", vote[0], id].into_iter().chain(vote[1..].iter().copied()).collect();
        ok(&holdpoint.cli(&args).await)
    };

    let (answer, said) = tokio::join!(curl("amount=1"), decide(&["approve"]));
    assert!(text(&answer.unwrap().stdout).ends_with("200"), "{said}");
    let (answer, said) = tokio::join!(curl("amount=2"), decide(&["deny", "--reason", "not today"]));
    let answer = text(&answer.unwrap().stdout);
    assert!(answer.ends_with("403") && answer.contains("not today"), "{answer} {said}");
    assert!(said.contains("denied"), "{said}");
}

/// The command takes the place of `run`: signals, the terminal and the exit code need no passing on.
#[tokio::test]
async fn run_leaves_no_process_in_between() {
    let holdpoint = server().await;
    let mut command = holdpoint.command(["run", "--", "sh", "-c", "echo $$; kill -TERM $$"]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id().unwrap();
    let output = support::soon("the end of the command", child.wait_with_output()).await.unwrap();
    assert_eq!(text(&output.stdout).trim(), pid.to_string());
    assert_eq!(output.status.signal(), Some(15));
}

#[tokio::test]
async fn new_holds_are_watched() {
    let holdpoint = Setup::new().set("/hold/patience", "0s".into()).start().await;
    let mut watch =
        holdpoint.command(["holds", "watch"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(watch.stderr.take().unwrap()).lines();
    support::soon("the watch", said.next_line()).await.unwrap().expect("it says that it watches");
    let url = "http://api.test/held/x";
    ok(&holdpoint.cli(&["run", "--", "curl", "-sS", "-d", "a=1", url]).await);
    let mut seen = BufReader::new(watch.stdout.take().unwrap()).lines();
    let line = support::soon("the hold", seen.next_line()).await.unwrap().expect("a line");
    assert!(line.contains("pending  POST http://api.test/held/x  by local  (test/held"), "{line}");
    watch.kill().await.unwrap();
}
