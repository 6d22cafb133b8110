//! What holds a multipart body together, and is made up anew for each try (RFC 2046 §5.1.1).

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use std::ops::RangeInclusive;

/// A multipart request without its boundary.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// The content type before and after the boundary.
    pub(super) kind: [&'a str; 2],
    /// What stands between the delimiters, the preamble first.
    pub(super) pieces: Vec<&'a [u8]>,
}

/// The request without its boundary. `None` when it is not multipart from the first byte to the last, or says its
/// boundary in a way that readers could read otherwise, or has one that somebody may have chosen; then all of it counts.
/// So it does where the bare boundary stands in a part: some servers split there, dashes or not, and would find more
/// parts under this boundary than under another one.
///
/// Two requests have the same parts only if one is the other with another boundary throughout: text that would be a
/// delimiter under the other boundary is one more delimiter there.
pub(super) fn parts<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Option<Parts<'a>> {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let kind = kinds.next()?.to_str().ok()?;
    if kinds.next().is_some() || !kind.get(..MULTIPART.len())?.eq_ignore_ascii_case(MULTIPART) {
        return None;
    }
    let (before, rest) = kind.split_once(PARAMETER)?;
    let quoted = rest.strip_prefix('"');
    let rest = quoted.unwrap_or(rest);
    let end = rest.find(|c: char| !is_plain(c)).unwrap_or(rest.len());
    let (boundary, after) = rest.split_at_checked(end)?;
    let closed =
        if quoted.is_some() { after.starts_with('"') } else { after.is_empty() || after.starts_with(';') };
    let again = [before, after].iter().any(|text| text.to_ascii_lowercase().contains("boundary"));
    let named = boundary.bytes().any(|byte| byte.is_ascii_alphanumeric()); // dashes alone stand in their own delimiter
    if !closed || again || !named || !BOUNDARY_CHARACTERS.contains(&boundary.len()) {
        return None;
    }
    let delimiter = format!("--{boundary}");
    let mut pieces = Vec::new();
    let mut rest = body;
    for at in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
        if pieces.len() == PIECES_MAX {
            return None;
        }
        let passed = body.len() - rest.len();
        pieces.push(body.get(passed..at)?);
        rest = body.get(at + delimiter.len()..)?;
    }
    pieces.push(rest);
    (is_whole(&pieces) && !is_within(boundary, &pieces)).then_some(Parts { kind: [before, after], pieces })
}

/// Whether delimiters stand where they belong: the first at the very beginning, each other after a line's end, the
/// last closed, and nothing after it.
fn is_whole(pieces: &[&[u8]]) -> bool {
    let [[], parts @ .., end] = pieces else { return false };
    let is_part = |part: &&[u8]| part.len() >= 4 && part.starts_with(b"\r\n") && part.ends_with(b"\r\n");
    !parts.is_empty() && parts.iter().all(is_part) && matches!(*end, b"--" | b"--\r\n")
}

/// Whether the boundary stands in a piece, in whatever letter case.
fn is_within(boundary: &str, pieces: &[&[u8]]) -> bool {
    let boundary = boundary.to_ascii_lowercase();
    let finder = memchr::memmem::Finder::new(&boundary);
    pieces.iter().any(|piece| finder.find(&piece.to_ascii_lowercase()).is_some())
}

/// What every server takes for a part of the boundary: some end it at `=`, and some drop quotes.
const fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+')
}

const MULTIPART: &str = "multipart/";
const PARAMETER: &str = "boundary=";
/// Shorter ones are no random text, and could be a word that means something to who reads the body as something else.
const BOUNDARY_CHARACTERS: RangeInclusive<usize> = 16..=70;
/// Of more than these the whole counts.
const PIECES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(kind: &str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())])
    }

    const BODY: &str =
        "--0123456789abcdef\r\nContent-Disposition: form-data; name=x\r\n\r\n7\r\n--0123456789abcdef--\r\n";
    const KIND: &str = "multipart/form-data; boundary=0123456789abcdef";

    #[test]
    fn the_same_parts_under_another_boundary() {
        let renamed = |text: &str| text.replace("0123456789abcdef", "----fedcba98765432109876");
        let (own, other) = (headers(KIND), headers(&renamed(KIND)));
        let first = parts(&own, BODY.as_bytes()).unwrap();
        assert_eq!((first.kind, first.pieces.len()), (["multipart/form-data; ", ""], 3));
        assert_eq!(parts(&other, renamed(BODY).as_bytes()).unwrap(), first);
        assert_ne!(parts(&other, renamed(BODY).replace("\r\n7\r\n", "\r\n8\r\n").as_bytes()).unwrap(), first);
        // Text that is a delimiter under the other boundary only.
        let text = BODY.replace("\r\n7\r\n", &renamed("\r\n--0123456789abcdef\r\n"));
        assert!(parts(&own, text.as_bytes()).is_some());
        assert_eq!(parts(&other, renamed(&text).as_bytes()), None);
    }

    #[test]
    fn what_could_be_read_otherwise_counts_whole() {
        for kind in [
            "text/plain",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=0123456789abcdef; boundary=b",
            "multipart/form-data; Boundary=b; boundary=0123456789abcdef",
            "multipart/form-data; boundary=\"0123456789abcdef",
            "multipart/form-data; boundary=0123456789abcdef b",
            "multipart/form-data; boundary=another-boundary-x",
        ] {
            assert_eq!(parts(&headers(kind), BODY.as_bytes()), None, "{kind}");
        }
        let own = headers(KIND);
        for body in [
            format!("preamble\r\n{BODY}"),
            format!("{BODY}epilogue"),
            BODY.replace("\r\n7", "7"),
            BODY.replace("7\r\n", "7"),
            BODY.replace("7\r\n--", "7\n--"),
            BODY.replace("--\r\n", ""),
            r#"{"args":["--0123456789abcdef"]}"#.to_owned(),
        ] {
            let expected = body == BODY.replace("\r\n7", "7"); // a part's inside is its own affair
            assert_eq!(parts(&own, body.as_bytes()).is_some(), expected, "{body}");
        }
        // What servers read as a delimiter without its dashes, or as a shorter boundary.
        for (text, expected) in [
            ("0123456789abcdef", false),
            ("0123456789ABCdef", false),
            ("x0123456789abcdefx", false),
            ("0123456789abcde", true),
            ("0123456789 abcdef", true),
        ] {
            let body = BODY.replace("\r\n7\r\n", &format!("\r\n{text}\r\n"));
            assert_eq!(parts(&own, body.as_bytes()).is_some(), expected, "{text}");
        }
        for (boundary, expected) in [
            ("0123456789abcdef=x", false),
            ("'0123456789abcdef'", false),
            ("0123456789'abcdef", false),
            ("------------------", false),
            ("------------------1", true),
            ("0123_4567.89+ab-cdef", true),
        ] {
            for quote in ["", "\""] {
                let kind = format!("multipart/form-data; boundary={quote}{boundary}{quote}");
                let body = BODY.replace("0123456789abcdef", boundary);
                assert_eq!(parts(&headers(&kind), body.as_bytes()).is_some(), expected, "{kind}");
            }
        }
        let mut twice = headers(KIND);
        twice.append(CONTENT_TYPE, KIND.parse().unwrap());
        assert_eq!(parts(&twice, BODY.as_bytes()), None);
        assert_eq!(parts(&headers("multipart/form-data; boundary=force"), b"--force\r\n\r\n--force--"), None);
        let part = "--0123456789abcdef\r\n\r\n".repeat(PIECES_MAX);
        assert_eq!(parts(&own, format!("{part}--0123456789abcdef--").as_bytes()), None);
    }

    proptest! {
        /// The parts and the boundary give the request back: two requests with the same parts differ in nothing else.
        #[test]
        fn nothing_else_is_left_out(boundary in "[a-z0-9]{16,20}", inside in "[a-z0-9\r\n-]{0,60}") {
            let kind = format!("multipart/mixed; boundary={boundary}; charset=x");
            let body = format!("--{boundary}\r\n{inside}\r\n--{boundary}--");
            let headers = headers(&kind);
            let parts = parts(&headers, body.as_bytes()).expect("parts");
            let delimiter = format!("--{boundary}");
            prop_assert_eq!(parts.pieces.join(delimiter.as_bytes()), body.as_bytes());
            prop_assert_eq!(parts.kind.join(&format!("{PARAMETER}{boundary}")), kind);
        }
    }
}
