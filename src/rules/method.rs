//! Methods: the one that a request line has, and those that frameworks let a request name instead.

use super::facts::Facts;
use super::reader::{Reader, did_you_mean};
use super::tree::{Kind, Node};
use super::truth::Stance;
use crate::decode::{component, split};
use crate::request::Head;
use http::HeaderName;
use std::borrow::Cow;

/// The methods that a request can be taken for. Overrides are honoured by many frameworks, so what holds or
/// denies a method holds or denies its being named as well.
#[derive(Debug)]
pub(super) struct Methods<'a> {
    real: &'a str,
    /// Nearly always empty, and then no heap is used.
    overrides: Vec<Cow<'a, str>>,
    /// All of them, as bits.
    pub(super) bits: u16,
}

impl<'a> Methods<'a> {
    pub(super) fn of(head: &Head<'a>) -> Self {
        let real = head.method.as_str();
        let mut overrides: Vec<Cow<'a, str>> = Vec::new();
        for name in &OVERRIDE_FIELDS {
            for value in head.headers.get_all(name) {
                overrides.push(String::from_utf8_lossy(value.as_bytes()));
            }
        }
        if let Some(query) = head.query
            && may_override(query)
        {
            for (name, value) in split(query, &['&', ';']) {
                if OVERRIDE_PARAMETERS.iter().any(|known| component(name).eq_ignore_ascii_case(known)) {
                    overrides.push(component(value));
                }
            }
        }
        let bits = overrides.iter().fold(bit(real), |bits, method| bits | bit(method));
        Self { real, overrides, bits }
    }

    /// `POST`, or `POST as DELETE`.
    pub(super) fn shown(&self) -> String {
        self.overrides.iter().fold(self.real.to_owned(), |shown, method| format!("{shown} as {method}"))
    }

    /// RFC 9110 §9.2.1, but for TRACE, which nobody needs; and only if no override says otherwise.
    pub(super) fn are_safe(&self) -> bool {
        let safe = |method: &str| matches!(method, "GET" | "HEAD" | "OPTIONS");
        safe(self.real) && self.overrides.iter().all(|method| safe(method))
    }
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

    pub(super) fn answer(&self, facts: &Facts<'_>, stance: Stance) -> bool {
        let methods = facts.methods;
        match stance {
            Stance::Generous => {
                self.has(&upper(methods.real))
                    || methods.overrides.iter().any(|method| self.has(&upper(method)))
            }
            Stance::Exact => self.has(methods.real) && methods.overrides.iter().all(|m| self.has(m)),
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
static OVERRIDE_FIELDS: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];
/// `_HttpMethod` is Salesforce's.
const OVERRIDE_PARAMETERS: [&str; 4] = ["_method", "x-http-method-override", "$httpmethod", "_httpmethod"];
