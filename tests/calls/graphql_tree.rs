//! What apollo-parser's own tree says of a document. Our reader of its tokens has to say the same; the fuzz target
//! `graphql` asks it too.

use apollo_parser::cst::{self, CstNode as _, Definition, Selection, Value};
use holdpoint::decode::grpc::Descriptors;
use holdpoint::decode::protocol::{Call, Request, Said, views};
use holdpoint::decode::{Json, Limits, Number, body};
use holdpoint::rules::sample::Sample;
use std::collections::{HashMap, HashSet};

/// A field of a root: the kind and the name of its operation, its own name, and its arguments.
#[derive(Debug, PartialEq)]
pub(super) struct Root {
    kind: String,
    operation: Option<String>,
    field: String,
    arguments: Option<Json>,
}

/// What Holdpoint reads in it; none: nothing, so that it is held.
pub(super) fn ours(text: &str) -> Option<Vec<Root>> {
    let sample = Sample {
        method: "POST".into(),
        url: "https://api.test/graphql".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: serde_json::json!({ "query": text }).to_string().into_bytes(),
    };
    let request = sample.canonical().expect("the head is sound");
    let body = body(&request.headers, &request.body, Limits::default());
    let request = Request { head: &request.head(), body: &body, descriptors: &Descriptors::default() };
    let (_, view) = views(&request, &["graphql"]).pop().expect("it was asked for");
    let name = |call: &Call<'_>, field: &str| match call.said(field) {
        Some(Said::Names { names, .. }) => Some(names.concat()),
        _ => None,
    };
    let root = |call: &Call<'_>| Root {
        kind: name(call, "type").expect("a kind"),
        operation: name(call, "operation"),
        field: name(call, "field").expect("a field"),
        arguments: match call.said("arguments") {
            Some(Said::Document { roots, .. }) => roots.first().map(|root| Json::clone(root)),
            _ => None,
        },
    };
    Some(view.ok()?.calls.iter().map(root).collect())
}

/// What the tree says; none where it has errors, a schema, or a fragment that is not there.
pub(super) fn theirs(text: &str) -> Option<Vec<Root>> {
    let tree = apollo_parser::Parser::new(text).token_limit(30_000).parse();
    if tree.errors().next().is_some() {
        return None;
    }
    let (mut operations, mut fragments) = (Vec::new(), HashMap::new());
    for definition in tree.document().definitions() {
        match definition {
            Definition::OperationDefinition(operation) => operations.push(operation),
            Definition::FragmentDefinition(fragment) => {
                let name = text_of(&fragment.fragment_name()?.name()?);
                fragments.entry(name).or_insert_with(Vec::new).push(fragment.selection_set()?);
            }
            _ => return None,
        }
    }
    let mut roots = Vec::new();
    for operation in operations {
        let kind =
            operation.operation_type().map_or("query".into(), |kind| kind.source_string().trim().to_owned());
        let mut fields = Vec::new();
        walk(&operation.selection_set()?, &fragments, &mut HashSet::new(), &mut fields)?;
        let defaults: HashMap<String, Json> = operation
            .variable_definitions()
            .iter()
            .flat_map(|all| all.variable_definitions())
            .filter_map(|definition| default(&definition))
            .collect();
        for field in fields {
            let given = field.arguments().into_iter().flat_map(|given| given.arguments());
            let mut members = Vec::new();
            for argument in given {
                let name = text_of(&argument.name()?);
                members.extend(value(&argument.value()?, &defaults).map(|value| (name, value)));
            }
            roots.push(Root {
                kind: kind.clone(),
                operation: operation.name().map(|name| text_of(&name)),
                field: text_of(&field.name()?),
                arguments: (!members.is_empty()).then_some(Json::Map(members)),
            });
        }
    }
    Some(roots)
}

fn text_of(name: &cst::Name) -> String {
    name.text().to_string()
}

fn default(definition: &cst::VariableDefinition) -> Option<(String, Json)> {
    let name = text_of(&definition.variable()?.name()?);
    Some((name, value(&definition.default_value()?.value()?, &HashMap::new())?))
}

fn walk(
    selections: &cst::SelectionSet,
    fragments: &HashMap<String, Vec<cst::SelectionSet>>,
    entered: &mut HashSet<String>,
    fields: &mut Vec<cst::Field>,
) -> Option<()> {
    for selection in selections.selections() {
        match selection {
            Selection::Field(field) => fields.push(field),
            Selection::InlineFragment(inline) => walk(&inline.selection_set()?, fragments, entered, fields)?,
            Selection::FragmentSpread(spread) => {
                let name = text_of(&spread.fragment_name()?.name()?);
                let inner = fragments.get(&name)?;
                if entered.insert(name) {
                    inner.iter().try_for_each(|inner| walk(inner, fragments, entered, fields))?;
                }
            }
        }
    }
    Some(())
}

/// None: a variable without a value.
fn value(given: &Value, defaults: &HashMap<String, Json>) -> Option<Json> {
    Some(match given {
        Value::Variable(variable) => return defaults.get(&text_of(&variable.name()?)).cloned(),
        Value::StringValue(text) => Json::Text(String::from(text)),
        Value::IntValue(number) => self::number(number.int_token()?.text())?,
        Value::FloatValue(number) => self::number(number.float_token()?.text())?,
        Value::BooleanValue(truth) => Json::Bool(truth.true_token().is_some()),
        Value::NullValue(_) => Json::Null,
        Value::EnumValue(word) => Json::Text(text_of(&word.name()?)),
        Value::ListValue(list) => {
            Json::List(list.values().filter_map(|item| value(&item, defaults)).collect())
        }
        Value::ObjectValue(object) => {
            let member =
                |field: cst::ObjectField| Some((text_of(&field.name()?), value(&field.value()?, defaults)?));
            Json::Map(object.object_fields().filter_map(member).collect())
        }
    })
}

fn number(text: &str) -> Option<Json> {
    let whole = text.parse().map(Number::Unsigned).or_else(|_| text.parse().map(Number::Signed));
    whole.or_else(|_| text.parse().map(Number::Float)).ok().map(Json::Number)
}
