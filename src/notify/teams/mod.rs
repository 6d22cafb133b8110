//! Microsoft Teams: cards by an Azure Bot over the Bot Connector, clicks back as signed invokes; and, where no bot
//! may be, notices by a workflow.
//!
//! Nothing here believes what comes in before `auth` has: there is no switch that turns its checks off. Nothing
//! here decides: a click goes to [`crate::chat`].

mod activity;
mod auth;
mod card;
mod click;
mod connector;
mod deliver;
mod inbound;
mod package;
mod settings;
mod token;
mod who;
mod workflow;

pub use package::{PackageError, package};
pub use settings::{Cloud, ServiceHost, Settings};
pub use workflow::Workflows;

use crate::chat::Chat;
use crate::outbound::Outbound;
use crate::redact::visible;
use crate::store::{Store, StoreError};
use auth::Gate;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use connector::Connector;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;
use who::Members;

/// The bot. Cheap to clone; implements [`crate::outbox::Notifier`] for the channels that are conversations of Teams.
#[derive(Debug, Clone)]
pub struct Teams {
    bot: Arc<Bot>,
}

#[derive(Debug)]
struct Bot {
    settings: Arc<Settings>,
    chat: Chat,
    store: Store,
    connector: Connector,
    gate: Gate,
    members: Members,
    /// By the name of the channel in our configuration: the conversation.
    channels: BTreeMap<String, String>,
    /// Calls from outside that are looked at, at one time.
    callers: Semaphore,
}

impl Teams {
    /// `channels`: by name, the conversation that each is (`19:…@thread.tacv2`).
    pub fn new(
        settings: Settings,
        channels: BTreeMap<String, String>,
        chat: &Chat,
        store: &Store,
        outbound: &Outbound,
    ) -> Self {
        let settings = Arc::new(settings);
        let bot = Bot {
            connector: Connector::new(Arc::clone(&settings), outbound),
            gate: Gate::new(Arc::clone(&settings), outbound),
            members: Members::default(),
            callers: Semaphore::new(CALLERS_MAX),
            chat: chat.clone(),
            store: store.clone(),
            channels,
            settings,
        };
        Self { bot: Arc::new(bot) }
    }

    /// `POST /teams/messages`: where the Azure Bot sends what people do. To be served without a session: it has its
    /// own authentication.
    pub fn router(&self) -> Router {
        Router::new()
            .route(ENDPOINT, post(inbound::receive))
            .layer(DefaultBodyLimit::max(ACTIVITY_BYTES_MAX))
            .with_state(Arc::clone(&self.bot))
    }
}

/// Whether the bot's own credentials are good: asks Entra for a token, and throws it away.
///
/// # Errors
/// Why there is none, for people.
pub async fn check(settings: &Settings, outbound: &Outbound) -> Result<(), String> {
    let connector = Connector::new(Arc::new(settings.clone()), outbound);
    connector.tokens().current().await.map(drop).map_err(|error| error.to_string())
}

/// A conversation that the bot was added to.
#[derive(Debug, serde::Serialize)]
pub struct Conversation {
    /// For `channels` in the configuration.
    pub id: String,
    /// `personal`, `groupChat`, `channel`.
    pub kind: String,
    /// As Teams calls it. Whoever named it chose it.
    pub name: String,
}

/// The conversations that Teams told of, newest first.
///
/// # Errors
/// The store.
pub async fn conversations(store: &Store) -> Result<Vec<Conversation>, StoreError> {
    let shown = |text: &str| visible(text).into_owned();
    let known = store.conversations().await?.into_iter();
    Ok(known
        .map(|row| Conversation { id: shown(&row.id), kind: shown(&row.kind), name: shown(&row.name) })
        .collect())
}

/// The path of the messaging endpoint.
pub const ENDPOINT: &str = "/teams/messages";
/// An activity of Teams is a few KiB; one with a card's inputs not much more.
const ACTIVITY_BYTES_MAX: usize = 256 * 1024;
const CALLERS_MAX: usize = 64;
