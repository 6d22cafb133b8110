//! A hold: a parked request and its record.

use crate::digest::RequestDigest;
use crate::person::Person;
use crate::ruling::{Assurance, Grounds};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `hp_` and twelve characters of Crockford's base 32. Unique, not secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct HoldId(String);

/// The text is no hold id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hold id is `hp_` and twelve letters or digits")]
pub struct HoldIdError;

impl HoldId {
    /// An id from 60 random bits.
    pub fn from_random(bits: u64) -> Self {
        Self(format!("hp_{}", crockford(bits)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HoldId {
    type Err = HoldIdError;

    fn from_str(text: &str) -> Result<Self, HoldIdError> {
        let text = text.to_ascii_lowercase();
        let sound = text.strip_prefix("hp_").is_some_and(is_crockford);
        sound.then_some(Self(text)).ok_or(HoldIdError)
    }
}

impl From<HoldId> for String {
    fn from(id: HoldId) -> Self {
        id.0
    }
}

impl TryFrom<String> for HoldId {
    type Error = HoldIdError;

    fn try_from(text: String) -> Result<Self, HoldIdError> {
        text.parse()
    }
}

/// Twelve characters from the lower 60 bits.
pub(crate) fn crockford(bits: u64) -> String {
    let digit = |place: usize| usize::try_from(bits >> (5 * place) & 31).unwrap_or_default();
    (0..ID_CHARACTERS).rev().map(|place| CROCKFORD.chars().nth(digit(place)).unwrap_or('0')).collect()
}

pub(crate) fn is_crockford(digits: &str) -> bool {
    digits.len() == ID_CHARACTERS && digits.chars().all(|c| CROCKFORD.contains(c))
}

/// Where a hold stands.
///
/// ```text
/// pending ─┬─▶ approved ─┬─▶ released          at most once, durable before a byte leaves
///          │             ├─▶ expired           nobody came back to spend the approval
///          ├─▶ denied    └─▶ withdrawn
///          ├─▶ expired
///          └─▶ withdrawn                       its agent was revoked
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldState {
    Pending,
    Approved,
    Released,
    Denied,
    Expired,
    Withdrawn,
}

impl HoldState {
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Approved, Self::Released, Self::Denied, Self::Expired, Self::Withdrawn];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Released => "released",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether nothing follows.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Released | Self::Denied | Self::Expired | Self::Withdrawn)
    }

    /// Whether the state machine has an edge from here to there.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => matches!(next, Self::Approved | Self::Denied | Self::Expired | Self::Withdrawn),
            Self::Approved => matches!(next, Self::Released | Self::Expired | Self::Withdrawn),
            Self::Released | Self::Denied | Self::Expired | Self::Withdrawn => false,
        }
    }
}

impl FromStr for HoldState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or_else(|| {
            format!("no such state: `{text}`; one of pending, approved, released, denied, expired, withdrawn")
        })
    }
}

/// What became of a release upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "result")]
pub enum ReleaseOutcome {
    /// The origin answered with this status.
    Answered { status: u16 },
    /// The request may or may not have arrived; Holdpoint never sends it again by itself.
    Ambiguous,
}

/// A header field as shown and stored: a secret's value is replaced by its kind, last four characters and
/// keyed fingerprint ([`crate::redact`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownField {
    pub name: String,
    pub value: String,
    pub redacted: bool,
}

/// Stands for the method of a message on a WebSocket. No HTTP method has a space in it.
pub const MESSAGE: &str = "WebSocket message";

/// The request that a reviewer sees, as parked; or the message, with the head of the request that opened its connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedRequest {
    pub method: String,
    /// Canonical, whole: scheme, host, port if not the default, path, query.
    pub url: String,
    pub host: String,
    pub http_version: String,
    pub headers: Vec<ShownField>,
    /// The body exactly as received. Kept sealed in the store, and only for a time: `None` when erased.
    #[serde(skip)]
    pub body: Option<bytes::Bytes>,
    pub body_bytes: u64,
    /// SHA-256 of the body, lower-case hex.
    pub body_sha256: String,
}

/// What the agent says about its own request. Untrusted: shown apart, escaped, labelled as its words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentWords {
    /// `Holdpoint-Reason`.
    pub reason: Option<String>,
    /// `Holdpoint-Session`.
    pub session: Option<String>,
    /// W3C `traceparent`, kept on the request as well.
    pub traceparent: Option<String>,
}

/// One vote, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteRecord {
    pub person: Person,
    pub groups: Vec<String>,
    pub vote: crate::approval::Choice,
    pub reason: Option<String>,
    pub channel: crate::approval::Channel,
    pub assurance: Assurance,
    /// The chat account that the vote came from: `slack:T1/U1`, `teams:TENANT/OBJECT`.
    pub account: Option<String>,
    pub at: Timestamp,
}

/// The record of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    pub id: HoldId,
    /// Compare-and-set key: grows with each change.
    pub version: i64,
    pub state: HoldState,
    pub digest: RequestDigest,
    pub agent_id: i64,
    /// The agent's name when it parked.
    pub agent: String,
    /// The agent's owners when it parked; those of now count as well.
    pub owners: Vec<Person>,
    /// On whose behalf the agent acts in this session, where its credentials say so.
    pub initiator: Option<Person>,
    /// The grant that stood for the votes.
    pub grant: Option<String>,
    pub source: String,
    pub request: ParkedRequest,
    pub grounds: Grounds,
    pub words: AgentWords,
    /// Parked in solo mode: one person runs the agents and reviews.
    pub solo: bool,
    pub created_at: Timestamp,
    /// When a pending hold ends by itself.
    pub expires_at: Timestamp,
    pub decided_at: Option<Timestamp>,
    /// When an approval that nobody spends ends.
    pub approval_expires_at: Option<Timestamp>,
    pub released_at: Option<Timestamp>,
    pub outcome: Option<ReleaseOutcome>,
    /// Times that the identical request came, the first included.
    pub requests: u32,
    pub votes: Vec<VoteRecord>,
}

/// What requests that differ only in names and numbers have in common: method, host and path, with `{}` for
/// the segments that look variable. For grouping the past, never for deciding.
pub fn shape(method: &str, url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    let segments: Vec<&str> = place
        .split('/')
        .enumerate()
        .map(|(at, segment)| if at > 0 && looks_variable(segment) { "{}" } else { segment })
        .collect();
    format!("{method} {}", segments.join("/"))
}

/// Numbers, UUIDs, hexadecimal of eight digits and more, opaque ids (`cus_9Zk`); but no versions (`v2`).
fn looks_variable(segment: &str) -> bool {
    let digits = |text: &str| text.bytes().any(|b| b.is_ascii_digit());
    let version =
        segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let hex = segment.len() >= 8 && segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    let number = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
    let opaque = segment.len() >= 12 && digits(segment);
    let prefixed = segment.split_once('_').is_some_and(|(_, rest)| digits(rest));
    number || hex || (!version && (opaque || prefixed))
}

const ID_CHARACTERS: usize = 12;
/// Crockford's alphabet in lower case: no i, l, o, u.
const CROCKFORD: &str = "0123456789abcdefghjkmnpqrstvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_fixed_in_length_and_come_back() {
        for bits in [0, 1, 31, 32, u64::MAX, 0x0123_4567_89ab_cdef] {
            let id = HoldId::from_random(bits);
            assert_eq!(id.as_str().len(), 15);
            assert_eq!(id.as_str().parse::<HoldId>(), Ok(id));
        }
        for bad in ["", "hp_", "hp_0000000000o0", "xx_000000000000", "hp_0000000000000"] {
            assert!(bad.parse::<HoldId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn requests_of_one_kind_have_one_shape() {
        for (url, expected) in [
            ("https://api.github.com/repos/acme/site?x=1", "api.github.com/repos/acme/site"),
            ("https://h/v1/customers/cus_9Zk/charges", "h/v1/customers/{}/charges"),
            ("https://h:8443/a/42/0b5c7d6e-0a1b-4c2d-8e3f-001122334455", "h:8443/a/{}/{}"),
            ("https://h/v2beta1/blob/deadbeef01#f", "h/v2beta1/blob/{}"),
            ("https://12345678", "12345678"),
            ("https://h/", "h/"),
        ] {
            assert_eq!(shape("PUT", url), format!("PUT {expected}"), "{url}");
        }
    }

    #[test]
    fn final_states_lead_nowhere() {
        for from in HoldState::ALL {
            for to in HoldState::ALL {
                assert!(!(from.is_final() && from.may_become(to)), "{from:?} -> {to:?}");
                assert!(from != to || !from.may_become(to));
            }
        }
    }
}
