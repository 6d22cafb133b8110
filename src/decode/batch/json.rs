//! Batches in JSON: Microsoft Graph and OData (`requests`), Azure Resource Manager, Salesforce.

use super::{Content, Frame, Part, Written, bounded};
use crate::decode::protocol::Unread;
use crate::decode::{Decoded, Json, same_folded};
use std::collections::HashMap;

type Members = [(String, Json)];

pub(super) fn read(frame: &Frame<'_>, decoded: &Decoded, name: &str) -> Result<Vec<Part>, Unread> {
    let top = top(decoded)?;
    requests(frame, list(top, name)?)
}

/// Of a service that nobody knows: a list of what has a method and a URL, on top or under one of the usual names.
/// `None` where there is none.
pub(super) fn guess(frame: &Frame<'_>, decoded: &Decoded) -> Option<Result<Vec<Part>, Unread>> {
    let has = |item: &Json, names: &[&str]| match item {
        Json::Map(members) => members.iter().any(|(key, _)| names.iter().any(|name| same_folded(key, name))),
        _ => false,
    };
    let is_request = |item: &Json| has(item, METHODS) && has(item, URLS);
    let lists: Vec<&[Json]> = match decoded.json.as_ref() {
        Some(Json::List(items)) => vec![items],
        // Asana puts all that is sent into `data`.
        Some(Json::Map(members)) => {
            let wrapped = members.iter().filter(|(key, _)| same_folded(key, "data"));
            let wrapped =
                wrapped.filter_map(|(_, data)| if let Json::Map(data) = data { Some(data) } else { None });
            wrapped.flatten().chain(members).filter(|(key, _)| is_list(key)).filter_map(items_of).collect()
        }
        Some(_) => return None,
        None if decoded.form.iter().flatten().any(|(name, value)| is_in_form(name, value)) => {
            return Some(Err("the batch has its requests in a form".into()));
        }
        None if decoded.may_be_lenient_json() => {
            return Some(Err("the batch is not JSON that all servers read alike".into()));
        }
        None => return None,
    };
    let mut lists = lists.into_iter().filter(|items| items.iter().any(is_request));
    let items = lists.next()?;
    if lists.next().is_some() {
        return Some(Err("the batch has two lists of requests".into()));
    }
    Some(requests(frame, items))
}

fn is_list(key: &str) -> bool {
    LISTS.iter().any(|name| same_folded(key, name))
}

fn items_of((_, value): &(String, Json)) -> Option<&[Json]> {
    if let Json::List(items) = value { Some(items.as_slice()) } else { None }
}

/// Whether a field of a form is a list of requests, or a part of one: `batch=[…]`, `requests[0][method]=DELETE`.
fn is_in_form(name: &str, value: &str) -> bool {
    let (first, rest) = name.split_at(name.find(['[', '.']).unwrap_or(name.len()));
    let has_parts = rest.starts_with(['[', '.']) && rest != "[]";
    is_list(first) && (has_parts || value.trim_start().starts_with(['[', '{']))
}

/// `{graphs: [{graphId, compositeRequest: […]}]}`
pub(super) fn read_graphs(frame: &Frame<'_>, decoded: &Decoded) -> Result<Vec<Part>, Unread> {
    let mut parts = Vec::new();
    for graph in list(top(decoded)?, "graphs")? {
        let Json::Map(graph) = graph else { return Err(ODD.into()) };
        parts.extend(requests(frame, list(graph, "compositeRequest")?)?);
        bounded(parts.len())?;
    }
    Ok(parts)
}

fn top(decoded: &Decoded) -> Result<&Members, Unread> {
    match &decoded.json {
        Some(Json::Map(members)) => Ok(members),
        _ => Err("the batch is not JSON that all servers read alike".into()),
    }
}

fn list<'a>(members: &'a Members, name: &str) -> Result<&'a [Json], Unread> {
    match one(members, &[name])? {
        Some(Json::List(items)) => Ok(items),
        _ => Err("the batch has no list of requests".into()),
    }
}

fn requests(frame: &Frame<'_>, items: &[Json]) -> Result<Vec<Part>, Unread> {
    bounded(items.len())?;
    let mut order = Vec::new();
    let mut parts = Vec::with_capacity(items.len());
    for item in items {
        let Json::Map(members) = item else { return Err(ODD.into()) };
        parts.push(request(frame, members)?);
        order.push(dependencies(members)?);
    }
    refuse_loops(&order)?;
    Ok(parts)
}

fn request(frame: &Frame<'_>, members: &Members) -> Result<Part, Unread> {
    let text = |names: &[&str]| match one(members, names)? {
        Some(Json::Text(text)) => Ok(Some(text.as_str())),
        None | Some(Json::Null) => Ok(None),
        Some(_) => Err(Unread::from(ODD)),
    };
    let filled = |name: &str| Ok::<_, Unread>(text(&[name])?.filter(|text| !text.trim().is_empty()));
    // Azure has two names for it, and takes the one that is not empty.
    let mut url = None;
    for name in URLS {
        match (url, filled(name)?) {
            (None, found) => url = found,
            (Some(known), Some(other)) if known != other => {
                return Err("a request in the batch has two URLs".into());
            }
            (Some(_), _) => {}
        }
    }
    let url = url.ok_or(Unread::from("a request in the batch has no URL"))?;
    let method = text(METHODS)?.ok_or(Unread::from("a request in the batch has no method"))?;
    let body = one(members, &["body", "content", "richInput"])?;
    let headers = match one(members, &["headers", "requestHeaderDetails", "httpHeaders"])? {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Map(headers)) => headers.iter().map(header).collect::<Result<_, _>>()?,
        Some(_) => return Err(ODD.into()),
    };
    let body = match (body, one(members, &["data"])?) {
        (body, None | Some(Json::Null)) => body.map_or(Content::None, Content::Json),
        (_, Some(_)) => Content::Unknown,
    };
    frame.part(&Written { method, url, headers, body })
}

fn header((name, value): &(String, Json)) -> Result<(&str, String), Unread> {
    let value = match value {
        Json::Text(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Bool(truth) => truth.to_string(),
        Json::Null | Json::Enum { .. } | Json::List(_) | Json::Map(_) => return Err(ODD.into()),
    };
    Ok((name, value))
}

/// The member of one of these names, in any letter case. Two of them: servers differ on which one counts.
fn one<'a>(members: &'a Members, names: &[&str]) -> Result<Option<&'a Json>, Unread> {
    let mut found = members.iter().filter(|(key, _)| names.iter().any(|name| same_folded(key, name)));
    let first = found.next().map(|(_, value)| value);
    if found.next().is_some() { Err("a request in the batch says something twice".into()) } else { Ok(first) }
}

/// The id of a request and those that it waits for.
type Order<'a> = (Option<&'a str>, Vec<&'a str>);

fn dependencies(members: &Members) -> Result<Order<'_>, Unread> {
    let id = match one(members, &["id"])? {
        Some(Json::Text(id)) => Some(id.as_str()),
        _ => None,
    };
    let awaited = match one(members, &["dependsOn"])? {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::List(ids)) => {
            let text = |id: &Json| matches!(id, Json::Text(_));
            if !ids.iter().all(text) {
                return Err(ODD.into());
            }
            ids.iter()
                .filter_map(|id| if let Json::Text(id) = id { Some(id.as_str()) } else { None })
                .collect()
        }
        Some(_) => return Err(ODD.into()),
    };
    Ok((id, awaited))
}

/// Follows what waits for what, from those that wait for nothing, and must come by all.
fn refuse_loops(order: &[Order<'_>]) -> Result<(), Unread> {
    const TANGLED: &str = "the requests in the batch wait for each other, or for one that is not there";
    if order.iter().all(|(_, awaited)| awaited.is_empty()) {
        return Ok(());
    }
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (place, (id, _)) in order.iter().enumerate() {
        if id.is_some_and(|id| places.insert(id, place).is_some()) {
            return Err("two requests in the batch have one id".into());
        }
    }
    let mut waiting: Vec<usize> = order.iter().map(|(_, awaited)| awaited.len()).collect();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); order.len()];
    for (place, (_, awaited)) in order.iter().enumerate() {
        for id in awaited {
            let awaited = places.get(id).and_then(|awaited| after.get_mut(*awaited));
            awaited.ok_or(Unread::from(TANGLED))?.push(place);
        }
    }
    let mut ready: Vec<usize> = (0..order.len()).filter(|place| waiting.get(*place) == Some(&0)).collect();
    let mut done = 0;
    while let Some(place) = ready.pop() {
        done += 1;
        for next in after.get(place).into_iter().flatten() {
            let Some(count) = waiting.get_mut(*next) else { continue };
            *count -= 1;
            if *count == 0 {
                ready.push(*next);
            }
        }
    }
    if done == order.len() { Ok(()) } else { Err(TANGLED.into()) }
}

const METHODS: &[&str] = &["method", "httpMethod"];
const URLS: &[&str] = &["url", "relativeUrl", "relative_url", "path", "uri", "relativePath", "relative_path"];
const LISTS: &[&str] =
    &["requests", "batch", "operations", "batchRequests", "compositeRequest", "calls", "actions"];
const ODD: &str = "the batch has something else where a request should be";
