//! Holding, deciding and releasing, through the real binary: sockets on one side, the API on the other.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod decide;
mod ledger;
mod limits;
mod own;
mod replies;
mod resend;

use support::{Holdpoint, Origin, Reply, Reviewer, Setup, TestAuthority, Wire};

/// A Holdpoint, the origin `api.test`, and alice, who reviews.
struct Scene {
    origin: Origin,
    holdpoint: Holdpoint,
    alice: Reviewer,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls_h1(&authority, &["api.test"]).await;
        let setup = Setup::new().trust(&authority).origin("api.test:443", &origin);
        let holdpoint = change(setup).start().await;
        let alice = holdpoint.reviewer("alice", &["security"]).await;
        Self { origin, holdpoint, alice }
    }

    /// Rules of the test `held` with this `review:` block.
    async fn reviewed(review: &str) -> Self {
        Self::with(|setup| setup.rules(&rule(review))).await
    }

    /// A connection of the agent `local`.
    async fn wire(&self) -> Wire {
        self.wire_as("").await
    }

    /// A connection of the agent with these credentials.
    async fn wire_as(&self, credentials: &str) -> Wire {
        Wire::tunnel_as(self.holdpoint.listen, "api.test:443", "api.test", &self.holdpoint.ca, credentials)
            .await
            .expect("a tunnel")
    }

    /// A held request on its way: sent on a connection of its own, not yet answered.
    async fn park(&self, body: &str) -> Wire {
        let mut wire = self.wire().await;
        wire.send(held(body)).await;
        wire
    }

    /// Sends a held request and reads its answer.
    async fn ask(&self, body: &str) -> Reply {
        self.park(body).await.reply().await
    }

    /// Starts the binary again after it ended; alice goes to its new address.
    async fn start_again(&mut self) {
        self.holdpoint.start_again().await;
        self.alice = self.alice.at(self.holdpoint.control);
    }
}

/// A request that the rules hold.
fn held(body: &str) -> String {
    post("/held/things", "", body)
}

fn post(target: &str, fields: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: api.test\r\n{fields}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn rule(review: &str) -> String {
    format!(
        r#"
pack: test
rules:
  - id: held
    when: {{ path: "/held/**" }}
    verdict: hold
    why: The test says so.
    review: {review}
    examples:
      hold: [ "POST https://api.test/held/x" ]
      pass: [ "POST https://api.test/echo" ]
"#
    )
}
