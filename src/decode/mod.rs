//! Bytes to meaning. Pure: no clock, no socket, no tokio; every decoder has a fuzz target.
//!
//! A body is read by its content and not by its label alone: where an origin could take it for JSON or for a
//! form, both readings are kept, and rules are asked about both.

pub mod aws;
pub mod batch;
mod coding;
mod folding;
mod form;
pub mod git;
mod graphql;
pub mod grpc;
mod json;
mod jsonrpc;
pub mod k8s;
mod media;
mod multipart;
pub mod object_store;
pub mod protocol;
pub mod sql;
pub mod websocket;

pub(crate) use folding::{same_folded, same_name};
pub(crate) use form::{component, is_named, is_place, split, variants};
pub use json::{Json, Number};
use media::media_type;

use crate::request::Head;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Method};
use media::{Kind, Media};
use std::borrow::Cow;

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
    /// No text once its codings are undone. Rules about its fields or its text find it unreadable; protocols of
    /// bytes (git, gRPC) read it.
    Binary { bytes: Vec<u8>, why: String },
    /// A rule depends on it and it cannot be understood: coding, charset, size.
    Unreadable(String),
}

/// A decoded body: what a JSON pointer, a form field or a text search is asked of.
#[derive(Debug, Default)]
pub struct Decoded {
    /// After content-coding was undone; UTF-8. `None` for multipart with parts that are no text.
    pub text: Option<String>,
    /// The JSON reading, duplicate keys kept.
    pub json: Option<Json>,
    /// The form reading, in the order sent, repeated names kept: urlencoded or multipart.
    pub form: Option<Vec<(String, String)>>,
    /// Why there is neither a JSON nor a form reading.
    pub unstructured: Option<String>,
    /// Size as sent.
    pub bytes: u64,
    /// What readers of other habits could make of it.
    pub other: Other,
}

/// Readings of a body besides the likely one. Rules that hold are asked of them too.
#[derive(Debug, Default)]
pub struct Other {
    /// As sent, where a coding was undone.
    pub text: Option<String>,
    /// Fields that only some readers of forms find.
    pub form: Vec<(String, String)>,
    /// JSON in parts of a form.
    pub documents: Vec<Json>,
    /// Names of fields whose values cannot be seen.
    pub hidden: Vec<String>,
    /// Whether readers that we are none of could find more.
    pub doubt: Doubt,
}

/// Whether a body can have members that nobody here can find.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    #[default]
    None,
    /// If so, their names are spelled in its text.
    Spelled,
    Any,
}

impl Decoded {
    /// Whether a reader of another kind could find a member of this name.
    pub(crate) fn could_have(&self, name: &str) -> bool {
        match self.other.doubt {
            Doubt::None => false,
            Doubt::Any => true,
            Doubt::Spelled => self.text.as_deref().is_none_or(|text| folding::could_name(text, name)),
        }
    }

    /// Whether letters in it may be written in a way that a search of its text does not undo: escapes in what is
    /// no JSON, characters by number in markup, and what cannot be seen at all.
    pub(crate) fn hides_letters(&self) -> bool {
        let text = self.text.as_deref().unwrap_or_default();
        let escape = || {
            text.split('\\').skip(1).any(|behind| {
                let digits =
                    |from: &str| from.len() >= 2 && from.chars().take(2).all(|c| c.is_ascii_hexdigit());
                behind.starts_with("u{") || behind.strip_prefix(['x', 'u', 'U']).is_some_and(digits)
            })
        };
        let tagged = self.other.doubt == Doubt::Spelled && folding::has_tag(text);
        let markup = text.trim_start().starts_with('<') && (text.contains("&#") || text.contains("<!"));
        let lenient = self.may_be_lenient_json() && text.contains('\\');
        let hidden = self.other.doubt == Doubt::Any || !self.other.hidden.is_empty();
        hidden || markup || tagged || lenient || (self.json.is_none() && escape())
    }

    /// Whether a lenient reader might find an object in what is no JSON (comments, quotes, commas): not without a
    /// brace, and not in what is sent as a form and begins like one.
    pub(crate) fn may_be_lenient_json(&self) -> bool {
        let text = self.text.as_deref().unwrap_or_default();
        self.json.is_none()
            && text.contains('{')
            && (self.form.is_none() || text.trim_start().starts_with(['{', '[', '/', '#']))
    }
}

/// Limits of decoding.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes after decoding, at most.
    pub decoded_bytes_max: usize,
    /// Decoded bytes to coded bytes, at most.
    pub ratio_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { decoded_bytes_max: 1 << 20, ratio_max: 200 }
    }
}

/// Why a body cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    #[error("the content-coding `{0}` is not known")]
    UnknownCoding(String),
    #[error("the body has more than {} content-codings", coding::LAYERS_MAX)]
    Layers,
    #[error("the body does not decode as {0}")]
    Coding(&'static str),
    #[error("the body grows beyond {0} bytes when decoded")]
    TooLarge(usize),
    #[error("the body grows more than {0}-fold when decoded")]
    Ratio(usize),
    #[error("the body is compressed, and nothing says so")]
    Unlabelled,
    #[error("the body is text as it was sent, and another one once its coding is undone")]
    Twofold,
    #[error("the body was compressed in several pieces, of which some servers read the first")]
    Pieces,
    #[error("the form has more than {} fields", form::FIELDS_MAX)]
    Fields,
    #[error("the body's content type is malformed")]
    TypeParameter,
    #[error("the body has two content types")]
    TwoTypes,
    #[error("the charset `{0}` is not read")]
    Charset(String),
    #[error("the body is not UTF-8")]
    Utf8,
    #[error("the body holds NUL characters")]
    Nul,
    #[error("the body is not the multipart form that it says it is: {0}")]
    Multipart(&'static str),
}

/// Decodes a whole body by its head fields, and by what a server would make of it when they say nothing.
pub fn body(headers: &HeaderMap, bytes: &[u8], limits: Limits) -> Body {
    if bytes.is_empty() {
        return Body::Empty;
    }
    decoded(headers, bytes, limits).unwrap_or_else(|error| Body::Unreadable(error.to_string()))
}

fn decoded(headers: &HeaderMap, bytes: &[u8], limits: Limits) -> Result<Body, BodyError> {
    let media = Media::of(headers)?;
    if let Some(again) = headers.get("content-transfer-encoding")
        && !multipart::is_no_encoding(again.to_str().unwrap_or_default())
    {
        return Err(BodyError::UnknownCoding("content-transfer-encoding".to_owned()));
    }
    let plain = coding::undo(headers.get_all(CONTENT_ENCODING), bytes, limits)?;
    let coded = matches!(plain.bytes, Cow::Owned(_));
    let mut decoded = match &media.boundary {
        Some(boundary) => of_parts(&plain.bytes, boundary)?,
        None => match of_text(&media, &plain.bytes) {
            Ok(decoded) => decoded,
            Err(error) => {
                return Ok(Body::Binary { why: error.to_string(), bytes: plain.bytes.into_owned() });
            }
        },
    };
    if coded {
        if let Some(boundary) = &media.boundary
            && memchr::memmem::find(bytes, format!("--{boundary}").as_bytes()).is_some()
        {
            return Err(BodyError::Multipart("its boundary can be seen through its coding"));
        }
        // Many servers undo no codings of requests: gzip and zstd have room for text within, and reading forms is
        // no strict business.
        let is_text = |text: &str| !text.contains(|c: char| c.is_control() && !c.is_whitespace());
        if std::str::from_utf8(bytes).is_ok_and(is_text) {
            return Err(BodyError::Twofold); // no compressor makes text; a deflate stream can be written as JSON
        }
        let sent = String::from_utf8_lossy(bytes);
        decoded.other.form.extend(form::pairs(&sent));
        decoded.other.text = Some(sent.into_owned());
    }
    // The first piece of an object or list is none by itself; of anything else it may be.
    let whole_only = matches!(decoded.json, Some(Json::Map(_) | Json::List(_)));
    if plain.in_pieces && !whole_only {
        return Err(BodyError::Pieces);
    }
    decoded.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(Body::Decoded(decoded))
}

fn of_parts(plain: &[u8], boundary: &str) -> Result<Decoded, BodyError> {
    let parts = multipart::read(plain, boundary)?;
    let doubt = if parts.doubt { Doubt::Spelled } else { Doubt::None };
    Ok(Decoded {
        text: text(plain).ok().map(str::to_owned),
        form: Some(parts.fields),
        other: Other { documents: parts.documents, hidden: parts.hidden, doubt, ..Other::default() },
        ..Decoded::default()
    })
}

fn of_text(media: &Media, plain: &[u8]) -> Result<Decoded, BodyError> {
    if media.ascii_only && !plain.is_ascii() {
        return Err(BodyError::Charset("one that is not UTF-8".to_owned()));
    }
    let text = text(plain)?;
    if coding::is_text_in_zlib(plain) {
        return Err(BodyError::Unlabelled);
    }
    let read = json::read(text);
    let form = match media.kind {
        Kind::Form => Some(form::pairs(text)),
        // Some servers, those of AWS among them, do not look at the label.
        _ if read.is_err() && form::looks_like_one(text) => Some(form::pairs(text)),
        Kind::Json | Kind::Unsaid | Kind::Text | Kind::Bytes | Kind::Other => None,
    };
    if form.as_ref().is_some_and(|form| form.len() > form::FIELDS_MAX) {
        return Err(BodyError::Fields);
    }
    let (json, unstructured) = match read {
        Ok(json) => (Some(json), None),
        Err(error) if form.is_none() => (None, Some(error)),
        Err(_) => (None, None),
    };
    let mut decoded = Decoded { text: Some(text.to_owned()), json, form, unstructured, ..Decoded::default() };
    decoded.other.doubt = doubt(media, &decoded, text);
    if decoded.form.is_some() {
        decoded.other.form = form::other_pairs(text);
    } else if media.absent {
        decoded.other.form = form::pairs(text); // Rack takes what has no type for a form
    }
    if let Some(json) = &decoded.json {
        (decoded.other.documents, decoded.other.hidden) = json::patched(json);
    }
    Ok(decoded)
}

/// What readers of another kind could find besides.
fn doubt(media: &Media, decoded: &Decoded, text: &str) -> Doubt {
    let recoded = || {
        let parts = text.to_ascii_lowercase();
        let codings = ["base64", "quoted-printable"];
        parts.contains("content-transfer-encoding") && codings.iter().any(|coding| parts.contains(coding))
    };
    let charset = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("_charset_") && !media::is_utf8_label(value)
    };
    match media.kind {
        Kind::Bytes => Doubt::Any,
        _ if decoded.form.iter().flatten().any(charset) => Doubt::Any,
        _ if decoded.unstructured.is_some() && recoded() => Doubt::Any,
        Kind::Text => Doubt::Spelled,
        _ if decoded.unstructured.is_some() || decoded.may_be_lenient_json() => Doubt::Spelled,
        Kind::Json if decoded.json.is_none() => Doubt::Spelled,
        // No form begins like this, but markup and forms in parts do.
        Kind::Form if text.trim_start().starts_with(['<', '-']) => Doubt::Spelled,
        Kind::Json | Kind::Form | Kind::Unsaid | Kind::Other => Doubt::None,
    }
}

/// UTF-8 with one byte order mark tolerated, and without NUL, which other Unicode codings are full of.
fn text(bytes: &[u8]) -> Result<&str, BodyError> {
    let text = std::str::from_utf8(bytes).map_err(|_| BodyError::Utf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\0') { Err(BodyError::Nul) } else { Ok(text) }
}

/// The heads that a request has to those who let a field name the method: its own, and one for each such field.
fn heads<'h>(head: &Head<'h>, named: &'h [Method]) -> impl Iterator<Item = Head<'h>> {
    let own = *head;
    std::iter::once(own).chain(named.iter().map(move |method| Head { method, ..own }))
}

/// The methods that fields name in place of the request's own.
fn named_methods(headers: &HeaderMap) -> Vec<Method> {
    let fields = ["x-http-method-override", "x-http-method", "x-method-override"];
    let values = fields.iter().flat_map(|name| headers.get_all(*name));
    let method = |value: &http::HeaderValue| {
        Method::from_bytes(value.as_bytes().trim_ascii().to_ascii_uppercase().as_slice()).ok()
    };
    values.filter_map(method).collect()
}

/// Whether the head says that the body is JSON.
fn says_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media| {
        let media = media.to_ascii_lowercase();
        media == "application/json" || media == "text/json" || media.ends_with("+json")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn decode(fields: &[(&'static str, &str)], bytes: &[u8]) -> Body {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        body(&headers, bytes, Limits { decoded_bytes_max: 10_000, ratio_max: 100 })
    }

    #[track_caller]
    fn read(fields: &[(&'static str, &str)], bytes: &[u8]) -> Decoded {
        match decode(fields, bytes) {
            Body::Decoded(decoded) => decoded,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn unreadable(fields: &[(&'static str, &str)], bytes: &[u8], why: &str) {
        match decode(fields, bytes) {
            Body::Unreadable(reason) | Body::Binary { why: reason, .. } => {
                assert!(reason.contains(why), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    /// One uncompressed meta-block of up to 4096 bytes, and the empty last one (RFC 7932 §9.2).
    fn brotli(bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).unwrap() - 1;
        let head = (length << 4 | 1 << 20).to_le_bytes();
        [&head[..3], bytes, &[0x03]].concat()
    }

    const JSON: &[u8] = br#"{"amount": 20000}"#;

    #[test]
    fn every_coding_is_undone() {
        let is_json = |d: &Decoded| d.text.as_deref() == Some(r#"{"amount": 20000}"#) && d.json.is_some();
        assert!(is_json(&read(&[], JSON)));
        assert!(is_json(&read(&[("content-encoding", "gzip")], &gzip(JSON))));
        assert!(is_json(&read(&[("content-encoding", "X-GZip")], &gzip(JSON))));
        assert!(is_json(&read(&[("content-encoding", "deflate")], &zlib(JSON))));
        assert!(is_json(&read(&[("content-encoding", "deflate")], &raw_deflate(JSON))));
        assert!(is_json(&read(&[("content-encoding", "zstd")], &zstd(JSON))));
        assert!(is_json(&read(&[("content-encoding", "identity")], JSON)));
        assert!(is_json(&read(&[("content-encoding", "zstd, gzip")], &gzip(&zstd(JSON)))));
        let two_fields = [("content-encoding", "zstd"), ("content-encoding", "gzip")];
        assert!(is_json(&read(&two_fields, &gzip(&zstd(JSON)))));
        // Two members are one stream (RFC 1952 §2.2).
        let members = [gzip(br#"{"amount":"#), gzip(b" 20000}")].concat();
        assert!(is_json(&read(&[("content-encoding", "gzip")], &members)));
        let frames = [zstd(br#"{"amount":"#), zstd(b" 20000}")].concat();
        assert!(is_json(&read(&[("content-encoding", "zstd")], &frames)));
        assert!(is_json(&read(&[("content-encoding", "br")], &brotli(JSON))));
    }

    #[test]
    fn what_cannot_be_undone_is_unreadable() {
        unreadable(&[("content-encoding", "lzma")], JSON, "not known");
        unreadable(&[("content-encoding", "gzip")], JSON, "does not decode as gzip");
        unreadable(&[("content-encoding", "br")], JSON, "does not decode as br");
        unreadable(&[("content-encoding", "gzip, gzip, gzip")], JSON, "more than 2");
        let mut short = gzip(JSON);
        short.truncate(short.len() - 3);
        unreadable(&[("content-encoding", "gzip")], &short, "does not decode");
        let mut checksum = gzip(JSON);
        let at = checksum.len() - 6;
        checksum[at] ^= 1;
        unreadable(&[("content-encoding", "gzip")], &checksum, "does not decode");
        let junk = [gzip(JSON), b"junk".to_vec()].concat();
        unreadable(&[("content-encoding", "gzip")], &junk, "does not decode");
        let junk = [zlib(JSON), b"junk".to_vec()].concat();
        unreadable(&[("content-encoding", "deflate")], &junk, "does not decode");
        let junk = [zstd(JSON), b"junk".to_vec()].concat();
        unreadable(&[("content-encoding", "zstd")], &junk, "does not decode");
        let junk = [brotli(JSON), b"junk".to_vec()].concat();
        unreadable(&[("content-encoding", "br")], &junk, "does not decode");
        let mut short = brotli(JSON);
        short.truncate(short.len() - 1);
        unreadable(&[("content-encoding", "br")], &short, "does not decode");
        unreadable(&[], &gzip(JSON), "not UTF-8");
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let large = vec![b'a'; 20_000];
        unreadable(&[("content-encoding", "gzip")], &gzip(&large), "10000 bytes");
        unreadable(&[("content-encoding", "zstd")], &zstd(&large), "10000 bytes");
        let larger = vec![b'a'; 100_000];
        let coded = gzip(&larger);
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, "gzip".parse().unwrap())]);
        let Body::Unreadable(why) = body(&headers, &coded, Limits::default()) else { panic!() };
        assert!(why.contains("-fold"), "{why}");
        let noise: String = (0..3000_u32).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect();
        unreadable(&[("content-encoding", "gzip")], &gzip(noise.as_bytes()), "10000 bytes");
        unreadable(&[], noise.as_bytes(), "10000 bytes");
    }

    #[test]
    fn other_charsets_are_unreadable() {
        unreadable(&[("content-type", "application/json; charset=utf-16")], JSON, "utf-16");
        unreadable(&[], b"\xff\xfe{\0}\0", "not UTF-8");
        unreadable(&[], b"{\0}\0", "NUL");
        unreadable(&[], b"{\"a\": \"\xc0\xaf\"}", "not UTF-8");
        assert!(read(&[("content-type", "application/json; charset=\"UTF-8\"")], JSON).json.is_some());
        assert!(read(&[], b"\xef\xbb\xbf{}").json.is_some());
    }

    #[test]
    fn content_decides_and_not_the_label() {
        assert!(read(&[("content-type", "text/plain")], JSON).json.is_some());
        assert!(read(&[("content-type", "application/x-www-form-urlencoded")], JSON).json.is_some());
        let form = read(&[("content-type", "text/plain")], b"amount=20000&x=%41+b");
        assert_eq!(form.form, Some(vec![("amount".into(), "20000".into()), ("x".into(), "A b".into())]));
        let wrong = read(&[("content-type", "application/json")], b"amount=20000");
        assert_eq!(wrong.form, Some(vec![("amount".into(), "20000".into())]));
        let neither = read(&[("content-type", "application/json")], b"amount: 20000");
        assert!(neither.json.is_none() && neither.form.is_none() && neither.unstructured.is_some());
        assert!(neither.could_have("amount") && !neither.could_have("total"));
        let two = [("content-type", "text/plain"), ("content-type", "application/json")];
        unreadable(&two, JSON, "two content types");
        assert!(matches!(decode(&[], b""), Body::Empty));
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(
            coding in "(gzip|deflate|br|zstd|identity|x)?(, ?(gzip|br|zstd))?",
            media in "(application/json|application/x-www-form-urlencoded|multipart/form-data; boundary=b|x)?(; charset=[a-z0-9-]{0,8})?",
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            let _ = decode(&[("content-encoding", &coding), ("content-type", &media)], &bytes);
        }

        #[test]
        fn a_coding_changes_nothing(text in "[a-z{}\":,0-9 =&]{1,80}") {
            let plain = format!("{:?}", read(&[], text.as_bytes()).json);
            let coded = read(&[("content-encoding", "gzip")], &gzip(text.as_bytes()));
            proptest::prop_assert_eq!(plain, format!("{:?}", coded.json));
            proptest::prop_assert_eq!(coded.text.as_deref(), Some(&*text));
        }
    }
}
