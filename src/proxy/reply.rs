//! Answers of our own, in the caller's dialect: a person or a model must be able to read why, whatever the SDK
//! between us shows of a response.

use super::push::Push;
use crate::digest::RequestDigest;
use crate::hold::HoldId;
use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER, USER_AGENT,
};
use http::{Response, StatusCode};
use hyper::ext::ReasonPhrase;
use jiff::Timestamp;
use serde_json::{Value, json};

/// An answer that is not an origin's.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// A word for programs: `approval_pending`, `denied`, `upstream_failed`.
    pub(super) code: &'static str,
    /// What happened and what to do next, for people and models.
    pub(super) message: String,
    /// How the exchange ended, for the record.
    pub(super) end: &'static str,
    pub(super) hold: Option<Box<HoldView>>,
    /// For SDKs that poll by themselves.
    pub(super) retry_after_seconds: Option<u64>,
}

/// What an agent learns of its hold.
#[derive(Debug, Clone)]
pub(super) struct HoldView {
    pub(super) id: HoldId,
    pub(super) digest: RequestDigest,
    pub(super) expires_at: Option<Timestamp>,
}

/// How the caller wants to be told.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Dialect {
    Json,
    /// RFC 9457, when asked for.
    Problem,
    /// git shows plain text only, and that only in answer to its first request.
    Text,
    /// A push, whose report says for each reference what became of it.
    Push(Push),
    /// A `Status` object.
    Kubernetes,
    S3,
    Grpc,
    GrpcWeb,
    /// The request's id.
    JsonRpc(Value),
    GraphQl,
}

impl Dialect {
    /// From the request's head, and from its body where that was read.
    pub(super) fn of(host: &str, path: &str, headers: &HeaderMap, body: Option<&[u8]>) -> Self {
        let field = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let agent = field(USER_AGENT).to_ascii_lowercase();
        let accept = field(ACCEPT);
        let kind = field(CONTENT_TYPE).to_ascii_lowercase();
        if kind.starts_with("application/grpc-web") {
            return Self::GrpcWeb;
        }
        if kind.starts_with("application/grpc") {
            return Self::Grpc;
        }
        if let Some(push) = body.and_then(|body| Push::of(path, body)) {
            return Self::Push(push);
        }
        if agent.starts_with("git/") {
            return Self::Text;
        }
        if KUBERNETES_CLIENTS.iter().any(|client| agent.contains(client)) || accept.contains("as=Table;") {
            return Self::Kubernetes;
        }
        if is_s3(host, field(AUTHORIZATION)) {
            return Self::S3;
        }
        if let Some(id) = body.and_then(json_rpc_id) {
            return Self::JsonRpc(id);
        }
        if path.ends_with("/graphql") {
            return Self::GraphQl;
        }
        if accept.contains("application/problem+json") { Self::Problem } else { Self::Json }
    }
}

impl Reply {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        end: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { status, code, message: message.into(), end, hold: None, retry_after_seconds: None }
    }

    pub(super) fn with_hold(mut self, hold: HoldView) -> Self {
        self.hold = Some(Box::new(hold));
        self
    }

    /// The response, with its body apart.
    pub(super) fn into_response(self, dialect: &Dialect, control_url: &str) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.status;
        let phrase = match (&self.hold, self.status) {
            (Some(hold), StatusCode::PRECONDITION_REQUIRED | StatusCode::TOO_MANY_REQUESTS) => {
                Some(format!("Held for approval {}", hold.id))
            }
            (Some(hold), _) => Some(format!("Not approved {}", hold.id)),
            (None, StatusCode::FORBIDDEN) => Some("Denied by rule".to_owned()),
            (None, _) => None,
        };
        if let Some(phrase) = phrase.and_then(|p| ReasonPhrase::try_from(p.into_bytes()).ok()) {
            response.extensions_mut().insert(phrase); // requests and boto3 show nothing else
        }
        self.fields(response.headers_mut());
        let (kind, body) = self.body(dialect, control_url, &mut response);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        *response.body_mut() = body;
        response
    }

    fn fields(&self, headers: &mut HeaderMap) {
        let polls = self.retry_after_seconds.is_some();
        if self.status.is_client_error() {
            headers.insert("x-should-retry", HeaderValue::from_static(if polls { "true" } else { "false" }));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.insert("cache-control", HeaderValue::from_static("no-store"));
        // RFC 9209: who answered, in a word of its registry.
        let error = match self.status {
            StatusCode::BAD_GATEWAY => "connection_terminated",
            StatusCode::GATEWAY_TIMEOUT => "connection_read_timeout",
            StatusCode::BAD_REQUEST | StatusCode::MISDIRECTED_REQUEST => "http_request_error",
            s if s.is_server_error() => "proxy_internal_error",
            _ => "http_request_denied",
        };
        if let Ok(value) =
            HeaderValue::try_from(format!("holdpoint; error={error}; details=\"{}\"", self.code))
        {
            headers.insert("proxy-status", value);
        }
        if let Some(hold) = &self.hold
            && let Ok(value) = HeaderValue::try_from(format!("<{}>; rel=\"status\"", status_url(&hold.id)))
        {
            headers.insert(LINK, value);
        }
    }

    fn body(
        &self,
        dialect: &Dialect,
        control_url: &str,
        response: &mut Response<Bytes>,
    ) -> (&'static str, Bytes) {
        let json = |value: &Value| Bytes::from(value.to_string());
        match dialect {
            Dialect::Json => ("application/json", json(&self.composite(control_url))),
            Dialect::Problem => ("application/problem+json", json(&self.composite(control_url))),
            Dialect::Text => {
                ("text/plain; charset=utf-8", Bytes::from(format!("holdpoint: {}\n", self.message)))
            }
            Dialect::Push(push) => {
                *response.status_mut() = StatusCode::OK;
                ("application/x-git-receive-pack-result", push.refused(&self.message))
            }
            Dialect::Kubernetes => ("application/json", json(&self.kubernetes())),
            Dialect::S3 => ("application/xml", Bytes::from(self.s3())),
            Dialect::Grpc => {
                self.grpc(response);
                ("application/grpc", Bytes::new())
            }
            Dialect::GrpcWeb => {
                self.grpc(response);
                ("application/grpc-web+proto", Bytes::new())
            }
            Dialect::JsonRpc(id) => {
                let mut value = self.composite(control_url);
                let data = json!({ "code": self.code, "hold": value.get("hold") });
                add(&mut value, "jsonrpc", json!("2.0"));
                add(&mut value, "id", id.clone());
                let error = json!({ "code": JSON_RPC_SERVER_ERROR, "message": self.message, "data": data });
                add(&mut value, "error", error);
                ("application/json", json(&value))
            }
            Dialect::GraphQl => {
                let mut value = self.composite(control_url);
                let code = json!({ "code": self.code.to_ascii_uppercase() });
                add(&mut value, "data", Value::Null);
                add(&mut value, "errors", json!([{ "message": self.message, "extensions": code }]));
                ("application/json", json(&value))
            }
        }
    }

    /// Every place in which some SDK looks for the reason.
    fn composite(&self, control_url: &str) -> Value {
        let mut value = json!({
            "type": format!("urn:holdpoint:{}", self.code.replace('_', "-")),
            "title": title(self.code),
            "status": self.status.as_u16(),
            "detail": self.message,
            "message": self.message,
            "error": { "message": self.message, "type": self.code, "code": self.code },
            "__type": camel_case(self.code),
        });
        if let Some(hold) = &self.hold {
            let view = json!({
                "id": hold.id,
                "digest": hold.digest,
                "status_url": status_url(&hold.id),
                "review_url": format!("{control_url}/holds/{}", hold.id),
                "expires_at": hold.expires_at,
            });
            add(&mut value, "hold", view);
        }
        value
    }

    fn kubernetes(&self) -> Value {
        let mut causes = vec![json!({ "reason": camel_case(self.code), "message": self.message })];
        if let Some(hold) = &self.hold {
            causes.push(json!({ "reason": "HoldId", "message": hold.id }));
        }
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": if self.status == StatusCode::FORBIDDEN { "Forbidden".to_owned() } else { camel_case(self.code) },
            "details": { "causes": causes, "retryAfterSeconds": self.retry_after_seconds.unwrap_or(0) },
            "code": self.status.as_u16(),
        })
    }

    fn s3(&self) -> String {
        let hold = self.hold.as_ref().map(|h| h.id.to_string()).unwrap_or_default();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message><RequestId>{hold}</RequestId></Error>",
            if self.status == StatusCode::FORBIDDEN {
                "AccessDenied".to_owned()
            } else {
                camel_case(self.code)
            },
            xml_escaped(&self.message)
        )
    }

    /// A trailers-only response: gRPC reports errors under HTTP 200 (gRPC over HTTP/2, "Responses").
    fn grpc(&self, response: &mut Response<Bytes>) {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().extend(self.grpc_trailers());
    }

    /// The last message of a stream of Connect ("EndStreamResponse"): flags, length, and what went wrong.
    pub(super) fn connect_end(&self) -> Bytes {
        let code = match self.grpc_code() {
            1 => "canceled",
            3 => "invalid_argument",
            4 => "deadline_exceeded",
            7 => "permission_denied",
            8 => "resource_exhausted",
            9 => "failed_precondition",
            _ => "unavailable",
        };
        let text = json!({ "error": { "code": code, "message": self.message } }).to_string();
        let mut bytes = vec![0b10];
        bytes.extend(u32::try_from(text.len()).unwrap_or_default().to_be_bytes());
        bytes.extend(text.bytes());
        bytes.into()
    }

    /// The end of a call.
    pub(super) fn grpc_trailers(&self) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(self.grpc_code()));
        if let Ok(message) = HeaderValue::try_from(percent_encoded(&self.message)) {
            trailers.insert("grpc-message", message);
        }
        trailers
    }

    /// `FAILED_PRECONDITION` is what no client repeats by itself; `UNAVAILABLE` is what many do.
    fn grpc_code(&self) -> u16 {
        match self.status {
            StatusCode::PRECONDITION_REQUIRED => 9, // FAILED_PRECONDITION
            StatusCode::FORBIDDEN => 7,             // PERMISSION_DENIED
            StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => 8, // RESOURCE_EXHAUSTED
            StatusCode::GATEWAY_TIMEOUT => 4,       // DEADLINE_EXCEEDED
            StatusCode::REQUEST_TIMEOUT => 1,       // CANCELLED
            status if status.is_client_error() => 3, // INVALID_ARGUMENT
            _ => 14,                                // UNAVAILABLE
        }
    }
}

/// Sets a member of an object.
fn add(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

/// Where an agent reads how its hold stands.
pub(super) fn status_url(id: &HoldId) -> String {
    format!("http://{}/holds/{id}", super::destination::OWN_HOST)
}

fn is_s3(host: &str, authorization: &str) -> bool {
    authorization.contains("/s3/aws4_request")
        || (host.ends_with(".amazonaws.com")
            && host.split('.').any(|label| label == "s3" || label.starts_with("s3-")))
}

/// The id of a JSON-RPC 2.0 request (§4); of a batch, nothing.
fn json_rpc_id(body: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(body).ok()?;
    (value.get("jsonrpc")? == "2.0").then(|| value.get("id").cloned().unwrap_or(Value::Null))
}

fn title(code: &str) -> String {
    let mut title = code.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

fn camel_case(code: &str) -> String {
    code.split('_').map(title).collect()
}

fn xml_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// gRPC over HTTP/2, `Percent-Encoded`.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        if (b' '..=b'~').contains(&b) && b != b'%' {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
        out
    })
}

const KUBERNETES_CLIENTS: &[&str] = &["kubectl", "kubernetes", "client-go", "helm/"];
/// JSON-RPC 2.0 §5.1: -32000 to -32099 are for servers.
pub(super) const JSON_RPC_SERVER_ERROR: i64 = -32_028;

#[cfg(test)]
mod tests {
    use super::*;

    fn parked() -> Reply {
        let hold = HoldView {
            id: HoldId::from_random(7),
            digest: RequestDigest([7; 32]),
            expires_at: Some(Timestamp::UNIX_EPOCH),
        };
        Reply::new(StatusCode::PRECONDITION_REQUIRED, "approval_pending", "parked", "Wait <&> repeat – soon.")
            .with_hold(hold)
    }

    #[track_caller]
    fn shown(dialect: &Dialect) -> String {
        let response = parked().into_response(dialect, "http://127.0.0.1:8081");
        let mut head: Vec<String> =
            response.headers().iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        head.sort();
        format!("{}\n{}\n\n{}", response.status(), head.join("\n"), String::from_utf8_lossy(response.body()))
    }

    #[test]
    fn dialects() {
        for (name, dialect) in [
            ("json", Dialect::Json),
            ("text", Dialect::Text),
            ("kubernetes", Dialect::Kubernetes),
            ("s3", Dialect::S3),
            ("grpc", Dialect::Grpc),
            ("json_rpc", Dialect::JsonRpc(json!(3))),
            ("graphql", Dialect::GraphQl),
        ] {
            insta::assert_snapshot!(name, shown(&dialect));
        }
    }

    #[test]
    fn a_call_under_way_ends_with_the_reason() {
        let trailers = parked().grpc_trailers();
        assert_eq!(trailers["grpc-status"], "9");
        assert_eq!(trailers["grpc-message"], "Wait <&> repeat %E2%80%93 soon.");
        let end = parked().connect_end();
        let (head, text) = end.split_at(5);
        assert_eq!(head, [2, 0, 0, 0, u8::try_from(text.len()).unwrap()]);
        let text: Value = serde_json::from_slice(text).unwrap();
        assert_eq!(text["error"]["code"], "failed_precondition");
        assert_eq!(text["error"]["message"], "Wait <&> repeat – soon.");
    }

    #[test]
    fn callers_are_known_by_what_they_send() {
        let of = |host: &str, path: &str, fields: &[(&str, &str)], body: Option<&[u8]>| {
            let headers: HeaderMap = fields
                .iter()
                .map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse::<HeaderValue>().unwrap()))
                .collect();
            Dialect::of(host, path, &headers, body)
        };
        assert_eq!(of("g.test", "/x/info/refs", &[("user-agent", "git/2.47.0")], None), Dialect::Text);
        assert_eq!(
            of("k.test", "/api/v1/pods", &[("user-agent", "kubectl/v1.32")], None),
            Dialect::Kubernetes
        );
        assert_eq!(of("b.s3.eu-west-1.amazonaws.com", "/k", &[], None), Dialect::S3);
        assert_eq!(of("s3.amazonaws.com", "/k", &[], None), Dialect::S3);
        assert_eq!(of("evil-s3.test", "/k", &[], None), Dialect::Json);
        assert_eq!(
            of("g.test", "/p.S/M", &[("content-type", "application/grpc+proto")], None),
            Dialect::Grpc
        );
        assert_eq!(
            of("g.test", "/p.S/M", &[("content-type", "application/grpc-web-text")], None),
            Dialect::GrpcWeb
        );
        let call = br#"{"jsonrpc":"2.0","id":"a","method":"tools/call"}"#;
        assert_eq!(of("m.test", "/mcp", &[], Some(call)), Dialect::JsonRpc(json!("a")));
        assert_eq!(of("api.github.com", "/graphql", &[], Some(b"{}")), Dialect::GraphQl);
        assert_eq!(of("a.test", "/", &[("accept", "application/problem+json")], None), Dialect::Problem);
    }
}
