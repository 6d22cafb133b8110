//! Rule files: read, compiled, asked. Pure: time is an argument, files come in as text.

use crate::decode::Body;
use crate::request::{Caller, Head};
use crate::ruling::{Grounds, MatchedField, ParkedReply, ReviewPolicy, Risk, Verdict};
use jiff::Timestamp;

/// A rule file: where it came from and its text.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path or `standard/github.yaml`: shown in reports.
    pub name: String,
    pub text: String,
}

/// What the configuration says of requests that no rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Otherwise {
    pub read: Verdict,
    pub write: Verdict,
    pub unknown_host: Verdict,
}

impl Default for Otherwise {
    fn default() -> Self {
        Self { read: Verdict::Pass, write: Verdict::Hold, unknown_host: Verdict::Hold }
    }
}

/// `enforce`, or `observe`: record what would have been, let all pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Enforce,
    Observe,
}

/// Settings that a rule set is compiled with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub otherwise: Otherwise,
    pub mode: Mode,
}

/// A compiled rule set. Immutable; swapped as a whole.
#[derive(Debug)]
pub struct RuleSet {}

/// All that is wrong with a set of files, with file, line, column and the text underlined.
#[derive(Debug)]
pub struct Report {}

/// What a ruling rests on. Borrows the rule set: a request that passes allocates nothing here.
#[derive(Debug, Clone, Copy)]
pub struct Ruling<'r> {
    pub verdict: Verdict,
    pub basis: Basis<'r>,
    /// In observe mode: what the verdict would have been, and by which basis.
    pub would_have: Option<(Verdict, Basis<'r>)>,
}

#[derive(Debug, Clone, Copy)]
pub enum Basis<'r> {
    Rule(&'r Rule),
    OtherwiseRead,
    OtherwiseWrite,
    UnknownHost,
    /// A rule depends on a body that could not be understood.
    Unreadable(&'r Rule),
}

/// A rule as its users see it.
#[derive(Debug)]
pub struct Rule {
    /// `pack/id`.
    pub id: String,
    pub verdict: Verdict,
    pub risk: Risk,
    pub why: String,
    pub review: ReviewPolicy,
}

/// What a rule needs of the body to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the body stays a stream.
    None,
    /// The whole body.
    Body,
}

/// Counts for `rate` matchers. Shared by all rule sets so that a reload forgets nothing.
#[derive(Debug, Default)]
pub struct Rates {}

impl RuleSet {
    /// Reads and compiles files; `standard` ones are the embedded packs, if wanted.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn compile(sources: &[Source], settings: &Settings) -> Result<Self, Report> {
        let _ = (sources, settings);
        todo!("rules helper")
    }

    /// SHA-256 over all files and settings, lower-case hex.
    pub fn digest(&self) -> &str {
        todo!("rules helper")
    }

    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        std::iter::empty()
    }

    /// What of the body must be read before [`Self::evaluate`] can be asked.
    pub fn need(&self, head: &Head<'_>, caller: &Caller<'_>) -> Need {
        let _ = (head, caller);
        todo!("rules helper")
    }

    /// The ruling. Never fails: a rule that cannot be evaluated counts as matched when it would hold or
    /// deny, and as unmatched when it would pass.
    pub fn evaluate(
        &self,
        head: &Head<'_>,
        caller: &Caller<'_>,
        body: &Body,
        now: Timestamp,
        rates: &Rates,
    ) -> Ruling<'_> {
        let _ = (head, caller, body, now, rates);
        todo!("rules helper")
    }

    /// The part of a ruling that is stored with a hold.
    pub fn grounds(&self, ruling: &Ruling<'_>, head: &Head<'_>, caller: &Caller<'_>, body: &Body) -> Grounds {
        let _ = (ruling, head, caller, body);
        let _: (Option<MatchedField>, ParkedReply);
        todo!("rules helper")
    }
}
