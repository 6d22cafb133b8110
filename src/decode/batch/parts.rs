//! Batches as `multipart/mixed` with an `application/http` request in each part (Google, OData; RFC 2046 §5.1.1),
//! read strictly: where part readers differ, the batch counts as unreadable.

use super::{Content, Frame, Part, Written, bounded};
use crate::decode::Decoded;
use crate::decode::protocol::Unread;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Whether it has requests in its parts.
pub(super) fn looks_like_one(headers: &HeaderMap, decoded: &Decoded) -> bool {
    let text = decoded.text.as_deref().unwrap_or_default();
    super::says_multipart(headers) && text.to_ascii_lowercase().contains("application/http")
}

pub(super) fn read(frame: &Frame<'_>, decoded: &Decoded) -> Result<Vec<Part>, Unread> {
    let text = decoded.text.as_deref().ok_or(Unread::from("the batch is not text"))?;
    let mut values = frame.head.headers.get_all(CONTENT_TYPE).iter();
    let value = values.next().and_then(|value| value.to_str().ok()).filter(|_| values.next().is_none());
    let value = value.ok_or(Unread::from("the batch has two content types"))?;
    let mut parts = Vec::new();
    take(frame, text, value, Within::Batch, &mut parts)?;
    Ok(parts)
}

/// In what a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Batch,
    /// A change set of OData: all or nothing of its requests is done (OData 4.01 part 1 §11.7.7.3).
    Changes,
}

/// Adds the parts of a multipart text with this content type.
fn take(
    frame: &Frame<'_>,
    text: &str,
    content_type: &str,
    within: Within,
    parts: &mut Vec<Part>,
) -> Result<(), Unread> {
    let boundary = boundary(content_type)?;
    let delimiter = format!("--{boundary}");
    let text = text.trim_start_matches(['\r', '\n']);
    let behind = text.strip_prefix(delimiter.as_str()).ok_or(Unread::from(ODD))?;
    // Line ends are CRLF, or LF as Python's writer makes them, and the same in all places.
    let end = ["\r\n", "\n"].into_iter().find(|end| behind.starts_with(end)).ok_or(Unread::from(ODD))?;
    let mut pieces = text.split(delimiter.as_str()).skip(1).peekable();
    let mut closed = false;
    while let Some(piece) = pieces.next() {
        if piece.starts_with("--") {
            closed = piece.trim_start_matches('-').trim().is_empty()
                && piece.starts_with("--")
                && !piece.starts_with("---");
            if pieces.peek().is_some() || !closed {
                return Err("something follows the end of the batch".into());
            }
            break;
        }
        let inner =
            piece.strip_prefix(end).and_then(|piece| piece.strip_suffix(end)).ok_or(Unread::from(ODD))?;
        if end == "\n" && inner.contains('\r') || end == "\r\n" && inner.ends_with('\r') {
            return Err("the lines of the batch end in two ways".into());
        }
        part(frame, inner, end, within, parts)?;
        bounded(parts.len())?;
    }
    if closed { Ok(()) } else { Err("the batch has no end".into()) }
}

/// One part: its own head, then a request, or a change set.
fn part(
    frame: &Frame<'_>,
    text: &str,
    end: &str,
    within: Within,
    parts: &mut Vec<Part>,
) -> Result<(), Unread> {
    let (head, request) = head_and_rest(text, end)?;
    let (mut is_request, mut changes) = (false, None);
    for (name, value) in fields(head, end)? {
        if name.eq_ignore_ascii_case("content-type") {
            let essence = value.split(';').next().unwrap_or_default().trim();
            let is_one = essence.eq_ignore_ascii_case("application/http");
            let are_changes = essence.eq_ignore_ascii_case("multipart/mixed") && within == Within::Batch;
            if is_request || changes.is_some() || !(is_one || are_changes) {
                return Err("a part of the batch is not one request".into());
            }
            is_request = is_one;
            changes = are_changes.then_some(value);
        }
        let coded = name.eq_ignore_ascii_case("content-transfer-encoding")
            && !["binary", "7bit", "8bit"].iter().any(|plain| value.eq_ignore_ascii_case(plain));
        if coded || name.eq_ignore_ascii_case("content-encoding") {
            return Err("a part of the batch is encoded again".into());
        }
    }
    if let Some(content_type) = changes {
        return take(frame, request, content_type, Within::Changes, parts);
    }
    if !is_request {
        return Err("a part of the batch is not one request".into());
    }
    parts.push(self::request(frame, request, end)?);
    Ok(())
}

fn request(frame: &Frame<'_>, text: &str, end: &str) -> Result<Part, Unread> {
    // A request without fields may end with its first line.
    let (head, body) = match head_and_rest(text, end) {
        Ok(found) => found,
        Err(_) => (text.strip_suffix(end).unwrap_or(text), ""),
    };
    let (line, rest) = head.split_once(end).unwrap_or((head, ""));
    let mut words = line.split(' ');
    let (method, url, version) = (words.next(), words.next(), words.next());
    let (Some(method), Some(url), None) = (method, url, words.next()) else { return Err(ODD.into()) };
    if version.is_some_and(|version| !["HTTP/1.1", "HTTP/1.0"].contains(&version)) {
        return Err(ODD.into());
    }
    let mut headers = Vec::new();
    let mut length: Option<usize> = None;
    for (name, value) in fields(rest, end)? {
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err("a request in the batch is framed in a way of its own".into());
        }
        if name.eq_ignore_ascii_case("content-length") {
            let digits = value.bytes().all(|b| b.is_ascii_digit());
            let parsed = value.parse().ok().filter(|_| digits && length.is_none());
            length = Some(parsed.ok_or(Unread::from(SPLIT))?);
        } else {
            headers.push((name, value.to_owned()));
        }
    }
    let body = match length {
        Some(length) => {
            let (body, behind) = body.split_at_checked(length).ok_or(Unread::from(SPLIT))?;
            if !behind.trim().is_empty() {
                return Err(SPLIT.into());
            }
            body
        }
        None => body,
    };
    // What begins like a second request may be taken for one.
    if body
        .lines()
        .any(|line| line.trim_end().ends_with(" HTTP/1.1") || line.trim_end().ends_with(" HTTP/1.0"))
    {
        return Err("a part of the batch is not one request".into());
    }
    let body = if body.trim().is_empty() { Content::None } else { Content::Text(body) };
    frame.part(&Written { method, url, headers, body })
}

fn head_and_rest<'t>(text: &'t str, end: &str) -> Result<(&'t str, &'t str), Unread> {
    let empty = format!("{end}{end}");
    text.split_once(empty.as_str()).ok_or(Unread::from("a part of the batch has no head"))
}

fn fields<'t>(head: &'t str, end: &'t str) -> Result<Vec<(&'t str, &'t str)>, Unread> {
    let field = |line: &'t str| {
        let (name, value) = line.split_once(':').ok_or(Unread::from(ODD))?;
        let sound =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()) && !value.contains(['\r', '\n']);
        if sound { Ok((name, value.trim_matches([' ', '\t']))) } else { Err(Unread::from(ODD)) }
    };
    head.split(end).filter(|line| !line.is_empty()).map(field).collect()
}

/// The one boundary that a content type names.
fn boundary(content_type: &str) -> Result<String, Unread> {
    let mut found = None;
    for parameter in content_type.split(';').skip(1) {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let name = name.trim();
        if name.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("boundary*")) {
            return Err("the batch has an extended boundary".into());
        }
        if name.eq_ignore_ascii_case("boundary") {
            let value = value.trim();
            let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
            let sound = !bare.is_empty() && bare.len() <= BOUNDARY_BYTES_MAX && !bare.contains(['"', '\\']);
            if found.is_some() || !sound {
                return Err("the batch has no single boundary".into());
            }
            found = Some(bare.to_owned());
        }
    }
    found.ok_or(Unread::from("the batch has no boundary"))
}

const ODD: &str = "the batch is not the list of requests that it says it is";
const SPLIT: &str = "a request in the batch does not end where it says";
/// RFC 2046 §5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;
