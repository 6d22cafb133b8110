//! A data folder with a desk, and words for the requests and people of these tests.

use holdpoint::agents::{Agents, Known};
use holdpoint::approval::{Channel, Choice, Reviewer, Vote};
use holdpoint::audit::{EventKind, Row};
use holdpoint::desk::{Desk, Outcome, ParkError, Parked, Parking, Settings, VoteError, Waiter};
use holdpoint::digest::{RequestDigest, sha256_hex};
use holdpoint::hold::{AgentWords, Hold, HoldId, ParkedRequest};
use holdpoint::ledger::{Filter, Ledger, Verified};
use holdpoint::metrics::Metrics;
use holdpoint::person::Person;
use holdpoint::reviewers::Reviewers;
use holdpoint::ruling::{Grounds, ReviewPolicy, Risk};
use holdpoint::store::{self, Store};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Office {
    pub(crate) store: Store,
    pub(crate) desk: Arc<Desk>,
    pub(crate) agents: Agents,
    pub(crate) reviewers: Reviewers,
    pub(crate) ledger: Ledger,
}

impl Office {
    pub(crate) async fn open(data: &Path, settings: Settings) -> Self {
        let store = Store::open(&store::Settings { data: data.to_owned() }).await.unwrap();
        let desk = Desk::start(&store, settings, Arc::new(Metrics::default())).await.unwrap();
        let agents = Agents::open(&store).await.unwrap();
        let reviewers = Reviewers::new(&store);
        let ledger = Ledger::new(&store);
        Self { store, desk, agents, reviewers, ledger }
    }

    pub(crate) async fn close(self) {
        self.desk.close(LONG).await;
        self.store.close().await;
    }

    /// An agent of this owner, known to the proxy.
    pub(crate) async fn agent(&self, name: &str, owner: Option<&str>) -> Known {
        let owners: Vec<Person> = owner.map(Person::local).into_iter().collect();
        let token = self.agents.add(name, &owners, &BTreeMap::new()).await.unwrap();
        self.agents.authenticate(name, &token).unwrap()
    }

    pub(crate) async fn reviewer(&self, name: &str, groups: &[&str]) -> Reviewer {
        let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        let token = self.reviewers.add(name, &groups).await.unwrap();
        self.reviewers.by_token(&token).await.unwrap().unwrap()
    }

    pub(crate) async fn park(&self, agent: &Known, body: &str) -> Result<Parked, ParkError> {
        self.desk.park(parking(agent, body, ReviewPolicy::default())).await
    }

    /// Parks, and expects to wait.
    pub(crate) async fn wait(&self, agent: &Known, body: &str) -> Waiter {
        match self.park(agent, body).await.unwrap() {
            Parked::Waiting(waiter) => waiter,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn hold(&self, id: &HoldId) -> Hold {
        self.desk.hold(id).await.unwrap().unwrap()
    }

    pub(crate) async fn vote(
        &self,
        id: &HoldId,
        reviewer: &Reviewer,
        choice: Choice,
    ) -> Result<Hold, VoteError> {
        let digest = self.hold(id).await.digest;
        self.desk.vote(id, reviewer, ballot(digest, choice)).await
    }

    pub(crate) async fn events(&self, id: &HoldId) -> Vec<EventKind> {
        self.rows(id).await.into_iter().map(|row| row.event.event).collect()
    }

    pub(crate) async fn rows(&self, id: &HoldId) -> Vec<Row> {
        self.about(id.as_str()).await
    }

    /// Rows with this subject.
    pub(crate) async fn about(&self, subject: &str) -> Vec<Row> {
        let filter = Filter { subject: Some(subject.to_owned()), ..Filter::default() };
        self.ledger.rows(&filter).await.unwrap()
    }

    /// Returns once the ledger has this event about the hold.
    pub(crate) async fn until(&self, id: &HoldId, event: EventKind) {
        let mut rows = self.desk.subscribe();
        while !self.events(id).await.contains(&event) {
            tokio::time::timeout(LONG, rows.recv()).await.unwrap().unwrap();
        }
    }

    pub(crate) async fn assert_sound(&self) {
        match self.ledger.verify().await.unwrap() {
            Verified::Sound { .. } => {}
            Verified::Broken { at, why } => panic!("{at}: {why}"),
        }
    }
}

pub(crate) fn ballot(digest: RequestDigest, choice: Choice) -> Vote {
    Vote { digest, choice, reason: Some(format!("because {}", choice.as_str())), channel: Channel::Api }
}

/// The same agent and body make the same request.
pub(crate) fn parking(agent: &Known, body: &str, review: ReviewPolicy) -> Parking {
    let url = "https://api.example/v1/things/42?access_token=canary-in-query-9f8e7d6c5b4a".to_owned();
    let mut digest = [0; 32];
    let text = format!("{} {url} {body}", agent.agent.id);
    digest.copy_from_slice(&sha256_hex(text.as_bytes()).as_bytes()[..32]);
    Parking {
        agent: Arc::clone(&agent.agent),
        initiator: None,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        digest: RequestDigest(digest),
        request: ParkedRequest {
            method: "POST".to_owned(),
            url,
            host: "api.example".to_owned(),
            http_version: "HTTP/1.1".to_owned(),
            headers: Vec::new(),
            body_bytes: body.len() as u64,
            body_sha256: sha256_hex(body.as_bytes()),
            body: Some(body.to_owned().into()),
        },
        grounds: Grounds {
            rule: "test/post".to_owned(),
            why: "It writes.".to_owned(),
            risk: Risk::Medium,
            tags: Vec::new(),
            matched: Vec::new(),
            review,
            summary: "Post a thing".to_owned(),
            ruleset: sha256_hex(b"rules"),
            parts: Vec::new(),
            held_by: vec![sha256_hex(b"test/post")],
        },
        words: AgentWords { reason: Some("canary-in-words".to_owned()), ..AgentWords::default() },
    }
}

pub(crate) fn is_released(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Released(_))
}
