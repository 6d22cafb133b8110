//! What a click in a chat means: whose account it was, which hold, and what the desk says to their vote.
//!
//! Shared by every chat service. A click carries an opaque button, and nothing in it is believed: the hold and the
//! digest that the reviewer saw are those of the card that was posted with that button, in the message that it was
//! clicked in; the person is who the account is linked to, with their groups as the identity provider last gave them.

pub use crate::store::CardRow;

use crate::approval::{Channel, Choice, Login, LoginBy, Refusal, Reviewer, Vote};
use crate::audit::{Event, EventKind};
use crate::desk::{Desk, VoteError};
use crate::hold::{Hold, HoldId};
use crate::person::Person;
use crate::store::{LinkedBy, Store, StoreError, random_secret};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Chat accounts, cards and clicks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Chat {
    store: Store,
    desk: Arc<Desk>,
    /// Where reviewers reach the inbox, without a slash at the end.
    public_url: Arc<str>,
    /// Whether an account is taken for the person with the same verified address (`identity.match-email`).
    match_email: bool,
}

/// Who clicked, as the chat service vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatUser {
    /// `slack:TEAM/USER`, `teams:TENANT/OBJECT`.
    pub account: String,
    /// Shown, never compared.
    pub display: String,
    /// Confirmed by the chat service, or `None`.
    pub email: Option<String>,
    pub channel: Channel,
}

/// What came of a click.
#[derive(Debug)]
pub enum Clicked {
    /// The vote counts: the hold as it stands.
    Voted(Box<Hold>),
    /// It does not. The hold as it stands, and why.
    Refused { hold: Box<Hold>, refusal: Refusal },
    /// The card does not show the whole request: only the inbox can approve.
    NotWhole(Box<Hold>),
    /// Nobody knows whose account this is. The page where its owner signs in, good for a quarter of an hour and
    /// one use: for them alone to see.
    Unlinked { page: String },
    /// There is no such card in this message.
    NoSuchCard,
}

impl Chat {
    pub fn new(store: &Store, desk: &Arc<Desk>, public_url: &str, match_email: bool) -> Self {
        Self { store: store.clone(), desk: Arc::clone(desk), public_url: public_url.into(), match_email }
    }

    pub const fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// The page of a hold in the inbox.
    pub fn page(&self, hold: &HoldId) -> String {
        format!("{}/holds/{hold}", self.public_url)
    }

    /// The inbox.
    pub fn inbox(&self) -> String {
        format!("{}/", self.public_url)
    }

    /// Votes for whoever clicked. `message` is where, as [`CardRow::message`].
    ///
    /// # Errors
    /// The store: the vote did not count.
    pub async fn click(
        &self,
        button: &str,
        message: &str,
        user: &ChatUser,
        choice: Choice,
        reason: Option<String>,
    ) -> Result<Clicked, StoreError> {
        let card = self.store.card_by_button(button).await?.filter(|card| card.message == message);
        let Some(card) = card else { return Ok(Clicked::NoSuchCard) };
        let Some(reviewer) = self.reviewer(user).await? else {
            self.note_refusal(&card.hold, user, choice, "nobody knows whose account this is").await?;
            return Ok(Clicked::Unlinked { page: self.link_page(user).await? });
        };
        if choice == Choice::Approve && !card.whole {
            let hold = self.hold(&card.hold).await?;
            self.note_refusal(&card.hold, user, choice, "the card does not show the whole request").await?;
            return Ok(Clicked::NotWhole(Box::new(hold)));
        }
        let vote = Vote { digest: card.digest, choice, reason, channel: user.channel };
        match self.desk.vote(&card.hold, &reviewer, vote).await {
            Ok(hold) => Ok(Clicked::Voted(Box::new(hold))),
            Err(VoteError::Refused(refusal)) => {
                let hold = Box::new(self.hold(&card.hold).await?);
                Ok(Clicked::Refused { hold, refusal })
            }
            Err(VoteError::NoSuchHold(_)) => Ok(Clicked::NoSuchCard),
            Err(VoteError::Store(error)) => Err(error),
        }
    }

    /// The person of an account, as a reviewer of now. `None`: nobody knows, or they were revoked.
    ///
    /// # Errors
    /// The store.
    pub async fn reviewer(&self, user: &ChatUser) -> Result<Option<Reviewer>, StoreError> {
        let Some(person) = self.person(user).await? else { return Ok(None) };
        let claimed = Reviewer {
            person,
            key: None,
            display: String::new(),
            groups: BTreeSet::new(),
            groups_at: None,
            login: Login { by: LoginBy::Chat, account: Some(user.account.clone()), ..Login::default() },
        };
        self.store.reviewer(&claimed).await
    }

    async fn person(&self, user: &ChatUser) -> Result<Option<Person>, StoreError> {
        if let Some(person) = self.store.account_person(&user.account).await? {
            return Ok(Some(person));
        }
        let Some(email) = user.email.as_deref().filter(|_| self.match_email) else { return Ok(None) };
        let person = self.store.person_by_email(email).await?;
        if let Some(person) = &person {
            self.store.link_account(&user.account, person, LinkedBy::Email).await?;
        }
        Ok(person)
    }

    /// A page that links the account to whoever signs in there: to be shown to the owner of the account alone.
    ///
    /// # Errors
    /// The store.
    pub async fn link_page(&self, user: &ChatUser) -> Result<String, StoreError> {
        let secret = random_secret("hpk_")?;
        self.store.keep_ticket(&secret, &user.account, &user.display, TICKET_LIFE).await?;
        Ok(format!("{}/link?ticket={secret}", self.public_url))
    }

    /// Writes down that somebody who may not vote at all tried to: an account that nobody knows, a guest, a bot,
    /// a foreign workspace.
    ///
    /// # Errors
    /// The store.
    pub async fn note_refusal(
        &self,
        hold: &HoldId,
        user: &ChatUser,
        choice: Choice,
        why: &str,
    ) -> Result<(), StoreError> {
        let event = Event {
            at: Timestamp::now(),
            event: EventKind::HoldVoteRefused,
            actor: format!("account:{}", user.account),
            subject: Some(hold.to_string()),
            detail: json!({ "vote": choice, "channel": user.channel, "why": why }),
        };
        self.store.append(event).await.map(drop)
    }

    /// The card of a button, wherever it was clicked.
    ///
    /// # Errors
    /// The store.
    pub async fn card(&self, button: &str) -> Result<Option<CardRow>, StoreError> {
        self.store.card_by_button(button).await
    }

    /// # Errors
    /// The store.
    pub async fn cards_of_hold(&self, hold: &HoldId) -> Result<Vec<CardRow>, StoreError> {
        self.store.cards_of_hold(hold).await
    }

    /// All that share a message, oldest first.
    ///
    /// # Errors
    /// The store.
    pub async fn cards_of_message(&self, channel: &str, message: &str) -> Result<Vec<CardRow>, StoreError> {
        self.store.cards_of_message(channel, message).await
    }

    /// The message that a hold without a card in this channel joins instead of getting one of its own: holds of
    /// the same agent, rule and shape within ten minutes, while one is pending, at most ten. The message then
    /// shows all of [`Self::cards_of_message`], each with buttons of its own.
    ///
    /// # Errors
    /// The store.
    pub async fn message_to_join(&self, hold: &HoldId, channel: &str) -> Result<Option<String>, StoreError> {
        self.store.message_to_join(hold, channel).await
    }

    /// Where the digest of a channel stands, to be brought up to date; `None`: post one, and [`Self::keep_digest`].
    ///
    /// # Errors
    /// The store.
    pub async fn digest_message(&self, channel: &str) -> Result<Option<String>, StoreError> {
        self.store.digest_message(channel).await
    }

    /// # Errors
    /// The store.
    pub async fn keep_digest(&self, channel: &str, message: &str) -> Result<(), StoreError> {
        self.store.keep_digest(channel, message).await
    }

    /// The chat accounts that are linked to a person (`slack:TEAM/USER`, `teams:TENANT/OBJECT`), for notices and
    /// mentions.
    ///
    /// # Errors
    /// The store.
    pub async fn accounts_of(&self, person: &Person) -> Result<Vec<String>, StoreError> {
        let linked = self.store.accounts_of(person).await?;
        Ok(linked.into_iter().map(|linked| linked.account).collect())
    }

    /// Keeps a card that was posted, or what it shows now.
    ///
    /// # Errors
    /// The store.
    pub async fn keep_card(&self, card: CardRow) -> Result<(), StoreError> {
        self.store.keep_card(card).await
    }

    /// A new button: random, and nothing else.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn new_button(&self) -> Result<String, StoreError> {
        random_secret("hpb_")
    }

    async fn hold(&self, id: &HoldId) -> Result<Hold, StoreError> {
        self.desk.hold(id).await?.ok_or_else(|| StoreError::Damaged(format!("hold `{id}`")))
    }
}

const TICKET_LIFE: Duration = Duration::from_mins(15);
