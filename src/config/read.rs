//! From written keys to typed values: what each kind of key takes, and what is said when it is not that.

use super::KEYS;
use super::problem::{Problems, Source};
use super::tree::{self, Node, Value};
use crate::units;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that was written, by full key; the environment has overwritten the file.
#[derive(Debug, Default)]
pub(super) struct Reader {
    sources: Vec<Source>,
    entries: BTreeMap<&'static str, Node>,
    field: Field,
}

impl Reader {
    /// Takes in the file's text, before any variable.
    pub(super) fn file(&mut self, name: String, text: String) {
        let source = FILE;
        match tree::parse(&text, source, 0) {
            Ok(Node { value: Value::Null, .. }) => {}
            Ok(Node { value: Value::Map(entries), .. }) => self.flatten("", entries),
            Ok(node) => self.field.problems.expected(&node, "the file", "a map of keys"),
            Err(error) => self.syntax(source, &error),
        }
        self.sources.push(Source { name, text });
    }

    /// Takes in one `HOLDPOINT_…` variable. An empty one is as good as none: compose files and manifests pass
    /// those on when nobody set them.
    pub(super) fn variable(&mut self, name: &str, value: &str) {
        let source = self.sources.len();
        let text = format!("{name}={value}");
        let at = name.len() + 1;
        let span = at..text.len();
        match KEYS.iter().find(|key| variable_of(key) == name) {
            None => {
                let help = nearest(name, KEYS.iter().map(|key| variable_of(key)))
                    .map(|near| format!("did you mean `{near}`?"));
                let label = "no key has this name".to_owned();
                self.field.problems.push(
                    source,
                    &(0..name.len()),
                    format!("unknown variable `{name}`"),
                    label,
                    help,
                );
            }
            Some(_) if value.is_empty() => {}
            // A structure is YAML; all else is its plain text, whatever YAML would make of it.
            Some(key) if value.trim_start().starts_with(['[', '{']) || value.contains('\n') => {
                match tree::parse(value, source, at) {
                    Ok(node) => drop(self.entries.insert(key, node)),
                    Err(error) => self.syntax(source, &error),
                }
            }
            Some(key) => {
                self.entries.insert(key, Node { source, span, value: Value::Text(value.to_owned()) });
            }
        }
        self.sources.push(Source { name: "environment".to_owned(), text });
    }

    /// The value of a key, read by `read`. `None`: not written, or written wrongly, which is noted.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Field, &Node) -> Option<T>,
    ) -> Option<T> {
        debug_assert!(KEYS.contains(&key), "`{key}` is missing in the list of keys");
        let node = self.entries.remove(key)?;
        if node.value == Value::Null {
            return None; // `key:` with nothing after it
        }
        self.field.key = key;
        read(&mut self.field, &node)
    }

    /// Whether a key was written and has not been taken.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|node| node.value != Value::Null)
    }

    /// Complains of a value that was read, seen with others.
    pub(super) fn note<T>(&mut self, key: &'static str, node: &Node, expected: &str) -> Option<T> {
        self.field.key = key;
        self.field.wrong(node, expected)
    }

    /// All that was wrong, rendered; and how many things.
    pub(super) fn finish(self) -> Result<(), (usize, String)> {
        match self.field.problems.count() {
            0 => Ok(()),
            count => Err((count, self.field.problems.render(&self.sources))),
        }
    }

    /// Written keys that nobody asked for.
    #[cfg(test)]
    pub(super) fn untaken(&self) -> Vec<&'static str> {
        self.entries.keys().copied().collect()
    }

    fn flatten(&mut self, prefix: &str, entries: Vec<(Node, Node)>) {
        for (name, node) in entries {
            let Value::Text(text) = &name.value else { continue };
            let full = if prefix.is_empty() { text.clone() } else { format!("{prefix}.{text}") };
            let has_keys_inside =
                KEYS.iter().any(|key| key.strip_prefix(&full).is_some_and(|rest| rest.starts_with('.')));
            let nested = has_keys_inside && matches!(node.value, Value::Map(_));
            if let Some(key) = KEYS.iter().find(|key| **key == full && !nested) {
                if self.entries.insert(key, node).is_some() {
                    let label = "written above already".to_owned();
                    self.field.problems.push(
                        name.source,
                        &name.span,
                        format!("`{key}` is given twice"),
                        label,
                        None,
                    );
                }
            } else if has_keys_inside {
                match node.value {
                    Value::Map(inner) => self.flatten(&full, inner),
                    Value::Null => {}
                    _ => self.field.problems.expected(&node, &full, "a map of keys"),
                }
            } else {
                let help = nearest(&full, KEYS.iter().map(|key| (*key).to_owned()))
                    .map(|near| format!("did you mean `{near}`?"));
                let label = "no key has this name".to_owned();
                self.field.problems.push(
                    name.source,
                    &name.span,
                    format!("unknown key `{full}`"),
                    label,
                    help,
                );
            }
        }
    }

    fn syntax(&mut self, source: usize, error: &tree::SyntaxError) {
        let title = "the text is not well-formed YAML".to_owned();
        self.field.problems.push(source, &error.span, title, error.message.clone(), None);
    }
}

/// Index of the file among the sources; variables come after it.
const FILE: usize = 0;

/// The environment variable of a key: `hold.max-held-bytes` → `HOLDPOINT_HOLD_MAX_HELD_BYTES`.
pub(super) fn variable_of(key: &str) -> String {
    format!("HOLDPOINT_{}", key.replace(['.', '-'], "_").to_ascii_uppercase())
}

fn nearest(wrong: &str, names: impl Iterator<Item = String>) -> Option<String> {
    names
        .map(|name| (strsim::jaro_winkler(wrong, &name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// A key that is being read: notes what is wrong with its value.
#[derive(Debug, Default)]
pub(super) struct Field {
    key: &'static str,
    problems: Problems,
}

impl Field {
    pub(super) fn wrong<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
        self.problems.expected(node, self.key, expected);
        None
    }

    /// The value is right, but something must stand beside it.
    pub(super) fn lacks<T>(&mut self, node: &Node, title: &str, help: &str) -> Option<T> {
        let label = "written here".to_owned();
        self.problems.push(node.source, &node.span, title.to_owned(), label, Some(help.to_owned()));
        None
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T>(
        &mut self,
        node: &Node,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let Value::Text(text) = &node.value else { return self.wrong(node, expected) };
        parse(text.trim()).or_else(|| self.wrong(node, expected))
    }

    pub(super) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => self.parsed(node, "`true` or `false`", |text| text.parse().ok()),
        }
    }

    /// A whole number above zero.
    pub(super) fn count(&mut self, node: &Node) -> Option<usize> {
        let expected = "a whole number above zero";
        let number = match node.value {
            Value::Integer(number) => usize::try_from(number).ok(),
            Value::Text(ref text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|n| *n > 0).or_else(|| self.wrong(node, expected))
    }

    /// Bytes.
    pub(super) fn size(&mut self, node: &Node) -> Option<usize> {
        let expected = "a size such as `64KiB`, `16MiB` or a number of bytes";
        let bytes = match node.value {
            Value::Integer(number) => u64::try_from(number).ok(),
            Value::Text(ref text) => units::size(text.trim()),
            _ => None,
        };
        bytes.and_then(|n| usize::try_from(n).ok()).or_else(|| self.wrong(node, expected))
    }

    pub(super) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let expected = "a duration such as `30s`, `5m`, `4h` or `7d`";
        match node.value {
            Value::Integer(seconds) => units::duration(&seconds.to_string()),
            Value::Text(ref text) => units::duration(text.trim()),
            _ => None,
        }
        .or_else(|| self.wrong(node, expected))
    }

    /// `address:port`; `localhost` is 127.0.0.1.
    pub(super) fn socket(&mut self, node: &Node) -> Option<SocketAddr> {
        self.parsed(node, "`address:port`, such as `127.0.0.1:8080` or `[::]:8080`", |text| {
            text.parse().ok().or_else(|| {
                let port = text.strip_prefix("localhost:")?.parse().ok()?;
                Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
            })
        })
    }

    /// A path; a relative one starts at `base`.
    pub(super) fn path(&mut self, node: &Node, base: &Path) -> Option<PathBuf> {
        self.parsed(node, "a path", |text| (!text.is_empty()).then(|| base.join(text)))
    }

    /// A list; a single value is a list of one, and a variable's text is split at commas.
    pub(super) fn list<T>(
        &mut self,
        node: &Node,
        read: impl Fn(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let pieces;
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Text(text) if node.source != FILE || !text.contains(',') => {
                pieces = comma_separated(node, text);
                &pieces
            }
            _ => return self.wrong(node, "a list"),
        };
        // Every item is read before the first failure counts, so that all are reported.
        let read: Vec<Option<T>> = items.iter().map(|item| read(self, item)).collect();
        read.into_iter().collect()
    }

    /// A map from texts.
    pub(super) fn map<T>(
        &mut self,
        node: &Node,
        expected: &str,
        read: impl Fn(&mut Self, &str, &Node, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Map(entries) = &node.value else { return self.wrong(node, expected) };
        let read: Vec<Option<T>> = entries
            .iter()
            .map(|(key, value)| {
                let Value::Text(name) = &key.value else { return self.wrong(key, "a text") };
                read(self, name, key, value)
            })
            .collect();
        read.into_iter().collect()
    }
}

/// The entries of a map whose keys are known, while they are taken.
#[derive(Debug)]
pub(super) struct Entries<'n> {
    found: Vec<(&'n str, &'n Node)>,
}

impl<'n> Entries<'n> {
    pub(super) fn take(&mut self, name: &str) -> Option<&'n Node> {
        let at = self.found.iter().position(|(found, _)| *found == name)?;
        Some(self.found.swap_remove(at).1).filter(|node| node.value != Value::Null)
    }
}

impl Field {
    /// A map with these keys, of which every one is optional to this function. Unknown keys are noted.
    pub(super) fn object<'n>(&mut self, node: &'n Node, keys: &[&str]) -> Option<Entries<'n>> {
        let Value::Map(entries) = &node.value else {
            return self.wrong(node, &format!("a map of {}", keys.join(", ")));
        };
        let mut found = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Value::Text(name) = &key.value else { return self.wrong(key, "a text") };
            if keys.contains(&name.as_str()) {
                found.push((name.as_str(), value));
                continue;
            }
            let help = nearest(name, keys.iter().map(|key| (*key).to_owned()))
                .map(|near| format!("did you mean `{near}`?"))
                .or_else(|| Some(format!("known are: {}", keys.join(", "))));
            let title = format!("unknown key `{name}` in `{}`", self.key);
            self.problems.push(key.source, &key.span, title, "no key has this name".to_owned(), help);
        }
        Some(Entries { found })
    }

    /// A text, not empty.
    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        self.parsed(node, "a text", |text| (!text.is_empty()).then(|| text.to_owned()))
    }

    /// A secret: the text itself (better as a variable), or `{ file: PATH }`, whose content it is.
    pub(super) fn secret(&mut self, node: &Node, base: &Path) -> Option<SecretString> {
        let Value::Map(_) = &node.value else { return self.text(node).map(SecretString::from) };
        let mut entries = self.object(node, &["file"])?;
        let Some(file) = entries.take("file") else { return self.wrong(node, "a text, or `{ file: PATH }`") };
        let path = self.path(file, base)?;
        match std::fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => Some(SecretString::from(text.trim().to_owned())),
            Ok(_) => self.wrong(file, "a file with the secret in it; this one is empty"),
            Err(error) => self.wrong(file, &format!("a file that can be read ({error})")),
        }
    }

    /// A URL that Holdpoint may call: https, or plain to this machine.
    pub(super) fn remote(&mut self, node: &Node) -> Option<url::Url> {
        self.parsed(node, "a URL with https (plain http is for this machine only)", |text| {
            url::Url::parse(text).ok().filter(crate::outbound::is_safe)
        })
    }
}

/// The pieces of a text between commas, each where it stands; empty ones are left out.
fn comma_separated(node: &Node, text: &str) -> Vec<Node> {
    let mut at = node.span.start;
    let mut pieces = Vec::new();
    for piece in text.split(',') {
        let span = at..at + piece.len();
        at = span.end + 1;
        if !piece.trim().is_empty() {
            let value = Value::Text(piece.trim().to_owned());
            pieces.push(Node { source: node.source, span, value });
        }
    }
    pieces
}
