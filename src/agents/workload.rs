//! Workload identity: agents that show a token of their platform instead of one of ours. Kubernetes service
//! accounts, GitHub Actions jobs and SPIFFE workloads have such tokens: signed, short-lived, made for one audience.

use super::{Agents, Known};
use crate::jwt::{Algorithm, Expect, JwtError, KeySet, KeySource, Verified};
use crate::outbound::Outbound;
use crate::person::Person;
use crate::store::{Enrolling, Enrolment, StoreError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use globset::GlobMatcher;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// An issuer of workload tokens, and which agents they are.
#[derive(Debug, Clone)]
pub struct Workload {
    /// `iss`, to the letter. Without `|`.
    pub issuer: String,
    /// One of them must stand in `aud`.
    pub audiences: Vec<String>,
    pub keys: KeySource,
    pub algorithms: Vec<Algorithm>,
    pub initiator: Option<Initiator>,
    /// The first that fits counts.
    pub agents: Vec<Mapping>,
}

/// Which claim says on whose behalf the workload runs.
#[derive(Debug, Clone)]
pub struct Initiator {
    /// `actor_id`, or a JSON pointer.
    pub claim: String,
    /// Who that is at the identity provider. Empty: the value is kept as `issuer|value`; else a value that is not
    /// among them is refused.
    pub people: BTreeMap<String, Person>,
}

/// Tokens that fit are this agent.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub agent: String,
    /// Of `sub`, whole.
    pub subject: GlobMatcher,
    /// Of other claims, whole: by name, or by JSON pointer. All must fit.
    pub claims: BTreeMap<String, GlobMatcher>,
    pub owners: Vec<Person>,
    pub labels: BTreeMap<String, String>,
}

/// A workload with the keys of its issuer.
#[derive(Debug)]
pub(super) struct Trusted {
    workload: Workload,
    keys: KeySet,
}

/// Why a token is nobody's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    #[error("it is no token of an issuer under `workloads:`")]
    Issuer,
    #[error(transparent)]
    Token(#[from] JwtError),
    #[error("no agent under `workloads:` is for this subject and these claims")]
    NoAgent,
    #[error(
        "the token does not say on whose behalf it acts, or names somebody who is not under `initiators:`"
    )]
    Initiator,
    #[error("the agent `{0}` was revoked, or its name belongs to another")]
    Taken(String),
    #[error("the agent could not be looked up")]
    Store(#[from] StoreError),
}

impl WorkloadError {
    /// Whether nothing is known of the token because something does not answer.
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Token(error) => error.is_outage(),
            Self::Store(_) => true,
            _ => false,
        }
    }
}

impl Agents {
    /// The agents, with those of these workloads.
    #[must_use]
    pub fn with_workloads(mut self, workloads: Vec<Workload>, outbound: &Outbound) -> Self {
        let trusted = |workload: Workload| {
            let keys = KeySet::new(outbound, workload.keys.clone());
            Trusted { workload, keys }
        };
        self.workloads = workloads.into_iter().map(trusted).collect();
        self
    }

    /// Checks a token of a workload, once for a connection; enrols its agent at the first use. `name`, where the
    /// credentials have one, must be that of the agent.
    ///
    /// # Errors
    /// See [`WorkloadError`]. Nothing is known of who sent it.
    pub async fn admit(&self, name: Option<&str>, token: &str) -> Result<Known, WorkloadError> {
        if self.workloads.is_empty() {
            return Err(WorkloadError::Issuer);
        }
        let issuer = issuer(token).ok_or(WorkloadError::Issuer)?;
        let mut refused = WorkloadError::Issuer;
        for trusted in self.workloads.iter().filter(|trusted| trusted.workload.issuer == issuer) {
            refused = match trusted.verify(name, token).await {
                Ok((mapping, verified)) => return self.known(&trusted.workload, mapping, &verified).await,
                Err(error) => error,
            };
        }
        Err(refused)
    }

    async fn known(
        &self,
        workload: &Workload,
        mapping: &Mapping,
        verified: &Verified,
    ) -> Result<Known, WorkloadError> {
        let initiator = match &workload.initiator {
            Some(initiator) => Some(initiator.person(workload, verified).ok_or(WorkloadError::Initiator)?),
            None => None,
        };
        let ends = verified.time("exp").ok_or(JwtError::Claim("exp"))?;
        let left = Duration::try_from(ends.duration_since(jiff::Timestamp::now())).unwrap_or_default();
        // Looked up again, so that a slow enrolment does not lengthen the life.
        let until = Instant::now() + left.min(LIFE_MAX) + LEEWAY;
        let mut known = self.agent_of(workload, mapping).await?;
        (known.initiator, known.until) = (initiator, Some(until));
        Ok(known)
    }

    /// The agent of a mapping as the configuration wants it, enrolled if need be.
    async fn agent_of(&self, workload: &Workload, mapping: &Mapping) -> Result<Known, WorkloadError> {
        let Mapping { agent: name, owners, labels, .. } = mapping;
        let whose = format!("{}|{name}", workload.issuer);
        if let Some(known) = self.of_workload(name, &whose)? {
            if known.agent.owners == *owners && known.agent.labels == *labels {
                return Ok(known);
            }
            self.store.change_agent(&whose, owners, labels).await?;
        } else {
            let how = Enrolment::Workload(whose.clone());
            let (owners, labels) = (owners.clone(), labels.clone());
            match self.store.enrol(Enrolling { name: name.clone(), owners, labels, how }).await {
                // By another connection meanwhile, or it is another's: the snapshot tells.
                Ok(()) | Err(StoreError::NameTaken(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.reload().await?;
        self.of_workload(name, &whose)?.ok_or_else(|| WorkloadError::Taken(name.clone()))
    }

    /// `None`: there is no such agent that may send.
    fn of_workload(&self, name: &str, whose: &str) -> Result<Option<Known>, WorkloadError> {
        match self.snapshot.load().by_name.get(name) {
            Some(entry) if entry.workload.as_deref() == Some(whose) => Ok(Some(entry.known.clone())),
            Some(_) => Err(WorkloadError::Taken(name.to_owned())),
            None => Ok(None),
        }
    }
}

impl Trusted {
    async fn verify(&self, name: Option<&str>, token: &str) -> Result<(&Mapping, Verified), WorkloadError> {
        let Workload { issuer, audiences, algorithms, agents, .. } = &self.workload;
        let expect = Expect {
            issuers: vec![issuer.clone()],
            audiences: audiences.clone(),
            algorithms: algorithms.clone(),
            leeway: LEEWAY,
            // RFC 7519 §5.1 and, for JWT-SVIDs, RFC 7515 §4.1.9.
            typ: vec!["JWT".to_owned(), "JOSE".to_owned()],
        };
        let verified = self.keys.verify(token, &expect).await?;
        let fits = |mapping: &&Mapping| {
            name.is_none_or(|name| name == mapping.agent) && mapping.fits(&verified.claims)
        };
        let mapping = agents.iter().find(fits).ok_or(WorkloadError::NoAgent)?;
        Ok((mapping, verified))
    }
}

impl Mapping {
    fn fits(&self, claims: &Value) -> bool {
        let has =
            |name: &str, glob: &GlobMatcher| text(claims, name).is_some_and(|value| glob.is_match(value));
        has("sub", &self.subject) && self.claims.iter().all(|(name, glob)| has(name, glob))
    }
}

impl Initiator {
    fn person(&self, workload: &Workload, verified: &Verified) -> Option<Person> {
        let value = text(&verified.claims, &self.claim)?;
        if self.people.is_empty() {
            return format!("{}|{value}", workload.issuer).parse().ok();
        }
        self.people.get(&value).cloned()
    }
}

/// A claim that is one value, as text; by name, or by JSON pointer where the name begins with a slash.
fn text(claims: &Value, name: &str) -> Option<String> {
    let value = if name.starts_with('/') { claims.pointer(name) } else { claims.get(name) };
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Who the token says that it is from. It chooses which keys are tried, and is not believed before they fit.
fn issuer(token: &str) -> Option<String> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut parts = token.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    Some(claims.get("iss")?.as_str()?.to_owned())
}

/// How far the clocks may differ. Tokens of workloads are short-lived.
const LEEWAY: Duration = Duration::from_secs(10);
/// A connection never outlives this, whatever its token says: timers have an end.
const LIFE_MAX: Duration = Duration::from_hours(24);
const TOKEN_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn mapping(subject: &str, claims: &[(&str, &str)]) -> Mapping {
        let glob = |text: &str| globset::Glob::new(text).unwrap().compile_matcher();
        Mapping {
            agent: "ci".to_owned(),
            subject: glob(subject),
            claims: claims.iter().map(|(name, value)| ((*name).to_owned(), glob(value))).collect(),
            owners: Vec::new(),
            labels: BTreeMap::new(),
        }
    }

    #[test]
    fn a_mapping_takes_all_of_its_claims() {
        let claims = json!({
            "sub": "repo:acme/site:environment:production", "ref": "refs/heads/main", "run_attempt": 2,
            "kubernetes.io": { "namespace": "agents" }, "groups": ["ref"],
        });
        for (subject, more, fits) in [
            ("repo:acme/site:*", vec![], true),
            ("repo:acme/site:environment:production", vec![("ref", "refs/heads/main")], true),
            ("repo:acme/*", vec![("ref", "refs/heads/*"), ("run_attempt", "2")], true),
            ("*", vec![("/kubernetes.io/namespace", "agents")], true),
            ("repo:acme/site", vec![], false),
            ("acme/site:*", vec![], false),
            ("repo:acme/site:*", vec![("ref", "refs/tags/*")], false),
            ("repo:acme/site:*", vec![("environment", "*")], false),
            ("*", vec![("groups", "*")], false),
            ("*", vec![("/kubernetes.io", "*")], false),
        ] {
            assert_eq!(mapping(subject, &more).fits(&claims), fits, "{subject} {more:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_has_an_issuer_or_none(text in "\\PC*") {
            let _ = issuer(&text);
        }

        #[test]
        fn the_issuer_is_read(iss in "\\PC{0,40}", head in "[a-zA-Z0-9_-]{0,20}", signature in "[a-zA-Z0-9_-]{0,20}") {
            let claims = URL_SAFE_NO_PAD.encode(json!({ "iss": iss }).to_string());
            prop_assert_eq!(issuer(&format!("{head}.{claims}.{signature}")), Some(iss));
            prop_assert_eq!(issuer(&format!("{head}.{claims}")), None);
        }
    }
}
