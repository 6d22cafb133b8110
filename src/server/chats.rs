//! What tells people and machines, built from the configuration: one notifier for each channel and webhook.

use crate::chat::Chat;
use crate::config::Config;
use crate::outbound::Outbound;
use crate::outbox::Notifiers;
use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the chat services are built from.
#[expect(dead_code, reason = "each chat service takes what it needs")]
pub(super) struct Ground<'a> {
    pub(super) config: &'a Config,
    pub(super) chat: Chat,
    pub(super) outbound: Outbound,
    /// Tasks (a socket that stays open) belong here, and end with the token.
    pub(super) tasks: &'a TaskTracker,
    pub(super) shutdown: &'a CancellationToken,
}

/// The chat services, ready.
#[derive(Default)]
pub(super) struct Chats {
    pub(super) notifiers: Notifiers,
    /// What they call.
    pub(super) callbacks: Router,
}

/// Builds what the configuration asks for. A channel without a notifier is told of in the log, and its deliveries
/// fail, which the ledger says.
pub(super) fn build(ground: &Ground<'_>) -> Chats {
    let chats = Chats::default();
    for name in ground.config.channels.keys().filter(|name| !chats.notifiers.contains_key(*name)) {
        tracing::error!(channel = name, "nobody serves this channel: its chat service is not configured");
    }
    chats
}
