//! Who asks: a session cookie on pages, a bearer token on the API.

use super::Face;
use super::access::{self, Shown};
use super::problem::Problem;
use super::rights;
use crate::approval::{Channel, Reviewer};
use crate::identity::Undeciding;
use crate::reviewers::Session;
use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Redirect, Response};
use std::sync::Arc;

/// The session of a browser, of somebody with a role. Without a session, pages lead to the login.
#[derive(Debug)]
pub(super) struct Visitor(pub(super) Session);

impl FromRequestParts<Arc<Face>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, face: &Arc<Face>) -> Result<Self, Response> {
        let SignedIn(session) = SignedIn::from_request_parts(parts, face).await?;
        if rights::may_read(face, &session.reviewer) {
            Ok(Self(session))
        } else {
            Err(super::pages::no_role(&session, face))
        }
    }
}

/// The session of a browser, whatever the roles are.
#[derive(Debug)]
pub(super) struct SignedIn(pub(super) Session);

impl FromRequestParts<Arc<Face>> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, face: &Arc<Face>) -> Result<Self, Response> {
        if let Some(session) = session(&parts.headers, face).await.map_err(IntoResponse::into_response)? {
            return Ok(Self(session));
        }
        if came_from_elsewhere(parts) {
            return Err(super::login::arrival(asked(parts)));
        }
        Err(Redirect::to(&login_path(parts)).into_response())
    }
}

impl Visitor {
    /// Whether a form carries the token of this session. Constant time.
    pub(super) fn owns(&self, csrf: &str) -> bool {
        owns(&self.0, csrf)
    }
}

impl SignedIn {
    /// As [`Visitor::owns`].
    pub(super) fn owns(&self, csrf: &str) -> bool {
        owns(&self.0, csrf)
    }
}

fn owns(session: &Session, csrf: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(session.csrf.as_bytes(), csrf.as_bytes()).is_ok()
}

/// A caller of the API with a role, by token. A session is no credential here: forms of foreign sites carry
/// cookies.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) reviewer: Reviewer,
    pub(super) channel: Channel,
    /// A program that the provider itself lets read.
    machine: bool,
    /// Whether this token may change anything. It has been asked before a handler that does.
    pub(super) decides: Result<(), Undeciding>,
}

impl FromRequestParts<Arc<Face>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, face: &Arc<Face>) -> Result<Self, Problem> {
        let Anyone(caller) = Anyone::from_request_parts(parts, face).await?;
        if caller.machine || rights::may_read(face, &caller.reviewer) {
            Ok(caller)
        } else {
            Err(rights::no_role(&caller.reviewer))
        }
    }
}

/// A caller of the API, whatever the roles are. What is to change anything needs a token that decides.
#[derive(Debug)]
pub(super) struct Anyone(pub(super) Caller);

impl FromRequestParts<Arc<Face>> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, face: &Arc<Face>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or_else(Problem::unauthenticated)?;
        let Shown { reviewer, machine, decides } = access::shown(token, face).await?;
        let channel = channel(&parts.headers);
        match decides {
            Err(why) if !parts.method.is_safe() => {
                Err(access::refused(why, &reviewer, channel, parts, face).await)
            }
            decides => Ok(Self(Caller { reviewer, channel, machine, decides })),
        }
    }
}

/// A reader of the event stream: by token, or by the session of the page that listens.
#[derive(Debug)]
pub(super) struct Listener;

impl FromRequestParts<Arc<Face>> for Listener {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, face: &Arc<Face>) -> Result<Self, Problem> {
        if bearer(&parts.headers).is_some() {
            return Caller::from_request_parts(parts, face).await.map(|_| Self);
        }
        let session = session(&parts.headers, face).await?.ok_or_else(Problem::unauthenticated)?;
        if rights::may_read(face, &session.reviewer) {
            Ok(Self)
        } else {
            Err(rights::no_role(&session.reviewer))
        }
    }
}

/// The value of the session cookie.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, face: &Face) -> Option<&'h str> {
    named(headers, cookie_name(face.guard.https))
}

/// What binds a login under way to its browser.
pub(super) fn login_cookie<'h>(headers: &'h HeaderMap, face: &Face) -> Option<&'h str> {
    named(headers, login_cookie_name(face.guard.https))
}

/// `Set-Cookie` of [`login_cookie`]. `Lax`: the browser must send it when it comes back from the provider's site.
pub(super) fn set_login_cookie(value: &str, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    let name = login_cookie_name(https);
    format!("{name}={value}; Path=/; Max-Age={LOGIN_SECONDS}; HttpOnly; SameSite=Lax{secure}")
}

fn named<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// `Set-Cookie` that begins a session, or with an empty value ends it. `Strict`: no request that another
/// site caused carries it.
pub(super) fn set_cookie(value: &str, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    let age = if value.is_empty() { 0 } else { SESSION_SECONDS };
    format!("{}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}", cookie_name(https))
}

pub(super) async fn session(headers: &HeaderMap, face: &Face) -> Result<Option<Session>, Problem> {
    match cookie(headers, face) {
        Some(value) => Ok(face.context.reviewers.session(value).await?),
        None => Ok(None),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The command line says that it is one; who lies about it only mislabels their own vote.
fn channel(headers: &HeaderMap) -> Channel {
    let says = |name: &str, what: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with(what))
    };
    if says("holdpoint-channel", "cli") || says(USER_AGENT.as_str(), "holdpoint-cli") {
        Channel::Cli
    } else {
        Channel::Api
    }
}

/// A browser keeps a `Strict` cookie back when a link on another site (a chat, a mail) leads here, although
/// its owner is logged in.
fn came_from_elsewhere(parts: &Parts) -> bool {
    parts.method == Method::GET
        && parts.headers.get(super::guard::SEC_FETCH_SITE).is_some_and(|site| site == "cross-site")
}

/// The path with its query: a ticket to link a chat account must come along.
fn asked(parts: &Parts) -> &str {
    parts.uri.path_and_query().map_or("/", |path| path.as_str())
}

fn login_path(parts: &Parts) -> String {
    let next = asked(parts);
    if next == "/" || parts.method != Method::GET {
        return "/login".to_owned();
    }
    let query: String =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("/login?{query}")
}

/// `__Host-` binds a cookie to this very host, but browsers take it over TLS only.
fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-holdpoint_session" } else { "holdpoint_session" }
}

fn login_cookie_name(https: bool) -> &'static str {
    if https { "__Host-holdpoint_login" } else { "holdpoint_login" }
}

/// As long as a login may take.
const LOGIN_SECONDS: u32 = 600;
/// As [`Session::expires_at`].
const SESSION_SECONDS: u32 = 8 * 3600;
