//! JSON read strictly (RFC 8259), with duplicate keys kept: servers differ on which of them they take.

use super::same_folded;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::fmt;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    /// A word that stands for a number (protocol buffers): either may be asked for.
    Enum {
        name: String,
        number: i64,
    },
    List(Vec<Self>),
    /// In the order sent; a key can stand here more than once.
    Map(Vec<(String, Self)>),
}

/// A number as its writer most likely meant it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl Number {
    #[expect(clippy::cast_precision_loss, reason = "amounts above 2^53 are not told apart")]
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Unsigned(n) => n as f64,
            Self::Signed(n) => n as f64,
            Self::Float(n) => n,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(n) => n.fmt(f),
            Self::Signed(n) => n.fmt(f),
            Self::Float(n) => n.fmt(f),
        }
    }
}

impl Json {
    /// Whether some object in it has a key twice.
    pub fn has_duplicates(&self) -> bool {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Enum { .. } => false,
            Self::List(items) => items.iter().any(Self::has_duplicates),
            Self::Map(entries) => {
                let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
                keys.sort_unstable();
                let twice = keys.iter().zip(keys.iter().skip(1)).any(|(a, b)| a == b);
                twice || entries.iter().any(|(_, value)| value.has_duplicates())
            }
        }
    }
}

impl Json {
    /// Whether a name in it has this character.
    fn has_key_with(&self, c: char) -> bool {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Enum { .. } => false,
            Self::List(items) => items.iter().any(|item| item.has_key_with(c)),
            Self::Map(entries) => entries.iter().any(|(key, value)| key.contains(c) || value.has_key_with(c)),
        }
    }

    /// Calls `found` with each key and each text in it.
    pub(crate) fn each_text<'j>(&'j self, found: &mut impl FnMut(&'j str)) {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
            Self::Text(text) | Self::Enum { name: text, .. } => found(text),
            Self::List(items) => items.iter().for_each(|item| item.each_text(found)),
            Self::Map(entries) => entries.iter().for_each(|(key, value)| {
                found(key);
                value.each_text(found);
            }),
        }
    }
}

/// What a JSON Patch (RFC 6902) makes of a document, one operation each: the members that it sets, and the names of
/// those that it sets to what cannot be seen. Nothing, where it is none.
pub(super) fn patched(json: &Json) -> (Vec<Json>, Vec<String>) {
    let (mut documents, mut hidden) = (Vec::new(), Vec::new());
    let Json::List(operations) = json else { return (documents, hidden) };
    for operation in operations {
        let Json::Map(members) = operation else { continue };
        let paths = named(members, "path").filter_map(|value| match value {
            Json::Text(path) => path.strip_prefix('/'),
            _ => None,
        });
        for path in paths {
            let names = path.split('/').take(PATH_MAX).map(|name| name.replace("~1", "/").replace("~0", "~"));
            let names: Vec<String> = names.collect();
            for value in named(members, "value") {
                let within = |inner, name: &String| Json::Map(vec![(name.clone(), inner)]);
                documents.push(names.iter().rev().fold(value.clone(), within));
            }
            if named(members, "from").next().is_some() {
                hidden.push(names.join("."));
            }
        }
    }
    (documents, hidden)
}

fn named<'j>(members: &'j [(String, Json)], name: &'static str) -> impl Iterator<Item = &'j Json> {
    members.iter().filter(move |(key, _)| same_folded(key, name)).map(|(_, value)| value)
}

/// One document and nothing behind it. No comments, no trailing commas, nesting to 128. Half of a surrogate pair, which
/// JavaScript and Python write where they cut a text, is U+FFFD in a value, and an error in a name.
pub(super) fn read(text: &str) -> Result<Json, String> {
    let strict = serde_json::from_str(text);
    if strict.is_err()
        && let Some(mended) = without_halves(text)
        && let Ok(json) = serde_json::from_str::<Json>(&mended)
        && !json.has_key_with(char::REPLACEMENT_CHARACTER)
    {
        return Ok(json);
    }
    strict.map_err(|error| format!("no JSON: {error}"))
}

/// The text with `\ufffd` for each half of a surrogate pair; `None`: there is none.
fn without_halves(text: &str) -> Option<String> {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut mended = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = text.get(at..)?.find('\\') {
        let escape = at + found;
        at = match (unit(escape), unit(escape + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => escape + 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str(text.get(copied..escape)?);
                mended.push_str("\\ufffd");
                copied = escape + 6;
                copied
            }
            _ => escape + 1 + text.get(escape + 1..)?.chars().next()?.len_utf8(),
        };
    }
    mended.push_str(text.get(copied..)?);
    (copied > 0).then_some(mended)
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(Number::Unsigned(n)) => serializer.serialize_u64(*n),
            Self::Number(Number::Signed(n)) => serializer.serialize_i64(*n),
            Self::Number(Number::Float(n)) => serializer.serialize_f64(*n),
            Self::Text(text) | Self::Enum { name: text, .. } => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(Number::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(Number::Signed(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(Number::Float(value)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<String, Json>()? {
            if key.contains('\0') {
                return Err(de::Error::custom("a key holds NUL, where some decoders cut it"));
            }
            entries.push((key, value));
        }
        Ok(Json::Map(entries))
    }
}

/// Names in the path of an operation that are looked at.
const PATH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lenient_parsers_take_is_refused() {
        for bad in [
            "",
            "{} {}",
            "{}x",
            "{a: 1}",
            "{'a': 1}",
            "{\"a\": 1,}",
            "[1,]",
            "// c\n{}",
            "NaN",
            "+1",
            "01",
            "1e999",
            "{\"a\\ud800\": 1}",
            "\"\\ud80\"",
            "{\"a\\u0000b\": 1}",
            "{\"a\":1}\n{\"a\":2}",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!(read(&"[".repeat(200)).is_err());
        assert!(read(&format!("{}{}", "[".repeat(1000), "]".repeat(1000))).is_err());
    }

    #[test]
    fn half_a_pair_is_no_character() {
        for (text, read_as) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""\udc00x""#, "\u{fffd}x"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud800 \ud800 é""#, "\\ud800 \u{fffd} é"),
        ] {
            assert_eq!(read(text), Ok(Json::Text(read_as.into())), "{text}");
        }
    }

    #[test]
    fn patches_set_members() {
        let patch = r#"[{"op": "add", "path": "/user/ro~1le", "value": 1}, {"op": "copy", "from": "/a", "path": "/b/c"}]"#;
        let (documents, hidden) = patched(&read(patch).unwrap());
        assert_eq!(documents, [read(r#"{"user": {"ro/le": 1}}"#).unwrap()]);
        assert_eq!(hidden, ["b.c"]);
        assert_eq!(patched(&read(r#"{"path": "/a", "value": 1}"#).unwrap()), (vec![], vec![]));
        assert_eq!(patched(&read(r#"[{"name": "x"}, [1]]"#).unwrap()), (vec![], vec![]));
    }

    #[test]
    fn duplicates_are_kept_and_seen() {
        let twice = read(r#"{"a": 1, "b": {"\u0061": 1, "a": 2}}"#).unwrap();
        assert!(twice.has_duplicates());
        assert_eq!(serde_json::to_string(&twice).unwrap(), r#"{"a":1,"b":{"a":1,"a":2}}"#);
        assert!(!read(r#"{"a": {"a": 1}, "b": [1, -1, 1.5, null, true]}"#).unwrap().has_duplicates());
    }
}
