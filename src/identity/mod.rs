//! Who people are, as their identity provider says: an OpenID Connect relying party (Core 1.0, Discovery 1.0,
//! RFC 7636, RFC 9207, Back-Channel Logout 1.0) on our own outbound client.
//!
//! A login is bound to the browser that began it, to one answer of the provider and to ten minutes. People are
//! keyed by (issuer, subject); everything else that the provider says of them is what it was at their last login.

mod access;
mod claims;
mod flow;
mod logout;
mod provider;
#[cfg(test)]
mod tests;

pub use access::{Access, AccessError, Undeciding};
pub use flow::{Begun, Fresh, Returned, SignedIn};
pub use logout::LogoutError;

use crate::approval::StepUp;
use crate::jwt::{JwtError, KeySet, KeySource};
use crate::outbound::{Outbound, OutboundError};
use crate::store::{Store, StoreError};
use provider::Cache;
use secrecy::SecretString;
use std::time::Duration;

/// The provider, and what of its claims means what: `identity:` of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// To the letter as the provider writes it in `iss`.
    pub issuer: String,
    pub client_id: String,
    /// `None`: a public client, which PKCE alone protects.
    pub client_secret: Option<SecretString>,
    pub scopes: Vec<String>,
    /// A claim by name, or by JSON pointer when it starts with `/`.
    pub groups_claim: String,
    pub person_key: Option<String>,
    /// Claims that name the chat accounts of the person.
    pub slack_claim: Option<String>,
    pub teams_claim: Option<String>,
    /// The workspace or tenant of an account that a claim gives without it.
    pub slack_team: Option<String>,
    pub teams_tenant: Option<String>,
    /// Whether a chat account is taken for the person with the same verified address.
    pub match_email: bool,
    /// Groups that were confirmed longer ago do not count.
    pub groups_fresh: Duration,
    pub step_up: StepUp,
    /// What access tokens for the API must be meant for; `None`: the API takes none.
    pub api_audience: Option<String>,
    /// Clients whose access tokens may decide; others read.
    pub deciding_clients: Vec<String>,
    /// The public client of `holdpoint login`.
    pub cli_client_id: Option<String>,
    /// The client of `holdpoint login --device`, whose tokens never decide.
    pub device_client_id: Option<String>,
}

/// The relying party.
#[derive(Debug)]
pub struct Identity {
    settings: Settings,
    outbound: Outbound,
    store: Store,
    keys: KeySet,
    provider: Cache,
    access: access::Kept,
    /// Where browsers come back to.
    redirect_uri: String,
    /// Where they land after they have signed out.
    signed_out: String,
}

/// Why nobody is signed in. The text is for the person in front of the browser.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    #[error("this sign-in was used before or is older than ten minutes; begin again")]
    UnknownState,
    #[error(
        "this sign-in was begun in another browser, or under another address of this Holdpoint; begin again"
    )]
    OtherBrowser,
    #[error("the answer came from `{0}`, not from the configured identity provider; nobody was signed in")]
    OtherIssuer(String),
    #[error(
        "the answer of the identity provider does not say who sent it (`iss`), although it always should"
    )]
    NoIssuer,
    #[error("the identity provider says `{code}`{}", .description.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    Refused { code: String, description: Option<String> },
    #[error("the identity provider sent neither a code nor an error")]
    NoCode,
    #[error("the identity provider did not exchange the code: `{0}`")]
    Exchange(String),
    #[error("the ID token does not belong to this sign-in (`nonce`)")]
    Nonce,
    #[error("the ID token was issued for another client (`azp`)")]
    AuthorizedParty,
    #[error("the identity provider's ID token is not accepted: {0}")]
    Token(JwtError),
    #[error("the claim `{0}` of the identity provider cannot be used")]
    Claim(String),
    #[error(
        "you are in more groups than the identity provider puts into a token; ask your administrator to assign app roles and to set `identity.groups-claim: roles`"
    )]
    GroupsOverage,
    #[error("this person was revoked here")]
    Revoked,
    #[error(
        "the discovery document names the issuer `{found}`; `identity.issuer` must be that, to the letter, not `{expected}`"
    )]
    Discovery { expected: String, found: String },
    #[error("the discovery document of the identity provider cannot be used: {0}")]
    Document(&'static str),
    #[error("the identity provider cannot be reached")]
    Unreachable(#[source] OutboundError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IdentityError {
    /// Whether the person, or who sent them here, is at fault; else the provider, its settings, or we.
    pub const fn is_callers(&self) -> bool {
        matches!(
            self,
            Self::UnknownState
                | Self::OtherBrowser
                | Self::OtherIssuer(_)
                | Self::Refused { .. }
                | Self::Revoked
        )
    }
}

impl Identity {
    /// `public_url` is where browsers reach the inbox, without a slash at the end. Nothing is fetched yet.
    pub fn new(settings: Settings, outbound: &Outbound, store: &Store, public_url: &str) -> Self {
        let keys = KeySet::new(outbound, KeySource::Issuer(settings.issuer.clone()));
        Self {
            keys,
            provider: Cache::default(),
            access: access::Kept::default(),
            outbound: outbound.clone(),
            store: store.clone(),
            redirect_uri: format!("{public_url}{CALLBACK}"),
            signed_out: format!("{public_url}/login"),
            settings,
        }
    }

    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The keys of the issuer: also for its access tokens.
    pub const fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// The provider's host, for people.
    pub fn host(&self) -> String {
        let url = url::Url::parse(&self.settings.issuer).ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| self.settings.issuer.clone())
    }
}

/// Where the provider sends browsers back to.
pub const CALLBACK: &str = "/login/callback";
