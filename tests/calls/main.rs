//! Protocols inside requests, written in every way that somebody may think of: what a rule names never arrives, and
//! what only looks like it arrives as it was sent.
//!
//! One file for each protocol, one Holdpoint and one origin for each test, one line for each trick. A request is
//! *stopped* when it is answered with a 4xx of ours (or what git takes for one) and not one more request has arrived; it
//! has *passed* when it arrived with the same body.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod aws;
mod batch;
mod git;
mod graphql;
mod k8s;
mod rpc;
mod sql;

use serde_json::json;
use std::collections::HashMap;
use support::{Holdpoint, Origin, Reply, Setup, TestAuthority, Wire};

/// What must become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Stopped,
    Passed,
}

/// One way to write a request.
struct Case {
    name: String,
    host: String,
    bytes: Vec<u8>,
    outcome: Outcome,
}

/// The cases of one file.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn stopped(&mut self, name: impl Into<String>, (host, bytes): (String, Vec<u8>)) {
        self.0.push(Case { name: name.into(), host, bytes, outcome: Outcome::Stopped });
    }

    fn passed(&mut self, name: impl Into<String>, (host, bytes): (String, Vec<u8>)) {
        self.0.push(Case { name: name.into(), host, bytes, outcome: Outcome::Passed });
    }

    /// Sends them one by one, and names all that went wrong.
    async fn run(self, rules: &str) {
        let mut scene = Scene::new(rules, self.0.iter().map(|case| case.host.as_str())).await;
        let mut wrong = Vec::new();
        let count = self.0.len();
        for case in self.0 {
            if let Err(what) = scene.check(&case).await {
                wrong.push(format!("{}: {what}", case.name));
            }
        }
        assert!(wrong.is_empty(), "{} of {count} went wrong: {wrong:#?}", wrong.len());
    }
}

/// A Holdpoint, and one origin that stands for all hosts.
struct Scene {
    origin: Origin,
    holdpoint: Holdpoint,
    /// Tunnels that may be used once more.
    open: HashMap<String, Wire>,
}

impl Scene {
    async fn new<'h>(rules: &str, hosts: impl Iterator<Item = &'h str>) -> Self {
        let authority = TestAuthority::new("Test roots");
        let mut hosts: Vec<&str> = hosts.collect();
        hosts.sort_unstable();
        hosts.dedup();
        let names: Vec<&str> = hosts.iter().map(|host| host.split(':').next().unwrap_or(host)).collect();
        let origin = Origin::tls_h1(&authority, &names).await;
        let mut setup = Setup::new().trust(&authority).rules(rules);
        for host in hosts {
            setup = setup.origin(&with_port(host), &origin);
        }
        // Nobody waits: a held request is answered at once.
        let setup = setup.set("/hold/patience", json!("0s"));
        let setup = setup.set("/limits", json!({ "pending-per-agent": 100_000, "held": 100_000 }));
        Self { origin, holdpoint: setup.start().await, open: HashMap::new() }
    }

    async fn ask(&mut self, (host, bytes): &(String, Vec<u8>)) -> Reply {
        let mut wire = Wire::tunnel(self.holdpoint.listen, &with_port(host), &self.holdpoint.ca).await;
        wire.ask(bytes).await
    }

    async fn check(&mut self, case: &Case) -> Result<(), String> {
        let before = self.origin.seen().len();
        let mut wire = match self.open.remove(&case.host) {
            Some(wire) => wire,
            None => Wire::tunnel(self.holdpoint.listen, &with_port(&case.host), &self.holdpoint.ca).await,
        };
        // What is too long may be answered before all of it was sent.
        let sent = wire.try_send(&case.bytes).await;
        let head_only = case.bytes.starts_with(b"HEAD ");
        let reply = if head_only { wire.head().await } else { wire.reply().await };
        let ends = sent.is_err() || ![200, 428].contains(&reply.status) || case.bytes.len() > KEPT_BYTES_MAX;
        if !(ends || head_only || reply.field("connection") == Some("close")) {
            self.open.insert(case.host.clone(), wire);
        }
        let seen = self.origin.seen();
        let arrived = seen.len() - before;
        match case.outcome {
            Outcome::Stopped if arrived > 0 => Err(format!("it arrived ({})", reply.status)),
            Outcome::Stopped if reply.status == 200 && reply.text().contains("Nothing was sent") => Ok(()),
            Outcome::Stopped if !(400..500).contains(&reply.status) => {
                Err(format!("nothing arrived, but the answer is {}: {}", reply.status, reply.text()))
            }
            Outcome::Stopped => Ok(()),
            Outcome::Passed if arrived == 0 => {
                Err(format!("it was stopped: {} {}", reply.status, shown(&reply.text())))
            }
            Outcome::Passed => {
                let body = body_of(&case.bytes);
                let last = seen.last().expect("one arrived");
                if last.body == body { Ok(()) } else { Err("another body arrived".to_owned()) }
            }
        }
    }
}

fn with_port(host: &str) -> String {
    if host.contains(':') { host.to_owned() } else { format!("{host}:443") }
}

fn body_of(bytes: &[u8]) -> &[u8] {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    &bytes[at + 4..]
}

fn shown(text: &str) -> String {
    text.chars().take(400).collect()
}

/// A request with these lines in its head (each ended by CRLF), and the length of its body.
fn request(
    method: &str,
    host: &str,
    target: &str,
    fields: &str,
    body: impl AsRef<[u8]>,
) -> (String, Vec<u8>) {
    let body = body.as_ref();
    let length = if body.is_empty() && method == "GET" {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}\r\n");
    (host.to_owned(), [head.as_bytes(), body].concat())
}

/// JSON, sent with POST.
fn post_json(host: &str, target: &str, body: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    request("POST", host, target, "Content-Type: application/json\r\n", body)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// As a component of a query or a form.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A connection that a longer request came on is not used again.
const KEPT_BYTES_MAX: usize = 64 << 10;
