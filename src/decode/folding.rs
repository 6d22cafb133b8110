//! Names that readers in use take for each other.

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
    // Escapes; binary texts of YAML; what another document adds to this one of XML.
    if text.contains(['\\', '%', '&']) || ["!!", "<!", ":include"].iter().any(|mark| text.contains(mark)) {
        return true;
    }
    let name: String = letters(name).collect();
    if text.is_ascii() {
        let text: Vec<u8> = text.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).collect();
        return memmem::find(&text, name.as_bytes()).is_some();
    }
    letters(text).collect::<String>().contains(&name)
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
        assert!(could_name(r#"{"\x72ole": 1}"#, "role"));
        assert!(could_name("<!DOCTYPE user SYSTEM \"//evil.test/x\"><user/>", "role"));
    }
}
