//! `application/x-www-form-urlencoded`, for bodies and queries alike.

use std::borrow::Cow;

/// The pairs in the order sent, decoded, repeated names kept.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    split(text.trim_end_matches(['\r', '\n']), &['&'])
        .map(|(name, value)| (component(name).into_owned(), component(value).into_owned()))
        .collect()
}

/// Whether a text without a label could be taken for a form: it has a pair, and nothing that a form encodes.
pub(super) fn looks_like_one(text: &str) -> bool {
    text.contains('=') && !text.trim_end().contains(|c: char| c <= ' ' || "<>{}\"\\`".contains(c))
}

/// Names and values, still encoded.
pub(crate) fn split<'t>(text: &'t str, separators: &'t [char]) -> impl Iterator<Item = (&'t str, &'t str)> {
    text.split(separators)
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Undoes `+` and percent-encoding; borrows when there is none. What does not decode to UTF-8 is replaced by
/// U+FFFD, as servers do.
pub(crate) fn component(coded: &str) -> Cow<'_, str> {
    if !coded.contains(['%', '+']) {
        return Cow::Borrowed(coded);
    }
    let mut bytes = Vec::with_capacity(coded.len());
    let mut rest = coded.bytes();
    while let Some(b) = rest.next() {
        let mut ahead = rest.clone();
        match (b, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (b'+', ..) => bytes.push(b' '),
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = ahead;
            }
            _ => bytes.push(b),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

const fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}
