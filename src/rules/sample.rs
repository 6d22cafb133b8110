//! Requests as people and tools write them down, made into what the proxy would see: examples in rule files,
//! a curl command line, a HAR file, JSON lines. Pure: a file that a curl command line names is read by the caller.

mod curl;
mod har;
mod json;
mod shell;

use crate::authority::{Authority, HostError, Scheme};
use crate::decode::object_store::keeps_paths;
use crate::path::{self, TargetError};
use crate::request::Head;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::fmt;

/// A request as it was written: nothing in it is checked yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Sample {
    pub method: String,
    /// The whole URL, `https://host/path?query`, not normalised.
    pub url: String,
    /// In the order given; a name may occur several times.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A sample after the same checks that the proxy makes: what rules are asked about.
#[derive(Debug, Clone)]
pub struct Canonical {
    pub method: Method,
    pub scheme: Scheme,
    pub authority: Authority,
    pub path: String,
    pub readings: Vec<Box<str>>,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Why a text is no request, or none that the proxy would take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// What was written is not understood; the fault is with the text, not with a request.
    #[error("{0}")]
    Written(String),
    #[error("`{0}` is not a method")]
    Method(String),
    #[error("`{0}` is not an absolute http or https URL")]
    Url(String),
    #[error("the host of the URL is refused: {0}")]
    Host(#[source] HostError),
    #[error("the target is refused: {0}")]
    Target(#[source] TargetError),
    #[error("header `{0}` has a name or value that no header may have")]
    Header(String),
    #[error("there is more than one `Host`")]
    HostRepeated,
    #[error("`Host: {host}` is not the host of the URL, `{authority}`")]
    HostConflict { host: String, authority: String },
    #[error("`Content-Length` and `Transfer-Encoding` do not say one length")]
    Framing,
}

impl SampleError {
    /// The status with which the proxy would refuse such a request.
    pub const fn status(&self) -> u16 {
        match self {
            Self::HostConflict { .. } => 421,
            _ => 400,
        }
    }

    fn written(message: impl Into<String>) -> Self {
        Self::Written(message.into())
    }
}

impl Sample {
    /// `METHOD URL`, as in the examples of a rule file.
    ///
    /// # Errors
    /// Anything but two words.
    pub fn from_line(line: &str) -> Result<Self, SampleError> {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(method), Some(url), None) => Ok(Self {
                method: method.to_owned(),
                url: url.to_owned(),
                headers: Vec::new(),
                body: Vec::new(),
            }),
            _ => Err(SampleError::written(format!("`{line}` is not `METHOD URL`"))),
        }
    }

    /// `{method, url, headers, body | body_b64 | form}`: an example in a rule file, or one of JSON lines. `headers`
    /// is a map or a list of pairs; `body` is text, or a map or list that is sent as JSON; `form` is a map.
    ///
    /// # Errors
    /// A missing `method` or `url`, a member of the wrong type, two bodies. Other members are ignored.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, SampleError> {
        json::read(value)
    }

    /// One of JSON lines: see [`Self::from_json`].
    ///
    /// # Errors
    /// As there, and text that is not JSON.
    pub fn from_json_line(line: &str) -> Result<Self, SampleError> {
        let value = serde_json::from_str(line)
            .map_err(|error| SampleError::written(format!("this is not JSON: {error}")))?;
        json::read(&value)
    }

    /// Writes what [`Self::from_json_line`] reads back.
    pub fn to_json_line(&self) -> String {
        json::write(self)
    }

    /// A curl command line as a POSIX shell would take it apart. `read` gives the contents of a file that
    /// `@name` refers to, or nothing when it cannot be read.
    ///
    /// # Errors
    /// Unbalanced quotes, shell syntax beyond one command, options that curl does not have, no URL or several.
    pub fn from_curl(
        command: &str,
        read: &mut dyn FnMut(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, SampleError> {
        curl::read(&shell::words(command)?, read)
    }

    /// The requests of a HAR file (`log.entries`), each by itself.
    ///
    /// # Errors
    /// A text that is no HAR file at all.
    pub fn from_har(text: &str) -> Result<Vec<Result<Self, SampleError>>, SampleError> {
        har::read(text)
    }

    /// What the proxy makes of it.
    ///
    /// # Errors
    /// What the proxy refuses: see [`SampleError::status`].
    pub fn canonical(&self) -> Result<Canonical, SampleError> {
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| SampleError::Method(self.method.clone()))?;
        let (scheme, authority, target) = split(&self.url)?;
        if target.parse::<PathAndQuery>().is_err() {
            return Err(SampleError::Target(TargetError::Character));
        }
        let mut headers = self.header_map()?;
        let keeps = || keeps_paths(authority.host.as_str());
        let mut target = path::canonical_unless(&target, keeps).map_err(SampleError::Target)?;
        path::add_named(&headers, &mut target.readings).map_err(SampleError::Target)?;
        let (path, query) = (target.path.into_owned(), target.query.map(str::to_owned));
        let readings = target.readings.into_iter().collect();
        agree(&headers, scheme, &authority)?;
        framed(&headers)?;
        let host = if authority.port == scheme.default_port() {
            HeaderValue::try_from(authority.host.to_string())
        } else {
            HeaderValue::try_from(authority.to_string())
        };
        headers.entry(HOST).or_insert(host.map_err(|_| SampleError::Host(HostError::Malformed))?);
        Ok(Canonical { method, scheme, authority, path, readings, query, headers, body: self.body.clone() })
    }

    fn header_map(&self) -> Result<HeaderMap, SampleError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.trim().as_bytes()))
            else {
                return Err(SampleError::Header(name.clone()));
            };
            headers.append(name, value);
        }
        Ok(headers)
    }
}

impl fmt::Debug for Sample {
    /// Without header values and body: they may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &self.headers.len())
            .field("body", &self.body.len())
            .finish()
    }
}

impl Canonical {
    pub fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            scheme: self.scheme,
            authority: &self.authority,
            path: &self.path,
            readings: &self.readings,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }
}

/// Takes a URL apart without changing a byte of its target.
fn split(url: &str) -> Result<(Scheme, Authority, String), SampleError> {
    let not_absolute = || SampleError::Url(url.to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(not_absolute)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return Err(not_absolute()),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let authority = Authority::parse(authority, scheme.default_port()).map_err(SampleError::Host)?;
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok((scheme, authority, target))
}

/// `Host`, where there is one, must name what the URL names (RFC 9112 §3.2).
fn agree(headers: &HeaderMap, scheme: Scheme, authority: &Authority) -> Result<(), SampleError> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else { return Ok(()) };
    if hosts.next().is_some() {
        return Err(SampleError::HostRepeated);
    }
    let text = host.to_str().map_err(|_| SampleError::Header("host".into()))?;
    let named = Authority::parse(text, scheme.default_port()).map_err(SampleError::Host)?;
    if named == *authority {
        Ok(())
    } else {
        Err(SampleError::HostConflict { host: text.to_owned(), authority: authority.to_string() })
    }
}

/// The body's length is said at most once and in one way (RFC 9112 §6.3).
fn framed(headers: &HeaderMap) -> Result<(), SampleError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(()) };
    let digits = !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
    if digits && lengths.next().is_none() && !headers.contains_key(TRANSFER_ENCODING) {
        Ok(())
    } else {
        Err(SampleError::Framing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn canonical(line: &str) -> Result<Canonical, SampleError> {
        Sample::from_line(line).expect("two words").canonical()
    }

    #[test]
    fn one_line_is_a_method_and_a_url() {
        let request = canonical("DELETE HTTPS://API.GitHub.com:443/repos/a/%62?x=%41").unwrap();
        assert_eq!(request.method, Method::DELETE);
        assert_eq!(request.authority.to_string(), "api.github.com:443");
        assert_eq!(request.path, "/repos/a/b");
        assert_eq!(request.query.as_deref(), Some("x=%41"));
        assert_eq!(canonical("GET http://a.test").unwrap().path, "/");
        assert_eq!(canonical("GET http://a.test?x").unwrap().query.as_deref(), Some("x"));
        for bad in ["", "GET", "GET https://a.test/ extra"] {
            assert!(Sample::from_line(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_proxy_refuses_is_refused() {
        for (line, status) in [
            ("G@T https://a.test/", 400),
            ("GET /only/a/path", 400),
            ("GET ftp://a.test/", 400),
            ("GET https://user@a.test/", 400),
            ("GET https://a.test/../x", 400),
            ("GET https://a.test/%00", 400),
            ("GET https://a.test/#fragment", 400),
            ("GET https:///x", 400),
        ] {
            assert_eq!(canonical(line).map_err(|e| e.status()).err(), Some(status), "{line}");
        }
    }

    #[test]
    fn host_and_framing_must_agree() {
        let with = |headers: &[(&str, &str)]| {
            let mut sample = Sample::from_line("POST https://a.test/").unwrap();
            sample.headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            sample.canonical().map(|_| ()).map_err(|e| e.status())
        };
        assert_eq!(with(&[("Host", "A.test:443")]), Ok(()));
        assert_eq!(with(&[("Host", "b.test")]), Err(421));
        assert_eq!(with(&[("Host", "a.test"), ("host", "a.test")]), Err(400));
        assert_eq!(with(&[("Content-Length", "3")]), Ok(()));
        assert_eq!(with(&[("Content-Length", "+3")]), Err(400));
        assert_eq!(with(&[("Content-Length", "3"), ("Transfer-Encoding", "chunked")]), Err(400));
        assert_eq!(with(&[("Bad Name", "x")]), Err(400));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,80}") {
            let _ = Sample::from_line(&text).map(|s| s.canonical());
            let _ = Sample::from_json_line(&text).map(|s| s.canonical());
            let _ = Sample::from_har(&text);
            let _ = Sample::from_curl(&text, &mut |_| None).map(|s| s.canonical());
            let _ = Sample::from_curl(&format!("curl {text}"), &mut |_| None).map(|s| s.canonical());
        }

        #[test]
        fn json_lines_come_back_as_they_went(
            method in "[A-Z]{1,8}",
            url in "\\PC{0,30}",
            headers in proptest::collection::vec(("[a-z-]{1,8}", "\\PC{0,12}"), 0..4),
            body in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let sample = Sample { method, url, headers, body };
            prop_assert_eq!(Sample::from_json_line(&sample.to_json_line()), Ok(sample));
        }
    }
}
