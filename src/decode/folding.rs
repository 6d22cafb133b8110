//! Names that readers in use take for each other.

/// Letters that decoders in use take for each other: ASCII case, and the two letters beyond ASCII that fold
/// into it (`ſ` and the Kelvin sign, which Go's JSON decoder accepts in keys).
pub(crate) fn same_folded(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().flat_map(fold).eq(b.chars().flat_map(fold))
}

fn fold(c: char) -> impl Iterator<Item = char> {
    match c {
        'ſ' => 's',
        c => c,
    }
    .to_lowercase()
}
