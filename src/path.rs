//! One canonical request target: what rules match **and** what goes on the wire (RFC 3986 §6.2.2).
//!
//! Where an origin could read the path on the wire yet another way (`//`, `%2f`, `;parameters`, a second decoding),
//! each such reading is kept: rules that hold or deny are tried on all of them (`path/readings.rs`).
//!
//! Object stores have `//`, `..` and `%2F` in the names of their objects. To them a path goes as it came, to the
//! byte, and the canonical path is one of its readings.

mod readings;

use http::HeaderMap;
use smallvec::SmallVec;
use std::borrow::Cow;

/// A request target, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// Absolute path: unreserved characters decoded, hex digits in upper case, dot segments removed. For an
    /// object store: as it came.
    pub path: Cow<'a, str>,
    /// What follows the first `?`, as sent.
    pub query: Option<&'a str>,
    /// Other ways in which an origin could read the path. Empty for nearly every request.
    pub readings: Readings,
}

/// Paths that an origin could find in another.
pub type Readings = SmallVec<[Box<str>; 0]>;

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
    #[error("the path encodes a control character")]
    Control,
    #[error("the path climbs above its root")]
    AboveRoot,
    #[error("the path does not decode to UTF-8")]
    Utf8,
    #[error("the path can be read in too many ways")]
    Ambiguous,
}

/// What an origin does to a path before it looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// What RFC 3986 allows, or more.
    Normalises,
    /// Nothing: the path is the name of an object.
    Keeps,
}

/// Takes a request target in origin-form apart. Borrows, and allocates nothing, when the target is canonical
/// already and can be read in one way only.
///
/// # Errors
/// A target that has no single sound meaning: see [`TargetError`].
pub fn canonical(target: &str) -> Result<Target<'_>, TargetError> {
    canonical_unless(target, || false)
}

/// As [`canonical`], but the path stays as it came if the origin `keeps` paths, as object stores do. It is asked only
/// when it makes a difference.
///
/// # Errors
/// As [`canonical`]; to an origin that keeps paths, one that climbs above its root is sound.
pub fn canonical_unless(target: &str, keeps: impl FnOnce() -> bool) -> Result<Target<'_>, TargetError> {
    let (raw, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if !raw.starts_with('/') {
        return Err(TargetError::NotAbsolute);
    }
    if let Some(query) = query
        && query.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'#')
    {
        return Err(TargetError::Character);
    }
    if is_plain(raw)? {
        return Ok(Target { path: Cow::Borrowed(raw), query, readings: Readings::new() });
    }
    let origin = if keeps() { Origin::Keeps } else { Origin::Normalises };
    let decoded = decode_unreserved(raw, origin)?;
    if origin == Origin::Keeps {
        let mut readings = readings::of(&decoded, origin)?;
        if decoded != raw {
            readings.push(decoded.into());
        }
        return Ok(Target { path: Cow::Borrowed(raw), query, readings });
    }
    let path = remove_dot_segments(&decoded, origin)?;
    let mut readings = readings::of(&path, origin)?;
    // Who merges slashes or drops parameters before the dots comes to another end. It is not what leaves, but no client
    // that means well writes both.
    if path != decoded && (decoded.contains("//") || decoded.contains(';')) {
        for reading in readings::of(&decoded, origin)? {
            if *reading != *path && !readings.contains(&reading) {
                readings.push(reading);
            }
        }
    }
    let path = if path == raw { Cow::Borrowed(raw) } else { Cow::Owned(path) };
    Ok(Target { path, query, readings })
}

/// What a server takes for the query that splits a canonical path at `?` after it was decoded. Empty for nearly
/// every path.
pub fn late_queries(path: &str) -> Vec<String> {
    if path.contains('%') && (path.contains("3F") || path.contains("3f")) {
        readings::late_queries(path)
    } else {
        Vec::new()
    }
}

/// Adds what a field says that the path was before somebody rewrote it, which some frameworks take for the path.
///
/// # Errors
/// The field has no path that is sound.
pub fn add_named(headers: &HeaderMap, readings: &mut Readings) -> Result<(), TargetError> {
    for value in REWRITTEN.iter().flat_map(|name| headers.get_all(*name)) {
        let value = value.to_str().map_err(|_| TargetError::Character)?;
        let target = match value.split_once("://") {
            Some((scheme, behind)) if !scheme.contains('/') => match behind.find('/') {
                Some(slash) => behind.get(slash..).unwrap_or_default(),
                None => "/",
            },
            _ => value,
        };
        let named = canonical(target.split('#').next().unwrap_or_default())?;
        for reading in std::iter::once(Box::from(&*named.path)).chain(named.readings) {
            if !readings.contains(&reading) {
                readings.push(reading);
            }
        }
        if readings.len() > readings::COUNT_MAX {
            return Err(TargetError::Ambiguous);
        }
    }
    Ok(())
}

/// Whether a path is canonical as it stands, and nobody reads it otherwise.
fn is_plain(raw: &str) -> Result<bool, TargetError> {
    let mut plain = true;
    let mut last = 0;
    for b in raw.bytes() {
        match b {
            // These never go unencoded in a path (RFC 3986 §3.3). Braces and the like are sent raw by some clients
            // and harmless; what splits or folds a path is refused.
            0..=b' ' | 0x7f.. | b'\\' | b'#' => return Err(TargetError::Character),
            b'%' | b';' => plain = false,
            b'.' | b'/' if last == b'/' => plain = false,
            b'/' if last == b'.' => plain = false,
            _ => {}
        }
        last = b;
    }
    Ok(plain && last != b'.')
}

/// Decodes `%41` to `A`, and makes `%2f` into `%2F`.
fn decode_unreserved(raw: &str, origin: Origin) -> Result<String, TargetError> {
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
        if is_refused(value, origin) {
            return Err(TargetError::Control);
        }
        push_encoded(&mut out, value);
    }
    std::str::from_utf8(&decoded).map_err(|_| TargetError::Utf8)?;
    Ok(out)
}

/// One byte that was percent-encoded, as a canonical path has it.
fn push_encoded(out: &mut String, value: u8) {
    if value.is_ascii_alphanumeric() || matches!(value, b'-' | b'.' | b'_' | b'~') {
        out.push(char::from(value));
    } else {
        out.push('%');
        out.extend([value >> 4, value & 15].map(hex_digit));
    }
}

/// Control characters have no business in a path, encoded or not; names of objects may have some.
const fn is_refused(value: u8, origin: Origin) -> bool {
    match origin {
        Origin::Normalises => value < b' ' || value == 0x7f,
        Origin::Keeps => matches!(value, 0 | b'\r' | b'\n'),
    }
}

/// RFC 3986 §5.2.4, but a path that climbs above its root is refused rather than clamped, unless it is a name.
fn remove_dot_segments(path: &str, origin: Origin) -> Result<String, TargetError> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                if kept.pop().is_none() && origin == Origin::Normalises {
                    return Err(TargetError::AboveRoot);
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    Ok(format!("/{}", kept.join("/")))
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

/// Of IIS, and of frameworks that know it (Symfony, Zend).
const REWRITTEN: [&str; 2] = ["x-original-url", "x-rewrite-url"];

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
        reads("/group%252Fproject", "/group%252Fproject", &["/group%2Fproject", "/group/project"]);
        reads("/x/..%2fadmin", "/x/..%2Fadmin", &["/x/../admin", "/admin"]);
        reads("/public/..;/admin", "/public/..;/admin", &["/public/../admin", "/admin"]);
        reads("/x//../admin", "/x/admin", &["/x/../admin", "/admin"]);
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
