//! Problems in rule files: each with file, line, column, the text underlined and what was expected.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Whether a set can be used in spite of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    pub severity: Severity,
    /// As [`super::Source::name`].
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The text that it is about.
    pub text: String,
    #[serde(skip)]
    span: Range<usize>,
    #[serde(skip)]
    source: Arc<str>,
}

impl Problem {
    /// A problem with a span of bytes of a file.
    pub(super) fn new(
        severity: Severity,
        file: &str,
        source: &Arc<str>,
        span: &Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Self {
        let start = floor_char_boundary(source, span.start);
        let end = floor_char_boundary(source, span.end).max(start);
        let before = source.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            severity,
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            message: message.into(),
            help,
            text: source.get(start..end).unwrap_or_default().to_owned(),
            span: start..end,
            source: Arc::clone(source),
        }
    }

    fn groups(&self) -> Vec<Group<'_>> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let snippet = Snippet::source(&*self.source)
            .path(self.file.as_str())
            .annotation(AnnotationKind::Primary.span(self.span.clone()));
        let mut group = level.primary_title(self.message.as_str()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        vec![group]
    }

    /// The problem with its source text underlined, for a terminal.
    pub fn render(&self, renderer: &Renderer) -> String {
        renderer.render(&self.groups())
    }
}

/// All that is wrong with a set of files, with file, line, column and the text underlined.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Report {
    pub problems: Vec<Problem>,
}

impl Report {
    /// Every problem underlined, then a count; with colours for a terminal that has them.
    pub fn render(&self, renderer: &Renderer) -> String {
        let mut out = String::new();
        for problem in &self.problems {
            out.push_str(&problem.render(renderer));
            out.push_str("\n\n");
        }
        let count = self.problems.len();
        out.push_str(&format!(
            "{count} {} in the rule files",
            if count == 1 { "problem" } else { "problems" }
        ));
        out
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

impl std::error::Error for Report {}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
