//! Messages that everybody knows (`google.protobuf`), written as in their JSON form where that is another one, so that
//! one question fits both codings.

use super::message::Members;
use crate::decode::json::{Json, Number};
use crate::decode::protocol::Unread;
use jiff::Timestamp;
use prost_reflect::MessageDescriptor;

/// A message whose JSON form is no object of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// An object with its type in `@type`.
    Any,
    /// The value alone: `Int32Value`, `StringValue`, …
    Wrapped,
    /// Any JSON.
    Struct,
    Value,
    List,
    /// RFC 3339.
    Timestamp,
    /// Seconds, as a number.
    Duration,
    /// A list of its paths.
    FieldMask,
}

impl Known {
    pub(super) fn of(message: &MessageDescriptor) -> Option<Self> {
        Some(match message.full_name().strip_prefix("google.protobuf.")? {
            "Any" => Self::Any,
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => Self::Wrapped,
            "Struct" => Self::Struct,
            "Value" => Self::Value,
            "ListValue" => Self::List,
            "Timestamp" => Self::Timestamp,
            "Duration" => Self::Duration,
            "FieldMask" => Self::FieldMask,
            _ => return None,
        })
    }

    /// From the members that it has on the wire.
    pub(super) fn of_members(self, members: Members) -> Result<Json, &'static str> {
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        let twice = names.iter().enumerate().any(|(at, name)| names.iter().skip(at + 1).any(|n| n == name));
        if twice {
            return Err("a value in its message stands there twice");
        }
        match self {
            Self::Any => Ok(Json::Map(members)),
            Self::Wrapped => Ok(take(&members, "value").unwrap_or(Json::Null)),
            Self::Struct => Ok(take(&members, "fields").unwrap_or(Json::Map(Vec::new()))),
            Self::List => Ok(take(&members, "values").unwrap_or(Json::List(Vec::new()))),
            Self::FieldMask => Ok(take(&members, "paths").unwrap_or(Json::List(Vec::new()))),
            Self::Value => {
                let mut members = members.into_iter();
                match (members.next(), members.next()) {
                    (None, _) => Ok(Json::Null),
                    (Some((name, _)), None) if name == "null_value" => Ok(Json::Null),
                    (Some((_, value)), None) => Ok(value),
                    (Some(_), Some(_)) => Err("a value in its message is two things"),
                }
            }
            Self::Timestamp => {
                let (seconds, nanos) = moment(&members);
                let nanos = i32::try_from(nanos).map_err(|_| "a time in its message is none")?;
                let time = Timestamp::new(seconds, nanos).map_err(|_| "a time in its message is none")?;
                Ok(Json::Text(time.to_string()))
            }
            Self::Duration => {
                let (seconds, nanos) = moment(&members);
                Ok(Json::Number(match nanos {
                    0 => Number::Signed(seconds),
                    nanos => {
                        Number::Float(Number::Signed(seconds).as_f64() + Number::Signed(nanos).as_f64() / 1e9)
                    }
                }))
            }
        }
    }

    /// From its JSON form; `None`: that is none.
    pub(super) fn of_json(self, json: &Json) -> Option<Json> {
        match (self, json) {
            (Self::Value | Self::Wrapped, json) => Some(json.clone()),
            (Self::Struct | Self::Any, Json::Map(_)) | (Self::List, Json::List(_)) => Some(json.clone()),
            (Self::Timestamp, Json::Text(text)) => {
                Some(Json::Text(text.parse::<Timestamp>().ok()?.to_string()))
            }
            (Self::Duration, Json::Text(text)) => {
                let seconds = text.strip_suffix('s')?;
                let whole = seconds.parse().map(|seconds| Json::Number(Number::Signed(seconds)));
                whole.ok().or_else(|| Some(Json::Number(Number::Float(seconds.parse().ok()?))))
            }
            (Self::FieldMask, Json::Text(text)) => {
                let paths = text.split(',').filter(|path| !path.is_empty());
                Some(Json::List(paths.map(|path| Json::Text(snake_case(path))).collect()))
            }
            _ => None,
        }
    }
}

/// The message in an `Any`, by the last part of its URL.
pub(super) fn opened(any: &MessageDescriptor, url: &str) -> Result<MessageDescriptor, Unread> {
    let name = url.rsplit('/').next().unwrap_or_default();
    any.parent_pool().get_message_by_name(name).ok_or_else(|| {
        let shown: String = name.chars().take(NAME_CHARS_SHOWN).collect();
        format!("its message holds an `Any` of the type `{shown}`, which no descriptor set has").into()
    })
}

fn take(members: &Members, name: &str) -> Option<Json> {
    members.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

fn moment(members: &Members) -> (i64, i64) {
    let number = |name| match take(members, name) {
        Some(Json::Number(Number::Unsigned(n))) => i64::try_from(n).unwrap_or(i64::MAX),
        Some(Json::Number(Number::Signed(n))) => n,
        _ => 0,
    };
    (number("seconds"), number("nanos"))
}

/// A path of a field mask as the `.proto` file has it; in JSON it is in the other case.
fn snake_case(path: &str) -> String {
    path.chars().fold(String::with_capacity(path.len()), |mut out, c| {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
        out
    })
}

pub(super) const TYPE: &str = "@type";
pub(super) const VALUE: &str = "value";
const NAME_CHARS_SHOWN: usize = 80;
