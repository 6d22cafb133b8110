//! The inbox: what waits, then what was decided.

use super::{Frame, Trouble, render};
use crate::agents::Enrolled;
use crate::desk::Filter;
use crate::hold::{Hold, HoldState};
use crate::review::Face;
use crate::review::card::Card;
use crate::review::session::Visitor;
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "inbox.html")]
struct Inbox {
    frame: Frame,
    asked: Asked,
    states: Vec<Choice>,
    agents: Vec<Enrolled>,
    sections: Vec<Section>,
    /// Link to the page of older holds.
    older: Option<String>,
    pending: usize,
}

struct Section {
    title: &'static str,
    cards: Vec<Card>,
}

/// A state to filter by, as a link.
struct Choice {
    label: &'static str,
    href: String,
    current: bool,
}

/// What the visitor filters by.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(in crate::review) struct Asked {
    /// A state or `all`; empty: what waits, and the newest of the rest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    agent: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rule: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    q: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    before: String,
}

impl Asked {
    fn filter(&self, state: Option<HoldState>, limit: u32) -> Filter {
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let before = self.before.parse().ok();
        Filter { state, agent: some(&self.agent), rule: some(&self.rule), text: some(&self.q), before, limit }
    }

    fn link(&self) -> String {
        let pairs = [
            ("state", &self.state),
            ("agent", &self.agent),
            ("rule", &self.rule),
            ("q", &self.q),
            ("before", &self.before),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        format!("/?{}", query.finish())
    }

    fn narrowed(&self) -> bool {
        !(self.agent.is_empty() && self.rule.is_empty() && self.q.is_empty() && self.before.is_empty())
    }
}

/// `GET /`.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let now = Timestamp::now();
    let desk = &face.context.desk;
    let cards = |holds: &[Hold]| holds.iter().map(|hold| Card::of(hold, &face, now)).collect::<Vec<_>>();
    let mut sections = Vec::new();
    let mut older = None;
    let waiting = desk.list(&asked.filter(Some(HoldState::Pending), PENDING_MAX)).await?;
    if asked.state.is_empty() {
        let rest = desk.list(&asked.filter(None, RECENT_MAX)).await?;
        let decided: Vec<Hold> = rest.into_iter().filter(|hold| hold.state != HoldState::Pending).collect();
        sections.push(Section { title: "Waiting for a decision", cards: cards(&waiting) });
        if !decided.is_empty() {
            sections.push(Section { title: "Decided lately", cards: cards(&decided) });
        }
    } else {
        let state = asked.state.parse().ok();
        let holds = desk.list(&asked.filter(state, PAGE_MAX)).await?;
        if holds.len() == usize::try_from(PAGE_MAX).unwrap_or(usize::MAX) {
            let before = holds.last().map(|hold| hold.id.to_string()).unwrap_or_default();
            older = Some(Asked { before, ..asked.clone() }.link());
        }
        let title = state.map_or("All holds", title);
        sections.push(Section { title, cards: cards(&holds) });
    }
    let mut agents = face.context.agents.list().await?;
    agents.retain(|enrolled| enrolled.revoked_at.is_none());
    let page = Inbox {
        frame: Frame::of(&visitor, &face, "inbox"),
        states: choices(&asked),
        agents,
        sections,
        older,
        pending: waiting.len(),
        asked,
    };
    Ok(render(StatusCode::OK, &page))
}

fn choices(asked: &Asked) -> Vec<Choice> {
    let states = HoldState::ALL.into_iter().map(|state| (title(state), state.as_str()));
    let choice = |(label, state): (&'static str, &str)| Choice {
        label,
        href: Asked { state: state.to_owned(), before: String::new(), ..asked.clone() }.link(),
        current: asked.state == state,
    };
    [("Inbox", "")].into_iter().chain(states).chain([("All", "all")]).map(choice).collect()
}

const fn title(state: HoldState) -> &'static str {
    match state {
        HoldState::Pending => "Pending",
        HoldState::Approved => "Approved",
        HoldState::Released => "Released",
        HoldState::Denied => "Denied",
        HoldState::Expired => "Expired",
        HoldState::Withdrawn => "Withdrawn",
    }
}

/// More than a person can look through.
const PENDING_MAX: u32 = 200;
const RECENT_MAX: u32 = 20;
const PAGE_MAX: u32 = 50;
