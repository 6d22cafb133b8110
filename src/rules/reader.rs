//! Walks the tree of one file and gathers every problem on the way.

use super::report::{Problem, Severity};
use super::tree::{Key, Kind, Node};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// One file being read, and what is wrong with it so far.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) file: String,
    pub(super) source: Arc<str>,
    pub(super) problems: Vec<Problem>,
}

/// The entries of a map whose keys were checked.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    entries: Vec<(&'n Key, &'n Node)>,
    pub(super) span: Range<usize>,
}

impl<'n> Fields<'n> {
    pub(super) fn find(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| *node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'n Key, &'n Node)> {
        self.entries.iter().copied()
    }
}

impl Reader {
    pub(super) fn error(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.problem(span, message, None);
    }

    pub(super) fn error_help(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problem(span, message, Some(help.into()));
    }

    fn problem(&mut self, span: &Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.problems.push(Problem::new(Severity::Error, &self.file, &self.source, span, message, help));
    }

    /// The line that a span starts on, from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.position(span).0
    }

    /// The text of a node as it stands in the file, and again with what it refers to elsewhere (aliases).
    pub(super) fn text_of(&self, node: &Node) -> String {
        format!("{}\n{}", self.source.get(node.span.clone()).unwrap_or_default(), self.written(node))
    }

    /// Line and column, both from 1.
    pub(super) fn position(&self, span: &Range<usize>) -> (usize, usize) {
        let problem = Problem::new(Severity::Warning, "", &self.source, span, "", None);
        (problem.line, problem.column)
    }

    /// The text of a node as written, in one line.
    pub(super) fn written(&self, node: &Node) -> String {
        let words = |node: &Node| {
            let text = self.source.get(node.span.clone()).unwrap_or_default();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        match &node.kind {
            Kind::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.written(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Kind::Map(entries) => {
                let entry = |(key, value): &(Key, Node)| format!("{}: {}", key.text, self.written(value));
                format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => words(node),
        }
    }

    /// A map with known keys only; `what` names it in messages.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let fields = self.map(node, what)?;
        for (key, _) in fields.iter() {
            if !known.contains(&key.text.as_str()) {
                let help = did_you_mean(&key.text, known).map_or_else(
                    || format!("known here: {}", known.join(", ")),
                    |k| format!("did you mean `{k}`?"),
                );
                self.error_help(&key.span, format!("unknown key `{}` in {what}", key.text), help);
            }
        }
        Some(fields)
    }

    /// A map with any keys, each once.
    pub(super) fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &node.kind else {
            self.wrong_type(node, what, "a map");
            return None;
        };
        let mut seen: Vec<(&Key, &Node)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            if seen.iter().any(|(earlier, _)| earlier.text == key.text) {
                self.error(&key.span, format!("`{}` is given twice in {what}", key.text));
            } else {
                seen.push((key, value));
            }
        }
        Some(Fields { entries: seen, span: node.span.clone() })
    }

    /// A list, or one value that stands for a list of one. Empty lists are refused: nothing can match them.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Vec<&'n Node> {
        match &node.kind {
            Kind::List(items) => {
                if items.is_empty() {
                    self.error(&node.span, format!("{what} is an empty list: nothing can ever match it"));
                }
                items.iter().collect()
            }
            Kind::Null => {
                self.wrong_type(node, what, "a value or a list");
                Vec::new()
            }
            Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => vec![node],
        }
    }

    /// A text; a number or a truth value is taken as written.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Number(_) | Kind::Bool(_) => Some(self.written(node)),
            Kind::Null | Kind::List(_) | Kind::Map(_) => {
                self.wrong_type(node, what, "a text");
                None
            }
        }
    }

    /// A text that says something.
    pub(super) fn sentence(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        if text.trim().is_empty() {
            self.error(&node.span, format!("{what} is empty"));
            return None;
        }
        Some(text.trim().to_owned())
    }

    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        self.list(node, what).into_iter().filter_map(|item| self.sentence(item, what)).collect()
    }

    pub(super) fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        match &node.kind {
            Kind::Number(number) if number.is_finite() => Some(*number),
            _ => {
                self.wrong_type(node, what, "a number");
                None
            }
        }
    }

    /// A whole number from 1 to `max`.
    pub(super) fn count(&mut self, node: &Node, what: &str, max: u32) -> Option<u32> {
        let number = self.number(node, what)?;
        if number.fract() != 0.0 || number < 1.0 || number > f64::from(max) {
            self.error(&node.span, format!("{what} is a whole number from 1 to {max}"));
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just above")]
        Some(number as u32)
    }

    /// `90s`, `10m`, `4h`, `2d`, `1h30m`.
    pub(super) fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let text = self.text(node, what)?;
        let parsed = text.parse::<jiff::Span>().ok().and_then(|span| {
            let whole_days = jiff::SpanRelativeTo::days_are_24_hours();
            Duration::try_from(span.to_duration(whole_days).ok()?).ok()
        });
        if parsed.is_none() {
            self.error_help(
                &node.span,
                format!("{what} is not a duration: `{text}`"),
                "write a number and a unit: 90s, 10m, 4h, 2d, 1h30m",
            );
        }
        parsed
    }

    /// `4096`, `64KiB`, `1MiB`, `2 GB`.
    pub(super) fn bytes(&mut self, node: &Node, what: &str) -> Option<u64> {
        let text = self.text(node, what)?;
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor: Option<u64> = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => Some(1),
            "kb" => Some(1000),
            "mb" => Some(1_000_000),
            "gb" => Some(1_000_000_000),
            "k" | "kib" => Some(1 << 10),
            "m" | "mib" => Some(1 << 20),
            "g" | "gib" => Some(1 << 30),
            _ => None,
        };
        let parsed = number.parse::<u64>().ok().zip(factor).and_then(|(n, f)| n.checked_mul(f));
        if parsed.is_none() {
            self.error_help(
                &node.span,
                format!("{what} is not a size: `{text}`"),
                "write a number of bytes, or a number and a unit: 64KiB, 1MiB",
            );
        }
        parsed
    }

    /// One of a closed set of words.
    pub(super) fn choice<T: Copy>(&mut self, node: &Node, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let help = did_you_mean(&text, &words)
                .map_or_else(|| format!("one of: {}", words.join(", ")), |k| format!("did you mean `{k}`?"));
            self.error_help(&node.span, format!("{what} cannot be `{text}`"), help);
        }
        found
    }

    pub(super) fn wrong_type(&mut self, node: &Node, what: &str, wanted: &str) {
        self.error(&node.span, format!("{what} should be {wanted}, found {}", node.kind.name()));
    }
}

/// The known word that is nearest to a misspelt one, if one is near.
pub(super) fn did_you_mean<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

const LIKENESS_MIN: f64 = 0.8;
