//! Bytes to meaning. Pure: no clock, no socket, no tokio; every decoder has a fuzz target.

use http::HeaderMap;

/// A body as rules see it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Body {
    /// No rule asked for it; it was not read.
    #[default]
    NotRead,
    /// The request has none.
    Empty,
    /// Decoded: see the accessors.
    Decoded(Decoded),
    /// A rule depends on it and it cannot be understood: coding, charset, syntax, size.
    Unreadable(String),
}

/// A decoded body: what a JSON pointer, a form field or a text search is asked of.
#[derive(Debug)]
pub struct Decoded {
    /// After content-coding was undone; UTF-8.
    pub text: Option<String>,
    pub json: Option<serde_json::Value>,
    pub form: Option<Vec<(String, String)>>,
    /// Size as sent.
    pub bytes: u64,
}

/// Limits of decoding.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes after decoding, at most.
    pub decoded_bytes_max: usize,
    /// Decoded bytes to coded bytes, at most.
    pub ratio_max: usize,
}

/// Decodes a whole body by its head fields, and by what a server would make of it when they say nothing.
pub fn body(headers: &HeaderMap, bytes: &[u8], limits: Limits) -> Body {
    let _ = (headers, bytes, limits);
    todo!("rules helper")
}
