//! Path patterns: `/repos/{owner}/*/issues`, `/api/**`, `/v1/{name}:delete`.

use super::segment::{Case, Segment};
use super::truth::Stance;
use crate::request::Head;

/// A pattern for a whole path. Matches the percent-encoded canonical path.
#[derive(Debug, Clone)]
pub(super) struct PathPattern {
    /// Up to `**`, or all.
    pub(super) head: Vec<Segment>,
    /// What follows `**`, which stands for any number of segments, none included.
    pub(super) tail: Option<Vec<Segment>>,
    /// Whether it ends in `/`.
    slash: bool,
}

impl PathPattern {
    /// # Errors
    /// Why the text is no pattern.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let body = text.strip_prefix('/').ok_or("a path pattern begins with `/`")?;
        let slash = text.ends_with('/');
        let body = body.strip_suffix('/').unwrap_or(body);
        let mut head = Vec::new();
        let mut tail: Option<Vec<Segment>> = None;
        for segment in body.split('/').filter(|_| !body.is_empty()) {
            if segment == "**" {
                if tail.is_some() {
                    return Err("`**` can stand in a path once".to_owned());
                }
                tail = Some(Vec::new());
                continue;
            }
            if segment.contains(['?', '#']) {
                return Err("a path has no `?` or `#`; match parameters with `query`".to_owned());
            }
            let segment = canonical(segment)?;
            let parsed = Segment::parse(&segment).ok_or_else(|| {
                format!("`{segment}` is not a segment: use a text, `*`, `{{name}}` or both")
            })?;
            tail.as_mut().unwrap_or(&mut head).push(parsed);
        }
        Ok(Self { head, tail, slash })
    }

    /// Whether a path, or a reading of one, matches.
    pub(super) fn matches(&self, path: &str, stance: Stance) -> bool {
        match stance {
            Stance::Generous => self.folded(path),
            Stance::Exact => self.exact(path),
        }
    }

    fn folded(&self, path: &str) -> bool {
        self.fits(trimmed(path), Case::Folded)
            || routed(path).is_some_and(|path| self.fits(path, Case::Folded))
    }

    fn exact(&self, path: &str) -> bool {
        if self.tail.is_none() && path.ends_with('/') != self.slash {
            return false;
        }
        self.fits(path.strip_suffix('/').unwrap_or(path), Case::Exact)
    }

    fn fits(&self, path: &str, case: Case) -> bool {
        let mut segments = segments(path);
        for pattern in &self.head {
            if !segments.next().is_some_and(|segment| pattern.matches(segment, case)) {
                return false;
            }
        }
        match &self.tail {
            None => segments.next().is_none(),
            Some(tail) => tail
                .iter()
                .rev()
                .all(|pattern| segments.next_back().is_some_and(|segment| pattern.matches(segment, case))),
        }
    }

    /// Names and what stands for them in the first path or reading that matches.
    pub(super) fn captures<'h>(&self, head: &Head<'h>) -> Vec<(String, &'h str)> {
        let readings = head.readings.iter().map(|reading| &**reading);
        let Some(path) = std::iter::once(head.path).chain(readings).find(|path| self.folded(path)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut segments = segments(trimmed(path));
        for (pattern, segment) in self.head.iter().zip(segments.by_ref()) {
            pattern.capture(segment, &mut found);
        }
        for (pattern, segment) in self.tail.iter().flatten().rev().zip(segments.rev()) {
            pattern.capture(segment, &mut found);
        }
        found
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.head.iter().chain(self.tail.iter().flatten()).flat_map(Segment::names)
    }
}

/// A path without the slashes at its end, which most routers ignore.
pub(super) fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// What routers take a path for besides, if anything: without the format at its end (Rails), and without the front
/// controller before it (Symfony, Laravel).
pub(super) fn routed(path: &str) -> Option<&str> {
    let path = trimmed(path);
    let front = path.strip_prefix("/index.php").filter(|rest| rest.starts_with('/'));
    let inner = front.unwrap_or(path);
    let format = FORMATS.iter().find_map(|format| inner.strip_suffix(format)).filter(|it| !it.ends_with('/'));
    format.or(front)
}

const FORMATS: [&str; 4] = [".json", ".xml", ".html", ".js"];

/// The segments of a path that does not end in `/`; of the root, none.
pub(super) fn segments(path: &str) -> impl DoubleEndedIterator<Item = &str> + Clone {
    let body = path.strip_prefix('/').unwrap_or(path);
    body.split('/').filter(move |_| !path.is_empty())
}

/// The literal text of a segment as a canonical path has it: `%7e` is `~`, a blank is `%20`.
fn canonical(segment: &str) -> Result<String, String> {
    let mut encoded = String::from("/");
    for c in segment.chars() {
        if c.is_ascii_graphic() && c != '\\' {
            encoded.push(c);
        } else {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|b| encoded.push_str(&format!("%{b:02X}")));
        }
    }
    if matches!(segment, "." | ".." | "") {
        return Err(format!("no canonical path has a segment `{segment}`"));
    }
    let target = crate::path::canonical(&encoded).map_err(|error| error.to_string())?;
    Ok(target.path.trim_start_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, folded: bool, exact: bool) {
        let parsed = PathPattern::parse(pattern).unwrap();
        assert_eq!(parsed.folded(path), folded, "{pattern} {path} folded");
        assert_eq!(parsed.exact(path), exact, "{pattern} {path} exact");
    }

    #[test]
    fn patterns_match_paths() {
        check("/repos/{owner}/{repo}", "/repos/acme/site", true, true);
        check("/repos/{owner}/{repo}", "/Repos/acme/site/", true, false);
        check("/repos/{owner}/{repo}", "/repos/acme/site/labels", false, false);
        check("/repos/{owner}/{repo}", "/repos/acme", false, false);
        check("/repos/*/x", "/repos//x", false, false);
        check("/a/**", "/a", true, true);
        check("/a/**", "/a/b/c", true, true);
        check("/a/**", "/ab", false, false);
        check("/**", "/", true, true);
        check("/", "/", true, true);
        check("/", "/a", false, false);
        check("/a/**/z", "/a/z", true, true);
        check("/a/**/z", "/a/b/c/Z", true, false);
        check("/a/**/z", "/a", false, false);
        check("/a/", "/a/", true, true);
        check("/a/", "/a", true, false);
        check("/v1/{p}:setIamPolicy", "/v1/x:setIamPolicy", true, true);
        check("/%7euser/a b", "/~user/a%20b", true, true);
        check("/caf\u{e9}", "/caf%C3%A9", true, true);
    }

    #[test]
    fn bad_patterns_say_why() {
        for bad in ["a", "/a/../b", "/a//b", "/a/{", "/**/a/**", "/a?b", "/a%zz", "/a***"] {
            assert!(PathPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
