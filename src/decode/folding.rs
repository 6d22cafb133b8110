//! Names that readers in use take for each other.

use super::media::{is_ascii_label, is_utf8_label};
use memchr::memmem;

/// Letters that decoders in use take for each other: ASCII case, and the letters beyond ASCII that fold into it
/// (`ſ` and the Kelvin sign, which Go's JSON decoder accepts in keys; the two Turkish i, which Java takes for `i`
/// where it compares without case).
pub(crate) fn same_folded(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().flat_map(fold).eq(b.chars().flat_map(fold))
}

/// As [`same_folded`]; and `privateKey` is `private_key`, since readers of JSON for protocol buffers take either.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    same_folded(a, b) || ((a.contains('_') || b.contains('_')) && letters(a).eq(letters(b)))
}

/// Whether a name could stand in a text that nobody can take apart: it is spelled there, or something in it could
/// spell it in another way.
pub(super) fn could_name(text: &str, name: &str) -> bool {
    // Escapes; encoded words; what another document adds to this one of XML.
    if text.contains(['\\', '%', '&']) || ["=?", "<!", ":include"].iter().any(|mark| text.contains(mark)) {
        return true;
    }
    if has_tag(text) || has_own_charset(text) {
        return true;
    }
    let name: String = letters(name).collect();
    if text.is_ascii() {
        let text: Vec<u8> = text.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).collect();
        return memmem::find(&text, name.as_bytes()).is_some();
    }
    letters(text).collect::<String>().contains(&name)
}

/// Whether a tag of YAML can stand in it: one of them makes a name out of base64.
pub(super) fn has_tag(text: &str) -> bool {
    let mut last = ' ';
    let mut rest = text.chars().peekable();
    !text.trim_start().starts_with('<')
        && std::iter::from_fn(|| {
            rest.next().map(|c| (std::mem::replace(&mut last, c), c, rest.peek().copied()))
        })
        .any(|(before, c, next)| {
            c == '!'
                && (before.is_whitespace() || "[{,:-?(".contains(before))
                && next.is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '<' | '!'))
        })
}

/// Whether a document of XML says that it is in a charset of which letters can be written otherwise than in ASCII.
fn has_own_charset(text: &str) -> bool {
    let Some(declaration) = text.trim_start().strip_prefix("<?xml").and_then(|rest| rest.split("?>").next())
    else {
        return false;
    };
    let label = declaration
        .split_once("encoding")
        .map(|(_, rest)| rest.trim_start_matches(['=', ' ', '\t', '\r', '\n']));
    let label =
        label.map(|rest| rest.trim_start_matches(['"', '\'']).split(['"', '\'']).next().unwrap_or_default());
    label.is_some_and(|label| !is_utf8_label(label) && !is_ascii_label(label))
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| *c != '_').flat_map(fold)
}

fn fold(c: char) -> impl Iterator<Item = char> {
    match c {
        'ſ' => 's',
        'ı' | 'İ' => 'i',
        c => c,
    }
    .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_the_same() {
        for (a, b) in [
            ("role", "ROLE"),
            ("is_admin", "isAdmin"),
            ("isadmin", "ıſadmİn"),
            ("key", "\u{212a}ey"),
            ("_role", "role"),
        ] {
            assert!(same_name(a, b), "{a} {b}");
            assert!(could_name(&format!("<{b}>x</{b}>"), a), "{a} {b}");
        }
        for (a, b) in [("role", "roles"), ("role", "ro le"), ("role", ""), ("ö", "o")] {
            assert!(!same_name(a, b), "{a} {b}");
        }
        assert!(!could_name("name: x", "role"));
        assert!(!could_name("name: wow! and more!x", "role"));
        assert!(could_name("!<tag:yaml.org,2002:binary> cm9sZQ==: admin", "role"));
        assert!(could_name("a: x\n!binary cm9sZQ==: admin", "role"));
        assert!(could_name("<?xml version='1.0' encoding='UTF-7'?><+AHI-ole>x</+AHI-ole>", "role"));
        assert!(!could_name("<?xml version='1.0' encoding=\"utf-8\"?><a>x</a>", "role"));
        assert!(could_name(r#"{"\x72ole": 1}"#, "role"));
        assert!(could_name("<!DOCTYPE user SYSTEM \"//evil.test/x\"><user/>", "role"));
    }
}
