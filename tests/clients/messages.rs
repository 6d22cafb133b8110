//! Clients that send more than one message over what they opened: MCP, gRPC, WebSocket. Their origins are the
//! servers of the same libraries.

use super::Scene;
use super::python::client;
use super::story::{Again, Client, whole_story};

#[tokio::test]
async fn mcp() {
    let scene = Scene::service("mcp", &["api.test"], |setup| setup.rules(TOOLS)).await;
    whole_story(&scene, &client("Python: mcp", "mcp", &[])).await;
}

/// The call is repeated within the session, under the next number.
#[tokio::test]
async fn mcp_with_a_session() {
    let scene = Scene::service("mcp", &["api.test"], |setup| setup.rules(TOOLS)).await;
    let client = client("Python: mcp (with a session)", "mcp_session", &["mcp-session-id"]);
    whole_story(&scene, &Client { again: Again::InTheSameRun, ..client }).await;
}

#[tokio::test]
async fn grpc() {
    let scene = Scene::service("grpc", &["api.test"], |setup| setup.rules(CALLS)).await;
    whole_story(&scene, &client("Python: grpcio", "grpc", &[])).await;
}

#[tokio::test]
async fn websockets() {
    let scene = Scene::service("websockets", &["api.test"], |setup| setup).await;
    whole_story(&scene, &client("Python: websockets", "websockets", &["sec-websocket-key"])).await;
}

const TOOLS: &str = r#"
pack: test
rules:
  - id: held
    when: { host: api.test, rpc: { method: tools/call, tool: delete_held } }
    verdict: hold
    why: What is deleted is gone.
    examples:
      hold: [ { method: POST, url: "https://api.test/mcp", body: { jsonrpc: "2.0", id: 1, method: tools/call, params: { name: delete_held } } } ]
      pass: [ { method: POST, url: "https://api.test/mcp", body: { jsonrpc: "2.0", id: 1, method: tools/list } } ]
  - id: parked
    when: { host: api.test, rpc: { method: tools/call, tool: delete_parked } }
    verdict: hold
    why: What is deleted is gone.
    review: { patience: 1s }
    examples:
      hold: [ { method: POST, url: "https://api.test/mcp", body: { jsonrpc: "2.0", id: 1, method: tools/call, params: { name: delete_parked } } } ]
      pass: [ { method: POST, url: "https://api.test/mcp", body: { jsonrpc: "2.0", id: 1, method: tools/list } } ]
"#;
const CALLS: &str = r#"
pack: test
rules:
  - id: held
    when: { grpc: { service: things.v1.Things, method: DeleteHeld } }
    verdict: hold
    why: What is deleted is gone.
    examples:
      hold: [ { method: POST, url: "https://api.test/things.v1.Things/DeleteHeld", headers: { content-type: application/grpc } } ]
      pass: [ { method: POST, url: "https://api.test/things.v1.Things/Look", headers: { content-type: application/grpc } } ]
  - id: parked
    when: { grpc: { service: things.v1.Things, method: DeleteParked } }
    verdict: hold
    why: What is deleted is gone.
    review: { patience: 1s }
    examples:
      hold: [ { method: POST, url: "https://api.test/things.v1.Things/DeleteParked", headers: { content-type: application/grpc } } ]
      pass: [ { method: POST, url: "https://api.test/things.v1.Things/Look", headers: { content-type: application/grpc } } ]
"#;
