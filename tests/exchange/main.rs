//! The data plane over real sockets: what passes arrives as it was sent, and what must not pass never arrives.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod agreement;
mod framing;
mod pass;
mod record;
mod streams;
mod ways;

use support::{Holdpoint, Origin, Setup, TestAuthority, Wire};

/// A Holdpoint and the origin `api.test`.
struct Scene {
    authority: TestAuthority,
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
        let setup = Setup::new().trust(&authority).origin("api.test:443", &origin);
        let holdpoint = change(setup).start().await;
        Self { authority, origin, holdpoint }
    }

    async fn wire(&self) -> Wire {
        Wire::tunnel(self.holdpoint.listen, "api.test:443", &self.holdpoint.ca).await
    }
}

/// A request head as most tests send it, with a body of the length that its field says.
fn request(method: &str, target: &str, fields: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} {target} HTTP/1.1\r\nHost: api.test\r\n{fields}{length}\r\n{body}")
}
