//! What a click does. It is acknowledged already: here is time to ask Slack who it was.
//!
//! Every sentence that a reviewer may read in Slack as an answer stands in this file (and in `docs/slack.md`).

use super::Slack;
use super::blocks::escaped;
use super::card::{APPROVE, DENY, REASON, invitation, reason_modal};
use super::payload::{Clicker, Deed, Place, meta, of_meta};
use super::user::{Outsider, display};
use super::{HomeError, said};
use crate::approval::{Channel, Choice, Refusal};
use crate::chat::{CardRow, ChatUser, Clicked};
use crate::hold::{Hold, HoldState};
use crate::store::StoreError;

/// Why nothing came of it.
#[derive(Debug)]
enum Trouble {
    /// They may not act at all.
    Outsider(Outsider),
    /// It could not be found out who it was.
    Unknown(String),
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<HomeError> for Trouble {
    fn from(error: HomeError) -> Self {
        Self::Unknown(said(&error))
    }
}

impl Slack {
    /// Does what somebody did in Slack, and answers them. Nothing is returned: there is nobody left to tell.
    pub(super) async fn act(&self, deed: Deed) {
        match deed {
            Deed::Press { who, place, action, value, .. } if action == APPROVE => {
                self.vote(&who, &place, &value, Choice::Approve, None).await;
            }
            Deed::Press { who, place, action, value, trigger } if action == DENY => {
                self.ask_reason(&who, &place, &value, &trigger).await;
            }
            Deed::Submit { who, callback, meta, reason } if callback == REASON => {
                let Some((button, place)) = of_meta(&meta) else { return };
                self.vote(&who, &place, &button, Choice::Deny, reason).await;
            }
            Deed::Press { .. } | Deed::Submit { .. } => {} // links, and what is not ours
        }
    }

    async fn vote(&self, who: &Clicker, place: &Place, button: &str, choice: Choice, reason: Option<String>) {
        let answer = match self.cast(who, place, button, choice, reason).await {
            Ok(answer) => answer,
            Err(trouble) => self.refuse(who, place, button, choice, trouble).await,
        };
        self.tell(who, place, &answer).await;
    }

    async fn cast(
        &self,
        who: &Clicker,
        place: &Place,
        button: &str,
        choice: Choice,
        reason: Option<String>,
    ) -> Result<String, Trouble> {
        let user = self.identify(who).await?;
        self.row(button, place).await?; // waits for what is just being posted
        let clicked = self.chat.click(button, &place.key(), &user, choice, reason).await?;
        Ok(match clicked {
            Clicked::Voted(hold) => self.counted(&hold, choice).await,
            Clicked::Refused { hold, refusal } => self.not_counted(&hold, &refusal),
            Clicked::NotWhole(hold) => format!(
                "Your vote did not count: the card does not show the whole request. Open the review: {}",
                self.chat.page(&hold.id)
            ),
            Clicked::Unlinked { page } => self.invite(who, &page).await,
            Clicked::NoSuchCard => self.no_such_card(),
        })
    }

    /// Who it was, as Slack vouches for it.
    async fn identify(&self, who: &Clicker) -> Result<ChatUser, Trouble> {
        let home = self.home().await?;
        home.admit(who).map_err(Trouble::Outsider)?;
        let user = self.api.user(&who.id).await.map_err(|error| Trouble::Unknown(said(&error)))?;
        home.accept(&user).map_err(Trouble::Outsider)?;
        Ok(ChatUser {
            account: home.account(&user.id),
            display: display(&user),
            email: user.profile.email.clone().filter(|_| user.is_email_confirmed),
            channel: Channel::Slack,
        })
    }

    async fn counted(&self, hold: &Hold, choice: Choice) -> String {
        match (choice, hold.state) {
            (Choice::Deny, _) => "Denied. The agent is told.".to_owned(),
            (Choice::Approve, HoldState::Pending) => {
                let tally = match self.chat.desk().card(&hold.id).await {
                    Ok(Some((_, card))) => format!(" {} of {}.", card.have, card.needed),
                    _ => String::new(),
                };
                format!("Your approval counts.{tally} Others must approve as well.")
            }
            (Choice::Approve, _) => "Approved.".to_owned(),
        }
    }

    fn not_counted(&self, hold: &Hold, refusal: &Refusal) -> String {
        let page = self.chat.page(&hold.id);
        let where_to = match refusal {
            Refusal::NotPending(_) | Refusal::Expired | Refusal::AlreadyVoted | Refusal::OwnAgent => {
                String::new()
            }
            _ => format!(" Open the review: {page}"),
        };
        format!("Your vote did not count: {refusal}.{where_to}")
    }

    /// Sends the page that links the account to its owner alone.
    async fn invite(&self, who: &Clicker, page: &str) -> String {
        let sent = async {
            let direct = self.api.open_direct(&who.id).await?;
            self.api.post_message(&direct, &invitation(page)).await
        };
        let not_known = "Your vote did not count: Holdpoint does not know yet whose Slack account this is.";
        match sent.await {
            Ok(_) => format!("{not_known} I have sent you a link to sign in, as a direct message."),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no direct message was possible");
                format!("{not_known} Sign in within 15 minutes, then press the button again: {page}")
            }
        }
    }

    fn no_such_card(&self) -> String {
        format!("Nothing was decided: this card is out of date. Open the inbox: {}", self.chat.inbox())
    }

    /// Opens the modal that asks why. Everything is checked again when it is sent in.
    async fn ask_reason(&self, who: &Clicker, place: &Place, button: &str, trigger: &str) {
        let answer = match self.prepare(who, place, button, trigger).await {
            Ok(answer) => answer,
            Err(trouble) => Some(self.refuse(who, place, button, Choice::Deny, trouble).await),
        };
        if let Some(answer) = answer {
            self.tell(who, place, &answer).await;
        }
    }

    async fn prepare(
        &self,
        who: &Clicker,
        place: &Place,
        button: &str,
        trigger: &str,
    ) -> Result<Option<String>, Trouble> {
        self.home().await?.admit(who).map_err(Trouble::Outsider)?;
        let Some(row) = self.row(button, place).await? else { return Ok(Some(self.no_such_card())) };
        let Some((hold, card)) = self.chat.desk().card(&row.hold).await? else {
            return Ok(Some(self.no_such_card()));
        };
        if hold.state != HoldState::Pending {
            return Ok(Some(self.not_counted(&hold, &Refusal::NotPending(hold.state))));
        }
        // The trigger dies three seconds after the click: nothing slow comes before this.
        match self.api.open_view(trigger, &reason_modal(&card, &meta(button, place))).await {
            Ok(()) => Ok(None),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the reason could not be asked for");
                let page = self.chat.page(&hold.id);
                Ok(Some(format!(
                    "Nothing was decided: Slack opened no window. Try again, or deny here: {page}"
                )))
            }
        }
    }

    /// The card of a button in its message. Whoever is quicker than our note of where the message stands finds it
    /// all the same: what is being drawn is waited for.
    async fn row(&self, button: &str, place: &Place) -> Result<Option<CardRow>, StoreError> {
        let look = async || Ok(self.chat.card(button).await?.filter(|row| row.message == place.key()));
        if let Some(row) = look().await? {
            return Ok(Some(row));
        }
        for drawing in self.drawing.values() {
            drop(drawing.lock().await);
        }
        look().await
    }

    /// Writes down who tried, and says what to tell them.
    async fn refuse(
        &self,
        who: &Clicker,
        place: &Place,
        button: &str,
        choice: Choice,
        trouble: Trouble,
    ) -> String {
        let (why, answer) = match trouble {
            Trouble::Outsider(outsider) => {
                (outsider.to_string(), format!("Your vote did not count: {outsider}."))
            }
            Trouble::Unknown(why) => {
                tracing::warn!(%why, "a click in Slack was refused: nobody could say who it was");
                let answer = format!(
                    "Your vote did not count: Slack could not tell who you are. Try again, or open the inbox: {}",
                    self.chat.inbox()
                );
                (format!("Slack could not tell who it was: {why}"), answer)
            }
            Trouble::Store(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a click in Slack was not recorded"
                );
                return format!(
                    "Nothing was decided: your vote could not be recorded. Try again, or open the inbox: {}",
                    self.chat.inbox()
                );
            }
        };
        // As they say they are: the account of another workspace must not look like one of ours.
        let team = who.home.as_deref().or(who.team.as_deref()).unwrap_or("?");
        let user = ChatUser {
            account: format!("slack:{team}/{}", who.id),
            display: String::new(),
            email: None,
            channel: Channel::Slack,
        };
        let noted = match self.row(button, place).await {
            Ok(Some(row)) => self.chat.note_refusal(&row.hold, &user, choice, &why).await,
            Ok(None) => {
                tracing::info!(account = user.account, why, "a click on an unknown card was refused");
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::error!(error = &error as &dyn std::error::Error, "a refused click was not recorded");
        }
        answer
    }

    /// Answers who clicked, where they are, and nobody else.
    async fn tell(&self, who: &Clicker, place: &Place, answer: &str) {
        let told = self.api.post_ephemeral(&place.conversation, &who.id, &escaped(answer)).await;
        if let Err(error) = told {
            tracing::warn!(error = &error as &dyn std::error::Error, "who clicked in Slack was not answered");
        }
    }
}
