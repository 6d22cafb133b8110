//! Elasticsearch and OpenSearch: `_bulk` and `_msearch`, a JSON document in each line.

use super::{Content, Frame, Part, Written, bounded};
use crate::decode::protocol::Unread;
use crate::decode::{Decoded, Json};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// `{"delete": {"_index": "i", "_id": "7"}}`, and for all others a document behind it.
pub(super) fn read_bulk(frame: &Frame<'_>, decoded: &Decoded) -> Result<Vec<Part>, Unread> {
    let mut lines = lines(decoded)?;
    let mut parts = Vec::new();
    while let Some(line) = lines.next() {
        let line = document(line)?;
        let Json::Map(members) = &line else { return Err(ODD.into()) };
        let [(action, Json::Map(about))] = members.as_slice() else { return Err(ODD.into()) };
        let id = text(about, "_id")?;
        let (method, verb) = match (action.as_str(), id) {
            ("index", Some(_)) => ("PUT", "_doc"),
            ("index", None) => ("POST", "_doc"),
            ("create", Some(_)) => ("PUT", "_create"),
            ("create", None) => ("POST", "_doc"),
            ("update", Some(_)) => ("POST", "_update"),
            ("delete", Some(_)) => ("DELETE", "_doc"),
            _ => return Err("a line of the bulk request does what is not known".into()),
        };
        let source = match action.as_str() {
            "delete" => None,
            _ => Some(document(lines.next().ok_or(Unread::from(ODD))?)?),
        };
        let index = text(about, "_index")?;
        parts.push(part(frame, method, &|frame| url(frame, index, verb, id), source.as_ref())?);
        bounded(parts.len())?;
    }
    Ok(parts)
}

/// `{"index": "i"}` or nothing, and a search behind it.
pub(super) fn read_searches(frame: &Frame<'_>, decoded: &Decoded, verb: &str) -> Result<Vec<Part>, Unread> {
    let mut lines = lines(decoded)?;
    let mut parts = Vec::new();
    while let Some(line) = lines.next() {
        let about = if line.trim().is_empty() { Json::Map(Vec::new()) } else { document(line)? };
        let Json::Map(about) = &about else { return Err(ODD.into()) };
        let search = document(lines.next().ok_or(Unread::from(ODD))?)?;
        let indices = match (member(about, "index")?, member(about, "indices")?) {
            (found, None) | (None, found) => indices(found)?,
            (Some(_), Some(_)) => return Err(ODD.into()),
        };
        let url = |frame: &Frame<'_>| {
            Ok(match &indices {
                None => verb.to_owned(),
                Some(indices) => format!("{}/{indices}/{verb}", root(frame)),
            })
        };
        parts.push(part(frame, frame.head.method.as_str(), &url, Some(&search))?);
        bounded(parts.len())?;
    }
    Ok(parts)
}

fn lines(decoded: &Decoded) -> Result<std::str::Lines<'_>, Unread> {
    decoded.text.as_deref().map(str::lines).ok_or(Unread::from(ODD))
}

fn document(line: &str) -> Result<Json, Unread> {
    crate::decode::json::read(line).map_err(|_| Unread::from("a line of the bulk request is not JSON"))
}

/// The path of a document, of the index in the line or that of the path.
fn url(frame: &Frame<'_>, index: Option<&str>, verb: &str, id: Option<&str>) -> Result<String, Unread> {
    let id = id.map(|id| format!("/{}", segment(id))).unwrap_or_default();
    match index {
        Some(index) => Ok(format!("{}/{}/{verb}{id}", root(frame), segment(index))),
        None if frame.base.is_empty() => Err("a line of the bulk request names no index".into()),
        None => Ok(format!("{}/{verb}{id}", frame.base)),
    }
}

/// What stands in front of the index in the path.
fn root<'f>(frame: &Frame<'f>) -> &'f str {
    super::base(frame.base, 1)
}

/// The request that a line stands for; and what it would be if the last two segments of the path were an index and a
/// type, as they were before version 8.
fn part(
    frame: &Frame<'_>,
    method: &str,
    url: &dyn Fn(&Frame<'_>) -> Result<String, Unread>,
    source: Option<&Json>,
) -> Result<Part, Unread> {
    let of = |frame: &Frame<'_>| {
        let body = source.map_or(Content::None, Content::Json);
        frame.part(&Written { method, url: &url(frame)?, headers: Vec::new(), body })
    };
    let mut part = of(frame)?;
    let base = root(frame);
    if !base.is_empty() {
        let typed = of(&Frame { head: frame.head, place: frame.place, base })?;
        part.readings.push(typed.path.into());
        part.readings.extend(typed.readings);
    }
    Ok(part)
}

/// The indices of a search, as they stand in a path.
fn indices(named: Option<&Json>) -> Result<Option<String>, Unread> {
    Ok(match named {
        None | Some(Json::Null) => None,
        Some(Json::Text(index)) => Some(segment(index)),
        Some(Json::List(items)) => {
            let names = items.iter().map(|item| match item {
                Json::Text(name) => Ok(segment(name)),
                _ => Err(Unread::from(ODD)),
            });
            Some(names.collect::<Result<Vec<_>, _>>()?.join(","))
        }
        Some(_) => return Err(ODD.into()),
    })
}

fn member<'a>(members: &'a [(String, Json)], name: &str) -> Result<Option<&'a Json>, Unread> {
    let mut found = members.iter().filter(|(key, _)| key == name);
    let first = found.next().map(|(_, value)| value);
    if found.next().is_some() {
        Err("a line of the bulk request says something twice".into())
    } else {
        Ok(first)
    }
}

fn text<'a>(members: &'a [(String, Json)], name: &str) -> Result<Option<&'a str>, Unread> {
    match member(members, name)? {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(ODD.into()),
    }
}

fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

const ODD: &str = "the bulk request is not the pairs of lines that it should be";
