//! What the integration tests stand on: the real binary on ports of its own, real TLS origins that write
//! down what reaches them, and clients that can say every byte themselves.
//!
//! Nothing here sleeps to wait. Every wait is for an event and is bounded by [`soon`], so that a hang is a
//! failure with a name; no test asserts how long anything took.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "each test binary and bench uses its own part of this module; a wrong index is a failed test"
)]

pub mod authority;
pub mod disk;
pub mod git;
pub mod h2;
pub mod holdpoint;
pub mod idp;
pub mod origin;
pub mod public;
pub mod reviewer;
pub mod signer;
pub mod slack;
pub mod tap;
pub mod teams;
pub mod traffic;
pub mod websocket;
pub mod wire;

pub use authority::TestAuthority;
pub use holdpoint::{Holdpoint, Setup};
pub use idp::Idp;
pub use origin::Origin;
pub use reviewer::Reviewer;
pub use wire::{Reply, Wire};

use std::future::Future;
use std::time::Duration;

/// The longest that a test waits for one event. Generous: the machine may be busy, and only a hang gets there.
pub const EVENT_WAIT_MAX: Duration = Duration::from_secs(60);

/// Awaits an event, and fails by name when it does not come.
pub async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(EVENT_WAIT_MAX, event).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// The rules that most tests run with: what is under `/held` waits for a person, what is under `/denied` is
/// refused, all else passes.
pub const RULES: &str = r#"
pack: test
rules:
  - id: held
    when: { path: "/held/**" }
    verdict: hold
    why: The test says so.
    examples:
      hold: [ "POST https://api.test/held/x" ]
      pass: [ "POST https://api.test/echo" ]
  - id: denied
    when: { path: "/denied/**" }
    verdict: deny
    why: Nobody may do this.
    examples:
      deny: [ "POST https://api.test/denied/x" ]
      pass: [ "POST https://api.test/echo" ]
"#;
