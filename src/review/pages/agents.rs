//! Agents: who sends requests, whose they are, and what became of their holds.

use super::{Frame, Trouble, render};
use crate::agent::LOCAL_AGENT;
use crate::agents::Enrolled;
use crate::desk::Filter;
use crate::hold::{Hold, HoldState};
use crate::person::Person;
use crate::review::Face;
use crate::review::card::Card;
use crate::review::moment::Moment;
use crate::review::rights;
use crate::review::session::Visitor;
use crate::review::shown::Shown;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "agents.html")]
struct AgentsPage {
    frame: Frame,
    agents: Vec<AgentView>,
}

#[derive(Template)]
#[template(path = "agent.html")]
struct AgentPage {
    frame: Frame,
    agent: AgentView,
    counts: Vec<(&'static str, usize)>,
    /// There may be more holds than were counted.
    more: bool,
    cards: Vec<Card>,
    /// For the forms that change it, where the visitor may.
    change: Option<String>,
}

struct AgentView {
    name: Shown,
    owners: Vec<Owner>,
    enrolled_by: Option<Shown>,
    workload: Option<Shown>,
    labels: Vec<(Shown, Shown)>,
    pending: u32,
    created: Moment,
    revoked: Option<Moment>,
    /// Since when it has had more holds open than it may: more are refused.
    flooding: Option<Moment>,
}

struct Owner {
    name: Shown,
    local: bool,
}

impl AgentView {
    fn of(enrolled: &Enrolled, now: Timestamp) -> Self {
        let agent = &enrolled.agent;
        Self {
            name: Shown::of(&agent.name),
            owners: agent.owners.iter().map(Owner::of).collect(),
            enrolled_by: enrolled.enrolled_by.as_deref().map(Shown::of),
            workload: enrolled.workload.as_deref().map(Shown::of),
            labels: agent.labels.iter().map(|(name, value)| (Shown::of(name), Shown::of(value))).collect(),
            pending: enrolled.pending,
            created: Moment::of(enrolled.created_at, now),
            revoked: enrolled.revoked_at.map(|at| Moment::of(at, now)),
            flooding: enrolled.flooding_since.map(|at| Moment::of(at, now)),
        }
    }
}

impl Owner {
    fn of(owner: &Person) -> Self {
        Self { name: Shown::of(&owner.to_string()), local: owner.is_local() }
    }
}

/// `GET /agents`.
pub(in crate::review) async fn list(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
) -> Result<Response, Trouble> {
    let now = Timestamp::now();
    let agents = face.context.agents.list().await?;
    let agents = agents.iter().map(|enrolled| AgentView::of(enrolled, now)).collect();
    Ok(render(StatusCode::OK, &AgentsPage { frame: Frame::of(&visitor, &face, "agents"), agents }))
}

/// `GET /agents/{name}`.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    let now = Timestamp::now();
    let agents = face.context.agents.list().await?;
    let Some(agent) = agents.iter().find(|enrolled| enrolled.agent.name == name) else {
        let text = "The list of agents has those that there are.";
        return Err(Trouble::new(StatusCode::NOT_FOUND, "There is no such agent", text));
    };
    let filter = Filter { agent: Some(name), limit: COUNTED_MAX, ..Filter::default() };
    let holds = face.context.desk.list(&filter).await?;
    let changes = agent.revoked_at.is_none()
        && agent.agent.name != LOCAL_AGENT
        && rights::may_change(&face, &visitor.0.reviewer, agent);
    let page = AgentPage {
        change: changes.then(|| visitor.0.csrf.clone()),
        frame: Frame::of(&visitor, &face, "agents"),
        agent: AgentView::of(agent, now),
        counts: counts(&holds),
        more: holds.len() == usize::try_from(COUNTED_MAX).unwrap_or(usize::MAX),
        cards: holds.iter().take(SHOWN_MAX).map(|hold| Card::of(hold, &face, now)).collect(),
    };
    Ok(render(StatusCode::OK, &page))
}

fn counts(holds: &[Hold]) -> Vec<(&'static str, usize)> {
    let of = |state: HoldState| (state.as_str(), holds.iter().filter(|hold| hold.state == state).count());
    HoldState::ALL.into_iter().map(of).filter(|(_, count)| *count > 0).collect()
}

const COUNTED_MAX: u32 = 500;
const SHOWN_MAX: usize = 50;
