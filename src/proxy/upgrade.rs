//! WebSocket and other protocols after a handshake that was judged (RFC 9110 §7.8, RFC 6455).

use super::body::{Answer, Outgoing};
use super::destination::Destination;
use super::entered::Entered;
use super::exchange::{Link, upstream_failed};
use super::fields;
use super::reply::Reply;
use crate::tls::Alpn;
use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::io::copy_bidirectional_with_sizes;
use tokio_util::sync::CancellationToken;

/// Forwards the handshake; if the origin agrees, connects both sides until one ends.
///
/// # Errors
/// The origin could not be reached.
pub(super) async fn forward(
    link: &Arc<Link>,
    destination: &Destination,
    mut request: Request<Outgoing>,
    protocol: HeaderValue,
    entered: &mut Option<Entered>,
) -> Result<Response<Answer>, Reply> {
    let downstream = request.extensions_mut().remove::<OnUpgrade>();
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    request.headers_mut().insert(UPGRADE, protocol);
    *request.version_mut() = Version::HTTP_11;
    let sent = destination.origin.send(request, Alpn::Http1).await;
    let (mut response, lease) =
        sent.map_err(|error| upstream_failed(link, &destination.authority, &error))?;
    let idle = link.gate.settings.timeouts.idle;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (mut head, body) = response.into_parts();
        fields::clean_response(&mut head.headers);
        head.version = Version::HTTP_11;
        note(entered, head.status.as_u16(), "client-gone");
        let sent = super::body::Sent::Known(0);
        return Ok(Response::from_parts(head, Answer::relay(body, lease, sent, entered.take(), idle)));
    }
    drop(lease); // the connection is no longer HTTP
    note(entered, 101, "upgraded");
    let upstream = hyper::upgrade::on(&mut response);
    if let Some(downstream) = downstream {
        let (entered, link) = (entered.take(), Arc::clone(link));
        link.gate.tasks.clone().spawn(async move { connect(&link, downstream, upstream, entered).await });
    }
    let mut answer = Response::new(Answer::own(Bytes::new(), None));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = std::mem::take(response.headers_mut()); // `Connection: upgrade` is meant for the agent
    Ok(answer)
}

/// Copies until both sides have ended, the agent is revoked, or shutdown; then the record is written.
async fn connect(link: &Link, downstream: OnUpgrade, upstream: OnUpgrade, mut entered: Option<Entered>) {
    let stopped: &CancellationToken = &link.gate.shutdown;
    let (Ok(downstream), Ok(upstream)) = (downstream.await, upstream.await) else { return };
    let (mut downstream, mut upstream): (TokioIo<Upgraded>, TokioIo<Upgraded>) =
        (TokioIo::new(downstream), TokioIo::new(upstream));
    let copied = tokio::select! {
        copied = copy_bidirectional_with_sizes(&mut downstream, &mut upstream, COPY_BYTES, COPY_BYTES) => copied.ok(),
        () = link.known.ended() => None,
        () = stopped.cancelled() => None,
    };
    if let (Some(entered), Some((up, down))) = (&mut entered, copied) {
        let record = entered.record();
        (record.request_bytes, record.response_bytes, record.end) = (up, down, "complete");
    }
}

fn note(entered: &mut Option<Entered>, status: u16, end: &'static str) {
    if let Some(entered) = entered {
        entered.answered(status, end);
    }
}

const COPY_BYTES: usize = 16 << 10;
