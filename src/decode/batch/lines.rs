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
        let url = url(frame, text(about, "_index")?, verb, id)?;
        parts.push(part(frame, method, &url, source.as_ref())?);
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
        let url = match member(about, "index")? {
            None | Some(Json::Null) => verb.to_owned(),
            Some(Json::Text(index)) => format!("{}/{}/{verb}", root(frame), segment(index)),
            Some(Json::List(items)) => {
                let names = items.iter().map(|item| match item {
                    Json::Text(name) => Ok(segment(name)),
                    _ => Err(Unread::from(ODD)),
                });
                format!("{}/{}/{verb}", root(frame), names.collect::<Result<Vec<_>, _>>()?.join(","))
            }
            Some(_) => return Err(ODD.into()),
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

fn part(frame: &Frame<'_>, method: &str, url: &str, source: Option<&Json>) -> Result<Part, Unread> {
    let body = source.map_or(Content::None, Content::Json);
    frame.part(&Written { method, url, headers: Vec::new(), body })
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
