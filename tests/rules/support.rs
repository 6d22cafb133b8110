//! One helper that knows the engine's calls.
#![expect(clippy::unwrap_used, reason = "test helpers fail where the test stands")]

use holdpoint::agent::Agent;
use holdpoint::decode::{self, Body, Limits};
use holdpoint::request::Caller;
use holdpoint::rules::sample::{Canonical, Sample};
use holdpoint::rules::{Need, Otherwise, Rates, RuleSet, Settings, Source};
use holdpoint::ruling::{Grounds, Verdict};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A rule set, a sender and a time to ask at.
pub(crate) struct Asking {
    pub(crate) set: RuleSet,
    pub(crate) agent: Agent,
    pub(crate) source: IpAddr,
    pub(crate) now: Timestamp,
    pub(crate) rates: Rates,
}

/// What came out, in words: `hold pack/rule`.
pub(crate) fn asking(rules: &str) -> Asking {
    asking_with(&[rules], &Settings { otherwise: all_pass(), ..Settings::default() })
}

#[track_caller]
pub(crate) fn asking_with(files: &[&str], settings: &Settings) -> Asking {
    let sources: Vec<Source> = files
        .iter()
        .enumerate()
        .map(|(at, text)| Source { name: format!("file{at}.yaml"), text: (*text).into() })
        .collect();
    let set = RuleSet::compile(&sources, settings).unwrap_or_else(|report| panic!("{report}"));
    Asking {
        set,
        agent: Agent { id: 1, name: "builder".into(), owners: Vec::new(), labels: BTreeMap::new() },
        source: "10.1.2.3".parse().unwrap(),
        now: "2026-11-20T12:00:00Z".parse().unwrap(),
        rates: Rates::default(),
    }
}

pub(crate) fn all_pass() -> Otherwise {
    Otherwise { read: Verdict::Pass, write: Verdict::Pass, unknown_host: Verdict::Pass }
}

pub(crate) fn request(line: &str, headers: &[(&str, &str)], body: &str) -> Canonical {
    let mut sample = Sample::from_line(line).unwrap();
    sample.headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    sample.body = body.as_bytes().to_vec();
    sample.canonical().unwrap()
}

impl Asking {
    pub(crate) fn ask(&self, request: &Canonical) -> (Verdict, String) {
        let head = request.head();
        let body = decode::body(head.headers, &request.body, Limits::default());
        self.ask_body(request, &body)
    }

    /// Asks as the proxy does: the body only when it is needed.
    pub(crate) fn ask_body(&self, request: &Canonical, body: &Body) -> (Verdict, String) {
        let head = request.head();
        let caller = Caller { agent: &self.agent, source: self.source };
        let body = match self.set.need(&head, &caller) {
            Need::None => &Body::NotRead,
            Need::Body => body,
        };
        let ruling = self.set.evaluate(&head, &caller, body, self.now, &self.rates);
        (ruling.verdict, ruling.basis.name().to_owned())
    }

    pub(crate) fn need(&self, request: &Canonical) -> Need {
        self.set.need(&request.head(), &Caller { agent: &self.agent, source: self.source })
    }

    pub(crate) fn grounds(&self, request: &Canonical) -> Grounds {
        let head = request.head();
        let caller = Caller { agent: &self.agent, source: self.source };
        let body = decode::body(head.headers, &request.body, Limits::default());
        let ruling = self.set.evaluate(&head, &caller, &body, self.now, &self.rates);
        self.set.grounds(&ruling, &head, &caller, &body)
    }

    /// The verdict of `METHOD URL`.
    pub(crate) fn line(&self, line: &str) -> Verdict {
        self.ask(&request(line, &[], "")).0
    }

    /// The verdict of a body sent with POST to `https://a.test/x`.
    pub(crate) fn post(&self, content_type: &str, body: &str) -> Verdict {
        self.ask(&request("POST https://a.test/x", &[("content-type", content_type)], body)).0
    }
}
