//! Rule files: read, compiled, asked. Pure: time is an argument, files come in as text.
//!
//! ```text
//! text ─▶ tree (spans) ─▶ file (as written) ─▶ compile ─▶ RuleSet ─▶ need, evaluate, grounds
//!              └──────────────┴── every problem ──▶ Report
//! ```
//!
//! What a matcher answers has three values: yes, no, and unclear (`rules/truth.rs`). A rule that holds or denies is
//! asked *generously* (any reading of path, key or repeated value will do) and counts as matched when unclear;
//! a rule that passes is asked *exactly* (all readings must agree) and counts as unmatched when unclear.

mod batch;
mod compile;
mod condition;
mod evaluate;
mod explain;
mod facts;
mod file;
mod grounds;
mod host;
mod index;
mod matcher;
mod message;
mod method;
mod path;
mod protocol;
mod rate;
mod reader;
mod report;
mod rule;
pub mod sample;
mod segment;
mod standard;
mod template;
mod tree;
mod truth;
mod value;
mod window;

pub use message::Message;
pub use rate::Rates;
pub use report::{Problem, Report, Severity};
pub use rule::{Adjustment, Rule};
pub use standard::STANDARD;

use self::index::Index;
use self::method::Methods;
use self::rate::Counting;
use crate::decode::Body;
use crate::decode::grpc::Descriptors;
use crate::decode::protocol::Views;
use crate::request::{Caller, Head};
use crate::ruling::{Grounds, Risk, Verdict};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
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
    /// What `grpc.message` is read by.
    pub descriptors: Descriptors,
}

/// A compiled rule set. Immutable; swapped as a whole.
#[derive(Debug)]
pub struct RuleSet {
    /// By id.
    rules: Vec<Rule>,
    index: Index,
    settings: Settings,
    digest: String,
    /// Text of each file, to point into.
    sources: HashMap<String, Arc<str>>,
}

/// What a ruling rests on. Borrows the rule set: a request that passes allocates nothing here.
#[derive(Debug, Clone)]
pub struct Ruling<'r> {
    pub verdict: Verdict,
    pub basis: Basis<'r>,
    /// The adjustment that made the rule's verdict this one.
    pub adjustment: Option<&'r Adjustment>,
    /// In observe mode: what the verdict would have been, and by which basis.
    pub would_have: Option<(Verdict, Basis<'r>)>,
    /// Of a batch: what each part would be ruled if it came alone.
    pub parts: Vec<PartRuling<'r>>,
    /// The part that the ruling on the whole comes from.
    decided_by: Option<usize>,
    /// It is on a message, or on what a handshake would open.
    on_message: bool,
}

/// The ruling on one part of a batch.
#[derive(Debug, Clone)]
pub struct PartRuling<'r> {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub verdict: Verdict,
    pub basis: Basis<'r>,
}

#[derive(Debug, Clone, Copy)]
pub enum Basis<'r> {
    Rule(&'r Rule),
    OtherwiseRead,
    OtherwiseWrite,
    UnknownHost,
    /// A rule depends on a body that could not be understood.
    Unreadable(&'r Rule),
    /// It is a batch, and what is in it could not be understood.
    UnreadableBatch,
}

impl Basis<'_> {
    /// `pack/rule`, `otherwise/read`, `otherwise/write`, `otherwise/unknown-host` or
    /// `otherwise/unreadable-batch`: as in [`Grounds::rule`].
    pub fn name(&self) -> &str {
        match self {
            Self::Rule(rule) | Self::Unreadable(rule) => &rule.id,
            Self::OtherwiseRead => "otherwise/read",
            Self::OtherwiseWrite => "otherwise/write",
            Self::UnknownHost => "otherwise/unknown-host",
            Self::UnreadableBatch => "otherwise/unreadable-batch",
        }
    }
}

/// What a rule needs of the body to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the body stays a stream.
    None,
    /// The whole body.
    Body,
}

/// A rule that had this host and more in common with a request, and did not match it.
#[derive(Debug, Clone, Serialize)]
pub struct NearMiss {
    /// `pack/id`.
    pub rule: String,
    pub verdict: Verdict,
    pub file: String,
    pub line: usize,
    /// The matchers that said no, or could not say.
    pub failed: Vec<FailedMatcher>,
}

/// One matcher that did not hold.
#[derive(Debug, Clone, Serialize)]
pub struct FailedMatcher {
    /// `method`, `path`, `body./amount`, `unless`, `if`, …
    pub field: String,
    /// What the rule asks for.
    pub expected: String,
    /// What the request has there, cut to a sensible length; `None` when it has nothing there.
    pub seen: Option<String>,
}

/// An example in a rule file that does not come true.
#[derive(Debug, Clone, Serialize)]
pub struct ExampleFailure {
    /// `pack/id`.
    pub rule: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// The example, in one line.
    pub example: String,
    /// What it says should happen: `hold`, `deny`: the rule matches; `pass`: it does not.
    pub expected: Verdict,
    /// Why it does not, in a sentence.
    pub message: String,
}

/// A line of `rules list`.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// `pack/id`.
    pub id: String,
    pub verdict: Verdict,
    pub risk: Risk,
    pub why: String,
    pub mode: Mode,
    pub file: String,
    pub line: usize,
    /// Examples, both ways.
    pub examples: usize,
    pub adjustments: Vec<Adjustment>,
}

impl RuleSet {
    /// Reads and compiles files. The embedded packs are [`STANDARD`].
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn compile(sources: &[Source], settings: &Settings) -> Result<Self, Report> {
        compile::compile(sources, settings)
    }

    /// What is not wrong but should be looked at: adjustments that have ended.
    pub fn warnings(&self, now: Timestamp) -> Vec<Problem> {
        compile::ended(&self.rules, now, &self.sources)
    }

    /// SHA-256 over all files and settings, lower-case hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What messages of gRPC are read by.
    pub fn descriptors(&self) -> &Descriptors {
        &self.settings.descriptors
    }

    /// The digest that these files and settings would have, compiled or not.
    pub fn digest_of(sources: &[Source], settings: &Settings) -> String {
        compile::digest(sources, settings)
    }

    /// All rules, ordered by id.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// Every rule with what `rules list` and the rules page show of it, ordered by id.
    pub fn overview(&self) -> Vec<Overview> {
        self.rules.iter().map(Rule::overview).collect()
    }

    /// What of the body must be read before [`Self::evaluate`] can be asked.
    pub fn need(&self, head: &Head<'_>, caller: &Caller<'_>) -> Need {
        let (methods, views) = (Methods::of(head, &Body::NotRead), Views::new(&self.settings.descriptors));
        let facts = evaluate::facts(head, &methods, caller, &Body::NotRead, &views, None, Counting::Later);
        self.body_is_needed(&facts)
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
        let (methods, views) = (Methods::of(head, body), Views::new(&self.settings.descriptors));
        self.judge(&evaluate::facts(head, &methods, caller, body, &views, Some(now), Counting::Count(rates)))
    }

    /// The part of a ruling that is stored with a hold; in observe mode, of the ruling that would have been.
    pub fn grounds(&self, ruling: &Ruling<'_>, head: &Head<'_>, caller: &Caller<'_>, body: &Body) -> Grounds {
        if ruling.on_message {
            return self.message_grounds(ruling, head, caller, body);
        }
        let (methods, views) = (Methods::of(head, body), Views::new(&self.settings.descriptors));
        self.grounds_of(ruling, &evaluate::facts(head, &methods, caller, body, &views, None, Counting::Later))
    }

    /// Whether rules say that JSON-RPC is what is spoken where the request goes.
    pub fn speaks_rpc(&self, head: &Head<'_>, caller: &Caller<'_>, body: &Body) -> bool {
        let (methods, views) = (Methods::of(head, body), Views::new(&self.settings.descriptors));
        let facts = evaluate::facts(head, &methods, caller, body, &views, None, Counting::Later);
        self.is_spoken_to_by_rpc(&facts)
    }

    /// The rules that nearly matched: same host, at least one more matcher that says yes, and which ones
    /// failed. Counts nothing for `rate` matchers.
    pub fn explain(
        &self,
        head: &Head<'_>,
        caller: &Caller<'_>,
        body: &Body,
        now: Timestamp,
        rates: &Rates,
    ) -> Vec<NearMiss> {
        let (methods, views) = (Methods::of(head, body), Views::new(&self.settings.descriptors));
        self.near_misses(&evaluate::facts(
            head,
            &methods,
            caller,
            body,
            &views,
            Some(now),
            Counting::Peek(rates),
        ))
    }

    /// Runs every example of every rule; empty when all come true. Time windows and rates count as met.
    pub fn run_examples(&self) -> Vec<ExampleFailure> {
        self.failed_examples()
    }
}
