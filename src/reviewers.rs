//! Who is who on the reviewers' side: local accounts, their API tokens, one-time login links and sessions.
//! Tokens, link secrets and session cookies are random and stored as SHA-256 only.

use crate::approval::Reviewer;
use crate::store::{Store, StoreError};
use jiff::Timestamp;

/// The accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reviewers {}

/// A login of a browser.
#[derive(Debug, Clone)]
pub struct Session {
    pub reviewer: Reviewer,
    /// Bound to the session; every form that changes anything sends it back.
    pub csrf: String,
    /// Absolute end (8 h); 30 idle minutes end it sooner.
    pub expires_at: Timestamp,
}

/// An account as listed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Account {
    pub name: String,
    pub groups: Vec<String>,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

impl Reviewers {
    pub fn new(store: &Store) -> Self {
        let _ = store;
        todo!("store helper")
    }

    /// Makes a local account, or gives an existing one the groups and a further token. Returns the API token,
    /// which is shown once.
    ///
    /// # Errors
    /// The store.
    pub async fn add(&self, name: &str, groups: &[String]) -> Result<String, StoreError> {
        let _ = (name, groups);
        todo!("store helper")
    }

    /// # Errors
    /// The store.
    pub async fn list(&self) -> Result<Vec<Account>, StoreError> {
        todo!("store helper")
    }

    /// Ends the account with its tokens, links and sessions. False: there is none.
    ///
    /// # Errors
    /// The store.
    pub async fn revoke(&self, name: &str) -> Result<bool, StoreError> {
        let _ = name;
        todo!("store helper")
    }

    /// # Errors
    /// The store.
    pub async fn by_token(&self, token: &str) -> Result<Option<Reviewer>, StoreError> {
        let _ = token;
        todo!("store helper")
    }

    /// The secret of a new one-time login link, good for 15 minutes; the page is `/login?link=SECRET`.
    ///
    /// # Errors
    /// The store.
    pub async fn login_link(&self, name: &str) -> Result<String, StoreError> {
        let _ = name;
        todo!("store helper")
    }

    /// Spends a link: the cookie of a new session. `None`: unknown, spent or too old.
    ///
    /// # Errors
    /// The store.
    pub async fn spend_link(&self, secret: &str) -> Result<Option<String>, StoreError> {
        let _ = secret;
        todo!("store helper")
    }

    /// The session of a cookie, and marks it used.
    ///
    /// # Errors
    /// The store.
    pub async fn session(&self, cookie: &str) -> Result<Option<Session>, StoreError> {
        let _ = cookie;
        todo!("store helper")
    }

    /// # Errors
    /// The store.
    pub async fn logout(&self, cookie: &str) -> Result<(), StoreError> {
        let _ = cookie;
        todo!("store helper")
    }
}
