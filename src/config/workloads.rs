//! `workloads:`: whose tokens agents may show instead of one of ours.

use super::read::Field;
use super::tree::{Node, Value};
use crate::agent::LOCAL_AGENT;
use crate::agents::{Initiator, Mapping, Workload};
use crate::jwt::{Algorithm, Jwk, KeySource};
use crate::person::Person;
use crate::store::check_name;
use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A list of issuers. An agent belongs to one of them.
pub(super) fn workloads(field: &mut Field, node: &Node, base: &Path) -> Option<Vec<Workload>> {
    let all = field.list(node, |field, node| workload(field, node, base))?;
    let mut owners = BTreeMap::new();
    for workload in &all {
        for mapping in &workload.agents {
            let other = owners.insert(&mapping.agent, &workload.issuer).filter(|i| *i != &workload.issuer);
            if let Some(other) = other {
                let expected =
                    format!("every agent under one issuer; `{}` is under `{other}`, too", mapping.agent);
                return field.wrong(node, &expected);
            }
        }
    }
    Some(all)
}

const KEYS: &[&str] =
    &["issuer", "audience", "jwks", "algorithms", "initiator-claim", "initiators", "agents"];

fn workload(field: &mut Field, node: &Node, base: &Path) -> Option<Workload> {
    let mut entries = field.object(node, KEYS)?;
    let issuer = entries.take("issuer").map(|node| field.parsed(node, ISSUER, issuer));
    let audiences = entries.take("audience").map(|node| field.list(node, Field::text));
    let keys = entries.take("jwks").map(|node| keys(field, node, base));
    let algorithms = entries.take("algorithms").map(|node| field.list(node, algorithm));
    let claim = entries.take("initiator-claim").map(|node| field.text(node));
    let people = entries.take("initiators").map(|node| initiators(field, node));
    let agents = entries.take("agents").map(|node| field.list(node, mapping));

    let (Some(issuer), Some(audiences), Some(agents)) = (issuer, audiences, agents) else {
        return field.wrong(node, "`issuer`, `audience` and `agents`, all three");
    };
    let (issuer, audiences, agents) = (issuer?, audiences?, agents?);
    if audiences.is_empty() || agents.is_empty() {
        return field.wrong(node, "an audience and an agent at least");
    }
    let initiator = match (claim, people) {
        (Some(claim), people) => {
            Some(Initiator { claim: claim?, people: people.unwrap_or_else(|| Some(BTreeMap::new()))? })
        }
        (None, Some(_)) => return field.wrong(node, "`initiator-claim` beside `initiators`"),
        (None, None) => None,
    };
    let keys = match keys {
        Some(keys) => keys?,
        None if is_remote(&issuer) => KeySource::Issuer(issuer.clone()),
        None => return field.wrong(node, "`jwks`, since the issuer is no https address to discover keys at"),
    };
    let algorithms = match algorithms {
        Some(algorithms) => algorithms?,
        None => DEFAULT_ALGORITHMS.to_vec(),
    };
    Some(Workload { issuer, audiences, keys, algorithms, initiator, agents })
}

fn mapping(field: &mut Field, node: &Node) -> Option<Mapping> {
    let mut entries = field.object(node, &["agent", "subject", "claims", "owners", "labels"])?;
    let agent = entries.take("agent").map(|node| field.parsed(node, AGENT, agent));
    let subject = entries.take("subject").map(|node| field.parsed(node, GLOB, glob));
    let claims = entries.take("claims").map(|node| {
        field.map(node, "a map from claims to globs", |field, name, _, value| {
            Some((name.to_owned(), field.parsed(value, GLOB, glob)?))
        })
    });
    let owners = entries.take("owners").map(|node| field.list(node, person));
    let labels = entries.take("labels").map(|node| {
        field.map(node, "a map from names to texts", |field, name, _, value| {
            Some((name.to_owned(), field.text(value)?))
        })
    });
    let (Some(agent), Some(subject)) = (agent, subject) else {
        return field.wrong(node, "`agent` and `subject`, both");
    };
    Some(Mapping {
        agent: agent?,
        subject: subject?,
        claims: claims.unwrap_or_else(|| Some(Vec::new()))?.into_iter().collect(),
        owners: owners.unwrap_or_else(|| Some(Vec::new()))?,
        labels: labels.unwrap_or_else(|| Some(Vec::new()))?.into_iter().collect(),
    })
}

fn issuer(text: &str) -> Option<String> {
    let sound = !text.is_empty() && !text.contains(|c: char| c == '|' || c.is_whitespace() || c.is_control());
    sound.then(|| text.to_owned())
}

fn agent(text: &str) -> Option<String> {
    (check_name(text, "").is_ok() && text != LOCAL_AGENT).then(|| text.to_owned())
}

/// `*` stands for anything, slashes and colons among it.
fn glob(text: &str) -> Option<GlobMatcher> {
    let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build();
    glob.ok().filter(|_| !text.is_empty()).map(|glob| glob.compile_matcher())
}

fn person(field: &mut Field, node: &Node) -> Option<Person> {
    field.parsed(node, PERSON, |text| {
        (text.contains('|') || !text.contains('@')).then(|| text.parse().ok())?
    })
}

fn initiators(field: &mut Field, node: &Node) -> Option<BTreeMap<String, Person>> {
    let pairs = field.map(node, "a map from values of the claim to people", |field, value, _, who| {
        Some((value.to_owned(), person(field, who)?))
    });
    Some(pairs?.into_iter().collect())
}

fn algorithm(field: &mut Field, node: &Node) -> Option<Algorithm> {
    field.parsed(node, "an algorithm of public keys, such as `RS256` or `ES256`", |text| {
        text.parse().ok().filter(|algorithm| KNOWN_ALGORITHMS.contains(algorithm))
    })
}

/// The address of a key set, or a file with one.
fn keys(field: &mut Field, node: &Node, base: &Path) -> Option<KeySource> {
    if let Value::Text(text) = &node.value
        && text.contains("://")
    {
        return field.remote(node).map(|url| KeySource::Jwks(url.into()));
    }
    let path = field.path(node, base)?;
    let wrong = |field: &mut Field, why: &dyn std::fmt::Display| {
        field.wrong(node, &format!("a URL, or a file with a JWK set that can be read ({why})"))
    };
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) => return wrong(field, &error),
    };
    match serde_json::from_slice::<JwkSet>(&text) {
        Ok(set) if !set.keys.is_empty() => Some(KeySource::Fixed(set.keys)),
        Ok(_) => wrong(field, &"it has no keys"),
        Err(error) => wrong(field, &error),
    }
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

fn is_remote(issuer: &str) -> bool {
    url::Url::parse(issuer).is_ok_and(|url| crate::outbound::is_safe(&url))
}

const DEFAULT_ALGORITHMS: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::PS256];
const KNOWN_ALGORITHMS: &[Algorithm] = &[
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
const ISSUER: &str =
    "the `iss` of the tokens, to the letter, such as `https://token.actions.githubusercontent.com`";
const AGENT: &str =
    "the name of an agent: a letter or digit and then up to 62 of `a-z 0-9 . _ -`, not `local`";
const GLOB: &str = "a glob over the whole value, such as `repo:acme/site:*`";
const PERSON: &str =
    "`issuer|subject`, as `holdpoint reviewers list` shows it, or the name of a local account";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Workload>, String> {
        let parsed = super::super::parse(None, text.to_owned(), &[]);
        parsed.map(|config| config.workloads).map_err(|error| error.to_string())
    }

    #[test]
    fn workloads_are_read() {
        let all = read(
            r#"
workloads:
  - issuer: https://token.actions.githubusercontent.com
    audience: holdpoint
    initiator-claim: actor_id
    initiators: { "583231": "https://acme.okta.com|00u1" }
    agents:
      - agent: ci-site
        subject: "repo:acme/site:*"
        claims: { ref: refs/heads/main, run_attempt: "1" }
        owners: ["https://acme.okta.com|00u2", dora]
        labels: { environment: production }
  - { issuer: cluster, jwks: "https://k8s.example/openid/v1/jwks", audience: [a, b], algorithms: [RS256],
      agents: [{ agent: pod, subject: "system:serviceaccount:agents:*" }] }
"#,
        )
        .unwrap();
        let [github, cluster] = &all[..] else { panic!("two") };
        assert_eq!(github.keys, KeySource::Issuer(github.issuer.clone()));
        let [site] = &github.agents[..] else { panic!("one") };
        assert!(
            site.subject.is_match("repo:acme/site:ref:refs/heads/x")
                && !site.subject.is_match("repo:acme/sites:x")
        );
        assert_eq!(site.owners.last(), Some(&Person::local("dora")));
        assert_eq!(github.initiator.as_ref().map(|initiator| initiator.people.len()), Some(1));
        assert_eq!(cluster.keys, KeySource::Jwks("https://k8s.example/openid/v1/jwks".to_owned()));
        assert_eq!((&cluster.algorithms[..], cluster.audiences.len()), (&[Algorithm::RS256][..], 2));
    }

    #[test]
    fn what_is_no_workload_is_refused() {
        let agents = "agents: [{agent: a, subject: s}]";
        let full = format!("issuer: 'https://i.example', audience: x, {agents}");
        for (text, said) in [
            (format!("audience: x, {agents}"), "all three"),
            (format!("issuer: 'https://i.example', {agents}"), "all three"),
            ("issuer: 'https://i.example', audience: x".to_owned(), "all three"),
            (format!("issuer: cluster, audience: x, {agents}"), "`jwks`"),
            (format!("issuer: 'a|b', audience: x, {agents}"), "to the letter"),
            (format!("{full}, algorithms: [HS256]"), "public keys"),
            (format!("{full}, algorithms: [none]"), "public keys"),
            (format!("{full}, jwks: 'http://keys.example'"), "https"),
            (format!("{full}, jwks: missing.json"), "can be read"),
            (format!("{full}, initiators: {{}}"), "`initiator-claim`"),
            (full.replace("agent: a", "agent: local"), "not `local`"),
            (full.replace("agent: a", "agent: 'A b'"), "not `local`"),
            (full.replace("subject: s", "subject: '['"), "a glob"),
            (full.replace("subject: s", "subject: s, owners: [a@acme.test]"), "`issuer|subject`"),
            (full.replace("subject: s", "subjekt: s"), "did you mean `subject`"),
            (format!("{full}}}, {{{}", full.replace("i.example", "j.example")), "under one issuer"),
        ] {
            let error = read(&format!("workloads: [{{{text}}}]")).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
