//! An origin on real sockets: HTTP/1.1 and HTTP/2, with or without TLS. It writes down every request, and the
//! bytes of every connection.
//!
//! A path under `/held` is answered like the one without it.
//!
//! | path | answer |
//! |---|---|
//! | `/big?n=N` | N bytes, streamed, counted in [`Origin::sent_bytes`] as they are asked for |
//! | `/upload` | counts what comes, keeps nothing: `{"bytes":N,"sha256":…}` |
//! | `/sse` | one event at once, one for each [`Origin::open_gate`], three in all |
//! | `/gate` | its head only after [`Origin::open_gate`] |
//! | `/trailers` | a body and the trailers `grpc-status: 0`, `grpc-message: fine` |
//! | `/reset` | ten of the promised thousand bytes; after [`Origin::open_gate`] the connection breaks |
//! | `/early` | 413, without reading the body |
//! | `/upgrade` | 101, then an echo of bytes |
//! | `/ws…` | a WebSocket: see [`Origin::sockets`]; `?extension` agrees to one, `?subprotocol=NAME` to that one, `?quiet` echoes nothing |
//! | `/git/…` | smart HTTP of the bare repositories in [`Origin::serve_git`] |
//! | what [`Origin::answer_with`] answers | that |
//! | else | 200, the request's body, or `ok` when it has none |

use super::authority::{Flaw, TestAuthority};
use super::tap::{Taken, Tap};
use super::websocket::Sockets;
use super::{git, soon};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    /// Path and query, as sent.
    pub target: String,
    /// `Host` or `:authority`.
    pub host: String,
    pub version: Version,
    /// In the order of arrival, names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
    /// False: the body broke off.
    pub complete: bool,
}

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|(n, _)| n.as_str()).collect()
    }
}

pub struct Origin {
    pub addr: SocketAddr,
    state: Arc<State>,
    /// The accept loop, which owns its connections: all end with the origin.
    _listening: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    seen: Mutex<Vec<Seen>>,
    arrived: watch::Sender<usize>,
    taken: Mutex<Vec<Taken>>,
    connections: AtomicUsize,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    gate: Semaphore,
    git_root: OnceLock<PathBuf>,
    answers: OnceLock<Answers>,
    upgraded: TaskTracker,
    sockets: Sockets,
}

/// Says what a request is answered with, when that is not what this origin would answer by itself.
type Answer = dyn Fn(&Seen) -> Option<Response<Body>> + Send + Sync;

struct Answers(Box<Answer>);

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answers")
    }
}

impl Origin {
    /// TLS with a sound certificate, offering HTTP/2 and HTTP/1.1.
    pub async fn tls(authority: &TestAuthority, names: &[&str]) -> Self {
        Self::tls_with(authority, names, Flaw::None, &["h2", "http/1.1"]).await
    }

    /// TLS, HTTP/1.1 only.
    pub async fn tls_h1(authority: &TestAuthority, names: &[&str]) -> Self {
        Self::tls_with(authority, names, Flaw::None, &["http/1.1"]).await
    }

    pub async fn tls_with(authority: &TestAuthority, names: &[&str], flaw: Flaw, alpn: &[&str]) -> Self {
        Self::start(Some(TlsAcceptor::from(authority.server_config(names, flaw, alpn)))).await
    }

    /// TLS as it is given.
    pub async fn with(config: Arc<rustls::ServerConfig>) -> Self {
        Self::start(Some(TlsAcceptor::from(config))).await
    }

    /// No TLS, HTTP/1.1.
    pub async fn plain() -> Self {
        Self::start(None).await
    }

    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let state = Arc::new(State {
            seen: Mutex::default(),
            arrived: watch::Sender::new(0),
            taken: Mutex::default(),
            connections: AtomicUsize::new(0),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            gate: Semaphore::new(0),
            git_root: OnceLock::new(),
            answers: OnceLock::new(),
            upgraded: TaskTracker::new(),
            sockets: Sockets::default(),
        });
        let mut listening = JoinSet::new();
        listening.spawn(accept(listener, tls, Arc::clone(&state)));
        Self { addr, state, _listening: listening }
    }

    /// What arrived so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("no panic while locked").clone()
    }

    /// Waits until `count` requests have arrived, and returns them all.
    pub async fn arrived(&self, count: usize) -> Vec<Seen> {
        let mut arrivals = self.state.arrived.subscribe();
        let _ = soon("a request at the origin", arrivals.wait_for(|n| *n >= count)).await;
        self.seen()
    }

    /// Connections that were opened so far, whether or not TLS came about.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// What came on each connection, after TLS.
    pub fn taken(&self) -> Vec<Vec<u8>> {
        self.state.taken.lock().expect("no panic while locked").iter().map(Taken::bytes).collect()
    }

    /// Asserts that not one byte of HTTP reached this origin.
    #[track_caller]
    pub fn assert_untouched(&self) {
        let bytes: Vec<u8> = self.taken().concat();
        assert!(bytes.is_empty(), "the origin was sent: {}", String::from_utf8_lossy(&bytes));
    }

    pub fn sent_bytes(&self) -> u64 {
        self.state.sent_bytes.load(Ordering::SeqCst)
    }

    pub fn received_bytes(&self) -> u64 {
        self.state.received_bytes.load(Ordering::SeqCst)
    }

    /// The WebSockets that were opened here.
    pub fn sockets(&self) -> &Sockets {
        &self.state.sockets
    }

    /// Lets one `/gate` answer or one further `/sse` event go.
    pub fn open_gate(&self) {
        self.state.gate.add_permits(1);
    }

    /// Serves the bare repositories in this folder under `/git/`.
    pub fn serve_git(&self, root: &Path) {
        self.state.git_root.set(root.to_owned()).expect("set once");
    }

    /// Answers with what this function makes of a request, whose body is read; `None` leaves it to the table above.
    pub fn answer_with(&self, answer: impl Fn(&Seen) -> Option<Response<Body>> + Send + Sync + 'static) {
        self.state.answers.set(Answers(Box::new(answer))).expect("set once");
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        connections.spawn(connection(stream, tls.clone(), Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let taken = Taken::default();
    state.taken.lock().expect("no panic while locked").push(taken.clone());
    match tls {
        None => serve(Tap { inner: stream, taken }, false, state).await,
        Some(tls) => {
            let Ok(stream) = tls.accept(stream).await else { return };
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            serve(Tap { inner: stream, taken }, h2, state).await;
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: Tap<S>,
    h2: bool,
    state: Arc<State>,
) {
    let io = TokioIo::new(stream);
    let service = service_fn(move |request: Request<Incoming>| {
        let is_bare = h2 && request.method() == Method::HEAD;
        let answer = answer(Arc::clone(&state), request);
        // hyper takes the content of an answer to HEAD away in HTTP/1 only.
        async move { answer.await.map(|whole| if is_bare { whole.map(|_| full(Bytes::new())) } else { whole }) }
    });
    // An error here is the client's leaving or a broken body: what a test looks at is what was seen.
    let _ = if h2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
    } else {
        hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .serve_connection(io, service)
            .with_upgrades()
            .await
    };
}

async fn answer(state: Arc<State>, mut request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
    let path = request.uri().path();
    let path = path.strip_prefix("/held").unwrap_or(path).to_owned();
    let upgrade = (path == "/upgrade" || path.starts_with("/ws")).then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    let mut seen = Seen {
        method: head.method.clone(),
        target: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        host: head
            .headers
            .get(header::HOST)
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
            .or_else(|| head.uri.authority().map(ToString::to_string))
            .unwrap_or_default(),
        version: head.version,
        fields: head
            .headers
            .iter()
            .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect(),
        body: Bytes::new(),
        trailers: None,
        complete: true,
    };
    match path.as_str() {
        "/upload" => {
            let (bytes, sha256) = count(&state, body).await?;
            state.note(seen);
            return Ok(text("application/json", format!(r#"{{"bytes":{bytes},"sha256":"{sha256}"}}"#)));
        }
        "/early" => {
            state.note(seen);
            let mut response = text("text/plain", "too large".to_owned());
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            return Ok(response);
        }
        _ => match body.collect().await {
            Ok(collected) => {
                seen.trailers = collected.trailers().cloned();
                seen.body = collected.to_bytes();
            }
            Err(_) => seen.complete = false,
        },
    }
    let complete = seen.complete;
    let sent = seen.body.clone();
    let answer = state.answers.get().filter(|_| complete).and_then(|answers| answers.0(&seen));
    state.note(seen);
    if !complete {
        return Err(io::Error::other("the request broke off"));
    }
    if let Some(answer) = answer {
        return Ok(answer);
    }
    Ok(match path.as_str() {
        "/big" => big(&state, head.uri.query()),
        "/sse" => events(state),
        "/gate" => {
            state.gate.acquire().await.expect("never closed").forget();
            text("text/plain", "at last".to_owned())
        }
        "/trailers" => trailers(),
        "/reset" => reset(state),
        "/upgrade" => {
            if let Some(upgrade) = upgrade {
                state.upgraded.spawn(async move {
                    if let Ok(upgraded) = upgrade.await {
                        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
                        let _ = tokio::io::copy(&mut from, &mut to).await;
                    }
                });
            }
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header(header::CONNECTION, "Upgrade")
                .header(header::UPGRADE, head.headers.get(header::UPGRADE).cloned().unwrap_or(ECHO))
                .body(full(Bytes::new()))
                .expect("a response")
        }
        path if path.starts_with("/ws") && head.headers.contains_key(header::UPGRADE) => {
            if let Some(upgrade) = upgrade {
                let quiet = head.uri.query() == Some("quiet");
                let serving = Arc::clone(&state);
                state.upgraded.spawn(async move { serving.sockets.serve(upgrade, quiet).await });
            }
            switching(&head)
        }
        path => match (path.strip_prefix("/git/"), state.git_root.get()) {
            (Some(_), Some(root)) => git::answer(root, &head, &sent).await?,
            _ if sent.is_empty() => text("text/plain", "ok".to_owned()),
            _ => {
                let kind = head.headers.get(header::CONTENT_TYPE).cloned();
                let mut response = Response::new(full(sent));
                response.headers_mut().insert("x-origin", HeaderValue::from_static("yes"));
                kind.map(|kind| response.headers_mut().insert(header::CONTENT_TYPE, kind));
                response
            }
        },
    })
}

/// 101 to a WebSocket.
fn switching(head: &http::request::Parts) -> Response<Body> {
    let key = head.headers.get(header::SEC_WEBSOCKET_KEY).map_or(&b""[..], HeaderValue::as_bytes);
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key);
    let query = head.uri.query().unwrap_or_default();
    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        response = match &*name {
            "extension" => response.header(header::SEC_WEBSOCKET_EXTENSIONS, "permessage-deflate"),
            "subprotocol" => response.header(header::SEC_WEBSOCKET_PROTOCOL, &*value),
            _ => response,
        };
    }
    response.body(full(Bytes::new())).expect("a response")
}

impl State {
    fn note(&self, seen: Seen) {
        let mut all = self.seen.lock().expect("no panic while locked");
        all.push(seen);
        self.arrived.send_replace(all.len());
    }
}

async fn count(state: &State, mut body: Incoming) -> Result<(u64, String), io::Error> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(io::Error::other)?;
        if let Some(data) = frame.data_ref() {
            context.update(data);
            bytes += data.len() as u64;
            state.received_bytes.fetch_add(data.len() as u64, Ordering::SeqCst);
        }
    }
    Ok((bytes, holdpoint::digest::hex(context.finish().as_ref())))
}

fn big(state: &Arc<State>, query: Option<&str>) -> Response<Body> {
    let total: u64 = query.and_then(|q| q.strip_prefix("n=")).and_then(|n| n.parse().ok()).unwrap_or(0);
    let state = Arc::clone(state);
    let chunks = stream::unfold(total, move |left| {
        let state = Arc::clone(&state);
        async move {
            let size = left.min(CHUNK.len() as u64);
            state.sent_bytes.fetch_add(size, Ordering::SeqCst);
            (size > 0).then(|| {
                let size_ = usize::try_from(size).expect("a chunk is small");
                (Ok(Frame::data(Bytes::from_static(&CHUNK[..size_]))), left - size)
            })
        }
    });
    Response::builder()
        .header(header::CONTENT_LENGTH, total)
        .body(UnsyncBoxBody::new(StreamBody::new(chunks)))
        .expect("a response")
}

fn events(state: Arc<State>) -> Response<Body> {
    let events = stream::unfold(0u32, move |n| {
        let state = Arc::clone(&state);
        async move {
            if n == 3 {
                return None;
            }
            if n > 0 {
                state.gate.acquire().await.expect("never closed").forget();
            }
            Some((Ok(Frame::data(Bytes::from(format!("data: event {n}\n\n")))), n + 1))
        }
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .body(UnsyncBoxBody::new(StreamBody::new(events)))
        .expect("a response")
}

fn trailers() -> Response<Body> {
    let trailers = HeaderMap::from_iter([
        (http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0")),
        (http::HeaderName::from_static("grpc-message"), HeaderValue::from_static("fine")),
    ]);
    let frames = [Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x02hi"))), Ok(Frame::trailers(trailers))];
    Response::builder()
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TRAILER, "grpc-status, grpc-message")
        .body(UnsyncBoxBody::new(StreamBody::new(stream::iter(frames))))
        .expect("a response")
}

fn reset(state: Arc<State>) -> Response<Body> {
    let frames = stream::unfold(false, move |broken| {
        let state = Arc::clone(&state);
        async move {
            if !broken {
                return Some((Ok(Frame::data(Bytes::from_static(b"ten bytes."))), true));
            }
            // What is written before an error may never leave: the test says when it has arrived.
            state.gate.acquire().await.expect("never closed").forget();
            Some((Err(io::Error::other("broken on purpose")), true))
        }
    });
    Response::builder()
        .header(header::CONTENT_LENGTH, 1000)
        .body(UnsyncBoxBody::new(StreamBody::new(frames)))
        .expect("a response")
}

pub fn text(kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(full(Bytes::from(text)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert("x-origin", HeaderValue::from_static("yes"));
    response
}

pub fn full(bytes: Bytes) -> Body {
    UnsyncBoxBody::new(Full::new(bytes).map_err(|never| match never {}))
}

const ECHO: HeaderValue = HeaderValue::from_static("echo");
static CHUNK: [u8; 64 << 10] = [b'x'; 64 << 10];
