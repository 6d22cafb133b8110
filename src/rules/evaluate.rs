//! From a request to a ruling.

use super::facts::Facts;
use super::index::Branch;
use super::matcher::Matcher;
use super::method::Methods;
use super::rate::Counting;
use super::rule::{Adjustment, Rule};
use super::truth::{Truth, Unclear};
use super::{Basis, Mode, Need, RuleSet, Ruling};
use crate::decode::batch;
use crate::ruling::Verdict;
use smallvec::SmallVec;
use std::cmp::Ordering;

/// The strictest outcome so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome<'r> {
    pub(super) verdict: Verdict,
    pub(super) basis: Basis<'r>,
    pub(super) adjustment: Option<&'r Adjustment>,
}

/// What the rules that match a request make of it; nothing where none does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matched<'r> {
    pub(super) enforced: Option<Outcome<'r>>,
    /// With the rules that only observe.
    pub(super) would_have: Option<Outcome<'r>>,
    pub(super) host_is_known: bool,
}

impl RuleSet {
    /// Whether any rule that could match asks for the body. A rule that denies by the head alone makes the
    /// body needless.
    pub(super) fn body_is_needed(&self, facts: &Facts<'_>) -> Need {
        let (mut need, mut refused) = (Need::None, false);
        let mut visit = |branch: Branch| {
            let Some((rule, matcher)) = self.branch(branch) else { return true };
            let truth = rule.answer(matcher, facts);
            if truth == Truth::No {
                return true;
            }
            let doubt = if rule.adjusters.is_empty() { Truth::No } else { rule.adjusted(facts).1 };
            let body = Truth::Unclear(Unclear::Body);
            if truth == body || doubt == body {
                need = Need::Body;
            }
            let denied = truth == Truth::Yes && rule.verdict == Verdict::Deny && rule.adjusters.is_empty();
            if denied && rule.mode == Mode::Enforce {
                need = Need::None;
                refused = true;
                return false;
            }
            true
        };
        self.index.candidates(facts.head, facts.methods.bits, &mut visit);
        if need == Need::None && !refused && batch::is_one(facts.head) { Need::Body } else { need }
    }

    /// The strictest outcome of all rules that match, or what is said of requests that none matches.
    pub(super) fn judge(&self, facts: &Facts<'_>) -> Ruling<'_> {
        let matched = self.matched(facts);
        if let Some(parts) = batch::read(&facts.request()) {
            return self.judge_batch(facts, matched, parts);
        }
        let would_have = matched.would_have.unwrap_or_else(|| self.otherwise(facts, matched.host_is_known));
        self.ruling(matched.enforced.unwrap_or(would_have), would_have)
    }

    /// The strictest outcome of all rules that match.
    pub(super) fn matched(&self, facts: &Facts<'_>) -> Matched<'_> {
        self.matched_of(facts, |_, _| true)
    }

    /// The same of those branches of rules that are asked.
    pub(super) fn matched_of(
        &self,
        facts: &Facts<'_>,
        is_asked: impl Fn(&Rule, &Matcher) -> bool,
    ) -> Matched<'_> {
        let mut enforced: Option<Outcome<'_>> = None;
        let mut would_have: Option<Outcome<'_>> = None;
        let mut counted: SmallVec<[Branch; 8]> = SmallVec::new();
        let mut visit = |branch: Branch| {
            let Some((rule, matcher)) = self.branch(branch) else { return true };
            if !is_asked(rule, matcher) {
                return true;
            }
            if matcher.counts() {
                // The index can find a branch twice; a request counts once.
                if counted.contains(&branch) {
                    return true;
                }
                counted.push(branch);
            }
            if let Some(outcome) = outcome(rule, rule.answer(matcher, facts), facts) {
                would_have = Some(would_have.map_or(outcome, |known| known.stricter(outcome)));
                let real = match rule.mode {
                    Mode::Enforce => outcome,
                    Mode::Observe => Outcome { verdict: Verdict::Pass, ..outcome },
                };
                enforced = Some(enforced.map_or(real, |known| known.stricter(real)));
            }
            true
        };
        let host_is_known = self.index.candidates(facts.head, facts.methods.bits, &mut visit);
        Matched { enforced, would_have, host_is_known }
    }

    pub(super) fn ruling<'r>(&'r self, enforced: Outcome<'r>, would_have: Outcome<'r>) -> Ruling<'r> {
        let enforced = match self.settings.mode {
            Mode::Enforce => enforced,
            Mode::Observe => Outcome { verdict: Verdict::Pass, ..would_have },
        };
        Ruling {
            verdict: enforced.verdict,
            basis: enforced.basis,
            adjustment: enforced.adjustment,
            would_have: (would_have.verdict != enforced.verdict)
                .then_some((would_have.verdict, would_have.basis)),
            parts: Vec::new(),
            decided_by: None,
            on_message: false,
        }
    }

    pub(super) fn otherwise(&self, facts: &Facts<'_>, host_is_known: bool) -> Outcome<'_> {
        let otherwise = self.settings.otherwise;
        let (verdict, basis) = if !host_is_known {
            (otherwise.unknown_host, Basis::UnknownHost)
        } else if facts.methods.are_safe() || facts.is_harmless() {
            (otherwise.read, Basis::OtherwiseRead)
        } else {
            (otherwise.write, Basis::OtherwiseWrite)
        };
        Outcome { verdict, basis, adjustment: None }
    }

    pub(super) fn branch(&self, branch: Branch) -> Option<(&Rule, &Matcher)> {
        let rule = self.rules.get(branch.rule)?;
        Some((rule, rule.when.get(branch.branch)?))
    }
}

/// What a rule makes of a request: nothing when it does not match.
fn outcome<'r>(rule: &'r Rule, truth: Truth, facts: &Facts<'_>) -> Option<Outcome<'r>> {
    let matched = match truth {
        Truth::Yes => true,
        Truth::No => false,
        Truth::Unclear(_) => rule.verdict != Verdict::Pass,
    };
    if !matched {
        return None;
    }
    let adjustment = if rule.adjusters.is_empty() { None } else { rule.adjusted(facts).0 };
    let verdict = adjustment.map_or(rule.verdict, |adjustment| adjustment.verdict);
    if truth == Truth::Unclear(Unclear::Body) && verdict != Verdict::Pass {
        return Some(Outcome {
            verdict: rule.on_unreadable,
            basis: Basis::Unreadable(rule),
            adjustment: None,
        });
    }
    Some(Outcome { verdict, basis: Basis::Rule(rule), adjustment })
}

impl Outcome<'_> {
    /// Of two outcomes the one that asks for more; of equals the same one whatever the order.
    pub(super) fn stricter(self, other: Self) -> Self {
        if self.compare(&other) == Ordering::Less { other } else { self }
    }

    fn compare(&self, other: &Self) -> Ordering {
        // A body that nobody can read must not lower what its rule asks for, so that both kinds rank alike.
        let rank = |outcome: &Self| match outcome.basis {
            Basis::Rule(rule) | Basis::Unreadable(rule) => {
                let review = &rule.review;
                let people =
                    usize::try_from(review.approvals).unwrap_or(usize::MAX).max(review.each.len()).max(1);
                let groups = !(review.from.is_empty() && review.each.is_empty());
                (people, groups, Some(rule.risk), matches!(outcome.basis, Basis::Rule(_)))
            }
            Basis::OtherwiseRead | Basis::OtherwiseWrite | Basis::UnknownHost | Basis::UnreadableBatch => {
                (0, false, None, false)
            }
        };
        self.verdict
            .cmp(&other.verdict)
            .then_with(|| rank(self).cmp(&rank(other)))
            .then_with(|| other.basis.name().cmp(self.basis.name()))
    }
}

/// The request as far as its head and its sender tell.
pub(super) fn facts<'a>(
    head: &'a crate::request::Head<'a>,
    methods: &'a Methods<'a>,
    caller: &'a crate::request::Caller<'a>,
    body: &'a crate::decode::Body,
    views: &'a crate::decode::protocol::Views<'a>,
    now: Option<jiff::Timestamp>,
    counting: Counting<'a>,
) -> Facts<'a> {
    Facts { head, methods, caller, body, views, now, counting, by_standard: false }
}
