//! Access tokens of the provider at our API (RFC 9068, RFC 6750): who asks, and whether this token may decide.
//!
//! A token reads with the scope `holds:read` or `holds:decide`. It decides with `holds:decide`, when a person stands
//! behind it and it came by a client that the configuration names: a program that has a token for itself, and a code
//! that somebody was talked into typing (RFC 8628 §5.4), are no reviewers.

use super::{Identity, IdentityError, Settings};
use crate::approval::{LoginBy, Reviewer};
use crate::jwt::{Expect, JwtError, Verified};
use crate::person::Person;
use crate::store::{Profile, StoreError, secret_hash};
use jiff::Timestamp;
use moka::sync::Cache;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Who asks with an access token.
#[derive(Debug, Clone)]
pub struct Access {
    /// As known here now; of a program, what the token says.
    pub reviewer: Reviewer,
    /// A program for itself, and no person.
    pub machine: bool,
    /// The client that the token was issued to.
    pub client: String,
    /// Whether the token may change anything.
    pub decides: Result<(), Undeciding>,
}

/// Why a token only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undeciding {
    #[error("a program with a token of its own (client credentials) never decides: a person must")]
    Machine,
    #[error(
        "a token of the device flow never decides: whoever typed its code may not be who asked for it; use `holdpoint login` without `--device`, or the inbox"
    )]
    Device,
    #[error("tokens of this client do not decide: `identity.api.deciding-clients` names those that do")]
    Client,
    #[error("the token has not the scope `holds:decide`")]
    Scope,
}

/// Why a token is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    #[error("access tokens are not taken here: `identity.api.audience` is not set")]
    NotTaken,
    #[error(transparent)]
    Token(#[from] JwtError),
    #[error("the token does not say which client it is for (`client_id`)")]
    NoClient,
    #[error("the token has neither of the scopes `holds:read` and `holds:decide`")]
    NoScope,
    #[error("the token's claims cannot be used")]
    Claims(#[source] IdentityError),
    #[error(
        "this person is not known here yet, and the token says too little of them: sign in to the inbox once"
    )]
    Unknown,
    #[error("this person was revoked here")]
    Revoked,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccessError {
    /// Whether the provider, the store or the configuration is at fault, not who sent the token.
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Token(error) => error.is_outage(),
            Self::Store(_) => true,
            _ => false,
        }
    }
}

/// What was verified lately, by hash; and whose groups were written down lately.
#[derive(Debug)]
pub(super) struct Kept {
    tokens: Cache<Vec<u8>, Arc<Claimed>>,
    noted: Cache<Person, Timestamp>,
}

impl Default for Kept {
    fn default() -> Self {
        let cache = || Cache::builder().max_capacity(KEPT_MAX).time_to_live(KEPT);
        Self {
            tokens: cache().build(),
            noted: Cache::builder().max_capacity(KEPT_MAX).time_to_live(KEPT).build(),
        }
    }
}

/// A verified token, as far as it is needed again.
#[derive(Debug)]
struct Claimed {
    reviewer: Reviewer,
    /// `None`: the token says nothing of groups.
    profile: Option<Profile>,
    machine: bool,
    client: String,
    decides: Result<(), Undeciding>,
    ends: Timestamp,
}

impl Identity {
    /// Who asks with this token.
    ///
    /// # Errors
    /// See [`AccessError`]; [`AccessError::is_outage`] tells whose fault it is.
    pub async fn access(&self, token: &str) -> Result<Access, AccessError> {
        let audience = self.settings.api_audience.as_deref().ok_or(AccessError::NotTaken)?;
        let hash = secret_hash(token);
        let claimed = match self.access.tokens.get(&hash) {
            Some(kept) if kept.ends > Timestamp::now() => kept,
            _ => {
                // RFC 9068 §4; Entra writes `JWT`. What makes it an access token is audience and scope.
                let expect = Expect::new(&self.settings.issuer, audience).typ(&["at+jwt", "JWT"]);
                let verified = self.keys.verify(token, &expect).await?;
                let claimed = Arc::new(Claimed::of(&self.settings, &verified)?);
                self.access.tokens.insert(hash, Arc::clone(&claimed));
                claimed
            }
        };
        let Claimed { machine, client, decides, .. } = &*claimed;
        let reviewer = if *machine { claimed.reviewer.clone() } else { self.person(&claimed).await? };
        Ok(Access { reviewer, machine: *machine, client: client.clone(), decides: *decides })
    }

    /// The person as known here, after what the token says of their groups. What the database says then counts:
    /// it may be newer.
    async fn person(&self, claimed: &Claimed) -> Result<Reviewer, AccessError> {
        let person = &claimed.reviewer.person;
        let known = self.store.reviewer(&claimed.reviewer).await?;
        let news = claimed.profile.as_ref().filter(|profile| {
            known.is_none() || self.access.noted.get(person).is_none_or(|noted| noted < profile.groups_at)
        });
        match (&known, news) {
            (Some(_), Some(profile)) => {
                // An access token says less of a person than a login does: nothing else is replaced.
                self.store.confirm_groups(person, &profile.groups, profile.groups_at).await?;
                self.access.noted.insert(person.clone(), profile.groups_at);
            }
            (None, profile) => {
                let profile = profile.ok_or(AccessError::Unknown)?;
                if self.settings.person_key.is_some() && profile.key.is_none() {
                    return Err(AccessError::Unknown);
                }
                if !self.store.know(profile.clone()).await? {
                    return Err(AccessError::Revoked);
                }
                self.access.noted.insert(person.clone(), profile.groups_at);
            }
            (Some(known), None) => return Ok(known.clone()),
        }
        self.store.reviewer(&claimed.reviewer).await?.ok_or(AccessError::Revoked)
    }
}

impl Claimed {
    fn of(settings: &Settings, token: &Verified) -> Result<Self, AccessError> {
        let claims = &token.claims;
        let scopes = scopes(claims);
        let client = client(claims).ok_or(AccessError::NoClient)?;
        if !(scopes.contains(READ) || scopes.contains(DECIDE)) {
            return Err(AccessError::NoScope);
        }
        let machine = is_machine(claims, &client);
        let decides = if machine {
            Err(Undeciding::Machine)
        } else if settings.device_client_id.as_ref() == Some(&client) {
            Err(Undeciding::Device)
        } else if !settings.deciding_clients.contains(&client) {
            Err(Undeciding::Client)
        } else if !scopes.contains(DECIDE) {
            Err(Undeciding::Scope)
        } else {
            Ok(())
        };
        let said_at = token.time("iat").unwrap_or(Timestamp::UNIX_EPOCH);
        let profile = settings.profile(claims, said_at).map_err(AccessError::Claims)?;
        let reviewer = Reviewer {
            person: profile.person.clone(),
            key: None,
            display: profile.display.clone(),
            groups: if machine { profile.groups.clone() } else { BTreeSet::new() },
            groups_at: Some(said_at),
            login: settings.login(claims, LoginBy::AccessToken),
        };
        let ends = token.time("exp").ok_or(JwtError::Claim("exp"))?;
        let profile = settings.has_groups(claims).then_some(profile);
        Ok(Self { reviewer, profile, machine, client, decides, ends })
    }
}

/// `scope` of RFC 9068 §2.2.3, a text; `scp` of Okta, a list, and of Entra, a text.
fn scopes(claims: &Value) -> BTreeSet<&str> {
    let words = |claim: &'static str| match claims.get(claim) {
        Some(Value::String(text)) => text.split(' ').collect::<Vec<_>>(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    words("scope").into_iter().chain(words("scp")).filter(|scope| !scope.is_empty()).collect()
}

/// The client: `client_id` of RFC 9068, `cid` of Okta, `azp` and `appid` of Entra. Those that are there must agree.
fn client(claims: &Value) -> Option<String> {
    let mut named = ["client_id", "cid", "azp", "appid"].iter().filter_map(|claim| claims.get(claim));
    let first = named.next()?.as_str()?;
    named.all(|other| other.as_str() == Some(first)).then(|| first.to_owned())
}

/// Whether a program got the token for itself: its subject is the client (RFC 9068 §2.2), or the provider says so in
/// its own way (Entra `idtyp`, Auth0 `gty`, the user names of Keycloak).
fn is_machine(claims: &Value, client: &str) -> bool {
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    let subject = text("sub").unwrap_or_default();
    subject.is_empty()
        || subject == client
        || subject.strip_suffix("@clients") == Some(client)
        || text("idtyp") == Some("app")
        || text("gty").is_some_and(|grant| grant.contains("client"))
        || text("preferred_username").is_some_and(|name| name.starts_with("service-account-"))
}

const READ: &str = "holds:read";
const DECIDE: &str = "holds:decide";
const KEPT: Duration = Duration::from_mins(1);
const KEPT_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn scopes_are_read_as_providers_write_them() {
        for claims in [
            json!({ "scope": "openid holds:read" }),
            json!({ "scp": ["openid", "holds:read"] }),
            json!({ "scp": "holds:read openid" }),
        ] {
            assert!(scopes(&claims).contains(READ) && !scopes(&claims).contains(DECIDE), "{claims}");
        }
        for claims in
            [json!({}), json!({ "scope": "holds:readonly" }), json!({ "scp": { "holds:read": true } })]
        {
            assert!(!scopes(&claims).contains(READ), "{claims}");
        }
    }

    #[test]
    fn the_client_is_one() {
        assert_eq!(client(&json!({ "cid": "a" })).as_deref(), Some("a"));
        assert_eq!(client(&json!({ "azp": "a", "client_id": "a" })).as_deref(), Some("a"));
        for none in [json!({}), json!({ "client_id": 1 }), json!({ "client_id": "a", "azp": "b" })] {
            assert_eq!(client(&none), None, "{none}");
        }
    }

    #[test]
    fn programs_are_no_people() {
        for claims in [
            json!({ "sub": "job" }),
            json!({ "sub": "job@clients" }),
            json!({ "sub": "o1", "idtyp": "app" }),
            json!({ "sub": "x", "gty": "client-credentials" }),
            json!({ "sub": "6f1c", "preferred_username": "service-account-job" }),
            json!({}),
        ] {
            assert!(is_machine(&claims, "job"), "{claims}");
        }
        assert!(!is_machine(&json!({ "sub": "00u1", "idtyp": "user" }), "job"));
    }

    proptest! {
        #[test]
        fn no_scope_comes_from_nowhere(text in "[a-z: ]{0,40}") {
            let claims = json!({ "scope": text });
            prop_assert_eq!(scopes(&claims).contains(DECIDE), text.split(' ').any(|word| word == DECIDE));
        }
    }
}
