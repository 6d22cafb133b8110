//! Who is who on the reviewers' side: local accounts, their API tokens, one-time login links and sessions.
//! Tokens, link secrets and session cookies are random and stored as SHA-256 only.

pub use crate::store::{Account, KnownPerson, LinkedAccount, LinkedBy, Profile, Ticketed};

use crate::approval::Reviewer;
use crate::person::Person;
use crate::store::{Store, StoreError, random_secret};
use jiff::Timestamp;
use std::time::Duration;

/// The accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reviewers {
    store: Store,
}

/// A login of a browser.
#[derive(Debug, Clone)]
pub struct Session {
    pub reviewer: Reviewer,
    /// Bound to the session; every form that changes anything sends it back.
    pub csrf: String,
    /// Absolute end (8 h); 30 idle minutes end it sooner.
    pub expires_at: Timestamp,
}

impl Reviewers {
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone() }
    }

    /// Makes a local account, or gives an existing one a further token and, when any are named, these groups
    /// instead of its own. Returns the API token (`hpr_…`), which is shown once.
    ///
    /// # Errors
    /// The name is no name, or was revoked; the store.
    pub async fn add(&self, name: &str, groups: &[String]) -> Result<String, StoreError> {
        let token = random_secret("hpr_")?;
        self.store.add_reviewer(name, groups, &token).await?;
        Ok(token)
    }

    /// All that ever were, by name.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self) -> Result<Vec<Account>, StoreError> {
        self.store.reviewers().await
    }

    /// Ends the rights of a person here: of a local account with its tokens, links and sessions, of a person
    /// of the identity provider with their sessions and chat accounts. False: there is none.
    ///
    /// # Errors
    /// The store.
    pub async fn revoke(&self, person: &Person, by: Option<&Person>) -> Result<bool, StoreError> {
        if person.is_local() {
            self.store.revoke_reviewer(&person.subject, by).await
        } else {
            self.store.revoke_person(person, by).await
        }
    }

    /// The people of the identity provider that ever signed in, by name.
    ///
    /// # Errors
    /// The store.
    pub async fn people(&self) -> Result<Vec<KnownPerson>, StoreError> {
        self.store.people().await
    }

    /// # Errors
    /// The store.
    pub async fn by_token(&self, token: &str) -> Result<Option<Reviewer>, StoreError> {
        self.store.reviewer_by_token(token).await
    }

    /// The secret (`hpl_…`) of a new one-time login link, good for 15 minutes; the page is
    /// `/login?link=SECRET`.
    ///
    /// # Errors
    /// There is no such account; the store.
    pub async fn login_link(&self, name: &str) -> Result<String, StoreError> {
        let secret = random_secret("hpl_")?;
        if self.store.keep_link(name, &secret, LINK_LIFE).await? {
            Ok(secret)
        } else {
            Err(StoreError::NoSuchReviewer(name.escape_debug().to_string()))
        }
    }

    /// Spends a link: the cookie of a new session. `None`: unknown, spent or too old.
    ///
    /// # Errors
    /// The store.
    pub async fn spend_link(&self, secret: &str) -> Result<Option<String>, StoreError> {
        let cookie = random_secret("hps_")?;
        Ok(self.store.spend_link(secret, &cookie, SESSION_LIFE).await?.then_some(cookie))
    }

    /// The session of a cookie, and marks it used.
    ///
    /// # Errors
    /// The store.
    pub async fn session(&self, cookie: &str) -> Result<Option<Session>, StoreError> {
        let Some(row) = self.store.session(cookie, SESSION_IDLE, NOTE_AFTER).await? else { return Ok(None) };
        if row.stale {
            self.store.note_session(cookie).await?;
        }
        Ok(Some(Session { reviewer: row.reviewer, csrf: row.csrf, expires_at: row.expires_at }))
    }

    /// What a ticket stands for (`hpk_…`), without spending it. `None`: unknown, spent or too old.
    ///
    /// # Errors
    /// The store.
    pub async fn ticket(&self, secret: &str) -> Result<Option<Ticketed>, StoreError> {
        self.store.ticket(secret).await
    }

    /// Spends a ticket: the chat account that it stands for votes as this person from now on.
    ///
    /// # Errors
    /// The store.
    pub async fn spend_ticket(&self, secret: &str, person: &Person) -> Result<Option<Ticketed>, StoreError> {
        self.store.spend_ticket(secret, person).await
    }

    /// The chat accounts that vote as this person.
    ///
    /// # Errors
    /// The store.
    pub async fn accounts(&self, person: &Person) -> Result<Vec<LinkedAccount>, StoreError> {
        self.store.accounts_of(person).await
    }

    /// Unlinks a chat account from its own person. False: it was not linked to them.
    ///
    /// # Errors
    /// The store.
    pub async fn unlink(&self, account: &str, person: &Person) -> Result<bool, StoreError> {
        if self.store.account_person(account).await?.as_ref() != Some(person) {
            return Ok(false);
        }
        self.store.unlink_account(account, person).await
    }

    /// # Errors
    /// The store.
    pub async fn logout(&self, cookie: &str) -> Result<(), StoreError> {
        self.store.end_session(cookie).await
    }
}

const LINK_LIFE: Duration = Duration::from_mins(15);
pub(crate) const SESSION_LIFE: Duration = Duration::from_hours(8);
const SESSION_IDLE: Duration = Duration::from_mins(30);
/// A use is noted when the last note is so old: not every page view needs a write.
const NOTE_AFTER: Duration = Duration::from_mins(1);
