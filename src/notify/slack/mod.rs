//! Slack: cards in its channels, clicks from its sockets or by HTTP.
//!
//! An own thin client of what we use. A card is what the store says at the moment it is drawn, so any instance may
//! draw it, in any order, again after a restart. A click is checked here for what Slack alone can say (which
//! workspace, what kind of account) and then goes to [`crate::chat`].

pub mod api;
pub mod blocks;
pub mod card;
mod click;
mod http;
pub mod payload;
pub mod signature;
mod socket;
pub mod user;

use crate::chat::{CardRow, Chat};
use crate::hold::{Hold, HoldId, HoldState};
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::outbox::{Delivery, Kind, Notifier, Receipt};
use crate::person::Person;
use crate::store::StoreError;
use api::{Api, ApiError, Message};
use card::{Drawn, Face, SHARED_MAX};
use futures_util::future::BoxFuture;
use payload::Place;
use secrecy::SecretString;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use user::Home;

/// The app manifest, to be pasted where Slack asks for one.
pub const MANIFEST: &str = include_str!("manifest.yaml");

/// The manifest for sockets, or for clicks by HTTP to the reviewers' address `base`.
pub fn manifest(base: Option<&str>) -> String {
    let Some(base) = base else { return MANIFEST.to_owned() };
    let enabled = "interactivity:\n    is_enabled: true\n";
    let asked = format!("{enabled}    request_url: {base}/slack/interactions\n");
    MANIFEST.replace("socket_mode_enabled: true", "socket_mode_enabled: false").replace(enabled, &asked)
}

/// How Slack is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of the Web API, without a slash at the end: `https://slack.com/api`.
    pub api: String,
    pub bot_token: SecretString,
    /// The workspace or organisation whose members may act; `None`: the token's workspace.
    pub team: Option<String>,
    pub inbound: Inbound,
}

/// How clicks come in.
#[derive(Debug, Clone)]
pub enum Inbound {
    /// Socket Mode: we call Slack.
    Sockets {
        app_token: SecretString,
        sockets: usize,
        /// A socket from which nothing came for so long is dead.
        silence: Duration,
    },
    /// Slack calls `/slack/interactions`.
    Http { signing_secret: SecretString },
}

/// Where its tasks belong, and what ends them.
#[derive(Debug, Clone)]
pub struct Tasks {
    pub tracker: TaskTracker,
    pub stop: CancellationToken,
}

/// The integration. Cheap to clone by its `Arc`.
#[derive(Debug)]
pub struct Slack {
    api: Api,
    settings: Settings,
    /// Conversations by the names of their channels.
    channels: BTreeMap<String, String>,
    chat: Chat,
    metrics: Arc<Metrics>,
    home: OnceCell<Home>,
    /// One card of a channel is drawn at a time, so that an older one never overwrites a newer.
    drawing: BTreeMap<String, tokio::sync::Mutex<()>>,
    /// The message of a channel that the next hold of its kind may join.
    open: Mutex<HashMap<String, Open>>,
    /// Clicks at once; more are not acknowledged, and Slack says so to who clicked.
    clicks: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    connected: watch::Sender<usize>,
}

/// A message that others may join.
#[derive(Debug, Clone)]
struct Open {
    message: String,
    agent: i64,
    rule: String,
    shape: String,
    until: Instant,
}

impl Slack {
    /// `channels` are those of the configuration that are in Slack. Nothing is called before [`Self::start`] or a
    /// delivery.
    pub fn new(
        settings: Settings,
        channels: BTreeMap<String, String>,
        outbound: Outbound,
        chat: Chat,
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> Arc<Self> {
        Arc::new(Self {
            api: Api::new(outbound, &settings.api, settings.bot_token.clone()),
            drawing: channels.keys().map(|name| (name.clone(), tokio::sync::Mutex::default())).collect(),
            settings,
            channels,
            chat,
            metrics,
            home: OnceCell::new(),
            open: Mutex::default(),
            clicks: Arc::new(Semaphore::new(CLICKS_MAX)),
            tasks: tasks.tracker,
            stop: tasks.stop,
            connected: watch::channel(0).0,
        })
    }

    /// Starts to listen for clicks, where we are the ones who call.
    pub fn start(self: &Arc<Self>) {
        if let Inbound::Sockets { app_token, sockets, silence } = self.settings.inbound.clone() {
            for _ in 0..sockets {
                self.tasks.spawn(socket::keep(Arc::clone(self), app_token.clone(), silence));
            }
            self.tasks.spawn(socket::watch(Arc::clone(self), silence));
        }
    }

    /// The routes that Slack calls; none over sockets.
    pub fn callbacks(self: &Arc<Self>) -> axum::Router {
        match &self.settings.inbound {
            Inbound::Http { signing_secret } => http::routes(self, signing_secret),
            Inbound::Sockets { .. } => axum::Router::new(),
        }
    }

    /// How many sockets are open, as it changes.
    pub fn connected(&self) -> watch::Receiver<usize> {
        self.connected.subscribe()
    }

    /// Whose members may act.
    async fn home(&self) -> Result<&Home, HomeError> {
        self.home
            .get_or_try_init(|| async {
                let token = self.api.auth_test().await?;
                Home::of(self.settings.team.as_deref(), &token).map_err(HomeError::Foreign)
            })
            .await
    }

    async fn try_deliver(&self, delivery: &Delivery) -> Result<String, Failure> {
        let conversation = self.channels.get(&delivery.channel);
        let conversation =
            conversation.ok_or_else(|| Failure::Never("no such channel in Slack".to_owned()))?;
        match delivery.kind {
            Kind::Card => {
                let id = delivery.hold.as_ref();
                let id = id.ok_or_else(|| Failure::Never("the card of no hold".to_owned()))?;
                let lock = self.drawing.get(&delivery.channel);
                let _drawing = match lock {
                    Some(lock) => Some(lock.lock().await),
                    None => None,
                };
                self.card(delivery, conversation, id).await
            }
            Kind::Notice => self.notice(conversation, delivery).await,
            Kind::Digest => {
                let count =
                    delivery.body.get("count").and_then(serde_json::Value::as_u64).unwrap_or_default();
                let agents = delivery.body.get("agents").and_then(serde_json::Value::as_array);
                let agents: Vec<String> = agents
                    .into_iter()
                    .flatten()
                    .filter_map(|agent| Some(crate::redact::visible(agent.as_str()?).into_owned()))
                    .collect();
                let message = card::digest(count, &agents, &self.chat.inbox());
                Ok(self.api.post_message(conversation, &message).await.map(|ts| format!("posted {ts}"))?)
            }
            Kind::Event => Err(Failure::Never("events are for webhooks".to_owned())),
        }
    }

    /// Whom a message calls on: people by their linked accounts, groups by name.
    async fn calls(&self, body: &serde_json::Value) -> Option<serde_json::Value> {
        let list = |key: &str| -> Vec<String> {
            body.get(key).and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default()
        };
        let home = self.home().await.ok();
        let (mut users, mut names) = (Vec::new(), list("groups"));
        for person in list("people") {
            let Ok(person) = person.parse::<Person>() else { continue };
            // Who cannot be called is called by name, below.
            let accounts = self.chat.accounts_of(&person).await.unwrap_or_default();
            users.extend(accounts.iter().find_map(|account| home?.user(account).map(str::to_owned)));
        }
        names.extend(list("names"));
        card::calls(&users, &names)
    }

    /// A sentence, to the channel or to one person.
    async fn notice(&self, conversation: &str, delivery: &Delivery) -> Result<String, Failure> {
        let text = |key: &str| delivery.body.get(key).and_then(serde_json::Value::as_str);
        let mut message = card::notice(&crate::redact::visible(text("text").unwrap_or_default()));
        if let Some(hold) = &delivery.hold {
            message.blocks.push(card::link(&self.chat.page(hold)));
        }
        let Some(person) = text("person") else {
            message.blocks.extend(self.calls(&delivery.body).await);
            return Ok(self
                .api
                .post_message(conversation, &message)
                .await
                .map(|ts| format!("posted {ts}"))?);
        };
        let person: Person =
            person.parse().map_err(|_| Failure::Never("the notice is to nobody".to_owned()))?;
        let home = self.home().await?;
        let accounts = self.chat.accounts_of(&person).await?;
        let user = accounts.iter().find_map(|account| home.user(account));
        let user = user.ok_or_else(|| Failure::Never("they have no linked Slack account".to_owned()))?;
        let direct = self.api.open_direct(user).await?;
        Ok(self.api.post_message(&direct, &message).await.map(|ts| format!("posted {ts} to them"))?)
    }

    /// Draws the card of a hold where it stands, or posts it.
    async fn card(&self, delivery: &Delivery, conversation: &str, id: &HoldId) -> Result<String, Failure> {
        let channel = delivery.channel.as_str();
        let rows = self.chat.cards_of_hold(id).await?;
        let row = rows.into_iter().find(|row| row.channel == channel);
        let Some(row) = row else { return self.post(delivery, conversation, id).await };
        let place = Place::of_key(&row.message)
            .ok_or_else(|| Failure::Never("the card stands nowhere in Slack".to_owned()))?;
        let shared = self.chat.cards_of_message(channel, &row.message).await?;
        let Some(drawing) = self.draw(&shared).await? else {
            return Err(Failure::Never("there is no such hold".to_owned()));
        };
        match self.api.update(&place.conversation, &place.ts, &drawing.drawn.message).await {
            Ok(()) => {}
            // Somebody removed it. Who is to decide must see it; who is not need not.
            Err(error) if error.word() == Some(GONE) => {
                let pending =
                    drawing.holds.iter().any(|hold| hold.id == *id && hold.state == HoldState::Pending);
                if !pending {
                    return Ok("the message was deleted in Slack".to_owned());
                }
                self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(channel);
                return self.post(delivery, conversation, id).await;
            }
            Err(error) => return Err(error.into()),
        }
        let message = row.message.clone();
        self.keep(shared, &drawing, &message).await?;
        Ok(format!("updated {}", place.ts))
    }

    /// Posts a hold that stands nowhere: in a message with others of its kind, or in one of its own.
    async fn post(&self, delivery: &Delivery, conversation: &str, id: &HoldId) -> Result<String, Failure> {
        let channel = delivery.channel.as_str();
        let button = self.chat.new_button()?;
        let Some(hold) = self.chat.desk().hold(id).await? else {
            return Err(Failure::Never("there is no such hold".to_owned()));
        };
        let row = CardRow {
            button,
            hold: id.clone(),
            channel: channel.to_owned(),
            message: String::new(),
            digest: hold.digest,
            whole: false,
            version: hold.version,
        };
        if let Some(said) = self.join(channel, &hold, &row).await? {
            return Ok(said);
        }
        let Some(mut drawing) = self.draw(std::slice::from_ref(&row)).await? else {
            return Err(Failure::Never("there is no such hold".to_owned()));
        };
        // Once: a change of the card calls nobody again.
        if let Some(calls) = self.calls(&delivery.body).await {
            drawing.drawn.message.blocks.insert(1, calls);
        }
        let ts = self.api.post_message(conversation, &drawing.drawn.message).await?;
        let message = Place { conversation: conversation.to_owned(), ts: ts.clone() }.key();
        self.keep(vec![row], &drawing, &message).await?;
        let open = Open {
            message,
            agent: hold.agent_id,
            rule: hold.grounds.rule.clone(),
            shape: shape(&hold),
            until: Instant::now() + JOIN_FOR,
        };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(channel.to_owned(), open);
        Ok(format!("posted {ts}"))
    }

    /// Puts a hold into the message of others like it, if there is one of a moment ago and all of them can be
    /// approved there.
    async fn join(&self, channel: &str, hold: &Hold, row: &CardRow) -> Result<Option<String>, Failure> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(channel).cloned();
        let alike = |open: &Open| {
            open.until > Instant::now()
                && open.agent == hold.agent_id
                && open.rule == hold.grounds.rule
                && open.shape == shape(hold)
        };
        let Some(open) = open.filter(alike) else { return Ok(None) };
        let mut shared = self.chat.cards_of_message(channel, &open.message).await?;
        if shared.is_empty() || shared.len() >= SHARED_MAX || hold.state != HoldState::Pending {
            return Ok(None);
        }
        let Some(place) = Place::of_key(&open.message) else { return Ok(None) };
        shared.push(row.clone());
        let Some(drawing) = self.draw(&shared).await?.filter(|drawing| drawing.together) else {
            return Ok(None);
        };
        match self.api.update(&place.conversation, &place.ts, &drawing.drawn.message).await {
            Err(error) if error.word() == Some(GONE) => return Ok(None),
            updated => updated?,
        }
        self.keep(shared, &drawing, &open.message).await?;
        Ok(Some(format!("joined {}", place.ts)))
    }

    /// Draws the cards of one message as their holds are now. `None`: there are none.
    async fn draw(&self, rows: &[CardRow]) -> Result<Option<Drawing>, StoreError> {
        let mut cards = Vec::with_capacity(rows.len());
        let mut holds = Vec::with_capacity(rows.len());
        for row in rows {
            let Some((hold, card)) = self.chat.desk().card(&row.hold).await? else { return Ok(None) };
            cards.push((card, self.chat.page(&hold.id)));
            holds.push(hold);
        }
        let faces: Vec<Face<'_>> = cards
            .iter()
            .zip(rows)
            .map(|((card, page), row)| Face { card, page, button: &row.button })
            .collect();
        let Some(first) = faces.first() else { return Ok(None) };
        let shared = card::draw_shared(&faces);
        let together = shared.is_some();
        let drawn = match shared {
            Some(drawn) => drawn,
            None if faces.len() == 1 => card::draw(first),
            // They fitted once: votes have been added since. Only the inbox has room for them now.
            None => card::too_many(&faces),
        };
        Ok(Some(Drawing { drawn, holds, together }))
    }

    /// Writes down what stands where, after it does.
    async fn keep(&self, rows: Vec<CardRow>, drawing: &Drawing, message: &str) -> Result<(), StoreError> {
        for ((row, hold), whole) in rows.into_iter().zip(&drawing.holds).zip(&drawing.drawn.whole) {
            let row = CardRow {
                message: message.to_owned(),
                version: hold.version,
                digest: hold.digest,
                whole: *whole,
                ..row
            };
            self.chat.keep_card(row).await?;
        }
        Ok(())
    }

    /// Says something in every channel.
    async fn announce(&self, text: &str) {
        let message: Message = card::notice(text);
        for (name, conversation) in &self.channels {
            if let Err(error) = self.api.post_message(conversation, &message).await {
                tracing::warn!(channel = %name, error = &error as &dyn std::error::Error, "Slack was not told");
            }
        }
    }
}

/// What was drawn, of which holds.
#[derive(Debug)]
struct Drawing {
    drawn: Drawn,
    holds: Vec<Hold>,
    /// Several, in one message.
    together: bool,
}

impl Notifier for Slack {
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Receipt> {
        Box::pin(async move {
            match self.try_deliver(delivery).await {
                Ok(said) => Receipt::Done(said),
                Err(failure) => failure.into(),
            }
        })
    }

    fn pace(&self) -> Duration {
        api::PACE
    }
}

/// Why a delivery was not taken.
#[derive(Debug)]
enum Failure {
    Never(String),
    Later(Option<Duration>, String),
}

/// Why it is not known whose members may act.
#[derive(Debug, thiserror::Error)]
enum HomeError {
    #[error("Slack does not say whose token this is")]
    Api(#[from] ApiError),
    #[error("{0}")]
    Foreign(String),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let why = said(&error);
        match &error {
            ApiError::Limited { after, .. } => Self::Later(Some(*after), why),
            // What is wrong with this message will stay wrong; what is wrong with the app can be mended.
            ApiError::Refused { error, .. } if NEVER.contains(&error.as_str()) => Self::Never(why),
            _ => Self::Later(None, why),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Later(None, said(&error))
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        match error {
            HomeError::Api(error) => error.into(),
            HomeError::Foreign(why) => Self::Later(None, why),
        }
    }
}

impl From<Failure> for Receipt {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Never(why) => Self::Never(why),
            Failure::Later(after, why) => Self::Later { after, why },
        }
    }
}

/// An error with its sources, in one line.
fn said(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn shape(hold: &Hold) -> String {
    crate::hold::shape(&hold.request.method, &hold.request.url)
}

/// Slack's words for what no repetition mends.
const NEVER: &[&str] = &[
    "invalid_blocks",
    "invalid_blocks_format",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "invalid_arguments",
    "cant_update_message",
    "edit_window_closed",
    "user_not_found",
    "user_disabled",
    "cannot_dm_bot",
];
const GONE: &str = "message_not_found";
const CLICKS_MAX: usize = 64;
/// A message is joined while who was told of it is likely to be still reading.
const JOIN_FOR: Duration = Duration::from_mins(1);
