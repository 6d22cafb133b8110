//! Everybody who decides: local accounts, which are kept here, and people of the identity provider.

use super::{Frame, Trouble, render};
use crate::person::Person;
use crate::review::moment::Moment;
use crate::review::session::Visitor;
use crate::review::shown::Shown;
use crate::review::{Face, rights};
use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    frame: Frame,
    people: Vec<Someone>,
    /// For the forms, where the visitor is an admin.
    change: Option<String>,
}

struct Someone {
    /// For the form.
    name: String,
    display: Shown,
    person: Shown,
    local: bool,
    you: bool,
    email: Option<Shown>,
    groups: Vec<Shown>,
    confirmed: Option<Moment>,
    revoked: Option<Moment>,
}

#[derive(Debug, Deserialize)]
pub(in crate::review) struct Ended {
    csrf: String,
    person: String,
}

/// `GET /people`.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
) -> Result<Response, Trouble> {
    let now = Timestamp::now();
    let me = &visitor.0.reviewer;
    let reviewers = &face.context.reviewers;
    let mut people = Vec::new();
    for known in reviewers.people().await? {
        people.push(Someone {
            name: known.person.to_string(),
            display: Shown::of(&known.display),
            person: Shown::of(&known.person.to_string()),
            local: false,
            you: known.person == me.person,
            email: known.email.as_deref().map(Shown::of),
            groups: known.groups.iter().map(|group| Shown::of(group)).collect(),
            confirmed: Some(Moment::of(known.groups_at, now)),
            revoked: known.revoked_at.map(|at| Moment::of(at, now)),
        });
    }
    for account in reviewers.list().await? {
        people.push(Someone {
            display: Shown::of(&account.name),
            person: Shown::of(&account.name),
            local: true,
            you: Person::local(&account.name) == me.person,
            email: None,
            groups: account.groups.iter().map(|group| Shown::of(group)).collect(),
            confirmed: None,
            revoked: account.revoked_at.map(|at| Moment::of(at, now)),
            name: account.name,
        });
    }
    let change = rights::is_admin(&face, me).then(|| visitor.0.csrf.clone());
    let page = PeoplePage { frame: Frame::of(&visitor, &face, "people"), people, change };
    Ok(render(StatusCode::OK, &page))
}

/// `POST /people/revoke`.
pub(in crate::review) async fn revoke(
    State(face): State<Arc<Face>>,
    visitor: Visitor,
    Form(ended): Form<Ended>,
) -> Result<Response, Trouble> {
    if !visitor.owns(&ended.csrf) {
        let text = "The form is not of this login. Load the page again.";
        return Err(Trouble::new(StatusCode::FORBIDDEN, "Nothing was changed", text));
    }
    let me = &visitor.0.reviewer;
    if !rights::is_admin(&face, me) {
        return Err(rights::not_admin("revoking people").into());
    }
    let nobody = || {
        Trouble::new(StatusCode::NOT_FOUND, "There is nobody to revoke", "The list has everybody there is.")
    };
    let person: Person = ended.person.parse().map_err(|_| nobody())?;
    if face.context.reviewers.revoke(&person, Some(&me.person)).await? {
        Ok(Redirect::to("/people").into_response())
    } else {
        Err(nobody())
    }
}
