//! The reviewers' face on a real port, over a real store in a folder of its own.

use holdpoint::agents::Agents;
use holdpoint::approval::Charter;
use holdpoint::authority::{Authority, Host, Scheme};
use holdpoint::desk::{self, Desk, Parked, Parking, Waiter};
use holdpoint::digest::{request_digest, sha256_hex};
use holdpoint::hold::{AgentWords, HoldId, ParkedRequest, ShownField};
use holdpoint::ledger::Ledger;
use holdpoint::metrics::Metrics;
use holdpoint::outbox::Outbox;
use holdpoint::person::Person;
use holdpoint::request::Head;
use holdpoint::review::{self, Context};
use holdpoint::reviewers::Reviewers;
use holdpoint::rules::{self, RuleSet, Source};
use holdpoint::ruling::{Grounds, MatchedField, ReviewPolicy, Risk};
use holdpoint::store::{self, Store};
use http_body_util::{BodyExt as _, Full};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The longest that a test waits for one event.
pub const EVENT_WAIT_MAX: Duration = Duration::from_secs(60);

pub struct Server {
    pub address: SocketAddr,
    pub desk: Arc<Desk>,
    pub reviewers: Reviewers,
    pub agents: Agents,
    pub shutdown: CancellationToken,
    pub ready: tokio::sync::watch::Sender<bool>,
    pub tasks: JoinSet<()>,
    _store: Store,
    _data: tempfile::TempDir,
}

/// How the face is set up.
#[derive(Clone)]
pub struct Setup {
    pub solo: bool,
    pub public_url: String,
    pub expires: Duration,
    pub charter: Charter,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            solo: false,
            public_url: "http://127.0.0.1".to_owned(),
            expires: Duration::from_secs(4 * 3600),
            charter: Charter::default(),
        }
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let data = tempfile::tempdir().unwrap();
        let store = Store::open(&store::Settings { data: data.path().to_owned() }).await.unwrap();
        let (metrics, registry) = Metrics::registered();
        let settings = desk::Settings {
            solo: setup.solo,
            expires: setup.expires,
            charter: Arc::new(setup.charter),
            ..desk::Settings::default()
        };
        let desk = Desk::start(&store, settings, metrics).await.unwrap();
        let reviewers = Reviewers::new(&store);
        let agents = Agents::open(&store).await.unwrap();
        let source = Source { name: "test.yaml".to_owned(), text: RULES.to_owned() };
        let rules = RuleSet::compile(&[source], &rules::Settings::default()).unwrap();
        let (ready, ready_seen) = tokio::sync::watch::channel(false);
        let shutdown = CancellationToken::new();
        let app = review::app(Context {
            desk: Arc::clone(&desk),
            reviewers: reviewers.clone(),
            identity: None,
            agents: Arc::new(agents.clone()),
            ledger: Ledger::new(&store),
            rules: Arc::new(arc_swap::ArcSwap::from_pointee(rules)),
            solo: setup.solo,
            public_url: setup.public_url,
            registry,
            ready: ready_seen,
            shutdown: shutdown.clone(),
            outbox: Outbox::new(&store),
            callbacks: axum::Router::new(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(review::serve(listener, app, shutdown.clone()));
        Self { address, desk, reviewers, agents, shutdown, ready, tasks, _store: store, _data: data }
    }

    /// Chat, whose links lead to this server.
    pub fn chat(&self) -> holdpoint::chat::Chat {
        holdpoint::chat::Chat::new(&self._store, &self.desk, "http://127.0.0.1", false)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A reviewer's API token.
    pub async fn reviewer(&self, name: &str, groups: &[&str]) -> String {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        self.reviewers.add(name, &groups).await.unwrap()
    }

    /// The cookie of a reviewer who is logged in, and the CSRF token that goes with it.
    pub async fn login(&self, name: &str) -> (String, String) {
        let link = self.reviewers.login_link(name).await.unwrap();
        let cookie = self.reviewers.spend_link(&link).await.unwrap().unwrap();
        let csrf = self.reviewers.session(&cookie).await.unwrap().unwrap().csrf;
        (format!("holdpoint_session={cookie}"), csrf)
    }

    /// Enrols an agent, unless it is there, and parks a request of it.
    pub async fn park(&self, ask: Ask) -> Waiter {
        let listed = |agents: Vec<holdpoint::agents::Enrolled>| {
            agents.into_iter().find(|enrolled| enrolled.agent.name == ask.agent)
        };
        if listed(self.agents.list().await.unwrap()).is_none() {
            let owners: Vec<Person> = ask.owners.iter().map(|owner| Person::local(owner)).collect();
            let labels = BTreeMap::from([("team".to_owned(), "platform".to_owned())]);
            self.agents.add(&ask.agent, &owners, &labels).await.unwrap();
        }
        let agent = listed(self.agents.list().await.unwrap()).unwrap().agent;
        match self.desk.park(ask.parking(agent)).await.unwrap() {
            Parked::Waiting(waiter) => waiter,
            other => panic!("not parked but {other:?}"),
        }
    }

    /// Sends one request and reads the whole answer.
    pub async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let mut request = http::Request::builder().method(method).uri(path);
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(bytes::Bytes::from(body.to_owned()))).unwrap();
        let exchange = async move {
            let response = sender.send_request(request).await.unwrap();
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Reply {
                status: head.status.as_u16(),
                headers: head.headers,
                text: String::from_utf8(body.to_vec()).unwrap(),
            }
        };
        let both = async { tokio::join!(exchange, connection).0 };
        tokio::time::timeout(EVENT_WAIT_MAX, both).await.expect("an answer")
    }

    pub async fn get(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.send("GET", path, fields, "").await
    }

    /// Posts a form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)], form: &[(&str, &str)]) -> Reply {
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut fields = fields.to_vec();
        fields.push(("content-type", "application/x-www-form-urlencoded"));
        self.send("POST", path, &fields, &body).await
    }

    /// Votes by the API.
    pub async fn vote(&self, token: &str, id: &HoldId, vote: serde_json::Value) -> Reply {
        let bearer = format!("Bearer {token}");
        let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send("POST", &format!("/v1/holds/{id}/votes"), &fields, &vote.to_string()).await
    }

    pub async fn digest(&self, id: &HoldId) -> String {
        self.desk.hold(id).await.unwrap().unwrap().digest.to_string()
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// A request to park.
#[derive(Debug, Clone)]
pub struct Ask {
    pub agent: String,
    pub owners: Vec<&'static str>,
    pub method: &'static str,
    pub host: &'static str,
    pub path: String,
    pub query: Option<String>,
    pub headers: Vec<(&'static str, String, bool)>,
    pub body: Vec<u8>,
    pub risk: Risk,
    pub rule: String,
    pub why: String,
    pub summary: String,
    pub matched: Vec<(&'static str, String)>,
    pub review: ReviewPolicy,
    pub words: AgentWords,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            agent: "refunds-bot".to_owned(),
            owners: vec!["alice"],
            method: "POST",
            host: "api.stripe.com",
            path: "/v1/refunds".to_owned(),
            query: None,
            headers: vec![
                ("content-type", "application/json".to_owned(), false),
                ("authorization", "Bearer ····4f2a 91c07d".to_owned(), true),
                ("idempotency-key", "refund-4411".to_owned(), false),
            ],
            body: br#"{"charge":"ch_3PqL","amount":120000,"reason":"requested_by_customer"}"#.to_vec(),
            risk: Risk::Medium,
            rule: "stripe/large-refund".to_owned(),
            why: "Refunds over 100.00 leave the company's account at once.".to_owned(),
            summary: "Refund 1,200.00 of charge ch_3PqL in Stripe".to_owned(),
            matched: vec![("body./amount", "120000".to_owned())],
            review: ReviewPolicy { approvals: 1, ..ReviewPolicy::default() },
            words: AgentWords::default(),
        }
    }
}

impl Ask {
    fn parking(self, agent: holdpoint::agent::Agent) -> Parking {
        let method: http::Method = self.method.parse().unwrap();
        let authority = Authority { host: Host::parse(self.host).unwrap(), port: 443 };
        let headers = http::HeaderMap::new();
        let head = Head {
            method: &method,
            scheme: Scheme::Https,
            authority: &authority,
            path: &self.path,
            readings: &[],
            query: self.query.as_deref(),
            headers: &headers,
        };
        let shown = |(name, value, redacted): (&str, String, bool)| ShownField {
            name: name.to_owned(),
            value,
            redacted,
        };
        let matched = |(field, value): (&str, String)| MatchedField { field: field.to_owned(), value };
        Parking {
            digest: request_digest(agent.id, &head, "", &self.body),
            agent: Arc::new(agent),
            initiator: None,
            source: IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)),
            request: ParkedRequest {
                method: self.method.to_owned(),
                url: head.url(),
                host: self.host.to_owned(),
                http_version: "HTTP/1.1".to_owned(),
                headers: self.headers.into_iter().map(shown).collect(),
                body_bytes: self.body.len() as u64,
                body_sha256: sha256_hex(&self.body),
                body: Some(self.body.into()),
            },
            grounds: Grounds {
                rule: self.rule,
                why: self.why,
                risk: self.risk,
                tags: Vec::new(),
                matched: self.matched.into_iter().map(matched).collect(),
                review: self.review,
                summary: self.summary,
                ruleset: "0".repeat(64),
                held_by: vec!["0".repeat(64)],
                parts: Vec::new(),
            },
            words: self.words,
        }
    }
}

const RULES: &str = r#"
pack: stripe
rules:
  - id: large-refund
    when: { host: api.stripe.com, method: POST, path: /v1/refunds }
    verdict: hold
    risk: medium
    why: Refunds over 100.00 leave the company's account at once.
    examples:
      hold: [ "POST https://api.stripe.com/v1/refunds" ]
      pass: [ "GET https://api.stripe.com/v1/refunds" ]
"#;
