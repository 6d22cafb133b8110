//! YAML text as a tree in which every node knows where it stands, so that each complaint can point.

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;
use std::ops::Range;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Index into the list of sources: 0 is the file, the others are environment variables.
    pub(super) source: usize,
    /// Bytes of the source's text.
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    /// No key takes one; kept so that the complaint can say what was found.
    Float,
    Text(String),
    List(Vec<Node>),
    /// In the order of writing. Keys are texts; double ones were refused by the parser.
    Map(Vec<(Node, Node)>),
}

/// What the parser has against the text.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

/// Reads YAML, and therefore JSON. `at` is where `text` begins in its source.
pub(super) fn parse(text: &str, source: usize, at: usize) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! { with_snippet: false };
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let span = error.location().map_or(0..0, |location| place_of(&location, text));
        SyntaxError { span: shifted(&span, at), message: plain_message(&error) }
    })?;
    Ok(place(raw, source, at, text.len()))
}

/// Without the position, which the report shows.
fn plain_message(error: &serde_saphyr::Error) -> String {
    let message = error.without_snippet().to_string();
    let first = message.lines().next().unwrap_or_default();
    first.split(" at line ").next().unwrap_or(first).to_owned()
}

fn place(raw: Spanned<Raw>, source: usize, at: usize, end: usize) -> Node {
    let span = shifted(&bytes_of(&raw.referenced, end), at);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Integer(value) => Value::Integer(value),
        Raw::Float => Value::Float,
        Raw::Text(value) => Value::Text(value),
        Raw::List(items) => Value::List(items.into_iter().map(|n| place(n, source, at, end)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let span = shifted(&bytes_of(&key.referenced, end), at);
                    let key = Node { source, span, value: Value::Text(key.value) };
                    (key, place(value, source, at, end))
                })
                .collect(),
        ),
    };
    Node { source, span, value }
}

/// The place of an error: where the parser gives no bytes, the line and the column.
fn place_of(location: &Location, text: &str) -> Range<usize> {
    if location.span().byte_offset().is_some() {
        return bytes_of(location, text.len());
    }
    let read = |n: u64| usize::try_from(n.saturating_sub(1)).unwrap_or_default();
    let line: usize = text.split_inclusive('\n').take(read(location.line())).map(str::len).sum();
    let rest = text.get(line..).unwrap_or_default();
    let at = line + rest.char_indices().nth(read(location.column())).map_or(rest.len(), |(at, _)| at);
    at..at
}

fn bytes_of(location: &Location, end: usize) -> Range<usize> {
    let span = location.span();
    let read = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
    let start = read(span.byte_offset()).unwrap_or_default().min(end);
    start..start.saturating_add(read(span.byte_len()).unwrap_or_default()).min(end)
}

fn shifted(span: &Range<usize>, by: usize) -> Range<usize> {
    span.start.saturating_add(by)..span.end.saturating_add(by)
}

/// As the parser hands it over.
enum Raw {
    Null,
    Bool(bool),
    Integer(i128),
    Float,
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Float)
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_points_at_its_text() {
        let text = "listen: 1\ncontrol:\n  listen: \"a b\"\nrules: [x, yy]\nsolo: true\nlog: ~\n";
        let Value::Map(entries) = parse(text, 0, 0).unwrap().value else { panic!("a map") };
        let shown: Vec<_> = entries
            .iter()
            .map(|(k, v)| (text.get(k.span.clone()), text.get(v.span.clone()), &v.value))
            .collect();
        insta::assert_debug_snapshot!(shown);
    }

    #[test]
    fn syntax_errors_point() {
        for bad in ["a: [1, 2", "a: 1\na: 2\n", "a: b: c", "{", "a: *nowhere", "a: !x y: z"] {
            let error = parse(bad, 0, 0).unwrap_err();
            assert!(!error.message.is_empty() && error.span.end <= bad.len(), "{bad}: {error:?}");
        }
    }
}
