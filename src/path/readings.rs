//! The readings of a path: whatever origins in use make of it, in any order and any number of times.
//!
//! A front decodes and a router decodes again; a container drops `;parameters` before it removes dot segments, or
//! after. So each thing that is done to paths is a step, and the readings are all paths that steps lead to. There are
//! few: a path that can be read in many ways is refused.

use super::{Origin, Readings, TargetError, hex, is_refused, push_encoded, remove_dot_segments};
use unicode_normalization::UnicodeNormalization as _;

/// What an origin may do to a path. `None`: it makes no difference to this one.
type Step = fn(&str, Origin) -> Result<Option<String>, TargetError>;

const STEPS: [Step; 9] = [
    decode,
    |path, _| Ok(separate(path)),
    |path, _| Ok(each(path, without_parameters)),
    |path, _| Ok(merge(path)),
    without_dots,
    |path, _| Ok(each(path, without_blanks)),
    |path, _| Ok(each(path, without_last_dots)),
    |path, _| Ok(cut(path)),
    |path, _| Ok(compatible(path)),
];

/// The other readings of a path whose encoding is canonical. So is that of each of them.
pub(super) fn of(path: &str, origin: Origin) -> Result<Readings, TargetError> {
    let mut known = Readings::new();
    let mut bytes = 0;
    let mut at = 0;
    let mut current = Box::from(path);
    loop {
        for step in STEPS {
            let Some(reading) = step(&current, origin)? else { continue };
            if reading == path || known.iter().any(|one| **one == *reading) {
                continue;
            }
            bytes += reading.len();
            known.push(reading.into());
            if known.len() > COUNT_MAX || bytes > BYTES_MAX {
                return Err(TargetError::Ambiguous);
            }
        }
        let Some(next) = known.get(at) else { return Ok(known) };
        current = next.clone();
        at += 1;
    }
}

/// See [`super::late_queries`].
pub(super) fn late_queries(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = path.to_owned();
    for _ in 0..DECODINGS_MAX {
        if let Some((_, query)) = current.split_once("%3F") {
            let query = query.split("%23").next().unwrap_or_default();
            let query = percent_encoding::percent_decode_str(query).decode_utf8_lossy().into_owned();
            if !found.contains(&query) {
                found.push(query);
            }
        }
        let Ok(Some(next)) = decode(&current, Origin::Keeps) else { break };
        current = next;
    }
    found
}

/// Decodes every percent-encoding once; what a path cannot have raw is encoded again.
fn decode(path: &str, origin: Origin) -> Result<Option<String>, TargetError> {
    if !path.contains('%') {
        return Ok(None);
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(b) = bytes.next() {
        let mut ahead = bytes.clone();
        match (b, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                let value = high << 4 | low;
                if is_refused(value, origin) {
                    return no_reading(origin, TargetError::Control);
                }
                decoded.push(value);
                bytes = ahead;
            }
            _ => decoded.push(b),
        }
    }
    let Ok(decoded) = String::from_utf8(decoded) else { return no_reading(origin, TargetError::Utf8) };
    if has_unicode_escape(&decoded) {
        return no_reading(origin, TargetError::PercentEncoding);
    }
    encoded(&decoded, origin).map(|reading| reading.filter(|reading| reading != path))
}

/// `%u0075`, which IIS and old frameworks read.
fn has_unicode_escape(text: &str) -> bool {
    text.as_bytes().windows(6).any(
        |six| matches!(six, [b'%', b'u' | b'U', digits @ ..] if digits.iter().all(u8::is_ascii_hexdigit)),
    )
}

/// A text as a canonical path has it. What looks like a percent-encoding is one.
fn encoded(text: &str, origin: Origin) -> Result<Option<String>, TargetError> {
    let mut out = String::with_capacity(text.len());
    let mut values = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let mut ahead = rest.clone();
        let mut digit = || ahead.next().and_then(|c| u8::try_from(c).ok()).and_then(hex);
        match (c, digit(), digit()) {
            ('%', Some(high), Some(low)) => {
                let value = high << 4 | low;
                if is_refused(value, origin) {
                    return no_reading(origin, TargetError::Control);
                }
                values.push(value);
                push_encoded(&mut out, value);
                rest = ahead;
            }
            _ if c.is_ascii_graphic() && !matches!(c, '%' | '\\' | '?' | '#') => {
                values.extend(u8::try_from(c));
                out.push(c);
            }
            _ => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    values.push(byte);
                    push_encoded(&mut out, byte);
                }
            }
        }
    }
    match std::str::from_utf8(&values) {
        Ok(_) => Ok(Some(out)),
        Err(_) => no_reading(origin, TargetError::Utf8),
    }
}

/// Names of objects are what they are; of any other path, what cannot be decoded is a trick.
fn no_reading(origin: Origin, error: TargetError) -> Result<Option<String>, TargetError> {
    if origin == Origin::Keeps { Ok(None) } else { Err(error) }
}

/// Encoded slashes and backslashes are separators, and nothing else is decoded.
fn separate(path: &str) -> Option<String> {
    changed(path, path.replace("%2F", "/").replace("%5C", "/"))
}

/// Empty segments are none.
fn merge(path: &str) -> Option<String> {
    let mut merged = path.to_owned();
    while merged.contains("//") {
        merged = merged.replace("//", "/");
    }
    changed(path, merged)
}

fn without_dots(path: &str, origin: Origin) -> Result<Option<String>, TargetError> {
    Ok(changed(path, remove_dot_segments(path, origin)?))
}

fn without_parameters(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default()
}

/// As whoever trims a name.
fn without_blanks(segment: &str) -> &str {
    let mut rest = segment;
    while let Some(shorter) = BLANKS.iter().find_map(|blank| rest.strip_suffix(blank)) {
        rest = shorter;
    }
    while let Some(shorter) = BLANKS.iter().find_map(|blank| rest.strip_prefix(blank)) {
        rest = shorter;
    }
    rest
}

/// As Windows does with names of files. Dot segments are something else.
fn without_last_dots(segment: &str) -> &str {
    let shorter = segment.trim_end_matches('.');
    if shorter.is_empty() { segment } else { shorter }
}

/// The path ends where, once decoded, a query or a fragment begins.
fn cut(path: &str) -> Option<String> {
    let end = [path.find("%3F"), path.find("%23")].into_iter().flatten().min()?;
    path.get(..end).map(str::to_owned)
}

/// Characters that readers take for others: NFKC (full-width letters, ligatures), letters that fold into ASCII,
/// slashes that best-fit mappings make of others, and characters that nobody sees.
fn compatible(path: &str) -> Option<String> {
    let beyond_ascii = path.as_bytes().windows(2).any(|two| matches!(two, [b'%', b'8'..=b'9' | b'A'..=b'F']));
    if !beyond_ascii {
        return None;
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(b) = bytes.next() {
        let mut ahead = bytes.clone();
        match (b, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (b'%', Some(high @ 8..), Some(low)) => {
                decoded.push(high << 4 | low);
                bytes = ahead;
            }
            _ => decoded.push(b),
        }
    }
    let text = String::from_utf8(decoded).ok()?;
    let alike: String = text.chars().filter(|c| !is_unseen(*c)).nfkc().map(alike).collect();
    let reading = encoded(&alike, Origin::Keeps).ok().flatten()?;
    changed(path, reading)
}

const fn alike(c: char) -> char {
    match c {
        'ı' | 'İ' => 'i',
        '\u{2044}' | '\u{2215}' | '\u{29f8}' => '/',
        '\u{2216}' | '\u{29f5}' | '\u{29f9}' => '\\',
        other => other,
    }
}

/// What case folding for identifiers leaves out (Unicode, Default_Ignorable_Code_Point), as far as it is used.
const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Does something to each segment.
fn each(path: &str, step: fn(&str) -> &str) -> Option<String> {
    if path.split('/').all(|segment| step(segment).len() == segment.len()) {
        return None;
    }
    Some(path.split('/').map(step).collect::<Vec<_>>().join("/"))
}

fn changed(path: &str, reading: String) -> Option<String> {
    (reading != path).then_some(reading)
}

/// Blanks as canonical paths have them; object names may have tabs.
const BLANKS: [&str; 4] = ["%20", "%09", "%0B", "%0C"];
/// What five ambiguities at once come to. No client has so many.
pub(super) const COUNT_MAX: usize = 64;
const BYTES_MAX: usize = 256 << 10;
/// A third decoder behind the origin's front is as far as anybody was seen to go.
const DECODINGS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::super::{canonical, canonical_unless};
    use super::*;
    use proptest::prelude::*;

    /// Whether one of the ways to read the target is `path`.
    #[track_caller]
    fn may_be(target: &str, path: &str) {
        let got = canonical(target).unwrap_or_else(|error| panic!("{target}: {error}"));
        let all: Vec<&str> = std::iter::once(&*got.path).chain(got.readings.iter().map(|r| &**r)).collect();
        assert!(all.contains(&path), "{target} is none of {all:?}");
    }

    #[test]
    fn every_order_of_steps_counts() {
        for target in [
            "/admin/x",
            "//admin/x",
            "/%61dmin/x",
            "/%2561dmin/x",
            "/%252561dmin/x",
            "/admin%2Fx",
            "/admin%5cx",
            "/admin%252fx",
            "/admin%255Cx",
            "/admin;a=b/x",
            "/admin/x;a=b/",
            "/admin%3Ba/x",
            "/admin%253Ba/x",
            "/admin./x",
            "/admin.%20/x",
            "/admin%20./x",
            "/%20admin/x",
            "/admin/x%3Fy",
            "/admin/x%23y",
            "/admin/x%253fy",
            "/a/..;/admin/x",
            "/a/..;b=c/admin/x",
            "/a//..;/admin/x",
            "/a/%2F..%2Fadmin/x",
            "/a/..%5Cadmin/x",
            "/a/..%255Cadmin/x",
            "/a/%252e%252e/admin/x",
            "/a/%252e%252e%252fadmin%252fx",
            "/a/.%252e/admin/x",
            "/a/..%20/admin/x",
            "/admin/%252e/x",
            "/admin%2F.%2Fx",
            "/admin/y/..%2Fx",
            "/%EF%BD%81dmin/x",
            "/%EF%BC%8Fadmin/x",
            "/admin%EF%BC%8Fx",
            "/admin%E2%88%95x",
            "/adm%C4%B1n/x",
            "/admin%C2%A0/x",
            "/ad%E2%80%8Bmin/x",
            "/a/%EF%BC%8E%EF%BC%8E/admin/x",
            "/a/%E2%80%A5/admin/x",
        ] {
            let got = canonical(target).unwrap_or_else(|error| panic!("{target}: {error}"));
            let all = || std::iter::once(&*got.path).chain(got.readings.iter().map(|r| &**r));
            let found = all().any(|path| path.trim_end_matches('/').trim_start_matches('/') == "admin/x");
            assert!(found, "{target}: {:?}", all().collect::<Vec<_>>());
        }
        may_be("/a//..;/b", "/b");
        may_be("/a//..;/b", "/a/b");
    }

    #[test]
    fn what_nobody_reads_otherwise_has_no_readings() {
        for target in
            ["/a/b%20c", "/caf%C3%A9/x", "/%E6%97%A5%E6%9C%AC", "/a.b/v1.2.3", "/.well-known/x", "/..."]
        {
            assert_eq!(canonical(target).unwrap().readings.len(), 0, "{target}");
        }
    }

    #[test]
    fn what_can_be_read_in_too_many_ways_is_refused() {
        let deep = format!("/a%{}2fb", "25".repeat(200));
        assert_eq!(canonical(&deep), Err(TargetError::Ambiguous));
        let long = format!("/{}%252f", "a/".repeat(100_000));
        assert_eq!(canonical(&long), Err(TargetError::Ambiguous));
        for bad in ["/%2500", "/a%250d%250ab", "/%25ff", "/a/..%2f..%2fb", "/%09", "/%7f"] {
            assert!(canonical(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_objects_stay_as_they_are() {
        for raw in [
            "/bucket/a/../b",
            "/bucket//x",
            "/bucket/%2e%2e/x",
            "/../x",
            "/%75sers/1",
            "/a;b",
            "/b/a%09b",
            "/k%25ff",
        ] {
            let got = canonical_unless(raw, || true).unwrap_or_else(|error| panic!("{raw}: {error}"));
            assert_eq!(got.path, raw);
        }
        let readings = |raw| canonical_unless(raw, || true).unwrap().readings;
        let has = |raw, path: &str| readings(raw).iter().any(|reading| **reading == *path);
        assert!(has("/bucket/a/../b", "/bucket/b") && has("/bucket/%2E%2e/b", "/b") && has("/../b", "/b"));
        assert!(has("/%75sers/1", "/users/1"));
    }

    #[test]
    fn queries_that_begin_late_are_found() {
        assert_eq!(super::super::late_queries("/users/1%3Fa=b%26c%3Dd%23e"), ["a=b&c=d"]);
        assert_eq!(super::super::late_queries("/users/1%253f_method=DELETE"), ["_method=DELETE"]);
        assert!(super::super::late_queries("/users/%33F").is_empty());
    }

    /// Ways to write a character that is read as itself, sooner or later.
    fn written(c: char, how: u8) -> String {
        match how % 8 {
            1 => format!("%{:02x}", u32::from(c)),
            2 => format!("%{:02X}", u32::from(c)),
            3 => format!("%25{:02x}", u32::from(c)),
            4 if c == '/' => "//".to_owned(),
            5 if c == '/' => "/./".to_owned(),
            6 if c == '/' => ";p=1/".to_owned(),
            7 if c == '/' => "/q/../".to_owned(),
            _ => c.to_string(),
        }
    }

    proptest! {
        /// However a path is written, it is among the readings of what was written, or that is refused.
        #[test]
        fn no_spelling_loses_a_path(
            path in "(/[a-z]{1,6}){1,4}",
            how in proptest::collection::vec(0_u8..40, 30),
        ) {
            // The slash in front stays: a target begins with it.
            let target: String = path
                .chars()
                .zip(how)
                .enumerate()
                .map(|(at, (c, how))| if at == 0 { c.to_string() } else { written(c, how) })
                .collect();
            if let Ok(got) = canonical(&target) {
                let found = got.path == path || got.readings.iter().any(|reading| **reading == *path);
                prop_assert!(found, "{} -> {} or {:?}", target, got.path, got.readings);
            }
        }

        #[test]
        fn readings_are_few_and_canonical(raw in "/([a-c]|%2[0-9a-f]|%5c|%25|%3[BF]|[./;]|%EF%BC%8F){0,24}") {
            for keeps in [false, true] {
                let Ok(got) = canonical_unless(&raw, || keeps) else { continue };
                prop_assert!(got.readings.len() <= COUNT_MAX + 1);
                for reading in &got.readings {
                    prop_assert!(reading.starts_with('/'), "{}", reading);
                    let again = super::super::decode_unreserved(reading, Origin::Keeps);
                    prop_assert_eq!(again.as_deref(), Ok(&**reading));
                }
            }
        }
    }
}
