//! gRPC, gRPC-Web and Connect calls: service and method by the path.
//!
//! The messages stay closed: their fields have no names on the wire.

use super::protocol::{Call, Claim, Kind, Protocol, Request, Spec, Unread, View};
use crate::request::Head;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "grpc",
    fields: &[Spec { name: "service", kind: Kind::Name }, Spec { name: "method", kind: Kind::Name }],
    claim,
    read,
};

fn claim(head: &Head<'_>) -> Claim {
    if calls(head).next().is_some() { Claim::Head } else { Claim::No }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every protocol")]
fn read<'a>(request: &Request<'a>) -> Result<View<'a>, Unread> {
    let mut view = View::default();
    for call in calls(request.head) {
        // What only looks like a call matches where a rule holds, and never where one passes.
        let exact = call.by == GrpcBy::ContentType;
        view.says_so |= exact;
        let call = Call::default().with_names("service", vec![call.service.into()], exact).with_names(
            "method",
            vec![call.method.into()],
            exact,
        );
        if !view.calls.contains(&call) {
            view.calls.push(call);
        }
    }
    Ok(view)
}

/// By each reading of the path.
fn calls(head: &Head<'_>) -> impl Iterator<Item = GrpcCall> {
    let paths = std::iter::once(head.path).chain(head.readings.iter().map(|reading| &**reading));
    paths.filter_map(|path| call(head.headers, path))
}

/// A remote procedure call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcCall {
    /// With its package: `google.pubsub.v1.Publisher`.
    pub service: String,
    /// `DeleteTopic`.
    pub method: String,
    pub by: GrpcBy,
}

/// What tells that it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcBy {
    /// The content type says so.
    ContentType,
    /// Only the path looks like one: servers that take JSON for the same methods (Connect, Twirp) need no more.
    Path,
}

/// The call that a request makes, if it can be one: `POST /package.Service/Method` (gRPC over HTTP/2, "Requests";
/// some servers are mounted below a prefix, so that only the last two segments count).
pub fn call(headers: &HeaderMap, path: &str) -> Option<GrpcCall> {
    let mut segments = path.trim_end_matches('/').rsplit('/');
    let (method, service) = (segments.next()?, segments.next()?);
    let by = if headers.get_all(CONTENT_TYPE).iter().any(|value| is_grpc(value.as_bytes())) {
        GrpcBy::ContentType
    } else {
        GrpcBy::Path
    };
    let decode =
        |segment: &str| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let (service, method) = (decode(service), decode(method));
    let named = match by {
        GrpcBy::ContentType => !service.is_empty() && !method.is_empty(),
        GrpcBy::Path => is_service(&service) && is_name(&method),
    };
    named.then_some(GrpcCall { service, method, by })
}

/// `application/grpc`, `application/grpc+proto`, `application/grpc-web-text`, `application/connect+proto`, and the
/// `application/proto` of Connect's single calls.
fn is_grpc(value: &[u8]) -> bool {
    let value = value.trim_ascii_start().to_ascii_lowercase();
    [&b"application/grpc"[..], b"application/connect+", b"application/proto"]
        .iter()
        .any(|prefix| value.starts_with(prefix))
}

/// A package and a service in it, the service in the usual capital.
fn is_service(text: &str) -> bool {
    let Some((package, service)) = text.rsplit_once('.') else { return false };
    package.split('.').all(is_name)
        && is_name(service)
        && service.starts_with(|c: char| c.is_ascii_uppercase())
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content_type: &str, path: &str) -> Option<(String, String, GrpcBy)> {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        call(&headers, path).map(|call| (call.service, call.method, call.by))
    }

    #[test]
    fn calls_are_named_by_their_path() {
        let publisher = |by| Some(("google.pubsub.v1.Publisher".to_owned(), "DeleteTopic".to_owned(), by));
        let path = "/google.pubsub.v1.Publisher/DeleteTopic";
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "Application/GRPC; x=1",
            "application/grpc-web-text",
            "application/connect+json",
            "application/proto",
        ] {
            assert_eq!(of(kind, path), publisher(GrpcBy::ContentType), "{kind}");
        }
        assert_eq!(of("application/json", path), publisher(GrpcBy::Path));
        assert_eq!(of("", "/twirp/google.pubsub.v1.Publisher/DeleteTopic"), publisher(GrpcBy::Path));
        let short = Some(("Greeter".to_owned(), "SayHello".to_owned(), GrpcBy::ContentType));
        assert_eq!(of("application/grpc", "/Greeter/SayHello"), short);
        assert_eq!(of("application/grpc", "/Greeter/Say%48ello"), short);
    }

    #[test]
    fn ordinary_paths_are_no_calls() {
        for path in ["/", "/a", "/v1/users", "/acme/site.git", "/acme/site.Git/x-y", "/files/a.b/c.d"] {
            assert_eq!(of("application/json", path), None, "{path}");
        }
        assert_eq!(of("application/grpc", "/"), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(kind in "[a-z/+;= -]{0,30}", path in "\\PC{0,40}") {
            let _ = of(&kind, &path);
        }
    }
}
