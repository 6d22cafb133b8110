//! The one validator of signed tokens (RFC 7519, RFC 8725): ID tokens, access tokens, logout tokens, workload
//! tokens and those of the Bot Framework.
//!
//! ```no_run
//! # use holdpoint::{jwt::{Expect, KeySet, KeySource, JwtError}, outbound::Outbound};
//! # async fn f(outbound: &Outbound, token: &str) -> Result<(), JwtError> {
//! let keys = KeySet::new(outbound, KeySource::Issuer("https://idp.example".to_owned())); // kept, not made anew
//! let expect = Expect::new("https://idp.example", "api://holdpoint").typ(&["at+jwt", "JWT"]);
//! let verified = keys.verify(token, &expect).await?;
//! let subject = verified.text("sub");
//! # Ok(()) }
//! ```
//!
//! The caller says what it expects; nothing in the token chooses that. Only signatures by public keys count: no
//! configuration and no token brings in `none` or a shared secret.

mod keys;
#[cfg(test)]
mod tests;

pub use jsonwebtoken::Algorithm;
pub(crate) use keys::discovery_address;
pub use keys::{Jwk, KeySet, KeySource};

use crate::outbound::OutboundError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

/// What a token must say to be believed.
#[derive(Debug, Clone)]
pub struct Expect {
    /// `iss` is one of these, to the letter.
    pub issuers: Vec<String>,
    /// `aud` is, or has among its members, one of these.
    pub audiences: Vec<String>,
    /// Those of shared secrets never count, even when named here.
    pub algorithms: Vec<Algorithm>,
    /// How far the clocks may differ. Applies to `exp`, `nbf` and `iat`.
    pub leeway: Duration,
    /// Accepted `typ`, without regard to case and to `application/`. A token without `typ` is a `JWT`.
    pub typ: Vec<String>,
}

impl Expect {
    /// One issuer, one audience, every algorithm of public keys, a minute of leeway, `typ` `JWT` or none.
    pub fn new(issuer: &str, audience: &str) -> Self {
        Self {
            issuers: vec![issuer.to_owned()],
            audiences: vec![audience.to_owned()],
            algorithms: PUBLIC_KEY.to_vec(),
            leeway: Duration::from_mins(1),
            typ: vec!["JWT".to_owned()],
        }
    }

    #[must_use]
    pub fn typ(mut self, accepted: &[&str]) -> Self {
        self.typ = accepted.iter().map(|typ| (*typ).to_owned()).collect();
        self
    }

    #[must_use]
    pub fn algorithms(mut self, accepted: &[Algorithm]) -> Self {
        self.algorithms = accepted.to_vec();
        self
    }
}

/// A token whose signature, issuer, audience and times are right.
#[derive(Debug, Clone)]
pub struct Verified {
    pub header: Map<String, Value>,
    pub claims: Value,
    /// The key that signed, with every member that its publisher gave it (`endorsements`).
    pub key: Jwk,
}

impl Verified {
    /// A claim that is a text.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// A claim that is a `NumericDate`: seconds since 1970.
    pub fn time(&self, claim: &str) -> Option<Timestamp> {
        numeric_date(self.claims.get(claim)?)
    }

    /// A claim that is a text or a list of texts, as `aud`.
    pub fn texts(&self, claim: &str) -> Vec<&str> {
        match self.claims.get(claim) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// Why a token does not count. The text may be shown: no part of a token stands in it, apart from its `alg`,
/// `kid`, `typ` and `iss`, cut short.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    #[error("the token is not a signed JWT: {0}")]
    Malformed(&'static str),
    #[error("the token is signed with `{0}`, which is not accepted here")]
    Algorithm(String),
    #[error("the token is of type `{0}`, which is not accepted here")]
    Type(String),
    #[error("the issuer publishes no key `{0}`")]
    UnknownKey(String),
    #[error("the signature of the token is wrong")]
    Signature,
    #[error("the token was issued by `{0}`, who is not accepted here")]
    Issuer(String),
    #[error("the token is meant for somebody else (`aud`)")]
    Audience,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet (`{0}`): do the clocks agree?")]
    NotYet(&'static str),
    #[error("the token has no sound `{0}`")]
    Claim(&'static str),
    /// Nothing is known of the token: the keys cannot be had at the moment.
    #[error("the keys of the issuer cannot be fetched")]
    Keys(#[source] OutboundError),
    /// As [`Self::Keys`]; it failed several times within this minute.
    #[error("the keys of the issuer could not be fetched a moment ago")]
    NoKeys,
    /// As [`Self::Keys`]: the issuer's own documents contradict the configuration.
    #[error("the discovery document names the issuer `{found}`, not `{expected}`")]
    Discovery { expected: String, found: String },
}

impl JwtError {
    /// Whether the issuer is at fault or out of reach, not who sent the token: 503, not 401.
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Keys(_) | Self::NoKeys | Self::Discovery { .. })
    }
}

/// A token taken apart, of which nothing is believed.
#[derive(Debug)]
struct Parts<'t> {
    header: Map<String, Value>,
    algorithm: Algorithm,
    /// Header and claims as signed.
    signed: &'t str,
    claims: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    /// Pure: bytes from outside in, parts out.
    fn of(token: &'t str, expect: &Expect) -> Result<Self, JwtError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(JwtError::Malformed("it is too long"));
        }
        let shape = JwtError::Malformed("it has not three parts");
        let Some((signed, signature)) = token.rsplit_once('.') else { return Err(shape) };
        let Some((head, claims)) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.')) else {
            return Err(shape);
        };
        let Value::Object(header) = json(head)? else {
            return Err(JwtError::Malformed("its header is no object"));
        };
        if header.contains_key("crit") {
            return Err(JwtError::Malformed("it asks for an extension (`crit`)"));
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let alg = text("alg").unwrap_or("none");
        let algorithm = alg.parse::<Algorithm>().ok();
        let accepted = |a: &Algorithm| PUBLIC_KEY.contains(a) && expect.algorithms.contains(a);
        let algorithm = algorithm.filter(accepted).ok_or_else(|| JwtError::Algorithm(short(alg)))?;
        let typ = match header.get("typ") {
            None => "JWT",
            Some(typ) => typ.as_str().ok_or_else(|| JwtError::Type(String::new()))?,
        };
        let bare = typ.get(..APPLICATION.len()).filter(|start| start.eq_ignore_ascii_case(APPLICATION));
        let bare = bare.and_then(|_| typ.get(APPLICATION.len()..)).unwrap_or(typ);
        if !expect.typ.iter().any(|accepted| accepted.eq_ignore_ascii_case(bare)) {
            return Err(JwtError::Type(short(typ)));
        }
        Ok(Self { algorithm, signed, claims, signature, header })
    }

    fn kid(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    fn is_signed_by(&self, key: &Jwk) -> bool {
        let Some(decoding) = key.decoding(self.algorithm) else { return false };
        let message = self.signed.as_bytes();
        jsonwebtoken::crypto::verify(self.signature, message, &decoding, self.algorithm).unwrap_or(false)
    }

    /// The claims, once the signature is known to be right.
    fn judge(self, key: Jwk, expect: &Expect, now: Timestamp) -> Result<Verified, JwtError> {
        let claims = json(self.claims)?;
        if !claims.is_object() {
            return Err(JwtError::Malformed("its claims are no object"));
        }
        let verified = Verified { header: self.header, claims, key };
        let issuer = verified.text("iss").ok_or(JwtError::Claim("iss"))?;
        if !expect.issuers.iter().any(|accepted| accepted == issuer) {
            return Err(JwtError::Issuer(short(issuer)));
        }
        let audiences = verified.texts("aud");
        if !expect.audiences.iter().any(|accepted| audiences.contains(&accepted.as_str())) {
            return Err(JwtError::Audience);
        }
        let ends = verified.time("exp").ok_or(JwtError::Claim("exp"))?;
        let leeway = expect.leeway;
        if ends.saturating_add(leeway).is_ok_and(|end| end <= now) {
            return Err(JwtError::Expired);
        }
        for claim in ["nbf", "iat"] {
            if verified.claims.get(claim).is_none() {
                continue;
            }
            let begins = verified.time(claim).ok_or(JwtError::Claim(claim))?;
            if now.saturating_add(leeway).is_ok_and(|latest| begins > latest) {
                return Err(JwtError::NotYet(claim));
            }
        }
        Ok(verified)
    }
}

fn json(part: &str) -> Result<Value, JwtError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed("a part is not base64url"))?;
    serde_json::from_slice(&bytes).map_err(|_| JwtError::Malformed("a part is not JSON"))
}

/// `NumericDate` (RFC 7519 §2): seconds since 1970, whole or not.
fn numeric_date(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_i64().or_else(|| {
        let seconds = value.as_f64().filter(|seconds| seconds.abs() < 1e12)?;
        #[expect(clippy::cast_possible_truncation, reason = "the line above bounds it")]
        Some(seconds.trunc() as i64)
    })?;
    Timestamp::from_second(seconds).ok()
}

/// What may be said of a text that a stranger chose.
fn short(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}

/// All that verify with a public key.
const PUBLIC_KEY: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
const APPLICATION: &str = "application/";
/// Tokens with hundreds of groups have some 40 KiB.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
