//! The log of deliveries: what was told to whom, what they answered, and when it is tried again.

use super::{Frame, Trouble, render};
use crate::outbox::{DeliveryFilter, DeliveryRow, DeliveryState};
use crate::review::Face;
use crate::review::moment::Moment;
use crate::review::rights;
use crate::review::session::Visitor;
use crate::review::shown::Shown;
use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage {
    frame: Frame,
    rows: Vec<RowView>,
    channel: String,
    state: String,
    hold: String,
    /// The form token, when the visitor may replay.
    csrf: Option<String>,
    /// The id to go on from, when there is more.
    next: Option<i64>,
}

struct RowView {
    id: i64,
    channel: Shown,
    kind: &'static str,
    hold: Option<Shown>,
    state: &'static str,
    chip: &'static str,
    attempts: u32,
    created: Moment,
    due: Option<Moment>,
    answer: Option<Shown>,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::review) struct Asked {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    hold: String,
    before: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(in crate::review) struct Replay {
    csrf: String,
}

/// `GET /deliveries`.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let said = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = DeliveryFilter {
        channel: said(&asked.channel),
        state: serde_json::from_value(asked.state.as_str().into()).ok(),
        hold: said(&asked.hold),
        before: asked.before,
        limit: ROWS_MAX,
    };
    let rows = face.context.outbox.list(&filter).await?;
    let now = Timestamp::now();
    let full = rows.len() == usize::try_from(ROWS_MAX).unwrap_or(usize::MAX);
    let may = rights::may_replay(&face, &visitor.0.reviewer);
    let page = DeliveriesPage {
        frame: Frame::of(&visitor, &face, "deliveries"),
        next: rows.last().filter(|_| full).map(|row| row.id),
        rows: rows.iter().map(|row| RowView::of(row, now)).collect(),
        channel: asked.channel,
        state: filter.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        hold: asked.hold,
        csrf: may.then(|| visitor.0.csrf.clone()),
    };
    Ok(render(StatusCode::OK, &page))
}

/// `POST /deliveries/{id}/replay`.
pub(in crate::review) async fn replay(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Form(form): Form<Replay>,
) -> Result<Response, Trouble> {
    let nothing = "Nothing is delivered again";
    if !visitor.owns(&form.csrf) {
        let text = "The form is not of this login. Load the page again.";
        return Err(Trouble::new(StatusCode::FORBIDDEN, nothing, text));
    }
    if !rights::may_replay(&face, &visitor.0.reviewer) {
        return Err(Trouble::new(StatusCode::FORBIDDEN, nothing, "That needs the role `admin`."));
    }
    match face.context.outbox.replay(id, &visitor.0.reviewer.person).await? {
        Some(_) => Ok(Redirect::to("/deliveries").into_response()),
        None => Err(Trouble::new(StatusCode::NOT_FOUND, nothing, "There is no such delivery.")),
    }
}

impl RowView {
    fn of(row: &DeliveryRow, now: Timestamp) -> Self {
        Self {
            id: row.id,
            channel: Shown::of(&row.channel),
            kind: row.kind.as_str(),
            hold: row.hold.as_deref().map(Shown::of),
            state: row.state.as_str(),
            chip: match row.state {
                DeliveryState::Waiting => "state-pending",
                DeliveryState::Done => "state-released",
                DeliveryState::Failed => "state-denied",
            },
            attempts: row.attempts,
            created: Moment::of(row.created_at, now),
            due: row.due_at.map(|at| Moment::of(at, now)),
            answer: row.answer.as_deref().map(Shown::of),
        }
    }
}

const ROWS_MAX: u32 = 200;
