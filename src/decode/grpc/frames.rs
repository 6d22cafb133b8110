//! How messages lie in a body: gRPC ("gRPC over HTTP2", `Length-Prefixed-Message`), gRPC-Web, Connect
//! (connectrpc.com, "Connect Protocol Reference") and Twirp.

use crate::decode::coding;
use crate::decode::component;
use crate::decode::form::split;
use crate::decode::protocol::{Request, Unread};
use crate::decode::{Body, Limits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// What a message is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Protobuf,
    Json,
}

/// How messages are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is one, and it is the body.
    Bare,
    /// Each behind five bytes.
    Grpc,
    /// The same as text (gRPC-Web).
    GrpcText,
    /// Five bytes with another meaning of the first one.
    Connect,
}

/// Messages without frames and codings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Messages<'b> {
    pub(super) codec: Codec,
    pub(super) framing: Framing,
    pub(super) list: Vec<Cow<'b, [u8]>>,
}

/// The messages that a request carries.
///
/// # Errors
/// Why nobody can tell them apart.
pub(super) fn messages<'b>(request: &Request<'b>) -> Result<Messages<'b>, Unread> {
    let headers = request.head.headers;
    if *request.head.method == Method::GET {
        return of_query(request.head.query.unwrap_or_default());
    }
    let (codec, framing) = form(headers)?;
    let body = bytes(request.body)?;
    let list = match framing {
        Framing::Bare => vec![Cow::Borrowed(body)],
        Framing::Grpc => framed(body, headers, "grpc-encoding")?,
        Framing::Connect => framed(body, headers, "connect-content-encoding")?,
        Framing::GrpcText => {
            let body = decoded(body)?;
            let list = framed(&body, headers, "grpc-encoding")?.into_iter();
            list.map(|message| Cow::Owned(message.into_owned())).collect()
        }
    };
    Ok(Messages { codec, framing, list })
}

/// What the content type says.
///
/// # Errors
/// It says nothing of the kind: no server of these protocols takes the body, or each in its way.
pub(super) fn form(headers: &HeaderMap) -> Result<(Codec, Framing), Unread> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return Err("it has not one content type".into());
    };
    let value = value.to_str().map_err(|_| OTHER_TYPE)?.trim().to_ascii_lowercase();
    let essence = value.split(';').next().unwrap_or_default().trim_end();
    let bare = match essence {
        "application/proto" | "application/protobuf" | "application/x-protobuf" => Some(Codec::Protobuf),
        "application/json" => Some(Codec::Json),
        _ => None,
    };
    if let Some(codec) = bare {
        return Ok((codec, Framing::Bare));
    }
    let families = [
        ("application/grpc-web-text", Framing::GrpcText),
        ("application/grpc-web", Framing::Grpc),
        ("application/grpc", Framing::Grpc),
        ("application/connect", Framing::Connect),
    ];
    for (family, framing) in families {
        // Servers of gRPC take the name of the codec behind a semicolon as well.
        let Some(codec) = value.strip_prefix(family).filter(|rest| !rest.starts_with('-')) else { continue };
        let codec = match codec.strip_prefix(['+', ';']).unwrap_or(codec).trim() {
            "proto" => Codec::Protobuf,
            "" if framing != Framing::Connect => Codec::Protobuf,
            "json" => Codec::Json,
            _ => return Err("its messages are in a codec of their own".into()),
        };
        return match headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding == "identity") {
            true => Ok((codec, framing)),
            // Some servers undo it, others take the bytes as they come.
            false => Err("its body has a content coding beside that of its messages".into()),
        };
    }
    Err(OTHER_TYPE.into())
}

fn bytes(body: &Body) -> Result<&[u8], Unread> {
    match body {
        Body::Empty => Ok(&[]),
        Body::Binary { bytes, .. } => Ok(bytes),
        Body::Decoded(decoded) => {
            decoded.text.as_deref().map(str::as_bytes).ok_or_else(|| "its body is a form".into())
        }
        Body::Unreadable(why) => Err(why.clone().into()),
        Body::NotRead => Err("its body was not read".into()),
    }
}

fn framed<'b>(mut body: &'b [u8], headers: &HeaderMap, field: &str) -> Result<Vec<Cow<'b, [u8]>>, Unread> {
    let (mut messages, mut total) = (Vec::new(), 0_usize);
    while !body.is_empty() {
        let ([flags, length @ ..], rest) = body.split_first_chunk::<PREFIX>().ok_or(CUT)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| CUT)?;
        let (message, rest) = rest.split_at_checked(length).ok_or(CUT)?;
        let message = match flags {
            0 => Cow::Borrowed(message),
            1 => Cow::Owned(undone(headers, field, message)?),
            // Trailers and the end of a stream, which a client does not send.
            _ => return Err("a message in its body has flags that are not known".into()),
        };
        if messages.len() == MESSAGES_MAX {
            return Err(format!("it has more than {MESSAGES_MAX} messages").into());
        }
        total = total.saturating_add(message.len());
        if total > LIMITS.decoded_bytes_max {
            return Err("its messages grow too large when decoded".into());
        }
        messages.push(message);
        body = rest;
    }
    Ok(messages)
}

fn undone(headers: &HeaderMap, field: &str, message: &[u8]) -> Result<Vec<u8>, Unread> {
    let mut names = headers.get_all(field).iter();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(format!("a message in its body is compressed, and `{field}` does not say how").into());
    };
    let name = name.to_str().map_err(|_| format!("`{field}` is not ASCII"))?.trim();
    if name.eq_ignore_ascii_case("identity") {
        return Err("a message in its body is compressed by `identity`".into());
    }
    let plain = coding::undo_named(name, message, LIMITS).map_err(|error| error.to_string())?;
    Ok(plain.into_owned())
}

/// Base64 in one piece or in several, each with its own padding.
fn decoded(text: &[u8]) -> Result<Vec<u8>, Unread> {
    let text: Vec<u8> = text.iter().copied().filter(|b| !b"\r\n".contains(b)).collect();
    let mut bytes = Vec::with_capacity(text.len());
    for group in text.chunks(4) {
        bytes.extend(STANDARD.decode(group).map_err(|_| "its body is no base64")?);
    }
    Ok(bytes)
}

/// `GET` of Connect, for calls without side effects.
fn of_query<'b>(query: &str) -> Result<Messages<'b>, Unread> {
    let value = |name: &str| {
        let mut found = split(query, &['&']).filter(|(key, _)| component(key) == name);
        match (found.next(), found.next()) {
            (value, None) => Ok(value.map(|(_, value)| value)),
            (_, Some(_)) => Err(Unread::from(format!("its query names `{name}` twice"))),
        }
    };
    let codec = match value("encoding")? {
        Some("proto") => Codec::Protobuf,
        Some("json") => Codec::Json,
        _ => return Err("its query does not say what its message is written in".into()),
    };
    let message = value("message")?.ok_or("its query has no message")?;
    let message = percent_decode_str(&message.replace('+', " ")).collect::<Vec<u8>>();
    let message = match value("base64")? {
        None | Some("0") => message,
        Some("1") => URL_SAFE.decode(message).map_err(|_| "the message in its query is no base64")?,
        Some(_) => return Err("`base64` in its query is neither 0 nor 1".into()),
    };
    let message = match value("compression")? {
        None | Some("identity") => message,
        Some(name) => {
            let plain = coding::undo_named(name, &message, LIMITS).map_err(|error| error.to_string())?;
            plain.into_owned()
        }
    };
    Ok(Messages { codec, framing: Framing::Bare, list: vec![Cow::Owned(message)] })
}

/// Flags and length before a message.
pub(super) const PREFIX: usize = 5;
const CUT: &str = "its body ends within a message";
const OTHER_TYPE: &str = "its content type is not that of such a call";
/// Within the limits of the body that they are in.
const LIMITS: Limits = Limits { decoded_bytes_max: 8 << 20, ratio_max: 200 };
/// Each is shown to the reviewer.
const MESSAGES_MAX: usize = 100;
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
