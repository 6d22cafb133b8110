//! The public keys of an issuer: fetched, kept, and fetched again when a token names one that is not known.

use super::{Expect, JwtError, Parts, Verified, short};
use crate::outbound::Outbound;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The address of a JWK set (RFC 7517 §5).
    Jwks(String),
    /// The address of a discovery document that has a `jwks_uri`.
    Document(String),
    /// An issuer of OpenID Connect: its discovery document must name it, to the letter.
    Issuer(String),
    /// A set that is given, and never fetched.
    Fixed(Vec<Jwk>),
}

/// A public key with all its members (RFC 7517 §4): unknown ones are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Jwk(pub Map<String, Value>);

impl Jwk {
    /// A member that is a text: `kid`, `kty`, `alg`, `use`.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.0.get(member)?.as_str()
    }

    /// Whether a list, such as `endorsements` of the Bot Framework, has this text.
    pub fn lists(&self, member: &str, text: &str) -> bool {
        let list = self.0.get(member).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|entry| entry.as_str() == Some(text)))
    }

    /// The key as one that verifies with the algorithm, if it is such a key.
    pub(super) fn decoding(&self, algorithm: Algorithm) -> Option<DecodingKey> {
        // `jwt-svid`: in the bundles of SPIFFE (SPIFFE Trust Domain and Bundle §4.2.2).
        if self.text("use").is_some_and(|purpose| !matches!(purpose, "sig" | "jwt-svid")) {
            return None;
        }
        if self.text("alg").is_some_and(|own| own.parse() != Ok(algorithm)) {
            return None;
        }
        match (algorithm, self.text("kty")?, self.text("crv")) {
            (
                Algorithm::RS256
                | Algorithm::RS384
                | Algorithm::RS512
                | Algorithm::PS256
                | Algorithm::PS384
                | Algorithm::PS512,
                "RSA",
                _,
            ) => DecodingKey::from_rsa_components(self.text("n")?, self.text("e")?).ok(),
            (Algorithm::ES256, "EC", Some("P-256")) | (Algorithm::ES384, "EC", Some("P-384")) => {
                DecodingKey::from_ec_components(self.text("x")?, self.text("y")?).ok()
            }
            (Algorithm::EdDSA, "OKP", Some("Ed25519")) => {
                DecodingKey::from_ed_components(self.text("x")?).ok()
            }
            _ => None,
        }
    }
}

/// The keys of one issuer. Cheap to clone; clones share what was fetched.
#[derive(Debug, Clone)]
pub struct KeySet {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    outbound: Outbound,
    source: KeySource,
    kept: Mutex<Kept>,
    /// One fetches at a time; others wait for what it brings, or go on with what there is.
    fetching: Semaphore,
}

#[derive(Debug, Default)]
struct Kept {
    keys: Arc<Vec<Jwk>>,
    fetched_at: Option<Instant>,
    /// Of the last [`FETCHES_WINDOW`].
    tries: VecDeque<Instant>,
}

impl KeySet {
    pub fn new(outbound: &Outbound, source: KeySource) -> Self {
        let mut kept = Kept::default();
        if let KeySource::Fixed(keys) = &source {
            kept.keys = Arc::new(keys.clone());
        }
        let shared = Shared {
            outbound: outbound.clone(),
            source,
            kept: Mutex::new(kept),
            fetching: Semaphore::new(1),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether the token is signed by a key of the issuer and says what is expected.
    ///
    /// Keys are fetched at first need, again after a quarter of an hour, and when a token names a key that is not
    /// among them: at most six times a minute, whatever tokens come. While the issuer does not answer, the keys
    /// that are known go on for a day.
    ///
    /// # Errors
    /// See [`JwtError`]; [`JwtError::is_outage`] tells whose fault it is.
    ///
    /// # Cancel safety
    /// May be dropped; a fetch that was under way is lost.
    pub async fn verify(&self, token: &str, expect: &Expect) -> Result<Verified, JwtError> {
        let parts = Parts::of(token, expect)?;
        let key = self.signer(&parts).await?;
        parts.judge(key, expect, Timestamp::now())
    }

    async fn signer(&self, parts: &Parts<'_>) -> Result<Jwk, JwtError> {
        let (keys, fresh) = self.shared.known();
        let known = chosen(&keys, parts);
        if fresh && let Ok(key) = known {
            return Ok(key);
        }
        if fresh && matches!(known, Err(JwtError::Signature)) {
            return known; // the key is known; fetching it again makes no signature right
        }
        match self.shared.fetch(known.is_ok()).await {
            Ok(keys) => chosen(&keys, parts),
            Err(None) if keys.is_empty() && self.shared.fetches() => Err(JwtError::NoKeys),
            Err(error) => known.map_err(|unknown| error.unwrap_or(unknown)),
        }
    }
}

/// The key that signed, of those that could have.
fn chosen(keys: &[Jwk], parts: &Parts<'_>) -> Result<Jwk, JwtError> {
    let unknown = || JwtError::UnknownKey(short(parts.kid().unwrap_or("-")));
    if let Some(kid) = parts.kid() {
        let mut named = keys.iter().filter(|key| key.text("kid") == Some(kid)).peekable();
        named.peek().ok_or_else(unknown)?;
        return named.find(|key| parts.is_signed_by(key)).cloned().ok_or(JwtError::Signature);
    }
    let mut fitting = keys.iter().filter(|key| key.decoding(parts.algorithm).is_some()).take(UNNAMED_MAX);
    fitting.find(|key| parts.is_signed_by(key)).cloned().ok_or_else(unknown)
}

impl Shared {
    /// What is known, and whether it is fresh enough to rely on.
    fn known(&self) -> (Arc<Vec<Jwk>>, bool) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let age = kept.fetched_at.map(|at| at.elapsed());
        if age.is_some_and(|age| age > STALE_MAX) {
            kept.keys = Arc::default();
        }
        (Arc::clone(&kept.keys), !self.fetches() || age.is_some_and(|age| age <= FRESH))
    }

    const fn fetches(&self) -> bool {
        !matches!(self.source, KeySource::Fixed(_))
    }

    /// The keys, fetched now or by somebody else meanwhile. `optional`: there is something to go on with, so do
    /// not wait for somebody else. `Err(None)`: not now.
    async fn fetch(&self, optional: bool) -> Result<Arc<Vec<Jwk>>, Option<JwtError>> {
        let asked_at = Instant::now();
        let place =
            if optional { self.fetching.try_acquire().ok() } else { self.fetching.acquire().await.ok() };
        let Some(_place) = place else { return Err(None) };
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.fetched_at.is_some_and(|at| at > asked_at) {
                return Ok(Arc::clone(&kept.keys));
            }
            if !self.fetches() || !kept.may_try(asked_at) {
                return Err(None);
            }
        }
        let keys = Arc::new(self.ask().await.map_err(Some)?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.keys = Arc::clone(&keys);
        kept.fetched_at = Some(Instant::now());
        Ok(keys)
    }

    async fn ask(&self) -> Result<Vec<Jwk>, JwtError> {
        let jwks_uri = match &self.source {
            KeySource::Fixed(keys) => return Ok(keys.clone()),
            KeySource::Jwks(uri) => uri.clone(),
            KeySource::Document(url) => self.document(url).await?.jwks_uri,
            KeySource::Issuer(issuer) => {
                let document = self.document(&discovery_address(issuer)).await?;
                if document.issuer.as_deref() != Some(issuer) {
                    let found = short(document.issuer.as_deref().unwrap_or_default());
                    return Err(JwtError::Discovery { expected: issuer.clone(), found });
                }
                document.jwks_uri
            }
        };
        let set: JwkSet = self.outbound.get_json(&jwks_uri).await.map_err(JwtError::Keys)?;
        Ok(set.keys.into_iter().take(KEYS_MAX).collect())
    }

    async fn document(&self, url: &str) -> Result<Document, JwtError> {
        self.outbound.get_json(url).await.map_err(JwtError::Keys)
    }
}

impl Kept {
    /// Takes one of the tries of this minute, if one is left.
    fn may_try(&mut self, now: Instant) -> bool {
        self.tries.retain(|at| now.duration_since(*at) < FETCHES_WINDOW);
        if self.tries.len() >= FETCHES_MAX {
            return false;
        }
        self.tries.push_back(now);
        true
    }
}

/// Where an issuer describes itself (OpenID Connect Discovery §4).
pub(crate) fn discovery_address(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Document {
    issuer: Option<String>,
    jwks_uri: String,
}

const FRESH: Duration = Duration::from_mins(15);
/// Keys that could not be fetched anew for so long are no longer believed.
const STALE_MAX: Duration = Duration::from_hours(24);
const FETCHES_WINDOW: Duration = Duration::from_mins(1);
const FETCHES_MAX: usize = 6;
/// Entra publishes some ten, the Bot Framework some twenty.
const KEYS_MAX: usize = 200;
/// Keys tried for a token that names none.
const UNNAMED_MAX: usize = 10;

#[cfg(test)]
impl Shared {
    /// As if everything had been fetched and tried so much earlier.
    pub(super) fn age(&self, by: Duration) {
        let mut kept = self.kept.lock().unwrap();
        kept.fetched_at = kept.fetched_at.map(|at| at.checked_sub(by).unwrap());
        kept.tries.clear();
    }
}
