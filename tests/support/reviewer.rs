//! A reviewer at the API of the control listener.

use super::soon;
use super::wire::{Reply, Wire};
use serde_json::{Value, json};
use std::net::SocketAddr;

#[derive(Debug, Clone)]
pub struct Reviewer {
    control: SocketAddr,
    token: String,
}

/// The live stream of `/v1/events`.
pub struct Events {
    wire: Wire,
    text: String,
}

impl Reviewer {
    pub fn new(control: SocketAddr, token: &str) -> Self {
        Self { control, token: token.to_owned() }
    }

    /// The same person after a restart moved the listener.
    pub fn at(&self, control: SocketAddr) -> Self {
        Self { control, token: self.token.clone() }
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, "").await
    }

    pub async fn ask(&self, method: &str, target: &str, body: &str) -> Reply {
        Wire::plain(self.control).await.ask(self.head(method, target, body)).await
    }

    fn head(&self, method: &str, target: &str, body: &str) -> String {
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.control,
            self.token,
            body.len(),
        )
    }

    pub async fn holds(&self, query: &str) -> Vec<Value> {
        let reply = self.get(&format!("/v1/holds{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["holds"].as_array().expect("a list").clone()
    }

    pub async fn pending(&self) -> Vec<Value> {
        self.holds("?state=pending").await
    }

    pub async fn hold(&self, id: &str) -> Value {
        let reply = self.get(&format!("/v1/holds/{id}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// Subscribes before it returns: nothing that happens from now on is missed.
    pub async fn events(&self) -> Events {
        let mut wire = Wire::plain(self.control).await;
        wire.send(self.head("GET", "/v1/events", "")).await;
        let head = wire.head().await;
        assert_eq!(head.status, 200);
        assert_eq!(head.field("content-type").map(|t| t.split(';').next()), Some(Some("text/event-stream")));
        Events { wire, text: String::new() }
    }

    /// Waits until `find` finds what it looks for among all holds, looking again with each event.
    pub async fn wait<T>(&self, what: &str, mut find: impl FnMut(&[Value]) -> Option<T>) -> T {
        soon(what, async {
            let mut events = self.events().await;
            loop {
                if let Some(found) = find(&self.holds("").await) {
                    return found;
                }
                events.next().await;
            }
        })
        .await
    }

    /// Waits for the one pending hold.
    pub async fn wait_pending(&self) -> Value {
        self.wait("a pending hold", |all| {
            let mut pending = all.iter().filter(|h| h["state"] == "pending");
            let first = pending.next().cloned();
            assert!(pending.next().is_none(), "one hold, not two: {all:?}");
            first
        })
        .await
    }

    /// Waits until this hold is in this state.
    pub async fn wait_state(&self, id: &str, state: &str) -> Value {
        self.wait(&format!("{id} {state}"), |all| {
            all.iter().find(|h| h["id"] == id && h["state"] == state).cloned()
        })
        .await
    }

    /// Waits until the details of this hold are as `fits` wants them, looking again with each event.
    pub async fn wait_detail(&self, id: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        soon(what, async {
            let mut events = self.events().await;
            loop {
                let hold = self.hold(id).await;
                if fits(&hold) {
                    return hold;
                }
                events.next().await;
            }
        })
        .await
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub async fn approve(&self, hold: &Value) -> Reply {
        self.vote(hold, "approve", None).await
    }

    pub async fn deny(&self, hold: &Value, reason: &str) -> Reply {
        self.vote(hold, "deny", Some(reason)).await
    }

    pub async fn vote(&self, hold: &Value, vote: &str, reason: Option<&str>) -> Reply {
        let id = hold["id"].as_str().expect("an id");
        let body = json!({ "digest": hold["digest"], "vote": vote, "reason": reason }).to_string();
        self.ask("POST", &format!("/v1/holds/{id}/votes"), &body).await
    }
}

impl Events {
    /// The next event, as its lines.
    pub async fn next(&mut self) -> String {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if !event.lines().all(|line| line.starts_with(':')) {
                    return event;
                }
                continue;
            }
            let chunk = self.wire.chunk().await;
            assert!(!chunk.is_empty(), "the event stream ended");
            self.text.push_str(std::str::from_utf8(&chunk).expect("whole characters"));
        }
    }
}

/// The status of a GET, or nothing when nobody listens yet.
pub async fn status(addr: SocketAddr, target: &str) -> std::io::Result<u16> {
    drop(tokio::net::TcpStream::connect(addr).await?);
    let request = format!("GET {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    Ok(Wire::plain(addr).await.ask(request).await.status)
}
