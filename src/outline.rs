//! JSON laid out for reading, token by token as it was sent.
//!
//! Nothing is parsed into values and printed again: that would drop the first of two equal keys, round large
//! numbers and undo escapes, and a reviewer would see another text than the one that leaves.

use crate::redact::visible;
use serde::de::IgnoredAny;
use std::collections::BTreeSet;

/// A JSON text as lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outline {
    pub lines: Vec<Line>,
    /// Keys that stand twice in one object, as pointers: servers differ on which one counts.
    pub repeated: Vec<String>,
}

/// One line: how deep, its coloured parts, and whether a rule matched here.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub depth: usize,
    pub parts: Vec<Part>,
    pub marked: bool,
}

impl Line {
    /// Blanks before the first part.
    pub fn indent(&self) -> String {
        "  ".repeat(self.depth)
    }
}

/// A token in visible characters. `class` is one letter for the style sheet: key, string, number or word,
/// punctuation.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    pub class: &'static str,
    pub text: String,
}

impl Outline {
    /// Lays out `text`, marking the values at these JSON pointers (RFC 6901) with all that is in them.
    /// `None`: it is not JSON, or nested deeper than is sensible.
    pub fn of(text: &str, marked: &BTreeSet<&str>) -> Option<Self> {
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        let mut writer = Writer::new(marked);
        let mut rest = text;
        while let Some((token, after)) = next_token(rest) {
            writer.token(token, after);
            rest = after;
        }
        writer.end_line();
        Some(writer.outline)
    }
}

/// What is open around the token being written.
struct Level {
    object: bool,
    /// Key or index of the value that comes now.
    segment: String,
    keys: BTreeSet<String>,
    index: usize,
    expects_key: bool,
}

struct Writer<'m> {
    marked: &'m BTreeSet<&'m str>,
    outline: Outline,
    line: Line,
    levels: Vec<Level>,
    /// Number of open levels inside which everything is marked.
    marked_from: Option<usize>,
}

impl<'m> Writer<'m> {
    fn new(marked: &'m BTreeSet<&'m str>) -> Self {
        let marked_from = marked.contains("").then_some(0);
        Self { marked, outline: Outline::default(), line: Line::default(), levels: Vec::new(), marked_from }
    }

    fn token(&mut self, token: &str, after: &str) {
        match token {
            "{" | "[" => self.open(token, after),
            "}" | "]" => self.close(token),
            "," => self.comma(),
            ":" => self.push("p", ": "),
            _ if token.starts_with('"') => self.string(token),
            _ => {
                self.enter_value();
                self.push("n", token);
                self.leave_value();
            }
        }
    }

    fn open(&mut self, token: &str, after: &str) {
        self.enter_value();
        self.push("p", token);
        let object = token == "{";
        self.levels.push(Level {
            object,
            segment: "0".to_owned(),
            keys: BTreeSet::new(),
            index: 0,
            expects_key: object,
        });
        if !matches!(next_token(after), Some(("}" | "]", _))) {
            self.end_line();
        }
    }

    fn close(&mut self, token: &str) {
        let empty = self.line.parts.last().is_some_and(|part| matches!(part.text.as_str(), "{" | "["));
        if !empty {
            self.end_line();
        }
        self.levels.pop();
        self.push("p", token);
        self.leave_value();
    }

    fn comma(&mut self) {
        self.push("p", ",");
        self.end_line();
        if let Some(level) = self.levels.last_mut() {
            level.index += 1;
            level.expects_key = level.object;
            if !level.object {
                level.segment = level.index.to_string();
            }
        }
    }

    fn string(&mut self, token: &str) {
        let pointer = self.pointer_to_parent();
        match self.levels.last_mut() {
            Some(level) if level.expects_key => {
                level.expects_key = false;
                let key: String = serde_json::from_str(token).unwrap_or_default();
                level.segment = key.replace('~', "~0").replace('/', "~1");
                if !level.keys.insert(key) {
                    self.outline.repeated.push(visible(&format!("{pointer}/{}", level.segment)).into_owned());
                }
                self.mark_value();
                self.push("k", token);
            }
            _ => {
                self.enter_value();
                self.push("s", token);
                self.leave_value();
            }
        }
    }

    /// Items of arrays are marked when they begin; members of objects were marked at their key.
    fn enter_value(&mut self) {
        if self.levels.last().is_some_and(|level| !level.object) {
            self.mark_value();
        }
    }

    fn mark_value(&mut self) {
        if self.marked_from.is_none() && !self.marked.is_empty() {
            let segment = self.levels.last().map(|level| level.segment.as_str()).unwrap_or_default();
            let pointer = format!("{}/{segment}", self.pointer_to_parent());
            if self.marked.contains(pointer.as_str()) {
                self.marked_from = Some(self.levels.len());
            }
        }
        self.line.marked |= self.marked_from.is_some();
    }

    fn leave_value(&mut self) {
        if self.marked_from.is_some_and(|from| from != 0 && self.levels.len() <= from) {
            self.marked_from = None;
        }
    }

    fn pointer_to_parent(&self) -> String {
        let above = self.levels.len().saturating_sub(1);
        self.levels.iter().take(above).fold(String::new(), |text, level| text + "/" + &level.segment)
    }

    fn push(&mut self, class: &'static str, token: &str) {
        if self.line.parts.is_empty() {
            self.line.depth = self.levels.len();
            self.line.marked |= self.marked_from.is_some();
        }
        self.line.parts.push(Part { class, text: visible(token).into_owned() });
    }

    fn end_line(&mut self) {
        if !self.line.parts.is_empty() {
            self.outline.lines.push(std::mem::take(&mut self.line));
        }
    }
}

/// The first token of a text that is known to be JSON, and what follows it.
fn next_token(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r']);
    let first = text.bytes().next()?;
    let length = match first {
        b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
        b'"' => string_length(text),
        _ => text.bytes().position(|b| b" \t\n\r,]}:".contains(&b)).unwrap_or(text.len()),
    };
    text.split_at_checked(length)
}

/// Bytes from the opening quote to the closing one, both included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The lines as text, marked ones with `>` before them.
    #[track_caller]
    fn check(text: &str, marked: &[&str], expected: &str) -> Vec<String> {
        let outline = Outline::of(text, &marked.iter().copied().collect()).expect("this is JSON");
        let lines = outline.lines.iter().map(|line| {
            let parts: String = line.parts.iter().map(|part| part.text.as_str()).collect();
            format!("{}{}{parts}", if line.marked { ">" } else { " " }, line.indent())
        });
        assert_eq!(lines.collect::<Vec<_>>().join("\n"), expected);
        outline.repeated
    }

    #[test]
    fn values_stay_as_they_were_sent() {
        check(
            r#"{"amount":12000000000000000000000.10,"a\u0062":"\u202e","e":{},"l":[ ]}"#,
            &[],
            concat!(
                " {\n",
                "   \"amount\": 12000000000000000000000.10,\n",
                "   \"a\\u0062\": \"\\u202e\",\n",
                "   \"e\": {},\n",
                "   \"l\": []\n",
                " }"
            ),
        );
        check("7", &[], " 7");
    }

    #[test]
    fn matched_values_are_marked_whole() {
        check(
            r#"{"a":[1,{"x/y":true}],"b":{"c":[1]},"d":2}"#,
            &["/a/1/x~1y", "/b", "/d"],
            concat!(
                " {\n",
                "   \"a\": [\n",
                "     1,\n",
                "     {\n",
                ">      \"x/y\": true\n",
                "     }\n",
                "   ],\n",
                ">  \"b\": {\n",
                ">    \"c\": [\n",
                ">      1\n",
                ">    ]\n",
                ">  },\n",
                ">  \"d\": 2\n",
                " }"
            ),
        );
        check("[1,2]", &[""], ">[\n>  1,\n>  2\n>]");
    }

    #[test]
    fn keys_that_stand_twice_are_told() {
        let repeated = check(
            r#"{"a":{"b":1,"\u0062":2}}"#,
            &[],
            " {\n   \"a\": {\n     \"b\": 1,\n     \"\\u0062\": 2\n   }\n }",
        );
        assert_eq!(repeated, ["/a/b"]);
    }

    #[test]
    fn other_texts_are_no_json() {
        for text in ["", "{", "a=b", "{\"a\":1}x", &"[".repeat(5000)] {
            assert_eq!(Outline::of(text, &BTreeSet::new()), None);
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i64>().prop_map(Into::into),
            "[a\\\\\"{},: ]{0,6}".prop_map(Into::into)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[a/~\"]{0,2}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect()))
            ]
        })
    }

    proptest! {
        /// Laid out and read again, it is the same value.
        #[test]
        fn nothing_is_lost(value in any_json()) {
            let outline = Outline::of(&value.to_string(), &BTreeSet::new()).expect("this is JSON");
            let parts = outline.lines.iter().flat_map(|line| &line.parts);
            let joined: String = parts.map(|part| part.text.as_str()).collect();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&joined).unwrap(), value);
        }
    }
}
