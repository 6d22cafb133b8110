//! Tokens of the identity provider at the API, and the command line that gets them.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod api;
mod cli;

use serde_json::{Value, json};
use support::public::PublicIdp;
use support::{Holdpoint, Origin, Reviewer, Setup, TestAuthority, Wire};

/// A Holdpoint whose reviewers are the provider's group `oncall`, and with `auditors` and `admins` beside them.
struct Scene {
    idp: PublicIdp,
    origin: Origin,
    holdpoint: Holdpoint,
}

impl Scene {
    async fn new() -> Self {
        let idp = PublicIdp::start().await;
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls_h1(&authority, &["api.test"]).await;
        let roles = json!([
            { "group": "oncall", "role": "reviewer" },
            { "group": "audit", "role": "auditor" },
            { "group": "admins", "role": "admin" },
        ]);
        let setup = Setup::new().trust(&authority).origin("api.test:443", &origin).set("/solo", json!(false));
        let holdpoint = setup.set("/identity", idp.config()).set("/roles", roles).start().await;
        Self { idp, origin, holdpoint }
    }

    /// Whoever has a token with these claims.
    #[expect(clippy::needless_pass_by_value, reason = "reads better where claims are written in place")]
    fn with(&self, claims: Value) -> Reviewer {
        Reviewer::new(self.holdpoint.control, &self.idp.access_token(&claims))
    }

    /// A held request of `ci`, which belongs to dora.
    async fn park(&self) -> Wire {
        let credentials = self.holdpoint.agent("ci", &["dora"]).await;
        let Holdpoint { listen, ca, .. } = &self.holdpoint;
        let mut wire = Wire::tunnel_as(*listen, "api.test:443", "api.test", ca, &credentials).await.unwrap();
        wire.send("POST /held/x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\nhi").await;
        wire
    }
}
