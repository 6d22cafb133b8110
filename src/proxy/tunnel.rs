//! Hosts that are passed unread, because they pin their certificates. The record says so.

use super::entry::Tunnel;
use super::upstream::UpstreamError;
use crate::authority::Scheme;
use crate::ruling::Verdict;
use crate::traffic::Record;
use http::Method;
use jiff::Timestamp;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncWriteExt, copy_bidirectional_with_sizes};

/// Connects agent and origin and copies until both have ended, the agent is revoked, or shutdown.
///
/// # Errors
/// The origin could not be reached, or the tunnel could not be recorded: the agent is told by the caller.
pub(super) async fn pass(tunnel: Tunnel) -> Result<(), (Tunnel, Failure)> {
    let gate = Arc::clone(&tunnel.gate);
    let record = Record {
        agent: Arc::clone(&tunnel.known.agent),
        source: Some(tunnel.source),
        scheme: Scheme::Https,
        authority: Some(Arc::new(tunnel.authority.clone())),
        method: Method::CONNECT,
        target: None,
        verdict: Some(Verdict::Pass),
        rule: Some("tunnel".into()),
        would_have: None,
        hold: None,
        tunnel: true,
        status: None,
        request_bytes: 0,
        response_bytes: 0,
        end: "upstream-failed",
        started: Instant::now(),
        started_at: Timestamp::now(),
    };
    let Ok(mut place) = gate.services.traffic.reserve(record).await else {
        return Err((tunnel, Failure::Unrecorded));
    };
    let mut upstream = match gate.upstreams.dial(&tunnel.authority).await {
        Ok(upstream) => upstream,
        Err(error) => return Err((tunnel, Failure::Upstream(error))),
    };
    gate.services.metrics.passed.inc();
    let Tunnel { mut tcp, early, known, asked, .. } = tunnel;
    let record = place.record();
    (record.status, record.end) = (Some(200), "client-gone");
    let copy = async {
        tcp.write_all(asked.established()).await?;
        upstream.write_all(&early).await?;
        copy_bidirectional_with_sizes(&mut tcp, &mut upstream, COPY_BYTES, COPY_BYTES).await
    };
    let ended = tokio::select! {
        copied = pin!(copy) => copied.ok(),
        () = known.ended() => None,
        () = gate.shutdown.cancelled() => None,
    };
    if let Some((up, down)) = ended {
        let record = place.record();
        record.end = "complete";
        record.request_bytes = up.saturating_add(u64::try_from(early.len()).unwrap_or_default());
        record.response_bytes = down;
    }
    Ok(())
}

/// Why a tunnel was not opened.
#[derive(Debug)]
pub(super) enum Failure {
    Unrecorded,
    Upstream(UpstreamError),
}

/// One TLS record.
const COPY_BYTES: usize = 16 << 10;
