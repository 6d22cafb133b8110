//! Conditions: `if:` with an expression in CEL. The only place that sees the CEL library.

mod bodies;

use super::facts::Facts;
use super::reader::{Reader, did_you_mean};
use super::tree::Node;
use super::truth::{Stance, Truth, Unclear};
use crate::decode::{Json, Number, component, split};
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::objects::{Key, Map};
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError, Value};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// A compiled expression and what it looks at.
pub(super) struct Condition {
    expression: IdedExpr,
    reads: Reads,
    /// Words in it that may be names of members of the body.
    names: Vec<String>,
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("reads", &self.reads).finish_non_exhaustive()
    }
}

/// The fields of `request` that an expression names; only these are built for it.
#[derive(Debug, Default, Clone, Copy)]
struct Reads {
    path: bool,
    query: bool,
    headers: bool,
    body: bool,
    text: bool,
    size: bool,
}

impl Condition {
    pub(super) fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        let source = reader.text(node, "`if`")?;
        if source.chars().count() > SOURCE_CHARS_MAX {
            reader.error(&node.span, format!("the expression is longer than {SOURCE_CHARS_MAX} characters"));
            return None;
        }
        if nesting(&source) > NESTING_MAX {
            reader.error(&node.span, format!("the expression is nested deeper than {NESTING_MAX}"));
            return None;
        }
        // The library's default parser takes some 60 KiB of stack for each bracket in an unoptimised build, and
        // its depth limit comes too late. This one is small, and limits nodes as well, so that evaluation is
        // bounded with it.
        let parser =
            PrattParser::new().max_recursion_depth(PARSER_DEPTH_MAX).max_expression_node_count(NODES_MAX);
        let expression = match parser.parse(&source) {
            Ok(expression) => expression,
            Err(errors) => {
                for error in errors.errors.iter().take(ERRORS_SHOWN) {
                    let message = error.msg.replace('\n', " ");
                    let column = error.pos.1;
                    reader.error(&node.span, format!("bad expression, at its character {column}: {message}"));
                }
                return None;
            }
        };
        let mut survey = Survey::default();
        survey.visit(&expression);
        if survey.deepest > TREE_DEPTH_MAX {
            reader.error_help(
                &node.span,
                format!("the expression chains more than {TREE_DEPTH_MAX} operators or fields"),
                "split it into several rules, or use a list with `in`",
            );
            return None;
        }
        for (message, help) in &survey.problems {
            reader.error_help(&node.span, message, help);
        }
        if !survey.problems.is_empty() {
            return None;
        }
        let Survey { reads, mut names, .. } = survey;
        names.sort_unstable();
        names.dedup();
        let condition = Self { expression, reads, names };
        match condition.rehearse() {
            Ok(value) if !matches!(value, Value::Bool(_)) => {
                reader.error(
                    &node.span,
                    format!("the expression gives a {} and not true or false", value.type_of()),
                );
                None
            }
            // Any other error comes from the empty request that it was tried on.
            Ok(_) | Err(_) => Some(condition),
        }
    }

    pub(super) fn answer(&self, facts: &Facts<'_>, stance: Stance) -> Truth {
        if facts.now.is_none() {
            // Only the head is asked about: run once, when all is known.
            let of_body = self.reads.body || self.reads.text || self.reads.size;
            return Truth::Unclear(if of_body { Unclear::Body } else { Unclear::Other });
        }
        let (mut bodies, mut others) = (vec![None], Vec::new());
        if self.reads.body {
            match bodies::of(facts, &self.names) {
                Ok(found) => {
                    bodies = found.likely.into_iter().map(Some).collect();
                    others = found.other;
                    others.extend(found.picked.into_iter().filter(|_| stance == Stance::Generous));
                }
                Err(why) => return Truth::Unclear(why),
            }
        }
        let shared = match self.shared(facts) {
            Ok(shared) => shared,
            Err(why) => return Truth::Unclear(why),
        };
        let readings = facts.head.readings.iter().map(|reading| &**reading).filter(|_| self.reads.path);
        let paths = || std::iter::once(facts.head.path).chain(readings.clone());
        let mut truth: Option<Truth> = None;
        for path in paths() {
            for body in &bodies {
                let one = self.run(facts, shared.clone(), path, body.clone());
                truth = Some(match (truth, stance) {
                    (None, _) => one,
                    (Some(truth), Stance::Generous) => truth.or(one),
                    (Some(truth), Stance::Exact) => truth.and(one),
                });
            }
        }
        // What other servers would read decides where it does so for certain.
        let decisive = if stance == Stance::Generous { Truth::Yes } else { Truth::No };
        let mut inner = shared.clone();
        if self.reads.text {
            let within: Vec<_> = facts.text().within.into_iter().map(|seen| seen.text.into_owned()).collect();
            inner.insert(key("text"), text(&within.join("\n")));
        }
        let unescaped = bodies.iter().filter(|_| self.reads.text && stance == Stance::Generous);
        let others: Vec<_> = others.into_iter().map(Some).collect();
        let runs = others.iter().map(|body| (&shared, body)).chain(unescaped.map(|body| (&inner, body)));
        for (shared, body) in runs {
            if paths().any(|path| self.run(facts, shared.clone(), path, body.clone()) == decisive) {
                return decisive;
            }
        }
        truth.unwrap_or(Truth::Unclear(Unclear::Other))
    }

    /// What of the request is the same under all its readings.
    fn shared(&self, facts: &Facts<'_>) -> Result<HashMap<Key, Value>, Unclear> {
        let head = facts.head;
        let mut request = HashMap::from([
            (key("method"), text(head.method.as_str())),
            (key("host"), text(head.authority.host.as_str())),
            (key("port"), Value::Int(i64::from(head.authority.port))),
        ]);
        if self.reads.query {
            let pairs = split(head.query.unwrap_or_default(), &['&']);
            let pairs = pairs.map(|(name, value)| (component(name).into_owned(), text(&component(value))));
            request.insert(key("query"), unrepeated(pairs)?);
        }
        if self.reads.headers {
            let mut fields: HashMap<Key, Value> = HashMap::new();
            for name in head.headers.keys() {
                let values: Result<Vec<&str>, _> =
                    head.headers.get_all(name).iter().map(|v| v.to_str()).collect();
                // Several fields of one name are one list (RFC 9110 §5.3).
                let joined = values.map_err(|_| Unclear::Other)?.join(", ");
                fields.insert(key(name.as_str()), text(&joined));
            }
            request.insert(key("headers"), map(fields));
        }
        if self.reads.size {
            let size = facts.size().ok_or(Unclear::Body)?;
            request.insert(key("size"), Value::Int(i64::try_from(size).unwrap_or(i64::MAX)));
        }
        if self.reads.text {
            let field = facts.text();
            match (field.unclear, field.values.first()) {
                (Some(why), _) => return Err(why),
                (None, seen) => request.insert(key("text"), text(seen.map_or("", |s| &s.text))),
            };
        }
        Ok(request)
    }

    fn run(
        &self,
        facts: &Facts<'_>,
        mut request: HashMap<Key, Value>,
        path: &str,
        body: Option<Value>,
    ) -> Truth {
        request.insert(key("path"), text(path));
        if let Some(body) = body {
            request.insert(key("body"), body);
        }
        let agent = facts.caller.agent;
        let labels = agent.labels.iter().map(|(name, value)| (key(name), text(value))).collect();
        let agent = HashMap::from([(key("name"), text(&agent.name)), (key("labels"), map(labels))]);
        let Some(now) = facts.now else { return Truth::Unclear(Unclear::Other) };
        match self.execute(map(request), map(agent), &facts.caller.source.to_string(), now.as_second()) {
            Ok(Value::Bool(answer)) => Truth::from(answer),
            Ok(_) | Err(_) => Truth::Unclear(Unclear::Other),
        }
    }

    fn execute(&self, request: Value, agent: Value, source: &str, now: i64) -> Result<Value, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_from_value("request", request);
        context.add_variable_from_value("agent", agent);
        context.add_variable_from_value("source", text(source));
        context.add_variable_from_value("now", Value::Int(now));
        Value::resolve(&self.expression, &context)
    }

    /// Runs on an empty request, to find at load what can be found.
    fn rehearse(&self) -> Result<Value, ExecutionError> {
        let empty = || map(HashMap::new());
        let request = HashMap::from([
            (key("method"), text("GET")),
            (key("host"), text("host.test")),
            (key("port"), Value::Int(443)),
            (key("path"), text("/")),
            (key("query"), empty()),
            (key("headers"), empty()),
            (key("body"), empty()),
            (key("text"), text("")),
            (key("size"), Value::Int(0)),
        ]);
        let agent = HashMap::from([(key("name"), text("agent")), (key("labels"), empty())]);
        self.execute(map(request), map(agent), "127.0.0.1", 0)
    }
}

/// A walk over an expression: what it reads, and what in it does not exist. Running it would find only what
/// stands on the way that one request takes.
#[derive(Debug, Default)]
struct Survey {
    reads: Reads,
    names: Vec<String>,
    /// Message and help.
    problems: Vec<(String, String)>,
    /// Variables of the macros around, innermost last.
    bound: Vec<String>,
    depth: usize,
    deepest: usize,
}

impl Survey {
    fn visit(&mut self, node: &IdedExpr) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.visit_inner(node);
        self.depth -= 1;
    }

    fn visit_inner(&mut self, node: &IdedExpr) {
        match &node.expr {
            Expr::Select(select) if !matches!(&select.operand.expr, Expr::Ident(name) if name == "request") =>
            {
                self.names.push(select.field.clone());
            }
            Expr::Literal(LiteralValue::String(text)) => self.names.push(text.inner().to_owned()),
            _ => {}
        }
        match &node.expr {
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) if name == "request" && !self.bound.contains(name) => {
                    self.field(&select.field);
                }
                Expr::Ident(name) if name == "agent" && !self.bound.contains(name) => {
                    self.known(&select.field, AGENT_FIELDS, "field of `agent`");
                }
                _ => self.visit(&select.operand),
            },
            Expr::Ident(name) => self.variable(name),
            Expr::Call(call) => {
                if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    self.known(&call.func_name, FUNCTIONS, "function");
                }
                call.target.iter().for_each(|target| self.visit(target));
                call.args.iter().for_each(|arg| self.visit(arg));
            }
            Expr::Comprehension(c) => {
                self.visit(&c.iter_range);
                self.visit(&c.accu_init);
                let outer = self.bound.len();
                self.bound.extend([c.iter_var.clone(), c.accu_var.clone()]);
                self.bound.extend(c.iter_var2.clone());
                [&c.loop_cond, &c.loop_step, &c.result].into_iter().for_each(|part| self.visit(part));
                self.bound.truncate(outer);
            }
            Expr::List(list) => list.elements.iter().for_each(|item| self.visit(item)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(fields) => fields.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Unspecified | Expr::Literal(_) => {}
        }
    }

    fn entry(&mut self, entry: &EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key);
                self.visit(&entry.value);
            }
        }
    }

    fn variable(&mut self, name: &str) {
        if self.bound.iter().any(|bound| bound == name) {
            return;
        }
        if name == "request" {
            // Passed on as a whole, or asked by a computed key: everything may be read.
            self.reads = Reads { path: true, query: true, headers: true, body: true, text: true, size: true };
        }
        self.known(name, VARIABLES, "variable");
    }

    fn field(&mut self, field: &str) {
        match field {
            "path" => self.reads.path = true,
            "query" => self.reads.query = true,
            "headers" => self.reads.headers = true,
            "body" => self.reads.body = true,
            "text" => self.reads.text = true,
            "size" => self.reads.size = true,
            _ => self.known(field, REQUEST_FIELDS, "field of `request`"),
        }
    }

    fn known(&mut self, name: &str, known: &[&str], what: &str) {
        if !known.contains(&name) {
            let help = did_you_mean(name, known).map_or_else(
                || format!("there are: {}", known.join(", ")),
                |k| format!("did you mean `{k}`?"),
            );
            self.problems.push((format!("no such {what}: `{name}`"), help));
        }
    }
}

/// A map of names that stand there once each: CEL has no word for a repeated one.
fn unrepeated(pairs: impl Iterator<Item = (String, Value)>) -> Result<Value, Unclear> {
    let mut fields = HashMap::new();
    for (name, value) in pairs {
        if fields.insert(key(&name), value).is_some() {
            return Err(Unclear::Other);
        }
    }
    Ok(map(fields))
}

fn of_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(Number::Unsigned(n)) => i64::try_from(*n).map_or(Value::UInt(*n), Value::Int),
        Json::Number(Number::Signed(n)) => Value::Int(*n),
        Json::Number(Number::Float(n)) => Value::Float(*n),
        Json::Text(value) | Json::Enum { name: value, .. } => text(value),
        Json::List(items) => Value::List(Arc::new(items.iter().map(of_json).collect())),
        Json::Map(entries) => map(entries.iter().map(|(name, value)| (key(name), of_json(value))).collect()),
    }
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn map(map: HashMap<Key, Value>) -> Value {
    Value::Map(Map { map: Arc::new(map) })
}

/// How deep brackets, unary operators and conditionals go into each other, at most. It looks at characters
/// only, so that it can go before the parser; a bracket in a text counts as well.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest, mut unary, mut conditionals) = (0_usize, 0, 0_usize, 0_usize);
    for c in source.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '?' => conditionals += 1,
            _ => {}
        }
        unary = if matches!(c, '!' | '-') {
            unary + 1
        } else if c == ' ' {
            unary
        } else {
            0
        };
        deepest = deepest.max(depth + unary + conditionals);
    }
    deepest
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
const VARIABLES: &[&str] = &[
    "request",
    "agent",
    "source",
    "now",
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
];
/// CEL's standard functions, without those on times.
const FUNCTIONS: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "dyn",
    "type",
];
const AGENT_FIELDS: &[&str] = &["name", "labels"];
const REQUEST_FIELDS: &[&str] =
    &["method", "host", "port", "path", "query", "headers", "body", "text", "size"];
const NESTING_MAX: usize = 32;
const PARSER_DEPTH_MAX: u16 = 64;
const NODES_MAX: usize = 512;
/// Evaluation recurses over the tree, with large frames in an unoptimised build.
const TREE_DEPTH_MAX: usize = 48;
const SOURCE_CHARS_MAX: usize = 2000;
const ERRORS_SHOWN: usize = 3;
