//! A rule, compiled: what its users see of it, and what it asks of a request.

use super::facts::Facts;
use super::matcher::{Matcher, any_of};
use super::sample::Canonical;
use super::template::Template;
use super::truth::{Stance, Truth};
use super::{Mode, Overview};
use crate::ruling::{ReviewPolicy, Risk, Verdict};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A rule as its users see it.
#[derive(Debug)]
pub struct Rule {
    /// `pack/id`.
    pub id: Arc<str>,
    pub verdict: Verdict,
    pub risk: Risk,
    /// What the action is, in the words of routes and roles: `money-out`, `privesc`.
    pub tags: Vec<String>,
    pub why: String,
    pub review: ReviewPolicy,
    pub mode: Mode,
    /// As [`super::Source::name`].
    pub file: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// SHA-256 over its text, its adjustments' and its pack's hosts, lower-case hex.
    pub wording: String,
    /// Whether it comes with Holdpoint.
    pub(super) is_standard: bool,
    /// The verdict when the body that it depends on cannot be understood.
    pub(super) on_unreadable: Verdict,
    /// Any of these.
    pub(super) when: Vec<Matcher>,
    /// None of these.
    pub(super) unless: Vec<Matcher>,
    pub(super) what: Option<Template>,
    pub(super) examples: Vec<Example>,
    pub(super) adjusters: Vec<Adjuster>,
}

/// A loosening (or tightening) of one rule, as its users see it.
#[derive(Debug, Clone, Serialize)]
pub struct Adjustment {
    /// `pack/id` of the rule that it adjusts.
    pub rule: String,
    pub verdict: Verdict,
    pub why: String,
    /// From this moment on it is void.
    pub until: Option<Timestamp>,
    pub file: String,
    pub line: usize,
}

/// An adjustment with what it asks of a request.
#[derive(Debug)]
pub(super) struct Adjuster {
    pub(super) shown: Adjustment,
    pub(super) when: Vec<Matcher>,
    pub(super) unless: Vec<Matcher>,
    pub(super) examples: Vec<Example>,
    /// Its text in the file.
    pub(super) text: String,
}

/// A request in a rule file and what should become of it.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) expected: Verdict,
    pub(super) request: Canonical,
    pub(super) agent: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) source: IpAddr,
    pub(super) line: usize,
    pub(super) column: usize,
    /// In one line, as written.
    pub(super) written: String,
}

impl Rule {
    /// How its `when` is asked: see [`Stance`].
    pub(super) const fn stance(&self) -> Stance {
        match self.verdict {
            Verdict::Pass => Stance::Exact,
            Verdict::Hold | Verdict::Deny => Stance::Generous,
        }
    }

    /// Whether one branch matches and no exemption does.
    pub(super) fn answer(&self, branch: &Matcher, facts: &Facts<'_>) -> Truth {
        let stance = self.stance();
        let facts = &Facts { by_standard: self.is_standard, ..*facts };
        let matched = branch.answer(facts, stance);
        if matched == Truth::No || self.unless.is_empty() {
            return matched;
        }
        matched.and(!any_of(&self.unless, facts, stance.opposite()))
    }

    /// The adjustment that applies, if one does: of several the strictest. And whether one depends on a body
    /// that was not read.
    pub(super) fn adjusted(&self, facts: &Facts<'_>) -> (Option<&Adjustment>, Truth) {
        let mut strictest: Option<&Adjustment> = None;
        let mut doubt = Truth::No;
        for adjuster in &self.adjusters {
            let truth = adjuster.answer(self.verdict, facts);
            doubt = doubt.or(if truth == Truth::Yes { Truth::No } else { truth });
            let applies = match truth {
                Truth::Yes => true,
                Truth::No => false,
                Truth::Unclear(_) => adjuster.shown.verdict > self.verdict,
            };
            if applies && strictest.is_none_or(|known| known.precedes(&adjuster.shown)) {
                strictest = Some(&adjuster.shown);
            }
        }
        (strictest, doubt)
    }

    pub(super) fn overview(&self) -> Overview {
        Overview {
            id: self.id.to_string(),
            verdict: self.verdict,
            risk: self.risk,
            why: self.why.clone(),
            mode: self.mode,
            file: self.file.clone(),
            line: self.line,
            examples: self.examples.len(),
            adjustments: self.adjusters.iter().map(|adjuster| adjuster.shown.clone()).collect(),
        }
    }
}

impl Adjustment {
    /// Whether the other one is to be taken before this one, whatever the order of files.
    fn precedes(&self, other: &Self) -> bool {
        (self.verdict, &other.file, other.line) < (other.verdict, &self.file, self.line)
    }
}

impl Adjuster {
    /// What loosens is asked exactly, what tightens generously.
    pub(super) fn answer(&self, adjusted: Verdict, facts: &Facts<'_>) -> Truth {
        let ended = matches!((self.shown.until, facts.now), (Some(until), Some(now)) if now >= until);
        if ended {
            return Truth::No;
        }
        let stance = if self.shown.verdict < adjusted { Stance::Exact } else { Stance::Generous };
        let matched = any_of(&self.when, facts, stance);
        if matched == Truth::No {
            matched
        } else {
            matched.and(!any_of(&self.unless, facts, stance.opposite()))
        }
    }
}
