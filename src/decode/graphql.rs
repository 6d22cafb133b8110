//! GraphQL over HTTP: which operations a request would run, and which fields of the root are in them.
//!
//! A document comes in the URL (`?query=`), as JSON, as a list of such (a batch), as `application/graphql`, as a
//! form, as `operations` of a multipart form, or in the `payload` of a WebSocket message. Servers differ in which
//! place counts when there are two, so that nobody can tell. A hash or an id without its text
//! (persisted queries) hides what would run; a rule can name the hashes that somebody has looked at.

mod document;
mod syntax;

use self::document::{Document, Operation};
use super::protocol::{Call, Claim, Kind, Protocol, Request, Spec, Unread, View};
use super::{Body, Json, component, same_folded, split};
use crate::digest::sha256_hex;
use crate::request::Head;
use http::header::{SEC_WEBSOCKET_KEY, UPGRADE};
use std::borrow::Cow;
use std::collections::HashMap;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "graphql",
    fields: &[
        Spec { name: "type", kind: Kind::Word(&["query", "mutation", "subscription"]) },
        Spec { name: "field", kind: Kind::Name },
        Spec { name: "operation", kind: Kind::Name },
        Spec { name: "arguments", kind: Kind::Document },
        Spec { name: "persisted", kind: Kind::Name },
    ],
    claim,
    read,
};

const fn claim(_: &Head<'_>) -> Claim {
    Claim::Body
}

fn read<'a>(request: &Request<'a>) -> Result<View<'a>, Unread> {
    let carrier = Carrier::of(request.head);
    let mut in_url = Envelope::of_pairs(url_pairs(request.head.query.unwrap_or_default()), carrier)?;
    if carrier == Carrier::Message {
        in_url.ids.clear(); // of the connection
    }
    let in_body = in_body(request, carrier)?;
    let in_both = in_url.runs() && in_body.iter().any(Envelope::runs);
    if in_both {
        return Err("it has a GraphQL query in its URL and another one in its body".into());
    }
    let mut view = View::default();
    if in_url.runs() || in_body.iter().all(Envelope::is_empty) {
        // The body may still name the operation or its variables, where a server mixes the two.
        let mut both = in_url;
        in_body.into_iter().for_each(|envelope| both.take_names(envelope));
        both.add_to(&mut view)?;
    } else {
        for mut envelope in in_body {
            envelope.take_names(in_url.clone());
            envelope.add_to(&mut view)?;
        }
    }
    Ok(view)
}

/// A call of which nothing can be seen but, at best, the id that stands for it.
fn hidden<'a>(persisted: Vec<Cow<'a, str>>) -> Call<'a> {
    let fields = ["type", "field", "operation", "arguments"];
    fields.into_iter().fold(Call::default(), Call::with_hidden).with_names("persisted", persisted, true)
}

/// What brings the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Request,
    /// On a WebSocket, where a message has a type, and an id of its own.
    Message,
}

impl Carrier {
    /// A message has the fields of its handshake. No request but a handshake keeps `Upgrade`, and no handshake has a
    /// body that is read.
    fn of(head: &Head<'_>) -> Self {
        let upgrade = head.headers.get(UPGRADE).map(|protocol| protocol.as_bytes());
        let is_handshake = upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
            && head.headers.contains_key(SEC_WEBSOCKET_KEY);
        if is_handshake { Self::Message } else { Self::Request }
    }
}

/// One request to a GraphQL server, with all that its members can stand for.
#[derive(Debug, Clone, Default)]
struct Envelope<'a> {
    texts: Vec<Cow<'a, str>>,
    /// `operationName`, where it says something.
    names: Vec<Cow<'a, str>>,
    /// One of them stands in another place than the text, where a server may not look.
    strewn: bool,
    variables: Vec<Cow<'a, Json>>,
    /// Hashes and ids that stand for a text.
    persisted: Vec<Cow<'a, str>>,
    /// What stands for a text if there is none (Relay), or though there is one (Absinthe).
    ids: Vec<Cow<'a, str>>,
    /// Something stands where a text, a name or an id should be, and is none.
    odd: bool,
    /// Variables that cannot be read.
    odd_variables: bool,
}

/// The pairs of a query string, by both separators in use.
fn url_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let others: &[char] = if query.contains(';') { &['&', ';'] } else { &[] };
    let others = (!others.is_empty()).then(|| split(query, others)).into_iter().flatten();
    split(query, &['&']).chain(others).map(|(name, value)| (component(name), component(value)))
}

fn in_body<'a>(request: &Request<'a>, carrier: Carrier) -> Result<Vec<Envelope<'a>>, Unread> {
    let decoded = match request.body {
        Body::Empty => return Ok(Vec::new()),
        Body::Decoded(decoded) => decoded,
        Body::Unreadable(why) | Body::Binary { why, .. } => return Err(why.clone().into()),
        Body::NotRead => return Err("its body was not read".into()),
    };
    let mut envelopes = Vec::new();
    if let Some(json) = &decoded.json {
        envelopes.extend(of_json(Cow::Borrowed(json), carrier)?);
    }
    if let Some(form) = &decoded.form {
        for (_, operations) in form.iter().filter(|(name, _)| same_folded(name, "operations")) {
            let json = super::json::read(operations)
                .map_err(|_| Unread::from("the `operations` of its form are not JSON"))?;
            envelopes.extend(of_json(Cow::Owned(json), carrier)?);
        }
        for (_, map) in form.iter().filter(|(name, _)| same_folded(name, "map")) {
            only_variables(map)?;
        }
        let pairs = form.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), value.as_str().into()));
        // Older servers part the pairs of a form at `;` too.
        let text = decoded.text.as_deref().filter(|text| text.contains(';') && !text.starts_with("--"));
        let envelope = Envelope::of_pairs(pairs.chain(url_pairs(text.unwrap_or_default())), carrier)?;
        if !envelopes.is_empty() && envelope.runs() {
            return Err("it has a GraphQL query in `operations` and another one beside them".into());
        }
        envelopes.push(envelope);
    }
    let says_so = super::media_type(request.head.headers).is_some_and(|media| {
        media.eq_ignore_ascii_case("application/graphql") || media.eq_ignore_ascii_case("text/graphql")
    });
    let broken = decoded.json.is_none() && decoded.form.is_none() && super::says_json(request.head.headers);
    if broken && !decoded.may_be_lenient_json() {
        return Err("its body is not the JSON that it says it is".into());
    }
    // Not JSON and no form: the document itself, or what a lenient JSON reader might still understand.
    if let (None, true, Some(text)) = (&decoded.json, says_so || decoded.may_be_lenient_json(), &decoded.text)
    {
        envelopes.push(Envelope { texts: vec![text.as_str().into()], ..Envelope::default() });
    }
    Ok(envelopes)
}

/// One envelope, or those of a batch.
fn of_json(json: Cow<'_, Json>, carrier: Carrier) -> Result<Vec<Envelope<'_>>, Unread> {
    let one = |json| match json {
        Cow::Borrowed(Json::Map(members)) => {
            let members =
                members.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(value)));
            Envelope::of_members(members, carrier)
        }
        Cow::Owned(Json::Map(members)) => {
            let members = members.into_iter().map(|(name, value)| (name.into(), Cow::Owned(value)));
            Envelope::of_members(members, carrier)
        }
        Cow::Borrowed(Json::List(_)) | Cow::Owned(Json::List(_)) => {
            Err("it has a list of GraphQL requests within a list".into())
        }
        Cow::Borrowed(Json::Text(text)) if text.contains('{') => {
            Ok(Envelope { texts: vec![Cow::Borrowed(text)], ..Envelope::default() })
        }
        Cow::Borrowed(_) | Cow::Owned(_) => Ok(Envelope::default()),
    };
    match json {
        Cow::Borrowed(Json::List(items)) => {
            bounded(items.len())?;
            items.iter().map(|item| one(Cow::Borrowed(item))).collect()
        }
        Cow::Owned(Json::List(items)) => {
            bounded(items.len())?;
            items.into_iter().map(|item| one(Cow::Owned(item))).collect()
        }
        json => one(json).map(|envelope| vec![envelope]),
    }
}

/// The map of a multipart request says where its files go: into variables, and nowhere else.
fn only_variables(map: &str) -> Result<(), Unread> {
    const ELSEWHERE: &str = "the `map` of its form puts a file somewhere else than into a variable";
    let Ok(Json::Map(files)) = super::json::read(map) else { return Ok(()) };
    let is_variable = |place: &Json| match place {
        Json::Text(place) => place.split('.').take(2).any(|step| step == "variables"),
        _ => false,
    };
    let sound = |places: &Json| match places {
        Json::List(places) => places.iter().all(is_variable),
        place => is_variable(place),
    };
    if files.iter().all(|(_, places)| sound(places)) { Ok(()) } else { Err(ELSEWHERE.into()) }
}

fn bounded(requests: usize) -> Result<(), Unread> {
    if requests <= REQUESTS_MAX {
        Ok(())
    } else {
        Err(format!("it has more than {REQUESTS_MAX} GraphQL requests").into())
    }
}

impl<'a> Envelope<'a> {
    fn of_pairs(
        pairs: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
        carrier: Carrier,
    ) -> Result<Self, Unread> {
        let (mut odd, mut odd_variables) = (false, false);
        let mut members = Vec::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
            let name = match name.strip_suffix("[]") {
                Some(bare) => Cow::Owned(bare.to_owned()), // as PHP and Rack read it
                None => name,
            };
            match inside(&name) {
                Some("variables") => odd_variables = true,
                Some(_) => odd = true,
                None => {}
            }
            let structured = ["variables", "extensions"].iter().any(|known| same_folded(&name, known));
            let value = match super::json::read(&value) {
                Ok(json) if structured => json,
                _ => Json::Text(value.into_owned()),
            };
            members.push((name, Cow::Owned(value)));
        }
        let mut envelope = Self::of_members(members, carrier)?;
        envelope.odd |= odd;
        envelope.odd_variables |= odd_variables;
        Ok(envelope)
    }

    fn of_members(
        members: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, Json>)>,
        carrier: Carrier,
    ) -> Result<Self, Unread> {
        let mut envelope = Self::default();
        let (mut payloads, mut ids, mut types) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in members {
            let is = |known: &str| same_folded(&name, known);
            if is("query") {
                envelope.odd |= !take_text(value, &mut envelope.texts);
            } else if is("operationName") {
                envelope.odd |= !take_text(value, &mut envelope.names);
            } else if is("variables") {
                envelope.take_variables(value);
            } else if is("extensions") {
                envelope.take_hashes(&value);
            } else if PERSISTED.iter().any(|known| is(known)) {
                envelope.odd |= !take_text(value, &mut envelope.persisted);
            } else if is("payload") {
                payloads.push(value);
            } else if is("id") {
                let value = match *value {
                    Json::Number(number) => Cow::Owned(Json::Text(number.to_string())),
                    _ => value,
                };
                take_text(value, &mut ids);
            } else if is("type") {
                types.push(value);
            }
        }
        let has_payload = !payloads.is_empty();
        // The messages of GraphQL over WebSocket wrap the envelope once.
        let mut wraps = false;
        for payload in payloads.into_iter().filter(|payload| matches!(**payload, Json::Map(_))) {
            for inner in of_json(payload, carrier)? {
                if !inner.runs() {
                    envelope.take_names(inner);
                } else if envelope.runs() {
                    return Err("it has a GraphQL query in `payload` and another one beside it".into());
                } else {
                    wraps = true;
                    envelope = inner;
                }
            }
        }
        let is_message = match carrier {
            Carrier::Message => has_payload || !types.is_empty(),
            // Like one, in a request: where it is none, a server takes no heed of its type, and runs what the id names.
            Carrier::Request => wraps && types.iter().any(|kind| is_start(kind)),
        };
        if !is_message {
            ids.into_iter().for_each(|id| envelope.add_id(id));
        }
        Ok(envelope)
    }

    fn add_id(&mut self, id: Cow<'a, str>) {
        if !self.ids.contains(&id) {
            self.ids.push(id);
        }
    }

    fn take_variables(&mut self, value: Cow<'a, Json>) {
        match &*value {
            Json::Null => {}
            Json::Map(_) => self.variables.push(value),
            // Some servers take them as a text.
            Json::Text(text) => match super::json::read(text) {
                Ok(json @ Json::Map(_)) => self.variables.push(Cow::Owned(json)),
                Ok(Json::Null) => {}
                _ => self.odd_variables |= !text.trim().is_empty(),
            },
            Json::Bool(_) | Json::Number(_) | Json::Enum { .. } | Json::List(_) => {
                self.odd_variables = true;
            }
        }
    }

    /// `extensions.persistedQuery.sha256Hash` (Apollo), in any letter case.
    fn take_hashes(&mut self, extensions: &Json) {
        let members = match extensions {
            Json::Map(members) => members,
            Json::Null => return,
            // Some servers take them as a text.
            Json::Text(text) => match super::json::read(text) {
                Ok(json @ Json::Map(_)) => return self.take_hashes(&json),
                _ => return self.odd |= !text.trim().is_empty(),
            },
            Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Enum { .. } => return self.odd = true,
        };
        let queries = members.iter().filter(|(name, _)| same_folded(name, "persistedQuery"));
        for (_, query) in queries {
            let known = self.persisted.len();
            let hashes = match query {
                Json::Map(members) => members.iter().filter(|(name, _)| same_folded(name, "sha256Hash")),
                Json::Null => continue,
                _ => return self.odd = true,
            };
            for (_, hash) in hashes {
                self.odd |= !take_text(Cow::Owned(hash.clone()), &mut self.persisted);
            }
            // A hash of another kind.
            self.odd |= self.persisted.len() == known;
        }
        for (_, id) in
            members.iter().filter(|(name, _)| PERSISTED.iter().any(|known| same_folded(name, known)))
        {
            self.odd |= !take_text(Cow::Owned(id.clone()), &mut self.persisted);
        }
    }

    /// Whether it says what is to be run.
    fn runs(&self) -> bool {
        !self.texts.is_empty() || !self.persisted.is_empty() || self.odd
    }

    /// Whether nothing in it is about GraphQL.
    fn is_empty(&self) -> bool {
        let named = !self.names.is_empty() || !self.variables.is_empty() || !self.ids.is_empty();
        !(self.runs() || named || self.odd_variables)
    }

    /// Takes what another place says of the operation and of variables, and an id that may stand for the text.
    fn take_names(&mut self, other: Self) {
        other.ids.into_iter().for_each(|id| self.add_id(id));
        let new = other.names.into_iter().filter(|name| !self.names.contains(name)).collect::<Vec<_>>();
        self.strewn |= other.strewn || !new.is_empty();
        self.names.extend(new);
        self.variables.extend(other.variables);
        self.odd_variables |= other.odd_variables;
    }

    fn add_to(&self, view: &mut View<'a>) -> Result<(), Unread> {
        if !self.runs() {
            // An id, variables or the name of an operation: the server finds the text by a way of its own.
            if !self.is_empty() {
                view.calls.push(hidden(self.ids.clone()));
            }
            return Ok(());
        }
        let (texts, persisted) = self.meant();
        if self.odd {
            view.calls
                .push(Call::default().with_hidden("type").with_hidden("field").with_hidden("operation"));
        }
        if !persisted.is_empty() {
            let hidden = ["type", "field", "operation", "arguments"];
            let call = hidden.into_iter().fold(Call::default(), Call::with_hidden);
            view.calls.push(call.with_names("persisted", persisted, true));
            view.says_so = true;
        }
        for text in texts {
            let document = Document::parse(text)?;
            view.says_so = true;
            let names = if self.strewn { &[] } else { self.names.as_slice() };
            for operation in document.selected(names) {
                self.add_operation(operation, view);
            }
        }
        Ok(())
    }

    /// The texts, and the ids that stand for others than these: a hash beside its own text says nothing new.
    fn meant(&self) -> (&[Cow<'a, str>], Vec<Cow<'a, str>>) {
        if self.persisted.is_empty() && self.ids.is_empty() {
            return (&self.texts, Vec::new());
        }
        let own: Vec<String> = self.texts.iter().map(|text| sha256_hex(text.as_bytes())).collect();
        let known = |id: &&Cow<'a, str>| own.iter().any(|hash| hash.eq_ignore_ascii_case(id));
        let ids = self.persisted.iter().chain(&self.ids);
        (&self.texts, ids.filter(|id| !known(id)).cloned().collect())
    }

    fn add_operation(&self, operation: &Operation<'_>, view: &mut View<'a>) {
        let mut variables = Variables::of(self, operation);
        for field in &operation.fields {
            let mut call = Call::default().with("type", operation.kind).with("field", field.name.to_owned());
            if let Some(name) = operation.name {
                call = call.with("operation", name.to_owned());
            }
            variables.certain = true;
            let mut members = Vec::new();
            for (name, argument) in &field.arguments {
                let values = argument.resolve(&mut |variable| variables.values(variable));
                members.extend(values.into_iter().map(|value| ((*name).to_owned(), value)));
            }
            call = if !variables.certain && (self.odd_variables || variables.nodes_left == 0) {
                call.with_hidden("arguments")
            } else if members.is_empty() {
                call
            } else {
                call.with_document("arguments", vec![Cow::Owned(Json::Map(members))], variables.certain)
            };
            view.calls.push(call);
        }
    }
}

/// What the variables of an operation can stand for.
struct Variables<'e> {
    values: HashMap<&'e str, Vec<&'e Json>>,
    /// Of those asked so far each has one value, beyond doubt.
    certain: bool,
    doubtful: bool,
    /// How much may still be copied: one large variable in many places is a bomb.
    nodes_left: usize,
}

impl<'e> Variables<'e> {
    fn of(envelope: &'e Envelope<'_>, operation: &'e Operation<'_>) -> Self {
        let mut values: HashMap<&str, Vec<&Json>> = HashMap::new();
        for variables in &envelope.variables {
            let Json::Map(members) = &**variables else { continue };
            members.iter().for_each(|(name, value)| values.entry(name).or_default().push(value));
        }
        for (name, value) in &operation.defaults {
            values.entry(name).or_insert_with(|| vec![value]);
        }
        let doubtful = envelope.variables.len() > 1 || envelope.odd_variables;
        Self { values, certain: true, doubtful, nodes_left: NODES_MAX }
    }

    fn values(&mut self, name: &str) -> Vec<Json> {
        let found = self.values.get(name).map(Vec::as_slice).unwrap_or_default();
        self.certain &= found.len() <= 1 && !self.doubtful;
        let nodes: usize = found.iter().map(|value| nodes(value, self.nodes_left)).sum();
        self.nodes_left = self.nodes_left.saturating_sub(nodes);
        if self.nodes_left == 0 {
            self.certain = false;
            return Vec::new();
        }
        found.iter().map(|value| (*value).clone()).collect()
    }
}

/// How many values are in a value; it stops counting beyond `most`.
fn nodes(value: &Json, most: usize) -> usize {
    let mut count = 1_usize;
    let mut add = |inner: &Json| {
        if count <= most {
            count = count.saturating_add(nodes(inner, most - count.min(most)));
        }
    };
    match value {
        Json::List(items) => items.iter().for_each(&mut add),
        Json::Map(members) => members.iter().for_each(|(_, inner)| add(inner)),
        Json::Text(text) => count += text.len() / 64,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Enum { .. } => {}
    }
    count
}

/// The member that a name in a form or a URL is a part of, or that of one request of a batch.
fn inside(name: &str) -> Option<&'static str> {
    let marks = ['[', '.'];
    let (first, rest) = name.split_at(name.find(marks)?);
    let is_number = !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit());
    let member = if is_number { rest.get(1..)?.split([']', '[', '.']).next()? } else { first };
    PARTED
        .into_iter()
        .find(|known| same_folded(member, known))
        .map(|known| if is_number { "operations" } else { known })
}

fn is_start(kind: &Json) -> bool {
    matches!(kind, Json::Text(kind) if STARTS.contains(&kind.as_str()))
}

/// Takes a text; nothing counts as no text. False: it is something else.
fn take_text<'a>(value: Cow<'a, Json>, texts: &mut Vec<Cow<'a, str>>) -> bool {
    let text = match value {
        Cow::Borrowed(Json::Text(text)) => Cow::Borrowed(text.as_str()),
        Cow::Owned(Json::Text(text)) => Cow::Owned(text),
        Cow::Borrowed(Json::Null) | Cow::Owned(Json::Null) => return true,
        Cow::Borrowed(_) | Cow::Owned(_) => return false,
    };
    if !text.trim().is_empty() && !texts.contains(&text) {
        if texts.len() == READINGS_MAX {
            return false;
        }
        texts.push(text);
    }
    true
}

/// Members that name a text which the server knows.
const PERSISTED: [&str; 8] =
    ["documentId", "doc_id", "docId", "queryId", "query_id", "queryHash", "sha256Hash", "operationId"];
/// What a form or a URL can name a part of, as in `variables[a]=1`: for servers that make maps of such names.
const PARTED: [&str; 5] = ["variables", "extensions", "query", "operationName", "operations"];
/// What starts an operation, in both protocols of GraphQL over WebSocket.
const STARTS: [&str; 2] = ["subscribe", "start"];
/// Nobody names one thing in more ways.
const READINGS_MAX: usize = 8;
/// Values of variables that are put into arguments, at most.
const NODES_MAX: usize = 50_000;
/// Each root field is a call that is shown to the reviewer.
const REQUESTS_MAX: usize = 100;
