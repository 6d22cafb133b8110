//! Agents of one's own: enrolled, given another token, ended. The token stands on one page, once.

use super::{Frame, Trouble, render};
use crate::review::Face;
use crate::review::rights;
use crate::review::session::SignedIn;
use crate::review::shown::Shown;
use crate::store::StoreError;
use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "enrol.html")]
struct EnrolPage {
    frame: Frame,
    csrf: String,
    owner: Shown,
    local: bool,
    name: String,
    /// Why it was not enrolled.
    failed: Option<String>,
}

#[derive(Template)]
#[template(path = "enrolled.html")]
struct EnrolledPage {
    frame: Frame,
    name: Shown,
    token: String,
    rotated: bool,
}

#[derive(Debug, Deserialize)]
pub(in crate::review) struct Asked {
    csrf: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    environment: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::review) struct Confirmed {
    csrf: String,
}

/// `GET /agents/enrol`.
pub(in crate::review) async fn page(
    State(face): State<Arc<Face>>,
    visitor: SignedIn,
) -> Result<Response, Trouble> {
    check_right(&face, &visitor)?;
    Ok(form(&face, &visitor, StatusCode::OK, String::new(), None))
}

/// `POST /agents/enrol`: an agent whose owner is the visitor.
pub(in crate::review) async fn enrol(
    State(face): State<Arc<Face>>,
    visitor: SignedIn,
    Form(asked): Form<Asked>,
) -> Result<Response, Trouble> {
    check_form(&visitor, &asked.csrf)?;
    check_right(&face, &visitor)?;
    let name = asked.name.trim().to_owned();
    let environment = asked.environment.trim();
    if environment.len() > LABEL_BYTES_MAX {
        return Err(Trouble::new(
            StatusCode::BAD_REQUEST,
            "Nothing was enrolled",
            "The environment is too long.",
        ));
    }
    let mut labels = BTreeMap::new();
    if !environment.is_empty() {
        labels.insert("environment".to_owned(), environment.to_owned());
    }
    let by = &visitor.0.reviewer.person;
    match face.context.agents.add_own(&name, &[], &labels, by).await {
        Ok(token) => Ok(credentials(&face, &visitor, &name, token, false)),
        Err(error @ (StoreError::BadName(_) | StoreError::NameTaken(_))) => {
            let status = if matches!(error, StoreError::NameTaken(_)) {
                StatusCode::CONFLICT
            } else {
                StatusCode::UNPROCESSABLE_ENTITY
            };
            Ok(form(&face, &visitor, status, name, Some(super::detail::sentence(&error.to_string()))))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /agents/{name}/rotate`.
pub(in crate::review) async fn rotate(
    State(face): State<Arc<Face>>,
    visitor: SignedIn,
    Path(name): Path<String>,
    Form(confirmed): Form<Confirmed>,
) -> Result<Response, Trouble> {
    check_form(&visitor, &confirmed.csrf)?;
    check_change(&face, &visitor, &name).await?;
    let by = &visitor.0.reviewer.person;
    match face.context.agents.rotate(&name, Some(by)).await? {
        Some(token) => Ok(credentials(&face, &visitor, &name, token, true)),
        None => Err(Trouble::new(
            StatusCode::CONFLICT,
            "There is no token to replace",
            "The agent was revoked, or comes with tokens of its workload.",
        )),
    }
}

/// `POST /agents/{name}/revoke`.
pub(in crate::review) async fn revoke(
    State(face): State<Arc<Face>>,
    visitor: SignedIn,
    Path(name): Path<String>,
    Form(confirmed): Form<Confirmed>,
) -> Result<Response, Trouble> {
    check_form(&visitor, &confirmed.csrf)?;
    check_change(&face, &visitor, &name).await?;
    face.context.agents.revoke(&name, Some(&visitor.0.reviewer.person)).await?;
    Ok(Redirect::to(&format!("/agents/{name}")).into_response())
}

fn check_form(visitor: &SignedIn, csrf: &str) -> Result<(), Trouble> {
    if visitor.owns(csrf) {
        return Ok(());
    }
    let text = "The form is not of this login. Load the page again.";
    Err(Trouble::new(StatusCode::FORBIDDEN, "Nothing was changed", text))
}

fn check_right(face: &Face, visitor: &SignedIn) -> Result<(), Trouble> {
    let reviewer = &visitor.0.reviewer;
    if rights::may_enrol(face, reviewer) { Ok(()) } else { Err(rights::no_role(reviewer).into()) }
}

async fn check_change(face: &Face, visitor: &SignedIn, name: &str) -> Result<(), Trouble> {
    let agents = face.context.agents.list().await?;
    let agent = agents.iter().find(|enrolled| enrolled.agent.name == name);
    match agent {
        Some(agent) if rights::may_change(face, &visitor.0.reviewer, agent) => Ok(()),
        _ => Err(rights::not_admin("changing the agents of others").into()),
    }
}

fn form(
    face: &Face,
    visitor: &SignedIn,
    status: StatusCode,
    name: String,
    failed: Option<String>,
) -> Response {
    let reviewer = &visitor.0.reviewer;
    let page = EnrolPage {
        frame: Frame::signed_in(&visitor.0, face, "agents"),
        csrf: visitor.0.csrf.clone(),
        owner: Shown::of(&reviewer.display),
        local: reviewer.person.is_local(),
        name,
        failed,
    };
    render(status, &page)
}

fn credentials(face: &Face, visitor: &SignedIn, name: &str, token: String, rotated: bool) -> Response {
    let frame = Frame::signed_in(&visitor.0, face, "agents");
    render(StatusCode::OK, &EnrolledPage { frame, name: Shown::of(name), token, rotated })
}

const LABEL_BYTES_MAX: usize = 63;
