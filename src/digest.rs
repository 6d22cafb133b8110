//! The digest of a request: what the reviewer saw, what may leave.
//!
//! SHA-256 over a canonical text of everything that gives the request its meaning. Left out is only what a
//! client changes from one try to the next without meaning anything by it: dates, signatures, retry counters,
//! trace headers, keys against doing a thing twice, the boundary of a multipart body where every server reads it alike
//! (`digest/boundary.rs`), and the number of a JSON-RPC call (`digest/call.rs`). Credentials count by their keyed
//! fingerprint, so that an approval given to one account cannot be spent by another and the digest gives nothing away.

mod boundary;
mod call;

use crate::request::Head;
use aws_lc_rs::digest::{Context, SHA256};
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// SHA-256 over the canonical request. Written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RequestDigest(pub [u8; 32]);

/// The text is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is `sha256:` and 64 hexadecimal digits")]
pub struct DigestError;

impl RequestDigest {
    /// The first eight digits: the same chip on page, card, log and command line.
    pub fn short(&self) -> String {
        hex(&self.0).chars().take(8).collect()
    }
}

impl fmt::Display for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex(&self.0))
    }
}

impl fmt::Debug for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<RequestDigest> for String {
    fn from(digest: RequestDigest) -> Self {
        digest.to_string()
    }
}

impl FromStr for RequestDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = text.strip_prefix("sha256:").ok_or(DigestError)?;
        let mut bytes = [0; 32];
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(DigestError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| DigestError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| DigestError)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for RequestDigest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

/// The digest of a request with its whole body.
///
/// Each part is written with its length before it, so that no two requests share one text. Fields go in
/// by name in sorted order, values of one name in the order sent. `credential` is
/// [`crate::redact::Fingerprints::credential`] of the request.
pub fn request_digest(agent_id: i64, head: &Head<'_>, credential: &str, body: &[u8]) -> RequestDigest {
    let content = boundary::parts(head.headers, body).map_or(Content::Whole(body), Content::Parts);
    digest(&[b"holdpoint-request-v1"], agent_id, head, credential, &content)
}

/// The same for a request to a place where, by the rules, JSON-RPC is spoken: the number of a call counts for nothing
/// (`digest/call.rs`). To a server of another kind an `id` may mean anything, so only whoever writes the rules can say so.
pub fn call_digest(agent_id: i64, head: &Head<'_>, credential: &str, body: &[u8]) -> RequestDigest {
    match call::around_id(head.headers, body) {
        Some((front, back)) => {
            let content = Content::AroundNumber(front, back);
            digest(&[b"holdpoint-request-v2-but-the-call-id"], agent_id, head, credential, &content)
        }
        None => request_digest(agent_id, head, credential, body),
    }
}

/// The digest of a message on a connection that a request has opened; `head` is that request's, and `kind` says what
/// the message is beside its bytes. No message has the digest of a request.
pub fn message_digest(
    agent_id: i64,
    head: &Head<'_>,
    credential: &str,
    kind: &str,
    message: &[u8],
) -> RequestDigest {
    let labels: [&[u8]; 2] = [b"holdpoint-message-v1", kind.as_bytes()];
    digest(&labels, agent_id, head, credential, &Content::Whole(message))
}

/// What of a body counts.
enum Content<'b> {
    Whole(&'b [u8]),
    /// What stands before and behind the number of a call.
    AroundNumber(&'b [u8], &'b [u8]),
    Parts(boundary::Parts<'b>),
}

fn digest(
    labels: &[&[u8]],
    agent_id: i64,
    head: &Head<'_>,
    credential: &str,
    content: &Content<'_>,
) -> RequestDigest {
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    };
    labels.iter().for_each(|label| part(label));
    part(&agent_id.to_be_bytes());
    part(head.method.as_str().as_bytes());
    part(head.scheme.as_str().as_bytes());
    part(head.authority.host.as_str().as_bytes());
    part(&head.authority.port.to_be_bytes());
    part(head.path.as_bytes());
    part(head.query.map_or(&b"-"[..], |_| &b"?"[..]));
    part(head.query.unwrap_or_default().as_bytes());
    let mut names: Vec<&http::HeaderName> =
        head.headers.keys().filter(|name| has_meaning(name.as_str())).collect();
    names.sort_unstable_by_key(|name| name.as_str());
    for name in names {
        for value in head.headers.get_all(name) {
            part(name.as_str().as_bytes());
            match content {
                Content::Parts(parts) if name == CONTENT_TYPE => part(parts.kind.join("\0").as_bytes()),
                _ => part(value.as_bytes()),
            }
        }
    }
    part(credential.as_bytes());
    // What is in pieces has a part before them that says so, or a version of its own: no whole body reads like that.
    match content {
        Content::Whole(body) => part(body),
        Content::AroundNumber(front, back) => {
            part(front);
            part(back);
        }
        Content::Parts(parts) => {
            part(b"multipart");
            parts.pieces.iter().for_each(|piece| part(piece));
        }
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    RequestDigest(bytes)
}

/// SHA-256 as lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

/// Whether a field takes part: all do, but those that tries of one request differ in, and credentials, which
/// count by fingerprint.
pub fn has_meaning(name: &str) -> bool {
    !(LEFT_OUT.contains(&name) || LEFT_OUT_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// Per-hop, per-try, tracing, and credentials. A key against doing a thing twice is new each time that a program
/// asks for the thing, and an approval lets it leave once.
const LEFT_OUT: &[&str] = &[
    "accept-encoding",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "baggage",
    "client-request-id",
    "connect-timeout-ms",
    "connection",
    "content-length",
    "cookie",
    "date",
    "expect",
    "grpc-accept-encoding",
    "grpc-previous-rpc-attempts",
    "grpc-timeout",
    "host",
    "idempotency-key",
    "keep-alive",
    "kubectl-session",
    "priority",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "sec-websocket-key",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-user-agent",
    "x-amzn-trace-id",
    "x-api-key",
    "x-client-request-id",
    "x-goog-gcs-idempotency-token",
    "x-idempotency-key",
    "x-ms-client-request-id",
    "x-request-id",
    "x-retry-count",
    "x-stainless-retry-count",
    "x-stripe-client-telemetry",
];
const LEFT_OUT_PREFIXES: &[&str] = &["x-b3-", "x-datadog-", "holdpoint-"];
