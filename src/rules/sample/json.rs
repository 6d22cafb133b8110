//! `{method, url, headers, body | body_b64 | form}` as JSON.

use super::{Sample, SampleError};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

/// # Errors
/// See [`Sample::from_json`].
pub(super) fn read(value: &Value) -> Result<Sample, SampleError> {
    if !value.is_object() {
        return Err(SampleError::written("a request is a map with `method` and `url`"));
    }
    let text = |key: &str| match value.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(SampleError::written(format!("`{key}` must be text"))),
        None => Err(SampleError::written(format!("`{key}` is missing"))),
    };
    let mut headers = value.get("headers").map(headers).transpose()?.unwrap_or_default();
    let (body, content_type) = body(value)?;
    if let Some(content_type) = content_type
        && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        headers.push(("content-type".to_owned(), content_type.to_owned()));
    }
    Ok(Sample { method: text("method")?, url: text("url")?, headers, body })
}

/// As JSON on one line; the body in base64, since it need not be text.
pub(super) fn write(sample: &Sample) -> String {
    let mut line = json!({ "method": sample.method, "url": sample.url, "headers": sample.headers });
    if !sample.body.is_empty()
        && let Some(map) = line.as_object_mut()
    {
        match std::str::from_utf8(&sample.body) {
            Ok(text) => map.insert("body".to_owned(), text.into()),
            Err(_) => map.insert("body_b64".to_owned(), BASE64_STANDARD.encode(&sample.body).into()),
        };
    }
    line.to_string()
}

/// A map of name to value or values, a list of `[name, value]`, or a list of `{name, value}`.
fn headers(value: &Value) -> Result<Vec<(String, String)>, SampleError> {
    let wrong = || SampleError::written("`headers` must be a map of texts, or a list of [name, value]");
    let mut headers = Vec::new();
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (name, values) in map {
                let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
                for value in values {
                    headers.push((name.clone(), scalar(value).ok_or_else(wrong)?));
                }
            }
        }
        Value::Array(pairs) => {
            for pair in pairs {
                let (name, value) = match pair {
                    Value::Array(pair) => match pair.as_slice() {
                        [Value::String(name), value] => (name.clone(), value),
                        _ => return Err(wrong()),
                    },
                    pair => match (pair.get("name").and_then(Value::as_str), pair.get("value")) {
                        (Some(name), Some(value)) => (name.to_owned(), value),
                        _ => return Err(wrong()),
                    },
                };
                headers.push((name, scalar(value).ok_or_else(wrong)?));
            }
        }
        _ => return Err(wrong()),
    }
    Ok(headers)
}

/// The body's bytes, and the content type that goes with the way in which it was given.
fn body(value: &Value) -> Result<(Vec<u8>, Option<&'static str>), SampleError> {
    let given = |key: &str| value.get(key).filter(|v| !v.is_null());
    match (given("body"), given("body_b64"), given("form")) {
        (None, None, None) => Ok((Vec::new(), None)),
        (Some(Value::String(text)), None, None) => Ok((text.clone().into_bytes(), None)),
        (Some(json @ (Value::Object(_) | Value::Array(_))), None, None) => {
            Ok((json.to_string().into_bytes(), Some("application/json")))
        }
        (Some(_), None, None) => {
            Err(SampleError::written("`body` must be text, or a map or list sent as JSON"))
        }
        (None, Some(Value::String(text)), None) => BASE64_STANDARD
            .decode(text)
            .map(|bytes| (bytes, None))
            .map_err(|error| SampleError::written(format!("`body_b64` is not base64: {error}"))),
        (None, Some(_), None) => Err(SampleError::written("`body_b64` must be text")),
        (None, None, Some(Value::Object(fields))) => {
            Ok((form(fields)?.into_bytes(), Some("application/x-www-form-urlencoded")))
        }
        (None, None, Some(_)) => Err(SampleError::written("`form` must be a map")),
        _ => Err(SampleError::written("give one of `body`, `body_b64` and `form`")),
    }
}

fn form(fields: &serde_json::Map<String, Value>) -> Result<String, SampleError> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, values) in fields {
        for value in values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice) {
            let value = scalar(value).ok_or_else(|| {
                SampleError::written(format!("form field `{name}` must be text or a number"))
            })?;
            form.append_pair(name, &value);
        }
    }
    Ok(form.finish())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn sample(value: &Value) -> Sample {
        read(value).expect("a sound request")
    }

    #[test]
    fn headers_come_as_map_or_pairs() {
        let expected = vec![("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())];
        for headers in [
            json!({ "a": ["1", 2] }),
            json!([["a", "1"], ["a", "2"]]),
            json!([{ "name": "a", "value": "1" }, { "name": "a", "value": "2" }]),
        ] {
            let request = json!({ "method": "GET", "url": "https://a.test/", "headers": headers, "id": 7 });
            assert_eq!(sample(&request).headers, expected);
        }
    }

    #[test]
    fn bodies_come_as_text_json_base64_or_form() {
        let with = |key: &str, body: Value| {
            let mut request = json!({ "method": "POST", "url": "https://a.test/" });
            request[key] = body;
            sample(&request)
        };
        assert_eq!(with("body", json!("x=1")).body, b"x=1");
        assert_eq!(with("body_b64", json!("/wA=")).body, [255, 0]);
        let json = with("body", json!({ "n": 1 }));
        assert_eq!(json.body, br#"{"n":1}"#);
        assert_eq!(json.headers, [("content-type".to_owned(), "application/json".to_owned())]);
        assert_eq!(with("form", json!({ "a b": "c&d", "n": [1, 2] })).body, b"a+b=c%26d&n=1&n=2");
    }

    #[test]
    fn faults_are_named() {
        for (request, expected) in [
            (json!([]), "a request is a map with `method` and `url`"),
            (json!({ "url": "x" }), "`method` is missing"),
            (json!({ "method": "GET", "url": 7 }), "`url` must be text"),
            (json!({ "method": "GET", "url": "x", "headers": 7 }), "`headers` must be"),
            (json!({ "method": "GET", "url": "x", "body": 7 }), "`body` must be"),
            (json!({ "method": "GET", "url": "x", "body_b64": "?" }), "`body_b64` is not base64"),
            (json!({ "method": "GET", "url": "x", "body": "", "form": {} }), "give one of"),
        ] {
            let error = read(&request).expect_err("a fault").to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
