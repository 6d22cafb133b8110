//! Why a rule did not match, and whether the examples in rule files come true.

use super::facts::Facts;
use super::host::HostPattern;
use super::matcher::{Ask, Matcher, any_of};
use super::method::Methods;
use super::rate::Counting;
use super::rule::{Adjuster, Example, Rule};
use super::truth::{Stance, Truth};
use super::{ExampleFailure, FailedMatcher, NearMiss, RuleSet, evaluate};
use crate::agent::Agent;
use crate::decode::grpc::Descriptors;
use crate::decode::protocol::Views;
use crate::decode::{self, Body, Limits};
use crate::request::Caller;
use crate::ruling::Verdict;
use jiff::Timestamp;

impl RuleSet {
    /// The nearest first: those whose path fits, then by how much failed, then by id.
    pub(super) fn near_misses(&self, facts: &Facts<'_>) -> Vec<NearMiss> {
        let mut misses: Vec<NearMiss> = self.rules.iter().filter_map(|rule| near_miss(rule, facts)).collect();
        let distance = |miss: &NearMiss| (miss.failed.iter().any(|f| f.field == "path"), miss.failed.len());
        misses.sort_by(|a, b| (distance(a), &a.rule).cmp(&(distance(b), &b.rule)));
        misses.truncate(NEAR_MISSES_MAX);
        misses
    }

    pub(super) fn failed_examples(&self) -> Vec<ExampleFailure> {
        let (mut failures, descriptors) = (Vec::new(), &self.settings.descriptors);
        for rule in &self.rules {
            for example in &rule.examples {
                failures.extend(
                    run(example, descriptors, |facts| check(rule, example, facts))
                        .map(|message| failure(rule, &rule.file, example, message)),
                );
            }
            for adjuster in &rule.adjusters {
                for example in &adjuster.examples {
                    let message =
                        run(example, descriptors, |facts| check_adjusted(rule, adjuster, example, facts));
                    failures.extend(message.map(|m| failure(rule, &adjuster.shown.file, example, m)));
                }
            }
        }
        failures
    }
}

fn near_miss(rule: &Rule, facts: &Facts<'_>) -> Option<NearMiss> {
    let stance = rule.stance();
    let misses = rule.when.iter().filter_map(|matcher| missed(rule, matcher, facts, stance));
    let failed = misses.min_by_key(Vec::len)?;
    let matched = rule.when.iter().any(|matcher| rule.answer(matcher, facts) == Truth::Yes);
    (!matched).then(|| NearMiss {
        rule: rule.id.to_string(),
        verdict: rule.verdict,
        file: rule.file.clone(),
        line: rule.line,
        failed,
    })
}

/// What failed of a branch that shares the host and one thing more with the request. Of a branch about every
/// host, another path is no near miss.
fn missed(rule: &Rule, matcher: &Matcher, facts: &Facts<'_>, stance: Stance) -> Option<Vec<FailedMatcher>> {
    let mut failed = Vec::new();
    let mut others = 0;
    let everywhere = matcher.hosts().is_none_or(|hosts| hosts.contains(&HostPattern::Any));
    for clause in &matcher.clauses {
        match (&clause.ask, clause.ask.answer(facts, stance)) {
            (Ask::Host(_), Truth::Yes) => {}
            (Ask::Host(_), _) => return None,
            (Ask::Path(_) | Ask::PathText(_), Truth::No) if everywhere => return None,
            (_, Truth::Yes) => others += 1,
            (ask, Truth::No | Truth::Unclear(_)) => failed.push(FailedMatcher {
                field: ask.name(),
                expected: clause.written.clone(),
                seen: ask.seen(facts),
            }),
        }
    }
    if failed.is_empty() {
        let exempting =
            rule.unless.iter().filter(|matcher| matcher.answer(facts, stance.opposite()) == Truth::Yes);
        failed.extend(exempting.map(|matcher| FailedMatcher {
            field: "unless".to_owned(),
            expected: matcher.clauses.iter().map(written).collect::<Vec<_>>().join(", "),
            seen: None,
        }));
    }
    (others > 0 && !failed.is_empty()).then_some(failed)
}

fn written(clause: &super::matcher::Clause) -> String {
    format!("{}: {}", clause.ask.name(), clause.written)
}

/// Puts an example before a check; gives what the check says is wrong.
fn run(
    example: &Example,
    descriptors: &Descriptors,
    check: impl FnOnce(&Facts<'_>) -> Option<String>,
) -> Option<String> {
    let head = example.request.head();
    let agent =
        Agent { id: 0, name: example.agent.clone(), owners: Vec::new(), labels: example.labels.clone() };
    let caller = Caller { agent: &agent, source: example.source };
    let body = decode::body(head.headers, &example.request.body, Limits::default());
    if let Body::Unreadable(reason) = &body {
        return Some(format!("its own body cannot be read: {reason}"));
    }
    let (methods, views) = (Methods::of(&head, &body), Views::new(descriptors));
    let moment = Some(Timestamp::UNIX_EPOCH); // time windows and rates count as met
    check(&evaluate::facts(&head, &methods, &caller, &body, &views, moment, Counting::Met))
}

fn check(rule: &Rule, example: &Example, facts: &Facts<'_>) -> Option<String> {
    let should_match = example.expected == rule.verdict;
    let truth = rule.when.iter().fold(Truth::No, |truth, matcher| truth.or(rule.answer(matcher, facts)));
    match (truth, should_match) {
        (Truth::Yes, true) | (Truth::No, false) => None,
        (Truth::Yes, false) => Some("the rule matches it".to_owned()),
        (Truth::No, true) => Some(format!("the rule does not match it: {}", first_failure(rule, facts))),
        (Truth::Unclear(_), false) if rule.verdict == Verdict::Pass => None,
        (Truth::Unclear(_), _) => {
            let counted = if rule.verdict == Verdict::Pass { "unmatched" } else { "matched" };
            let failure = first_failure(rule, facts);
            Some(format!("the rule cannot tell, and so counts it as {counted}: {failure}"))
        }
    }
}

fn check_adjusted(rule: &Rule, adjuster: &Adjuster, example: &Example, facts: &Facts<'_>) -> Option<String> {
    let matched = rule.when.iter().any(|matcher| rule.answer(matcher, facts) == Truth::Yes);
    if !matched {
        return Some(format!("the adjusted rule does not match it: {}", first_failure(rule, facts)));
    }
    let facts = Facts { now: None, ..*facts }; // whether it has ended is not what an example says
    let applies = adjuster.answer(rule.verdict, &facts) == Truth::Yes;
    let verdict = if applies { adjuster.shown.verdict } else { rule.verdict };
    (verdict != example.expected).then(|| format!("with the adjustment the verdict is {}", verdict.as_str()))
}

fn first_failure(rule: &Rule, facts: &Facts<'_>) -> String {
    let stance = rule.stance();
    if any_of(&rule.unless, facts, stance.opposite()) == Truth::Yes {
        return "`unless` exempts it".to_owned();
    }
    let clauses = rule.when.iter().flat_map(|matcher| &matcher.clauses);
    let failed = clauses.into_iter().find(|clause| clause.ask.answer(facts, stance) != Truth::Yes);
    failed.map_or_else(
        || "no branch of `when` matches as a whole".to_owned(),
        |clause| {
            let seen = clause.ask.seen(facts).unwrap_or_else(|| "nothing".to_owned());
            format!("`{}` asks for {}, seen: {seen}", clause.ask.name(), clause.written)
        },
    )
}

fn failure(rule: &Rule, file: &str, example: &Example, message: String) -> ExampleFailure {
    ExampleFailure {
        rule: rule.id.to_string(),
        file: file.to_owned(),
        line: example.line,
        column: example.column,
        example: example.written.clone(),
        expected: example.expected,
        message,
    }
}

const NEAR_MISSES_MAX: usize = 20;
