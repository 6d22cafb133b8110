//! Bodies, written in every way that we could think of: through the real proxy to an origin that takes anything.
//! A trick that reaches the origin is a rule that was slipped past; an ordinary body that does not is a client
//! that we broke. One line for each, with a name.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod charset;
mod coding;
mod form;
mod json;
mod kinds;
mod limit;
mod multipart;

use support::{Holdpoint, Origin, Setup, TestAuthority, Wire};

/// What each category is judged by. They deny, also what they cannot read: that ends a request at once.
const RULES: &str = r#"
pack: bodies
rules:
  - id: role
    when: { method: POST, path: /users, body: { role: admin } }
    verdict: deny
    on-unreadable: deny
    why: An administrator is made.
  - id: any-method
    when: { path: /any, body: { role: admin } }
    verdict: deny
    on-unreadable: deny
    why: An administrator is made.
  - id: nested
    when: { method: POST, path: /nested, body: { /user/role: admin } }
    verdict: deny
    on-unreadable: deny
    why: An administrator is made.
  - id: spec
    when: { method: POST, path: /spec, body: { /spec/x: 1 } }
    verdict: deny
    on-unreadable: deny
    why: It is one.
  - id: item
    when: { method: POST, path: /items, body: { /items/*/price: { gt: 10000 } } }
    verdict: deny
    on-unreadable: deny
    why: It costs much.
  - id: pay
    when: { method: POST, path: /pay, body: { amount: { gt: 10000 } } }
    verdict: deny
    on-unreadable: deny
    why: Much money.
  - id: camel
    when: { method: POST, path: /keys, body: { privateKey: { exists: true } } }
    verdict: deny
    on-unreadable: deny
    why: A key leaves.
  - id: force
    when: { method: [POST, PATCH], path: /force, body: { force: true } }
    verdict: deny
    on-unreadable: deny
    why: It is forced.
  - id: text
    when: { method: POST, path: /text, body: { text: { regex: "(?i)drop\\s+table" } } }
    verdict: deny
    on-unreadable: deny
    why: A table is dropped.
  - id: expression
    when: { method: POST, path: /cel, if: 'has(request.body.role) && request.body.role == "admin"' }
    verdict: deny
    on-unreadable: deny
    why: An administrator is made.
  - id: expression-on-text
    when: { method: POST, path: /cel-text, if: 'request.text.contains("drop table")' }
    verdict: deny
    on-unreadable: deny
    why: A table is dropped.
  - id: held
    when: { method: POST, path: /held, body: { role: admin } }
    verdict: hold
    why: An administrator is made.
  - id: big
    when: { method: POST, path: /sized, size: { gt: 2KiB } }
    verdict: deny
    on-unreadable: deny
    why: It is long.
  - id: user
    when: { method: POST, path: /strict, body: { role: user } }
    verdict: pass
    why: Users may be made.
"#;

/// One request, and what is to become of it.
struct Case {
    name: String,
    method: &'static str,
    target: String,
    fields: String,
    body: Vec<u8>,
    framing: Framing,
    passes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
}

/// It is held or refused, and nothing of it arrives.
fn stopped(name: &str, target: &str, kind: &str, body: impl AsRef<[u8]>) -> Case {
    let fields = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
    let (name, target, body) = (name.to_owned(), target.to_owned(), body.as_ref().to_vec());
    Case { name, method: "POST", target, fields, body, framing: Framing::Length, passes: false }
}

/// It arrives, byte for byte.
fn passes(name: &str, target: &str, kind: &str, body: impl AsRef<[u8]>) -> Case {
    Case { passes: true, ..stopped(name, target, kind, body) }
}

impl Case {
    fn field(mut self, line: &str) -> Self {
        self.fields.push_str(line);
        self.fields.push_str("\r\n");
        self
    }

    fn to(self, target: &str) -> Self {
        Self { target: target.to_owned(), ..self }
    }

    fn coded(self, coding: &str) -> Self {
        self.field(&format!("Content-Encoding: {coding}"))
    }

    fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    fn chunked(self) -> Self {
        Self { framing: Framing::Chunked, ..self }
    }

    fn bytes(&self, number: usize) -> Vec<u8> {
        let Self { method, target, fields, body, .. } = self;
        let head = format!("{method} {target} HTTP/1.1\r\nHost: api.test\r\nX-Case: {number}\r\n{fields}");
        match self.framing {
            Framing::Length => {
                [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
            }
            Framing::Chunked => {
                let mut bytes = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
                for chunk in body.chunks(7) {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    bytes.extend([chunk, b"\r\n"].concat());
                }
                bytes.extend(b"0\r\n\r\n");
                bytes
            }
        }
    }
}

/// A Holdpoint and the origin `api.test`.
struct Scene {
    origin: Origin,
    holdpoint: Holdpoint,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls(&authority, &["api.test"]).await;
        let setup = Setup::new()
            .trust(&authority)
            .origin("api.test:443", &origin)
            .set("/hold/patience", serde_json::json!("0s"))
            .rules(RULES);
        Self { origin, holdpoint: change(setup).start().await }
    }

    async fn wire(&self) -> Wire {
        Wire::tunnel(self.holdpoint.listen, "api.test:443", &self.holdpoint.ca).await
    }

    /// Sends each on a connection of its own, and reports all that went another way than it should.
    async fn judge(&self, cases: impl IntoIterator<Item = Case>) {
        let cases: Vec<Case> = cases.into_iter().collect();
        let mut replies = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let mut wire = self.wire().await;
            let _ = wire.try_send(case.bytes(number)).await;
            replies.push(wire.reply().await);
        }
        let seen = self.origin.seen();
        let mut wrong = Vec::new();
        for (number, (case, reply)) in cases.iter().zip(&replies).enumerate() {
            let here = number.to_string();
            let arrived: Vec<_> = seen.iter().filter(|seen| seen.field("x-case") == Some(&here)).collect();
            let fine = match (case.passes, arrived.as_slice()) {
                (true, [seen]) => reply.status == 200 && seen.complete && seen.body == case.body,
                // gRPC has statuses of its own.
                (false, []) => (400..500).contains(&reply.status) || reply.field("grpc-status").is_some(),
                _ => false,
            };
            if !fine {
                let should = if case.passes { "pass" } else { "stop" };
                let text = reply.text().chars().take(160).collect::<String>();
                wrong.push(format!("should {should}: {} ({} {text})", case.name, reply.status));
            }
        }
        assert!(wrong.is_empty(), "{} of {} cases: {wrong:#?}", wrong.len(), cases.len());
        let passed = cases.iter().filter(|case| case.passes).count();
        assert_eq!(seen.len(), passed, "nothing else arrives");
    }
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const ADMIN: &str = r#"{"role": "admin"}"#;
const USER: &str = r#"{"role": "user"}"#;
