//! `application/x-www-form-urlencoded`, for bodies and queries alike, and what frameworks make of the names in it.

use super::folding::{same_folded, same_name};
use std::borrow::Cow;

/// More fields than anybody sends, and more than most servers read.
pub(super) const FIELDS_MAX: usize = 20_000;

/// The pairs in the order sent, decoded, repeated names kept.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    split(text.trim_end_matches(['\r', '\n']), &['&']).map(decoded).collect()
}

/// Pairs that only other readers find: at `;` and at the ends of lines.
pub(super) fn other_pairs(text: &str) -> Vec<(String, String)> {
    const SEPARATORS: &[char] = &['&', ';', '\r', '\n'];
    let text = text.trim_end_matches(['\r', '\n']);
    if !text.contains([';', '\r', '\n']) {
        return Vec::new();
    }
    split(text, SEPARATORS).map(decoded).collect()
}

fn decoded((name, value): (&str, &str)) -> (String, String) {
    (component(name).into_owned(), component(value).into_owned())
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

/// What other readers make of a text out of a form or a JSON document, where it is something else: cut at a NUL
/// (C), without the blanks around it, without what is no UTF-8, decoded a second time.
pub(crate) fn variants(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |variant: &str| {
        if variant != text && !found.iter().any(|known| known == variant) {
            found.push(variant.to_owned());
        }
    };
    // Laravel and JavaScript trim some of the characters that nobody sees.
    let unseen = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let odd = |c: char| c == '\0' || c == char::REPLACEMENT_CHARACTER || c.is_ascii_control() || unseen(c);
    if text.contains(odd) || text.trim() != text {
        add(text.split('\0').next().unwrap_or_default());
        add(text.trim_matches(|c: char| c.is_whitespace() || c.is_ascii_control() || unseen(c)));
        add(&text.replace(odd, ""));
    }
    if text.contains('%') {
        add(&component(text));
        add(&wide(text));
    }
    found
}

/// Undoes `%u0061`, which old servers of Microsoft write and read.
fn wide(text: &str) -> String {
    let mut pieces = text.split("%u");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match (digits.and_then(char::from_u32), piece.get(4..)) {
            (Some(c), Some(rest)) => {
                plain.push(c);
                plain.push_str(rest);
            }
            _ => {
                plain.push_str("%u");
                plain.push_str(piece);
            }
        }
    }
    plain
}

/// Whether a field of a form stands for what a pointer names in any framework: `user[role]`, `user.role` and
/// `user[][role]` for `/user/role`, `role[]`, `role[0]`, `[role]`, `role.` for `role`, `a.b` for `a_b`.
pub(crate) fn is_named(key: &str, pointer: &[Box<str>]) -> bool {
    is_named_plainly(key, pointer) || variants(key).iter().any(|key| is_named_plainly(key, pointer))
}

fn is_named_plainly(key: &str, pointer: &[Box<str>]) -> bool {
    let key = key.trim_start_matches(['?', '!']); // `!name` is Spring's default for `name`
    // Cheap, since a body can be nothing but names.
    let shortest = pointer.iter().filter(|segment| !is_place(segment)).map(|segment| letters(segment)).min();
    if key.len() < shortest.unwrap_or_default() {
        return false;
    }
    if let [name] = pointer {
        let bare = match key.split_once('[') {
            Some((bare, rest)) if !name.contains('[') && rest.ends_with(']') => bare,
            _ => key,
        };
        if same_name(bare, name)
            || (name.contains('_') && same_folded(&key.replace(['.', ' ', '['], "_"), name))
        {
            return true;
        }
    }
    let segments: Vec<&str> = key.split(['[', ']', '.']).filter(|segment| !segment.is_empty()).collect();
    segments.len() <= SEGMENTS_MAX && leads(&segments, pointer)
}

fn letters(name: &str) -> usize {
    name.bytes().filter(|b| *b != b'_').count() / FOLDED_BYTES_MAX
}

/// Whether segments of a name lead where the pointer does; a place in a list may be left out.
fn leads(key: &[&str], pointer: &[Box<str>]) -> bool {
    if let [first, rest @ ..] = pointer
        && is_place(first)
    {
        return leads(key, rest) || key.split_first().is_some_and(|(_, key)| leads(key, rest));
    }
    match (key, pointer) {
        ([], []) => true,
        ([place, key @ ..], _) if place.bytes().all(|b| b.is_ascii_digit()) && leads(key, pointer) => true,
        ([segment, key @ ..], [first, rest @ ..]) => same_name(segment.trim(), first) && leads(key, rest),
        _ => false,
    }
}

/// Whether a segment of a pointer stands for a place in a list.
pub(crate) fn is_place(segment: &str) -> bool {
    segment == "*" || (!segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit()))
}

const fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

const SEGMENTS_MAX: usize = 64;
/// A letter can be written in so many bytes less than another that it is taken for (`K` for the Kelvin sign).
const FOLDED_BYTES_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(text: &str) -> Vec<Box<str>> {
        text.split('/').map(Into::into).collect()
    }

    #[test]
    fn names_of_frameworks_lead_where_pointers_do() {
        for (key, to) in [
            ("role", "role"),
            ("Role", "role"),
            ("role[]", "role"),
            ("role[0]", "role"),
            ("[role]", "role"),
            ("role.", "role"),
            (" role", "role"),
            ("role\0x", "role"),
            ("?role", "role"),
            ("%72ole", "role"),
            ("%u0072ole", "role"),
            ("ro\u{fffd}le", "role"),
            ("user[role]", "user/role"),
            ("user.role", "user/role"),
            ("user[role][]", "user/role"),
            ("user.role", "user_role"),
            ("user role", "user_role"),
            ("items[0][price]", "items/0/price"),
            ("items[][price]", "items/0/price"),
            ("items[7].price", "items/*/price"),
            ("labels[env]", "labels/*"),
        ] {
            assert!(is_named(key, &pointer(to)), "{key} {to}");
        }
        for (key, to) in [
            ("roles", "role"),
            ("user[role]", "role"),
            ("role", "user/role"),
            ("user[name]", "user/role"),
            ("items[0][cost]", "items/0/price"),
            ("", "role"),
            ("0", "role"),
        ] {
            assert!(!is_named(key, &pointer(to)), "{key} {to}");
        }
    }

    proptest::proptest! {
        #[test]
        fn names_never_panic(key in ".{0,40}", to in "[a-z0-9*/\\[]{1,20}") {
            let _ = is_named(&key, &pointer(&to));
            let _ = other_pairs(&key);
        }

        #[test]
        fn a_value_comes_back(value in ".{0,40}") {
            let coded: String = value.bytes().map(|b| format!("%{b:02x}")).collect();
            proptest::prop_assert_eq!(component(&coded), value);
        }
    }
}
