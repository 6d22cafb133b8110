//! A message in JSON (protobuf.dev, "ProtoJSON Format"), brought to the names and values that [`super::message`] gives.

use super::known::{self, Known};
use super::message::{Members, add_defaults, word};
use crate::decode::json::{Json, Number};
use crate::decode::protocol::Unread;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// Reads a message. True: there is one way to read it.
///
/// # Errors
/// Why it cannot be read, or not as a whole.
pub(super) fn read(message: &MessageDescriptor, json: &Json) -> Result<(Json, bool), Unread> {
    let mut reader = Reader { exact: true };
    let json = reader.message(message, json)?;
    Ok((json, reader.exact))
}

struct Reader {
    exact: bool,
}

/// The nesting is that of the JSON, which is bounded.
impl Reader {
    fn message(&mut self, message: &MessageDescriptor, json: &Json) -> Result<Json, Unread> {
        if let Some(known) = Known::of(message) {
            return match (known, json) {
                (Known::Any, Json::Map(members)) => self.any(message, members),
                (Known::Wrapped, json) => match message.get_field_by_name("value") {
                    Some(field) => self.value(&field.kind(), json),
                    None => Err(OTHER_KIND.into()),
                },
                _ => known.of_json(json).ok_or_else(|| OTHER_KIND.into()),
            };
        }
        let Json::Map(written) = json else { return Err("its message is no JSON object".into()) };
        let mut members = Members::new();
        let mut there = Vec::new();
        for (key, value) in written {
            let field = message.get_field_by_name(key).or_else(|| message.get_field_by_json_name(key));
            let Some(field) = field else {
                self.exact = false;
                members.push((key.clone(), value.clone()));
                continue;
            };
            let is_null = matches!(value, Json::Null);
            if is_null && !matches!(field.kind(), Kind::Message(m) if Known::of(&m) == Some(Known::Value)) {
                continue; // as if it were not there
            }
            if let Some(choice) = field.containing_oneof() {
                let other = |number: &u32| *number != field.number();
                self.exact &= !choice.fields().any(|f| there.contains(&f.number()) && other(&f.number()));
            }
            there.push(field.number());
            members.push((field.name().to_owned(), self.field(&field, value)?));
        }
        add_defaults(message, &mut members, |field| there.contains(&field.number()))?;
        Ok(Json::Map(members))
    }

    fn field(&mut self, field: &FieldDescriptor, json: &Json) -> Result<Json, Unread> {
        let kind = field.kind();
        match (json, &kind) {
            (Json::Map(entries), Kind::Message(entry)) if field.is_map() => {
                let kind = entry.map_entry_value_field().kind();
                let entries = entries.iter();
                let entries = entries.map(|(key, value)| Ok((key.clone(), self.value(&kind, value)?)));
                entries.collect::<Result<_, Unread>>().map(Json::Map)
            }
            (Json::List(items), kind) if field.is_list() => {
                let items = items.iter().map(|item| self.value(kind, item));
                items.collect::<Result<_, Unread>>().map(Json::List)
            }
            _ if field.is_map() || field.is_list() => Err(OTHER_KIND.into()),
            (json, kind) => self.value(kind, json),
        }
    }

    fn value(&mut self, kind: &Kind, json: &Json) -> Result<Json, Unread> {
        Ok(match (kind, json) {
            (Kind::Message(message), json) => self.message(message, json)?,
            (Kind::Enum(words), json) => {
                let named = match json {
                    Json::Text(name) => words.get_value_by_name(name).map(|known| known.number()),
                    _ => None,
                };
                // Some readers take a number as text, or with a fraction of nothing.
                let numbered = || number(&Kind::Int32, json).and_then(|n| i32::try_from(whole(n)?).ok());
                word(words, named.or_else(numbered).ok_or(OTHER_KIND)?)
            }
            (Kind::String, Json::Text(_)) | (Kind::Bool, Json::Bool(_)) => json.clone(),
            (Kind::Bytes, Json::Text(text)) => {
                let standard = text.replace('-', "+").replace('_', "/");
                let bytes = LENIENT.decode(standard).map_err(|_| OTHER_KIND)?;
                Json::Text(STANDARD.encode(bytes))
            }
            (Kind::String | Kind::Bytes | Kind::Bool, _) => return Err(OTHER_KIND.into()),
            (kind, json) => Json::Number(number(kind, json).ok_or(OTHER_KIND)?),
        })
    }

    fn any(&mut self, any: &MessageDescriptor, members: &Members) -> Result<Json, Unread> {
        let mut types = members.iter().filter(|(key, _)| key == known::TYPE);
        let url = match (types.next(), types.next()) {
            (None, _) if members.is_empty() => return Ok(Json::Map(Vec::new())),
            (Some((_, Json::Text(url))), None) => url,
            _ => return Err("an `Any` in its message does not say what it is".into()),
        };
        let message = known::opened(any, url)?;
        let mut opened = vec![(known::TYPE.to_owned(), Json::Text(url.clone()))];
        let rest: Members = members.iter().filter(|(key, _)| key != known::TYPE).cloned().collect();
        if Known::of(&message).is_some() {
            for (key, value) in &rest {
                if key != known::VALUE {
                    return Err(OTHER_KIND.into());
                }
                opened.push((key.clone(), self.message(&message, value)?));
            }
        } else if let Json::Map(inner) = self.message(&message, &Json::Map(rest))? {
            opened.extend(inner);
        }
        Ok(Json::Map(opened))
    }
}

/// A number that a field of this kind can have; those of 64 bits are texts, and the others may be.
fn number(kind: &Kind, json: &Json) -> Option<Number> {
    let number = match json {
        Json::Number(number) => *number,
        Json::Text(text) => match (text.parse(), text.parse(), text.parse()) {
            (Ok(n), _, _) => Number::Unsigned(n),
            (_, Ok(n), _) => Number::Signed(n),
            (_, _, Ok(n)) => Number::Float(n),
            _ => return None,
        },
        _ => return None,
    };
    let range = match kind {
        Kind::Double | Kind::Float => return Some(number),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => i32::MIN.into()..=i32::MAX.into(),
        Kind::Uint32 | Kind::Fixed32 => 0..=u32::MAX.into(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => i64::MIN.into()..=i64::MAX.into(),
        Kind::Uint64 | Kind::Fixed64 => 0..=u64::MAX.into(),
        _ => return None,
    };
    let whole = whole(number).filter(|n| range.contains(n))?;
    let unsigned = u64::try_from(whole).map(Number::Unsigned);
    unsigned.ok().or_else(|| i64::try_from(whole).map(Number::Signed).ok())
}

/// The number, if nothing follows its point.
fn whole(number: Number) -> Option<i128> {
    match number {
        Number::Unsigned(n) => Some(n.into()),
        Number::Signed(n) => Some(n.into()),
        // Larger ones have been rounded.
        Number::Float(n) => {
            (n.fract() == 0.0 && n.abs() < FLOAT_EXACT_MAX).then(|| format!("{n:.0}").parse().ok())?
        }
    }
}

const OTHER_KIND: &str =
    "a value in its message is of another type than its field, which servers read in several ways";
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// Both alphabets are read, with the signs at the end or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
