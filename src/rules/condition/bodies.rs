//! What servers of other habits make of a body, as values of CEL: names that they take for each other, lists
//! of one, names of forms taken apart, fields of the query among those of the body.

use super::{map, of_json, text, unrepeated};
use crate::decode::{Body, Decoded, Doubt, Json, component, same_name, split, variants};
use crate::rules::facts::Facts;
use crate::rules::truth::Unclear;
use cel::Value;
use std::collections::HashMap;

/// The readings of a body.
pub(super) struct Bodies {
    /// One, or two when it can be taken for JSON and for a form.
    pub(super) likely: Vec<Value>,
    /// Readings of other servers. What an expression cannot make sense of in them decides nothing.
    pub(super) other: Vec<Value>,
    /// With one item for each list: an expression that asks of lists finds none in them.
    pub(super) picked: Vec<Value>,
}

/// `names`: all words that the expression could find a member by.
pub(super) fn of(facts: &Facts<'_>, names: &[String]) -> Result<Bodies, Unclear> {
    let mut bodies = Bodies { likely: Vec::new(), other: Vec::new(), picked: Vec::new() };
    let query = facts.head.query.filter(|_| !facts.methods.are_safe()).unwrap_or_default();
    let merged =
        split(query, &['&', ';']).map(|(n, v)| (component(n).into_owned(), component(v).into_owned()));
    let mut pairs: Vec<(String, String)> =
        merged.filter(|(name, _)| named(name, names).is_some() || name.contains(['[', '.'])).collect();
    let decoded = match facts.body {
        Body::Empty => {
            bodies.likely.push(map(HashMap::new()));
            bodies.add(&tree(&pairs), names, None)?;
            return Ok(bodies);
        }
        Body::Decoded(decoded) => decoded,
        Body::NotRead | Body::Binary { .. } | Body::Unreadable(_) => return Err(Unclear::Body),
    };
    if is_doubtful(decoded, names) {
        return Err(Unclear::Body);
    }
    if let Some(json) = &decoded.json {
        if json.has_duplicates() {
            return Err(Unclear::Other);
        }
        bodies.likely.push(of_json(json));
        bodies.add(json, names, Some(json))?;
        if let (Json::Map(entries), false) = (json, pairs.is_empty()) {
            let entries = entries.iter().cloned();
            let named_in_query = pairs.iter().map(|(name, value)| (name.clone(), Json::Text(value.clone())));
            bodies.add(&Json::Map(entries.chain(named_in_query).collect()), names, None)?;
        }
    }
    if let Some(form) = &decoded.form {
        let fields = form.iter().map(|(name, value)| (name.clone(), text(value)));
        bodies.likely.push(unrepeated(fields)?);
        pairs.extend(form.iter().chain(&decoded.other.form).cloned());
        bodies.add(&tree(&pairs), names, None)?;
    }
    for document in &decoded.other.documents {
        bodies.add(document, names, None)?;
    }
    if bodies.likely.is_empty() { Err(Unclear::Body) } else { Ok(bodies) }
}

impl Bodies {
    /// Adds the readings of a document, without the one that is known.
    fn add(&mut self, json: &Json, names: &[String], known: Option<&Json>) -> Result<(), Unclear> {
        let whole = read(json, names, Pick::All)?;
        for pick in [Pick::First, Pick::Last] {
            let reading = read(json, names, pick)?;
            if reading != whole {
                self.picked.push(of_json(&reading));
            }
        }
        if known != Some(&whole) {
            self.other.push(of_json(&whole));
        }
        Ok(())
    }
}

/// What of a list is taken.
#[derive(Debug, Clone, Copy)]
enum Pick {
    All,
    First,
    Last,
}

/// The document with its names as the expression spells them. A name that stands there twice could be either.
fn read(json: &Json, names: &[String], pick: Pick) -> Result<Json, Unclear> {
    let picked = |items: &[Json]| match pick {
        Pick::All => None,
        Pick::First => items.first().cloned(),
        Pick::Last => items.last().cloned(),
    };
    Ok(match json {
        Json::Map(entries) => {
            let mut found: Vec<(String, Json)> = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let name = named(key, names);
                if name.is_some_and(|name| found.iter().any(|(known, _)| known == name)) {
                    return Err(Unclear::Other);
                }
                let value = read(value, names, pick)?;
                found.push((name.unwrap_or(key).to_owned(), value));
            }
            Json::Map(found)
        }
        Json::List(items) => match picked(items) {
            Some(item) => read(&item, names, pick)?,
            None => Json::List(items.iter().map(|item| read(item, names, pick)).collect::<Result<_, _>>()?),
        },
        // Some cut it there, some take it out.
        Json::Text(text) if text.contains(['\0', char::REPLACEMENT_CHARACTER]) => return Err(Unclear::Other),
        Json::Text(text) => Json::Text(variants(text).into_iter().next().unwrap_or_else(|| text.clone())),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Enum { .. } => json.clone(),
    })
}

/// The word of the expression that a key can stand for.
fn named<'n>(key: &str, names: &'n [String]) -> Option<&'n str> {
    let exact = names.iter().find(|name| **name == key);
    let same = |name: &&String| same_name(key, name) || variants(key).iter().any(|key| same_name(key, name));
    exact.or_else(|| names.iter().find(same)).map(String::as_str)
}

/// The fields of a form as frameworks nest them: `user[role]` and `user.role` below `user`.
fn tree(pairs: &[(String, String)]) -> Json {
    let mut top: Vec<(String, Json)> = Vec::new();
    for (key, value) in pairs {
        let path: Vec<&str> = key.split(['[', ']', '.']).filter(|s| !s.is_empty()).take(PATH_MAX).collect();
        // `role[]` and `role[0]` are a list of `role`, which may as well be its one value.
        let end =
            path.iter().rposition(|s| !s.bytes().all(|b| b.is_ascii_digit())).map_or(path.len(), |at| at + 1);
        if let Some((last, above)) = path.get(..end).and_then(<[_]>::split_last) {
            let mut node = &mut top;
            for segment in above {
                let at =
                    node.iter().position(|(known, inner)| known == segment && matches!(inner, Json::Map(_)));
                let at = at.unwrap_or_else(|| {
                    node.push(((*segment).to_owned(), Json::Map(Vec::new())));
                    node.len() - 1
                });
                match node.get_mut(at) {
                    Some((_, Json::Map(inner))) => node = inner,
                    _ => return Json::Map(top),
                }
            }
            node.push(((*last).to_owned(), Json::Text(value.clone())));
        }
    }
    Json::Map(top)
}

fn is_doubtful(decoded: &Decoded, names: &[String]) -> bool {
    let hidden = decoded.other.hidden.iter().any(|key| named(key, names).is_some());
    hidden || (decoded.other.doubt != Doubt::None && names.iter().any(|name| decoded.could_have(name)))
}

/// Nobody nests deeper in a form.
const PATH_MAX: usize = 32;
