//! Header fields that end at a proxy (RFC 9110 §7.6.1), and those that are for Holdpoint.

use crate::hold::AgentWords;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// What a pass over the fields of a request found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// `Connection`, which nearly always says `keep-alive` and no more.
    connection: bool,
    /// Any other field that ends at a proxy.
    hop_by_hop: bool,
    ours: bool,
    trace: bool,
    expect: bool,
    upgrade: bool,
    coding: bool,
    host: u8,
    content_type: u8,
    content_length: u8,
    amz_target: u8,
    trailer: bool,
    /// `Content_Length` or `Transfer_Encoding`.
    underscored: bool,
}

impl Found {
    pub(super) const fn names_host(&self) -> bool {
        self.host > 0
    }
}

/// A request that no well-meaning client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldError {
    #[error("there is more than one `{0}` field")]
    Repeated(&'static str),
    #[error("`Connection` names a field that must not end here: `{0}`")]
    Connection(&'static str),
    #[error("a `Transfer-Encoding` other than `chunked`, once, is read in more than one way")]
    Coding,
    #[error("a field that frames the body is written with `_`, and some read it all the same")]
    Underscored,
    #[error("an expectation other than `100-continue` cannot be met")]
    Expectation,
}

/// What was taken off a request.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) words: AgentWords,
    /// The one protocol that the client wants to change to, unless requests would go on in it (h2c is a way around a proxy).
    pub(crate) upgrade: Option<HeaderValue>,
}

/// Looks at every field once; nothing is allocated.
pub(crate) fn look(headers: &HeaderMap) -> Found {
    let mut found = Found::default();
    let count = |name| if headers.len() == headers.keys_len() { 1 } else { count(headers, name) };
    for name in headers.keys() {
        if *name == HOST {
            found.host = count(name);
        } else if *name == CONTENT_TYPE {
            found.content_type = count(name);
        } else if *name == CONTENT_LENGTH {
            found.content_length = count(name);
        } else if *name == EXPECT {
            found.expect = true;
        } else if *name == UPGRADE {
            (found.upgrade, found.hop_by_hop) = (true, true);
        } else if *name == TRANSFER_ENCODING {
            (found.coding, found.hop_by_hop) = (true, true);
        } else if *name == CONNECTION {
            found.connection = true;
        } else if *name == TE || *name == PROXY_AUTHORIZATION || *name == PROXY_AUTHENTICATE {
            found.hop_by_hop = true;
        } else {
            match name.as_str().as_bytes() {
                [b'h', b'o', b'l', b'd', b'p', b'o', b'i', b'n', b't', b'-', ..] => found.ours = true,
                b"keep-alive" | b"proxy-connection" | b"http2-settings" => found.hop_by_hop = true,
                b"trailer" => found.trailer = true,
                b"content_length" | b"transfer_encoding" => found.underscored = true,
                b"traceparent" => found.trace = true,
                b"x-amz-target" => found.amz_target = count(name),
                _ => {}
            }
        }
    }
    found
}

/// Takes off a request what must not go on. Fields stay as they are when there is nothing to take.
///
/// # Errors
/// See [`FieldError`].
pub(crate) fn take(headers: &mut HeaderMap, found: &Found) -> Result<Taken, FieldError> {
    for (times, name) in [
        (found.host, "Host"),
        (found.content_type, "Content-Type"),
        (found.content_length, "Content-Length"),
        (found.amz_target, "X-Amz-Target"),
    ] {
        if times > 1 {
            return Err(FieldError::Repeated(name));
        }
    }
    if found.underscored {
        return Err(FieldError::Underscored);
    }
    // What comes before a last `chunked` would be lost with the field, and the body with it (RFC 9112 §6.1).
    if found.coding {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = codings.next().is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || codings.next().is_some() {
            return Err(FieldError::Coding);
        }
    }
    if found.trailer {
        headers.remove(TRAILER); // what it announces does not go on: see `Outgoing`
    }
    let mut taken = Taken::default();
    if found.expect {
        if !headers.get_all(EXPECT).iter().all(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
            return Err(FieldError::Expectation);
        }
        headers.remove(EXPECT); // answered by us, once the body is wanted
    }
    if found.upgrade {
        taken.upgrade = the_protocol(headers).filter(|_| names_upgrade(headers)).cloned();
    }
    strip(headers, found)?;
    if found.ours {
        taken.words = words(headers);
    }
    if found.trace {
        taken.words.traceparent = headers.get("traceparent").and_then(text); // kept on the request as well
    }
    Ok(taken)
}

/// Takes off a response what ends here.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    let found = look(headers);
    if strip(headers, &found).is_err() {
        // What `Connection` names is meant for the client all the same.
        for name in HOP_BY_HOP {
            headers.remove(*name);
        }
    }
}

fn strip(headers: &mut HeaderMap, found: &Found) -> Result<(), FieldError> {
    if !found.hop_by_hop {
        let names_nothing = |value: &HeaderValue| {
            value.as_bytes().eq_ignore_ascii_case(b"keep-alive")
                || value.as_bytes().eq_ignore_ascii_case(b"close")
        };
        if !found.connection {
            return Ok(());
        }
        if headers.get_all(CONNECTION).iter().all(names_nothing) {
            headers.remove(CONNECTION);
            return Ok(());
        }
    }
    // Before what `Connection` names goes: HTTP/1.1 has `TE` named there (RFC 9110 §10.1.4).
    let trailers = headers.get_all(TE).iter().any(|v| v.as_bytes().eq_ignore_ascii_case(b"trailers"));
    let mut named: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(CONNECTION) {
        for token in value.as_bytes().split(|b| *b == b',') {
            let Ok(name) = HeaderName::from_bytes(token.trim_ascii()) else { continue };
            if let Some(kept) = NEVER_HOP_BY_HOP.iter().find(|kept| **kept == name.as_str()) {
                return Err(FieldError::Connection(kept));
            }
            named.push(name);
        }
    }
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers")); // gRPC servers insist on it
    }
    Ok(())
}

/// The agent's words, off the request.
fn words(headers: &mut HeaderMap) -> AgentWords {
    let words = AgentWords {
        reason: headers.get("holdpoint-reason").and_then(text),
        session: headers.get("holdpoint-session").and_then(text),
        traceparent: None,
    };
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("holdpoint-")).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    words
}

fn text(value: &HeaderValue) -> Option<String> {
    let text = String::from_utf8_lossy(value.as_bytes());
    let cut: String = text.trim().chars().take(WORDS_CHARACTERS_MAX).collect();
    (!cut.is_empty()).then_some(cut)
}

/// `Upgrade`, where it offers one protocol, since of several the origin would choose; and none that would carry requests
/// of its own: HTTP of any version, or TLS.
fn the_protocol(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut fields = headers.get_all(UPGRADE).iter();
    let (protocol, none) = (fields.next()?, fields.next());
    let bytes = protocol.as_bytes().trim_ascii();
    let begins = |known: &[u8]| bytes.get(..known.len()).is_some_and(|p| p.eq_ignore_ascii_case(known));
    let is_tunnel = begins(b"h2") || begins(b"h3") || begins(b"http") || begins(b"tls");
    (none.is_none() && !is_tunnel && !bytes.contains(&b',')).then_some(protocol)
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

fn count(headers: &HeaderMap, name: &HeaderName) -> u8 {
    u8::try_from(headers.get_all(name).iter().take(2).count()).unwrap_or(u8::MAX)
}

const HOP_BY_HOP: &[&str] = &[
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Framing, routing and meaning: a `Connection` field that names one of these wants it lost on the way.
const NEVER_HOP_BY_HOP: &[&str] = &[
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "if-match",
    "transfer-encoding",
    "x-amz-target",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];
const WORDS_CHARACTERS_MAX: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(n, v)| (HeaderName::from_bytes(n.as_bytes()).unwrap(), HeaderValue::from_str(v).unwrap()))
            .fold(HeaderMap::new(), |mut m, (n, v)| {
                m.append(n, v);
                m
            })
    }

    #[track_caller]
    fn taken(fields: &[(&str, &str)]) -> Result<(HeaderMap, Taken), FieldError> {
        let mut headers = map(fields);
        let found = look(&headers);
        let taken = take(&mut headers, &found)?;
        Ok((headers, taken))
    }

    #[test]
    fn what_ends_here_ends_here() {
        let (left, taken) = taken(&[
            ("host", "a.test"),
            ("connection", "keep-alive, X-Secret-Hop, TE"),
            ("x-secret-hop", "1"),
            ("keep-alive", "5"),
            ("proxy-authorization", "Basic eA=="),
            ("holdpoint-reason", " clean up  "),
            ("holdpoint-anything", "x"),
            ("te", "trailers"),
            ("expect", "100-Continue"),
            ("x-kept", "1"),
        ])
        .unwrap();
        let mut names: Vec<&str> = left.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["host", "te", "x-kept"]);
        assert_eq!(taken.words.reason.as_deref(), Some("clean up"));
    }

    #[test]
    fn what_no_client_means_is_refused() {
        assert_eq!(taken(&[("host", "a"), ("host", "b")]).unwrap_err(), FieldError::Repeated("Host"));
        let targets = [("x-amz-target", "A.Read"), ("x-amz-target", "A.Delete")];
        assert_eq!(taken(&targets).unwrap_err(), FieldError::Repeated("X-Amz-Target"));
        assert_eq!(taken(&[("connection", "Host")]).unwrap_err(), FieldError::Connection("host"));
        let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(taken(&twice).unwrap_err(), FieldError::Coding);
        assert_eq!(taken(&[("transfer-encoding", "gzip, chunked")]).unwrap_err(), FieldError::Coding);
        assert!(taken(&[("transfer-encoding", "chunked")]).is_ok());
        assert!(taken(&[("transfer-encoding", "Chunked")]).is_ok());
        assert_eq!(taken(&[("expect", "something")]).unwrap_err(), FieldError::Expectation);
    }

    #[test]
    fn upgrades_are_found_but_never_h2c() {
        let web = taken(&[("connection", "Upgrade"), ("upgrade", "websocket")]).unwrap().1;
        assert_eq!(web.upgrade.unwrap(), "websocket");
        assert!(taken(&[("connection", "Upgrade"), ("upgrade", "h2c")]).unwrap().1.upgrade.is_none());
        assert!(taken(&[("upgrade", "websocket")]).unwrap().1.upgrade.is_none());
        for other in ["websocket, h2c", "H2C", "foo,h2", "HTTP/2.0", "TLS/1.2, HTTP/1.1"] {
            let asked = taken(&[
                ("connection", "Upgrade, HTTP2-Settings"),
                ("upgrade", other),
                ("http2-settings", "AAMA"),
            ]);
            let (left, taken) = asked.unwrap();
            assert!(taken.upgrade.is_none() && left.is_empty(), "{other}");
        }
        let two =
            taken(&[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")]).unwrap().1;
        assert!(two.upgrade.is_none());
    }
}
