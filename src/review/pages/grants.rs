//! Grants: what passes without being asked, by whom, and one click to end it.

use super::{Frame, Trouble, render};
use crate::desk::{Granted, Revoking, Standing};
use crate::grant::{GrantId, Scope, in_words};
use crate::review::Face;
use crate::review::moment::Moment;
use crate::review::session::Visitor;
use crate::review::shown::Shown;
use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "grants.html")]
struct GrantsPage {
    frame: Frame,
    live: Vec<GrantView>,
    past: Vec<GrantView>,
}

struct GrantView {
    id: String,
    scope: &'static str,
    covers: Shown,
    agent: Shown,
    rule: Shown,
    hold: String,
    by: Shown,
    created: Moment,
    expires: Moment,
    uses_left: u32,
    used: u32,
    standing: &'static str,
    revoked: Option<(Moment, Shown)>,
}

impl GrantView {
    fn of(granted: &Granted, now: Timestamp) -> Self {
        let Granted { grant, standing, hold } = granted;
        let revoked_by = Shown::of(grant.revoked_by.as_deref().unwrap_or_default());
        Self {
            id: grant.id.to_string(),
            scope: title(grant.scope),
            covers: Shown::of(&in_words(grant.scope, hold)),
            agent: Shown::of(&grant.agent),
            rule: Shown::of(&grant.rule),
            hold: grant.hold.to_string(),
            by: Shown::of(&grant.person.to_string()),
            created: Moment::of(grant.created_at, now),
            expires: Moment::of(grant.expires_at, now),
            uses_left: grant.uses_left,
            used: grant.used,
            standing: match standing {
                Standing::Live => "live",
                Standing::Revoked => "revoked",
                Standing::Expired => "expired",
                Standing::UsedUp => "used up",
                Standing::AgentRevoked => "its agent was revoked",
                Standing::MakerOut => "who made it may not approve such a request any more",
            },
            revoked: grant.revoked_at.map(|at| (Moment::of(at, now), revoked_by)),
        }
    }
}

/// What a scope is called.
pub(super) const fn title(scope: Scope) -> &'static str {
    match scope {
        Scope::Request => "This request again",
        Scope::Resource => "This operation and resource",
        Scope::Rule => "This rule for this agent and session",
    }
}

/// `GET /grants`.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
) -> Result<Response, Trouble> {
    let now = Timestamp::now();
    let all = face.context.desk.grants().await?;
    let of = |live: bool| {
        let some = all.iter().filter(|granted| (granted.standing == Standing::Live) == live);
        some.map(|granted| GrantView::of(granted, now)).collect()
    };
    let page = GrantsPage { frame: Frame::of(&visitor, &face, "grants"), live: of(true), past: of(false) };
    Ok(render(StatusCode::OK, &page))
}

#[derive(Debug, Deserialize)]
pub(in crate::review) struct Revocation {
    csrf: String,
}

/// `POST /grants/{id}/revoke`.
pub(in crate::review) async fn revoke(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(form): Form<Revocation>,
) -> Result<Response, Trouble> {
    if !visitor.owns(&form.csrf) {
        let text = "The form is not of this login. Load the page again.";
        return Err(Trouble::new(StatusCode::FORBIDDEN, "Nothing was revoked", text));
    }
    let nothing = || {
        Trouble::new(
            StatusCode::NOT_FOUND,
            "There is no such grant",
            "The list of grants has those that there are.",
        )
    };
    let id: GrantId = id.parse().map_err(|_| nothing())?;
    match face.context.desk.revoke_grant(&id, &visitor.0.reviewer).await? {
        Revoking::Done | Revoking::Already => Ok(Redirect::to("/grants").into_response()),
        Revoking::NoSuchGrant => Err(nothing()),
        Revoking::NotTheirs => {
            let text = "Reviewers, administrators and the agent's owners revoke grants.";
            Err(Trouble::new(StatusCode::FORBIDDEN, "Nothing was revoked", text))
        }
    }
}
