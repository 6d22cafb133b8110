//! The ledger of the last day, for looking; `holdpoint ledger` exports and verifies.

use super::{Frame, Trouble, render};
use crate::ledger::Filter;
use crate::review::Face;
use crate::review::moment::Moment;
use crate::review::session::Visitor;
use crate::review::shown::Shown;
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "ledger.html")]
struct LedgerPage {
    frame: Frame,
    rows: Vec<RowView>,
    subject: String,
    /// The sequence number to go on from, when there is more.
    next: Option<i64>,
}

struct RowView {
    seq: i64,
    at: Moment,
    event: String,
    actor: Shown,
    subject: Option<Shown>,
    /// The subject is a hold, and has a page.
    hold: bool,
    detail: Shown,
    hash: String,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::review) struct Asked {
    #[serde(default)]
    after: i64,
    #[serde(default)]
    subject: String,
}

/// `GET /ledger`: the last 24 hours, or all of one subject.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let now = Timestamp::now();
    let subject = asked.subject.trim().to_owned();
    let filter = Filter {
        after_seq: asked.after,
        since: subject.is_empty().then(|| now - SignedDuration::from_hours(24)),
        subject: (!subject.is_empty()).then(|| subject.clone()),
        limit: ROWS_MAX,
        ..Filter::default()
    };
    let rows = face.context.ledger.rows(&filter).await?;
    let full = rows.len() == usize::try_from(ROWS_MAX).unwrap_or(usize::MAX);
    let page = LedgerPage {
        frame: Frame::of(&visitor, &face, "ledger"),
        next: rows.last().filter(|_| full).map(|row| row.seq),
        rows: rows.iter().map(|row| RowView::of(row, now)).collect(),
        subject,
    };
    Ok(render(StatusCode::OK, &page))
}

impl RowView {
    fn of(row: &crate::audit::Row, now: Timestamp) -> Self {
        let subject = row.event.subject.as_deref();
        Self {
            seq: row.seq,
            at: Moment::of(row.event.at, now),
            event: row.event.event.name(),
            actor: Shown::of(&row.event.actor),
            subject: subject.map(Shown::of),
            hold: subject.is_some_and(|subject| subject.parse::<crate::hold::HoldId>().is_ok()),
            detail: Shown::of(&row.event.detail.to_string()),
            hash: row.hash.chars().take(12).collect(),
        }
    }
}

const ROWS_MAX: u32 = 200;
