//! What is wrong with a configuration, all of it at once, each with the text underlined.

use super::tree::Node;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::ops::Range;

/// A text that configuration came from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The file's path, or `environment`.
    pub(super) name: String,
    pub(super) text: String,
}

/// One complaint.
#[derive(Debug)]
struct Problem {
    source: usize,
    span: Range<usize>,
    title: String,
    label: String,
    help: Option<String>,
}

/// The complaints so far.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) const fn count(&self) -> usize {
        self.0.len()
    }

    /// The node is not what its key takes.
    pub(super) fn expected(&mut self, node: &Node, key: &str, expected: &str) {
        self.push(
            node.source,
            &node.span,
            format!("`{key}` cannot be read"),
            format!("expected {expected}"),
            None,
        );
    }

    pub(super) fn push(
        &mut self,
        source: usize,
        span: &Range<usize>,
        title: String,
        label: String,
        help: Option<String>,
    ) {
        self.0.push(Problem { source, span: span.clone(), title, label, help });
    }

    /// The report for people, in the order of the text.
    pub(super) fn render(mut self, sources: &[Source]) -> String {
        self.0.sort_by_key(|p| (p.source, p.span.start));
        let groups: Vec<Group<'_>> = self.0.iter().map(|p| p.group(sources)).collect();
        let renderer = Renderer::plain().decor_style(DecorStyle::Ascii);
        groups.iter().map(|g| renderer.render(std::slice::from_ref(g))).collect::<Vec<_>>().join("\n\n")
    }
}

impl Problem {
    fn group<'a>(&'a self, sources: &'a [Source]) -> Group<'a> {
        let mut group = Group::with_title(Level::ERROR.primary_title(&self.title));
        if let Some(source) = sources.get(self.source) {
            let marker =
                AnnotationKind::Primary.span(within_line(&source.text, &self.span)).label(&self.label);
            group = group.element(Snippet::source(&source.text).path(&source.name).annotation(marker));
        }
        match &self.help {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group,
        }
    }
}

/// The span, cut at the end of its first line and moved to whole characters: a whole map is not underlined.
fn within_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor_boundary(text, span.start.min(text.len()));
    let line_end =
        text.get(start..).and_then(|rest| rest.find(['\n', '\r'])).map_or(text.len(), |n| start + n);
    start..floor_boundary(text, span.end.clamp(start, line_end)).max(start)
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
