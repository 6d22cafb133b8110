//! Matchers on the calls of a protocol: `rpc: { method: tools/call, tool: "delete_*" }`.
//!
//! All that is asked must be true of one and the same call. Generously one call of the request is enough; exactly
//! all of its calls must be so.

use super::facts::{Facts, Field, Names, Seen};
use super::matcher::pointer;
use super::reader::{Reader, did_you_mean};
use super::tree::{Key, Kind as NodeKind, Node};
use super::truth::{Stance, Truth, Unclear};
use super::value::ValueMatch;
use crate::decode::Body;
use crate::decode::grpc::GUESSED;
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
    /// It asks for certain services, not for any.
    names_service: bool,
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
        let names_service = questions.iter().any(Question::names_service);
        Some(Self { at, also: None, name: protocol.name, questions, names_service })
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
        // A guess is one only to who knows the service: to all others it is a path like any.
        if call.said(GUESSED).is_some() && !(self.names_service && stance == Stance::Generous) {
            return Truth::No;
        }
        self.questions.iter().fold(Truth::Yes, |truth, question| {
            let mut field = Field::said(call.said(question.field), &question.pointer, question.names);
            if question.pointer.last().is_some_and(|last| **last == *"@type") {
                add_types(&mut field);
            }
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

impl Question {
    /// Whether it asks for a service by name: a name that no service has is not what it asks for.
    fn names_service(&self) -> bool {
        let nobody = Field::one(Seen::text("-.-"));
        self.field == "service" && self.value.answer(&nobody, Stance::Generous) == Truth::No
    }
}

/// The type of a message in a message is what follows the last `/` of its URL, whatever stands before.
fn add_types(field: &mut Field<'_>) {
    let last = |seen: &Seen<'_>| seen.text.rsplit('/').next().unwrap_or_default().to_owned();
    let names: Vec<String> = field.values.iter().map(last).collect();
    for name in names {
        field.within.push(Seen::text(format!("type.googleapis.com/{name}")));
        field.within.push(Seen::text(name));
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

#[cfg(test)]
mod tests {
    use crate::agent::Agent;
    use crate::decode::grpc::Descriptors;
    use crate::decode::{self, Limits};
    use crate::request::Caller;
    use crate::rules::sample::Sample;
    use crate::rules::{Otherwise, Rates, RuleSet, Settings, Source};
    use crate::ruling::Verdict;
    use std::collections::BTreeMap;

    /// What a rule of this verdict on `grpc` makes of a request; all else passes, or for a rule that passes is held.
    fn ruled(verdict: &str, grpc: &str, line: &str, kind: &str, body: &[u8]) -> Verdict {
        let text = format!(
            "pack: p\nrules:\n  - {{ id: r, when: {{ host: a.test, grpc: {grpc} }}, verdict: {verdict} }}\n"
        );
        let rest = if verdict == "pass" { Verdict::Hold } else { Verdict::Pass };
        let otherwise = Otherwise { read: rest, write: rest, unknown_host: rest };
        let mut descriptors = Descriptors::default();
        descriptors.add(include_bytes!("../../tests/grpc/acme.pb")).unwrap();
        let settings = Settings { otherwise, descriptors, ..Settings::default() };
        let set = RuleSet::compile(&[Source { name: "p.yaml".into(), text }], &settings).unwrap();
        let mut sample = Sample::from_line(line).unwrap();
        sample.headers = vec![("content-type".to_owned(), kind.to_owned())];
        sample.body = body.to_vec();
        let request = sample.canonical().unwrap();
        let agent = Agent { id: 1, name: "a".into(), owners: Vec::new(), labels: BTreeMap::new() };
        let caller = Caller { agent: &agent, source: "10.1.2.3".parse().unwrap() };
        let head = request.head();
        let body = decode::body(head.headers, &request.body, Limits::default());
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        set.evaluate(&head, &caller, &body, now, &Rates::default()).verdict
    }

    #[test]
    fn a_service_that_a_rule_names_is_seen_whatever_the_label() {
        let framed = b"\0\0\0\0\x05\x0a\x03bob";
        for kind in ["application/json", "text/plain", "application/grp", "application/grpc"] {
            for (grpc, path) in [
                ("{ service: Users, method: SetRole }", "/Users/SetRole"),
                ("{ service: Users, method: SetRole }", "/twirp/Users/SetRole"),
                ("{ service: Users }", "/Users/SetRole"),
                ("{ service: 'User*', method: 'Set*' }", "/Users/SetRole"),
                ("{ service: acme.users, method: SetRole }", "/acme.users/SetRole"),
                ("{ service: [x.Y, acme.users] }", "/acme.users/SetRole"),
                ("{ service: Users, message: { /role: ADMIN } }", "/Users/SetRole"),
            ] {
                let line = format!("POST https://a.test{path}");
                assert_eq!(ruled("hold", grpc, &line, kind, framed), Verdict::Hold, "{kind} {grpc} {path}");
            }
        }
        // What a label hides of a message that nobody reads otherwise is not known; a readable one says it.
        let grpc = "{ service: acme.v1.Users, message: { /role: ADMIN } }";
        let line = "POST https://a.test/acme.v1.Users/SetRole";
        for (kind, verdict) in [("text/plain", Verdict::Hold), ("application/grpc", Verdict::Pass)] {
            assert_eq!(ruled("hold", grpc, line, kind, framed), verdict, "{kind}");
        }
    }

    #[test]
    fn ordinary_paths_are_no_calls_to_rules_that_name_no_service() {
        for path in ["/repos/acme", "/v1/users", "/api/v1/users", "/Users/SetRole", "/users/delete_all"] {
            for grpc in [
                "{ service: acme.v1.Users }",
                "{ method: 'Delete*' }",
                "{ method: '*' }",
                "{ service: '*', method: '*' }",
                "{ service: { not: acme.v1.Users } }",
                "{ service: { regex: '.*' } }",
                "{ message: { /role: ADMIN } }",
                "{}",
            ] {
                let line = format!("POST https://a.test{path}");
                assert_eq!(
                    ruled("hold", grpc, &line, "application/json", b"{}"),
                    Verdict::Pass,
                    "{grpc} {path}"
                );
            }
        }
        // A guess lets nothing pass.
        let line = "POST https://a.test/Users/SetRole";
        assert_eq!(ruled("pass", "{ service: Users }", line, "application/json", b"{}"), Verdict::Hold);
        assert_eq!(ruled("pass", "{ service: Users }", line, "application/grpc", b""), Verdict::Pass);
    }

    #[test]
    fn the_type_of_an_any_is_what_follows_its_last_slash() {
        let line = "POST https://a.test/acme.v1.Users/SetRole";
        let any = |url: &str| {
            let url = [&[0x0a, u8::try_from(url.len()).unwrap()], url.as_bytes()].concat();
            let any = [&[0x6a, u8::try_from(url.len()).unwrap()], &url[..]].concat();
            [&[0, 0, 0, 0, u8::try_from(any.len()).unwrap()], &any[..]].concat()
        };
        let full = "type.googleapis.com/acme.v1.Account";
        let ask = |verdict: &str, asked: &str, sent: &str| {
            let grpc = format!("{{ message: {{ /detail/@type: {asked} }} }}");
            ruled(verdict, &grpc, line, "application/grpc", &any(sent))
        };
        for sent in [full, "x/acme.v1.Account", "/acme.v1.Account", "TYPE.googleapis.com/acme.v1.Account"] {
            for asked in [full, "acme.v1.Account"] {
                assert_eq!(ask("hold", asked, sent), Verdict::Hold, "{asked} {sent}");
            }
            assert_eq!(ask("hold", "type.googleapis.com/acme.v1.Done", sent), Verdict::Pass, "{sent}");
            let passed = if sent == full { Verdict::Pass } else { Verdict::Hold };
            assert_eq!(ask("pass", full, sent), passed, "what passes is what was sent: {sent}");
        }
        assert_eq!(ask("hold", &format!("{{ not: '{full}' }}"), full), Verdict::Pass);
    }
}
