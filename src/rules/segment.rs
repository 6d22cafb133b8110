//! Patterns of one part of a path or of a host name: what stands between two slashes or dots.

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(Box<str>),
    /// `*` or `{name}`: anything but nothing.
    Any(Option<Box<str>>),
    /// `{project}:setIamPolicy`, `*.git`.
    Pieces(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Box<str>),
    Any(Option<Box<str>>),
}

/// Whether letter case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Folded,
    Exact,
}

impl Case {
    pub(super) fn same(self, a: &str, b: &str) -> bool {
        match self {
            Self::Folded => a.eq_ignore_ascii_case(b) || same_beyond_ascii(a, b),
            Self::Exact => a == b,
        }
    }
}

impl Segment {
    /// Reads a segment; `None` when a brace does not close or a name is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['*', '{', '}']) {
            let (literal, behind) = rest.split_at(at);
            if !literal.is_empty() {
                pieces.push(Piece::Text(literal.into()));
            }
            if let Some(behind) = behind.strip_prefix('*') {
                pieces.push(Piece::Any(None));
                rest = behind;
            } else {
                let (name, behind) = behind.strip_prefix('{')?.split_once('}')?;
                let sound =
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
                pieces.push(Piece::Any(Some(sound.then(|| name.into())?)));
                rest = behind;
            }
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        let adjacent = pieces.iter().zip(pieces.iter().skip(1));
        if adjacent.into_iter().any(|(a, b)| matches!((a, b), (Piece::Any(_), Piece::Any(_)))) {
            return None;
        }
        Some(match pieces.as_mut_slice() {
            [] => Self::Literal("".into()),
            [Piece::Text(text)] => Self::Literal(std::mem::take(text)),
            [Piece::Any(name)] => Self::Any(name.take()),
            _ => Self::Pieces(pieces),
        })
    }

    pub(super) fn matches(&self, segment: &str, case: Case) -> bool {
        match self {
            Self::Literal(text) => case.same(text, segment),
            Self::Any(_) => !segment.is_empty(),
            Self::Pieces(pieces) => fit(pieces, segment, case, &mut |_, _| {}),
        }
    }

    /// Names and what stands for them, if the segment matches.
    pub(super) fn capture<'s>(&self, segment: &'s str, found: &mut Vec<(String, &'s str)>) {
        match self {
            Self::Any(Some(name)) => found.push((name.to_string(), segment)),
            Self::Literal(_) | Self::Any(None) => {}
            Self::Pieces(pieces) => {
                fit(pieces, segment, Case::Folded, &mut |name, text| found.push((name.to_owned(), text)));
            }
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let (own, pieces) = match self {
            Self::Any(name) => (name.as_deref(), [].as_slice()),
            Self::Literal(_) => (None, [].as_slice()),
            Self::Pieces(pieces) => (None, pieces.as_slice()),
        };
        own.into_iter().chain(pieces.iter().filter_map(|piece| match piece {
            Piece::Any(name) => name.as_deref(),
            Piece::Text(_) => None,
        }))
    }
}

/// Whether the pieces make up the whole segment. Each wildcard takes as little as it can, but something; the
/// last one takes the rest. No two wildcards stand side by side.
fn fit<'s>(pieces: &[Piece], segment: &'s str, case: Case, captured: &mut dyn FnMut(&str, &'s str)) -> bool {
    match pieces {
        [] => segment.is_empty(),
        [Piece::Text(text), rest @ ..] => match segment.split_at_checked(text.len()) {
            Some((start, behind)) if case.same(start, text) => fit(rest, behind, case, captured),
            _ => false,
        },
        [Piece::Any(name)] => {
            captured(name.as_deref().unwrap_or_default(), segment);
            !segment.is_empty()
        }
        [Piece::Any(name), rest @ ..] => {
            let ends = segment.char_indices().skip(1).map(|(at, _)| segment.split_at(at));
            for (taken, behind) in ends {
                if fit(rest, behind, case, &mut |_, _| {}) {
                    captured(name.as_deref().unwrap_or_default(), taken);
                    return fit(rest, behind, case, captured);
                }
            }
            false
        }
    }
}

/// Whether two texts with letters beyond ASCII, which stand there percent-encoded, differ in letter case only.
fn same_beyond_ascii(a: &str, b: &str) -> bool {
    let folded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().to_lowercase();
    // A `%` of one's own is encoded as well, so that what decodes alike is alike.
    has_beyond_ascii(a) && has_beyond_ascii(b) && folded(a) == folded(b)
}

/// Whether a percent-encoded text has characters beyond ASCII.
pub(super) fn has_beyond_ascii(text: &str) -> bool {
    text.as_bytes().windows(2).any(|two| matches!(two, [b'%', b'8'..=b'9' | b'A'..=b'F']))
}

/// FNV-1a over letters in lower case: the same for all spellings that [`Case::Folded`] takes for one.
pub(super) fn folded_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, segment: &str, expected: Option<&[(&str, &str)]>) {
        let pattern = Segment::parse(pattern).unwrap();
        assert_eq!(pattern.matches(segment, Case::Folded), expected.is_some());
        if let Some(expected) = expected {
            let mut found = Vec::new();
            pattern.capture(segment, &mut found);
            let found: Vec<(&str, &str)> =
                found.iter().filter(|(n, _)| !n.is_empty()).map(|(n, v)| (n.as_str(), *v)).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn segments_match_whole() {
        check("repos", "Repos", Some(&[]));
        check("repos", "repo", None);
        check("*", "x", Some(&[]));
        check("*", "", None);
        check("{owner}", "acme", Some(&[("owner", "acme")]));
        check("{p}:setIamPolicy", "x:y:setIamPolicy", Some(&[("p", "x:y")]));
        check("{p}:setIamPolicy", ":setIamPolicy", None);
        check("*.git", "a.git", Some(&[]));
        check("*.git", "a.gitx", None);
        check("a*b*c", "aXbXbXc", Some(&[]));
        check("caf%C3%A9", "CAF%C3%89", Some(&[]));
        check("caf%C3%A9", "CAF%C3%A8", None);
        for bad in ["{", "{a", "a}", "{}", "{a b}", "**", "*{a}"] {
            assert_eq!(Segment::parse(bad), None, "{bad}");
        }
    }
}
