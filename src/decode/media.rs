//! What the head says of a body's form (RFC 9110 §8.3).

use super::BodyError;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

pub(super) struct Media {
    pub(super) kind: Kind,
    /// It is `multipart/…` of some kind.
    pub(super) multipart: bool,
    /// Of `multipart/form-data`.
    pub(super) boundary: Option<String>,
    /// A charset that agrees with UTF-8 on ASCII alone.
    pub(super) ascii_only: bool,
    /// There is no label at all.
    pub(super) absent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Form,
    /// No label, or one that says nothing: servers look themselves.
    Unsaid,
    /// Text that other readers than those of JSON take apart: XML, YAML.
    Text,
    /// Bytes that mean something to readers that we are none of.
    Bytes,
    /// A label that we do not know.
    Other,
}

impl Media {
    pub(super) const UNSAID: Self =
        Self { kind: Kind::Unsaid, multipart: false, boundary: None, ascii_only: false, absent: true };

    pub(super) fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let Some(value) = values.next() else {
            return Ok(Self::UNSAID);
        };
        if values.next().is_some() {
            return Err(BodyError::TwoTypes);
        }
        Self::parse(value.to_str().map_err(|_| BodyError::Charset("not ASCII".to_owned()))?)
    }

    /// Of the value of one field.
    pub(super) fn parse(value: &str) -> Result<Self, BodyError> {
        let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
        let essence = essence.trim().to_ascii_lowercase();
        if essence.contains(',') {
            return Err(BodyError::TwoTypes);
        }
        let multipart = essence.starts_with("multipart/");
        let absent = essence.is_empty();
        let mut media = Self { kind: Kind::of(&essence), multipart, absent, ..Self::UNSAID };
        for (name, value) in self::parameters(parameters)? {
            match name.as_str() {
                "charset" if is_utf8_label(&value) => {}
                "charset" if is_ascii_label(&value) => media.ascii_only = true,
                "charset" => return Err(BodyError::Charset(value)),
                "boundary" if media.boundary.is_some() => return Err(BodyError::Multipart("two boundaries")),
                "boundary" => media.boundary = Some(value),
                name if name.starts_with("boundary*") || name.starts_with("charset*") => {
                    return Err(BodyError::Multipart("an extended parameter"));
                }
                _ => {}
            }
        }
        if let Some(boundary) = &media.boundary
            && multipart
            && has_another_boundary(parameters, boundary)
        {
            return Err(BodyError::Multipart("another boundary"));
        }
        media.boundary = match (essence.as_str(), media.boundary) {
            ("multipart/form-data", None) => return Err(BodyError::Multipart("no boundary")),
            ("multipart/form-data", boundary) => boundary,
            _ => None,
        };
        Ok(media)
    }
}

impl Kind {
    fn of(essence: &str) -> Self {
        match essence {
            "" | "*/*" | "text/plain" | "application/octet-stream" | "binary/octet-stream" => Self::Unsaid,
            "application/json" | "text/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            other if other.ends_with("+json") => Self::Json,
            other => {
                let mut words = other.split(|c: char| !c.is_ascii_alphanumeric());
                if words.clone().any(|word| BYTES.contains(&word)) {
                    Self::Bytes
                } else if words.any(|word| TEXTS.contains(&word)) {
                    Self::Text
                } else {
                    Self::Other
                }
            }
        }
    }
}

/// Names in lower case, and values. Strict where readers differ; a word without a value says nothing to anybody.
fn parameters(text: &str) -> Result<Vec<(String, String)>, BodyError> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let stop = rest.find([';', '=']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(stop);
        let Some(value) = behind.strip_prefix('=') else {
            rest = behind.strip_prefix(';').unwrap_or(behind);
            continue;
        };
        let value = value.trim_start();
        let is_quoted = value.starts_with('"');
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(BodyError::TypeParameter)?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        let behind = behind.trim_start();
        // Blanks within quotes belong to the value, for some; `=?` begins an encoded word (RFC 2047), which Tomcat undoes.
        let odd = value.contains(['\\', '"', ','])
            || value.contains("=?")
            || (is_quoted && value.trim() != value)
            || (!is_quoted
                && name.trim().eq_ignore_ascii_case("boundary")
                && !value.trim().bytes().all(is_token))
            || !(behind.is_empty() || behind.starts_with(';'));
        if odd {
            return Err(BodyError::TypeParameter);
        }
        found.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        rest = behind.strip_prefix(';').unwrap_or(behind);
    }
    Ok(found)
}

/// RFC 9110 §5.6.2. Werkzeug ends a boundary without quotes at anything else.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'_'
                | b'.'
                | b'+'
                | b'\''
                | b'!'
                | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'*'
                | b'^'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether a reader that searches for the word finds another boundary than the parameter of that name: PHP takes what
/// follows the first, Rack the last.
fn has_another_boundary(parameters: &str, boundary: &str) -> bool {
    let count = |text: &str, word: &str| text.to_ascii_lowercase().matches(word).count();
    count(parameters, "boundary") != 1 + count(boundary, "boundary") || count(boundary, "boundary=") > 0
}

/// The media type without its parameters, where the head says one.
pub(super) fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

pub(super) fn is_utf8_label(label: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii", "utf-8-sig"].iter().any(|known| label.eq_ignore_ascii_case(known))
}

/// Charsets that say the same as UTF-8 as long as only ASCII is used. (Not those where some ASCII byte begins
/// something else: ISO-2022, HZ, UTF-7, Shift_JIS and its `\`.)
pub(super) fn is_ascii_label(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    let latin = |number: &str| (1..=16).any(|known: u8| number == known.to_string());
    matches!(label.as_str(), "latin1" | "latin-1" | "l1" | "cp1252")
        || label.strip_prefix("iso-8859-").is_some_and(latin)
        || label.strip_prefix("iso8859-").is_some_and(latin)
        || label.strip_prefix("windows-125").is_some_and(|last| matches!(last.as_bytes(), [b'0'..=b'8']))
}

const BYTES: &[&str] = &[
    "protobuf",
    "proto",
    "grpc",
    "msgpack",
    "messagepack",
    "cbor",
    "bson",
    "avro",
    "thrift",
    "smile",
    "ion",
    "flatbuffers",
    "capnp",
    "capnproto",
    "amf",
    "hessian",
    "java",
    "wbxml",
    "fastinfoset",
    "ubjson",
];
const TEXTS: &[&str] = &["xml", "yaml", "yml", "toml", "plist", "html", "xhtml", "soap", "hjson", "edn"];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Result<Media, BodyError> {
        Media::of(&HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]))
    }

    #[test]
    fn parameters_are_read_in_one_way() {
        for good in [
            "application/json",
            "application/json;charset=UTF-8",
            "Application/JSON ; Charset=\"utf-8\"; q=1",
            "application/json; charset = utf8;",
            "application/json; utf-8",
            "application/json;charset=us-ascii",
        ] {
            let media = of(good).unwrap();
            assert_eq!((media.kind, media.ascii_only), (Kind::Json, false), "{good}");
        }
        assert!(of("text/json; charset=ISO-8859-1").unwrap().ascii_only);
        assert!(of("text/json; charset=windows-1252").unwrap().ascii_only);
        let webkit = "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW";
        assert!(of(webkit).unwrap().boundary.is_some());
        assert_eq!(of("multipart/form-data; boundary=\"a;b\"").unwrap().boundary.as_deref(), Some("a;b"));
        for bad in [
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json; charset=utf-16; charset=utf-8",
            "application/json; charset*=utf-8''utf-16",
            "application/json; charset=\"utf\\-16\"",
            "application/json; charset=\"utf-8",
            "application/json; x=\"y\"z; charset=utf-16",
            "application/json; charset=utf-8, text/plain",
            "application/json, application/x-www-form-urlencoded",
            "application/json; charset=shift_jis",
            "application/json; charset=utf-7",
            "multipart/form-data",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=a; boundary*0=b",
            "multipart/form-data; boundary=\"a\\b\"",
            "multipart/form-data; boundary=\" a\"",
            "multipart/form-data; x-boundary=a; boundary=b",
            "multipart/form-data; boundary=b; x-boundary=a",
            "multipart/form-data; boundary; x=a; boundary=b",
            "multipart/form-data; x=\"boundary=a;\"; boundary=b",
            "multipart/form-data; boundary=x-boundary=a",
            "multipart/form-data; boundary=a=b",
            "multipart/form-data; boundary=\"=?UTF-8?B?YQ==?=\"",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_say_who_reads() {
        for (label, kind) in [
            ("application/xml", Kind::Text),
            ("application/soap+xml", Kind::Text),
            ("application/x-yaml", Kind::Text),
            ("application/x-protobuf", Kind::Bytes),
            ("application/vnd.msgpack", Kind::Bytes),
            ("application/x-amz-cbor", Kind::Bytes),
            ("application/grpc-web-text+proto", Kind::Bytes),
            ("application/vnd.acme.v2+json", Kind::Json),
            ("application/vnd.acme.v2", Kind::Other),
            ("text/csv", Kind::Other),
            ("text/plain", Kind::Unsaid),
        ] {
            assert_eq!(of(label).unwrap().kind, kind, "{label}");
        }
    }

    proptest::proptest! {
        #[test]
        fn labels_never_panic(value in "[ -~]{0,60}") {
            let _ = of(&value);
        }
    }
}
