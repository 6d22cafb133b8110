//! Methods: the one that a request line has, and those that frameworks let a request name instead.

use super::facts::Facts;
use super::reader::{Reader, did_you_mean};
use super::tree::{Kind, Node};
use super::truth::{Stance, Truth, Unclear};
use crate::decode::object_store::keeps_paths;
use crate::decode::{Body, Json, component, split};
use crate::path::late_queries;
use crate::request::Head;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use std::borrow::Cow;

/// The methods that a request can be taken for. Overrides are honoured by many frameworks, so what holds or
/// denies a method holds or denies its being named as well.
#[derive(Debug)]
pub(super) struct Methods<'a> {
    real: &'a str,
    /// Nearly always empty, and then no heap is used.
    overrides: Vec<Cow<'a, str>>,
    /// Whether the body may name another one and cannot be looked at.
    hidden: Hidden,
    /// A message on a connection that a `GET` has opened: it counts as `POST`, and for what holds or denies as `GET`, too.
    is_message: bool,
    /// All that it can be, as bits.
    pub(super) bits: u16,
}

/// What a body that was not read, or cannot be, may name a method in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    /// Nothing.
    No,
    /// A document or a multipart form: often large, and seldom read for this.
    Member,
    /// A form.
    Field,
}

impl<'a> Methods<'a> {
    pub(super) fn of(head: &Head<'a>, body: &'a Body) -> Self {
        let real = head.method.as_str();
        let mut overrides: Vec<Cow<'a, str>> = Vec::new();
        for name in head.headers.keys().filter(|name| may_name(name) && is_one_of(name.as_str(), &FIELDS)) {
            for value in head.headers.get_all(name) {
                add(&mut overrides, &String::from_utf8_lossy(value.as_bytes()));
            }
        }
        if let Some(query) = head.query
            && may_override(query)
        {
            add_from_query(&mut overrides, query);
        }
        for query in late_queries(head.path) {
            add_from_query(&mut overrides, &query);
        }
        let hidden = overridden_by_body(&mut overrides, head, body);
        let bits = match hidden {
            Hidden::No => overrides.iter().fold(bit(real), |bits, method| bits | bit(method)),
            Hidden::Member | Hidden::Field => u16::MAX,
        };
        Self { real, overrides, hidden, is_message: false, bits }
    }

    /// Of a message: `head` is that of the request that opened the connection, with `POST` in it. What a message says
    /// names no method.
    pub(super) fn of_message(head: &Head<'a>) -> Self {
        let methods = Self::of(head, &Body::Empty);
        Self { is_message: true, bits: methods.bits | bit("GET"), ..methods }
    }

    /// `POST`, or `POST as DELETE`.
    pub(super) fn shown(&self) -> String {
        let shown = if self.is_message { "message" } else { self.real };
        self.overrides.iter().fold(shown.to_owned(), |shown, method| format!("{shown} as {method}"))
    }

    /// RFC 9110 §9.2.1, but for TRACE, which nobody needs; and only if no override says otherwise.
    pub(super) fn are_safe(&self) -> bool {
        is_safe(self.real) && self.overrides.iter().all(|method| is_safe(method))
    }
}

fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

/// Adds the methods that a value names: usually one.
fn add(overrides: &mut Vec<Cow<'_, str>>, value: &str) {
    let named = value.split([',', ';', ' ', '\t']).map(|method| method.trim_matches(['"', '\'']));
    for method in named.filter(|method| !method.is_empty()).take(NAMED_MAX) {
        if !overrides.iter().any(|known| known == method) {
            overrides.push(Cow::Owned(method.to_owned()));
        }
    }
}

fn add_from_query(overrides: &mut Vec<Cow<'_, str>>, query: &str) {
    for (name, value) in split(query, &['&', ';']) {
        if is_one_of(&component(name), &PARAMETERS) {
            add(overrides, &component(value));
        }
    }
}

/// Adds what the body names: in fields of a form, or in members on top of a document. Says what it may hide.
fn overridden_by_body(overrides: &mut Vec<Cow<'_, str>>, head: &Head<'_>, body: &Body) -> Hidden {
    let decoded = match body {
        Body::Empty => return Hidden::No,
        Body::Decoded(decoded) => decoded,
        // No text in UTF-8: if it is some text, in whatever coding has ASCII in it, the name shows.
        Body::Binary { bytes, .. } if !mentions(bytes) => return Hidden::No,
        Body::NotRead | Body::Unreadable(_) | Body::Binary { .. } => return carrier(head),
    };
    for (name, value) in decoded.form.iter().flatten().chain(&decoded.other.form) {
        if is_one_of(name, &PARAMETERS) {
            add(overrides, value);
        }
    }
    for document in decoded.json.iter().chain(&decoded.other.documents) {
        match document {
            Json::List(items) => items.iter().for_each(|item| add_from_json(overrides, item)),
            document => add_from_json(overrides, document),
        }
    }
    // What is no JSON to us may be some to a lenient reader.
    let lenient =
        decoded.unstructured.is_some() && decoded.text.as_ref().is_some_and(|text| mentions(text.as_bytes()));
    if lenient { carrier(head) } else { Hidden::No }
}

fn add_from_json(overrides: &mut Vec<Cow<'_, str>>, document: &Json) {
    let Json::Map(members) = document else { return };
    for (name, value) in members {
        match value {
            Json::Text(method) if is_one_of(name, &PARAMETERS) => {
                add(overrides, method);
                if method.contains(char::REPLACEMENT_CHARACTER) {
                    add(overrides, &method.replace(char::REPLACEMENT_CHARACTER, ""));
                }
            }
            _ => {}
        }
    }
}

/// What a body could name a method in, as far as the head tells: files and streams are not read for parameters.
fn carrier(head: &Head<'_>) -> Hidden {
    let length = head.headers.get(CONTENT_LENGTH);
    if length.is_some_and(|length| length == "0") {
        return Hidden::No;
    }
    let mut types = head.headers.get_all(CONTENT_TYPE).iter();
    let Some(named) = types.next() else {
        // Some servers take what has no type for a form.
        let expected =
            length.is_some() || !matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "DELETE");
        return if expected { Hidden::Field } else { Hidden::No };
    };
    let essence =
        named.as_bytes().split(|b| matches!(b, b';' | b',')).next().unwrap_or_default().trim_ascii();
    let begins = |known: &[u8]| essence.get(..known.len()).is_some_and(|it| it.eq_ignore_ascii_case(known));
    let end = essence.len().saturating_sub(JSON.len());
    let member = MEMBERS.iter().any(|known| begins(known))
        || essence.get(end..).is_some_and(|it| it.eq_ignore_ascii_case(JSON))
        || !essence.contains(&b'/');
    let hidden = match (begins(b"application/x-www-form-urlencoded") || types.next().is_some(), member) {
        (true, _) => Hidden::Field,
        (false, true) => Hidden::Member,
        (false, false) => return Hidden::No,
    };
    // What an object store is sent is what it keeps.
    if keeps_paths(head.authority.host.as_str()) { Hidden::No } else { hidden }
}

/// Whether bytes have the word that is part of every name in [`PARAMETERS`]; two-byte codings have NULs in it.
fn mentions(bytes: &[u8]) -> bool {
    let word = b"method";
    let mut seen = 0;
    for byte in bytes.iter().filter(|byte| **byte != 0) {
        let byte = byte.to_ascii_lowercase();
        seen = match word.get(seen) {
            Some(next) if *next == byte => seen + 1,
            _ => usize::from(byte == b'm'),
        };
        if seen == word.len() {
            return true;
        }
    }
    false
}

/// A compiled `method` matcher.
#[derive(Debug, Clone, Default)]
pub(super) struct MethodSet {
    bits: u16,
    others: Vec<String>,
    negated: bool,
}

impl MethodSet {
    pub(super) fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let mut set = Self::default();
        let mut items = Vec::new();
        if let Kind::Map(_) = node.kind {
            let fields = reader.fields(node, "`method`", &["in", "not"])?;
            set.negated = fields.find("not").is_some();
            if set.negated && fields.find("in").is_some() {
                reader.error(
                    &node.span,
                    "`method` has either `in` or `not`: together they contradict or repeat",
                );
            }
            if let Some(list) = fields.find("not").or_else(|| fields.find("in")) {
                items = reader.list(list, "`method`");
            }
        } else {
            items = reader.list(node, "`method`");
        }
        for item in items {
            let Some(text) = reader.text(item, "`method`") else { continue };
            let method = text.to_ascii_uppercase();
            if http::Method::from_bytes(method.as_bytes()).is_err() {
                reader.error(&item.span, format!("`{text}` is not a method"));
            } else if bit(&method) == OTHER && !REGISTERED.contains(&method.as_str()) {
                if let Some(known) = did_you_mean(&method, &STANDARD) {
                    reader.error_help(
                        &item.span,
                        format!("no such method: `{text}`"),
                        format!("did you mean `{known}`?"),
                    );
                }
                set.others.push(method);
            } else if bit(&method) == OTHER {
                set.others.push(method);
            } else {
                set.bits |= bit(&method);
            }
        }
        Some(set)
    }

    /// The bits of methods that can match: for the index.
    pub(super) const fn mask(&self) -> u16 {
        if self.negated || !self.others.is_empty() { u16::MAX } else { self.bits }
    }

    pub(super) fn answer(&self, facts: &Facts<'_>, stance: Stance) -> Truth {
        let methods = facts.methods;
        let named = &methods.overrides;
        // None of the services that the standard packs are about takes a method from a body. And a document that comes
        // with an unsafe method that may pass is not read for one more name in it: many are long.
        let in_doubt = match (stance, methods.hidden) {
            (_, Hidden::No) => false,
            _ if facts.by_standard => false,
            (Stance::Exact, Hidden::Member) => is_safe(methods.real),
            (Stance::Exact, Hidden::Field) | (Stance::Generous, _) => true,
        };
        let matched = match stance {
            Stance::Generous => {
                self.has(&upper(methods.real))
                    || methods.is_message && self.has("GET")
                    || named.iter().any(|m| self.has(&upper(m)))
            }
            Stance::Exact => self.has(methods.real) && named.iter().all(|m| self.has(m)),
        };
        match (stance, matched) {
            (Stance::Generous, false) | (Stance::Exact, true) if in_doubt => Truth::Unclear(Unclear::Body),
            (_, matched) => matched.into(),
        }
    }

    /// Whether every method of this set is in the other.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        match (self.negated, other.negated) {
            (false, false) => {
                self.bits & !other.bits == 0 && self.others.iter().all(|m| other.others.contains(m))
            }
            (false, true) => {
                self.bits & other.bits == 0 && !self.others.iter().any(|m| other.others.contains(m))
            }
            (true, true) => {
                other.bits & !self.bits == 0 && other.others.iter().all(|m| self.others.contains(m))
            }
            (true, false) => false,
        }
    }

    fn has(&self, method: &str) -> bool {
        let bit = exact_bit(method);
        let listed =
            if bit == OTHER { self.others.iter().any(|m| m == method) } else { self.bits & bit != 0 };
        listed != self.negated
    }
}

/// Borrows when the text is in upper case already, as methods are.
fn upper(method: &str) -> Cow<'_, str> {
    let method = method.trim();
    if method.bytes().any(|b| b.is_ascii_lowercase()) {
        Cow::Owned(method.to_ascii_uppercase())
    } else {
        Cow::Borrowed(method)
    }
}

/// Whether a name is one of these. Gateways write `_` for `-` (RFC 3875 §4.1.18), and PHP `_` for `.` and for a blank.
fn is_one_of(name: &str, known: &[&str]) -> bool {
    if name.len() < NAME_BYTES_MIN {
        return false;
    }
    let bare = bare(name).bytes();
    let fold = |byte: u8| match byte {
        b'_' | b'.' | b' ' => b'-',
        other => other.to_ascii_lowercase(),
    };
    known.iter().any(|known| bare.clone().map(fold).eq(known.bytes()))
}

/// The name that Rack and PHP make of `[name]`, `name]`, `name[]` and `name%00x`.
fn bare(name: &str) -> &str {
    let name = name.trim_start_matches(['[', ']', ' ']);
    name.split(['[', ']', '\0']).next().unwrap_or_default().trim()
}

/// Cheap test before a field's name is compared with all of [`FIELDS`], which end in `method` or `override`.
fn may_name(name: &http::HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    name.len() >= NAME_BYTES_MIN && matches!(name.last(), Some(b'd' | b'e'))
}

/// Cheap test before a query is taken apart.
fn may_override(query: &str) -> bool {
    query.len() >= 6 && query.as_bytes().windows(6).any(|w| w.eq_ignore_ascii_case(b"method"))
        || query.contains('%')
}

/// One bit per method in common use, and one for all others. Letter case is folded.
fn bit(method: &str) -> u16 {
    let at = STANDARD.iter().position(|known| known.eq_ignore_ascii_case(method.trim()));
    at.map_or(OTHER, |at| 1 << at)
}

fn exact_bit(method: &str) -> u16 {
    STANDARD.iter().position(|known| *known == method).map_or(OTHER, |at| 1 << at)
}

const OTHER: u16 = 1 << 15;
const STANDARD: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
/// Registered with IANA or in wide use, besides the standard ones.
const REGISTERED: &[&str] = &[
    "ACL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LIST",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
];
/// Header fields that name a method, as [`is_one_of`] compares them; see [`may_name`].
const FIELDS: [&str; 8] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-http-override",
    "http-method-override",
    "x-original-method",
    "x-forwarded-method",
    "-method",
];
/// Parameters and members that do; `_HttpMethod` is Salesforce's.
const PARAMETERS: [&str; 7] = [
    "-method",
    "-httpmethod",
    "$httpmethod",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "http-method-override",
];
const JSON: &[u8] = b"+json";
/// Beginnings of media types that servers look for members in, rightly or by mistake.
const MEMBERS: [&[u8]; 5] = [b"application/json", b"multipart/", b"text/json", b"text/x-json", b"text/plain"];
/// The shortest of them all.
const NAME_BYTES_MIN: usize = 7;
/// More names in one value than there are methods say nothing more.
const NAMED_MAX: usize = 32;
