//! A machine that is told: it writes down what comes, and answers as the test says.

use crate::support::soon;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Came {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().expect("text")
    }

    /// The ledger's name of the event.
    pub(super) fn event(&self) -> String {
        self.json()["data"]["event"].as_str().expect("an event").to_owned()
    }
}

/// What it answers: status, `Retry-After`, body.
pub(super) type Say = (u16, Option<&'static str>, String);

#[derive(Debug)]
struct State {
    answers: Mutex<VecDeque<Say>>,
    otherwise: Mutex<Say>,
    came: watch::Sender<Vec<Came>>,
}

pub(super) struct Receiver {
    pub(super) addr: SocketAddr,
    state: Arc<State>,
    _listening: JoinSet<()>,
}

impl Receiver {
    /// Answers 204 to everything.
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            answers: Mutex::default(),
            otherwise: Mutex::new((204, None, String::new())),
            came: watch::Sender::new(Vec::new()),
        });
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, Arc::clone(&state)));
        Self { addr, state, _listening: listening }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The next request is answered so; several are queued.
    pub(super) fn say(&self, status: u16, retry_after: Option<&'static str>, body: &str) {
        self.state.answers.lock().unwrap().push_back((status, retry_after, body.to_owned()));
    }

    /// All that no queued answer is for is answered so.
    pub(super) fn otherwise(&self, status: u16, body: &str) {
        *self.state.otherwise.lock().unwrap() = (status, None, body.to_owned());
    }

    pub(super) fn came(&self) -> Vec<Came> {
        self.state.came.borrow().clone()
    }

    /// Waits until so many have come, and returns all.
    pub(super) async fn count(&self, count: usize) -> Vec<Came> {
        self.until(&format!("{count} requests at the receiver"), |came| {
            (came.len() >= count).then(|| came.to_vec())
        })
        .await
    }

    /// Waits until `find` finds what it looks for.
    pub(super) async fn until<T>(&self, what: &str, mut find: impl FnMut(&[Came]) -> Option<T>) -> T {
        let mut came = self.state.came.subscribe();
        soon(what, async {
            loop {
                if let Some(found) = find(&came.borrow_and_update()) {
                    return found;
                }
                came.changed().await.expect("it lives");
            }
        })
        .await
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&state)));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let came = Came { headers: parts.headers, body };
    let next = state.answers.lock().unwrap().pop_front();
    let (status, after, text) = next.unwrap_or_else(|| state.otherwise.lock().unwrap().clone());
    state.came.send_modify(|all| all.push(came));
    let mut response = Response::builder().status(status);
    if let Some(after) = after {
        response = response.header("retry-after", after);
    }
    Ok(response.body(Full::from(text)).expect("an answer"))
}
