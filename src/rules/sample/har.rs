//! HAR 1.2: what browsers and proxies save. Only `log.entries[].request` is read.

use super::{Sample, SampleError};
use serde::Deserialize;

/// # Errors
/// See [`Sample::from_har`].
pub(super) fn read(text: &str) -> Result<Vec<Result<Sample, SampleError>>, SampleError> {
    let file: File = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| SampleError::written(format!("this is not a HAR file: {error}")))?;
    Ok(file.log.entries.iter().map(|entry| sample(&entry.request)).collect())
}

fn sample(request: &serde_json::Value) -> Result<Sample, SampleError> {
    let request = Request::deserialize(request)
        .map_err(|error| SampleError::written(format!("this entry is not understood: {error}")))?;
    // `:authority` and the like are how HTTP/2 spells the request line.
    let headers = request.headers.into_iter().filter(|h| !h.name.starts_with(':'));
    let mut headers: Vec<(String, String)> = headers.map(|h| (h.name, h.value)).collect();
    let body = request.post_data.map(|data| body(data, &mut headers)).transpose()?;
    // No client sends the fragment.
    let url = request.url.split('#').next().unwrap_or_default().to_owned();
    Ok(Sample { method: request.method, url, headers, body: body.unwrap_or_default() })
}

fn body(data: PostData, headers: &mut Vec<(String, String)>) -> Result<Vec<u8>, SampleError> {
    if !data.mime_type.is_empty()
        && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        headers.push(("content-type".to_owned(), data.mime_type));
    }
    match (data.text, data.encoding.as_deref()) {
        (Some(text), Some("base64")) => {
            use base64::prelude::{BASE64_STANDARD, Engine as _};
            BASE64_STANDARD
                .decode(text)
                .map_err(|error| SampleError::written(format!("`postData.text` is not base64: {error}")))
        }
        (Some(text), _) if !text.is_empty() || data.params.is_empty() => Ok(text.into_bytes()),
        _ => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for param in &data.params {
                form.append_pair(&param.name, &param.value);
            }
            Ok(form.finish().into_bytes())
        }
    }
}

#[derive(Deserialize)]
struct File {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

/// Each request is read by itself, so that one that is broken does not hide the others.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    request: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    text: Option<String>,
    /// Not of the standard; written by some tools for bodies that are not text.
    encoding: Option<String>,
    #[serde(default)]
    params: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_each_by_itself() {
        let text = r##"{"log":{"version":"1.2","entries":[
            {"request":{"method":"POST","url":"https://a.test/x?y=1#top","httpVersion":"h2",
              "headers":[{"name":":authority","value":"a.test"},{"name":"x","value":"1"}],
              "postData":{"mimeType":"application/json","text":"{\"n\":1}"}}},
            {"request":{"method":"GET"}},
            {"request":{"method":"POST","url":"https://a.test/f",
              "postData":{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a","value":"b c"}]}}},
            {"request":{"method":"POST","url":"https://a.test/b",
              "postData":{"mimeType":"","text":"/wA=","encoding":"base64"}}}]}}"##;
        let requests = read(text).expect("a HAR file");
        let [json, broken, form, bytes] = requests.as_slice() else { panic!("four entries") };
        let json = json.as_ref().unwrap();
        assert_eq!((json.url.as_str(), json.body.as_slice()), ("https://a.test/x?y=1", &br#"{"n":1}"#[..]));
        assert_eq!(json.headers.len(), 2);
        assert!(broken.is_err());
        assert_eq!(form.as_ref().unwrap().body, b"a=b+c");
        assert_eq!(bytes.as_ref().unwrap().body, [255, 0]);
        assert!(read("[]").is_err());
    }
}
