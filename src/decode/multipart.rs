//! `multipart/form-data` fields (RFC 7578, RFC 2046 §5.1.1), read strictly: where part readers differ, the
//! body counts as unreadable.

use super::media::{Kind, Media, is_utf8_label};
use super::{BodyError, Json, json};
use memchr::memmem;

/// What is in a form of several parts.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Names and values of all parts. A part that is no UTF-8 text, such as an uploaded picture, has the value "".
    pub(super) fields: Vec<(String, String)>,
    /// Parts that are JSON: by themselves, and under their names.
    pub(super) documents: Vec<Json>,
    /// Names of parts whose value cannot be seen.
    pub(super) hidden: Vec<String>,
    /// A part may say more to readers that we are none of.
    pub(super) doubt: bool,
}

pub(super) fn read(bytes: &[u8], boundary: &str) -> Result<Parts, BodyError> {
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX || !boundary.bytes().all(is_boundary_byte) {
        return Err(BodyError::Multipart("its boundary is empty, too long or odd"));
    }
    let delimiter = format!("\r\n--{boundary}");
    let first = format!("--{boundary}");
    // Some clients begin, and some end, with an empty line.
    let Some(mut rest) = bytes.strip_prefix(b"\r\n").unwrap_or(bytes).strip_prefix(first.as_bytes()) else {
        return Err(BodyError::Multipart("it does not begin with its boundary"));
    };
    let mut found = Parts::default();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            let clean = matches!(end, b"" | b"\r\n" | b"\r\n\r\n");
            return if clean { Ok(found) } else { Err(BodyError::Multipart("something follows its end")) };
        }
        let part = rest.strip_prefix(b"\r\n").ok_or(BodyError::Multipart("a boundary line goes on"))?;
        let end = memmem::find(part, delimiter.as_bytes()).ok_or(BodyError::Multipart("it has no end"))?;
        let (part, behind) = part.split_at(end);
        // Many readers take a boundary behind any end of a line, and some anywhere.
        if memmem::find(part, first.as_bytes()).is_some() {
            return Err(BodyError::Multipart("its boundary stands within a part"));
        }
        // Sanic splits at the bare boundary: what comes behind it needs a head of its own to be a field.
        if memmem::find(part, boundary.as_bytes()).is_some() && heads(part) > 1 {
            return Err(BodyError::Multipart("its bare boundary stands within a part"));
        }
        rest = behind.get(delimiter.len()..).unwrap_or_default();
        if found.fields.len() == PARTS_MAX {
            return Err(BodyError::Multipart("it has too many parts"));
        }
        found.add(part)?;
    }
}

impl Parts {
    fn add(&mut self, part: &[u8]) -> Result<(), BodyError> {
        let end = memmem::find(part, b"\r\n\r\n").ok_or(BodyError::Multipart("a part has no head"))?;
        let (head, content) = part.split_at(end);
        let content = content.get(4..).unwrap_or_default();
        let head = Head::read(head)?;
        let text = std::str::from_utf8(content).ok();
        let media = head.media.as_ref().unwrap_or(&Media::UNSAID);
        if media.multipart {
            return Err(BodyError::Multipart("a part has parts itself"));
        }
        if text.is_none() || head.odd_charset || media.kind == Kind::Bytes {
            self.hidden.push(head.name.clone());
        }
        let value = text.unwrap_or_default();
        if media.ascii_only && !value.is_ascii() {
            self.hidden.push(head.name.clone());
        }
        if head.name.eq_ignore_ascii_case("_charset_") && !is_utf8_label(value.trim()) {
            return Err(BodyError::Charset(value.chars().take(CHARSET_CHARS_SHOWN).collect()));
        }
        let structured = media.kind == Kind::Json || value.trim_start().starts_with(['{', '[']);
        match (structured.then(|| json::read(value)), media.kind) {
            (Some(Ok(json)), _) => {
                let named = Json::Map(vec![(head.name.clone(), json.clone())]);
                self.documents.extend([json, named]);
            }
            (Some(Err(_)), _) => self.doubt = true,
            (None, Kind::Text) if !head.is_file => self.doubt = true,
            (None, _) => {}
        }
        self.fields.push((head.name, value.to_owned()));
        Ok(())
    }
}

/// What the head of a part says.
struct Head {
    name: String,
    is_file: bool,
    media: Option<Media>,
    odd_charset: bool,
}

impl Head {
    fn read(head: &[u8]) -> Result<Self, BodyError> {
        const MALFORMED: BodyError = BodyError::Multipart("a part's head is malformed");
        let head =
            std::str::from_utf8(head).map_err(|_| BodyError::Multipart("a part's head is not UTF-8"))?;
        let mut disposition = None;
        let mut media = None;
        for line in head.split("\r\n") {
            let (field, value) = line.split_once(':').ok_or(MALFORMED)?;
            // Folded lines, blanks before the colon, bare line ends: readers differ.
            if !field.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                || value.contains(['\r', '\n', '\0'])
            {
                return Err(MALFORMED);
            }
            match field.to_ascii_lowercase().as_str() {
                "content-transfer-encoding" if !is_no_encoding(value) => {
                    return Err(BodyError::Multipart("a part is encoded again"));
                }
                "content-encoding" => return Err(BodyError::Multipart("a part is encoded again")),
                "content-disposition" if disposition.is_some() => {
                    return Err(BodyError::Multipart("a part has two dispositions"));
                }
                "content-disposition" => disposition = Some(name_of(value)?),
                "content-type" if media.is_some() => return Err(BodyError::TwoTypes),
                "content-type" => media = Some(Media::parse(value)),
                _ => {}
            }
        }
        let (name, is_file) = disposition.ok_or(BodyError::Multipart("a part has no name"))?;
        let odd_charset = matches!(media, Some(Err(BodyError::Charset(_))));
        let media = match media {
            None | Some(Err(BodyError::Charset(_))) => None,
            Some(Err(error)) => return Err(error),
            Some(Ok(media)) => Some(media),
        };
        Ok(Self { name, is_file, media, odd_charset })
    }
}

/// The `name` parameter of `form-data; name="…"`: one, quoted or a token, not extended; and whether it is a file.
fn name_of(disposition: &str) -> Result<(String, bool), BodyError> {
    const MALFORMED: BodyError = BodyError::Multipart("a part's disposition is malformed");
    let rest = disposition.trim().strip_prefix("form-data").ok_or(MALFORMED)?;
    let mut rest = rest.trim_start();
    let mut name = None;
    let mut is_file = false;
    while let Some(parameter) = rest.strip_prefix(';') {
        let (key, value) = parameter.split_once('=').ok_or(MALFORMED)?;
        let value = value.trim_start();
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(MALFORMED)?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        // Some readers take single quotes for quotes as well.
        let key = key.trim().to_ascii_lowercase();
        // A path of Windows is no escape, unless of the quote at its end.
        let escaped = if key == "filename" { value.ends_with('\\') } else { value.contains('\\') };
        // An encoded word (RFC 2047) is undone by Tomcat, and a name within another value found by old Rack.
        let hides = value.contains("=?") || has_name(value);
        if escaped || hides || value.contains('"') || value.trim().starts_with('\'') {
            return Err(BodyError::Multipart("a part's name is escaped"));
        }
        if key.contains([';', '"', ',', ' ']) {
            return Err(MALFORMED);
        }
        match key.as_str() {
            "name" if name.is_some() => return Err(BodyError::Multipart("a part has two names")),
            "name" => name = Some(value.trim().to_owned()),
            key if key.starts_with("name*") => return Err(BodyError::Multipart("a part's name is extended")),
            key => is_file |= key.starts_with("filename"),
        }
        rest = behind.trim_start();
    }
    match name {
        Some(name) if rest.is_empty() => Ok((name, is_file)),
        Some(_) => Err(MALFORMED),
        None => Err(BodyError::Multipart("a part has no name")),
    }
}

/// How many heads of parts are in a part, its own among them.
fn heads(part: &[u8]) -> usize {
    let word = b"content-disposition";
    part.windows(word.len()).filter(|window| window.eq_ignore_ascii_case(word)).count()
}

/// Whether something that looks like the parameter `name` is in the value of another one.
fn has_name(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value
        .match_indices("name=")
        .any(|(at, _)| value.get(..at).is_some_and(|it| it.ends_with([' ', '\t', ';'])))
}

/// RFC 2045 §6.2: these leave the bytes as they are.
pub(super) fn is_no_encoding(value: &str) -> bool {
    ["7bit", "8bit", "binary"].iter().any(|known| value.trim().eq_ignore_ascii_case(known))
}

/// RFC 2046 §5.1.1; and what clients use besides.
const fn is_boundary_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',' | b'<' | b'>' | b'@')
}

/// RFC 2046 §5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;
const PARTS_MAX: usize = 1000;
const CHARSET_CHARS_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "--b\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n20000\r\n--b\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a;b.txt\"\r\nContent-Type: text/plain\r\n\r\n\
        hello\r\n--b--\r\n";

    #[test]
    fn fields_come_out() {
        let found = read(GOOD.as_bytes(), "b").unwrap();
        assert_eq!(found.fields, [("amount".into(), "20000".into()), ("file".into(), "hello".into())]);
        assert!(found.hidden.is_empty() && found.documents.is_empty() && !found.doubt);
    }

    #[test]
    fn what_a_part_may_say_besides_is_kept() {
        let typed = |kind: &str, content: &str| {
            let part = GOOD.replacen("Content-Type: text/plain", &format!("Content-Type: {kind}"), 1);
            read(part.replacen("hello", content, 1).as_bytes(), "b").unwrap()
        };
        assert_eq!(typed("application/json", "{\"a\":1}").documents.len(), 2);
        assert_eq!(typed("text/plain", "[1]").documents.len(), 2);
        assert!(typed("application/json", "{a:1}").doubt);
        assert_eq!(typed("text/plain; charset=utf-16", "x").hidden, ["file"]);
        assert_eq!(typed("application/cbor", "x").hidden, ["file"]);
        assert!(!typed("image/svg+xml", "<svg/>").doubt);
    }

    #[test]
    fn what_part_readers_differ_on_is_refused() {
        for (from, to) in [
            ("--b--\r\n", ""),
            ("--b--\r\n", "--b--\r\n--b"),
            (
                "--b\r\nContent-Disposition: form-data; name=\"amount\"",
                "x\r\n--b\r\nContent-Disposition: form-data; name=\"amount\"",
            ),
            ("name=\"amount\"", "name=\"amount\"; name=\"x\""),
            ("name=\"amount\"", "name*=utf-8''amount"),
            ("name=\"amount\"", "name=\"am\\ount\""),
            ("name=\"amount\"", "name=\"=?UTF-8?B?cm9sZQ==?=\""),
            ("name=\"amount\"", "name=\"x\"; y=\"; name=role\""),
            ("filename=\"a;b.txt\"", "filename=\"a\\\"; name=role"),
            ("name=\"amount\"", "filename=\"x\""),
            ("Content-Type: text/plain", "Content-Transfer-Encoding: base64"),
            ("Content-Type: text/plain", "Content-Type: multipart/mixed; boundary=c"),
            ("Content-Type: text/plain", "Content-Type: text/plain\r\nContent-Type: application/json"),
            ("Content-Type: text/plain", "Content-Type: text/plain\r\n X: folded"),
            ("Content-Type: text/plain", "Content-Disposition : form-data; name=\"role\""),
            ("Content-Type: text/plain", "X: a\nContent-Disposition: form-data; name=role"),
            ("--b\r\n", "--b \r\n"),
            ("20000", "2\n--b\nContent-Disposition: form-data; name=\"role\"\n\nadmin\n--b--\n"),
            ("20000", "2--b"),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert!(read(bad.as_bytes(), "b").is_err(), "{bad:?}");
        }
    }
}
