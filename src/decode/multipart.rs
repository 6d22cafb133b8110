//! `multipart/form-data` fields (RFC 7578, RFC 2046 §5.1.1), read strictly: where part readers differ, the
//! body counts as unreadable.

use super::BodyError;

/// Names and values of all parts. A part that is no UTF-8 text, such as an uploaded picture, has the value "".
pub(super) fn fields(bytes: &[u8], boundary: &str) -> Result<Vec<(String, String)>, BodyError> {
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX || !boundary.is_ascii() {
        return Err(BodyError::Multipart("the boundary is empty or too long"));
    }
    let delimiter = format!("\r\n--{boundary}");
    let first = format!("--{boundary}");
    let Some(mut rest) = bytes.strip_prefix(first.as_bytes()) else {
        return Err(BodyError::Multipart("it does not begin with its boundary"));
    };
    let mut found = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            let clean = matches!(end, b"" | b"\r\n");
            return if clean { Ok(found) } else { Err(BodyError::Multipart("something follows its end")) };
        }
        let part = rest.strip_prefix(b"\r\n").ok_or(BodyError::Multipart("a boundary line goes on"))?;
        let end = find(part, delimiter.as_bytes()).ok_or(BodyError::Multipart("it has no end"))?;
        let (part, behind) = part.split_at(end);
        rest = behind.get(delimiter.len()..).unwrap_or_default();
        if found.len() == PARTS_MAX {
            return Err(BodyError::Multipart("it has too many parts"));
        }
        found.push(field(part)?);
    }
}

fn field(part: &[u8]) -> Result<(String, String), BodyError> {
    let end = find(part, b"\r\n\r\n").ok_or(BodyError::Multipart("a part has no head"))?;
    let (head, content) = part.split_at(end);
    let content = content.get(4..).unwrap_or_default();
    let head = std::str::from_utf8(head).map_err(|_| BodyError::Multipart("a part's head is not UTF-8"))?;
    let mut name = None;
    for line in head.split("\r\n") {
        let (field, value) =
            line.split_once(':').ok_or(BodyError::Multipart("a part's head is malformed"))?;
        if field.eq_ignore_ascii_case("content-transfer-encoding") {
            return Err(BodyError::Multipart("a part is encoded again"));
        }
        if field.eq_ignore_ascii_case("content-disposition") {
            if name.is_some() {
                return Err(BodyError::Multipart("a part has two dispositions"));
            }
            name = Some(name_of(value)?);
        }
    }
    let name = name.ok_or(BodyError::Multipart("a part has no name"))?;
    Ok((name, std::str::from_utf8(content).unwrap_or_default().to_owned()))
}

/// The `name` parameter of `form-data; name="…"`: one, quoted or a token, not extended.
fn name_of(disposition: &str) -> Result<String, BodyError> {
    const MALFORMED: BodyError = BodyError::Multipart("a part's disposition is malformed");
    let rest = disposition.trim().strip_prefix("form-data").ok_or(MALFORMED)?;
    let mut rest = rest.trim_start();
    let mut name = None;
    while let Some(parameter) = rest.strip_prefix(';') {
        let (key, value) = parameter.split_once('=').ok_or(MALFORMED)?;
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(MALFORMED)?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        if value.contains('\\') {
            return Err(BodyError::Multipart("a part's name is escaped"));
        }
        match key.trim().to_ascii_lowercase().as_str() {
            "name" if name.is_some() => return Err(BodyError::Multipart("a part has two names")),
            "name" => name = Some(value.trim().to_owned()),
            key if key.starts_with("name*") => return Err(BodyError::Multipart("a part's name is extended")),
            _ => {}
        }
        rest = behind.trim_start();
    }
    if rest.is_empty() { name.ok_or(BodyError::Multipart("a part has no name")) } else { Err(MALFORMED) }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// RFC 2046 §5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;
const PARTS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "--b\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n20000\r\n--b\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a;b.txt\"\r\nContent-Type: text/plain\r\n\r\n\
        hello\r\n--b--\r\n";

    #[test]
    fn fields_come_out() {
        let found = fields(GOOD.as_bytes(), "b").unwrap();
        assert_eq!(found, [("amount".into(), "20000".into()), ("file".into(), "hello".into())]);
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
            ("name=\"amount\"", "filename=\"x\""),
            ("Content-Type: text/plain", "Content-Transfer-Encoding: base64"),
            ("--b\r\n", "--b \r\n"),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert!(fields(bad.as_bytes(), "b").is_err(), "{bad:?}");
        }
    }
}
