//! Logout, from both sides: RP-Initiated Logout 1.0 and Back-Channel Logout 1.0.

use super::{Identity, IdentityError};
use crate::jwt::{Expect, JwtError};
use crate::person::Person;
use crate::store::StoreError;
use serde_json::Value;
use url::Url;

/// Why a logout token ends nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogoutError {
    #[error("the logout token is not accepted")]
    Token(#[from] JwtError),
    #[error("this is no logout token: {0}")]
    NoLogout(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identity {
    /// Ends the sessions that the provider has ended (Back-Channel Logout §2.6). Returns how many.
    ///
    /// # Errors
    /// The token is not one of the provider, for us, and for this.
    pub async fn back_channel(&self, logout_token: &str) -> Result<u64, LogoutError> {
        let expect = Expect::new(&self.settings.issuer, &self.settings.client_id).typ(&["logout+jwt", "JWT"]);
        let token = self.keys.verify(logout_token, &expect).await?;
        let event = token.claims.get("events").and_then(|events| events.get(EVENT));
        if !event.is_some_and(Value::is_object) {
            return Err(LogoutError::NoLogout("it tells of no logout"));
        }
        if token.claims.get("nonce").is_some() {
            return Err(LogoutError::NoLogout("it has a nonce, as ID tokens have"));
        }
        if token.time("iat").is_none() {
            return Err(LogoutError::NoLogout("it has no `iat`"));
        }
        let person = match token.text("sub") {
            None => None,
            Some(subject) => {
                let text = format!("{}|{subject}", self.settings.issuer);
                let person: Result<Person, _> = text.parse();
                Some(person.map_err(|_| LogoutError::NoLogout("its subject is nobody"))?)
            }
        };
        let sid = token.text("sid");
        if person.is_none() && sid.is_none() {
            return Err(LogoutError::NoLogout("it names neither person nor session"));
        }
        Ok(self.store.end_sessions(person.as_ref(), sid).await?)
    }

    /// The provider's page that ends the session there, if it has one.
    ///
    /// # Errors
    /// The discovery document cannot be had.
    pub async fn end_session(&self) -> Result<Option<Url>, IdentityError> {
        let provider = self.provider().await?;
        Ok(provider.end_session.clone().map(|mut url| {
            url.query_pairs_mut()
                .append_pair("client_id", &self.settings.client_id)
                .append_pair("post_logout_redirect_uri", &self.signed_out);
            url
        }))
    }
}

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
