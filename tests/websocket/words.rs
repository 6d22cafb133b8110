//! Messages that speak a protocol: judged by what they call, and answered in its words.

use super::Scene;
use super::support::websocket::{Socket, masked, written};
use serde_json::{Value, json};

fn call(id: u64, tool: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": { "id": 7 } } })
        .to_string()
}

/// The rules name `POST`, as they would for an MCP server over HTTP: the socket is no way round.
#[tokio::test]
async fn a_tool_that_waits_over_http_waits_over_a_websocket() {
    let scene = Scene::new().await;
    let fields = "Sec-WebSocket-Protocol: mcp\r\nMcp-Session-Id: s1\r\n";
    let mut socket = Socket::open(&scene.holdpoint, "/ws/rpc?subprotocol=mcp", fields).await;
    assert_eq!(socket.reply.field("sec-websocket-protocol"), Some("mcp"));
    assert_eq!(scene.origin.seen()[0].field("sec-websocket-protocol"), Some("mcp"));
    socket.echo(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#).await;
    socket.echo(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    socket.echo(&call(1, "get_issue")).await;
    // The server asks as well; that is not ours to judge.
    scene.origin.sockets().say(&written(0x81, br#"{"jsonrpc":"2.0","id":9,"method":"roots/list"}"#, None));
    assert!(socket.next().await.text().contains("roots/list"));
    socket.echo(r#"{"jsonrpc":"2.0","id":9,"result":{"roots":[]}}"#).await;

    // Held: binary or text, in a list, escaped, twice.
    for (nth, (first, text)) in [
        (0x81, call(2, "delete_issue")),
        (0x82, call(3, "delete_issue")),
        (0x81, format!("[{},{}]", call(4, "get_issue"), call(5, "DELETE_issue"))),
        (0x81, call(6, "x").replace("\"x\"", "\"\\u0064elete_x\"")),
        (0x81, call(7, "x").replace("\"name\"", "\"name\":\"delete_x\",\"name\"")),
    ]
    .into_iter()
    .enumerate()
    {
        let before = scene.origin.sockets().seen().len();
        socket.wire.send(masked(first, &text)).await;
        let hold = scene.reviewer.wait_pending().await;
        assert_eq!(scene.origin.sockets().seen().len(), before, "{text}");
        if nth == 0 {
            let page =
                scene.reviewer.get(&format!("/v1/holds/{}", hold["id"].as_str().unwrap())).await.json();
            assert_eq!(page["rule"], "test/delete-tool");
            assert!(page["matched"].to_string().contains("delete_issue"), "{page}");
        }
        assert_eq!(scene.reviewer.approve(&hold).await.status, 200);
        let echoed = socket.next().await;
        assert_eq!((echoed.first, String::from_utf8(echoed.payload).unwrap()), (first, text));
    }
}

#[tokio::test]
async fn a_denied_call_is_answered_and_the_connection_goes_on() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws/rpc", "").await;
    socket.text(&call(7, "drop_table")).await;
    let answer: Value = serde_json::from_str(socket.next().await.text()).unwrap();
    assert_eq!(
        (&answer["jsonrpc"], &answer["id"], &answer["error"]["code"]),
        (&json!("2.0"), &json!(7), &json!(-32028))
    );
    assert!(answer["error"]["message"].as_str().unwrap().contains("test/drop-tool"), "{answer}");
    assert_eq!(answer.as_object().unwrap().len(), 3, "nothing that a strict client would trip over");

    socket.text(&call(8, "delete_issue")).await;
    let hold = scene.reviewer.wait_pending().await;
    scene.reviewer.deny(&hold, "keep it").await;
    let answer: Value = serde_json::from_str(socket.next().await.text()).unwrap();
    assert_eq!((&answer["id"], &answer["error"]["data"]["hold"]["id"]), (&json!(8), &hold["id"]));
    assert!(answer["error"]["message"].as_str().unwrap().contains("keep it"), "{answer}");

    // A notification has no answer: it is lost, and all else goes on.
    socket.text(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"drop_x"}}"#).await;
    socket.echo(&call(9, "get_issue")).await;
    assert_eq!(scene.origin.sockets().seen().len(), 1);
    drop(socket);
    scene.origin.sockets().ended(1).await;

    let lines = super::support::soon("the records", async {
        loop {
            let lines = scene.holdpoint.traffic();
            if lines.len() >= 4 {
                return lines;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let of = |end: &str, verdict: &str| {
        lines
            .iter()
            .filter(|l| l["method"] == "MESSAGE" && l["end"] == end && l["verdict"] == verdict)
            .count()
    };
    assert_eq!((of("denied", "deny"), of("denied", "hold")), (2, 1), "{lines:?}");
    let opened = lines.iter().find(|line| line["status"] == 101).unwrap();
    assert_eq!((&opened["method"], &opened["verdict"]), (&json!("GET"), &json!("pass")));
    assert!(opened["request_bytes"].as_u64() > Some(300), "{opened}");
}

#[tokio::test]
async fn a_graphql_operation_is_ended_by_its_id() {
    let scene = Scene::new().await;
    let target = "/ws/graphql?subprotocol=graphql-transport-ws";
    let mut socket =
        Socket::open(&scene.holdpoint, target, "Sec-WebSocket-Protocol: graphql-transport-ws\r\n").await;
    socket.echo(r#"{"type":"connection_init"}"#).await;
    socket.echo(r#"{"id":"a","type":"subscribe","payload":{"query":"{ user { id } }"}}"#).await;
    socket
        .text(r#"{"id":"b","type":"subscribe","payload":{"query":"mutation { ok: deleteUser(id: 1) { id } }"}}"#)
        .await;
    let answer: Value = serde_json::from_str(socket.next().await.text()).unwrap();
    assert_eq!((&answer["id"], &answer["type"]), (&json!("b"), &json!("error")));
    assert!(answer["payload"][0]["message"].as_str().unwrap().contains("test/mutation"), "{answer}");
    socket.echo(r#"{"type":"ping"}"#).await;
    assert_eq!(scene.origin.sockets().seen().len(), 3);
}

/// Answers of ours stand between two messages of the origin, never within one.
#[tokio::test]
async fn an_answer_waits_for_the_end_of_a_message() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws/rpc", "").await;
    socket.echo("{}").await;
    let sockets = scene.origin.sockets();
    sockets.say(&written(0x01, b"half ", None));
    assert_eq!(socket.next().await.payload, b"half ");
    socket.text(&call(1, "drop_x")).await;
    socket.send(0x89, "").await;
    assert_eq!(socket.next().await.first, 0x8A, "a ping that came after the call is answered first");
    sockets.say(&written(0x80, b"a message", None));
    assert_eq!(socket.next().await.payload, b"a message");
    assert!(socket.next().await.text().contains("test/drop-tool"));
}

/// An allow-list is one for messages as well: what no rule passes is left to `otherwise`.
#[tokio::test]
async fn where_rules_pass_by_what_is_said_the_rest_is_held() {
    let rules = r#"
pack: test
hosts: [api.test]
rules:
  - id: known
    when: { method: POST, path: "/ws/rpc", rpc: { method: tools/call, tool: [get_issue] } }
    verdict: pass
    why: It reads.
    examples:
      pass: [ { method: POST, url: "https://api.test/ws/rpc", body: { jsonrpc: "2.0", id: 1, method: tools/call, params: { name: get_issue } } } ]
      hold: [ { method: POST, url: "https://api.test/ws/rpc", body: { jsonrpc: "2.0", id: 1, method: tools/call, params: { name: other } } } ]
"#;
    let otherwise = json!({ "read": "pass", "write": "hold", "unknown-host": "hold" });
    let scene = Scene::with(|setup| setup.rules(rules).set("/otherwise", otherwise)).await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws/rpc", "").await;
    socket.echo(&call(1, "get_issue")).await;
    socket.text(&call(2, "set_issue")).await;
    let hold = scene.reviewer.wait_pending().await;
    assert_eq!(scene.reviewer.hold(hold["id"].as_str().unwrap()).await["rule"], "otherwise/write");
    scene.reviewer.approve(&hold).await;
    assert_eq!(socket.next().await.text(), call(2, "set_issue"));
    // Elsewhere on the host no rule looks at what is said: the handshake was a read.
    Socket::open(&scene.holdpoint, "/ws/free", "").await.echo("anything").await;
}
