//! Telling machines and people: webhooks, routes, escalation, floods, through the real binary.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod flood;
mod receiver;
mod routes;
mod webhook;

use receiver::Receiver;
use serde_json::{Value, json};
use support::{Holdpoint, Origin, Reviewer, Setup, TestAuthority, Wire, soon};

/// A Holdpoint that tells `receiver`, the origin `api.test`, and alice, who reviews.
struct Scene {
    _origin: Origin,
    holdpoint: Holdpoint,
    alice: Reviewer,
}

impl Scene {
    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls_h1(&authority, &["api.test"]).await;
        let setup = Setup::new().trust(&authority).origin("api.test:443", &origin);
        let holdpoint = change(setup).start().await;
        let alice = holdpoint.reviewer("alice", &["security"]).await;
        Self { _origin: origin, holdpoint, alice }
    }

    /// A request that the rules hold, on its way: not yet answered.
    async fn park(&self, path: &str, body: &str) -> Wire {
        let mut wire =
            Wire::tunnel_as(self.holdpoint.listen, "api.test:443", "api.test", &self.holdpoint.ca, "")
                .await
                .expect("a tunnel");
        wire.send(format!(
            "POST {path} HTTP/1.1\r\nHost: api.test\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
        wire
    }

    async fn start_again(&mut self) {
        self.holdpoint.start_again().await;
        self.alice = self.alice.at(self.holdpoint.control);
    }

    async fn deliveries(&self, query: &str) -> Vec<Value> {
        let reply = self.alice.get(&format!("/v1/deliveries{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["deliveries"].as_array().expect("a list").clone()
    }

    /// Waits until the deliveries are as `find` wants them.
    async fn until<T>(&self, what: &str, query: &str, find: impl Fn(&[Value]) -> Option<T>) -> T {
        soon(what, async {
            loop {
                if let Some(found) = find(&self.deliveries(query).await) {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

/// A webhook of the configuration.
fn webhook(receiver: &Receiver, events: &[&str]) -> Value {
    json!({ "url": receiver.url("/in?key=k"), "secret": SECRET, "events": events })
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
