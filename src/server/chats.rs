//! What tells people and machines, built from the configuration: one notifier for each channel and webhook.

use crate::chat::Chat;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::notify::slack::{Slack, Tasks};
use crate::notify::teams::{Teams, Workflows};
use crate::notify::webhook::Webhook;
use crate::outbound::Outbound;
use crate::outbox::{Notifier, Notifiers, Subscription};
use crate::routing::Place;
use crate::store::Store;
use axum::Router;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the chat services are built from.
pub(super) struct Ground<'a> {
    pub(super) config: &'a Config,
    pub(super) chat: Chat,
    pub(super) store: &'a Store,
    pub(super) outbound: Outbound,
    pub(super) metrics: &'a Arc<Metrics>,
    /// Tasks (a socket that stays open) belong here, and end with the token.
    pub(super) tasks: &'a TaskTracker,
    pub(super) shutdown: &'a CancellationToken,
}

/// The chat services, ready.
#[derive(Default)]
pub(super) struct Chats {
    pub(super) notifiers: Notifiers,
    pub(super) subscriptions: Vec<Subscription>,
    /// What they call.
    pub(super) callbacks: Router,
}

/// Builds what the configuration asks for. A channel without a notifier is told of in the log, and its deliveries
/// fail, which the ledger says.
pub(super) fn build(ground: &Ground<'_>) -> Chats {
    let mut chats = Chats::default();
    slack(ground, &mut chats);
    teams(ground, &mut chats);
    workflows(ground, &mut chats);
    for (name, settings) in &ground.config.webhooks {
        let (events, address) = (settings.events.clone(), settings.address());
        chats.subscriptions.push(Subscription { name: name.clone(), events, address });
        let webhook = Webhook::new(settings.clone(), ground.outbound.clone());
        chats.notifiers.insert(name.clone(), Arc::new(webhook));
    }
    for name in ground.config.channels.keys().filter(|name| !chats.notifiers.contains_key(*name)) {
        tracing::error!(channel = name, "nobody serves this channel: its chat service is not configured");
    }
    chats
}

fn slack(ground: &Ground<'_>, chats: &mut Chats) {
    let Some(settings) = ground.config.slack.clone() else { return };
    let channels = named(ground, |place| match place {
        Place::Slack(conversation) => Some(conversation.clone()),
        _ => None,
    });
    let names: Vec<String> = channels.keys().cloned().collect();
    let tasks = Tasks { tracker: ground.tasks.clone(), stop: ground.shutdown.clone() };
    let metrics = Arc::clone(ground.metrics);
    let slack = Slack::new(settings, channels, ground.outbound.clone(), ground.chat.clone(), metrics, tasks);
    slack.start();
    chats.callbacks = std::mem::take(&mut chats.callbacks).merge(slack.callbacks());
    let slack: Arc<dyn Notifier> = slack;
    chats.notifiers.extend(names.into_iter().map(|name| (name, Arc::clone(&slack))));
}

fn teams(ground: &Ground<'_>, chats: &mut Chats) {
    let Some(settings) = ground.config.teams.clone() else { return };
    let channels = named(ground, |place| match place {
        Place::Teams(conversation) => Some(conversation.clone()),
        _ => None,
    });
    let names: Vec<String> = channels.keys().cloned().collect();
    let teams = Teams::new(settings, channels, &ground.chat, ground.store, &ground.outbound);
    chats.callbacks = std::mem::take(&mut chats.callbacks).merge(teams.router());
    let teams: Arc<dyn Notifier> = Arc::new(teams);
    chats.notifiers.extend(names.into_iter().map(|name| (name, Arc::clone(&teams))));
}

fn workflows(ground: &Ground<'_>, chats: &mut Chats) {
    let addresses = named(ground, |place| match place {
        Place::Workflow(address) => Some(address.clone()),
        _ => None,
    });
    let names: Vec<String> = addresses.keys().cloned().collect();
    let workflows: Arc<dyn Notifier> = Arc::new(Workflows::new(addresses, &ground.chat, &ground.outbound));
    chats.notifiers.extend(names.into_iter().map(|name| (name, Arc::clone(&workflows))));
}

/// The channels of one kind, by name.
fn named<T>(ground: &Ground<'_>, kind: impl Fn(&Place) -> Option<T>) -> BTreeMap<String, T> {
    ground.config.channels.iter().filter_map(|(name, place)| Some((name.clone(), kind(place)?))).collect()
}
