//! `http://holdpoint.internal/`: an agent reads its own holds, through the proxy. Reading only, and nothing of
//! other agents.

use super::body::Answer;
use super::entered::Entered;
use super::exchange::Link;
use super::reply::{Reply, status_url};
use crate::hold::{Hold, HoldId, HoldState};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::json;
use std::time::Duration;

/// Answers a request for the reserved host.
///
/// # Errors
/// What is not there, or not this agent's: 404 for both.
pub(super) async fn answer(
    link: &Link,
    parts: &Parts,
    entered: &mut Option<Entered>,
) -> Result<Response<Answer>, Reply> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        let message = "Here one only reads: GET. Decisions are made by people, elsewhere.";
        return Err(Reply::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "own", message));
    }
    let (kind, text) = match parts.uri.path() {
        "/" => ("text/markdown; charset=utf-8", manifest(link)),
        path => {
            let id: HoldId =
                path.strip_prefix("/holds/").and_then(|id| id.parse().ok()).ok_or_else(missing)?;
            ("application/json", status(link, &id, wait(&parts.headers)).await?)
        }
    };
    let mut response = Response::new(Answer::own(Bytes::from(text), finished(entered)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One hold; with `wait`, once it has changed or the time is over (RFC 7240 §4.3).
async fn status(link: &Link, id: &HoldId, wait: Duration) -> Result<String, Reply> {
    let desk = &link.gate.services.desk;
    let find = || async {
        let hold = desk.hold_of(&link.known.agent, id).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a hold could not be read");
            Reply::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "own",
                "The store cannot be read now.",
            )
        })?;
        hold.ok_or_else(missing)
    };
    let mut hold = find().await?;
    if hold.state == HoldState::Pending && !wait.is_zero() {
        tokio::select! {
            () = desk.changed(id, hold.version, wait) => {}
            () = link.gate.shutdown.cancelled() => {}
        }
        hold = find().await?;
    }
    Ok(view(&hold).to_string())
}

fn view(hold: &Hold) -> serde_json::Value {
    let reason = hold
        .votes
        .iter()
        .rev()
        .find_map(|vote| vote.reason.clone())
        .filter(|_| hold.state == HoldState::Denied);
    let next = match hold.state {
        HoldState::Pending => "Nothing was sent. Wait for the review; do not work around it.",
        HoldState::Approved => "Approved. Repeat the identical request now; it is sent once.",
        HoldState::Released => "Released: it was sent once. To do it again, ask again.",
        HoldState::Denied => "Denied. Nothing was sent. Do not repeat it and do not look for another way.",
        HoldState::Expired => {
            "Nobody decided or nobody came back in time. Nothing was sent. Ask again if it still matters."
        }
        HoldState::Withdrawn => "Withdrawn. Nothing was sent.",
    };
    json!({
        "id": hold.id,
        "state": hold.state,
        "digest": hold.digest,
        "method": hold.request.method,
        "url": hold.request.url,
        "rule": hold.grounds.rule,
        "why": hold.grounds.why,
        "created_at": hold.created_at,
        "expires_at": hold.expires_at,
        "approval_expires_at": hold.approval_expires_at,
        "reason": reason,
        "outcome": hold.outcome,
        "status_url": status_url(&hold.id),
        "next": next,
    })
}

/// For models: short, and all that they need.
fn manifest(link: &Link) -> String {
    format!(
        "# Holdpoint\n\n\
         You reach the network through Holdpoint, as agent `{}`. Most requests pass untouched. Some are held until a person \
         has approved them: deletion, permissions, export, money, infrastructure.\n\n\
         - **428** means held. Nothing was sent. The body names the hold (`hold.id`) and its status URL.\n\
         - `GET http://holdpoint.internal/holds/ID` with `Prefer: wait=25` waits for a change and tells how it stands.\n\
         - Approved: repeat the **identical** request. It is sent once.\n\
         - **403** means denied, with the reason. Do not repeat it and do not look for another way to do the same.\n\
         - Say why you need a request with the field `Holdpoint-Reason`, and name your task with `Holdpoint-Session`. \
         Reviewers see both as your words.\n",
        link.known.agent.name
    )
}

fn wait(headers: &HeaderMap) -> Duration {
    let seconds = headers
        .get_all("prefer")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split([',', ';']))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.trim().parse().ok())
        .unwrap_or(0);
    Duration::from_secs(seconds).min(WAIT_MAX)
}

fn finished(entered: &mut Option<Entered>) -> Option<Entered> {
    let mut entered = entered.take();
    if let Some(entered) = &mut entered {
        entered.answered(200, "own");
    }
    entered
}

fn missing() -> Reply {
    let message = "There is no such page, or no such hold of yours. `GET http://holdpoint.internal/` tells what there is.";
    Reply::new(StatusCode::NOT_FOUND, "not_found", "own", message)
}

const WAIT_MAX: Duration = Duration::from_secs(60);
