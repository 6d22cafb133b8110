//! Value matchers: what a query parameter, a header field, a body field or a label is compared with.
//!
//! A scalar is equality, a list any of, a map all of its tests.

use super::facts::{Field, Seen};
use super::reader::Reader;
use super::segment::Case;
use super::tree::{Kind, Node};
use super::truth::{Stance, Truth, Unclear};
use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};
use std::cmp::Ordering;

/// A compiled value matcher.
#[derive(Debug)]
pub(super) enum ValueMatch {
    AnyOf(Vec<Self>),
    AllOf(Vec<Test>),
}

/// One test of one value.
#[derive(Debug)]
pub(super) enum Test {
    Equals(Scalar),
    OneOf(Vec<Scalar>),
    Glob(ByCase<GlobMatcher>),
    Regex(ByCase<Regex>),
    Compare(Order, f64),
    Exists(bool),
    Not(ValueMatch),
}

/// A pattern, and where letter case may not count (paths) the same pattern without it.
#[derive(Debug)]
pub(super) struct ByCase<P> {
    exact: P,
    folded: Option<P>,
}

impl<P> ByCase<P> {
    fn under(&self, stance: Stance) -> &P {
        match (stance, &self.folded) {
            (Stance::Generous, Some(folded)) => folded,
            (Stance::Generous | Stance::Exact, _) => &self.exact,
        }
    }
}

/// What a rule compares with: as written, and as a number or a truth if it was written as one.
#[derive(Debug)]
pub(super) struct Scalar {
    text: String,
    number: Option<f64>,
    truth: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Order {
    pub(super) const WORDS: [(&'static str, Self); 4] = [
        ("gt", Self::Greater),
        ("gte", Self::GreaterOrEqual),
        ("lt", Self::Less),
        ("lte", Self::LessOrEqual),
    ];

    pub(super) const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }

    pub(super) const fn is_lower_bound(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual)
    }
}

/// How texts in rules are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Exact,
    /// Patterns take no notice of letter case where they are asked generously.
    Folded,
    /// Nor do plain texts, and `*` stands for anything in them.
    Names,
}

impl Reading {
    const fn case(self) -> Case {
        match self {
            Self::Exact => Case::Exact,
            Self::Folded | Self::Names => Case::Folded,
        }
    }
}

impl ValueMatch {
    pub(super) fn read(reader: &mut Reader, node: &Node, what: &str) -> Option<Self> {
        Self::read_by(reader, node, what, Reading::Exact)
    }

    /// As [`Self::read`], but where a value is asked generously, patterns take no notice of letter case.
    pub(super) fn read_folding(reader: &mut Reader, node: &Node, what: &str) -> Option<Self> {
        Self::read_by(reader, node, what, Reading::Folded)
    }

    /// For names: letter case does not count where they are asked generously, and `*` in a text that stands by itself
    /// is any run of characters.
    pub(super) fn read_names(reader: &mut Reader, node: &Node, what: &str) -> Option<Self> {
        Self::read_by(reader, node, what, Reading::Names)
    }

    fn read_by(reader: &mut Reader, node: &Node, what: &str, reading: Reading) -> Option<Self> {
        match &node.kind {
            Kind::List(_) => {
                let items = reader.list(node, what);
                Some(Self::AnyOf(
                    items.into_iter().filter_map(|n| Self::read_by(reader, n, what, reading)).collect(),
                ))
            }
            Kind::Map(_) => read_tests(reader, node, what, reading).map(Self::AllOf),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) if reading == Reading::Names => {
                let pattern = reader.text(node, what)?.split('*').map(regex::escape).collect::<Vec<_>>();
                names(&pattern.join(".*")).map(|test| Self::AllOf(vec![test]))
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {
                Scalar::read(reader, node, what).map(|s| Self::AllOf(vec![Test::Equals(s)]))
            }
        }
    }

    pub(super) fn answer(&self, field: &Field<'_>, stance: Stance) -> Truth {
        match self {
            Self::AnyOf(items) => {
                items.iter().fold(Truth::No, |truth, item| truth.or(item.answer(field, stance)))
            }
            Self::AllOf(tests) => {
                tests.iter().fold(Truth::Yes, |truth, test| truth.and(test.answer(field, stance)))
            }
        }
    }
}

impl Test {
    fn answer(&self, field: &Field<'_>, stance: Stance) -> Truth {
        if let Self::Not(inner) = self {
            return !inner.answer(field, stance.opposite());
        }
        match (field.unclear, stance) {
            (None, _) => self.of_what_is_seen(field, stance),
            // What cannot be seen may be what is asked for.
            (Some(why), Stance::Generous) if matches!(self, Self::Exists(false)) => Truth::Unclear(why),
            // What can be seen is enough to match; what cannot could match as well.
            (Some(why), Stance::Generous) => self.of_what_is_seen(field, stance).or(Truth::Unclear(why)),
            (Some(why), Stance::Exact) => Truth::Unclear(why),
        }
    }

    fn of_what_is_seen(&self, field: &Field<'_>, stance: Stance) -> Truth {
        let one = |seen: &Seen<'_>| self.of_one(seen, stance);
        match (self, stance) {
            (Self::Exists(true), Stance::Generous) => Truth::from(!field.values.is_empty()),
            (Self::Exists(true), Stance::Exact) => Truth::from(field.exact),
            (Self::Exists(false), Stance::Generous) => Truth::from(!field.exact),
            (Self::Exists(false), Stance::Exact) => Truth::from(field.values.is_empty()),
            (_, Stance::Generous) => {
                let mut all = field.values.iter().chain(&field.within);
                all.try_fold(Truth::No, |truth, seen| match truth.or(one(seen)) {
                    Truth::Yes => Err(Truth::Yes),
                    truth => Ok(truth),
                })
                .unwrap_or_else(|yes| yes)
            }
            (_, Stance::Exact) if !field.exact => Truth::No,
            (_, Stance::Exact) => field.values.iter().fold(Truth::Yes, |truth, seen| truth.and(one(seen))),
        }
    }

    fn of_one(&self, seen: &Seen<'_>, stance: Stance) -> Truth {
        match self {
            Self::Equals(scalar) => Truth::from(scalar.equals(seen, stance)),
            Self::OneOf(scalars) => Truth::from(scalars.iter().any(|scalar| scalar.equals(seen, stance))),
            Self::Glob(glob) => Truth::from(glob.under(stance).is_match(&*seen.text)),
            Self::Regex(regex) => Truth::from(regex.under(stance).is_match(&seen.text)),
            Self::Compare(order, bound) => match seen.as_number().and_then(|n| n.partial_cmp(bound)) {
                // Neighbours so large look the same to us.
                Some(Ordering::Equal) if bound.abs() >= EXACT_MAX => Truth::Unclear(Unclear::Other),
                Some(ordering) => Truth::from(order.holds(ordering)),
                // Left out, or none at all, which some languages take for zero.
                None if seen.says_nothing() && !order.holds(0.0_f64.total_cmp(bound)) => Truth::No,
                None => Truth::Unclear(Unclear::Other),
            },
            Self::Exists(_) | Self::Not(_) => Truth::Yes, // answered of the field as a whole
        }
    }
}

impl Scalar {
    fn read(reader: &mut Reader, node: &Node, what: &str) -> Option<Self> {
        let (number, truth) = match node.kind {
            Kind::Number(number) => (Some(number), None),
            Kind::Bool(truth) => (None, Some(truth)),
            _ => (None, None),
        };
        reader.text(node, what).map(|text| Self { text, number, truth })
    }

    fn equals(&self, seen: &Seen<'_>, stance: Stance) -> bool {
        *seen.text == self.text
            || self.number.is_some_and(|n| seen.as_number() == Some(n))
            || (stance == Stance::Generous && self.truth.is_some() && seen.as_truth() == self.truth)
    }
}

/// A test for names that match the pattern from end to end.
fn names(pattern: &str) -> Option<Test> {
    let whole = format!("^(?s:{pattern})$");
    let regex = by_case(Case::Folded, |case| {
        RegexBuilder::new(&whole)
            .case_insensitive(case == Case::Folded)
            .size_limit(REGEX_BYTES_MAX)
            .build()
            .ok()
    });
    regex.map(Test::Regex)
}

fn read_tests(reader: &mut Reader, node: &Node, what: &str, reading: Reading) -> Option<Vec<Test>> {
    let case = reading.case();
    let fields = reader.fields(node, what, TESTS)?;
    let mut tests = Vec::new();
    for (key, value) in fields.iter() {
        let order = Order::WORDS.iter().find(|(word, _)| *word == key.text).map(|(_, order)| *order);
        let test = match key.text.as_str() {
            "eq" | "in" if reading == Reading::Names => {
                let texts = reader.list(value, what).into_iter().filter_map(|n| reader.text(n, what));
                names(&texts.map(|text| regex::escape(&text)).collect::<Vec<_>>().join("|"))
            }
            "eq" => Scalar::read(reader, value, "`eq`").map(Test::Equals),
            "in" => {
                let items = reader.list(value, "`in`");
                Some(Test::OneOf(
                    items.into_iter().filter_map(|item| Scalar::read(reader, item, "`in`")).collect(),
                ))
            }
            "glob" => by_case(case, |case| read_glob(reader, value, case)).map(Test::Glob),
            "regex" => by_case(case, |case| read_regex(reader, value, case)).map(Test::Regex),
            "exists" => match value.kind {
                Kind::Bool(wanted) => Some(Test::Exists(wanted)),
                _ => {
                    reader.wrong_type(value, "`exists`", "true or false");
                    None
                }
            },
            "not" => ValueMatch::read_by(reader, value, "`not`", reading).map(Test::Not),
            _ => match order {
                Some(order) => {
                    reader.number(value, &format!("`{}`", key.text)).map(|n| Test::Compare(order, n))
                }
                None => None, // reported by `fields`
            },
        };
        tests.extend(test);
    }
    if fields.iter().next().is_none() {
        reader.error(&node.span, format!("{what} has no test: nothing is compared"));
    }
    refuse_empty_range(reader, node, &tests);
    let absent = tests.iter().any(|t| matches!(t, Test::Exists(false)));
    if absent && tests.len() > 1 {
        reader.error(
            &node.span,
            "a value that does not exist cannot pass another test: nothing can ever match",
        );
    }
    Some(tests)
}

fn refuse_empty_range(reader: &mut Reader, node: &Node, tests: &[Test]) {
    let bounds = |lower: bool| {
        tests.iter().filter_map(move |test| match test {
            Test::Compare(order, bound) if order.is_lower_bound() == lower => Some((*order, *bound)),
            _ => None,
        })
    };
    let empty = bounds(true).any(|(low_order, low)| {
        bounds(false).any(|(high_order, high)| {
            let touching = low_order == Order::GreaterOrEqual && high_order == Order::LessOrEqual;
            low > high || (low >= high && !touching)
        })
    });
    if empty {
        reader.error(&node.span, "no number lies between these bounds: nothing can ever match");
    }
}

/// A faulty pattern is reported once: the second reading happens only if the first one went well.
fn by_case<P>(case: Case, mut read: impl FnMut(Case) -> Option<P>) -> Option<ByCase<P>> {
    let exact = read(Case::Exact)?;
    let folded = if case == Case::Folded { read(Case::Folded) } else { None };
    Some(ByCase { exact, folded })
}

fn read_glob(reader: &mut Reader, node: &Node, case: Case) -> Option<GlobMatcher> {
    let text = reader.text(node, "`glob`")?;
    match GlobBuilder::new(&text).case_insensitive(case == Case::Folded).backslash_escape(true).build() {
        Ok(glob) => Some(glob.compile_matcher()),
        Err(error) => {
            reader.error(&node.span, format!("bad glob: {}", error.kind()));
            None
        }
    }
}

fn read_regex(reader: &mut Reader, node: &Node, case: Case) -> Option<Regex> {
    let text = reader.text(node, "`regex`")?;
    match RegexBuilder::new(&text)
        .case_insensitive(case == Case::Folded)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .build()
    {
        Ok(regex) => Some(regex),
        Err(regex::Error::CompiledTooBig(_)) => {
            reader.error(&node.span, "this regex is too large when compiled");
            None
        }
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            reader.error(&node.span, format!("bad regex: {reason}"));
            None
        }
    }
}

const TESTS: &[&str] = &["eq", "in", "glob", "regex", "gt", "gte", "lt", "lte", "exists", "not"];
/// Beyond 2^53 not every whole number has a float of its own.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
const REGEX_BYTES_MAX: usize = 1 << 20;
