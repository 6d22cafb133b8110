//! A GraphQL document: its operations, and the fields of the root that each would run.

use super::syntax::{self, Definition, Fault, Field, Selection};
use crate::decode::Json;
use crate::decode::protocol::Unread;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// What one document says.
#[derive(Debug)]
pub(super) struct Document<'t> {
    pub(super) operations: Vec<Operation<'t>>,
}

#[derive(Debug)]
pub(super) struct Operation<'t> {
    /// `query`, `mutation` or `subscription`.
    pub(super) kind: &'static str,
    pub(super) name: Option<&'t str>,
    /// The fields of the root, through all fragments, whatever their conditions and `@skip` say.
    pub(super) fields: Vec<Field<'t>>,
    /// Default values of its variables.
    pub(super) defaults: Vec<(&'t str, Json)>,
}

impl<'t> Document<'t> {
    /// # Errors
    /// What no server would run, and what goes beyond the limits.
    pub(super) fn parse(text: &'t str) -> Result<Self, Unread> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("its GraphQL text is longer than {TEXT_BYTES_MAX} bytes").into());
        }
        if nesting(text) > NESTING_MAX {
            return Err("its GraphQL text is nested too deeply".into());
        }
        let definitions = syntax::definitions(text, TOKENS_MAX).map_err(|fault| match fault {
            Fault::Malformed => Unread::from("its GraphQL text does not parse"),
            Fault::Schema => "its GraphQL text defines a schema".into(),
        })?;
        let (mut operations, mut fragments) = (Vec::new(), Fragments::new());
        for definition in definitions {
            match definition {
                Definition::Operation(operation) => operations.push(operation),
                Definition::Fragment { name, selections } => {
                    fragments.entry(name).or_default().extend(selections);
                }
            }
        }
        if operations.is_empty() {
            return Err("its GraphQL text has no operation".into());
        }
        // Operations share fragments: what one costs, each costs.
        let mut fields_left = FIELDS_MAX;
        let mut read = |operation| {
            let operation = Operation::of(operation, &fragments, fields_left)?;
            fields_left -= operation.fields.len();
            Ok(operation)
        };
        let operations = operations.iter().map(&mut read).collect::<Result<_, Unread>>()?;
        Ok(Self { operations })
    }

    /// The operations that a server could run: the one that is named, or all of them.
    pub(super) fn selected<'d>(&'d self, names: &[Cow<'_, str>]) -> Vec<&'d Operation<'t>> {
        let named = |operation: &&Operation<'_>| match names {
            [name] => operation.name == Some(name),
            _ => false,
        };
        let selected: Vec<_> = self.operations.iter().filter(named).collect();
        if selected.is_empty() { self.operations.iter().collect() } else { selected }
    }
}

/// Their selections by name; a name can stand there twice.
type Fragments<'t> = HashMap<&'t str, Vec<Selection<'t>>>;

impl<'t> Operation<'t> {
    fn of(
        operation: &syntax::Operation<'t>,
        fragments: &Fragments<'t>,
        fields_max: usize,
    ) -> Result<Self, Unread> {
        let mut walk = Walk { fragments, entered: HashSet::new(), depth: 0, fields: Vec::new(), fields_max };
        walk.enter(&operation.selections)?;
        let value = |default: &syntax::Argument<'_>| default.resolve(&mut |_| Vec::new()).pop();
        let defaults = operation.defaults.iter().filter_map(|(name, default)| Some((*name, value(default)?)));
        Ok(Self {
            kind: operation.kind,
            name: operation.name,
            fields: walk.fields,
            defaults: defaults.collect(),
        })
    }
}

/// On the way through the selections of a root.
struct Walk<'f, 't> {
    fragments: &'f Fragments<'t>,
    entered: HashSet<&'t str>,
    depth: usize,
    fields: Vec<Field<'t>>,
    fields_max: usize,
}

impl<'t> Walk<'_, 't> {
    fn enter(&mut self, selections: &[Selection<'t>]) -> Result<(), Unread> {
        // Fragments lead into each other further than brackets go.
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err("its GraphQL text goes through too many fragments within each other".into());
        }
        for selection in selections {
            match selection {
                Selection::Field(_) if self.fields.len() == self.fields_max => {
                    return Err(format!("its GraphQL text has more than {FIELDS_MAX} fields on top").into());
                }
                Selection::Field(field) => self.fields.push(field.clone()),
                Selection::Inline(selections) => self.enter(selections)?,
                Selection::Spread(name) => self.spread(name)?,
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Each fragment once: a second time it brings nothing new.
    fn spread(&mut self, name: &'t str) -> Result<(), Unread> {
        let fragments = self.fragments;
        let Some(selections) = fragments.get(name) else {
            return Err("its GraphQL text uses a fragment that it does not define".into());
        };
        if self.entered.insert(name) { self.enter(selections) } else { Ok(()) }
    }
}

/// How deep brackets go into each other, at most; those in texts count as well.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

const TEXT_BYTES_MAX: usize = 256 * 1024;
const TOKENS_MAX: usize = 30_000;
/// Far beyond what people write; the reader and the walk recurse.
const NESTING_MAX: usize = 100;
/// Of all operations: each is a call that rules are asked about.
const FIELDS_MAX: usize = 500;
