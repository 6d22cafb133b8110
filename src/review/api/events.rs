//! Ledger rows as they commit, as server-sent events.

use crate::audit::Row;
use crate::ledger::Filter;
use crate::review::Face;
use crate::review::problem::Problem;
use crate::review::session::Listener;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Ledger rows as they commit
///
/// Server-sent events: `id` is the row's `seq`, `data` the row. With `Last-Event-ID` the stream goes on after
/// that row. It ends after some minutes, so that who listens is asked again; come back with the last id.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(("Last-Event-ID" = Option<i64>, Header, description = "`seq` of the last row that arrived")),
    responses(
        (status = 200, description = "The rows", body = String, content_type = "text/event-stream"),
        (status = 401, description = "No or unknown token", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many listen", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn stream(
    State(face): State<Arc<Face>>,
    _: Listener,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = Arc::clone(&face.listeners).try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-listeners")
            .detail("too many listen; try later")
    })?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    // Subscribed before the ledger is read, so that no row falls between the two.
    let rows = face.context.desk.subscribe();
    let listening = Listening {
        last: last.unwrap_or_default(),
        behind: last.is_some(),
        rows,
        queue: VecDeque::new(),
        face: Arc::clone(&face),
        _place: place,
    };
    let ended = Arc::clone(&face);
    let events =
        first(last.is_some()).chain(stream::unfold(listening, Listening::next)).take_until(async move {
            tokio::select! { // both only wait
                () = ended.context.shutdown.cancelled() => {}
                () = tokio::time::sleep(LISTENING_MAX) => {}
            }
        });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// A first comment, so that head and stream are seen to stand.
fn first(resumed: bool) -> impl Stream<Item = Result<Event, Infallible>> {
    let text = if resumed { "going on" } else { "listening" };
    stream::iter([Ok(Event::default().comment(text))])
}

/// One listener.
struct Listening {
    /// `seq` of the row sent last.
    last: i64,
    /// Rows after `last` must be read from the ledger before the live ones go on.
    behind: bool,
    rows: Receiver<Arc<Row>>,
    queue: VecDeque<Row>,
    face: Arc<Face>,
    _place: OwnedSemaphorePermit,
}

impl Listening {
    /// The next event; `None` ends the stream, and the listener comes back with its last id.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(row) = self.queue.pop_front() {
                self.last = row.seq;
                return Some((Ok(event(&row)?), self));
            }
            if self.behind {
                self.catch_up().await?;
                continue;
            }
            match self.rows.recv().await {
                Ok(row) if row.seq > self.last => {
                    self.last = row.seq;
                    return Some((Ok(event(&row)?), self));
                }
                Ok(_) => {} // read from the ledger already
                Err(RecvError::Lagged(_)) => self.behind = self.last > 0,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn catch_up(&mut self) -> Option<()> {
        let filter = Filter { after_seq: self.last, limit: CATCH_UP_ROWS, ..Filter::default() };
        let rows = self.face.context.ledger.rows(&filter).await;
        let rows = rows.inspect_err(|error| tracing::error!(%error, "a listener cannot catch up")).ok()?;
        self.behind = rows.len() == usize::try_from(CATCH_UP_ROWS).unwrap_or(usize::MAX);
        self.queue = rows.into();
        Some(())
    }
}

fn event(row: &Row) -> Option<Event> {
    Event::default().id(row.seq.to_string()).json_data(row).ok()
}

const HEARTBEAT: Duration = Duration::from_secs(15);
/// Whoever listens longer must show a session or token that is still good.
const LISTENING_MAX: Duration = Duration::from_mins(10);
const CATCH_UP_ROWS: u32 = 256;
