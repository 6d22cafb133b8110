//! Cards, notices and digests out: the bot as a [`Notifier`].

use super::card::{self, Banner, Called, Drawn, Entry, Size};
use super::connector::{ConnectorError, Posted};
use super::{Bot, Teams};
use crate::card::Card;
use crate::chat::CardRow;
use crate::hold::{HoldId, HoldState};
use crate::outbox::{Delivery, Kind, Notifier, Receipt};
use crate::person::Person;
use crate::store::StoreError;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::time::Duration;

impl Notifier for Teams {
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Receipt> {
        async move {
            let told = match delivery.kind {
                Kind::Card => self.bot.deliver_card(delivery).await,
                Kind::Notice => self.bot.deliver_notice(delivery).await,
                Kind::Digest => self.bot.deliver_digest(delivery).await,
                Kind::Event => Ok(Receipt::Never("Teams takes no events".to_owned())),
            };
            told.unwrap_or_else(|error| Receipt::Later { after: None, why: error.to_string() })
        }
        .boxed()
    }

    /// A bot may send 7 messages a second to a conversation, and 60 in half a minute ("Rate limits" of Teams).
    fn pace(&self) -> Duration {
        Duration::from_millis(500)
    }
}

/// Where a message goes.
#[derive(Debug, Clone, Copy)]
enum Goal<'a> {
    /// Into this conversation, as a new one that calls on people.
    New(&'a str, &'a Called),
    /// In the place of the one that stands there.
    Standing(&'a Posted),
}

/// The holds that share a message, each with its card as it is now.
#[derive(Debug)]
pub(super) struct Message {
    shown: Vec<(CardRow, Card, String)>,
}

impl Message {
    pub(super) fn draw<'a>(&'a self, banner: Option<&Banner>, size: Size) -> Drawn {
        let entry =
            |(row, card, page): &'a (CardRow, Card, String)| Entry { button: &row.button, card, page };
        let entries: Vec<Entry<'_>> = self.shown.iter().map(entry).collect();
        card::draw(&entries, banner, size)
    }

    /// Where a kept message stands.
    pub(super) fn place(message: &str) -> Option<Posted> {
        let place: Value = serde_json::from_str(message).ok()?;
        let text = |member: &str| Some(place.get(member)?.as_str()?.to_owned());
        Some(Posted { conversation: text("conversation")?, activity: text("activity")? })
    }

    /// What a notification of it says.
    fn summary(&self) -> String {
        match self.shown.as_slice() {
            [(_, card, _)] => format!("{}: {}", card.status, card.title),
            many => format!("{} requests", many.len()),
        }
    }
}

impl Bot {
    /// The cards of a message; `None`: there are none, or a hold of them is gone.
    pub(super) async fn read(&self, rows: Vec<CardRow>) -> Result<Option<Message>, StoreError> {
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            let Some((_, card)) = self.chat.desk().card(&row.hold).await? else { return Ok(None) };
            let page = self.chat.page(&row.hold);
            shown.push((row, card, page));
        }
        Ok((!shown.is_empty()).then_some(Message { shown }))
    }

    async fn deliver_card(&self, delivery: &Delivery) -> Result<Receipt, StoreError> {
        let Some(hold) = &delivery.hold else { return Ok(Receipt::Never("the card has no hold".to_owned())) };
        let cards = self.chat.cards_of_hold(hold).await?;
        match cards.into_iter().find(|card| card.channel == delivery.channel) {
            Some(card) => self.update(&card).await,
            None => self.post_card(hold, &delivery.channel, &self.called(&delivery.body).await?).await,
        }
    }

    /// Posts the card, or takes it into a message that has others of its kind.
    async fn post_card(&self, hold: &HoldId, channel: &str, called: &Called) -> Result<Receipt, StoreError> {
        let Some(conversation) = self.channels.get(channel) else { return Ok(no_channel(channel)) };
        let Some((held, card)) = self.chat.desk().card(hold).await? else {
            return Ok(Receipt::Never(format!("there is no hold `{hold}`")));
        };
        if held.state != HoldState::Pending {
            return Ok(Receipt::Done("it was over before it was posted".to_owned()));
        }
        let mut row = CardRow {
            button: self.chat.new_button()?,
            hold: hold.clone(),
            channel: channel.to_owned(),
            message: String::new(),
            digest: held.digest,
            whole: false,
            version: card.version,
        };
        if let Some(message) = self.chat.message_to_join(hold, channel).await? {
            row.message = message;
            return self.join(row).await;
        }
        let message = Message { shown: vec![(row.clone(), card, self.chat.page(hold))] };
        let service = self.service(conversation).await?;
        match self.send(&message, &service, Goal::New(conversation, called)).await {
            Ok((posted, whole)) => {
                row.message =
                    json!({ "conversation": posted.conversation, "activity": posted.activity }).to_string();
                row.whole = whole.first().copied().unwrap_or(false);
                self.chat.keep_card(row).await?;
                Ok(Receipt::Done("posted".to_owned()))
            }
            Err(error) => Ok(error.receipt()),
        }
    }

    /// Adds the hold to a message that stands there. Kept first, without the right to approve, so that a crash
    /// loses no more than an update.
    async fn join(&self, row: CardRow) -> Result<Receipt, StoreError> {
        self.chat.keep_card(CardRow { version: 0, ..row.clone() }).await?;
        self.update(&row).await
    }

    /// Brings the message of a card up to date.
    async fn update(&self, card: &CardRow) -> Result<Receipt, StoreError> {
        let rows = self.chat.cards_of_message(&card.channel, &card.message).await?;
        let Some(message) = self.read(rows).await? else {
            return Ok(Receipt::Never("a hold of the message is gone".to_owned()));
        };
        if message.shown.iter().all(|(row, card, _)| row.version == card.version) {
            return Ok(Receipt::Done("up to date already".to_owned()));
        }
        let Some(posted) = Message::place(&card.message) else {
            return Ok(Receipt::Never("where the message stands is not known".to_owned()));
        };
        let service = self.service(&posted.conversation).await?;
        let whole = match self.send(&message, &service, Goal::Standing(&posted)).await {
            Ok((_, whole)) => whole,
            Err(error) if error.is_gone() => {
                return Ok(Receipt::Done("somebody removed the message".to_owned()));
            }
            Err(error) => return Ok(error.receipt()),
        };
        for ((row, card, _), whole) in message.shown.into_iter().zip(whole) {
            self.chat.keep_card(CardRow { version: card.version, whole, ..row }).await?;
        }
        Ok(Receipt::Done("updated".to_owned()))
    }

    /// Sends a message, once more in small where it is too large for the cloud. Where it stands, and for each hold
    /// whether it shows the whole request.
    async fn send(
        &self,
        message: &Message,
        service: &str,
        goal: Goal<'_>,
    ) -> Result<(Posted, Vec<bool>), ConnectorError> {
        let drawn = message.draw(None, Size::Usual);
        match self.send_drawn(message, &drawn, service, goal).await {
            Err(error) if error.is_too_large() => {
                let drawn = message.draw(None, Size::Small);
                Ok((self.send_drawn(message, &drawn, service, goal).await?, drawn.whole))
            }
            sent => Ok((sent?, drawn.whole)),
        }
    }

    async fn send_drawn(
        &self,
        message: &Message,
        drawn: &Drawn,
        service: &str,
        goal: Goal<'_>,
    ) -> Result<Posted, ConnectorError> {
        let mut content = drawn.content.clone();
        if let Goal::New(_, called) = goal {
            called.add_to(&mut content);
        }
        let activity = card::activity(&content, &message.summary());
        match goal {
            Goal::New(conversation, _) => self.connector.post(service, conversation, &activity).await,
            Goal::Standing(posted) => {
                self.connector.replace(service, posted, &activity).await?;
                Ok(posted.clone())
            }
        }
    }

    /// Whom the delivery calls on: by name, and by account where they have one here.
    async fn called(&self, body: &Value) -> Result<Called, StoreError> {
        let texts = |member: &str| -> Vec<String> {
            body.get(member).and_then(|list| serde_json::from_value(list.clone()).ok()).unwrap_or_default()
        };
        let mut called = Called { names: texts("groups"), accounts: Vec::new() };
        for person in texts("people").iter().filter_map(|person| person.parse::<Person>().ok()) {
            let names = self.store.names(&[&person]).await?;
            let name = names.get(&person).cloned().unwrap_or_else(|| person.subject.clone());
            let accounts = self.chat.accounts_of(&person).await?;
            let object = accounts.iter().find_map(|account| {
                let (tenant, object) = account.strip_prefix("teams:")?.split_once('/')?;
                self.settings.tenants.contains(tenant).then(|| object.to_owned())
            });
            match object {
                Some(object) => called.accounts.push((name, object)),
                None => called.names.push(name),
            }
        }
        if called.accounts.is_empty() {
            called.names.extend(texts("names"));
            called.names.dedup();
        }
        Ok(called)
    }

    async fn deliver_notice(&self, delivery: &Delivery) -> Result<Receipt, StoreError> {
        let text = delivery.body.get("text").and_then(Value::as_str).unwrap_or_default();
        let link = delivery.hold.as_ref().map(|hold| ("Open the review", self.chat.page(hold)));
        let message = card::activity(&card::note(&Banner { text: text.to_owned(), link }), text);
        let person = delivery.body.get("person").and_then(Value::as_str);
        let (service, conversation) = match person {
            None => {
                let Some(conversation) = self.channels.get(&delivery.channel) else {
                    return Ok(no_channel(&delivery.channel));
                };
                (self.service(conversation).await?, conversation.clone())
            }
            Some(person) => match self.alone_with(person).await? {
                Ok(place) => place,
                Err(receipt) => return Ok(receipt),
            },
        };
        Ok(match self.connector.post(&service, &conversation, &message).await {
            Ok(_) => Receipt::Done("posted".to_owned()),
            Err(error) => error.receipt(),
        })
    }

    /// The service and the conversation with one person, opened when there is none yet.
    async fn alone_with(&self, person: &str) -> Result<Result<(String, String), Receipt>, StoreError> {
        let never = |why: &str| Ok(Err(Receipt::Never(why.to_owned())));
        let Ok(person) = person.parse::<Person>() else { return never("nobody is named") };
        let accounts = self.chat.accounts_of(&person).await?;
        let ours = accounts.iter().find_map(|account| {
            let (tenant, object) = account.strip_prefix("teams:")?.split_once('/')?;
            self.settings.tenants.contains(tenant).then_some((account, tenant, object))
        });
        let Some((account, tenant, object)) = ours else {
            return never("they have no account of Teams here");
        };
        if let Some(known) = self.store.conversation_with(account).await? {
            return Ok(Ok((known.service, known.id)));
        }
        let service = self.service("").await?;
        Ok(match self.connector.open(&service, tenant, object).await {
            Ok(conversation) => Ok((service, conversation)),
            Err(error) => Err(error.receipt()),
        })
    }

    async fn deliver_digest(&self, delivery: &Delivery) -> Result<Receipt, StoreError> {
        let Some(conversation) = self.channels.get(&delivery.channel) else {
            return Ok(no_channel(&delivery.channel));
        };
        let count = delivery.body.get("count").and_then(Value::as_u64).unwrap_or_default();
        let agents = delivery.body.get("agents").and_then(Value::as_array);
        let agents: Vec<String> =
            agents.into_iter().flatten().filter_map(|agent| agent.as_str().map(str::to_owned)).collect();
        let content = card::digest(count, &agents, &self.chat.inbox());
        let message = card::activity(&content, "Requests wait for a decision");
        let service = self.service(conversation).await?;
        let standing = self.chat.digest_message(&delivery.channel).await?;
        if let Some(posted) = standing.as_deref().and_then(Message::place) {
            match self.connector.replace(&service, &posted, &message).await {
                Ok(()) => return Ok(Receipt::Done("updated".to_owned())),
                Err(error) if error.is_gone() => {} // somebody removed it: post another
                Err(error) => return Ok(error.receipt()),
            }
        }
        Ok(match self.connector.post(&service, conversation, &message).await {
            Ok(posted) => {
                self.chat.keep_digest(&delivery.channel, &place_of(&posted)).await?;
                Receipt::Done("posted".to_owned())
            }
            Err(error) => error.receipt(),
        })
    }

    /// Where a conversation is answered: as Teams last said, or as the configuration says. The connector checks it.
    async fn service(&self, conversation: &str) -> Result<String, StoreError> {
        let known = match self.store.conversation(super::activity::without_message(conversation)).await? {
            Some(known) => Some(known),
            None => self.store.conversations().await?.into_iter().next(),
        };
        Ok(known.map_or_else(|| self.settings.service.clone(), |known| known.service))
    }
}

/// As it is kept; [`Message::place`] reads it.
fn place_of(posted: &Posted) -> String {
    json!({ "conversation": posted.conversation, "activity": posted.activity }).to_string()
}

fn no_channel(channel: &str) -> Receipt {
    Receipt::Never(format!("there is no channel `{channel}` of Teams in the configuration"))
}
