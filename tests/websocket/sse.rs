//! MCP over HTTP with server-sent events (2024-11-05): the answers come on a stream of their own, the calls are posted.

use super::Scene;
use super::support::Wire;

fn request(method: &str, target: &str, fields: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: api.test\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_held_call_does_not_stop_the_stream_of_its_session() {
    let scene = Scene::new().await;
    let wire = || Wire::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca);
    let mut stream = wire().await;
    stream.send("GET /sse HTTP/1.1\r\nHost: api.test\r\nAccept: text/event-stream\r\n\r\n").await;
    assert_eq!(stream.head().await.field("content-type"), Some("text/event-stream"));
    assert_eq!(&stream.chunk().await[..], b"data: event 0\n\n");

    let call = |tool: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
    };
    let json = "Content-Type: application/json\r\n";
    let mut held = wire().await;
    held.send(request("POST", "/messages?sessionId=1", json, &call("delete_issue"))).await;
    let hold = scene.reviewer.wait_pending().await;

    // The stream goes on, and so does another call of the session.
    scene.origin.open_gate();
    assert_eq!(&stream.chunk().await[..], b"data: event 1\n\n");
    let reply = wire().await.ask(request("POST", "/messages?sessionId=1", json, &call("get_issue"))).await;
    assert_eq!((reply.status, reply.text()), (200, call("get_issue")));
    assert_eq!(scene.origin.seen().len(), 2, "the stream and the call that reads");

    assert_eq!(scene.reviewer.approve(&hold).await.status, 200);
    assert_eq!(held.reply().await.text(), call("delete_issue"));
    scene.origin.open_gate();
    assert_eq!(&stream.chunk().await[..], b"data: event 2\n\n", "where its answer would come");
    assert!(stream.chunk().await.is_empty());
}
