//! Matchers on the calls of a protocol: `rpc: { method: tools/call, tool: "delete_*" }`.
//!
//! All that is asked must be true of one and the same call. Generously one call of the request is enough; exactly
//! all of its calls must be so.

use super::facts::{Facts, Field, Names};
use super::matcher::pointer;
use super::reader::{Reader, did_you_mean};
use super::tree::{Key, Kind as NodeKind, Node};
use super::truth::{Stance, Truth, Unclear};
use super::value::ValueMatch;
use crate::decode::Body;
use crate::decode::protocol::{Call, Claim, Kind, PROTOCOLS, Said, Spec, Unread, View};

/// A compiled matcher on calls.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its place in [`PROTOCOLS`].
    at: usize,
    /// Another reader of the same, for hosts that the first knows nothing of.
    also: Option<usize>,
    name: &'static str,
    questions: Vec<Question>,
}

/// What is asked of one field of a call.
#[derive(Debug)]
struct Question {
    field: &'static str,
    names: Names,
    /// Into a document; empty for the field as a whole.
    pointer: Vec<Box<str>>,
    value: ValueMatch,
}

/// Whether a protocol has this name.
pub(super) fn known(name: &str) -> bool {
    names().any(|known| known == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let first = |(at, name): &(usize, &str)| PROTOCOLS.iter().position(|p| p.name == *name) == Some(*at);
    PROTOCOLS.iter().map(|protocol| protocol.name).enumerate().filter(first).map(|(_, name)| name)
}

impl Asked {
    /// Reads the map below the name of a protocol. An empty map asks for any call.
    pub(super) fn read(reader: &mut Reader, key: &Key, node: &Node) -> Option<Self> {
        let (at, protocol) = PROTOCOLS.iter().enumerate().find(|(_, p)| p.name == key.text)?;
        let what = format!("`{}`", protocol.name);
        let known: Vec<&str> = protocol.fields.iter().map(|spec| spec.name).collect();
        let fields = reader.fields(node, &what, &known)?;
        let mut questions = Vec::new();
        for (key, node) in fields.iter() {
            let Some(spec) = protocol.fields.iter().find(|spec| spec.name == key.text) else { continue };
            read_question(reader, *spec, node, &mut questions);
        }
        Some(Self { at, also: None, name: protocol.name, questions })
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// Asks wherever it is asked at all: something else says where the protocol is spoken.
    pub(super) fn anywhere(&mut self) {
        let last = PROTOCOLS.iter().rposition(|protocol| protocol.name == self.name);
        self.also = last.filter(|last| *last != self.at);
    }

    pub(super) fn answer(&self, facts: &Facts<'_>, stance: Stance) -> Truth {
        let also = self.also.map_or(Truth::No, |at| self.answer_by(at, facts, stance));
        self.answer_by(self.at, facts, stance).or(also)
    }

    fn answer_by(&self, at: usize, facts: &Facts<'_>, stance: Stance) -> Truth {
        let Some(protocol) = PROTOCOLS.get(at) else { return Truth::Unclear(Unclear::Other) };
        match ((protocol.claim)(facts.head), facts.body) {
            (Claim::No, _) => return Truth::No,
            (Claim::Body, Body::NotRead) => return Truth::Unclear(Unclear::Body),
            (Claim::Head | Claim::Body, _) => {}
        }
        let calls = match facts.view(at) {
            Some(Ok(view)) => &view.calls,
            Some(Err(_)) => return Truth::Unclear(Unclear::Body),
            None => return Truth::No,
        };
        let answers = calls.iter().map(|call| self.of(call, stance));
        match stance {
            Stance::Generous => answers.fold(Truth::No, Truth::or),
            Stance::Exact if calls.is_empty() => Truth::No,
            Stance::Exact => answers.fold(Truth::Yes, Truth::and),
        }
    }

    fn of(&self, call: &Call<'_>, stance: Stance) -> Truth {
        self.questions.iter().fold(Truth::Yes, |truth, question| {
            let field = Field::said(call.said(question.field), &question.pointer, question.names);
            truth.and(question.value.answer(&field, stance))
        })
    }

    /// The calls that match, or else all of them; why there are none to see.
    pub(super) fn seen(&self, facts: &Facts<'_>) -> Option<String> {
        let view = match self.view(facts)? {
            Ok(view) => view,
            Err(why) => return Some(why.to_string()),
        };
        let matching: Vec<&Call<'_>> =
            view.calls.iter().filter(|call| self.of(call, Stance::Generous) != Truth::No).collect();
        let shown = if matching.is_empty() { view.calls.iter().collect() } else { matching };
        let shown: Vec<String> = shown.into_iter().map(|call| self.shown(call)).collect();
        (!shown.is_empty()).then(|| shown.join("; "))
    }

    /// The names of a call, and of its documents those that were asked about.
    fn shown(&self, call: &Call<'_>) -> String {
        let asked = |field: &str| self.questions.iter().any(|question| question.field == field);
        let told = call.iter().filter(|(field, said)| asked(field) || !matches!(said, Said::Document { .. }));
        told.map(|(field, said)| format!("{field} {said}")).collect::<Vec<_>>().join(", ")
    }

    /// Why nobody can tell what is called, where nobody can.
    pub(super) fn unclear(&self, facts: &Facts<'_>) -> Option<String> {
        let view = match self.view(facts)? {
            Ok(View { unseen: Some(why), .. }) | Err(why) => return Some(why.to_string()),
            Ok(view) => view,
        };
        let doubt = view.calls.iter().find_map(|call| call.said("doubt"));
        let hidden = view.calls.iter().any(|call| call.iter().any(|(_, said)| *said == Said::Hidden));
        doubt.map(ToString::to_string).or_else(|| hidden.then(|| "what it calls cannot be seen".to_owned()))
    }

    fn view<'a>(&self, facts: &Facts<'a>) -> Option<&'a Result<View<'a>, Unread>> {
        facts.view(self.at).or_else(|| facts.view(self.also?))
    }
}

/// A field of calls that a template names: `rpc.tool`, `rpc.arguments./owner`.
#[derive(Debug)]
pub(super) struct Named {
    at: usize,
    field: &'static str,
    names: Names,
    pointer: Vec<Box<str>>,
}

impl Named {
    /// `protocol` and what follows its dot; `None` when it names nothing.
    pub(super) fn parse(protocol: &str, rest: &str) -> Option<Self> {
        let (at, protocol) = PROTOCOLS.iter().enumerate().find(|(_, p)| p.name == protocol)?;
        let (field, rest) = rest.split_once('.').unwrap_or((rest, ""));
        let spec = protocol.fields.iter().find(|spec| spec.name == field)?;
        let pointer = if rest.is_empty() { Vec::new() } else { pointer(rest)? };
        let is_document = matches!(spec.kind, Kind::Document | Kind::Message);
        let names = Names::of(spec.kind);
        (pointer.is_empty() || is_document).then_some(Self { at, field: spec.name, names, pointer })
    }

    /// What the calls of the request have there, each value once.
    pub(super) fn value(&self, facts: &Facts<'_>) -> Option<String> {
        let other =
            PROTOCOLS.iter().rposition(|p| PROTOCOLS.get(self.at).is_some_and(|own| own.name == p.name));
        let view = facts.view(self.at).or_else(|| facts.view(other?))?.as_ref().ok()?;
        let mut values: Vec<String> = Vec::new();
        for call in &view.calls {
            let field = Field::said(call.said(self.field), &self.pointer, self.names);
            let new = field.values.into_iter().map(|seen| seen.text.into_owned());
            new.for_each(|value| {
                if !values.contains(&value) {
                    values.push(value);
                }
            });
        }
        (!values.is_empty()).then(|| values.join(", "))
    }
}

fn read_question(reader: &mut Reader, spec: Spec, node: &Node, questions: &mut Vec<Question>) {
    let what = format!("`{}`", spec.name);
    let mut ask = |pointer, value: Option<ValueMatch>| {
        questions.extend(value.map(|value| Question {
            field: spec.name,
            names: Names::of(spec.kind),
            pointer,
            value,
        }));
    };
    match spec.kind {
        Kind::Name => ask(Vec::new(), ValueMatch::read_names(reader, node, &what)),
        Kind::Word(words) => {
            refuse_other_words(reader, node, &what, words);
            ask(Vec::new(), ValueMatch::read_names(reader, node, &what));
        }
        Kind::Document | Kind::Message => {
            let Some(members) = reader.map(node, &what) else { return };
            if members.iter().next().is_none() {
                reader.error(&node.span, format!("{what} is empty: name what is compared"));
            }
            for (key, node) in members.iter() {
                match pointer(&key.text) {
                    Some(pointer) => {
                        let value = ValueMatch::read(reader, node, &format!("`{}`", key.text));
                        ask(pointer, value);
                    }
                    None => reader.error(&key.span, format!("`{}` is not a JSON pointer", key.text)),
                }
            }
        }
    }
}

/// A word that no call can have matches nothing, ever.
fn refuse_other_words(reader: &mut Reader, node: &Node, what: &str, words: &[&str]) {
    match &node.kind {
        NodeKind::List(items) => items.iter().for_each(|item| refuse_other_words(reader, item, what, words)),
        NodeKind::Map(entries) => {
            for (key, value) in entries {
                if ["eq", "in", "not"].contains(&key.text.as_str()) {
                    refuse_other_words(reader, value, what, words);
                }
            }
        }
        NodeKind::Text(text) if !text.contains('*') && !words.contains(&text.as_str()) => {
            let help = did_you_mean(text, words).map_or_else(
                || format!("one of: {}", words.join(", ")),
                |word| format!("did you mean `{word}`?"),
            );
            reader.error_help(&node.span, format!("{what} cannot be `{text}`"), help);
        }
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) | NodeKind::Text(_) => {}
    }
}
