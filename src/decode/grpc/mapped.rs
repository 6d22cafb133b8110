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
                    None => Ok(self.as_it_is(json)),
                },
                _ => Ok(known.of_json(json).unwrap_or_else(|| self.as_it_is(json))),
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
            (json, _) if field.is_map() || field.is_list() => Ok(self.as_it_is(json)),
            (json, kind) => self.value(kind, json),
        }
    }

    fn value(&mut self, kind: &Kind, json: &Json) -> Result<Json, Unread> {
        Ok(match (kind, json) {
            (Kind::Message(message), json) => self.message(message, json)?,
            (Kind::Enum(words), Json::Text(name)) => match words.get_value_by_name(name) {
                Some(known) => word(words, known.number()),
                None => self.as_it_is(json),
            },
            (Kind::Enum(words), Json::Number(Number::Unsigned(n))) => match i32::try_from(*n) {
                Ok(number) => word(words, number),
                Err(_) => self.as_it_is(json),
            },
            (Kind::String, Json::Text(_)) | (Kind::Bool, Json::Bool(_)) => json.clone(),
            (Kind::Bytes, Json::Text(text)) => {
                let standard = text.replace('-', "+").replace('_', "/");
                match LENIENT.decode(standard) {
                    Ok(bytes) => Json::Text(STANDARD.encode(bytes)),
                    Err(_) => self.as_it_is(json),
                }
            }
            (Kind::String | Kind::Bytes | Kind::Bool | Kind::Enum(_), _) => self.as_it_is(json),
            // What is left are numbers; those of 64 bits are texts.
            (_, Json::Number(_)) => json.clone(),
            (_, Json::Text(text)) => match (text.parse(), text.parse(), text.parse::<f64>()) {
                (Ok(n), _, _) => Json::Number(Number::Unsigned(n)),
                (_, Ok(n), _) => Json::Number(Number::Signed(n)),
                (_, _, Ok(n)) => Json::Number(Number::Float(n)),
                _ => self.as_it_is(json),
            },
            _ => self.as_it_is(json),
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
                let value =
                    if key == known::VALUE { self.message(&message, value)? } else { self.as_it_is(value) };
                opened.push((key.clone(), value));
            }
        } else if let Json::Map(inner) = self.message(&message, &Json::Map(rest))? {
            opened.extend(inner);
        }
        Ok(Json::Map(opened))
    }

    /// What no reader should take, and some may.
    fn as_it_is(&mut self, json: &Json) -> Json {
        self.exact = false;
        json.clone()
    }
}

/// Both alphabets are read, with the signs at the end or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
