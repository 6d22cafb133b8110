//! A connection that has changed to another protocol: its handshake, and what rules make of what is said on it.

use super::frames::{self, Message};
use crate::decode::{self, Body};
use crate::hold::AgentWords;
use crate::proxy::destination::Destination;
use crate::proxy::exchange::{Link, denied, rule_name};
use crate::proxy::reply::Reply;
use crate::request::{Caller, Head};
use crate::rules::{self, RuleSet};
use crate::ruling::{Grounds, Verdict};
use crate::traffic::{Place, Record};
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

/// When a handshake was judged, and by which rules.
#[derive(Debug, Clone)]
pub(in crate::proxy) struct Judged {
    at: Timestamp,
    /// The digest of the rule set.
    rules: String,
}

impl Judged {
    pub(in crate::proxy) fn by(rules: &RuleSet, at: Timestamp) -> Self {
        Self { at, rules: rules.digest().to_owned() }
    }

    /// When these very rules were asked about the handshake.
    fn asked(&self, rules: &RuleSet) -> Option<Timestamp> {
        (rules.digest() == self.rules).then_some(self.at)
    }
}

/// As its handshake was judged.
#[derive(Debug)]
pub(in crate::proxy) struct Session {
    pub(in crate::proxy) link: Arc<Link>,
    pub(in crate::proxy) destination: Destination,
    method: Method,
    target: PathAndQuery,
    readings: Vec<Box<str>>,
    /// Those of the handshake that say nothing about a body: a message has a form of its own.
    headers: HeaderMap,
    judged: Judged,
    pub(super) words: AgentWords,
    /// What the origin has chosen of the subprotocols that it was offered.
    pub(super) subprotocol: String,
}

/// A ruling on a message, with what is needed of it later.
pub(super) struct Ruled {
    pub(super) what: What,
    would_have: Option<Verdict>,
    rule: Arc<str>,
}

pub(super) enum What {
    Pass,
    Hold(Box<Grounds>),
    Deny(Reply),
}

impl Ruled {
    pub(super) const fn is_recorded(&self) -> bool {
        !matches!((&self.what, self.would_have), (What::Pass, None))
    }
}

impl Session {
    pub(in crate::proxy) fn of<B>(
        link: &Arc<Link>,
        destination: &Destination,
        handshake: &Request<B>,
        readings: Vec<Box<str>>,
        judged: Judged,
        words: AgentWords,
    ) -> Self {
        let mut headers = handshake.headers().clone();
        for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH] {
            headers.remove(name);
        }
        let target = handshake.uri().path_and_query().cloned();
        Self {
            link: Arc::clone(link),
            destination: destination.clone(),
            method: handshake.method().clone(),
            target: target.unwrap_or_else(|| PathAndQuery::from_static("/")),
            readings,
            headers,
            judged,
            words,
            subprotocol: String::new(),
        }
    }

    /// Takes what the origin has agreed to.
    ///
    /// # Errors
    /// It agrees to what nobody asked for.
    pub(in crate::proxy) fn agreed(&mut self, answer: &HeaderMap) -> Result<(), &'static str> {
        if answer.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
            return Err("an extension");
        }
        let protocol = answer.get(UPGRADE).map(|protocol| protocol.as_bytes());
        if !protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket")) {
            return Err("another protocol");
        }
        let subprotocol = answer.get(SEC_WEBSOCKET_PROTOCOL).and_then(|name| name.to_str().ok());
        subprotocol.unwrap_or_default().trim().clone_into(&mut self.subprotocol);
        Ok(())
    }

    pub(in crate::proxy) fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            scheme: self.destination.scheme,
            authority: &self.destination.authority,
            path: self.target.path(),
            readings: &self.readings,
            query: self.target.query(),
            headers: &self.headers,
        }
    }

    pub(in crate::proxy) fn caller(&self) -> Caller<'_> {
        Caller { agent: &self.link.known.agent, source: self.link.source }
    }

    /// Whether a rule that is in force now could match what is said on the connection.
    pub(in crate::proxy) fn is_heard_by(&self, rules: &RuleSet) -> bool {
        rules.hears_later(&self.head(), &self.caller(), self.judged.asked(rules))
    }

    /// Judges a message by the rules that are in force now.
    pub(super) fn rule_on(&self, message: &Message) -> Ruled {
        let services = &self.link.gate.services;
        let limits = self.link.gate.settings.limits.decoding();
        let rules = services.rules.load();
        let body: Body = decode::body(&self.headers, &message.payload, limits);
        let (head, caller) = (self.head(), self.caller());
        let said = rules::Message {
            handshake: &head,
            caller: &caller,
            body: &body,
            harmless: frames::is_chatter(&self.subprotocol, &body),
        };
        let (asked, now) = (self.judged.asked(&rules), Timestamp::now());
        let ruling = rules.evaluate_later_message(&said, asked, now, &services.rates);
        let what = match ruling.verdict {
            Verdict::Pass => What::Pass,
            Verdict::Hold => What::Hold(Box::new(rules.grounds(&ruling, &head, &caller, &body))),
            Verdict::Deny => What::Deny(denied(&ruling.basis)),
        };
        let would_have = ruling.would_have.map(|(verdict, _)| verdict);
        Ruled { what, would_have, rule: rule_name(&ruling.basis) }
    }

    /// A place in the record for one message.
    pub(super) async fn reserve(&self, message: &Message, ruled: &Ruled) -> Result<Place, Reply> {
        static MESSAGE: LazyLock<Method> =
            LazyLock::new(|| Method::from_bytes(b"MESSAGE").unwrap_or(Method::GET));
        let record = Record {
            agent: Arc::clone(&self.link.known.agent),
            source: Some(self.link.source),
            scheme: self.destination.scheme,
            authority: Some(Arc::clone(&self.destination.authority)),
            method: MESSAGE.clone(),
            target: Some(self.target.clone()),
            verdict: Some(match ruled.what {
                What::Pass => Verdict::Pass,
                What::Hold(_) => Verdict::Hold,
                What::Deny(_) => Verdict::Deny,
            }),
            rule: Some(Arc::clone(&ruled.rule)),
            would_have: ruled.would_have,
            hold: None,
            tunnel: false,
            status: None,
            request_bytes: u64::try_from(message.payload.len()).unwrap_or_default(),
            response_bytes: 0,
            end: "client-gone", // until it is known better
            started: Instant::now(),
            started_at: Timestamp::now(),
        };
        self.link.gate.services.traffic.reserve(record).await.map_err(|unwritable| {
            let message = format!("Nothing was sent: {unwritable}. It recovers by itself; try again later.");
            Reply::new(StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", "unrecorded", message)
        })
    }
}
