//! Sign-in at the identity provider, and sign-out from both sides.
//!
//! `GET /login/oidc` changes nothing but a row that is forgotten after ten minutes: a link cannot sign anybody in.

use super::Face;
use super::login::{arrival, local};
use super::pages::{self, Frame, Trouble, detail::sentence};
use super::session;
use super::shown::Shown;
use crate::approval::{Login, LoginBy, StepUp};
use crate::identity::{Fresh, Identity, IdentityError, LogoutError, Returned, SignedIn};
use crate::ruling::Assurance;
use askama::Template;
use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Why nobody is signed in, and what to do next.
#[derive(Template)]
#[template(path = "failed.html")]
struct FailedPage {
    frame: Frame,
    title: &'static str,
    text: Shown,
    advice: String,
    /// Where the button leads.
    again: String,
    label: &'static str,
}

/// Signed out here; the browser goes on to the provider.
#[derive(Template)]
#[template(path = "leaving.html")]
struct LeavingPage {
    frame: Frame,
    host: Shown,
    url: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Begin {
    #[serde(default)]
    next: String,
    #[serde(default)]
    why: Why,
}

/// What somebody signs in for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Why {
    #[default]
    Enter,
    /// A rule asks for a fresh, strong login.
    Approve,
}

#[derive(Deserialize)]
pub(super) struct LogoutToken {
    logout_token: String,
}

/// The page of a hold's rule that was refused for want of a login: where its button leads.
pub(super) fn step_up_path(next: &str) -> String {
    path(next, Some("approve"))
}

/// Where a sign-in begins that then goes on to `next`.
pub(super) fn begin_path(next: &str) -> String {
    path(next, None)
}

fn path(next: &str, why: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(why) = why {
        query.append_pair("why", why);
    }
    if next != "/" {
        query.append_pair("next", next);
    }
    let query: String = query.finish();
    if query.is_empty() { "/login/oidc".to_owned() } else { format!("/login/oidc?{query}") }
}

/// `GET /login/oidc?next=/holds/…&why=approve`: leads to the provider.
pub(super) async fn begin(
    State(face): State<Arc<Face>>,
    headers: HeaderMap,
    begin: Result<Query<Begin>, QueryRejection>,
) -> Result<Response, Trouble> {
    let identity = provider(&face)?;
    let Query(begin) = begin.unwrap_or_default();
    let next = local(&begin.next);
    let cookie = session::cookie(&headers, &face);
    let fresh = match begin.why {
        Why::Enter => Fresh::No,
        Why::Approve => {
            let session = session::session(&headers, &face).await?;
            let login = session.map(|session| session.reviewer.login);
            how_fresh(login.as_ref(), &identity.settings().step_up)
        }
    };
    let binding = session::login_cookie(&headers, &face);
    match identity.begin(next, fresh, binding, cookie).await {
        Ok(begun) => {
            let cookie = session::set_login_cookie(&begun.binding, face.guard.https);
            let to = [(SET_COOKIE, cookie), (LOCATION, begun.url.into())];
            Ok((StatusCode::SEE_OTHER, to).into_response())
        }
        Err(error) => Ok(failed(&face, &error)),
    }
}

/// Who has just signed in is not asked for the password again, only for what was missing.
fn how_fresh(login: Option<&Login>, step_up: &StepUp) -> Fresh {
    let just_now =
        login.filter(|login| login.by == LoginBy::Oidc).and_then(|login| login.at).is_some_and(|at| {
            let age = std::time::Duration::try_from(Timestamp::now().duration_since(at));
            age.is_ok_and(|age| age <= step_up.max_age)
        });
    if just_now && !step_up.acr.is_empty() { Fresh::StepUp } else { Fresh::Now }
}

/// `GET /login/callback`: where the provider sends the browser back to.
pub(super) async fn callback(
    State(face): State<Arc<Face>>,
    headers: HeaderMap,
    returned: Result<Query<Returned>, QueryRejection>,
) -> Result<Response, Trouble> {
    let identity = provider(&face)?;
    let Ok(Query(returned)) = returned else {
        return Ok(failed(&face, &IdentityError::NoCode));
    };
    let binding = session::login_cookie(&headers, &face).unwrap_or_default();
    match identity.finish(returned, binding).await {
        Ok(signed_in) => {
            let cookie = session::set_cookie(&signed_in.cookie, face.guard.https);
            // The browser came from the provider's site: a redirect would not carry the strict cookie.
            let mut page = match too_weak(&face, identity, &signed_in) {
                Some(page) => page,
                None => arrival(&signed_in.next),
            };
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                page.headers_mut().insert(SET_COOKIE, cookie);
            }
            Ok(page)
        }
        Err(error) => Ok(failed(&face, &error)),
    }
}

/// Who came back from a step-up without having stepped up is told why: the hold's page could only ask again.
fn too_weak(face: &Face, identity: &Identity, signed_in: &SignedIn) -> Option<Response> {
    let step_up = &identity.settings().step_up;
    let login = &signed_in.login;
    if signed_in.fresh == Fresh::No || step_up.assurance(login, Timestamp::now()) == Assurance::High {
        return None;
    }
    let told = |acr: &Option<String>| acr.as_ref().map_or("none".to_owned(), |acr| format!("`{acr}`"));
    let text = match login.at {
        None => "the identity provider does not say when you signed in (`auth_time`)".to_owned(),
        Some(_)
            if !step_up.acr.is_empty()
                && !login.acr.as_ref().is_some_and(|acr| step_up.acr.contains(acr)) =>
        {
            let asked: Vec<String> = step_up.acr.iter().map(|acr| format!("`{acr}`")).collect();
            format!(
                "this rule asks for a login of the kind {} (`acr`), and the identity provider says {}",
                asked.join(" or "),
                told(&login.acr)
            )
        }
        Some(_) => "the identity provider did not ask you anew: the login it tells of is too old".to_owned(),
    };
    let page = FailedPage {
        frame: Frame::outside(face),
        title: "You are signed in, but not strongly enough to approve",
        text: Shown::of(&sentence(&text)),
        advice: "Sign in again with a second factor, if you were offered one. If you were not, your administrator \
                 has to make the provider ask for it (`step-up` in the configuration)."
            .to_owned(),
        again: signed_in.next.clone(),
        label: "Back to the request",
    };
    Some(pages::render(StatusCode::FORBIDDEN, &page))
}

/// `POST /logout/backchannel`, called by the provider (Back-Channel Logout 1.0 §2.5).
pub(super) async fn back_channel(
    State(face): State<Arc<Face>>,
    form: Result<Form<LogoutToken>, FormRejection>,
) -> Response {
    let (Some(identity), Ok(Form(form))) = (&face.context.identity, form) else {
        return refuse(StatusCode::BAD_REQUEST, "there is no logout token, or no identity provider");
    };
    match identity.back_channel(&form.logout_token).await {
        Ok(sessions) => {
            tracing::info!(sessions, "the identity provider has ended sessions");
            StatusCode::OK.into_response()
        }
        Err(LogoutError::Store(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a logout could not be recorded");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "the store did not answer; try again")
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a logout token was refused");
            refuse(StatusCode::BAD_REQUEST, &error.to_string())
        }
    }
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(json!({ "error": "invalid_request", "error_description": why }))).into_response()
}

/// After a logout here: on to the provider's own, for who signed in there.
pub(super) async fn leave(face: &Face, login: &Login) -> Option<Response> {
    let identity = face.context.identity.as_ref().filter(|_| login.by == LoginBy::Oidc)?;
    let url = identity.end_session().await.ok()??;
    let page =
        LeavingPage { frame: Frame::outside(face), host: Shown::of(&identity.host()), url: url.into() };
    Some(pages::render(StatusCode::OK, &page))
}

fn provider(face: &Face) -> Result<&Identity, Trouble> {
    face.context.identity.as_deref().ok_or_else(|| {
        let text = "No identity provider is configured here. Sign in with a one-time link.";
        Trouble::new(StatusCode::NOT_FOUND, "There is no identity provider", text)
    })
}

fn failed(face: &Face, error: &IdentityError) -> Response {
    let status = match error {
        IdentityError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ if error.is_callers() => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_GATEWAY,
    };
    if error.is_callers() {
        tracing::info!(%error, "somebody was not signed in");
    } else {
        tracing::warn!(error = error as &dyn std::error::Error, "nobody can sign in like this");
    }
    let text = match error {
        IdentityError::Store(_) => "the store did not answer; try again".to_owned(),
        _ => error.to_string(),
    };
    let page = FailedPage {
        frame: Frame::outside(face),
        title: "You are not signed in",
        text: Shown::of(&sentence(&text)),
        advice: advice(error, &face.context.public_url),
        again: "/login".to_owned(),
        label: "To the sign-in page",
    };
    pages::render(status, &page)
}

/// What to do next.
fn advice(error: &IdentityError, public_url: &str) -> String {
    match error {
        IdentityError::UnknownState | IdentityError::Nonce => "Begin again, and do not use the back button.".to_owned(),
        IdentityError::OtherBrowser => format!("Open {public_url} in this browser and begin again there."),
        IdentityError::OtherIssuer(_) | IdentityError::NoIssuer => {
            "If you did not begin this sign-in yourself, somebody may be trying to deceive you: tell your administrator."
                .to_owned()
        }
        IdentityError::Refused { code, .. } if code == "access_denied" => {
            "Ask the administrator of the identity provider to assign you to Holdpoint.".to_owned()
        }
        IdentityError::Revoked => "Ask whoever keeps this Holdpoint.".to_owned(),
        IdentityError::Store(_) => String::new(),
        _ => "This is for your administrator: the log says more, and the guides for Okta and Entra say what it means."
            .to_owned(),
    }
}
