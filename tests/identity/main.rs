//! Signing in at an identity provider, through the real binary: a fake provider that can lie, and a real one.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod forged;
mod login;
mod logout;
mod peer;
mod step_up;

use browser::Browser;
use serde_json::{Value, json};
use support::{Holdpoint, Idp, Origin, Reviewer, Setup, TestAuthority, Wire};

/// A provider, a Holdpoint that signs people in there, the origin `api.test`, and its agent `bot` of nobody here.
struct Scene {
    idp: Idp,
    origin: Origin,
    holdpoint: Holdpoint,
    /// The line that makes a client `bot`.
    bot: String,
    /// A local account, to look with.
    looker: Reviewer,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let idp = Idp::start().await;
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls_h1(&authority, &["api.test"]).await;
        let setup = Setup::new()
            .trust(&authority)
            .origin("api.test:443", &origin)
            .rules(RULES)
            .set("/solo", json!(false))
            .set("/identity", idp.config())
            .set(
                "/roles",
                json!([{ "group": "oncall", "role": "reviewer" }, { "group": "audit", "role": "auditor" }]),
            )
            .set("/step-up", json!({ "max-age": "5m", "acr": ["phr"] }));
        let holdpoint = change(setup).start().await;
        let looker = holdpoint.reviewer("looker", &["audit"]).await;
        let bot = holdpoint.agent("bot", &["owner"]).await;
        Self { idp, origin, holdpoint, bot, looker }
    }

    fn browser(&self) -> Browser {
        Browser::new(self.holdpoint.control)
    }

    /// A browser that has signed in.
    async fn signed_in(&self) -> Browser {
        let mut browser = self.browser();
        let page = browser.sign_in("/login/oidc").await;
        assert_eq!(page.status, 200, "{}", page.text());
        browser
    }

    /// The agent asks for something that waits for a person.
    async fn park(&self, target: &str) -> (Wire, Value) {
        let listen = self.holdpoint.listen;
        let wire = Wire::tunnel_as(listen, "api.test:443", "api.test", &self.holdpoint.ca, &self.bot).await;
        let mut wire = wire.expect("a tunnel");
        wire.send(format!("POST {target} HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\nhi")).await;
        (wire, self.looker.wait_pending().await)
    }

    /// Whether the ledger has an event with this in it.
    async fn noted(&self, event: &str, part: &str) -> bool {
        self.holdpoint
            .ledger()
            .await
            .iter()
            .any(|row| row["event"] == event && row.to_string().contains(part))
    }
}

const RULES: &str = r#"
pack: test
rules:
  - id: plain
    when: { path: "/plain/**" }
    verdict: hold
    why: The test says so.
    examples: { hold: [ "POST https://api.test/plain/x" ], pass: [ "POST https://api.test/echo" ] }
  - id: strong
    when: { path: "/strong/**" }
    verdict: hold
    why: The test says so.
    review: { assurance: high }
    examples: { hold: [ "POST https://api.test/strong/x" ], pass: [ "POST https://api.test/echo" ] }
"#;
