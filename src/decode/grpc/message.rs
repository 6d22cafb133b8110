//! A message by its descriptor: from numbers to names, as a JSON value with the names of the `.proto` file.
//!
//! Readers agree on less than one thinks: fields that nobody described are kept or dropped, a field that stands there
//! twice is overwritten or merged, of a `oneof` the last member counts. Whatever is in doubt stays in the value, and
//! the value is then not exact. Where readers do not even agree on which bytes are a value, there is nothing to be seen.

use super::known::{self, Known};
use super::wire::{BROKEN, ODD, Raw, Wire};
use crate::decode::json::{Json, Number};
use crate::decode::protocol::Unread;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value};
use std::collections::{HashMap, HashSet};

/// Members of an object, in the order sent.
pub(super) type Members = Vec<(String, Json)>;

/// Reads a message. True: there is one way to read it.
///
/// # Errors
/// Why it cannot be read, or not as a whole.
pub(super) fn read(message: &MessageDescriptor, bytes: &[u8]) -> Result<(Json, bool), Unread> {
    let mut reader = Reader { values_left: VALUES_MAX, exact: true };
    let json = reader.message(message, bytes, 0)?;
    Ok((json, reader.exact))
}

/// What the reading of one message has come to.
struct Reader {
    values_left: usize,
    exact: bool,
}

impl Reader {
    fn message(&mut self, message: &MessageDescriptor, bytes: &[u8], depth: usize) -> Result<Json, Unread> {
        if depth > DEPTH_MAX {
            return Err("its message is nested too deeply".into());
        }
        self.count()?;
        match Known::of(message) {
            Some(Known::Any) => self.any(message, bytes, depth),
            Some(known) => {
                let members = self.members(message, bytes, depth)?;
                known.of_members(members).map_err(Into::into)
            }
            None => self.members(message, bytes, depth).map(Json::Map),
        }
    }

    fn members(
        &mut self,
        message: &MessageDescriptor,
        bytes: &[u8],
        depth: usize,
    ) -> Result<Members, Unread> {
        let mut members = Members::new();
        let (mut places, mut choices) = (HashMap::new(), HashMap::new());
        let mut wire = Wire(bytes);
        while let Some((number, raw)) = wire.next()? {
            let Some(field) = Field::of(message, number) else {
                self.exact = false;
                continue;
            };
            let values = self.values(&field, raw, depth)?;
            if let Some(choice) = field.choice.as_deref() {
                let first = *choices.entry(choice.to_owned()).or_insert(number);
                self.exact &= first == number;
            }
            let place = places.get(&number).and_then(|at| members.get_mut(*at));
            match (field.shape, place) {
                (Shape::List, Some((_, Json::List(items)))) => items.extend(values),
                (Shape::Map, Some((_, Json::Map(entries)))) => entries.extend(entry(values)),
                (Shape::One, place) => {
                    self.exact &= place.is_none();
                    places.insert(number, members.len());
                    members.extend(values.into_iter().map(|value| (field.name.clone(), value)));
                }
                (shape, _) => {
                    places.insert(number, members.len());
                    let value = match shape {
                        Shape::Map => Json::Map(entry(values).collect()),
                        Shape::List | Shape::One => Json::List(values),
                    };
                    members.push((field.name, value));
                }
            }
        }
        let seen: HashSet<u32> = places.into_keys().collect();
        self.add_defaults(message, &mut members, |field| seen.contains(&field.number()))?;
        Ok(members)
    }

    /// What one field on the wire says.
    fn values(&mut self, field: &Field, raw: Raw<'_>, depth: usize) -> Result<Vec<Json>, Unread> {
        let mut values = Vec::new();
        match raw {
            // Readers take both forms, whichever was declared.
            Raw::Bytes(packed) if field.shape == Shape::List && is_packable(&field.kind) => {
                let mut wire = Wire(packed);
                while !wire.0.is_empty() {
                    let raw = match field.kind.wire_type() {
                        prost_reflect::prost::encoding::WireType::SixtyFourBit => Raw::Eight(wire.array()?),
                        prost_reflect::prost::encoding::WireType::ThirtyTwoBit => Raw::Four(wire.array()?),
                        _ => Raw::Varint(wire.varint()?),
                    };
                    values.push(self.value(field, raw, depth)?);
                }
            }
            raw => values.push(self.value(field, raw, depth)?),
        }
        Ok(values)
    }

    fn value(&mut self, field: &Field, raw: Raw<'_>, depth: usize) -> Result<Json, Unread> {
        self.count()?;
        Ok(match (&field.kind, raw) {
            (Kind::Message(message), Raw::Bytes(bytes)) if field.shape == Shape::Map => {
                self.entry(message, bytes, depth)?
            }
            (Kind::Message(message), Raw::Bytes(bytes)) if !field.is_group => {
                self.message(message, bytes, depth + 1)?
            }
            (Kind::Message(message), Raw::Group(bytes)) if field.is_group => {
                self.message(message, bytes, depth + 1)?
            }
            (Kind::String, Raw::Bytes(bytes)) => {
                let text = String::from_utf8_lossy(bytes);
                self.exact &= matches!(text, std::borrow::Cow::Borrowed(_)); // old readers take any bytes
                Json::Text(text.into_owned())
            }
            (Kind::Bytes, Raw::Bytes(bytes)) => Json::Text(STANDARD.encode(bytes)),
            (Kind::Enum(words), Raw::Varint(n)) => self.word(words, int32(n).ok_or(ODD)?),
            (kind, raw) => scalar(kind, raw).ok_or(ODD)?,
        })
    }

    /// An entry of a map, as an object of one member.
    fn entry(&mut self, entry: &MessageDescriptor, bytes: &[u8], depth: usize) -> Result<Json, Unread> {
        let members = self.members(entry, bytes, depth + 1)?;
        let mut one = |field: FieldDescriptor| {
            let mut found = members.iter().filter(|(name, _)| name == field.name());
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Ok(value.clone()),
                (None, _) => self.default_of(&field.kind(), depth + 1),
                (Some(_), Some(_)) => Err(Unread::from("an entry of a map in its message says two things")),
            }
        };
        let key = match one(entry.map_entry_key_field())? {
            Json::Text(text) => text,
            other => serde_json::to_string(&other).unwrap_or_default(),
        };
        let value = one(entry.map_entry_value_field())?;
        Ok(Json::Map(vec![(key, value)]))
    }

    /// A message in a message, named by its type.
    fn any(&mut self, any: &MessageDescriptor, bytes: &[u8], depth: usize) -> Result<Json, Unread> {
        let (mut url, mut inner): (&[u8], &[u8]) = (&[], &[]);
        let mut seen = HashSet::new();
        let mut wire = Wire(bytes);
        while let Some((number, raw)) = wire.next()? {
            if !seen.insert(number) {
                return Err("an `Any` in its message says two things".into());
            }
            match (number, raw) {
                (1, Raw::Bytes(bytes)) => url = bytes,
                (2, Raw::Bytes(bytes)) => inner = bytes,
                (1 | 2, _) => return Err(ODD.into()),
                _ => self.exact = false,
            }
        }
        let url = std::str::from_utf8(url).map_err(|_| BROKEN)?;
        let mut members = vec![(known::TYPE.to_owned(), Json::Text(url.to_owned()))];
        if url.is_empty() && inner.is_empty() {
            return Ok(Json::Map(members));
        }
        let message = known::opened(any, url)?;
        match (Known::of(&message), self.message(&message, inner, depth + 1)?) {
            (None, Json::Map(inner)) => members.extend(inner),
            (_, inner) => members.push((known::VALUE.to_owned(), inner)),
        }
        Ok(Json::Map(members))
    }

    fn word(&mut self, words: &EnumDescriptor, number: i32) -> Json {
        let json = word(words, number);
        self.exact &= !matches!(json, Json::Number(_)); // which old readers keep among the unknown fields
        json
    }

    /// Fields that are not sent when they have their default value are there all the same.
    pub(super) fn add_defaults(
        &mut self,
        message: &MessageDescriptor,
        members: &mut Members,
        is_there: impl Fn(&FieldDescriptor) -> bool,
    ) -> Result<(), Unread> {
        for field in message.fields() {
            let implied = !field.supports_presence() && !field.is_list() && !field.is_map();
            if implied && !is_there(&field) {
                let value = self.default_of(&field.kind(), 0)?;
                members.push((field.name().to_owned(), value));
            } else if !is_there(&field)
                && let Some(value) = declared(&field)
            {
                self.count()?;
                members.push((field.name().to_owned(), value));
            }
            // A name in JSON that is not made of the other one: the field stands under both.
            if bare(field.json_name()) != bare(field.name()) {
                let named = members.iter().filter(|(name, _)| name == field.name());
                let again: Members =
                    named.map(|(_, value)| (field.json_name().to_owned(), value.clone())).collect();
                self.count_all(again.len())?;
                members.extend(again);
            }
        }
        Ok(())
    }

    fn default_of(&mut self, kind: &Kind, depth: usize) -> Result<Json, Unread> {
        self.count()?;
        Ok(match kind {
            Kind::Message(message) => self.message(message, &[], depth)?,
            Kind::Enum(words) => word(words, words.default_value().number()),
            Kind::Bool => Json::Bool(false),
            Kind::String | Kind::Bytes => Json::Text(String::new()),
            Kind::Double | Kind::Float => Json::Number(Number::Float(0.0)),
            _ => Json::Number(Number::Unsigned(0)),
        })
    }

    fn count_all(&mut self, values: usize) -> Result<(), Unread> {
        (0..values).try_for_each(|_| self.count())
    }

    fn count(&mut self) -> Result<(), Unread> {
        let more = format!("its message has more than {VALUES_MAX} values");
        self.values_left = self.values_left.checked_sub(1).ok_or(more)?;
        Ok(())
    }
}

/// Adds what is not written because it has its default value.
///
/// # Errors
/// There are too many.
pub(super) fn add_defaults(
    message: &MessageDescriptor,
    members: &mut Members,
    is_there: impl Fn(&FieldDescriptor) -> bool,
) -> Result<(), Unread> {
    Reader { values_left: VALUES_MAX, exact: true }.add_defaults(message, members, is_there)
}

/// A value of an enumeration: its name with its number, all names where there are several, or the bare number.
pub(super) fn word(words: &EnumDescriptor, number: i32) -> Json {
    let named = words.values().filter(|word| word.number() == number);
    let mut names: Vec<String> = named.map(|word| word.name().to_owned()).collect();
    names.sort_unstable();
    let number = i64::from(number);
    let mut words = names.into_iter().map(|name| Json::Enum { name, number });
    match (words.next(), words.len()) {
        (Some(only), 0) => only,
        (Some(first), _) => Json::List(std::iter::once(first).chain(words).collect()),
        (None, _) => Json::Number(Number::Signed(number)),
    }
}

/// A field, or an extension.
struct Field {
    name: String,
    kind: Kind,
    shape: Shape,
    is_group: bool,
    /// The `oneof` that it is in.
    choice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    One,
    List,
    Map,
}

impl Shape {
    const fn of(is_list: bool, is_map: bool) -> Self {
        match (is_list, is_map) {
            (_, true) => Self::Map,
            (true, false) => Self::List,
            (false, false) => Self::One,
        }
    }
}

impl Field {
    fn of(message: &MessageDescriptor, number: u32) -> Option<Self> {
        if let Some(field) = message.get_field(number) {
            return Some(Self {
                name: field.name().to_owned(),
                shape: Shape::of(field.is_list(), field.is_map()),
                is_group: field.is_group(),
                choice: field.containing_oneof().map(|choice| choice.full_name().to_owned()),
                kind: field.kind(),
            });
        }
        let field = message.get_extension(number)?;
        Some(Self {
            name: format!("[{}]", field.full_name()),
            shape: Shape::of(field.is_list(), field.is_map()),
            is_group: field.is_group(),
            choice: None,
            kind: field.kind(),
        })
    }
}

/// What the names of a field in its two forms have in common.
fn bare(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

fn entry(values: Vec<Json>) -> impl Iterator<Item = (String, Json)> {
    values.into_iter().flat_map(|value| match value {
        Json::Map(entries) => entries,
        _ => Vec::new(),
    })
}

const fn is_packable(kind: &Kind) -> bool {
    !matches!(kind, Kind::Message(_) | Kind::String | Kind::Bytes)
}

/// `None`: a value of this kind is not written like that.
fn scalar(kind: &Kind, raw: Raw<'_>) -> Option<Json> {
    let number = match (kind, raw) {
        (Kind::Bool, Raw::Varint(n @ 0..=1)) => return Some(Json::Bool(n == 1)),
        (Kind::Int32, Raw::Varint(n)) => signed(int32(n)?.into()),
        (Kind::Int64, Raw::Varint(n)) => signed(n.cast_signed()),
        (Kind::Uint32, Raw::Varint(n)) => Number::Unsigned(u32::try_from(n).ok()?.into()),
        (Kind::Uint64, Raw::Varint(n)) => Number::Unsigned(n),
        (Kind::Sint32, Raw::Varint(n)) => signed(unzigzag(u32::try_from(n).ok()?.into())),
        (Kind::Sint64, Raw::Varint(n)) => signed(unzigzag(n)),
        (Kind::Fixed32, Raw::Four(bytes)) => Number::Unsigned(u32::from_le_bytes(bytes).into()),
        (Kind::Sfixed32, Raw::Four(bytes)) => signed(i32::from_le_bytes(bytes).into()),
        (Kind::Float, Raw::Four(bytes)) => Number::Float(f32::from_le_bytes(bytes).into()),
        (Kind::Fixed64, Raw::Eight(bytes)) => Number::Unsigned(u64::from_le_bytes(bytes)),
        (Kind::Sfixed64, Raw::Eight(bytes)) => signed(i64::from_le_bytes(bytes)),
        (Kind::Double, Raw::Eight(bytes)) => Number::Float(f64::from_le_bytes(bytes)),
        _ => return None,
    };
    Some(Json::Number(number))
}

fn signed(n: i64) -> Number {
    u64::try_from(n).map_or(Number::Signed(n), Number::Unsigned)
}

/// A negative one is written with 64 bits.
fn int32(n: u64) -> Option<i32> {
    i32::try_from(n.cast_signed()).ok()
}

/// What a field that is not there has for a value, where its `.proto` file says that (proto2).
fn declared(field: &FieldDescriptor) -> Option<Json> {
    field.field_descriptor_proto().default_value.as_ref()?;
    Some(match (field.default_value(), field.kind()) {
        (Value::Bool(truth), _) => Json::Bool(truth),
        (Value::I32(n), _) => Json::Number(signed(n.into())),
        (Value::I64(n), _) => Json::Number(signed(n)),
        (Value::U32(n), _) => Json::Number(Number::Unsigned(n.into())),
        (Value::U64(n), _) => Json::Number(Number::Unsigned(n)),
        (Value::F32(n), _) => Json::Number(Number::Float(n.into())),
        (Value::F64(n), _) => Json::Number(Number::Float(n)),
        (Value::String(text), _) => Json::Text(text),
        (Value::Bytes(bytes), _) => Json::Text(STANDARD.encode(bytes)),
        (Value::EnumNumber(number), Kind::Enum(words)) => word(&words, number),
        _ => return None,
    })
}

const fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

/// As deep as servers read.
const DEPTH_MAX: usize = 100;
/// Values of one message; a byte on the wire can be one.
const VALUES_MAX: usize = 100_000;
