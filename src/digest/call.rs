//! The `id` of a JSON-RPC call: a number that clients count up with each call, so that the answer can be told from
//! others. A call that is repeated as asked has another one, and is the same call.
//!
//! It counts for nothing only where that is beyond doubt: the body is one call that every reader reads alike on top,
//! and the id is a number of a few digits, with no room for anything to be said in it.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What stands before the id of a call and what stands behind it; `None` where the body is anything else.
pub(super) fn around_id<'b>(headers: &HeaderMap, body: &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
    if !is_plain_json(headers) || !body.starts_with(b"{") {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let call: Call<'_> = serde_json::from_str(text).ok()?;
    let is_text = |raw: &RawValue| raw.get().starts_with('"');
    let sound = call.version?.get() == r#""2.0""# && is_text(call.method?);
    let id = call.id?.get();
    if !sound || id.len() > ID_DIGITS_MAX || !id.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let at = id.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let (front, rest) = body.split_at_checked(at)?;
    Some((front, rest.split_at_checked(id.len())?.1))
}

/// One label, of JSON in UTF-8, and no coding.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let mut labels = headers.get_all(CONTENT_TYPE).iter();
    let (Some(label), None) = (labels.next(), labels.next()) else { return false };
    let label = label.to_str().unwrap_or_default().to_ascii_lowercase();
    !headers.contains_key(CONTENT_ENCODING)
        && matches!(label.replace(' ', "").as_str(), "application/json" | "application/json;charset=utf-8")
}

/// The members of a call, each at most once and spelled as it should be, and no others.
#[derive(Default)]
struct Call<'b> {
    version: Option<&'b RawValue>,
    id: Option<&'b RawValue>,
    method: Option<&'b RawValue>,
    params: Option<&'b RawValue>,
}

impl<'de> serde::Deserialize<'de> for Call<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CallVisitor)
    }
}

struct CallVisitor;

impl<'de> Visitor<'de> for CallVisitor {
    type Value = Call<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC call")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Call<'de>, A::Error> {
        let mut call = Call::default();
        // A key with an escape in it is no borrowed text, and ends the reading.
        while let Some(key) = access.next_key::<&str>()? {
            let place = match key {
                "jsonrpc" => &mut call.version,
                "id" => &mut call.id,
                "method" => &mut call.method,
                "params" => &mut call.params,
                _ => return Err(A::Error::custom("another member")),
            };
            let value = access.next_value::<&RawValue>()?;
            if place.replace(value).is_some() {
                return Err(A::Error::custom("a member twice"));
            }
        }
        Ok(call)
    }
}

/// As many as numbers have that every reader keeps whole (2^53).
const ID_DIGITS_MAX: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn around(body: &str) -> Option<(String, String)> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())]);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        around_id(&headers, body.as_bytes()).map(|(front, back)| (text(front), text(back)))
    }

    #[test]
    fn the_id_of_a_call_is_found() {
        let found = around(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"id":7}}"#);
        let back = r#","method":"tools/call","params":{"id":7}}"#;
        assert_eq!(found, Some((r#"{"jsonrpc":"2.0","id":"#.into(), back.into())));
        let found = around("{ \"method\": \"ping\", \"jsonrpc\": \"2.0\",\n\"id\": 12 }\n");
        assert_eq!(
            found,
            Some(("{ \"method\": \"ping\", \"jsonrpc\": \"2.0\",\n\"id\": ".into(), " }\n".into()))
        );
    }

    #[test]
    fn anything_else_counts_as_a_whole() {
        for body in [
            "",
            "{}",
            "[]",
            r#"[{"jsonrpc":"2.0","id":7,"method":"m"}]"#,
            r#"{"jsonrpc":"2.0","method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":"7","method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":-7,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":7.5,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":7e3,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":[7],"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1234567890123456,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":7,"\u0069d":8,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","\u0069d":8,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":7,"Id":8,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"m","method":"n"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":["m"]}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"m","result":1}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"m","x":1}"#,
            r#"{"jsonrpc":"1.0","id":7,"method":"m"}"#,
            r#"{"jsonrpc":2.0,"id":7,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"m"}{"jsonrpc":"2.0","id":7,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"m",}"#,
            "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\"}",
            r#" {"jsonrpc":"2.0","id":7,"method":"m"}"#,
        ] {
            assert_eq!(around(body), None, "{body}");
        }
    }

    #[test]
    fn nor_does_it_where_the_head_says_more() {
        let body = br#"{"jsonrpc":"2.0","id":7,"method":"m"}"#;
        let with = |fields: &[(http::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(name, value.parse().unwrap());
            }
            around_id(&headers, body).is_some()
        };
        assert!(with(&[(CONTENT_TYPE, "application/json; charset=UTF-8")]));
        assert!(!with(&[]) && !with(&[(CONTENT_TYPE, "text/plain")]));
        assert!(!with(&[(CONTENT_TYPE, "application/json; charset=utf-16")]));
        assert!(!with(&[(CONTENT_TYPE, "application/json"), (CONTENT_TYPE, "application/json")]));
        assert!(!with(&[(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "identity")]));
    }

    proptest::proptest! {
        /// Whatever is left out is a number, and the rest is what was there.
        #[test]
        fn nothing_but_digits_is_left_out(body in "\\PC{0,40}", id in "[0-9a\"]{1,17}") {
            for body in [format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m","params":{body}}}"#), body] {
                if let Some((front, back)) = around(&body) {
                    let middle = body.get(front.len()..body.len() - back.len()).unwrap();
                    proptest::prop_assert!(middle.len() <= ID_DIGITS_MAX && middle.bytes().all(|b| b.is_ascii_digit()));
                    proptest::prop_assert_eq!(format!("{front}{middle}{back}"), body);
                }
            }
        }
    }
}
