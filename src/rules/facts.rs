//! What matchers can see of one request. Looks things up when asked; allocates only to undo an encoding.

use super::method::Methods;
use super::rate::Counting;
use super::truth::Unclear;
use crate::decode::protocol::{Request, Said, Unread, View, Views};
use crate::decode::{Body, Decoded, Json, component, same_folded, split};
use crate::path::late_queries;
use crate::request::{Caller, Head};
use jiff::Timestamp;
use smallvec::SmallVec;
use std::borrow::Cow;

/// One request, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) head: &'a Head<'a>,
    pub(super) methods: &'a Methods<'a>,
    pub(super) caller: &'a Caller<'a>,
    /// [`Body::NotRead`] when only the head is known.
    pub(super) body: &'a Body,
    /// The request as protocols see it, read when first asked for.
    pub(super) views: &'a Views<'a>,
    /// `None` when only the head is asked about.
    pub(super) now: Option<Timestamp>,
    pub(super) counting: Counting<'a>,
    /// A rule asks that comes with Holdpoint, about services that are known.
    pub(super) by_standard: bool,
}

/// All values that one name can stand for.
#[derive(Debug, Default)]
pub(super) struct Field<'a> {
    /// Under every reading of the name: letter case folded, `name[]` as `name`, list items one by one.
    pub(super) values: SmallVec<[Seen<'a>; 4]>,
    /// Whether the name stands there letter by letter.
    pub(super) exact: bool,
    /// The field may be there, but cannot be looked at.
    pub(super) unclear: Option<Unclear>,
}

/// One value.
#[derive(Debug, Clone)]
pub(super) struct Seen<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) number: Option<f64>,
}

impl<'a> Seen<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: text.into(), number: None }
    }

    /// The number that it is, or that its text says.
    pub(super) fn as_number(&self) -> Option<f64> {
        self.number.or_else(|| self.text.trim().parse().ok()).filter(|n: &f64| n.is_finite())
    }

    fn of_json(value: &'a Json) -> Self {
        match value {
            Json::Null => Self::text("null"),
            Json::Bool(true) => Self::text("true"),
            Json::Bool(false) => Self::text("false"),
            Json::Number(number) => Self { text: number.to_string().into(), number: Some(number.as_f64()) },
            Json::Text(text) => Self::text(text.as_str()),
            Json::List(_) | Json::Map(_) => Self::text(serde_json::to_string(value).unwrap_or_default()),
        }
    }
}

impl<'a> Field<'a> {
    pub(super) fn one(value: Seen<'a>) -> Self {
        Self { values: SmallVec::from_iter([value]), exact: true, unclear: None }
    }

    pub(super) fn unclear(why: Unclear) -> Self {
        Self { unclear: Some(why), ..Self::default() }
    }

    /// What a call says in one field; below a pointer, where there is one.
    pub(super) fn said(said: Option<&'a Said<'_>>, pointer: &[Box<str>]) -> Self {
        match said {
            None => Self::default(),
            Some(Said::Hidden) => Self::unclear(Unclear::Body),
            Some(Said::Names { names, exact }) => Self {
                values: names.iter().map(|name| Seen::text(&**name)).collect(),
                exact: *exact,
                unclear: None,
            },
            Some(Said::Document { roots, exact }) => {
                let mut field = Self::default();
                let mut in_all = *exact;
                for root in roots {
                    field.exact = false;
                    descend(&mut field, root, pointer, true);
                    in_all &= field.exact;
                }
                field.exact = in_all;
                if roots.iter().any(|root| ends_in_text(root, pointer)) {
                    field.unclear = Some(Unclear::Body);
                }
                field
            }
        }
    }

    fn push_json(&mut self, value: &'a Json) {
        match value {
            Json::List(items) if !items.is_empty() => items.iter().for_each(|item| self.push_json(item)),
            _ => self.values.push(Seen::of_json(value)),
        }
    }
}

impl<'a> Facts<'a> {
    /// A query parameter. Both separators in use (`&`, and `;` of older servers) are tried.
    pub(super) fn query(&self, name: &str) -> Field<'a> {
        let mut field = Field::default();
        if let Some(query) = self.head.query {
            gather(&mut field, query, &['&'], name);
            if query.contains(';') {
                gather(&mut field, query, &['&', ';'], name);
            }
        }
        for late in late_queries(self.head.path) {
            let mut more = Field::default();
            gather(&mut more, &late, &['&', ';'], name);
            let values = more.values.into_iter();
            field.values.extend(values.map(|seen| Seen { text: seen.text.into_owned().into(), ..seen }));
        }
        field
    }

    pub(super) fn header(&self, name: &http::HeaderName) -> Field<'a> {
        let mut field = Field::default();
        for value in self.head.headers.get_all(name) {
            match value.to_str() {
                Ok(text) => field.values.push(Seen::text(text)),
                Err(_) => field.unclear = Some(Unclear::Other),
            }
            field.exact = true;
        }
        // Gateways take `_` for `-` (RFC 3875 §4.1.18).
        let alike = |other: &http::HeaderName| {
            let fold = |byte: u8| if byte == b'_' { b'-' } else { byte };
            other.as_str().contains('_')
                && other.as_str().bytes().map(fold).eq(name.as_str().bytes().map(fold))
        };
        for other in self.head.headers.keys().filter(|other| *other != name && alike(other)) {
            let values = self.head.headers.get_all(other).iter();
            field.values.extend(values.map(|value| Seen::text(String::from_utf8_lossy(value.as_bytes()))));
        }
        field
    }

    /// The whole decoded text of the body.
    pub(super) fn text(&self) -> Field<'a> {
        match self.body {
            Body::Empty => Field::default(),
            Body::Decoded(Decoded { text: Some(text), .. }) => Field::one(Seen::text(text.as_str())),
            _ => Field::unclear(Unclear::Body),
        }
    }

    /// A body field by JSON pointer, given as its segments. A form has only names, so only a pointer of one
    /// segment can be a form field. A batch (a list on top) is asked item by item as well.
    pub(super) fn body(&self, pointer: &[Box<str>]) -> Field<'a> {
        let decoded = match self.body {
            Body::Empty => return Field::default(),
            Body::Decoded(decoded) => decoded,
            _ => return Field::unclear(Unclear::Body),
        };
        let mut field = Field::default();
        if let Some(json) = &decoded.json {
            descend(&mut field, json, pointer, true);
            if !pointer.is_empty() {
                descend_items(&mut field, json, pointer);
            }
        }
        if let (Some(form), [name]) = (&decoded.form, pointer) {
            // With two readings, both must have it for the name to stand there for certain.
            let in_json = decoded.json.is_none() || field.exact;
            field.exact = false;
            for (key, value) in form {
                add(&mut field, key, name, || Seen::text(value.as_str()));
            }
            field.exact &= in_json;
        }
        if decoded.json.is_none() && decoded.form.is_none() {
            return Field::unclear(Unclear::Body);
        }
        field
    }

    /// For decoders.
    pub(super) const fn request(&self) -> Request<'a> {
        Request { head: self.head, body: self.body }
    }

    /// The request as one of [`PROTOCOLS`](crate::decode::protocol::PROTOCOLS) sees it, where it can be in it.
    pub(super) fn view(&self, protocol: usize) -> Option<&'a Result<View<'a>, Unread>> {
        self.views.of(protocol, &self.request())
    }

    /// Whether it changes nothing by what its protocol says, whatever its method.
    pub(super) fn is_harmless(&self) -> bool {
        self.views.are_harmless(&self.request())
    }

    /// Size of the body in bytes, as announced or as read.
    pub(super) fn size(&self) -> Option<u64> {
        let announced = self.head.headers.get(http::header::CONTENT_LENGTH);
        match (self.body, announced) {
            (Body::Empty, _) => Some(0),
            (Body::Decoded(decoded), _) => Some(decoded.bytes),
            (_, Some(length)) => length.to_str().ok()?.parse().ok(),
            (_, None) => None,
        }
    }
}

fn gather<'a>(field: &mut Field<'a>, text: &'a str, separators: &'static [char], name: &str) {
    for (key, value) in split(text, separators) {
        add(field, &component(key), name, || Seen::text(component(value)));
    }
}

/// Adds the value if the key is the name in any reading.
fn add<'a>(field: &mut Field<'a>, key: &str, name: &str, value: impl FnOnce() -> Seen<'a>) {
    let bare = match key.split_once('[') {
        Some((bare, rest)) if !name.contains('[') && rest.ends_with(']') => bare,
        _ => key,
    };
    if same_folded(bare, name) {
        field.exact |= key == name;
        field.values.push(value());
    }
}

/// Whether a pointer goes on where the value is a text that may be JSON: some servers read it as such.
fn ends_in_text(value: &Json, pointer: &[Box<str>]) -> bool {
    let Some((segment, rest)) = pointer.split_first() else { return false };
    match value {
        Json::Text(text) => text.trim_start().starts_with(['{', '[']),
        Json::Map(entries) => entries.iter().any(|(key, inner)| {
            (&**segment == "*" || same_folded(key, segment)) && ends_in_text(inner, rest)
        }),
        Json::List(items) if &**segment == "*" => items.iter().any(|inner| ends_in_text(inner, rest)),
        Json::List(items) => {
            let item = segment.parse::<usize>().ok().and_then(|at| items.get(at));
            item.is_some_and(|inner| ends_in_text(inner, rest))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

/// Asks the items of a list on top, and those of lists in it: some servers take batches apart as far as they go.
fn descend_items<'a>(field: &mut Field<'a>, value: &'a Json, pointer: &[Box<str>]) {
    let Json::List(items) = value else { return };
    for item in items {
        descend(field, item, pointer, false);
        descend_items(field, item, pointer);
    }
}

fn descend<'a>(field: &mut Field<'a>, value: &'a Json, pointer: &[Box<str>], exact: bool) {
    let Some((segment, rest)) = pointer.split_first() else {
        field.exact |= exact;
        return field.push_json(value);
    };
    match value {
        Json::Map(entries) if &**segment == "*" => {
            entries.iter().for_each(|(_, inner)| descend(field, inner, rest, exact));
        }
        Json::Map(entries) => {
            // Servers differ on which of several counts.
            let named = || entries.iter().filter(|(key, _)| same_folded(key, segment));
            let once = named().nth(1).is_none();
            for (key, inner) in named() {
                descend(field, inner, rest, exact && once && **key == **segment);
            }
        }
        Json::List(items) if &**segment == "*" => {
            items.iter().for_each(|inner| descend(field, inner, rest, exact));
        }
        Json::List(items) => {
            let item = segment.parse::<usize>().ok().and_then(|at| items.get(at));
            item.into_iter().for_each(|inner| descend(field, inner, rest, exact));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => {}
    }
}
