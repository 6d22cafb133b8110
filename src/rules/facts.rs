//! What matchers can see of one request. Looks things up when asked; allocates only to undo an encoding.

use super::method::Methods;
use super::rate::Counting;
use super::truth::Unclear;
use crate::decode::protocol::{Kind, Request, Said, Unread, View, Views};
use crate::decode::{
    Body, Decoded, Doubt, Json, Number, component, is_named, is_place, same_folded, same_name, split,
    variants,
};
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
    /// What stands in the value in another spelling, or is a part of it: asked where any reading will do.
    pub(super) within: Vec<Seen<'a>>,
    /// Whether the name stands there letter by letter.
    pub(super) exact: bool,
    /// The field may be there, or there again, but cannot be looked at.
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

    /// The truth that frameworks take it for.
    pub(super) fn as_truth(&self) -> Option<bool> {
        let is = |words: &[&str]| words.iter().any(|word| self.text.trim().eq_ignore_ascii_case(word));
        if is(&["true", "1", "on", "yes", "t", "y"]) {
            Some(true)
        } else if is(&["false", "0", "off", "no", "f", "n"]) {
            Some(false)
        } else {
            self.as_number().map(|number| number != 0.0) // as Jackson reads it
        }
    }

    /// A value that is left out, in effect: null, or nothing in a form.
    pub(super) fn says_nothing(&self) -> bool {
        matches!(self.text.trim(), "" | "null")
    }

    fn of_json(value: &'a Json) -> Self {
        match value {
            Json::Null => Self::text("null"),
            Json::Bool(true) => Self::text("true"),
            Json::Bool(false) => Self::text("false"),
            Json::Number(number) => Self { text: number.to_string().into(), number: Some(number.as_f64()) },
            Json::Text(text) => Self::text(text.as_str()),
            Json::Enum { name, number } => {
                let number = Number::Signed(*number).as_f64();
                Self { text: name.as_str().into(), number: Some(number) }
            }
            Json::List(_) | Json::Map(_) => Self::text(serde_json::to_string(value).unwrap_or_default()),
        }
    }
}

impl<'a> Field<'a> {
    pub(super) fn one(value: Seen<'a>) -> Self {
        Self { values: SmallVec::from_iter([value]), exact: true, ..Self::default() }
    }

    pub(super) fn unclear(why: Unclear) -> Self {
        Self { unclear: Some(why), ..Self::default() }
    }

    /// What a call says in one field; below a pointer, where there is one.
    pub(super) fn said(said: Option<&'a Said<'_>>, pointer: &[Box<str>], names: Names) -> Self {
        match said {
            None => Self::default(),
            Some(Said::Hidden) => Self::unclear(Unclear::Body),
            Some(Said::Names { names, exact }) => Self {
                values: names.iter().map(|name| Seen::text(&**name)).collect(),
                exact: *exact,
                ..Self::default()
            },
            Some(Said::Document { roots, exact }) => {
                let mut field = Self::default();
                let mut in_all = *exact;
                for root in roots {
                    field.exact = false;
                    descend(&mut field, root, pointer, names, true);
                    in_all &= field.exact;
                }
                field.exact = in_all;
                if roots.iter().any(|root| ends_in_text(root, pointer, names)) {
                    field.unclear = Some(Unclear::Body);
                }
                field
            }
        }
    }

    fn push_json(&mut self, value: &'a Json) {
        match value {
            Json::List(items) if !items.is_empty() => items.iter().for_each(|item| self.push_json(item)),
            Json::Text(text) => self.push_text(text.as_str().into()),
            _ => self.values.push(Seen::of_json(value)),
        }
    }

    /// The value, and what other readers make of it.
    fn push_text(&mut self, text: Cow<'a, str>) {
        let variants = variants(&text);
        self.values.push(Seen::text(text));
        self.values.extend(variants.into_iter().map(Seen::text));
    }

    /// A field of a form, if the pointer may name it.
    fn push_pair(&mut self, key: &str, value: Cow<'a, str>, pointer: &[Box<str>]) {
        let is_named = |front| is_named(key, front);
        if is_named(pointer) {
            if value.contains(char::REPLACEMENT_CHARACTER) {
                self.unclear = Some(Unclear::Body); // some servers drop what is no UTF-8, some read it as if it were
            }
            self.push_text(value);
        } else if value.trim_start().starts_with(['{', '['])
            && (1..pointer.len()).any(|at| pointer.get(..at).is_some_and(is_named))
        {
            self.unclear = Some(Unclear::Body); // some servers read JSON there
        }
    }
}

impl<'a> Field<'a> {
    fn push_decoded(&mut self, decoded: &'a Decoded, pointer: &[Box<str>]) {
        if let Some(json) = &decoded.json {
            descend(self, json, pointer, Names::AsSent, true);
            if pointer.first().is_some_and(|first| is_place(first)) {
                descend_items(self, json, pointer);
            }
        }
        let mut documents = decoded.json.iter().chain(&decoded.other.documents);
        if documents.any(|json| ends_in_text(json, pointer, Names::AsSent)) {
            self.unclear = Some(Unclear::Body);
        }
        if let Some(form) = &decoded.form {
            // With two readings, both must have it for the name to stand there for certain.
            let in_json = decoded.json.is_none() || self.exact;
            let named = |key: &str| matches!(pointer, [name] if **name == *key);
            self.exact = in_json && form.iter().any(|(key, _)| named(key));
            form.iter().for_each(|(key, value)| self.push_pair(key, value.into(), pointer));
            if form.iter().any(|(key, _)| key.contains(char::REPLACEMENT_CHARACTER)) {
                self.unclear = Some(Unclear::Body); // it may be the name
            }
        }
        for (key, value) in &decoded.other.form {
            self.push_pair(key, value.into(), pointer);
        }
        decoded.other.documents.iter().for_each(|json| descend(self, json, pointer, Names::AsSent, false));
        let mut names = pointer.iter().filter(|segment| !is_place(segment));
        let hidden = decoded.other.hidden.iter().any(|key| is_named(key, pointer));
        if hidden || (decoded.other.doubt != Doubt::None && names.all(|name| decoded.could_have(name))) {
            self.unclear = Some(Unclear::Body);
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
        // Many frameworks keep parameters of the query and of a form in one place, and differ on which of two counts.
        // The packs ask about any host, where forms may be long: no reason to read them.
        match self.body {
            _ if self.by_standard => {}
            Body::Decoded(decoded) => {
                let pairs = decoded.form.iter().flatten().chain(&decoded.other.form);
                let values =
                    pairs.filter(|(key, _)| is_parameter(key, name)).map(|(_, value)| value.as_str());
                for value in values {
                    if field.values.iter().any(|seen| seen.text != value) {
                        field.unclear = Some(Unclear::Body);
                    }
                    field.within.push(Seen::text(value));
                    field.within.extend(variants(value).into_iter().map(Seen::text));
                }
            }
            Body::NotRead | Body::Binary { .. } | Body::Unreadable(_) if says_form(self.head.headers) => {
                field.unclear = Some(Unclear::Body);
            }
            Body::Empty | Body::NotRead | Body::Binary { .. } | Body::Unreadable(_) => {}
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

    /// The whole decoded text of the body; and the texts in it, without escapes and codings.
    pub(super) fn text(&self) -> Field<'a> {
        let decoded = match self.body {
            Body::Empty => return Field::default(),
            Body::Decoded(decoded) => decoded,
            Body::NotRead | Body::Binary { .. } | Body::Unreadable(_) => {
                return Field::unclear(Unclear::Body);
            }
        };
        let Some(text) = &decoded.text else { return Field::unclear(Unclear::Body) };
        let mut field = Field::one(Seen::text(text.as_str()));
        for json in decoded.json.iter().chain(&decoded.other.documents) {
            field.within.push(Seen::text(serde_json::to_string(json).unwrap_or_default()));
            json.each_text(&mut |text| {
                field.within.push(Seen::text(text));
                if text.contains(char::REPLACEMENT_CHARACTER) {
                    field.within.extend(variants(text).into_iter().map(Seen::text));
                }
            });
        }
        for (name, value) in decoded.form.iter().flatten().chain(&decoded.other.form) {
            let texts = [name, value].into_iter();
            field.within.extend(texts.clone().flat_map(|text| variants(text)).map(Seen::text));
            field.within.extend(texts.map(|text| Seen::text(text.as_str())));
        }
        field.within.extend(decoded.other.text.iter().map(|text| Seen::text(text.as_str())));
        if decoded.hides_letters() {
            field.unclear = Some(Unclear::Body);
        }
        field
    }

    /// A body field by JSON pointer, given as its segments. A form has names only, which frameworks take apart. A
    /// list on top (a batch) is asked item by item as well. Frameworks that put fields of the query among those of
    /// the body do so for what is no read.
    pub(super) fn body(&self, pointer: &[Box<str>]) -> Field<'a> {
        let mut field = Field::default();
        match self.body {
            Body::Empty => {}
            Body::Decoded(decoded) => field.push_decoded(decoded, pointer),
            Body::NotRead | Body::Binary { .. } | Body::Unreadable(_) => {
                return Field::unclear(Unclear::Body);
            }
        }
        if let (Some(query), false) = (self.head.query, self.methods.are_safe()) {
            for (key, value) in split(query, &['&', ';']) {
                field.push_pair(&component(key), component(value), pointer);
            }
        }
        field
    }

    /// For decoders.
    pub(super) const fn request(&self) -> Request<'a> {
        Request { head: self.head, body: self.body, descriptors: self.views.descriptors }
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
        let key = component(key);
        if is_parameter(&key, name) {
            field.exact |= key == name;
            field.push_text(component(value));
        }
    }
}

/// Whether the head says that the body is a form of pairs.
fn says_form(headers: &http::HeaderMap) -> bool {
    let form = b"application/x-www-form-urlencoded";
    let types = headers.get_all(http::header::CONTENT_TYPE);
    types
        .iter()
        .any(|media| media.as_bytes().get(..form.len()).is_some_and(|it| it.eq_ignore_ascii_case(form)))
}

/// Whether a key is the name in any reading.
fn is_parameter(key: &str, name: &str) -> bool {
    if same_folded(key, name) {
        return true;
    }
    // `name[]` and `name[0]` are `name`, `[name]` is to old Rack, and PHP ends a name at NUL.
    let key = key.trim_start_matches(['[', ']', ' ']).split('\0').next().unwrap_or_default().trim_end();
    let key = without_place(key);
    let name = without_place(name);
    let key = if name.contains(['[', ']']) { key } else { key.split(['[', ']']).next().unwrap_or_default() };
    same_folded(key, name)
        || key.len() == name.len() && key.contains(['.', ' ']) && {
            let fold = |c: char| if matches!(c, '.' | ' ') { '_' } else { c.to_ascii_lowercase() };
            key.chars().map(fold).eq(name.chars().map(fold))
        }
}

/// Without the place in a list: `expand` for `expand[]` and `expand[0]`.
fn without_place(name: &str) -> &str {
    let inner = name.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    inner.filter(|(_, place)| place.bytes().all(|b| b.is_ascii_digit())).map_or(name, |(bare, _)| bare)
}

/// How the name of a member is compared with the one that a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    AsSent,
    /// `user_id` is `userId` in JSON, beyond doubt.
    Protobuf,
}

impl Names {
    pub(super) const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Message => Self::Protobuf,
            Kind::Name | Kind::Word(_) | Kind::Document => Self::AsSent,
        }
    }

    /// Whether some reader may take one for the other.
    fn are_same(self, key: &str, name: &str) -> bool {
        match self {
            Self::AsSent => same_name(key, name),
            Self::Protobuf => {
                let bare = |name: &str| name.replace('_', "");
                same_folded(&bare(key), &bare(name))
            }
        }
    }

    fn are_exactly(self, key: &str, name: &str) -> bool {
        key == name || (self == Self::Protobuf && is_lower_camel(name, key))
    }
}

/// Whether `name` is `key` as protocol buffers write it in JSON.
fn is_lower_camel(name: &str, key: &str) -> bool {
    let mut capital = false;
    let camel = key.chars().filter_map(|c| {
        let up = std::mem::replace(&mut capital, c == '_');
        (c != '_').then(|| if up { c.to_ascii_uppercase() } else { c })
    });
    camel.eq(name.chars())
}

/// Whether a pointer goes on where the value is a text that may be JSON: some servers read it as such.
fn ends_in_text(value: &Json, pointer: &[Box<str>], names: Names) -> bool {
    let Some((segment, rest)) = pointer.split_first() else { return false };
    match value {
        Json::Text(text) => text.trim_start().starts_with(['{', '[', '"']),
        Json::Map(entries) => entries.iter().any(|(key, inner)| {
            (&**segment == "*" || names.are_same(key, segment)) && ends_in_text(inner, rest, names)
        }),
        Json::List(items) if &**segment == "*" => items.iter().any(|inner| ends_in_text(inner, rest, names)),
        Json::List(items) => match segment.parse::<usize>() {
            Ok(at) => items.get(at).is_some_and(|inner| ends_in_text(inner, rest, names)),
            Err(_) => items.iter().any(|inner| ends_in_text(inner, pointer, names)),
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Enum { .. } => false,
    }
}

/// Asks the items of a list on top, and those of lists in it: some servers take batches apart as far as they go.
fn descend_items<'a>(field: &mut Field<'a>, value: &'a Json, pointer: &[Box<str>]) {
    let Json::List(items) = value else { return };
    for item in items {
        descend(field, item, pointer, Names::AsSent, false);
        descend_items(field, item, pointer);
    }
}

fn descend<'a>(field: &mut Field<'a>, value: &'a Json, pointer: &[Box<str>], names: Names, exact: bool) {
    let Some((segment, rest)) = pointer.split_first() else {
        field.exact |= exact;
        return field.push_json(value);
    };
    // Many decoders take one value for a list of one.
    if matches!(&**segment, "0" | "*") && !matches!(value, Json::List(_)) {
        descend(field, value, rest, names, false);
    }
    match value {
        Json::Map(entries) if &**segment == "*" => {
            entries.iter().for_each(|(_, inner)| descend(field, inner, rest, names, exact));
        }
        Json::Map(entries) => {
            // Where JavaScript merges objects, their members become those of this one.
            for (_, inner) in entries.iter().filter(|(key, _)| key == "__proto__") {
                descend(field, inner, pointer, names, false);
            }
            // Servers differ on which of several counts.
            let named = || entries.iter().filter(|(key, _)| names.are_same(key, segment));
            let once = named().nth(1).is_none();
            for (key, inner) in named() {
                descend(field, inner, rest, names, exact && once && names.are_exactly(key, segment));
            }
            // Some take a name with dots or brackets apart, as in a form.
            for (_, inner) in
                entries.iter().filter(|(key, _)| key.contains(['.', '[']) && is_named(key, pointer))
            {
                field.push_json(inner);
            }
        }
        Json::List(items) if &**segment == "*" => {
            items.iter().for_each(|inner| descend(field, inner, rest, names, exact));
        }
        Json::List(items) => match segment.parse::<usize>() {
            Ok(at) => items.get(at).into_iter().for_each(|inner| descend(field, inner, rest, names, exact)),
            // And some a list of one for the one in it.
            Err(_) => items.iter().for_each(|inner| descend(field, inner, pointer, names, false)),
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Enum { .. } => {}
    }
}
