//! The control listener: connections of reviewers, bounded in number and time.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Serves the face until `shutdown`, then lets what is under way end, for some seconds at most.
///
/// # Cancel safety
/// Dropped, it accepts nothing any more; connections that are open go on until they end by themselves.
pub async fn serve(listener: TcpListener, face: Router, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Some(accepted) = shutdown.run_until_cancelled(next(&listener, &places)).await {
        match accepted {
            Ok((tcp, place)) => {
                let (face, shutdown) = (face.clone(), shutdown.clone());
                connections.spawn(async move {
                    converse(tcp, face, &shutdown).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a reviewer's connection could not be accepted");
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await; // out of files: closing some takes a moment
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections of reviewers were cut");
    }
}

/// The next connection, once there is a place for it: more wait in the backlog of the kernel.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (tcp, _) = listener.accept().await?;
    Ok((tcp, place))
}

async fn converse(tcp: TcpStream, face: Router, shutdown: &CancellationToken) {
    let _ = tcp.set_nodelay(true); // slower without, not wrong
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(tcp), TowerToHyperService::new(face));
    let mut connection = pin!(connection);
    let ended = tokio::select! { // both are polled again below, if need be
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GRACE, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a reviewer's connection broke");
    }
}

/// Browsers open six each; four times as many reviewers as may listen.
const CONNECTIONS_MAX: usize = 1024;
/// From the end of one answer to the end of the next head.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// For answers that are under way when the server stops.
const GRACE: Duration = Duration::from_secs(5);
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);
