//! The real binary, on ports of its own, in a folder of its own.

use super::{Origin, RULES, Reviewer, TestAuthority, Wire, soon};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// What a Holdpoint is started with.
pub struct Setup {
    config: Value,
    rules: String,
    authority: Option<String>,
    data: Option<PathBuf>,
}

impl Setup {
    /// Ports of its own, [`RULES`] and nothing else in force, loopback origins allowed, solo, and patience that
    /// outlasts every test.
    pub fn new() -> Self {
        let config = json!({
            "listen": "127.0.0.1:0",
            "control": { "listen": "127.0.0.1:0" },
            "standard-rules": false,
            "otherwise": { "read": "pass", "write": "pass", "unknown-host": "pass" },
            "solo": true,
            "upstream": { "allow": ["127.0.0.0/8"], "resolve": {} },
            "hold": { "patience": "10m" },
        });
        Self { config, rules: RULES.to_owned(), authority: None, data: None }
    }

    /// Dials `origin` for this `host:port`.
    pub fn origin(mut self, authority: &str, origin: &Origin) -> Self {
        self.config["upstream"]["resolve"][authority] = json!(origin.addr.to_string());
        self
    }

    /// Dials this address for this `host:port`.
    pub fn resolve(mut self, authority: &str, to: SocketAddr) -> Self {
        self.config["upstream"]["resolve"][authority] = json!(to.to_string());
        self
    }

    /// Trusts the origins of this authority.
    pub fn trust(mut self, authority: &TestAuthority) -> Self {
        self.authority = Some(authority.pem());
        self
    }

    /// Sets a key of the configuration, named by its JSON pointer (`/hold/patience`).
    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let parent = self.config.pointer_mut(parent).unwrap_or_else(|| panic!("no `{parent}`"));
        parent[key] = value;
        self
    }

    pub fn rules(mut self, text: &str) -> Self {
        text.clone_into(&mut self.rules);
        self
    }

    /// Puts the data folder somewhere else than under the folder of the test.
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    pub async fn start(mut self) -> Holdpoint {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("rules")).expect("a folder");
        std::fs::write(at("rules").join("test.yaml"), &self.rules).expect("a file");
        if let Some(pem) = &self.authority {
            std::fs::write(at("origins.pem"), pem).expect("a file");
            self.config["upstream"]["extra-ca"] = json!([at("origins.pem")]);
        }
        let data = self.data.unwrap_or_else(|| at("data"));
        self.config["data"] = json!(data);
        self.config["certs"] = json!(at("certs"));
        self.config["rules"] = json!([at("rules")]);
        std::fs::write(at("holdpoint.yaml"), self.config.to_string()).expect("a file");
        let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut holdpoint =
            Holdpoint { folder, data, process: None, listen: unbound, control: unbound, ca: String::new() };
        holdpoint.start_again().await;
        holdpoint
    }
}

pub struct Holdpoint {
    pub folder: TempDir,
    pub data: PathBuf,
    process: Option<Child>,
    /// Where agents connect.
    pub listen: SocketAddr,
    /// Where reviewers connect.
    pub control: SocketAddr,
    /// The CA that agents trust, as PEM text.
    pub ca: String,
}

impl Holdpoint {
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("holdpoint.yaml")
    }

    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("certs/ca.pem")
    }

    pub fn rules_file(&self) -> PathBuf {
        self.folder.path().join("rules/test.yaml")
    }

    /// Starts the binary on the same folder, and waits until it is ready. Its ports are new.
    pub async fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let _ = std::fs::remove_file(self.data.join("server.json"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file()).expect("a log");
        let child = self
            .command(["serve"])
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("the binary starts");
        self.process = Some(child);
        for _ in 0..READY_TRIES_MAX {
            let ended = self.process.as_mut().and_then(|p| p.try_wait().ok().flatten());
            assert!(ended.is_none(), "it ended at once ({ended:?}):\n{}", self.log());
            if self.ready().await {
                return;
            }
            tokio::time::sleep(READY_INTERVAL).await;
        }
        panic!("it was never ready:\n{}", self.log());
    }

    /// Whether `GET /readyz` answers 200 at the address that the server wrote down.
    async fn ready(&mut self) -> bool {
        let Ok(text) = std::fs::read(self.data.join("server.json")) else { return false };
        let Ok(server) = serde_json::from_slice::<Value>(&text) else { return false };
        let addr = |key: &str| server[key].as_str().and_then(|a| a.parse().ok());
        let (Some(listen), Some(control)) = (addr("listen"), addr("control")) else { return false };
        (self.listen, self.control) = (listen, control);
        let Ok(status) = super::reviewer::status(control, "/readyz").await else { return false };
        let Ok(ca) = std::fs::read_to_string(self.ca_file()) else { return false };
        self.ca = ca;
        status == 200
    }

    /// A command line of the binary for this folder, with nothing inherited that could change what it does.
    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdpoint"));
        command
            .env_clear()
            .envs(["PATH", "HOME", "LANG"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .current_dir(self.folder.path())
            .arg("--config")
            .arg(self.config_file())
            .args(args)
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn cli(&self, args: &[&str]) -> Output {
        let output = self.command(args).stdin(Stdio::null()).output();
        soon("the end of a command", output).await.expect("the binary starts")
    }

    /// The JSON that a successful command prints.
    pub async fn cli_json(&self, args: &[&str]) -> Value {
        let output = self.cli(args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}: {}", String::from_utf8_lossy(&output.stdout)))
    }

    /// Makes a reviewer with an API token.
    pub async fn reviewer(&self, name: &str, groups: &[&str]) -> Reviewer {
        let mut args = vec!["reviewers", "add", name, "--json"];
        for group in groups {
            args.extend(["--group", group]);
        }
        let added = self.cli_json(&args).await;
        Reviewer::new(self.control, added["token"].as_str().expect("a token"))
    }

    /// Enrols an agent, and returns the line that a client sends to be it.
    pub async fn agent(&self, name: &str, owners: &[&str]) -> String {
        let mut args = vec!["agents", "add", name, "--json"];
        for owner in owners {
            args.extend(["--owner", owner]);
        }
        let added = self.cli_json(&args).await;
        let token = added["token"].as_str().expect("a token");
        use base64::Engine as _;
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{token}"));
        let line = format!("Proxy-Authorization: Basic {credentials}\r\n");
        soon("the new agent to be known", async {
            // The server sees what another process wrote within a moment.
            let own =
                format!("GET http://holdpoint.internal/ HTTP/1.1\r\nHost: holdpoint.internal\r\n{line}\r\n");
            let listen = SocketAddr::from(([127, 0, 0, 1], self.listen.port()));
            while Wire::plain(listen).await.ask(&own).await.status == 407 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        line
    }

    /// The records of the traffic log.
    pub fn traffic(&self) -> Vec<Value> {
        super::traffic::records(&self.data.join("traffic"))
    }

    /// Ledger rows, oldest first.
    pub async fn ledger(&self) -> Vec<Value> {
        let output = self.cli(&["ledger", "export"]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout)
            .expect("text")
            .lines()
            .map(|line| serde_json::from_str(line).expect("a JSON line"))
            .collect()
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().and_then(Child::id).expect("it runs")
    }

    /// The most memory that the process ever had resident, in KiB.
    pub fn rss_peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a live process");
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("VmHWM");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// `kill -9`, as a crash.
    pub async fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        soon("the end of the process", process.kill()).await.expect("killed");
    }

    /// SIGTERM; returns when the process has ended well.
    pub async fn stop(&mut self) {
        self.signal("TERM").await;
        self.stop_started().await;
    }

    /// Returns when a process that was told to stop has ended well.
    pub async fn stop_started(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let status = soon("a graceful end", process.wait()).await.expect("an end");
        assert!(status.success(), "it ended with {status}:\n{}", self.log());
    }

    pub async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status().await;
        assert!(status.expect("kill is there").success());
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What the process wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_else(|e: io::Error| e.to_string())
    }
}

impl Drop for Holdpoint {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- holdpoint wrote:\n{}----", self.log());
        }
    }
}

/// A debug binary on a busy machine may take seconds to listen; one that never does is a failure.
const READY_TRIES_MAX: usize = 3000;
const READY_INTERVAL: Duration = Duration::from_millis(20);
