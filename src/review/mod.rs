//! The reviewers' face: inbox, API, events, login.
//!
//! Nothing here decides: a vote goes to the [`Desk`], which judges it in the transaction that records it.
//! No GET changes anything but the time a session was last used.

mod access;
mod api;
mod assets;
mod body;
mod card;
mod decoded;
mod guard;
mod login;
mod moment;
mod oidc;
mod pages;
mod probes;
mod problem;
mod rights;
mod serve;
mod session;
mod shown;

pub use serve::serve;

use crate::agents::Agents;
use crate::desk::Desk;
use crate::identity::Identity;
use crate::ledger::Ledger;
use crate::outbox::Outbox;
use crate::reviewers::Reviewers;
use crate::rules::RuleSet;
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What the reviewers' face needs of the rest.
#[derive(Debug)]
pub struct Context {
    pub desk: Arc<Desk>,
    pub reviewers: Reviewers,
    /// `None`: local accounts only.
    pub identity: Option<Arc<Identity>>,
    pub agents: Arc<Agents>,
    pub ledger: Ledger,
    pub rules: Arc<ArcSwap<RuleSet>>,
    /// One person runs the agents and reviews: said loudly on every page.
    pub solo: bool,
    /// Where reviewers reach this face: `https://holds.example` or `http://127.0.0.1:8081`. Its host is one of
    /// those that requests may name; `https` makes the session cookie `Secure`.
    pub public_url: String,
    pub registry: prometheus_client::registry::Registry,
    /// Whether the whole server is ready, for `/readyz`.
    pub ready: tokio::sync::watch::Receiver<bool>,
    /// Ends the event streams, which would otherwise keep their connections open.
    pub shutdown: CancellationToken,
    pub outbox: Outbox,
    /// What chat services call: with authentication of their own, so that neither session nor origin of a form
    /// is asked for.
    pub callbacks: Router,
}

/// The whole face as one router, to be served on the control listener.
pub fn app(mut context: Context) -> Router {
    let callbacks = std::mem::take(&mut context.callbacks).layer(DefaultBodyLimit::max(CALLBACK_BYTES_MAX));
    let (api, document) = api::routes();
    let face = Arc::new(Face {
        guard: guard::Guard::new(&context.public_url),
        listeners: Arc::new(Semaphore::new(LISTENERS_MAX)),
        document: serde_json::to_vec(&document).unwrap_or_default().into(),
        context,
    });
    let guarded = pages().merge(api).layer(from_fn_with_state(Arc::clone(&face), guard::admit));
    Router::new()
        .route("/metrics", get(probes::metrics))
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .merge(guarded)
        .merge(callbacks.with_state(()))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn(guard::headers))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(face)
}

fn pages() -> Router<Arc<Face>> {
    Router::new()
        .route("/", get(pages::inbox::page))
        .route("/holds/{id}", get(pages::detail::page))
        .route("/holds/{id}/votes", post(pages::vote::cast))
        .route("/agents", get(pages::agents::list))
        .route("/agents/enrol", get(pages::enrol::page).post(pages::enrol::enrol))
        .route("/agents/{name}", get(pages::agents::page))
        .route("/agents/{name}/rotate", post(pages::enrol::rotate))
        .route("/agents/{name}/revoke", post(pages::enrol::revoke))
        .route("/people", get(pages::people::page))
        .route("/people/revoke", post(pages::people::revoke))
        .route("/grants", get(pages::grants::page))
        .route("/grants/{id}/revoke", post(pages::grants::revoke))
        .route("/reviewing", get(pages::reviewing::page))
        .route("/rules", get(pages::rules::page))
        .route("/ledger", get(pages::ledger::page))
        .route("/deliveries", get(pages::deliveries::page))
        .route("/deliveries/{id}/replay", post(pages::deliveries::replay))
        .route("/login", get(login::page).post(login::begin))
        .route("/login/oidc", get(oidc::begin))
        .route("/login/callback", get(oidc::callback))
        .route("/logout", post(login::end))
        .route("/logout/backchannel", post(oidc::back_channel))
        .route("/account", get(pages::account::page))
        .route("/account/unlink", post(pages::account::unlink))
        .route("/link", get(pages::account::ask).post(pages::account::link))
        .route("/assets/{name}", get(assets::asset))
}

/// Shared by all handlers.
#[derive(Debug)]
struct Face {
    context: Context,
    guard: guard::Guard,
    /// One permit per event stream.
    listeners: Arc<Semaphore>,
    /// The OpenAPI document, as JSON.
    document: bytes::Bytes,
}

/// A vote or a login: a few short fields.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// A click, with the message that it was made in.
const CALLBACK_BYTES_MAX: usize = 1024 * 1024;
/// The longest that a handler may take, long polls apart.
const HANDLER_TIME_MAX: Duration = Duration::from_secs(30);
/// Event streams at once; more are told to try later.
const LISTENERS_MAX: usize = 256;
