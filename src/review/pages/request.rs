//! The held request, laid out whole, with what a rule matched marked in it.

use crate::decode::grpc::Descriptors;
use crate::hold::ParkedRequest;
use crate::review::body::BodyView;
use crate::review::decoded::DecodedView;
use crate::review::shown::Shown;
use crate::ruling::{BatchPart, Grounds, MatchedField};

/// Everything that would leave.
#[derive(Debug)]
pub(in crate::review) struct RequestView {
    pub(super) method: Piece,
    /// `https://`
    pub(super) scheme: Shown,
    pub(super) host: Piece,
    pub(super) path: Piece,
    /// As sent, after `?`.
    pub(super) query: Option<Shown>,
    /// The query, decoded.
    pub(super) parameters: Vec<Field>,
    pub(super) version: Shown,
    pub(super) headers: Vec<Field>,
    pub(super) body: BodyView,
    /// What the protocols in it call.
    pub(super) decoded: Vec<DecodedView>,
    /// Of a batch: its parts.
    pub(super) parts: Vec<PartView>,
    pub(super) body_bytes: String,
    pub(super) body_sha256: String,
}

/// A text that may be what a rule matched.
#[derive(Debug)]
pub(in crate::review) struct Piece {
    pub(super) text: Shown,
    pub(super) marked: bool,
}

#[derive(Debug)]
pub(in crate::review) struct Field {
    pub(super) name: Shown,
    pub(super) value: Shown,
    pub(super) marked: bool,
    pub(super) redacted: bool,
}

/// One request of a batch.
#[derive(Debug)]
pub(in crate::review) struct PartView {
    pub(super) verdict: &'static str,
    pub(super) method: Shown,
    pub(super) target: Shown,
    pub(super) rule: Shown,
}

impl PartView {
    fn of(part: &BatchPart) -> Self {
        Self {
            verdict: part.verdict.as_str(),
            method: Shown::of(&part.method),
            target: Shown::of(&part.target),
            rule: Shown::of(&part.rule),
        }
    }
}

impl RequestView {
    pub(super) fn of(request: &ParkedRequest, grounds: &Grounds, descriptors: &Descriptors) -> Self {
        let matched: &[MatchedField] = &grounds.matched;
        let is = |field: &str| matched.iter().any(|m| m.field == field);
        let (scheme, rest) = request.url.split_once("://").unwrap_or(("", &request.url));
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let parameter = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| Field {
            marked: is(&format!("query.{name}")) || is("query"),
            name: Shown::of(&name),
            value: Shown::of(&value),
            redacted: false,
        };
        let headers = request.headers.iter().map(|field| Field {
            marked: is(&format!("header.{}", field.name.to_ascii_lowercase())),
            name: Shown::of(&field.name),
            value: Shown::of(&field.value),
            redacted: field.redacted,
        });
        Self {
            method: Piece { text: Shown::of(&request.method), marked: is("method") },
            scheme: Shown::of(&format!("{scheme}://")),
            host: Piece { text: Shown::of(authority), marked: is("host") },
            path: Piece { text: Shown::of(path), marked: is("path") },
            query: query.map(Shown::of),
            parameters: url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
                .map(parameter)
                .collect(),
            version: Shown::of(&request.http_version),
            headers: headers.collect(),
            body: BodyView::of(request, matched),
            decoded: DecodedView::of(request, matched, descriptors),
            parts: grounds.parts.iter().map(PartView::of).collect(),
            body_bytes: bytes(request.body_bytes),
            body_sha256: request.body_sha256.clone(),
        }
    }
}

/// A size as read: exact, digits in groups.
fn bytes(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text + if count == 1 { " byte" } else { " bytes" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact() {
        assert_eq!(bytes(0), "0 bytes");
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(1_234_567), "1\u{202f}234\u{202f}567 bytes");
    }
}
