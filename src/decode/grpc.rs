//! gRPC, gRPC-Web, Connect and Twirp calls: service and method by the path, and the message where its descriptor is
//! known. Without one it stays closed: its fields have no names on the wire.

mod descriptors;
mod frames;
mod known;
mod mapped;
mod message;
#[cfg(test)]
mod tests;
mod wire;

pub use descriptors::{Descriptors, DescriptorsError};

use self::frames::{Codec, Framing, Messages};
use super::Body;
use super::json::{self, Json};
use super::protocol::{Call, Claim, Kind, Protocol, Request, Spec, Unread, View};
use crate::request::Head;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use prost_reflect::MethodDescriptor;
use std::borrow::Cow;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "grpc",
    fields: &[
        Spec { name: "service", kind: Kind::Name },
        Spec { name: "method", kind: Kind::Name },
        Spec { name: "message", kind: Kind::Message },
    ],
    claim,
    read,
};

/// The head tells all but the message, which is hidden until the body is read.
fn claim(head: &Head<'_>) -> Claim {
    if calls(head).next().is_some() { Claim::Head } else { Claim::No }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every protocol")]
fn read<'a>(request: &Request<'a>) -> Result<View<'a>, Unread> {
    let mut view = View::default();
    for call in calls(request.head) {
        // What only looks like a call matches where a rule holds, and never where one passes.
        let exact = call.by == GrpcBy::ContentType;
        let method = request.descriptors.method(&call.service, &call.method);
        let guessed = call.by == GrpcBy::Place && method.is_none();
        view.says_so |= exact || method.is_some();
        let named = || {
            let (service, method) = (call.service.clone().into(), call.method.clone().into());
            let named = Call::default().with_names("service", vec![service], exact);
            let named = named.with_names("method", vec![method], exact);
            if guessed { named.with(GUESSED, "by its path") } else { named }
        };
        let mut add = |call| {
            if !view.calls.contains(&call) {
                view.calls.push(call);
            }
        };
        match documents(request, method.as_ref()) {
            Ok(messages) if messages.is_empty() => add(named()),
            Ok(messages) => messages.into_iter().for_each(|(message, sure)| {
                add(named().with_document("message", vec![Cow::Owned(message)], sure));
            }),
            Err(why) => {
                add(named().with_hidden("message"));
                view.unseen = (!matches!(request.body, Body::NotRead)).then_some(why);
            }
        }
    }
    Ok(view)
}

/// The messages of a call; whether there is one way to read them.
fn documents(request: &Request<'_>, method: Option<&MethodDescriptor>) -> Result<Vec<(Json, bool)>, Unread> {
    if matches!(request.body, Body::NotRead) {
        return Err("its body was not read".into());
    }
    let method = method.ok_or("no descriptor set has its method (`grpc.descriptors`)")?;
    let Messages { codec, framing, list: messages } = frames::messages(request)?;
    if messages.len() != 1 && !method.is_client_streaming() {
        return Err(format!("its method takes one message, and its body has {}", messages.len()).into());
    }
    let input = method.input();
    let read = messages.iter().map(|bytes| match codec {
        Codec::Protobuf => message::read(&input, bytes),
        Codec::Json => {
            // Some servers choose the codec by the method, whatever the label says.
            if framing != Framing::Bare && wire::could_be(bytes) {
                return Err(
                    "its message is JSON by its label, and can be read as a protocol buffer too".into()
                );
            }
            let text = std::str::from_utf8(bytes).map_err(|_| "its message is not UTF-8")?;
            mapped::read(&input, &json::read(text)?)
        }
    });
    read.collect()
}

/// Whether a request is a stream of messages that come one by one, for all that is known: a client may wait for an
/// answer to each before it sends the next.
pub fn is_stream(head: &Head<'_>, descriptors: &Descriptors) -> bool {
    let framed = matches!(frames::form(head.headers), Ok((_, Framing::Grpc | Framing::Connect)));
    let method = |call: GrpcCall| descriptors.method(&call.service, &call.method);
    *head.method == Method::POST
        && framed
        && calls(head).any(|call| method(call).is_none_or(|method| method.is_client_streaming()))
}

/// Whether both sides of a call send message after message, which can be known by a descriptor only.
pub fn is_talk(head: &Head<'_>, descriptors: &Descriptors) -> bool {
    let method = |call: GrpcCall| descriptors.method(&call.service, &call.method);
    is_stream(head, descriptors)
        && calls(head).filter_map(method).any(|m| m.is_client_streaming() && m.is_server_streaming())
}

/// How many bytes the first message of a stream has, with what stands before it; `None`: that is not known yet.
pub fn message_bytes(stream: &[u8]) -> Option<usize> {
    let ([_, length @ ..], _) = stream.split_first_chunk::<{ frames::PREFIX }>()?;
    Some(usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).saturating_add(frames::PREFIX))
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
    /// The path could be one, and any other as well: a service needs no package and no capital.
    Place,
}

/// Field of a call that nothing tells but its place ([`GrpcBy::Place`]): only a rule that names its service knows better.
pub(crate) const GUESSED: &str = "guessed";

/// The call that a request makes, if it can be one: `POST /package.Service/Method` (gRPC over HTTP/2, "Requests";
/// some servers are mounted below a prefix, so that only the last two segments count).
pub fn call(headers: &HeaderMap, path: &str) -> Option<GrpcCall> {
    let mut segments = path.trim_end_matches('/').rsplit('/');
    let (method, service) = (segments.next()?, segments.next()?);
    let decode =
        |segment: &str| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let (service, method) = (decode(service), decode(method));
    let by = if headers.get_all(CONTENT_TYPE).iter().any(|value| is_grpc(value.as_bytes())) {
        GrpcBy::ContentType
    } else if is_service(&service) {
        GrpcBy::Path
    } else {
        GrpcBy::Place
    };
    let named = match by {
        GrpcBy::ContentType => !service.is_empty() && !method.is_empty(),
        GrpcBy::Path => is_name(&method),
        GrpcBy::Place => service.split('.').all(is_name) && is_name(&method),
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
