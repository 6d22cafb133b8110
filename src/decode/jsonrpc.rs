//! JSON-RPC 2.0, and the Model Context Protocol on top of it, over HTTP.
//!
//! All revisions of MCP are read alike: 2024-11-05 (HTTP with SSE), 2025-03-26 (the only one with batches),
//! 2025-06-18, 2025-11-25, and 2026-07-28, which repeats method and name in `Mcp-Method` and `Mcp-Name` (SEP-2243)
//! so that routers need not read the body. Where head and body disagree, nobody can tell which one counts.
//!
//! Servers differ in how they read a member that stands there twice, or in another letter case: all readings are
//! kept. The version member is not asked for, since many servers do not.

use super::protocol::{Call, Claim, Kind, Protocol, Request, Said, Spec, Unread, View};
use super::{Body, Json, component, same_folded, split};
use crate::request::Head;
use base64::Engine as _;
use http::HeaderMap;
use smallvec::SmallVec;
use std::borrow::Cow;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "rpc",
    fields: &[
        Spec { name: "method", kind: Kind::Name },
        Spec { name: "tool", kind: Kind::Name },
        Spec { name: "prompt", kind: Kind::Name },
        Spec { name: "uri", kind: Kind::Name },
        Spec { name: "arguments", kind: Kind::Document },
        Spec { name: "params", kind: Kind::Document },
        Spec { name: "kind", kind: Kind::Word(&["request", "notification", "response"]) },
    ],
    claim,
    read,
};

/// Nothing in a head says for certain that a body is no JSON-RPC: servers read it whatever its label and method.
const fn claim(_: &Head<'_>) -> Claim {
    Claim::Body
}

fn read<'a>(request: &Request<'a>) -> Result<View<'a>, Unread> {
    let headers = request.head.headers;
    let in_url = split(request.head.query.unwrap_or_default(), &['&', ';']).map(|(name, _)| component(name));
    if are_a_call(in_url) {
        return Err("it has a JSON-RPC call in its URL".into());
    }
    let decoded = match request.body {
        Body::Empty => return none(headers),
        Body::Decoded(decoded) => decoded,
        Body::Unreadable(why) | Body::Binary { why, .. } => return Err(why.clone().into()),
        Body::NotRead => return Err("its body was not read".into()),
    };
    let Some(json) = &decoded.json else {
        let names = decoded.form.iter().flatten().map(|(name, _)| Cow::Borrowed(name.as_str()));
        let mut values = decoded.form.iter().flatten().map(|(_, value)| value.as_str());
        if are_a_call(names) || values.any(holds_a_call) {
            return Err("it has a JSON-RPC call in a form".into());
        }
        // What says that it is JSON and is none may be a message to a reader that forgives.
        let broken = decoded.form.is_none() && super::says_json(headers);
        return if broken || decoded.may_be_lenient_json() {
            Err("the body is not JSON that all servers read alike".into())
        } else {
            none(headers)
        };
    };
    let view = match json {
        Json::List(items) if items.is_empty() => return Err("its list of JSON-RPC messages is empty".into()),
        Json::List(items) if items.len() > MESSAGES_MAX => {
            return Err(format!("it has more than {MESSAGES_MAX} JSON-RPC messages").into());
        }
        Json::List(items) => {
            if mirrored(headers).next().is_some() {
                return Err("its head names one call and its body is a list".into());
            }
            let mut view = View::default();
            for item in items {
                add(item, &mut view)?;
            }
            return Ok(view);
        }
        item => {
            let mut view = View::default();
            add(item, &mut view)?;
            view
        }
    };
    agree(headers, &view)?;
    Ok(view)
}

/// Whether pairs of these names are a call as some servers take it from a URL or a form (the draft "JSON-RPC 2.0 over
/// HTTP" of 2008).
fn are_a_call<'n>(names: impl Iterator<Item = Cow<'n, str>>) -> bool {
    let [mut version, mut method, mut params] = [false; 3];
    for name in names {
        version |= same_folded(&name, "jsonrpc");
        method |= same_folded(&name, "method");
        params |= same_folded(name.split('[').next().unwrap_or_default(), "params");
    }
    version || method && params
}

/// Whether a field of a form is a message.
fn holds_a_call(value: &str) -> bool {
    if !value.trim_start().starts_with(['{', '[']) {
        return false;
    }
    let Ok(json) = super::json::read(value.trim()) else { return value.contains("method") };
    let mut view = View::default();
    let items = if let Json::List(items) = &json { items.as_slice() } else { std::slice::from_ref(&json) };
    items.iter().any(|item| add(item, &mut view).is_err()) || !view.calls.is_empty()
}

/// No message: then the head must name none either.
fn none<'a>(headers: &HeaderMap) -> Result<View<'a>, Unread> {
    match mirrored(headers).next() {
        Some(_) => Err("its head names a call and its body has none".into()),
        None => Ok(View::default()),
    }
}

/// Adds the call that one message is, if it is one.
fn add<'a>(message: &'a Json, view: &mut View<'a>) -> Result<(), Unread> {
    let members = match message {
        Json::Map(members) => members,
        // In a list within a list some servers find calls; in a number nobody does.
        Json::List(_) => return Err("it has a list of JSON-RPC messages within a list".into()),
        Json::Text(text) if text.trim_start().starts_with(['{', '[']) => {
            return Err("it has a JSON-RPC message as a text within JSON".into());
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Enum { .. } => return Ok(()),
    };
    let [version, id, method, params, result, error] =
        members_of([members], ["jsonrpc", "id", "method", "params", "result", "error"]);
    view.says_so |= version.is_there();
    let methods = method.names();
    let mut kinds: Vec<Cow<'a, str>> = Vec::new();
    if !methods.is_empty() || (method.is_there() && version.is_there()) {
        kinds.push(if id.is_there() { "request" } else { "notification" }.into());
    }
    if result.is_there() || error.is_there() {
        kinds.push("response".into());
    }
    if kinds.is_empty() {
        return Ok(()); // JSON of another kind, for a server of another kind
    }
    let certain = kinds.len() == 1;
    // A method that is no text may be any.
    let odd = methods.len() != method.values.len();
    let is = |name: &str| odd || methods.iter().any(|method| method.trim().eq_ignore_ascii_case(name));
    let (calls_tool, gets_prompt) = (is("tools/call"), is("prompts/get"));
    let [name, uri, arguments] = params.members(["name", "uri", "arguments"]);
    let mut call = method.add_to(Call::default(), "method");
    if calls_tool {
        // Without parameters by name, the tool is named in a way of the server's own.
        let listed = params.is_there() && !name.is_there();
        call = if listed { call.with_hidden("tool") } else { name.add_to(call, "tool") };
    }
    if gets_prompt {
        call = name.add_to(call, "prompt");
    }
    call = uri.add_to(call, "uri");
    call = call.with_document("arguments", arguments.roots(), arguments.exact);
    call = call.with_document("params", params.roots(), params.exact);
    view.calls.push(call.with_names("kind", kinds, certain));
    Ok(())
}

/// All that a member can stand for: servers take the first or the last of several, and some take other letter case.
struct Member<'a> {
    values: SmallVec<[&'a Json; 1]>,
    /// It stands there once, letter by letter.
    exact: bool,
}

type Entries<'a> = &'a Vec<(String, Json)>;

/// The members of these names, in one pass.
fn members_of<'a, const N: usize>(
    maps: impl IntoIterator<Item = Entries<'a>>,
    names: [&str; N],
) -> [Member<'a>; N] {
    let mut found = names.map(|_| Member { values: SmallVec::new(), exact: false });
    for (key, value) in maps.into_iter().flatten() {
        let named = names.iter().zip(&mut found).find(|(name, _)| same_folded(key, name));
        if let Some((name, member)) = named {
            member.exact = key == name && member.values.is_empty();
            member.values.push(value);
        }
    }
    found
}

impl<'a> Member<'a> {
    fn is_there(&self) -> bool {
        !self.values.is_empty()
    }

    /// Members of this member.
    fn members<const N: usize>(&self, names: [&str; N]) -> [Self; N] {
        let maps = self.values.iter().filter_map(|value| match value {
            Json::Map(entries) => Some(entries),
            _ => None,
        });
        members_of(maps, names).map(|inner| Self { exact: inner.exact && self.exact, ..inner })
    }

    /// Those that are texts.
    fn names(&self) -> Vec<Cow<'a, str>> {
        self.values.iter().filter_map(|value| text(value)).map(Cow::Borrowed).collect()
    }

    /// The same without the blanks around them, where there are any: some servers trim.
    fn trimmed(&self) -> impl Iterator<Item = Cow<'a, str>> {
        let texts = self.values.iter().filter_map(|value| text(value));
        texts.filter(|text| text.trim().len() < text.len()).map(|text| Cow::Borrowed(text.trim()))
    }

    /// A name that is no text is one that cannot be seen.
    fn add_to(&self, call: Call<'a>, field: &'static str) -> Call<'a> {
        let mut names = self.names();
        if names.len() < self.values.len() {
            return call.with_hidden(field);
        }
        let certain = names.len();
        names.extend(self.trimmed());
        let exact = self.exact && names.len() == certain;
        call.with_names(field, names, exact)
    }

    fn roots(&self) -> Vec<Cow<'a, Json>> {
        self.values.iter().map(|value| Cow::Borrowed(*value)).collect()
    }
}

fn text(json: &Json) -> Option<&str> {
    match json {
        Json::Text(text) => Some(text),
        _ => None,
    }
}

/// The fields of the head that repeat parts of the body: `Mcp-Method`, `Mcp-Name`, `Mcp-Param-…`.
fn mirrored(headers: &HeaderMap) -> impl Iterator<Item = (&str, Option<Cow<'_, str>>)> {
    let fields = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("mcp-")?;
        (name == "method" || name == "name" || name.starts_with("param-")).then_some((name, value))
    });
    fields.map(|(name, value)| (name, value.to_str().ok().and_then(unwrapped)))
}

/// The value of such a field: as it stands, or in `=?base64?…?=`.
fn unwrapped(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let Some(coded) = text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(text));
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(coded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// What the head repeats must be what the body says, in all of its readings.
fn agree(headers: &HeaderMap, view: &View<'_>) -> Result<(), Unread> {
    for (field, value) in mirrored(headers) {
        let value = value.ok_or("a field of its head that names the call cannot be read")?;
        let agrees = view.calls.first().is_some_and(|call| match field {
            "method" => says(call, "method", &value),
            "name" => {
                ["tool", "prompt", "uri"].iter().any(|field| says(call, field, &value))
                    || is_task(call, &value)
            }
            _ => has_argument(call, &value),
        });
        if !agrees {
            return Err(format!("`Mcp-{field}` of its head is not what its body says").into());
        }
    }
    Ok(())
}

fn says(call: &Call<'_>, field: &str, value: &str) -> bool {
    matches!(call.said(field), Some(Said::Names { names, .. }) if names.iter().all(|name| name == value))
}

/// Whether it is about this task (SEP-1686): `tasks/get` and the like are about no tool.
fn is_task(call: &Call<'_>, id: &str) -> bool {
    let about_tasks = matches!(call.said("method"), Some(Said::Names { names, .. })
        if names.iter().all(|name| name.starts_with("tasks/")));
    let Some(Said::Document { roots, .. }) = call.said("params") else { return false };
    let names_it = |root: &Cow<'_, Json>| {
        let Json::Map(members) = &**root else { return false };
        let [task] = members_of([members], ["taskId"]);
        task.is_there() && task.values.iter().all(|value| text(value) == Some(id))
    };
    about_tasks && roots.iter().all(names_it)
}

/// Whether an argument has this value somewhere: which one, only the server's schema tells.
fn has_argument(call: &Call<'_>, value: &str) -> bool {
    let Some(Said::Document { roots, .. }) = call.said("arguments") else { return false };
    roots.iter().all(|root| has_leaf(root, value))
}

fn has_leaf(json: &Json, value: &str) -> bool {
    match json {
        Json::Null => false,
        Json::Bool(truth) => value == if *truth { "true" } else { "false" },
        Json::Number(number) => value.parse() == Ok(number.as_f64()),
        Json::Text(text) | Json::Enum { name: text, .. } => text == value,
        Json::List(items) => items.iter().any(|item| has_leaf(item, value)),
        Json::Map(members) => members.iter().any(|(_, member)| has_leaf(member, value)),
    }
}

/// Nobody sends as many calls at once; each is shown to the reviewer.
const MESSAGES_MAX: usize = 100;
