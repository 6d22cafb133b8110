//! SQL in requests to servers that nobody knows, where a rule says by host or path that it goes there.
//!
//! What such a server takes for its statement cannot be known: read is what stands under the names in use, in the
//! URL, in JSON or a form, and as the body itself; and every other text that is a statement beyond doubt.

use super::{Class, Dialect, Statement, doubt, statements_in_any};
use crate::decode::protocol::{Request, Unread};
use crate::decode::{Body, Decoded, Json, component, same_folded, split};
use std::borrow::Cow;

/// The statements of a request, in the order of their texts.
pub(super) fn statements(request: &Request<'_>) -> Result<Vec<Statement>, Unread> {
    let mut texts = Texts::default();
    let mut in_url: Vec<Cow<'_, str>> = Vec::new();
    for (name, value) in split(request.head.query.unwrap_or_default(), &['&', ';']) {
        let value = component(value);
        if is_named(&component(name)) {
            in_url.push(value);
        } else {
            texts.perhaps.push(value);
        }
    }
    match request.body {
        Body::Empty => {}
        Body::Decoded(decoded) => texts.of_body(decoded, &mut in_url)?,
        Body::Binary { why, .. } | Body::Unreadable(why) => return Err(why.clone().into()),
        Body::NotRead => return Err("its body was not read".into()),
    }
    texts.named.append(&mut in_url);
    if texts.named.len() + texts.perhaps.len() > TEXTS_MAX {
        return Err(format!("it has more than {TEXTS_MAX} texts that could be statements").into());
    }
    let named = texts.named.iter().filter(|text| !text.trim().is_empty() && !is_graphql(text));
    let mut found: Vec<Statement> = named.flat_map(|text| in_any(text)).collect();
    for text in texts.perhaps.iter().filter(|text| begins_like_one(text)) {
        let statements = in_any(text);
        let certain = |statement: &Statement| statement.classes != Class::Unknown.into();
        if statements.iter().any(certain) {
            found.extend(statements);
        }
    }
    Ok(found)
}

fn in_any(text: &str) -> Vec<Statement> {
    let mut statements = statements_in_any(text, DIALECTS);
    if doubt::has_statement_for_alias(text) {
        for statement in statements.iter_mut().filter(|statement| statement.classes == Class::Read.into()) {
            *statement = Statement::unknown(text, "a word in it begins a statement, if nothing parts them");
        }
    }
    statements
}

/// The texts of a request.
#[derive(Default)]
struct Texts<'a> {
    /// Under a name that says that it is a statement.
    named: Vec<Cow<'a, str>>,
    /// Under any other.
    perhaps: Vec<Cow<'a, str>>,
}

impl<'a> Texts<'a> {
    fn of_body(&mut self, decoded: &'a Decoded, in_url: &mut Vec<Cow<'a, str>>) -> Result<(), Unread> {
        if let Some(json) = &decoded.json {
            // A list on top is one of statements (rqlite), each alone or with its values behind it.
            let listed = matches!(json, Json::List(_));
            self.of_json(json, listed);
        }
        for (name, value) in decoded.form.iter().flatten() {
            let to = if is_named(name) { &mut self.named } else { &mut self.perhaps };
            to.push(value.as_str().into());
        }
        if decoded.json.is_some() || decoded.form.is_some() {
            return Ok(());
        }
        let text = decoded.text.as_deref().unwrap_or_default();
        if text.trim_start().starts_with(['{', '[']) {
            return Err("its body is not JSON that all servers read alike".into());
        }
        // ClickHouse joins what stands in both places.
        for query in in_url.iter_mut() {
            *query = format!("{query}\n{text}").into();
        }
        if in_url.is_empty() {
            let to = if begins_like_one(text) { &mut self.named } else { &mut self.perhaps };
            to.push(text.into());
        }
        Ok(())
    }

    fn of_json(&mut self, json: &'a Json, named: bool) {
        match json {
            Json::Text(text) if named => self.named.push(text.as_str().into()),
            Json::Text(text) => self.perhaps.push(text.as_str().into()),
            Json::List(items) => {
                for (nth, item) in items.iter().enumerate() {
                    // Of a statement and its values, the values are none.
                    let first = nth == 0 || matches!(items.first(), Some(Json::Text(_) | Json::List(_)));
                    self.of_json(item, named && first && !is_value(items, nth));
                }
            }
            Json::Map(members) => {
                members.iter().for_each(|(name, inner)| self.of_json(inner, is_named(name)));
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Enum { .. } => {}
        }
    }
}

/// Whether it is a value behind a statement: `["INSERT …", 1, "x"]`, told by one that is no text.
fn is_value(items: &[Json], nth: usize) -> bool {
    nth > 0 && items.iter().any(|item| matches!(item, Json::Null | Json::Bool(_) | Json::Number(_)))
}

fn is_named(name: &str) -> bool {
    let bare = name.split('[').next().unwrap_or_default();
    NAMES.iter().any(|known| same_folded(bare, known))
}

/// `{"query": "{ me }"}` is another language.
fn is_graphql(text: &str) -> bool {
    let words = ["query", "mutation", "subscription", "fragment"];
    let text = text.trim_start();
    // `{call f()}`, `{? = call f()}`: what drivers make of a call.
    let call = text.strip_prefix('{').map(str::trim_start).is_some_and(|inner| {
        inner.starts_with('?') || inner.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("call"))
    });
    if call {
        return false;
    }
    text.starts_with('{') || doubt::first_word(text).is_some_and(|first| words.contains(&first))
}

/// Whether the first word behind blanks, comments and brackets is one that statements begin with.
fn begins_like_one(text: &str) -> bool {
    let mut rest = text;
    for _ in 0..COMMENTS_MAX {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || "(;\u{feff}".contains(c));
        let end = if rest.starts_with("--") || rest.starts_with('#') {
            rest.find('\n').map(|at| at + 1)
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|at| at + 2)
        } else {
            break;
        };
        rest = end.and_then(|end| rest.get(end..)).unwrap_or_default();
    }
    doubt::first_word(rest).is_some_and(|first| WORDS.iter().any(|word| first.eq_ignore_ascii_case(word)))
}

/// Those that servers of one's own speak.
const DIALECTS: &[Dialect] = &[
    Dialect::Postgres,
    Dialect::MySql,
    Dialect::ClickHouse,
    Dialect::Snowflake,
    Dialect::BigQuery,
    Dialect::Trino,
];

const NAMES: &[&str] = &[
    "query",
    "queries",
    "sql",
    "sqls",
    "sqlText",
    "sqlStatement",
    "sqlStatements",
    "statement",
    "statements",
    "stmt",
    "stmts",
    "queryString",
    "sql_query",
    "rawQuery",
    "q",
];

const WORDS: &[&str] = &[
    "alter",
    "analyze",
    "attach",
    "backup",
    "begin",
    "call",
    "comment",
    "commit",
    "copy",
    "create",
    "declare",
    "delete",
    "deny",
    "desc",
    "describe",
    "detach",
    "do",
    "drop",
    "exec",
    "execute",
    "exists",
    "explain",
    "export",
    "flush",
    "from",
    "grant",
    "if",
    "import",
    "insert",
    "install",
    "kill",
    "list",
    "load",
    "lock",
    "merge",
    "msck",
    "optimize",
    "pragma",
    "prepare",
    "put",
    "refresh",
    "reindex",
    "remove",
    "rename",
    "replace",
    "reset",
    "restore",
    "revoke",
    "rollback",
    "savepoint",
    "select",
    "set",
    "show",
    "start",
    "system",
    "table",
    "truncate",
    "undrop",
    "unload",
    "update",
    "upsert",
    "use",
    "vacuum",
    "values",
    "with",
];
const COMMENTS_MAX: usize = 20;
/// Each is parsed, in several dialects.
const TEXTS_MAX: usize = 500;
