//! Login by one-time link, and logout. The link itself changes nothing: previews and scanners open links.

use super::oidc;
use super::pages::{self, Frame};
use super::problem::Problem;
use super::session::{self, SignedIn};
use super::{Face, shown::Shown};
use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    /// The secret of the link that was followed; empty: none.
    link: String,
    next: String,
    failed: bool,
    /// The host of the identity provider, and where a sign-in there begins.
    provider: Option<Shown>,
    begin: String,
}

impl LoginPage {
    fn of(face: &Face, link: String, next: &str, failed: bool) -> Self {
        Self {
            frame: Frame::outside(face),
            link,
            failed,
            provider: face.context.identity.as_ref().map(|identity| Shown::of(&identity.host())),
            begin: oidc::begin_path(next),
            next: next.to_owned(),
        }
    }
}

#[derive(Template)]
#[template(path = "arrival.html")]
struct ArrivalPage {
    frame: Frame,
    path: Shown,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    link: String,
    #[serde(default)]
    next: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Logout {
    csrf: String,
}

/// `GET /login?link=SECRET&next=/holds/…`: a button, nothing more.
pub(super) async fn page(State(face): State<Arc<Face>>, Query(link): Query<Link>) -> Response {
    let next = local(&link.next);
    pages::render(StatusCode::OK, &LoginPage::of(&face, link.link, next, false))
}

/// `POST /login`: spends the link and begins a session.
pub(super) async fn begin(
    State(face): State<Arc<Face>>,
    Form(link): Form<Link>,
) -> Result<Response, Problem> {
    let next = local(&link.next);
    let Some(cookie) = face.context.reviewers.spend_link(link.link.trim()).await? else {
        let page = LoginPage::of(&face, String::new(), next, true);
        return Ok(pages::render(StatusCode::FORBIDDEN, &page));
    };
    let cookie = session::set_cookie(&cookie, face.guard.https);
    Ok((StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, next.to_owned())]).into_response())
}

/// `POST /logout`.
pub(super) async fn end(
    State(face): State<Arc<Face>>,
    headers: HeaderMap,
    visitor: SignedIn,
    Form(form): Form<Logout>,
) -> Result<Response, Problem> {
    if !visitor.owns(&form.csrf) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "csrf").detail("load the page again"));
    }
    if let Some(value) = session::cookie(&headers, &face) {
        face.context.reviewers.logout(value).await?;
    }
    let cookie = session::set_cookie("", face.guard.https);
    if let Some(page) = oidc::leave(&face, &visitor.0.reviewer.login).await {
        return Ok(([(SET_COOKIE, cookie)], page).into_response());
    }
    Ok((StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, "/login".to_owned())]).into_response())
}

/// Where a link of another site leads: a page that goes on by itself, now with the cookie.
pub(super) fn arrival(path: &str) -> Response {
    pages::render(StatusCode::OK, &ArrivalPage { frame: Frame::bare(), path: Shown::of(local(path)) })
}

/// Only a path of ours may follow a login.
pub(super) fn local(next: &str) -> &str {
    let sound = next.starts_with('/')
        && next.as_bytes().get(1).is_none_or(|second| !matches!(second, b'/' | b'\\'))
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if sound { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_follow_a_login() {
        assert_eq!(local("/holds/hp_1?x=1"), "/holds/hp_1?x=1");
        for foreign in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "/\tb"] {
            assert_eq!(local(foreign), "/");
        }
    }
}
