//! Cards: what was posted in chat, where, and for which hold.

use super::{Store, StoreError};
use crate::digest::RequestDigest;
use crate::hold::HoldId;

/// A card as posted. Several holds may share one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardRow {
    /// Opaque; the value of its buttons.
    pub button: String,
    pub hold: HoldId,
    /// The name of the channel in the configuration.
    pub channel: String,
    /// Where the message stands, as the chat service names it.
    pub message: String,
    /// What the card shows; a click votes on this.
    pub digest: RequestDigest,
    /// Whether it shows the whole request. Only then a click may approve.
    pub whole: bool,
    /// The version of the hold that it shows.
    pub version: i64,
}

#[derive(Debug, sqlx::FromRow)]
struct Stored {
    button: String,
    hold: String,
    channel: String,
    message: String,
    digest: Vec<u8>,
    whole: bool,
    version: i64,
}

impl Store {
    /// Keeps a card that was posted, or where it stands now. One for each hold and channel.
    pub(crate) async fn keep_card(&self, card: CardRow) -> Result<(), StoreError> {
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO cards (button, hold, channel, message, digest, whole, version, posted_at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                         ON CONFLICT (hold, channel) DO UPDATE SET
                             button = ?1, message = ?4, digest = ?5, whole = ?6, version = ?7",
                    )
                    .bind(&card.button)
                    .bind(card.hold.as_str())
                    .bind(&card.channel)
                    .bind(&card.message)
                    .bind(card.digest.0.as_slice())
                    .bind(card.whole)
                    .bind(card.version)
                    .bind(tx.now.as_millisecond())
                    .execute(&mut tx.conn)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    pub(crate) async fn card_by_button(&self, button: &str) -> Result<Option<CardRow>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM cards WHERE button = ?").bind(button);
        let stored: Option<Stored> = query.fetch_optional(&self.readers).await?;
        stored.map(CardRow::try_from).transpose()
    }

    /// Of one hold, in all channels.
    pub(crate) async fn cards_of_hold(&self, hold: &HoldId) -> Result<Vec<CardRow>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM cards WHERE hold = ? ORDER BY channel").bind(hold.as_str());
        let stored: Vec<Stored> = query.fetch_all(&self.readers).await?;
        stored.into_iter().map(CardRow::try_from).collect()
    }

    /// The newest message of the channel that the hold may share: posted not long ago for holds of the same
    /// agent, rule and shape, of which one is still pending, and not full.
    pub(crate) async fn message_to_join(
        &self,
        hold: &HoldId,
        channel: &str,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT c.message FROM cards c JOIN holds h ON h.id = c.hold
             JOIN holds mine ON mine.id = ?1
             WHERE c.channel = ?2 AND h.id <> ?1 AND h.state = 'pending' AND h.agent_id = mine.agent_id
               AND h.rule = mine.rule AND h.shape = mine.shape
               AND c.posted_at > CAST(round(unixepoch('subsec') * 1000) AS INTEGER) - ?3
               AND (SELECT count(*) FROM cards WHERE channel = c.channel AND message = c.message) < ?4
             ORDER BY c.posted_at DESC LIMIT 1",
        )
        .bind(hold.as_str())
        .bind(channel)
        .bind(JOIN_WINDOW_MS)
        .bind(MESSAGE_HOLDS_MAX)
        .fetch_optional(&self.readers)
        .await?)
    }

    /// All that share a message, oldest first.
    pub(crate) async fn cards_of_message(
        &self,
        channel: &str,
        message: &str,
    ) -> Result<Vec<CardRow>, StoreError> {
        let stored: Vec<Stored> =
            sqlx::query_as("SELECT * FROM cards WHERE channel = ? AND message = ? ORDER BY posted_at, hold")
                .bind(channel)
                .bind(message)
                .fetch_all(&self.readers)
                .await?;
        stored.into_iter().map(CardRow::try_from).collect()
    }
}

impl TryFrom<Stored> for CardRow {
    type Error = StoreError;

    fn try_from(stored: Stored) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged(format!("a card of hold `{}`", stored.hold));
        let digest: [u8; 32] = stored.digest.as_slice().try_into().map_err(|_| damaged())?;
        Ok(Self {
            hold: stored.hold.parse().map_err(|_| damaged())?,
            button: stored.button,
            channel: stored.channel,
            message: stored.message,
            digest: RequestDigest(digest),
            whole: stored.whole,
            version: stored.version,
        })
    }
}

/// Holds of one shape that come so soon after each other share a message.
const JOIN_WINDOW_MS: i64 = 10 * 60 * 1000;
/// So many holds share a message at most.
const MESSAGE_HOLDS_MAX: i64 = 10;
