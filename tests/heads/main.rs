//! No way to write the head of a sensitive request so that it passes, and no ordinary way that does not. Each file is
//! a table of tricks (one line each, with a name) against the real binary and a real origin.
//!
//! What is sensitive is denied here, and not held: both come from the same ruling, and an answer comes at once.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod authority;
mod fields;
mod frames;
mod framing;
mod http2;
mod methods;
mod objects;
mod paths;
mod pipelines;
mod tunnels;

use std::fmt::Write as _;
use support::{Holdpoint, Origin, Setup, TestAuthority, Wire};

/// Sensitive: deleting a user, all below `/admin`, purging, forcing, the environment `prod`, and one host.
const RULES: &str = r#"
pack: heads
rules:
  - { id: user, verdict: deny, why: x, when: { method: DELETE, path: "/users/{id}" } }
  - { id: admin, verdict: deny, why: x, when: { path: "/admin/**" } }
  - { id: purge, verdict: deny, why: x, when: { method: POST, path: "/v1/{name}:purge" } }
  - { id: cafe, verdict: deny, why: x, when: { path: "/café/**" } }
  - { id: force, verdict: deny, why: x, when: { path: "/repos/{name}", query: { force: "true" } } }
  - { id: destroy, verdict: deny, why: x, when: { path: { regex: ":destroy$" } } }
  - { id: env, verdict: deny, why: x, when: { header: { x-env: prod } } }
  - { id: inner, verdict: deny, why: x, when: { host: inner.test } }
  - { id: job, verdict: deny, why: x, when: { path: "/jobs/{id}", body: { force: true } } }
  - { id: delete, verdict: deny, why: x, when: { host: only.test, method: DELETE } }
  - { id: parked, verdict: hold, why: x, when: { path: "/parked/**" } }
"#;

/// A Holdpoint in front of `api.test`, where all that no rule stops passes.
struct Scene {
    origin: Origin,
    holdpoint: Holdpoint,
    /// Requests that should have arrived so far.
    arrived: usize,
    wrong: Vec<String>,
}

impl Scene {
    async fn new() -> Self {
        // What nobody can read is held, and nobody is there to decide.
        Self::with(RULES, &["api.test"], |setup| setup.set("/hold/patience", serde_json::json!("20ms"))).await
    }

    async fn with(rules: &str, hosts: &[&str], change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls_h1(&authority, hosts).await;
        let mut setup = Setup::new().rules(rules).trust(&authority);
        for host in hosts {
            setup = setup.origin(&format!("{host}:443"), &origin);
        }
        let holdpoint = change(setup).start().await;
        Self { origin, holdpoint, arrived: 0, wrong: Vec::new() }
    }

    async fn wire(&self) -> Wire {
        self.wire_to("api.test").await
    }

    async fn wire_to(&self, host: &str) -> Wire {
        Wire::tunnel(self.holdpoint.listen, &format!("{host}:443"), &self.holdpoint.ca).await
    }

    /// Sends bytes in a tunnel. They are refused or not answered at all, and nothing arrives.
    async fn stopped(&mut self, name: &str, bytes: impl AsRef<[u8]>) {
        self.stopped_at("api.test", name, bytes).await;
    }

    async fn stopped_at(&mut self, host: &str, name: &str, bytes: impl AsRef<[u8]>) {
        let mut wire = self.wire_to(host).await;
        let _ = wire.try_send(&bytes).await; // the answer may come before all was sent
        let status = status(&mut wire).await;
        self.note_stopped(name, status, &shown(bytes.as_ref()));
    }

    fn note_stopped(&mut self, name: &str, status: Option<u16>, sent: &str) {
        let refused =
            status.is_none_or(|status| (400..=431).contains(&status) || [501, 505].contains(&status));
        let seen = self.origin.seen();
        if !refused || seen.len() != self.arrived {
            let arrived: Vec<String> =
                seen.iter().skip(self.arrived).map(|s| format!("{} {}", s.method, s.target)).collect();
            let _ = write!(self.note(), "not stopped: {name}: {status:?}, arrived {arrived:?}, sent {sent}");
            self.arrived = seen.len();
        }
    }

    /// Sends a request in a tunnel. It arrives with this method and target, for this very host.
    async fn passed(&mut self, name: &str, bytes: impl AsRef<[u8]>, method: &str, target: &str) {
        self.passed_at("api.test", name, bytes, method, target).await;
    }

    async fn passed_at(
        &mut self,
        host: &str,
        name: &str,
        bytes: impl AsRef<[u8]>,
        method: &str,
        target: &str,
    ) {
        let mut wire = self.wire_to(host).await;
        let _ = wire.try_send(&bytes).await;
        let status = status(&mut wire).await;
        self.note_passed(name, status, (method, target, host));
    }

    fn note_passed(&mut self, name: &str, status: Option<u16>, expected: (&str, &str, &str)) {
        let seen = self.origin.seen();
        let last = seen.last().filter(|_| seen.len() == self.arrived + 1);
        let as_meant =
            last.is_some_and(|s| (s.method.as_str(), s.target.as_str(), s.host.as_str()) == expected);
        if status != Some(200) || !as_meant {
            let last = last.map(|s| format!("{} {} for {}", s.method, s.target, s.host));
            let _ =
                write!(self.note(), "not passed: {name}: {status:?}, arrived {last:?}, meant {expected:?}");
        }
        self.arrived = seen.len();
    }

    fn note(&mut self) -> &mut String {
        self.wrong.push(String::new());
        self.wrong.last_mut().expect("just pushed")
    }

    /// Fails with all that went wrong; nothing may have arrived late.
    #[track_caller]
    fn end(&self) {
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert_eq!(self.origin.seen().len(), self.arrived, "something arrived late");
    }
}

/// The status of the next final answer; `None` when the connection ends without one.
async fn status(wire: &mut Wire) -> Option<u16> {
    loop {
        let text = String::from_utf8_lossy(wire.ahead()).into_owned();
        let heads = text.split_inclusive("\r\n\r\n").filter(|head| head.ends_with("\r\n\r\n"));
        let statuses = heads.filter_map(|head| head.split(' ').nth(1)?.parse().ok());
        if let Some(status) = statuses.into_iter().find(|status: &u16| *status >= 200) {
            return Some(status);
        }
        if !wire.more().await {
            return None;
        }
    }
}

/// A request with these lines of fields (each with its end) and this body, whose length is said.
fn request(method: &str, target: &str, fields: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} {target} HTTP/1.1\r\nHost: api.test\r\n{fields}{length}\r\n{body}")
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(300).collect::<String>().escape_debug().to_string()
}
