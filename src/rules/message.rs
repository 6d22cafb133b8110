//! Messages on a connection that a request has opened (WebSocket): each is judged as a request with the head of the
//! handshake and the message as its body.
//!
//! A message counts as a `POST`; what holds or denies is asked about `GET` as well, since that is what opened the
//! connection. A branch of a rule that has matched the handshake by its head alone, when that was judged, has had its
//! say, and is not asked again about every message; one that came later, or for another time of day, has not. Where no rule matches a message, what was ruled on the handshake stands, with one exception:
//! where rules pass messages by what they say, the others are left to `otherwise`, like requests.

use super::evaluate::{Outcome, facts};
use super::facts::Facts;
use super::index::Branch;
use super::matcher::Matcher;
use super::method::Methods;
use super::rate::{Counting, Rates};
use super::rule::Rule;
use super::truth::{Truth, Unclear};
use super::{Basis, RuleSet, Ruling};
use crate::decode::protocol::Views;
use crate::decode::{Body, batch};
use crate::request::{Caller, Head};
use crate::ruling::{Grounds, Verdict};
use http::Method;
use jiff::Timestamp;

/// What a message is to rules.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The head of the handshake.
    pub handshake: &'a Head<'a>,
    pub caller: &'a Caller<'a>,
    /// What it says.
    pub body: &'a Body,
    /// It changes nothing by what its subprotocol says: where no rule says more, it counts as a read.
    pub harmless: bool,
}

impl RuleSet {
    /// Whether a rule could match a message on the connection that this handshake opens: then each one must be judged,
    /// and what cannot be read message by message must not be opened unseen.
    pub fn hears(&self, handshake: &Head<'_>, caller: &Caller<'_>, now: Timestamp) -> bool {
        self.hears_later(handshake, caller, Some(now))
    }

    /// The same for a connection that may be open. `asked`: when these rules were asked about its handshake, if they were.
    pub fn hears_later(&self, handshake: &Head<'_>, caller: &Caller<'_>, asked: Option<Timestamp>) -> bool {
        let head = as_post(handshake);
        let (methods, views) = (Methods::of_message(&head), Views::new(&self.settings.descriptors));
        // At no time in particular: a rule for nights counts by day as well.
        let unheard = facts(&head, &methods, caller, &Body::NotRead, &views, None, Counting::Later);
        let mut heard = batch::is_one(handshake);
        let has_spoken = HasSpoken::new(handshake, caller, asked);
        let mut visit = |branch: Branch| {
            let Some((rule, matcher)) = self.branch(branch) else { return true };
            heard |= match rule.verdict {
                Verdict::Pass if rule.adjusters.is_empty() => looks_at_body(rule, matcher, &unheard),
                Verdict::Pass | Verdict::Hold | Verdict::Deny => {
                    rule.answer(matcher, &unheard) != Truth::No && !has_spoken.of(rule, matcher, &unheard)
                }
            };
            !heard
        };
        self.index.candidates(&head, methods.bits, &mut visit);
        heard
    }

    /// The ruling on a message that comes with its handshake. Never fails, as that on a request.
    pub fn evaluate_message(&self, message: &Message<'_>, now: Timestamp, rates: &Rates) -> Ruling<'_> {
        self.evaluate_later_message(message, Some(now), now, rates)
    }

    /// The ruling on a message. `asked`: when these rules were asked about its handshake, if they were.
    pub fn evaluate_later_message(
        &self,
        message: &Message<'_>,
        asked: Option<Timestamp>,
        now: Timestamp,
        rates: &Rates,
    ) -> Ruling<'_> {
        let Message { handshake, caller, body, harmless } = *message;
        let head = as_post(handshake);
        let (methods, views, unread) = (
            Methods::of_message(&head),
            Views::new(&self.settings.descriptors),
            Views::new(&self.settings.descriptors),
        );
        let said = facts(&head, &methods, caller, body, &views, Some(now), Counting::Count(rates));
        let unheard = Facts { body: &Body::NotRead, views: &unread, counting: Counting::Later, ..said };
        let has_spoken = HasSpoken::new(handshake, caller, asked);
        let matched = self.matched_of(&said, |rule, matcher| {
            rule.verdict == Verdict::Pass || !has_spoken.of(rule, matcher, &unheard)
        });
        let mut rest = Outcome { verdict: Verdict::Pass, basis: Basis::OtherwiseRead, adjustment: None };
        if batch::is_one(handshake) {
            // Nobody takes batches in this way; if somebody does, nobody can tell what is in it.
            rest = Outcome { verdict: Verdict::Hold, basis: Basis::UnreadableBatch, adjustment: None };
        } else if !harmless && self.passes_by_body(&unheard) {
            rest = self.otherwise(&said, matched.host_is_known);
        }
        let would_have = matched.would_have.unwrap_or(rest);
        Ruling { on_message: true, ..self.ruling(matched.enforced.unwrap_or(would_have), would_have) }
    }

    pub(super) fn message_grounds(
        &self,
        ruling: &Ruling<'_>,
        handshake: &Head<'_>,
        caller: &Caller<'_>,
        body: &Body,
    ) -> Grounds {
        let head = as_post(handshake);
        let (methods, views) = (Methods::of_message(&head), Views::new(&self.settings.descriptors));
        let said = facts(&head, &methods, caller, body, &views, None, Counting::Later);
        let mut grounds = self.grounds_of(ruling, &said);
        grounds.held_by = Vec::new(); // rules that have had their say hold messages no more
        grounds
    }

    /// Whether some rule passes what is sent to this place by what it says.
    fn passes_by_body(&self, unheard: &Facts<'_>) -> bool {
        let mut passes = false;
        let mut visit = |branch: Branch| {
            let Some((rule, matcher)) = self.branch(branch) else { return true };
            passes |= rule.verdict == Verdict::Pass && looks_at_body(rule, matcher, unheard);
            !passes
        };
        self.index.candidates(unheard.head, unheard.methods.bits, &mut visit);
        passes
    }
}

impl Ruling<'_> {
    /// The one of two that asks for more.
    #[must_use]
    pub fn or_stricter(self, other: Self) -> Self {
        if other.verdict > self.verdict { other } else { self }
    }
}

/// Which branches of rules have matched the handshake by its head alone.
struct HasSpoken<'a> {
    handshake: &'a Head<'a>,
    methods: Methods<'a>,
    caller: &'a Caller<'a>,
    /// When they were asked. A rule set that never was has said nothing.
    asked: Option<Timestamp>,
}

impl<'a> HasSpoken<'a> {
    fn new(handshake: &'a Head<'a>, caller: &'a Caller<'a>, asked: Option<Timestamp>) -> Self {
        Self { handshake, methods: Methods::of(handshake, &Body::Empty), caller, asked }
    }

    fn of(&self, rule: &Rule, matcher: &Matcher, unheard: &Facts<'_>) -> bool {
        let Some(asked) = self.asked else { return false };
        let views = Views::new(unheard.views.descriptors);
        let handshake = facts(
            self.handshake,
            &self.methods,
            self.caller,
            &Body::Empty,
            &views,
            Some(asked),
            Counting::Later,
        );
        rule.answer(matcher, &handshake) == Truth::Yes && !looks_at_body(rule, matcher, unheard)
    }
}

/// Whether it takes the body to know what the rule makes of something: by the branch, an exemption or an adjustment.
fn looks_at_body(rule: &Rule, matcher: &Matcher, unheard: &Facts<'_>) -> bool {
    let body = Truth::Unclear(Unclear::Body);
    rule.answer(matcher, unheard) == body || !rule.adjusters.is_empty() && rule.adjusted(unheard).1 == body
}

fn as_post<'a>(handshake: &Head<'a>) -> Head<'a> {
    Head { method: &Method::POST, ..*handshake }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Agent;
    use crate::rules::sample::Sample;
    use crate::rules::{Otherwise, Settings, Source};
    use std::collections::BTreeMap;

    /// Whether an open connection is heard, and the ruling on a message at noon, where its handshake was asked about at
    /// this time, or by other rules.
    fn later(when: &str, verdict: &str, asked: Option<&str>) -> (bool, Verdict) {
        let text = format!("pack: p\nrules:\n  - {{ id: r, when: {when}, verdict: {verdict} }}\n");
        let otherwise = Otherwise { read: Verdict::Pass, write: Verdict::Pass, unknown_host: Verdict::Pass };
        let settings = Settings { otherwise, ..Settings::default() };
        let set = RuleSet::compile(&[Source { name: "p.yaml".into(), text }], &settings).unwrap();
        let handshake = Sample::from_line("GET https://a.test/ws").unwrap().canonical().unwrap();
        let (head, body) = (handshake.head(), Body::NotRead);
        let agent = Agent { id: 1, name: "a".into(), owners: Vec::new(), labels: BTreeMap::new() };
        let caller = Caller { agent: &agent, source: "10.1.2.3".parse().unwrap() };
        let message = Message { handshake: &head, caller: &caller, body: &body, harmless: false };
        let asked = asked.map(|time| time.parse().unwrap());
        let noon = "2026-11-20T12:00:00Z".parse().unwrap();
        let ruling = set.evaluate_later_message(&message, asked, noon, &Rates::default());
        (set.hears_later(&head, &caller, asked), ruling.verdict)
    }

    #[test]
    fn a_rule_has_spoken_only_if_it_was_asked_about_the_handshake() {
        let (morning, noon) = (Some("2026-11-20T08:00:00Z"), Some("2026-11-20T11:59:00Z"));
        let timed = "{ host: a.test, time: { from: '11:00', to: '13:00', zone: UTC } }";
        let host = "{ host: a.test }";
        for (verdict, stopped) in [("hold", Verdict::Hold), ("deny", Verdict::Deny)] {
            assert_eq!(later(timed, verdict, morning), (true, stopped), "it did not apply then");
            assert_eq!(later(timed, verdict, noon), (false, Verdict::Pass), "it has spoken");
            assert_eq!(later(host, verdict, morning), (false, Verdict::Pass));
            assert_eq!(later(host, verdict, None), (true, stopped), "it came later");
            assert_eq!(later("{ host: b.test }", verdict, None), (false, Verdict::Pass), "of another place");
        }
        assert_eq!(later(host, "pass", None), (false, Verdict::Pass));
    }
}
