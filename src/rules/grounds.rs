//! What a ruling rests on, in words: stored with a hold and shown to the reviewer.

use super::facts::Facts;
use super::host::HostPattern;
use super::index::Branch;
use super::matcher::{Ask, Clause, Matcher, cut};
use super::rule::Rule;
use super::truth::{Stance, Truth};
use super::{Basis, Mode, PartRuling, RuleSet, Ruling};
use crate::decode::{Body, Decoded, batch};
use crate::ruling::{BatchPart, Grounds, MatchedField, ReviewPolicy, Risk, Verdict};
use std::collections::BTreeSet;

impl RuleSet {
    pub(super) fn grounds_of(&self, ruling: &Ruling<'_>, facts: &Facts<'_>) -> Grounds {
        let mut grounds = self.with_decisive(ruling, facts, |facts| self.grounds_on(ruling, facts));
        let part = |part: &PartRuling<'_>| BatchPart {
            method: part.method.clone(),
            target: cut(&part.target),
            verdict: part.verdict,
            rule: part.basis.name().to_owned(),
        };
        grounds.parts = ruling.parts.iter().map(part).collect();
        if !ruling.parts.is_empty() || matches!(ruling.basis, Basis::UnreadableBatch) {
            grounds.held_by = Vec::new(); // what holds the other parts is not known here
        }
        if let parts @ 2.. = grounds.parts.len() {
            grounds.summary.push_str(&format!(" (one of {parts} requests in a batch)"));
        }
        grounds
    }

    fn grounds_on(&self, ruling: &Ruling<'_>, facts: &Facts<'_>) -> Grounds {
        let (basis, adjustment) = match ruling.would_have {
            Some((_, basis)) => (basis, None),
            None => (ruling.basis, ruling.adjustment),
        };
        let method = MatchedField { field: "method".to_owned(), value: facts.methods.shown() };
        let host = MatchedField { field: "host".to_owned(), value: facts.head.authority.host.to_string() };
        let mut grounds = match basis {
            Basis::Rule(rule) => of_rule(rule, facts),
            Basis::Unreadable(rule) => {
                let why = format!(
                    "{} But {}, so nobody can tell whether it applies.",
                    rule.why,
                    unreadable(rule, facts)
                );
                Grounds { why, ..of_rule(rule, facts) }
            }
            Basis::OtherwiseRead => otherwise("No rule matches this read.", vec![method]),
            Basis::OtherwiseWrite => {
                otherwise("No rule matches this request, and it may write.", vec![method])
            }
            Basis::UnknownHost => otherwise("No rule knows this host.", vec![host]),
            Basis::UnreadableBatch => {
                let read = batch::read(&facts.request());
                let why = read.and_then(Result::err).map_or_else(String::new, |why| format!(": {why}"));
                let why = format!("This is a batch of requests, and nobody can tell what is in it{why}.");
                otherwise(&why, vec![method])
            }
        };
        if let Some(adjustment) = adjustment {
            grounds.why = format!("{} Adjusted: {}", grounds.why, adjustment.why);
        }
        basis.name().clone_into(&mut grounds.rule);
        self.digest.clone_into(&mut grounds.ruleset);
        grounds.held_by = self.held_by(facts).unwrap_or_default();
        if grounds.summary.is_empty() {
            grounds.summary = plain_summary(facts);
        }
        grounds
    }
}

impl RuleSet {
    /// Whether rules say that JSON-RPC is spoken where the request goes: one that asks about calls names the host, and
    /// all else that it says of the place is so.
    pub(super) fn is_spoken_to_by_rpc(&self, facts: &Facts<'_>) -> bool {
        let asks = |matcher: &Matcher| {
            matcher
                .clauses
                .iter()
                .any(|clause| matches!(&clause.ask, Ask::Call(asked) if asked.name() == "rpc"))
        };
        let mut found = false;
        let mut visit = |branch: Branch| {
            let Some((rule, matcher)) = self.branch(branch) else { return true };
            let hosts = matcher.hosts().unwrap_or_default();
            let named = !hosts.is_empty() && !hosts.iter().any(|host| matches!(host, HostPattern::Any));
            let here = |clause: &Clause| {
                matches!(clause.ask, Ask::Call(_)) || clause.ask.answer(facts, Stance::Exact) == Truth::Yes
            };
            found =
                named && (asks(matcher) || rule.unless.iter().any(asks)) && matcher.clauses.iter().all(here);
            !found
        };
        self.index.candidates(facts.head, facts.methods.bits, &mut visit);
        found && !batch::is_one(facts.head)
    }

    /// The wordings of all rules that hold the request; `None` where that is not certain.
    fn held_by(&self, facts: &Facts<'_>) -> Option<Vec<String>> {
        let mut all = BTreeSet::new();
        let mut certain = true;
        let mut visit = |branch: Branch| {
            let Some((rule, matcher)) = self.branch(branch) else { return true };
            let truth = rule.answer(matcher, facts);
            if truth == Truth::No || rule.mode == Mode::Observe {
                return true;
            }
            let (adjustment, doubt) = rule.adjusted(facts);
            let holds = adjustment.map_or(rule.verdict, |adjustment| adjustment.verdict) == Verdict::Hold;
            if holds {
                certain &= truth == Truth::Yes && adjustment.is_none();
                all.insert(rule.wording.clone());
            }
            certain &= doubt == Truth::No || doubt == Truth::Yes;
            certain
        };
        self.index.candidates(facts.head, facts.methods.bits, &mut visit);
        certain.then(|| all.into_iter().collect())
    }
}

fn of_rule(rule: &Rule, facts: &Facts<'_>) -> Grounds {
    // The branch that matches for certain, or else the first that may.
    let branch = |wanted: fn(Truth) -> bool| {
        rule.when.iter().find(|matcher| wanted(matcher.answer(facts, rule.stance())))
    };
    let branch = branch(|truth| truth == Truth::Yes).or_else(|| branch(|truth| truth != Truth::No));
    let paths = branch.and_then(Matcher::paths).unwrap_or_default();
    Grounds {
        rule: rule.id.to_string(),
        why: rule.why.clone(),
        risk: rule.risk,
        tags: rule.tags.clone(),
        matched: branch.map(|matcher| matched(matcher, facts)).unwrap_or_default(),
        review: rule.review.clone(),
        summary: rule.what.as_ref().map(|what| what.fill(facts, paths)).unwrap_or_default(),
        ruleset: String::new(),
        held_by: Vec::new(),
        parts: Vec::new(),
    }
}

fn otherwise(why: &str, matched: Vec<MatchedField>) -> Grounds {
    Grounds {
        rule: String::new(),
        why: why.to_owned(),
        risk: Risk::Medium,
        tags: Vec::new(),
        matched,
        review: ReviewPolicy::default(),
        summary: String::new(),
        ruleset: String::new(),
        held_by: Vec::new(),
        parts: Vec::new(),
    }
}

/// Each clause with what the request has there. An expression or a rate is shown as written.
fn matched(matcher: &Matcher, facts: &Facts<'_>) -> Vec<MatchedField> {
    let shown = |ask: &Ask| match ask {
        Ask::Header(name, _) if is_credential(name.as_str()) => Some("(not shown)".to_owned()),
        ask => ask.seen(facts),
    };
    matcher
        .clauses
        .iter()
        .map(|clause| MatchedField {
            field: clause.ask.name(),
            value: shown(&clause.ask).unwrap_or_else(|| cut(&clause.written)),
        })
        .collect()
}

/// Why nobody can tell: what a protocol of the rule says, or else the body.
fn unreadable(rule: &Rule, facts: &Facts<'_>) -> String {
    let clauses = rule.when.iter().chain(&rule.unless).flat_map(|matcher| &matcher.clauses);
    let mut unclear = clauses.filter_map(|clause| match &clause.ask {
        Ask::Call(asked) => asked.unclear(facts),
        _ => None,
    });
    if let (Body::Empty | Body::Decoded(_) | Body::Binary { .. }, Some(why)) = (facts.body, unclear.next()) {
        return why;
    }
    match facts.body {
        Body::Unreadable(reason) | Body::Binary { why: reason, .. } => reason.clone(),
        Body::Decoded(Decoded { unstructured: Some(reason), .. }) => format!("the body has {reason}"),
        Body::Decoded(_) => "its body can be read in more than one way".to_owned(),
        Body::NotRead | Body::Empty => "its body could not be read".to_owned(),
    }
}

fn plain_summary(facts: &Facts<'_>) -> String {
    let head = facts.head;
    format!("{} {}{}", facts.methods.shown(), head.authority.host, cut(head.path))
}

fn is_credential(name: &str) -> bool {
    ["auth", "cookie", "token", "secret", "key", "credential", "password", "signature"]
        .iter()
        .any(|word| name.contains(word))
}
