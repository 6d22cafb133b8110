//! Workflows of Power Automate ("When a Teams webhook request is received"): a card that links to the inbox.
//!
//! Nothing comes back from there, so nothing is decided there; and what was posted cannot be changed. The address
//! is the secret: it is sent as it was written, and stands in no log.

use super::card::{self, Banner, CARD_TYPE, Entry};
use crate::chat::{CardRow, Chat};
use crate::hold::HoldState;
use crate::outbound::{Outbound, OutboundError};
use crate::outbox::{Delivery, Kind, Notifier, Receipt};
use crate::store::StoreError;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Request;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The workflows, by the name of the channel in the configuration.
#[derive(Debug, Clone)]
pub struct Workflows {
    addresses: BTreeMap<String, SecretString>,
    chat: Chat,
    outbound: Outbound,
}

impl Workflows {
    pub fn new(addresses: BTreeMap<String, SecretString>, chat: &Chat, outbound: &Outbound) -> Self {
        Self { addresses, chat: chat.clone(), outbound: outbound.clone() }
    }

    async fn tell(&self, delivery: &Delivery) -> Result<Receipt, StoreError> {
        let content = match delivery.kind {
            Kind::Card => return self.card(delivery).await,
            Kind::Notice if delivery.body.get("person").is_some_and(|person| !person.is_null()) => {
                return Ok(Receipt::Never("a workflow speaks to nobody alone".to_owned()));
            }
            Kind::Notice => {
                let text = delivery.body.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
                let link = delivery.hold.as_ref().map(|hold| ("Open the review", self.chat.page(hold)));
                card::note(&Banner { text, link })
            }
            Kind::Digest => {
                let count = delivery.body.get("count").and_then(Value::as_u64).unwrap_or_default();
                card::digest(count, &[], &self.chat.inbox())
            }
            Kind::Event => return Ok(Receipt::Never("a workflow takes no events".to_owned())),
        };
        Ok(self.post(&delivery.channel, &content).await)
    }

    /// Posts the card of a hold once: later states cannot be shown.
    async fn card(&self, delivery: &Delivery) -> Result<Receipt, StoreError> {
        let Some(id) = &delivery.hold else { return Ok(Receipt::Never("the card has no hold".to_owned())) };
        let posted = self.chat.cards_of_hold(id).await?;
        if posted.iter().any(|card| card.channel == delivery.channel) {
            return Ok(Receipt::Done("posted before; a workflow's card cannot be changed".to_owned()));
        }
        let Some((hold, card)) = self.chat.desk().card(id).await? else {
            return Ok(Receipt::Never(format!("there is no hold `{id}`")));
        };
        if hold.state != HoldState::Pending {
            return Ok(Receipt::Done("it was over before it was posted".to_owned()));
        }
        let button = self.chat.new_button()?; // on no button: the row says that it was posted
        let page = self.chat.page(id);
        let content = card::link_only(&Entry { card: &card, button: &button, page: &page });
        let receipt = self.post(&delivery.channel, &content).await;
        if matches!(receipt, Receipt::Done(_)) {
            let row = CardRow {
                button,
                hold: id.clone(),
                channel: delivery.channel.clone(),
                message: "workflow".to_owned(),
                digest: hold.digest,
                whole: false,
                version: card.version,
            };
            self.chat.keep_card(row).await?;
        }
        Ok(receipt)
    }

    async fn post(&self, channel: &str, content: &Value) -> Receipt {
        let Some(address) = self.addresses.get(channel) else {
            return Receipt::Never(format!("there is no workflow `{channel}` in the configuration"));
        };
        let body = json!({
            "type": "message",
            "attachments": [{ "contentType": CARD_TYPE, "contentUrl": null, "content": content }],
        });
        // Parsed by `http`, which keeps every byte: another spelling of the query would be another signature.
        let request = Request::post(address.expose_secret())
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.to_string()));
        let Ok(request) = request else { return Receipt::Never("the address is no address".to_owned()) };
        match self.outbound.send(request).await {
            Ok(answer) if answer.status.is_success() => Receipt::Done("posted".to_owned()),
            Ok(answer) => {
                let why = format!("the workflow answered {}", answer.status.as_u16());
                match answer.status.as_u16() {
                    408 | 412 | 429 | 500..=599 => {
                        let after = answer.headers.get(RETRY_AFTER);
                        let after = after.and_then(|after| after.to_str().ok()?.trim().parse().ok());
                        Receipt::Later { after: after.map(Duration::from_secs), why }
                    }
                    401 | 403 | 404 => {
                        Receipt::Never(format!("{why}: was it turned off, or its address renewed?"))
                    }
                    _ => Receipt::Never(why),
                }
            }
            Err(error @ (OutboundError::Plain(_) | OutboundError::NoHost)) => {
                Receipt::Never(error.to_string())
            }
            Err(error) => Receipt::Later { after: None, why: error.to_string() },
        }
    }
}

impl Notifier for Workflows {
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Receipt> {
        async move {
            let told = self.tell(delivery).await;
            told.unwrap_or_else(|error| Receipt::Later { after: None, why: error.to_string() })
        }
        .boxed()
    }

    /// Flows are slowed down when they are called more often.
    fn pace(&self) -> Duration {
        Duration::from_secs(2)
    }
}
