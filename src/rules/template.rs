//! `what:` templates: one sentence with values of the request in it.

use super::facts::{Facts, Field};
use super::matcher::{cut, pointer};
use super::path::PathPattern;
use super::protocol::Named;
use http::HeaderName;

/// A compiled template.
#[derive(Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    /// `{a|b}`: the first that the request has.
    FirstOf(Vec<Self>),
    Method,
    Host,
    Path,
    Agent,
    Capture(String),
    Query(String),
    Header(HeaderName),
    Body(Vec<Box<str>>),
    Call(Named),
}

impl Template {
    /// `captures` are the names that every path pattern of the rule has.
    ///
    /// # Errors
    /// A placeholder that is none.
    pub(super) fn parse(text: &str, captures: &[&str]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once('{') {
            pieces.push(Piece::Text(literal.to_owned()));
            let (name, behind) = behind.split_once('}').ok_or("a `{` is not closed")?;
            pieces.push(Piece::parse(name.trim(), captures)?);
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self { pieces })
    }

    /// The sentence. Values are as sent, cut, and untrusted: whoever shows them escapes them.
    pub(super) fn fill(&self, facts: &Facts<'_>, paths: &[PathPattern]) -> String {
        let captures =
            paths.iter().map(|p| p.captures(facts.head)).find(|c| !c.is_empty()).unwrap_or_default();
        let mut sentence = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => sentence.push_str(text),
                piece => {
                    sentence.push_str(&cut(&piece.value(facts, &captures).unwrap_or(MISSING.to_owned())))
                }
            }
        }
        sentence
    }
}

impl Piece {
    /// What the request has there; nothing when it has nothing.
    fn value(&self, facts: &Facts<'_>, captures: &[(String, &str)]) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::FirstOf(pieces) => pieces.iter().find_map(|piece| piece.value(facts, captures)),
            Self::Method => Some(facts.methods.shown()),
            Self::Host => Some(facts.head.authority.host.as_str().to_owned()),
            Self::Path => Some(facts.head.path.to_owned()),
            Self::Agent => Some(facts.caller.agent.name.clone()),
            Self::Capture(name) => {
                captures.iter().find(|(known, _)| known == name).map(|(_, value)| (*value).to_owned())
            }
            Self::Query(name) => joined(&facts.query(name)),
            Self::Header(name) => joined(&facts.header(name)),
            Self::Body(pointer) => joined(&facts.body(pointer)),
            Self::Call(named) => named.value(facts),
        }
    }

    fn parse(name: &str, captures: &[&str]) -> Result<Self, String> {
        if name.contains('|') {
            let pieces: Result<_, _> = name.split('|').map(|one| Self::parse(one.trim(), captures)).collect();
            return pieces.map(Self::FirstOf);
        }
        let parsed = match (name, name.split_once('.')) {
            ("method", _) => Some(Self::Method),
            ("host", _) => Some(Self::Host),
            ("path", _) => Some(Self::Path),
            ("agent", _) => Some(Self::Agent),
            (_, Some(("query", name))) => Some(Self::Query(name.to_owned())),
            (_, Some(("header", name))) => HeaderName::from_bytes(name.as_bytes()).ok().map(Self::Header),
            (_, Some(("body", name))) => pointer(name).map(Self::Body),
            (_, Some((protocol, rest))) if super::protocol::known(protocol) => {
                Named::parse(protocol, rest).map(Self::Call)
            }
            _ if captures.contains(&name) => Some(Self::Capture(name.to_owned())),
            _ => None,
        };
        parsed.ok_or_else(|| {
            format!(
                "`{{{name}}}` stands for nothing: use a name from the path pattern, method, host, path, agent, \
                 query.NAME, header.NAME, body./POINTER or a field of a call such as rpc.tool"
            )
        })
    }
}

fn joined(field: &Field<'_>) -> Option<String> {
    let values: Vec<&str> = field.values.iter().map(|seen| &*seen.text).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

const MISSING: &str = "(none)";
