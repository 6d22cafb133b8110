//! A held body, in every form that helps to read it.

use super::shown::Shown;
use crate::decode::{self, Body, Decoded, Limits};
use crate::hold::{ParkedRequest, ShownField};
use crate::outline::Outline;
use crate::ruling::MatchedField;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What the page shows of a body.
#[derive(Debug)]
pub(super) struct BodyView {
    /// Said above the panes: coding, repeated keys, what could not be understood.
    pub(super) notes: Vec<String>,
    /// The best reading first. Empty: there is no body, or it is no longer kept.
    pub(super) panes: Vec<Pane>,
}

#[derive(Debug)]
pub(super) struct Pane {
    /// A word for element ids.
    pub(super) id: &'static str,
    pub(super) label: &'static str,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Json(Outline),
    Form(Vec<FormField>),
    Text(Shown),
    Hex(String),
}

#[derive(Debug)]
pub(super) struct FormField {
    pub(super) name: Shown,
    pub(super) value: Shown,
    pub(super) marked: bool,
}

impl BodyView {
    pub(super) fn of(request: &ParkedRequest, matched: &[MatchedField]) -> Self {
        let mut view = Self { notes: Vec::new(), panes: Vec::new() };
        let Some(bytes) = &request.body else {
            if request.body_bytes > 0 {
                view.notes.push("The body is no longer kept; its size and SHA-256 are in the ledger.".into());
            }
            return view;
        };
        if bytes.is_empty() {
            return view;
        }
        let headers = fields(&request.headers);
        let coded = headers.get("content-encoding").is_some_and(|coding| coding != "identity");
        match decode::body(&headers, bytes, LIMITS) {
            Body::Decoded(decoded) => view.decoded(&decoded, coded, matched),
            Body::Unreadable(why) => {
                view.notes.push(format!("This body could not be read: {}.", Shown::of(&why)))
            }
            Body::Binary { why, .. } => {
                view.notes.push(format!("This body is no text: {}.", Shown::of(&why)));
                view.pane("hex", "Bytes", Content::Hex(hex_dump(bytes)));
                return view;
            }
            Body::NotRead | Body::Empty => {}
        }
        let as_sent = std::str::from_utf8(bytes);
        if let (Ok(text), false) = (as_sent, coded) {
            view.pane("raw", "As sent", Content::Text(Shown::of(text)));
        }
        if as_sent.is_err() || coded {
            view.pane("hex", "Bytes", Content::Hex(hex_dump(bytes)));
        }
        view
    }

    fn decoded(&mut self, decoded: &Decoded, coded: bool, matched: &[MatchedField]) {
        let pointers: BTreeSet<&str> = matched.iter().filter_map(|m| m.field.strip_prefix("body.")).collect();
        if let Some(outline) = decoded.text.as_deref().and_then(|text| Outline::of(text, &pointers)) {
            for pointer in &outline.repeated {
                self.notes
                    .push(format!("The key {pointer} stands twice: servers differ on which one counts."));
            }
            self.pane("json", "JSON", Content::Json(outline));
        }
        if let Some(form) = &decoded.form {
            let field = |(name, value): &(String, String)| FormField {
                name: Shown::of(name),
                value: Shown::of(value),
                marked: pointers.iter().any(|pointer| pointer.trim_start_matches('/') == name),
            };
            self.pane("form", "Form", Content::Form(form.iter().map(field).collect()));
        }
        if coded {
            self.notes.push("The body was sent compressed; it is shown unpacked.".into());
            if let Some(text) = &decoded.text {
                self.pane("text", "Text", Content::Text(Shown::of(text)));
            }
        }
    }

    fn pane(&mut self, id: &'static str, label: &'static str, content: Content) {
        self.panes.push(Pane { id, label, content });
    }
}

/// The fields that say how to read the body; no secret is among them.
fn fields(shown: &[ShownField]) -> HeaderMap {
    let pairs = shown.iter().filter(|field| !field.redacted).filter_map(|field| {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(&field.value).ok()?))
    });
    pairs.collect()
}

/// Sixteen bytes to a line: offset, hexadecimal, printable ASCII.
fn hex_dump(bytes: &[u8]) -> String {
    let mut dump = String::with_capacity(bytes.len().saturating_mul(5));
    for (number, row) in bytes.chunks(16).enumerate() {
        let _ = write!(dump, "{:08x} ", number * 16); // writing to a String cannot fail
        for place in 0..16 {
            let gap = if place == 8 { "  " } else { " " };
            let _ = match row.get(place) {
                Some(byte) => write!(dump, "{gap}{byte:02x}"),
                None => write!(dump, "{gap}  "),
            };
        }
        let printable = |byte: &u8| if matches!(byte, 32..=126) { char::from(*byte) } else { '.' };
        let _ = writeln!(dump, "  {}", row.iter().map(printable).collect::<String>());
    }
    dump
}

/// What was held is within the limit of held bytes already; unpacked, a page of text must stay a page.
const LIMITS: Limits = Limits { decoded_bytes_max: 8 * 1024 * 1024, ratio_max: 200 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_dumped_with_their_place() {
        let dump = hex_dump(b"\x00\x01GIF89a<script>\xff");
        assert_eq!(
            dump,
            "00000000  00 01 47 49 46 38 39 61  3c 73 63 72 69 70 74 3e  ..GIF89a<script>\n\
             00000010  ff                                                .\n"
        );
    }
}
