//! As much of some APIs as their SDKs need for one safe call and one that deletes something.

use super::support::origin::{Body, Seen, full, text};
use bytes::Bytes;
use futures_util::stream;
use http::{Response, StatusCode, header};
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Frame;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Semaphore;

pub(crate) fn answers() -> impl Fn(&Seen) -> Option<Response<Body>> + Send + Sync + 'static {
    let gate = Arc::new(Semaphore::new(0));
    move |seen| {
        let path = seen.target.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        Some(match (seen.method.as_str(), parts.as_slice()) {
            ("POST", ["v1", "chat", "completions"]) => events(&gate, openai_events()),
            ("POST", ["v1", "messages"]) => events(&gate, anthropic_events()),
            ("GET", ["v1", "models", id]) => {
                gate.add_permits(1);
                object(&json!({
                    "id": id, "object": "model", "created": 1, "owned_by": "acme",
                    "type": "model", "display_name": id, "created_at": "2026-01-01T00:00:00Z",
                }))
            }
            ("DELETE", ["v1", "files", id]) => {
                object(&json!({ "id": id, "object": "file", "deleted": true }))
            }
            ("DELETE", ["v1", "messages", "batches", id]) => {
                object(&json!({ "id": id, "type": "message_batch_deleted" }))
            }
            ("POST", ["v1", "customers"]) => object(&json!({ "id": "cus_1", "object": "customer" })),
            ("POST", ["v1", "refunds"]) => object(&json!({ "id": "re_1", "object": "refund" })),
            ("POST", ["drive", "v3", "files"]) => object(&json!({ "id": "file-1" })),
            ("POST", ["api", "v1", "namespaces", _, "configmaps"]) => object(&said(seen)),
            ("DELETE", ["api", "v1", "namespaces", _, "pods", name]) => {
                object(&json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "name": name } }))
            }
            ("POST", ["repos", "acme", "site", "issues"]) => {
                let mut issue = said(seen);
                issue["number"] = json!(7);
                object(&issue)
            }
            ("POST", ["git", _, "info", "lfs", "objects", "batch"]) => {
                let mut objects = said(seen)["objects"].clone();
                for object in objects.as_array_mut().expect("a list") {
                    let href = format!("https://api.test/lfs/{}", object["oid"].as_str().expect("an id"));
                    object["actions"] = json!({ "upload": { "href": href } });
                }
                text(
                    "application/vnd.git-lfs+json",
                    json!({ "transfer": "basic", "objects": objects }).to_string(),
                )
            }
            ("PUT", ["lfs", _]) => text("text/plain", "stored".to_owned()),
            ("DELETE", ["drive", "v3", "files", _] | ["repos", "acme", _]) => nothing(),
            _ => return None,
        })
    }
}

fn said(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).expect("an SDK sends JSON")
}

fn object(value: &Value) -> Response<Body> {
    text("application/json", value.to_string())
}

fn nothing() -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The first event at once; the others only when the client has shown, by another call, that it has the first.
fn events(gate: &Arc<Semaphore>, events: Vec<String>) -> Response<Body> {
    let gate = Arc::clone(gate);
    let frames = stream::unfold((0, events.into_iter()), move |(n, mut events)| {
        let gate = Arc::clone(&gate);
        async move {
            let event = events.next()?;
            if n == 1 {
                gate.acquire().await.expect("never closed").forget();
            }
            Some((Ok(Frame::data(Bytes::from(event))), (n + 1, events)))
        }
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .body(UnsyncBoxBody::new(StreamBody::new(frames)))
        .expect("a response")
}

fn openai_events() -> Vec<String> {
    let chunk = |text: &str| {
        let choice =
            json!({ "index": 0, "delta": { "role": "assistant", "content": text }, "finish_reason": null });
        let chunk = json!({
            "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "small", "choices": [choice],
        });
        format!("data: {chunk}\n\n")
    };
    vec![chunk("very "), chunk("häppy"), "data: [DONE]\n\n".to_owned()]
}

fn anthropic_events() -> Vec<String> {
    let event =
        |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().expect("a type"));
    let delta = |text: &str| {
        let delta = json!({ "type": "text_delta", "text": text });
        event(json!({ "type": "content_block_delta", "index": 0, "delta": delta }))
    };
    let message = json!({
        "id": "m1", "type": "message", "role": "assistant", "model": "small", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 1, "output_tokens": 1 },
    });
    let begun = [
        event(json!({ "type": "message_start", "message": message })),
        event(
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        ),
        delta("very "),
    ];
    let ended = json!({
        "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null },
        "usage": { "output_tokens": 2 },
    });
    vec![
        begun.concat(),
        delta("häppy"),
        event(json!({ "type": "content_block_stop", "index": 0 })),
        event(ended),
        event(json!({ "type": "message_stop" })),
    ]
}
