//! Pages, rendered here and whole without a script.

pub(super) mod account;
pub(super) mod agents;
pub(super) mod deliveries;
pub(super) mod detail;
pub(super) mod enrol;
pub(super) mod grants;
pub(super) mod inbox;
pub(super) mod ledger;
pub(super) mod people;
pub(super) mod request;
pub(super) mod reviewing;
pub(super) mod rules;
pub(super) mod vote;

use super::Face;
use super::assets::{MARK, SCRIPT, STYLE};
use super::problem::Problem;
use super::rights;
use super::session::Visitor;
use crate::reviewers::Session;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

/// What every page has around it.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) visitor: Option<Name>,
    pub(super) solo: bool,
    /// Which entry of the navigation is this page: `inbox`, `agents`, `rules`, `ledger`.
    pub(super) here: &'static str,
    /// Somebody is told something, so that there is a log of it.
    pub(super) outbox: bool,
    pub(super) style: String,
    pub(super) script: String,
    pub(super) mark: String,
}

/// Who is logged in.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) display: String,
    /// An account of Holdpoint itself, not of an identity provider.
    pub(super) local: bool,
    pub(super) csrf: String,
}

impl Frame {
    /// For a visitor who is logged in.
    pub(super) fn of(visitor: &Visitor, face: &Face, here: &'static str) -> Self {
        Self::signed_in(&visitor.0, face, here)
    }

    pub(super) fn signed_in(session: &Session, face: &Face, here: &'static str) -> Self {
        let name = Name {
            display: session.reviewer.display.clone(),
            local: session.reviewer.person.is_local(),
            csrf: session.csrf.clone(),
        };
        Self {
            visitor: Some(name),
            solo: face.context.solo,
            here,
            outbox: face.context.outbox.tells(),
            ..Self::bare()
        }
    }

    /// For the login page.
    pub(super) fn outside(face: &Face) -> Self {
        Self { solo: face.context.solo, ..Self::bare() }
    }

    /// For pages that know nothing.
    pub(super) fn bare() -> Self {
        Self {
            visitor: None,
            solo: false,
            here: "",
            outbox: false,
            style: STYLE.path(),
            script: SCRIPT.path(),
            mark: MARK.path(),
        }
    }
}

/// A page that says why there is nothing else to see.
#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    frame: Frame,
    title: String,
    text: String,
}

/// What a page handler may fail with; shown as a page.
#[derive(Debug)]
pub(super) struct Trouble {
    status: StatusCode,
    title: String,
    text: String,
}

impl Trouble {
    pub(super) fn new(status: StatusCode, title: &str, text: &str) -> Self {
        Self { status, title: title.to_owned(), text: text.to_owned() }
    }

    pub(super) fn no_such_hold() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "There is no such hold",
            "Look at the inbox for those that there are.",
        )
    }
}

impl<E: Into<Problem>> From<E> for Trouble {
    fn from(error: E) -> Self {
        let problem: Problem = error.into();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, title: problem.title, text: problem.detail.unwrap_or_default() }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        render(self.status, &Message { frame: Frame::bare(), title: self.title, text: self.text })
    }
}

/// For somebody whom no group gives a role.
pub(super) fn no_role(session: &Session, face: &Face) -> Response {
    let page = Message {
        frame: Frame::signed_in(session, face, ""),
        title: "You have no role here".to_owned(),
        text: detail::sentence(&rights::no_role_text(&session.reviewer)),
    };
    render(StatusCode::FORBIDDEN, &page)
}

/// The answer with this page. A template fails only when writing to memory fails.
pub(super) fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
