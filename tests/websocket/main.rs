//! WebSockets over real sockets: what is said on them is judged message by message, and leaves as it was judged.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod ends;
mod frames;
mod held;
mod opening;
mod sse;
mod words;

use support::{Holdpoint, Origin, Reviewer, Setup, TestAuthority};

/// Messages with `delete` in them wait, those with `never` are refused; JSON-RPC and GraphQL by what they call; at
/// `/ws/free` no rule can match.
const RULES: &str = r#"
pack: test
rules:
  - id: delete
    when: { host: api.test, path: "/ws", body: { text: { regex: "(?i)delete" } } }
    verdict: hold
    why: It deletes.
    examples:
      hold: [ { method: POST, url: "https://api.test/ws", body: "please delete it" } ]
      pass: [ { method: POST, url: "https://api.test/ws", body: "hello" } ]
  - id: never
    when: { host: api.test, path: "/ws", body: { text: { regex: "never" } } }
    verdict: deny
    why: Nobody may.
    examples:
      deny: [ { method: POST, url: "https://api.test/ws", body: "never do that" } ]
      pass: [ { method: POST, url: "https://api.test/ws", body: "hello" } ]
  - id: delete-tool
    when: { host: api.test, method: POST, path: ["/ws/rpc", "/messages"], rpc: { method: tools/call, tool: "delete_*" } }
    verdict: hold
    why: The tool deletes.
    examples:
      hold: [ { method: POST, url: "https://api.test/ws/rpc", body: { jsonrpc: "2.0", id: 1, method: tools/call, params: { name: delete_x } } } ]
      pass: [ { method: POST, url: "https://api.test/ws/rpc", body: { jsonrpc: "2.0", id: 1, method: tools/call, params: { name: get_x } } } ]
  - id: drop-tool
    when: { host: api.test, method: POST, path: "/ws/rpc", rpc: { tool: "drop_*" } }
    verdict: deny
    why: Nobody may.
    examples:
      deny: [ { method: POST, url: "https://api.test/ws/rpc", body: { jsonrpc: "2.0", id: 1, method: tools/call, params: { name: drop_x } } } ]
      pass: [ { method: POST, url: "https://api.test/ws/rpc", body: { jsonrpc: "2.0", id: 1, method: tools/call, params: { name: get_x } } } ]
  - id: mutation
    when: { host: api.test, method: POST, path: "/ws/graphql", graphql: { type: mutation, field: "delete*" } }
    verdict: deny
    why: Nobody may.
    examples:
      deny: [ { method: POST, url: "https://api.test/ws/graphql", body: { query: "mutation { deleteUser(id: 1) { id } }" } } ]
      pass: [ { method: POST, url: "https://api.test/ws/graphql", body: { query: "{ user { id } }" } } ]
"#;

/// A Holdpoint, the origin `api.test`, and somebody who reviews.
struct Scene {
    origin: Origin,
    holdpoint: Holdpoint,
    reviewer: Reviewer,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls_h1(&authority, &["api.test"]).await;
        let setup = Setup::new().trust(&authority).origin("api.test:443", &origin).rules(RULES);
        let holdpoint = change(setup).start().await;
        let reviewer = holdpoint.reviewer("ann", &[]).await;
        Self { origin, holdpoint, reviewer }
    }
}
