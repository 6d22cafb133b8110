//! A GraphQL document: its operations, and the fields of the root that each would run. The only place that sees the
//! GraphQL library.

use crate::decode::protocol::Unread;
use crate::decode::{Json, Number};
use apollo_parser::cst::{self, Definition, Selection, Value};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// What one document says.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) operations: Vec<Operation>,
}

#[derive(Debug)]
pub(super) struct Operation {
    /// `query`, `mutation` or `subscription`.
    pub(super) kind: &'static str,
    pub(super) name: Option<String>,
    /// The fields of the root, through all fragments, whatever their conditions and `@skip` say.
    pub(super) fields: Vec<Field>,
    /// Default values of its variables.
    pub(super) defaults: Vec<(String, Json)>,
}

#[derive(Debug)]
pub(super) struct Field {
    /// Its name in the schema, not its alias.
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Argument)>,
}

/// A value with variables in it.
#[derive(Debug)]
pub(super) enum Argument {
    Is(Json),
    Variable(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Document {
    /// # Errors
    /// What no server would run, and what goes beyond the limits.
    pub(super) fn parse(text: &str) -> Result<Self, Unread> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("its GraphQL text is longer than {TEXT_BYTES_MAX} bytes").into());
        }
        if nesting(text) > NESTING_MAX {
            return Err("its GraphQL text is nested too deeply".into());
        }
        let parser = apollo_parser::Parser::new(text).token_limit(TOKENS_MAX);
        let tree = parser.parse();
        if tree.errors().next().is_some() {
            return Err("its GraphQL text does not parse".into());
        }
        let (mut operations, mut fragments) = (Vec::new(), Fragments::new());
        for definition in tree.document().definitions() {
            match definition {
                Definition::OperationDefinition(operation) => operations.push(operation),
                Definition::FragmentDefinition(fragment) => {
                    let name = fragment.fragment_name().and_then(|name| name.name());
                    let name = name.map(|name| name.text().to_string()).unwrap_or_default();
                    fragments.entry(name).or_insert_with(Vec::new).extend(fragment.selection_set());
                }
                _ => return Err("its GraphQL text defines a schema".into()),
            }
        }
        if operations.is_empty() {
            return Err("its GraphQL text has no operation".into());
        }
        let operations = operations.iter().map(|operation| read_operation(operation, &fragments));
        Ok(Self { operations: operations.collect::<Result<_, _>>()? })
    }

    /// The operations that a server could run: the one that is named, or all of them.
    pub(super) fn selected<'d>(&'d self, names: &[Cow<'_, str>]) -> Vec<&'d Operation> {
        let named = |operation: &&Operation| match names {
            [name] => operation.name.as_deref() == Some(name),
            _ => false,
        };
        let selected: Vec<_> = self.operations.iter().filter(named).collect();
        if selected.is_empty() { self.operations.iter().collect() } else { selected }
    }
}

/// Their selections by name; a name can stand there twice.
type Fragments = HashMap<String, Vec<cst::SelectionSet>>;

fn read_operation(operation: &cst::OperationDefinition, fragments: &Fragments) -> Result<Operation, Unread> {
    let kind = match operation.operation_type() {
        Some(kind) if kind.mutation_token().is_some() => "mutation",
        Some(kind) if kind.subscription_token().is_some() => "subscription",
        _ => "query",
    };
    let definitions = operation.variable_definitions();
    let definitions = definitions.iter().flat_map(cst::VariableDefinitions::variable_definitions);
    let defaults = definitions.filter_map(|definition| {
        let name = definition.variable()?.name()?.text().to_string();
        match argument(&definition.default_value()?.value()?) {
            Some(Argument::Is(value)) => Some((name, value)),
            Some(value) => Some((name, value.resolve(&mut |_| Vec::new()).pop()?)),
            None => None,
        }
    });
    let mut walk = Walk { fragments, entered: HashSet::new(), depth: 0, fields: Vec::new() };
    walk.enter(operation.selection_set().as_ref())?;
    Ok(Operation {
        kind,
        name: operation.name().map(|name| name.text().to_string()),
        defaults: defaults.collect(),
        fields: walk.fields,
    })
}

/// On the way through the selections of a root.
struct Walk<'f> {
    fragments: &'f Fragments,
    entered: HashSet<String>,
    depth: usize,
    fields: Vec<Field>,
}

impl Walk<'_> {
    fn enter(&mut self, selections: Option<&cst::SelectionSet>) -> Result<(), Unread> {
        // Fragments lead into each other further than brackets go.
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err("its GraphQL text goes through too many fragments within each other".into());
        }
        for selection in selections.iter().flat_map(|set| set.selections()) {
            match selection {
                Selection::Field(field) => {
                    if self.fields.len() == FIELDS_MAX {
                        return Err(
                            format!("its GraphQL text has more than {FIELDS_MAX} fields on top").into()
                        );
                    }
                    self.fields.extend(read_field(&field));
                }
                Selection::InlineFragment(fragment) => self.enter(fragment.selection_set().as_ref())?,
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name().and_then(|name| name.name());
                    self.spread(name.map(|name| name.text().to_string()).unwrap_or_default())?;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Each fragment once: a second time it brings nothing new.
    fn spread(&mut self, name: String) -> Result<(), Unread> {
        let fragments = self.fragments;
        let Some(selections) = fragments.get(&name) else {
            return Err("its GraphQL text uses a fragment that it does not define".into());
        };
        if self.entered.insert(name) {
            selections.iter().try_for_each(|selections| self.enter(Some(selections)))?;
        }
        Ok(())
    }
}

fn read_field(field: &cst::Field) -> Option<Field> {
    let arguments = field.arguments();
    let arguments = arguments.iter().flat_map(cst::Arguments::arguments);
    let arguments = arguments
        .filter_map(|given| Some((given.name()?.text().to_string(), argument(&given.value()?)?)))
        .collect();
    Some(Field { name: field.name()?.text().to_string(), arguments })
}

fn argument(value: &Value) -> Option<Argument> {
    let literal = |value: &dyn std::fmt::Display| value.to_string();
    Some(match value {
        Value::Variable(variable) => Argument::Variable(variable.name()?.text().to_string()),
        Value::StringValue(text) => Argument::Is(Json::Text(String::from(text))),
        Value::IntValue(number) => Argument::Is(read_number(&literal(&number.int_token()?.text()))?),
        Value::FloatValue(number) => Argument::Is(read_number(&literal(&number.float_token()?.text()))?),
        Value::BooleanValue(truth) => Argument::Is(Json::Bool(truth.true_token().is_some())),
        Value::NullValue(_) => Argument::Is(Json::Null),
        Value::EnumValue(word) => Argument::Is(Json::Text(word.name()?.text().to_string())),
        Value::ListValue(list) => {
            Argument::List(list.values().map(|value| argument(&value)).collect::<Option<_>>()?)
        }
        Value::ObjectValue(object) => Argument::Map(
            object
                .object_fields()
                .map(|field| Some((field.name()?.text().to_string(), argument(&field.value()?)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

fn read_number(text: &str) -> Option<Json> {
    let float = || text.parse().ok().filter(|n: &f64| n.is_finite()).map(Number::Float);
    let whole = text.parse().map(Number::Unsigned).or_else(|_| text.parse().map(Number::Signed)).ok();
    whole.or_else(float).map(Json::Number)
}

impl Argument {
    /// The values that it can have, given those of the variables: none where it is left out.
    pub(super) fn resolve(&self, variable: &mut dyn FnMut(&str) -> Vec<Json>) -> Vec<Json> {
        match self {
            Self::Is(value) => vec![value.clone()],
            Self::Variable(name) => variable(name),
            Self::List(items) => {
                vec![Json::List(items.iter().flat_map(|item| item.resolve(variable)).collect())]
            }
            Self::Map(entries) => {
                let mut members = Vec::new();
                for (name, value) in entries {
                    members.extend(value.resolve(variable).into_iter().map(|value| (name.clone(), value)));
                }
                vec![Json::Map(members)]
            }
        }
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
/// Far beyond what people write; the parser and the walk recurse.
const NESTING_MAX: usize = 100;
/// Each is a call that rules are asked about.
const FIELDS_MAX: usize = 500;
