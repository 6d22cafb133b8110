//! Grants: temporary passes that come out of a reviewed request. Nobody types one: what it covers is read off the
//! request that its maker has approved.
//!
//! Three questions, each a pure function: what must be the same ([`same`]), whether a grant covers a request
//! ([`covers`]), and whether the one who made it may let this request pass, now ([`stands`]).

use crate::approval::{Channel, Choice, Law, LoginBy, Refusal, Reviewer, Tally, Vote, judge};
use crate::digest::{RequestDigest, has_meaning, sha256_hex};
use crate::hold::{AgentWords, Hold, HoldId, HoldState, ParkedRequest, crockford, is_crockford};
use crate::person::Person;
use crate::redact::{is_credential, visible};
use crate::role::Names;
use crate::ruling::{Assurance, Grounds};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

mod same;
#[cfg(test)]
mod tests;

pub use same::{Unlike, same};

/// `hg_` and twelve characters of Crockford's base 32. Unique, not secret: it opens nothing by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct GrantId(String);

/// The text is no grant id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a grant id is `hg_` and twelve letters or digits")]
pub struct GrantIdError;

impl GrantId {
    /// An id from 60 random bits.
    pub fn from_random(bits: u64) -> Self {
        Self(format!("hg_{}", crockford(bits)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for GrantId {
    type Err = GrantIdError;

    fn from_str(text: &str) -> Result<Self, GrantIdError> {
        let text = text.to_ascii_lowercase();
        let sound = text.strip_prefix("hg_").is_some_and(is_crockford);
        sound.then_some(Self(text)).ok_or(GrantIdError)
    }
}

impl From<GrantId> for String {
    fn from(id: GrantId) -> Self {
        id.0
    }
}

impl TryFrom<String> for GrantId {
    type Error = GrantIdError;

    fn try_from(text: String) -> Result<Self, GrantIdError> {
        text.parse()
    }
}

/// How far a grant reaches. Ordered, the narrowest first: of several that cover a request it is used first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The identical request again.
    Request,
    /// The same operation on the same resource.
    Resource,
    /// Whatever the rule holds of this agent in this session.
    Rule,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Request, Self::Resource, Self::Rule];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Resource => "resource",
            Self::Rule => "rule",
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| format!("no such scope: `{text}`; one of request, resource, rule"))
    }
}

/// How long a grant lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Life {
    #[serde(rename = "15m")]
    Quarter,
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "8h")]
    Day,
}

impl Life {
    pub const ALL: [Self; 3] = [Self::Quarter, Self::Hour, Self::Day];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarter => "15m",
            Self::Hour => "1h",
            Self::Day => "8h",
        }
    }

    pub const fn duration(self) -> Duration {
        match self {
            Self::Quarter => Duration::from_mins(15),
            Self::Hour => Duration::from_hours(1),
            Self::Day => Duration::from_hours(8),
        }
    }
}

impl FromStr for Life {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|life| life.as_str() == text);
        found.ok_or_else(|| format!("no such length: `{text}`; one of 15m, 1h, 8h"))
    }
}

/// What somebody asks for beside their approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub scope: Scope,
    pub life: Life,
    pub uses: u32,
}

/// SHA-256, lower-case hex, over what must be the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Same(pub(crate) String);

impl Same {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    /// The reviewed request.
    pub hold: HoldId,
    pub agent_id: i64,
    /// The agent's name.
    pub agent: String,
    pub rule: String,
    pub scope: Scope,
    pub same: Same,
    /// Who made it: who approved the hold.
    pub person: Person,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub uses_left: u32,
    pub used: u32,
    pub revoked_at: Option<Timestamp>,
    /// `person:…`.
    pub revoked_by: Option<String>,
}

/// What of a request a grant looks at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub agent_id: i64,
    pub initiator: Option<&'a Person>,
    pub digest: RequestDigest,
    pub request: &'a ParkedRequest,
    pub grounds: &'a Grounds,
    pub words: &'a AgentWords,
}

impl<'a> Facts<'a> {
    pub fn of(hold: &'a Hold) -> Self {
        Self {
            agent_id: hold.agent_id,
            initiator: hold.initiator.as_ref(),
            digest: hold.digest,
            request: &hold.request,
            grounds: &hold.grounds,
            words: &hold.words,
        }
    }
}

/// Whether the grant is about this request. Says nothing of whether it is still alive, or may be used.
pub fn covers(grant: &Grant, facts: &Facts<'_>) -> bool {
    grant.agent_id == facts.agent_id
        && grant.rule == facts.grounds.rule
        && same(grant.scope, facts).is_ok_and(|same| same == grant.same)
}

/// What the configuration allows.
#[derive(Debug, Clone)]
pub struct Policy {
    pub scopes: BTreeSet<Scope>,
    pub longest: Duration,
    /// The most uses that one grant may have.
    pub uses: u32,
    /// Rules, `pack/rule` by pattern, that are never granted.
    pub never: Option<Names>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { scopes: Scope::ALL.into(), longest: Life::Day.duration(), uses: USES_MAX, never: None }
    }
}

impl Policy {
    /// Why there is no such grant at all, whoever asks.
    ///
    /// # Errors
    /// See [`NoGrant`].
    pub fn allows(&self, scope: Scope, hold: &Hold, law: &Law<'_>) -> Result<(), NoGrant> {
        let review = &hold.grounds.review;
        if !self.scopes.contains(&scope) {
            return Err(NoGrant::Scope(scope));
        }
        if self.never.as_ref().is_some_and(|never| never.has(&hold.grounds.rule)) {
            return Err(NoGrant::Never);
        }
        if review.assurance == Assurance::High {
            return Err(NoGrant::HighAssurance);
        }
        if review.approvals > 1 || !review.each.is_empty() {
            return Err(NoGrant::Quorum);
        }
        if hold.owners.is_empty() && law.owners_now.is_empty() {
            return Err(NoGrant::UnknownOwner);
        }
        Ok(())
    }
}

/// Why a grant is not made, or not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoGrant {
    #[error("the configuration allows no grants of the scope `{}`", .0.as_str())]
    Scope(Scope),
    #[error("the configuration allows no grants for this rule")]
    Never,
    #[error("the configuration allows no grant that lasts so long")]
    TooLong,
    #[error("a grant has at least 1 and at most {0} uses")]
    Uses(u32),
    #[error("this rule asks for a fresh, strong login for each request")]
    HighAssurance,
    #[error("this rule asks for more than one person for each request")]
    Quorum,
    #[error("nobody is known to own this agent, so that each request needs two people")]
    UnknownOwner,
    #[error("a click in chat is not enough for a grant; make it in the inbox")]
    Chat,
    #[error("a grant comes with an approval")]
    NotAnApproval,
    #[error("others must approve as well: there is nothing to grant yet")]
    NotDecisive,
    #[error("who did not approve the request grants nothing from it")]
    NotTheirs,
    #[error("the request is {}, not approved", .0.as_str())]
    NotApproved(HoldState),
    #[error("the request was approved too long ago")]
    TooLate,
    #[error(transparent)]
    Unlike(#[from] Unlike),
    #[error(transparent)]
    Judged(#[from] Refusal),
}

/// Whether `maker` may let this request pass by a grant at `now`: the policy of now, and the judgement that a vote
/// of theirs on this very request would meet now, with their groups and its owners of now. Solo mode counts for
/// nothing here.
///
/// # Errors
/// Why not.
pub fn stands(
    policy: &Policy,
    scope: Scope,
    hold: &Hold,
    law: &Law<'_>,
    maker: &Reviewer,
    now: Timestamp,
) -> Result<(), NoGrant> {
    policy.allows(scope, hold, law)?;
    // As though it had just been parked, and nobody had voted yet.
    let ends = now.checked_add(jiff::SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
    let afresh = Hold { state: HoldState::Pending, votes: Vec::new(), expires_at: ends, ..hold.clone() };
    let vote = Vote { digest: hold.digest, choice: Choice::Approve, reason: None, channel: Channel::Web };
    match judge(&afresh, &Law { solo: false, ..*law }, maker, &vote, now)? {
        Tally::Approved => Ok(()),
        Tally::Open { .. } | Tally::Denied => Err(NoGrant::Quorum),
    }
}

/// What a grant made now by `maker` from this hold would cover.
///
/// # Errors
/// Why there can be none.
pub fn make(
    policy: &Policy,
    wanted: Wanted,
    hold: &Hold,
    law: &Law<'_>,
    maker: &Reviewer,
    now: Timestamp,
) -> Result<Same, NoGrant> {
    if maker.login.by == LoginBy::Chat || maker.login.account.is_some() {
        return Err(NoGrant::Chat);
    }
    if wanted.life.duration() > policy.longest {
        return Err(NoGrant::TooLong);
    }
    if wanted.uses == 0 || wanted.uses > policy.uses {
        return Err(NoGrant::Uses(policy.uses));
    }
    stands(policy, wanted.scope, hold, law, maker, now)?;
    Ok(same(wanted.scope, &Facts::of(hold))?)
}

/// What would pass, in plain words, from the request that was reviewed.
pub fn in_words(scope: Scope, hold: &Hold) -> String {
    let shown = |text: &str| visible(text).into_owned();
    let request = &hold.request;
    let (agent, rule) = (shown(&hold.agent), shown(&hold.grounds.rule));
    let target = format!("{} {}", shown(&request.method), shown(&crate::redact::url(&request.url)));
    match scope {
        Scope::Request => format!(
            "{target} by {agent}, exactly as it is here: the same header fields, body and credentials (digest {})",
            hold.digest.short()
        ),
        Scope::Resource => {
            let matched = same::body_fields(&hold.grounds);
            let pinned: Vec<String> =
                matched.map(|m| format!("{} = {}", shown(&m.field), shown(&m.value))).collect();
            let pinned = if pinned.is_empty() {
                "the body may differ".to_owned()
            } else {
                format!("with the same {}; the rest of the body may differ", pinned.join(" and "))
            };
            format!(
                "{target} by {agent}, while only {rule} holds it: the same address and query, header fields and \
                 credentials; {pinned}"
            )
        }
        Scope::Rule => format!(
            "any request by {agent} to {} with the same credentials, in the session that it calls “{}”, while only \
             {rule} holds it: path, query and body may differ",
            shown(same::origin(&request.url)),
            shown(hold.words.session.as_deref().unwrap_or_default()),
        ),
    }
}

/// The most uses that the configuration may allow, and the default.
pub const USES_MAX: u32 = 50;
