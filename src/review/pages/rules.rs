//! The rules in force.

use super::{Frame, Trouble, render};
use crate::desk::Filter;
use crate::hold::{Hold, HoldState};
use crate::review::Face;
use crate::review::session::Visitor;
use crate::rules::{Mode, Overview};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    frame: Frame,
    packs: Vec<Pack>,
    rules: usize,
    digest: String,
    /// Of so many of the newest holds the counts are made.
    counted: usize,
}

struct Pack {
    name: String,
    rules: Vec<RuleView>,
}

struct RuleView {
    overview: Overview,
    counts: Counts,
}

impl RuleView {
    fn observed(&self) -> bool {
        self.overview.mode == Mode::Observe
    }
}

/// What was decided on the holds of a rule.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    held: usize,
    approved: usize,
    denied: usize,
}

/// `GET /rules`.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
) -> Result<Response, Trouble> {
    let holds = face.context.desk.list(&Filter { limit: COUNTED_MAX, ..Filter::default() }).await?;
    let counts = count(&holds);
    let rules = face.context.rules.load();
    let overviews = rules.overview();
    let total = overviews.len();
    let mut packs: Vec<Pack> = Vec::new();
    for overview in overviews {
        let name = overview.id.split_once('/').map_or("", |(pack, _)| pack);
        if packs.last().is_none_or(|pack| pack.name != name) {
            packs.push(Pack { name: name.to_owned(), rules: Vec::new() });
        }
        let counts = counts.get(overview.id.as_str()).copied().unwrap_or_default();
        if let Some(pack) = packs.last_mut() {
            pack.rules.push(RuleView { overview, counts });
        }
    }
    let page = RulesPage {
        frame: Frame::of(&visitor, &face, "rules"),
        packs,
        rules: total,
        digest: rules.digest().chars().take(8).collect(),
        counted: holds.len(),
    };
    Ok(render(StatusCode::OK, &page))
}

fn count(holds: &[Hold]) -> HashMap<&str, Counts> {
    let mut counts: HashMap<&str, Counts> = HashMap::new();
    for hold in holds {
        let of = counts.entry(hold.grounds.rule.as_str()).or_default();
        of.held += 1;
        match hold.state {
            HoldState::Approved | HoldState::Released => of.approved += 1,
            HoldState::Denied => of.denied += 1,
            HoldState::Pending | HoldState::Expired | HoldState::Withdrawn => {}
        }
    }
    counts
}

const COUNTED_MAX: u32 = 500;
