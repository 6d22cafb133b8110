//! A gRPC server and a client of our own, frame by frame: what is sent when is the test's to say.

use super::support::authority::Flaw;
use super::support::wire::tls_tunnel;
use super::support::{Holdpoint, TestAuthority, soon};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What came of the calls at the origin, as it comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Messages of all calls, without their frames.
    pub(crate) messages: Vec<Bytes>,
    /// How each call ended: `end`, `broken`.
    pub(crate) ends: Vec<&'static str>,
    pub(crate) calls: usize,
}

pub(crate) struct Service {
    pub(crate) addr: SocketAddr,
    seen: watch::Sender<Seen>,
    /// Each permit lets one answer go that nobody asked for.
    push: Arc<Semaphore>,
    _listening: JoinSet<()>,
}

impl Service {
    pub(crate) async fn start(authority: &TestAuthority) -> Self {
        let tls = TlsAcceptor::from(authority.server_config(&["api.test"], Flaw::None, &["h2"]));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let (seen, push) = (watch::Sender::new(Seen::default()), Arc::new(Semaphore::new(0)));
        let mut listening = JoinSet::new();
        listening.spawn(accept(listener, tls, seen.clone(), Arc::clone(&push)));
        Self { addr, seen, push, _listening: listening }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until what was seen is as `fits` wants it.
    pub(crate) async fn until(&self, what: &str, fits: impl FnMut(&Seen) -> bool) -> Seen {
        soon(what, self.seen.subscribe().wait_for(fits)).await.expect("a service").clone()
    }

    pub(crate) fn push(&self) {
        self.push.add_permits(1);
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, seen: watch::Sender<Seen>, push: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, seen, push) = (tls.clone(), seen.clone(), Arc::clone(&push));
        connections.spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request| answer(request, seen.clone(), Arc::clone(&push)));
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// `…/Chat` answers each message with itself; with `x-early` it ends the call after the first. All else answers at the
/// end.
async fn answer(
    request: Request<Incoming>,
    seen: watch::Sender<Seen>,
    push: Arc<Semaphore>,
) -> Result<Response<Body>, io::Error> {
    seen.send_modify(|seen| seen.calls += 1);
    let talks = request.uri().path().ends_with("/Chat");
    let early = request.headers().contains_key("x-early");
    let mut inlet = Inlet { body: request.into_body(), bytes: BytesMut::new(), seen, ended: false };
    if !talks {
        while inlet.next().await?.is_some() {}
        let frames = [Ok(Frame::data(framed(b"done"))), Ok(Frame::trailers(fine()))];
        return Ok(response(StreamBody::new(stream::iter(frames)).boxed_unsync()));
    }
    let frames = stream::unfold(Some((inlet, 0)), move |state| {
        let push = Arc::clone(&push);
        async move {
            let (mut inlet, sent) = state?;
            if early && sent == 1 {
                let left = push.acquire().await.expect("never closed");
                left.forget();
                return Some((Ok(Frame::trailers(fine())), None));
            }
            let next = tokio::select! {
                next = inlet.next() => next,
                permit = push.acquire(), if !early => {
                    permit.expect("never closed").forget();
                    return Some((Ok(Frame::data(framed(b"unasked"))), Some((inlet, sent))));
                }
            };
            match next {
                Ok(Some(message)) => Some((Ok(Frame::data(framed(&message))), Some((inlet, sent + 1)))),
                Ok(None) => Some((Ok(Frame::trailers(fine())), None)),
                Err(error) => Some((Err(error), None)),
            }
        }
    });
    Ok(response(StreamBody::new(frames).boxed_unsync()))
}

fn response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn fine() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))])
}

struct Inlet {
    body: Incoming,
    bytes: BytesMut,
    seen: watch::Sender<Seen>,
    ended: bool,
}

impl Drop for Inlet {
    /// hyper lets go of a call whose stream was reset.
    fn drop(&mut self) {
        self.end("broken");
    }
}

impl Inlet {
    fn end(&mut self, how: &'static str) {
        if !std::mem::replace(&mut self.ended, true) {
            self.seen.send_modify(|seen| seen.ends.push(how));
        }
    }

    /// Cancel safe.
    async fn next(&mut self) -> Result<Option<Bytes>, io::Error> {
        loop {
            if let Some(message) = unframed(&mut self.bytes) {
                self.seen.send_modify(|seen| seen.messages.push(message.clone()));
                return Ok(Some(message));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.bytes.extend(frame.into_data().ok().into_iter().flatten()),
                None => {
                    self.end("end");
                    return Ok(None);
                }
                Some(Err(error)) => {
                    self.end("broken");
                    return Err(io::Error::other(error));
                }
            }
        }
    }
}

pub(crate) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a small message").to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

fn unframed(bytes: &mut BytesMut) -> Option<Bytes> {
    let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().expect("four bytes")) as usize;
    (bytes.len() >= 5 + length).then(|| {
        bytes.advance(5);
        bytes.split_to(length).freeze()
    })
}

/// A call under way.
pub(crate) struct Call {
    /// Dropped: the end of the request.
    pub(crate) messages: Option<mpsc::Sender<Bytes>>,
    response: JoinSet<Response<Incoming>>,
    answer: Option<Incoming>,
    bytes: BytesMut,
    _connection: JoinSet<()>,
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) status: String,
    pub(crate) message: String,
}

impl Call {
    /// Calls a method of the service, with no message yet.
    pub(crate) async fn start(holdpoint: &Holdpoint, path: &str, fields: &[(&str, &str)]) -> Self {
        let tls = tls_tunnel(holdpoint.listen, "api.test:443", "api.test", &holdpoint.ca, "", &["h2"]).await;
        let io = TokioIo::new(tls.expect("a tunnel with TLS"));
        let (mut send, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("a preface");
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        let (messages, taken) = mpsc::channel::<Bytes>(16);
        let body = stream::unfold(taken, |mut taken| async move {
            let message = taken.recv().await?;
            Some((Ok::<_, io::Error>(Frame::data(message)), taken))
        });
        let mut request = Request::post(format!("https://api.test{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(StreamBody::new(body).boxed_unsync()).expect("a request");
        let mut response = JoinSet::new();
        response.spawn(async move { send.send_request(request).await.expect("a response") });
        Self { messages: Some(messages), response, answer: None, bytes: BytesMut::new(), _connection: driver }
    }

    pub(crate) fn send(&self, message: &[u8]) {
        self.send_bytes(framed(message));
    }

    pub(crate) fn send_bytes(&self, bytes: Bytes) {
        self.messages.as_ref().expect("still open").try_send(bytes).expect("a connection");
    }

    pub(crate) fn finish(&mut self) {
        self.messages = None;
    }

    /// The next message of the answer, or its end.
    pub(crate) async fn next(&mut self) -> Result<Bytes, End> {
        soon("a message or the end of the call", self.take()).await
    }

    pub(crate) async fn end(&mut self) -> End {
        self.next().await.expect_err("the end")
    }

    async fn take(&mut self) -> Result<Bytes, End> {
        if self.answer.is_none() {
            let response = self.response.join_next().await.expect("asked once").expect("no panic");
            assert_eq!(response.status(), 200, "gRPC says what is wrong in trailers");
            if let Some(end) = end_of(response.headers()) {
                return Err(end);
            }
            self.answer = Some(response.into_body());
        }
        loop {
            if let Some(message) = unframed(&mut self.bytes) {
                return Ok(message);
            }
            let answer = self.answer.as_mut().expect("set above");
            let frame = answer.frame().await.expect("trailers before the end").expect("no reset");
            match frame.into_data() {
                Ok(data) => self.bytes.extend_from_slice(&data),
                Err(frame) => {
                    let trailers = frame.into_trailers().expect("trailers");
                    return Err(end_of(&trailers).expect("a status"));
                }
            }
        }
    }
}

fn end_of(fields: &HeaderMap) -> Option<End> {
    let text = |name: &str| {
        let value = fields.get(name)?.to_str().expect("ASCII");
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    Some(End { status: text("grpc-status")?, message: text("grpc-message").unwrap_or_default() })
}
