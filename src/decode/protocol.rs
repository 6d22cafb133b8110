//! Protocols that carry calls in requests: what a rule can ask of a call, and who reads it.
//!
//! One file per protocol, and one line in [`PROTOCOLS`]. A protocol gives a *view* of a request: its calls, each
//! with named fields. The rule language, `rules explain` and the inbox know nothing more than that.

use super::grpc::Descriptors;
use super::{Body, Json, git};
use crate::request::Head;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

/// All of them, in the order shown.
pub const PROTOCOLS: &[Protocol] = &[
    super::jsonrpc::PROTOCOL,
    super::graphql::PROTOCOL,
    git::PROTOCOL,
    super::k8s::PROTOCOL,
    super::grpc::PROTOCOL,
    super::sql::PROTOCOL,
    super::aws::PROTOCOL,
    super::sql::ANYWHERE,
];

/// How one protocol is recognised and read.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// Its key in rule files: `rpc`. The last of two of one name is asked where a rule says by host or path that the
    /// protocol is spoken there; at most one of them claims a request.
    pub name: &'static str,
    /// What a rule can ask of a call, in the order shown.
    pub fields: &'static [Spec],
    /// Whether a request with such a head can be one, and what must be known of it to tell.
    pub claim: fn(&Head<'_>) -> Claim,
    /// Reads the calls. Asked only where [`Self::claim`] does not say [`Claim::No`].
    ///
    /// # Errors
    /// Why nobody can tell what is called. A rule that holds counts it as matched.
    pub read: for<'a> fn(&Request<'a>) -> Result<View<'a>, Unread>,
}

/// A field of a call.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    pub name: &'static str,
    pub kind: Kind,
}

/// What stands in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Names and other texts: `*` in a rule stands for any run of characters.
    Name,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A JSON value: a rule asks by pointer.
    Document,
    /// A message of protocol buffers: as a document, by the names of the `.proto` file or by those of its JSON form.
    Message,
}

/// Whether a request can be in a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// By its head it cannot.
    No,
    /// Its head tells all.
    Head,
    /// Its body must be read.
    Body,
}

/// What is read: a head, and a body as decoded so far.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub head: &'a Head<'a>,
    pub body: &'a Body,
    /// What messages without names in them are made of.
    pub descriptors: &'a Descriptors,
}

/// Why a request cannot be read as what its place says that it is: a clause, for the sentence "But …, so nobody
/// can tell whether the rule applies."
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unread(pub Cow<'static, str>);

impl From<&'static str> for Unread {
    fn from(why: &'static str) -> Self {
        Self(Cow::Borrowed(why))
    }
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self(Cow::Owned(why))
    }
}

/// A request as one protocol sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View<'a> {
    /// In the order sent. None: it is no call in this protocol.
    pub calls: Vec<Call<'a>>,
    /// Whether it says itself that it is in this protocol, so that a reader wants to see it so unasked.
    pub says_so: bool,
    /// It changes nothing, whatever its method: where no rule says more, it counts as a read.
    pub harmless: bool,
    /// Why something in it cannot be seen.
    pub unseen: Option<Unread>,
}

/// One call: what it says in each field that it has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call<'a> {
    said: Vec<(&'static str, Said<'a>)>,
}

/// What a call says in one field.
#[derive(Debug, Clone, PartialEq)]
pub enum Said<'a> {
    /// One name, or all those that one of the readers on the way could take for it.
    Names { names: Vec<Cow<'a, str>>, exact: bool },
    /// A JSON value, or all those that one of the readers on the way could take for it.
    Document { roots: Vec<Cow<'a, Json>>, exact: bool },
    /// It may be there, but cannot be seen.
    Hidden,
}

impl<'a> Call<'a> {
    /// With a field that has this name in it, beyond doubt.
    #[must_use]
    pub fn with(self, field: &'static str, name: impl Into<Cow<'a, str>>) -> Self {
        self.with_names(field, vec![name.into()], true)
    }

    /// With a field of several names; `exact`: whether it stands there letter by letter. No name is no field.
    /// A name with something in it that was no character is hidden: some readers leave that out.
    #[must_use]
    pub fn with_names(self, field: &'static str, names: Vec<Cow<'a, str>>, exact: bool) -> Self {
        if names.is_empty() {
            self
        } else if names.iter().any(|name| name.contains(char::REPLACEMENT_CHARACTER)) {
            self.with_hidden(field)
        } else {
            self.and(field, Said::Names { names, exact })
        }
    }

    /// With a JSON value.
    #[must_use]
    pub fn with_document(self, field: &'static str, roots: Vec<Cow<'a, Json>>, exact: bool) -> Self {
        if roots.is_empty() { self } else { self.and(field, Said::Document { roots, exact }) }
    }

    /// With a field that cannot be seen.
    #[must_use]
    pub fn with_hidden(self, field: &'static str) -> Self {
        self.and(field, Said::Hidden)
    }

    fn and(mut self, field: &'static str, said: Said<'a>) -> Self {
        self.said.push((field, said));
        self
    }

    /// What it says in a field.
    pub fn said(&self, field: &str) -> Option<&Said<'a>> {
        self.said.iter().find(|(name, _)| *name == field).map(|(_, said)| said)
    }

    /// What it says, for people: a document that another one stands in is left out.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, &Said<'a>)> {
        let inner = self.said("arguments").is_some();
        self.iter().filter(move |(name, _)| !(inner && *name == "params"))
    }

    /// All that it says.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Said<'a>)> {
        self.said.iter().map(|(name, said)| (*name, said))
    }
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Names { names, .. } => f.write_str(&names.join(", ")),
            Self::Document { roots, .. } => {
                let texts = roots.iter().map(|root| serde_json::to_string(root).unwrap_or_default());
                f.write_str(&texts.collect::<Vec<_>>().join(", "))
            }
            Self::Hidden => f.write_str("(cannot be seen)"),
        }
    }
}

/// `method tools/call, tool delete_issue, arguments {"id":7}`
impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (name, said)) in self.told().enumerate() {
            write!(f, "{}{name} {said}", if nth == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// A map of its fields: a text or a list of them, a JSON value, or null for what cannot be seen.
impl Serialize for Call<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.told())
    }
}

impl Serialize for Said<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Names { names, .. } => one_or_all(names, serializer),
            Self::Document { roots, .. } => one_or_all(roots, serializer),
            Self::Hidden => serializer.serialize_unit(),
        }
    }
}

fn one_or_all<T: Serialize, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    match values {
        [one] => one.serialize(serializer),
        several => several.serialize(serializer),
    }
}

/// The views of one request, each made when first asked for. Empty, it holds nothing on the heap.
#[derive(Debug)]
pub(crate) struct Views<'a> {
    pub(crate) descriptors: &'a Descriptors,
    made: [OnceCell<Result<View<'a>, Unread>>; PROTOCOLS.len()],
}

impl<'a> Views<'a> {
    pub(crate) fn new(descriptors: &'a Descriptors) -> Self {
        Self { descriptors, made: Default::default() }
    }

    /// The view by the protocol at this place of [`PROTOCOLS`]; `None` where its head says that it is none.
    pub(crate) fn of(&self, at: usize, request: &Request<'a>) -> Option<&Result<View<'a>, Unread>> {
        let (protocol, made) = PROTOCOLS.get(at).zip(self.made.get(at))?;
        let none = (protocol.claim)(request.head) == Claim::No;
        (!none).then(|| made.get_or_init(|| (protocol.read)(request)))
    }
}

impl<'a> Views<'a> {
    /// Whether some protocol says that the request, which is not to be read as a whole for it, changes nothing.
    pub(crate) fn are_harmless(&self, request: &Request<'a>) -> bool {
        let known = !matches!(request.body, Body::NotRead);
        known && git::claim(request.head) != Claim::No && {
            let at = PROTOCOLS.iter().position(|protocol| protocol.name == git::PROTOCOL.name);
            at.and_then(|at| self.of(at, request))
                .is_some_and(|view| matches!(view, Ok(view) if view.harmless))
        }
    }
}

/// What the protocols make of a request, for people: the views that say so themselves, and those named.
pub fn views<'a>(request: &Request<'a>, named: &[&str]) -> Vec<(&'static str, Result<View<'a>, Unread>)> {
    let claimed = PROTOCOLS.iter().filter(|protocol| (protocol.claim)(request.head) != Claim::No);
    let read = claimed.map(|protocol| (protocol.name, (protocol.read)(request)));
    read.filter(|(name, view)| {
        let asked = named.contains(name);
        match view {
            Ok(view) => !view.calls.is_empty() && (asked || view.says_so),
            Err(_) => asked,
        }
    })
    .collect()
}
