//! Text that others wrote, fit to be shown.

use crate::redact::visible;
use std::fmt;

/// A text whose invisible and direction-changing characters stand there as code points, and whose runs of
/// blanks, which push what follows out of sight, are counted. Templates escape it and isolate it in `<bdi>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown(String);

impl Shown {
    pub(super) fn of(text: &str) -> Self {
        Self(folded(&visible(text)))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Long runs of one blank character as `⟨40 spaces⟩`.
fn folded(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = rest.trim_start_matches(first);
        let run = rest.len().saturating_sub(after.len());
        match first {
            ' ' if run > SPACES_MAX => shown.push_str(&format!("⟨{run} spaces⟩")),
            '\n' if run > BREAKS_MAX => shown.push_str(&format!("\n⟨{run} line breaks⟩\n")),
            '\t' if run > TABS_MAX => shown.push_str(&format!("⟨{run} tabs⟩")),
            _ => shown.push_str(rest.get(..run).unwrap_or_default()),
        }
        rest = after;
    }
    shown
}

/// More than indentation needs.
const SPACES_MAX: usize = 48;
const TABS_MAX: usize = 12;
const BREAKS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_blanks_are_counted() {
        assert_eq!(folded("a  b\n\nc"), "a  b\n\nc");
        assert_eq!(folded(&format!("a{}b", " ".repeat(500))), "a⟨500 spaces⟩b");
        assert_eq!(folded(&format!("a{}b", "\n".repeat(90))), "a\n⟨90 line breaks⟩\nb");
    }
}
