//! Conversations that a chat service has told us of: where the bot is, and where one person can be spoken to.

use super::{Store, StoreError};

/// A conversation as last heard from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationRow {
    /// As the chat service names it, without a message in it.
    pub id: String,
    pub tenant: String,
    /// `personal`, `groupChat`, `channel`.
    pub kind: String,
    /// Where to answer: an address of the chat service, to be checked before each use.
    pub service: String,
    /// What it is called, if it has a name.
    pub name: String,
    /// Of a personal one: whose.
    pub account: Option<String>,
}

#[derive(Debug, sqlx::FromRow)]
struct Stored {
    id: String,
    tenant: String,
    kind: String,
    service: String,
    name: String,
    account: Option<String>,
}

impl Store {
    /// Keeps what was heard last. A name that is known is not replaced by none.
    pub(crate) async fn keep_conversation(&self, row: ConversationRow) -> Result<(), StoreError> {
        let known = self.conversation(&row.id).await?;
        if known.is_some_and(|known| says_nothing_new(&known, &row)) {
            return Ok(()); // most activities
        }
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO conversations (id, tenant, kind, service, name, account, seen_at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                         ON CONFLICT (id) DO UPDATE SET tenant = ?2, kind = ?3, service = ?4, account = ?6,
                             name = CASE ?5 WHEN '' THEN name ELSE ?5 END, seen_at = ?7",
                    )
                    .bind(&row.id)
                    .bind(&row.tenant)
                    .bind(&row.kind)
                    .bind(&row.service)
                    .bind(&row.name)
                    .bind(&row.account)
                    .bind(tx.now.as_millisecond())
                    .execute(&mut tx.conn)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// The bot was taken out of it.
    pub(crate) async fn drop_conversation(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.queue
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM conversations WHERE id = ?")
                        .bind(id)
                        .execute(&mut tx.conn)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    pub(crate) async fn conversation(&self, id: &str) -> Result<Option<ConversationRow>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM conversations WHERE id = ?").bind(id);
        let stored: Option<Stored> = query.fetch_optional(&self.readers).await?;
        Ok(stored.map(ConversationRow::from))
    }

    /// Where this account can be spoken to alone.
    pub(crate) async fn conversation_with(
        &self,
        account: &str,
    ) -> Result<Option<ConversationRow>, StoreError> {
        let query = sqlx::query_as(
            "SELECT * FROM conversations WHERE account = ? AND kind = 'personal' ORDER BY seen_at DESC LIMIT 1",
        );
        let stored: Option<Stored> = query.bind(account).fetch_optional(&self.readers).await?;
        Ok(stored.map(ConversationRow::from))
    }

    /// All of them, newest first.
    pub(crate) async fn conversations(&self) -> Result<Vec<ConversationRow>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM conversations ORDER BY seen_at DESC LIMIT 500");
        let stored: Vec<Stored> = query.fetch_all(&self.readers).await?;
        Ok(stored.into_iter().map(ConversationRow::from).collect())
    }
}

fn says_nothing_new(known: &ConversationRow, row: &ConversationRow) -> bool {
    let name = if row.name.is_empty() { &known.name } else { &row.name };
    *known == ConversationRow { name: name.clone(), ..row.clone() }
}

impl From<Stored> for ConversationRow {
    fn from(stored: Stored) -> Self {
        let Stored { id, tenant, kind, service, name, account } = stored;
        Self { id, tenant, kind, service, name, account }
    }
}
