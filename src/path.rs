//! One canonical request target: what rules match **and** what goes on the wire (RFC 3986 §6.2.2).
//!
//! Where an origin could read the canonical path yet another way (`//`, `%2f`, `;parameters`, a second
//! decoding), each such reading is kept: rules that hold or deny are tried on all of them.

use smallvec::SmallVec;
use std::borrow::Cow;

/// A request target, taken apart and made canonical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// Absolute path: unreserved characters decoded, hex digits in upper case, dot segments removed.
    pub path: Cow<'a, str>,
    /// What follows the first `?`, as sent.
    pub query: Option<&'a str>,
    /// Other ways in which an origin could read the path. Empty for nearly every request.
    pub readings: SmallVec<[Box<str>; 0]>,
}

/// Why a request target is refused: a client that means well never sends these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    #[error("the path holds a character that must be percent-encoded")]
    Character,
    #[error("a `%` in the path is not followed by two hexadecimal digits")]
    PercentEncoding,
    #[error("the path encodes a NUL or line break")]
    Control,
    #[error("the path climbs above its root")]
    AboveRoot,
    #[error("the path does not decode to UTF-8")]
    Utf8,
}

/// Takes a request target in origin-form apart. Borrows, and allocates nothing, when the target is canonical
/// already and can be read in one way only.
///
/// # Errors
/// A target that has no single sound meaning: see [`TargetError`].
pub fn canonical(target: &str) -> Result<Target<'_>, TargetError> {
    let (raw, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if !raw.starts_with('/') {
        return Err(TargetError::NotAbsolute);
    }
    if let Some(query) = query
        && query.bytes().any(|b| b <= b' ' || b >= 0x7f || b == b'#')
    {
        return Err(TargetError::Character);
    }
    let mut plain = true;
    let mut last = 0;
    for b in raw.bytes() {
        match b {
            0..=b' ' | 0x7f.. | b'\\' | b'#' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                // These never go unencoded in a path (RFC 3986 §3.3). Braces and the like are sent raw by
                // some clients and harmless; what splits or folds a path is refused.
                if matches!(b, 0..=b' ' | 0x7f.. | b'\\' | b'#') {
                    return Err(TargetError::Character);
                }
            }
            b'%' | b';' => plain = false,
            b'.' | b'/' if last == b'/' => plain = false,
            _ => {}
        }
        last = b;
    }
    if plain {
        return Ok(Target { path: Cow::Borrowed(raw), query, readings: SmallVec::new() });
    }
    let path = remove_dot_segments(&decode_unreserved(raw)?)?;
    let readings = other_readings(&path)?;
    let path = if path == raw { Cow::Borrowed(raw) } else { Cow::Owned(path) };
    Ok(Target { path, query, readings })
}

/// Decodes `%41` to `A`, and makes `%2f` into `%2F`.
fn decode_unreserved(raw: &str) -> Result<String, TargetError> {
    let mut out = String::with_capacity(raw.len());
    let mut decoded: Vec<u8> = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(b) = bytes.next() {
        if b != b'%' {
            out.push(char::from(b));
            decoded.push(b);
            continue;
        }
        let (Some(high), Some(low)) = (bytes.next().and_then(hex), bytes.next().and_then(hex)) else {
            return Err(TargetError::PercentEncoding);
        };
        let value = high << 4 | low;
        decoded.push(value);
        match value {
            0 | b'\r' | b'\n' => return Err(TargetError::Control),
            v if v.is_ascii_alphanumeric() || matches!(v, b'-' | b'.' | b'_' | b'~') => {
                out.push(char::from(v))
            }
            v => {
                out.push('%');
                out.extend([v >> 4, v & 15].map(hex_digit));
            }
        }
    }
    std::str::from_utf8(&decoded).map_err(|_| TargetError::Utf8)?;
    Ok(out)
}

/// RFC 3986 §5.2.4, but a path that climbs above its root is refused rather than clamped.
fn remove_dot_segments(path: &str) -> Result<String, TargetError> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop().ok_or(TargetError::AboveRoot)?;
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    Ok(format!("/{}", kept.join("/")))
}

/// The other readings of a canonical path, each canonical itself.
fn other_readings(path: &str) -> Result<SmallVec<[Box<str>; 0]>, TargetError> {
    let mut readings: SmallVec<[Box<str>; 0]> = SmallVec::new();
    let mut current = path.to_owned();
    for _ in 0..DECODINGS_MAX {
        let loose = loosest(&current)?;
        if loose != path && !readings.iter().any(|r| **r == *loose) {
            readings.push(loose.into());
        }
        let Some(next) = decode_once(&current)? else { break };
        current = next;
    }
    Ok(readings)
}

/// As the most lenient origin reads it: separators decoded, backslashes folded, parameters and empty
/// segments dropped, dot segments removed.
fn loosest(path: &str) -> Result<String, TargetError> {
    let slashes = path
        .replace("%2F", "/")
        .replace("%2f", "/")
        .replace("%5C", "/")
        .replace("%5c", "/")
        .replace('\\', "/");
    let stripped: Vec<&str> = slashes
        .split('/')
        .map(|s| s.split(';').next().unwrap_or_default())
        .map(|s| s.split("%3B").next().unwrap_or_default().trim_end_matches("%20"))
        .filter(|s| !s.is_empty())
        .collect();
    let trailing = if slashes.ends_with('/') && !stripped.is_empty() { "/" } else { "" };
    remove_dot_segments(&format!("/{}{trailing}", stripped.join("/")))
}

/// Decodes every percent-encoding once, or says that there is none left. What becomes undecodable stays.
fn decode_once(path: &str) -> Result<Option<String>, TargetError> {
    if !path.contains('%') {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.bytes().peekable();
    let mut changed = false;
    while let Some(b) = bytes.next() {
        let mut ahead = bytes.clone();
        match (b, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                let value = high << 4 | low;
                if matches!(value, 0 | b'\r' | b'\n') {
                    return Err(TargetError::Control);
                }
                out.push(value);
                bytes = ahead;
                changed = true;
            }
            _ => out.push(b),
        }
    }
    if !changed {
        return Ok(None);
    }
    String::from_utf8(out).map(Some).map_err(|_| TargetError::Utf8)
}

/// In upper case (RFC 3986 §2.1).
fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or_default().to_ascii_uppercase()
}

const fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

/// A third decoder behind the origin's front is as far as anybody was seen to go.
const DECODINGS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(target: &str, path: &str, readings: &[&str]) {
        let got = canonical(target).unwrap_or_else(|e| panic!("{target}: {e}"));
        assert_eq!(got.path, path, "{target}");
        let others: Vec<&str> = got.readings.iter().map(AsRef::as_ref).collect();
        assert_eq!(others, readings, "{target}");
    }

    #[test]
    fn plain_targets_borrow() {
        let got = canonical("/repos/acme/site?per_page=1&x=%zz").unwrap();
        assert!(matches!(got.path, Cow::Borrowed("/repos/acme/site")));
        assert_eq!(got.query, Some("per_page=1&x=%zz"));
        assert!(got.readings.is_empty());
    }

    #[test]
    fn spellings_become_one() {
        reads("/%75sers", "/users", &[]);
        reads("/a/./b/../c", "/a/c", &[]);
        reads("/a/%2e%2E/c", "/c", &[]);
        reads("/a%2fb", "/a%2Fb", &["/a/b"]);
        reads("/a//b", "/a//b", &["/a/b"]);
        reads("/a;v=1/b", "/a;v=1/b", &["/a/b"]);
        reads("/group%252Fproject", "/group%252Fproject", &["/group/project"]);
        reads("/x/..%2fadmin", "/x/..%2Fadmin", &["/admin"]);
        reads("/public/..;/admin", "/public/..;/admin", &["/admin"]);
    }

    #[test]
    fn what_has_no_single_meaning_is_refused() {
        for bad in [
            "",
            "x",
            "/a b",
            "/a\\b",
            "/a%",
            "/a%2",
            "/a%zz",
            "/%00",
            "/%0d",
            "/../x",
            "/a/../../b",
            "/%ff",
            "/a#b",
            "/%c0%af",
            "/é",
            "/a?b c",
        ] {
            assert!(canonical(bad).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn canonical_is_a_fixed_point(raw in "/[a-z%0-9A-F./;]{0,30}") {
            if let Ok(target) = canonical(&raw) {
                let again = canonical(&target.path).expect("a canonical path is sound");
                proptest::prop_assert_eq!(&again.path, &target.path);
            }
        }

        #[test]
        fn never_panics(raw in "\\PC{0,40}") {
            let _ = canonical(&raw);
        }
    }
}
