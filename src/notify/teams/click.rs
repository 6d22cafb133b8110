//! A button that was pressed: whose vote it is, and what they are shown.

use super::Bot;
use super::activity::{Activity, Pressed, without_message};
use super::card::{self, Banner, CARD_TYPE, REASON, REASON_MAX, Size};
use super::deliver::Message;
use super::who::{self, Stranger};
use crate::approval::{Choice, Refusal};
use crate::chat::{CardRow, Clicked};
use crate::store::StoreError;
use serde_json::{Value, json};

/// What whoever clicked gets to see. Nobody else does.
#[derive(Debug)]
pub(super) enum Answer {
    /// The card as it is now, and something said to them above it.
    Card { content: Value, banner: Option<Banner> },
    /// There is no card to show.
    Words(Banner),
}

impl Answer {
    /// As an invoke is answered: the card takes the place of the one that was clicked, for who clicked.
    pub(super) fn invoke(self) -> Value {
        let content = match self {
            Self::Card { content, .. } => content,
            Self::Words(banner) => card::note(&banner),
        };
        json!({ "statusCode": 200, "type": CARD_TYPE, "value": content })
    }

    pub(super) fn banner(self) -> Option<Banner> {
        match self {
            Self::Card { banner, .. } => banner,
            Self::Words(banner) => Some(banner),
        }
    }
}

impl Bot {
    /// Votes, and says what came of it.
    ///
    /// # Errors
    /// The store: the vote did not count.
    pub(super) async fn click(&self, activity: &Activity, pressed: &Pressed) -> Result<Answer, StoreError> {
        let choice = match pressed.choice.as_str() {
            "approve" => Choice::Approve,
            "deny" => Choice::Deny,
            _ => return Ok(Answer::Words(self.stale())),
        };
        // A button counts in the message that it was posted in, and nowhere else.
        let card = self.chat.card(&pressed.button).await?.filter(|card| is_of(card, activity));
        let Some(card) = card else {
            let who = who::claimed(activity).account;
            tracing::info!(%who, "a button of Teams that is no longer good was pressed");
            return Ok(Answer::Words(self.stale()));
        };
        let user = match self.sender(activity).await {
            Ok(user) => user,
            Err(stranger) => {
                let claimed = who::claimed(activity);
                self.chat.note_refusal(&card.hold, &claimed, choice, &stranger.to_string()).await?;
                if stranger == Stranger::Tenant {
                    // Nothing of the request goes to a foreign tenant, not even again.
                    return Ok(Answer::Words(refused(&stranger.to_string(), None)));
                }
                return self.answer(&card, Some(refused(&stranger.to_string(), None))).await;
            }
        };
        let reason = self.reason(&card, pressed);
        let page = self.chat.page(&card.hold);
        let clicked = self.chat.click(&pressed.button, &card.message, &user, choice, reason).await?;
        let banner = match clicked {
            Clicked::Voted(_) => None,
            Clicked::Refused { refusal, .. } => {
                let link = refusal.mends_by_login().then_some(("Go on in the inbox", page));
                Some(refused(&refusal_text(&refusal), link))
            }
            Clicked::NotWhole(_) => {
                let text = "this card does not show the whole request; approve it in the inbox";
                Some(refused(text, Some(("Open the review", page))))
            }
            Clicked::Unlinked { page } => Some(Banner {
                text: "Holdpoint does not know yet whose account this is, so your click did not count. Sign in once \
                       with this link, which is for you alone and good for 15 minutes; then click again."
                    .to_owned(),
                link: Some(("Sign in and link", page)),
            }),
            Clicked::NoSuchCard => return Ok(Answer::Words(self.stale())),
        };
        self.answer(&card, banner).await
    }

    /// The reason that was typed for this hold, if one was.
    fn reason(&self, card: &CardRow, pressed: &Pressed) -> Option<String> {
        let name = format!("{REASON}{}", card.hold);
        let typed = pressed.inputs.iter().find(|(input, _)| *input == name);
        let typed = typed.map(|(_, text)| text.trim()).filter(|text| !text.is_empty())?;
        Some(typed.chars().take(REASON_MAX).collect())
    }

    /// The message as it is now, for who clicked. For all others the outbox brings it up to date.
    async fn answer(&self, card: &CardRow, banner: Option<Banner>) -> Result<Answer, StoreError> {
        let rows = self.chat.cards_of_message(&card.channel, &card.message).await?;
        let Some(message) = self.read(rows).await? else { return Ok(Answer::Words(self.stale())) };
        let content = message.draw(banner.as_ref(), Size::Usual).content;
        Ok(Answer::Card { content, banner })
    }

    fn stale(&self) -> Banner {
        Banner {
            text: "This card is no longer good. Look into the inbox.".to_owned(),
            link: Some(("Open the inbox", self.chat.inbox())),
        }
    }
}

/// Whether the activity came from the message that the card stands in.
fn is_of(card: &CardRow, activity: &Activity) -> bool {
    let Some(posted) = Message::place(&card.message) else { return false };
    without_message(&posted.conversation) == without_message(&activity.conversation.id)
        && posted.activity == activity.reply_to_id
}

fn refused(why: &str, link: Option<(&'static str, String)>) -> Banner {
    Banner { text: format!("Your click did not count: {why}."), link }
}

fn refusal_text(refusal: &Refusal) -> String {
    refusal.to_string()
}
