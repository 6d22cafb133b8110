//! SQL that requests carry: which services take it, where it stands, and what its statements would do.
//!
//! A statement is what its parse tree is, never what its text begins with. Only what is known to read counts as a
//! read: a function nobody has listed, a construct nobody has classed, or a text that two servers could cut into
//! other tokens makes the class `unknown`. What a view, trigger or policy does behind a statement cannot be seen.

mod carrier;
mod class;
mod doubt;
mod pure;

pub use class::{Class, Classes};

use super::protocol::{Call, Claim, Kind, Protocol, Request, Spec, Unread, View};
use crate::request::Head;
use carrier::{Carried, Carrier};
use sqlparser::dialect as of;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Tokenizer;
use std::borrow::Cow;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "sql",
    fields: &[
        Spec { name: "class", kind: Kind::Word(&Class::WORDS) },
        Spec { name: "table", kind: Kind::Name },
        Spec { name: "statement", kind: Kind::Name },
        Spec { name: "service", kind: Kind::Name },
        Spec { name: "doubt", kind: Kind::Name },
    ],
    claim,
    read,
};

/// How a service reads its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    BigQuery,
    Snowflake,
    Databricks,
    /// Athena (Trino for queries, Hive for definitions), Timestream: no parser of their own.
    Trino,
    Postgres,
    MySql,
    Redshift,
    /// DynamoDB's subset: one statement, no functions with effects.
    PartiQl,
    ClickHouse,
}

/// One statement of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub classes: Classes,
    /// As written: `prod.public.users`, quotes removed.
    pub tables: Vec<String>,
    /// Whether `tables` are all that it touches.
    pub complete: bool,
    /// As parsed, in one line.
    pub text: String,
    /// Why [`Class::Unknown`] is among the classes.
    pub doubt: Option<Cow<'static, str>>,
}

/// What a text would do, statement by statement, if it is read in this dialect.
pub fn statements(text: &str, dialect: Dialect) -> Vec<Statement> {
    match parsed(text, dialect) {
        Ok(statements) if statements.is_empty() => {
            vec![Statement::unknown(text, "there is no statement in it")]
        }
        Ok(statements) => statements,
        Err(doubt) => vec![Statement::unknown(text, doubt)],
    }
}

/// A text for a server whose dialect is one of several. Where only some of them can parse it, the others would
/// refuse it too, unless the dialects disagree on where strings and comments end.
pub fn statements_in_any(text: &str, dialects: &[Dialect]) -> Vec<Statement> {
    let readings: Vec<_> = dialects.iter().map(|dialect| parsed(text, *dialect)).collect();
    if let Some(why) = doubt::between_dialects(text)
        && readings.iter().any(Result::is_err)
    {
        return vec![Statement::unknown(text, why)];
    }
    let mut found: Vec<Statement> = Vec::new();
    for statement in readings.into_iter().flatten().flatten() {
        if !found.iter().any(|known| known.classes == statement.classes && known.tables == statement.tables) {
            found.push(statement);
        }
    }
    if found.is_empty() { vec![Statement::unknown(text, "it does not parse")] } else { found }
}

fn parsed(text: &str, dialect: Dialect) -> Result<Vec<Statement>, Cow<'static, str>> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("it is longer than {TEXT_BYTES_MAX} bytes").into());
    }
    let grammar = dialect.grammar();
    let tokens = Tokenizer::new(grammar, text)
        .tokenize_with_location()
        .map_err(|e| format!("it does not parse: {e}"))?;
    doubt::in_tokens(text, &tokens, dialect)?;
    if doubt::is_too_deep(&tokens) {
        return Err("it is nested too deeply, or has too long an expression".into());
    }
    let parser = Parser::new(grammar).with_tokens_with_locations(tokens).with_recursion_limit(DEPTH_MAX);
    let parsed = { parser }.parse_statements();
    match parsed {
        Ok(statements) if statements.len() > STATEMENTS_MAX => {
            Err(format!("it has more than {STATEMENTS_MAX} statements").into())
        }
        Ok(statements) => Ok(statements.iter().map(|parsed| Statement::of(parsed, dialect)).collect()),
        Err(error) => match dialect {
            Dialect::PartiQl => partiql(text).ok_or(Cow::Owned(format!("it does not parse: {error}"))),
            Dialect::ClickHouse => {
                clickhouse_insert(text).ok_or(Cow::Owned(format!("it does not parse: {error}")))
            }
            _ => Err(format!("it does not parse: {error}").into()),
        },
    }
}

impl Dialect {
    fn grammar(self) -> &'static dyn of::Dialect {
        match self {
            Self::BigQuery => &of::BigQueryDialect,
            Self::Snowflake => &of::SnowflakeDialect,
            Self::Databricks => &of::DatabricksDialect {},
            Self::Trino | Self::PartiQl => &of::GenericDialect,
            Self::Postgres => &of::PostgreSqlDialect {},
            Self::MySql => &of::MySqlDialect {},
            Self::Redshift => &of::RedshiftSqlDialect {},
            Self::ClickHouse => &of::ClickHouseDialect {},
        }
    }
}

impl Statement {
    fn of(parsed: &sqlparser::ast::Statement, dialect: Dialect) -> Self {
        let found = class::of(parsed, dialect);
        Self {
            classes: found.classes,
            tables: found.tables,
            complete: found.complete,
            text: shown(&parsed.to_string()),
            doubt: found.doubt,
        }
    }

    fn unknown(text: &str, doubt: impl Into<Cow<'static, str>>) -> Self {
        Self {
            classes: Class::Unknown.into(),
            tables: Vec::new(),
            complete: false,
            text: shown(text),
            doubt: Some(doubt.into()),
        }
    }

    fn plain(text: &str, class: Class) -> Self {
        Self { classes: class.into(), tables: Vec::new(), complete: false, text: shown(text), doubt: None }
    }
}

/// `INSERT INTO "t" VALUE {…}` and `UPDATE … SET … REMOVE …` of PartiQL: what it begins with is what it is, since
/// the service takes one statement, and in these no other.
fn partiql(text: &str) -> Option<Vec<Statement>> {
    let word = doubt::first_word(text)?;
    let class = match word.to_ascii_uppercase().as_str() {
        "INSERT" | "UPDATE" => Class::Write,
        "DELETE" => Class::Delete,
        _ => return None,
    };
    Some(vec![Statement::plain(text, class)])
}

/// An insert with its rows behind it, in a format of their own: ClickHouse takes one statement, and what follows
/// the format is data.
fn clickhouse_insert(text: &str) -> Option<Vec<Statement>> {
    let word = doubt::first_word(text)?;
    let head: String = text.chars().take(HEAD_CHARS).collect::<String>().to_ascii_uppercase();
    // `INSERT INTO FUNCTION s3(…)` writes elsewhere, and a query in it is a query.
    let plain = !head.contains("FUNCTION") && !text.to_ascii_uppercase().contains("SELECT");
    let values = head.contains(" FORMAT ") || head.contains(" VALUES");
    if !word.eq_ignore_ascii_case("INSERT") || !plain || !values {
        return None;
    }
    Some(vec![Statement::plain(text, Class::Write)])
}

/// In one line, cut.
fn shown(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(SHOWN_CHARS_MAX) {
        line.truncate(at);
        line.push('…');
    }
    line
}

fn claim(head: &Head<'_>) -> Claim {
    if Carrier::of(head).is_some() { Claim::Body } else { Claim::No }
}

fn read<'a>(request: &Request<'a>) -> Result<View<'a>, Unread> {
    let mut view = View { says_so: true, ..View::default() };
    let Some(carrier) = Carrier::of(request.head) else { return Ok(view) };
    for carried in carrier.texts(request)? {
        match carried {
            Carried::Text(text) => {
                for statement in statements_in_any(&text, carrier.dialects) {
                    view.calls.extend(calls(&carrier, statement));
                }
            }
            Carried::Does(class, what) => {
                view.calls.extend(calls(&carrier, Statement::plain(what, class)));
            }
        }
        if view.calls.len() > STATEMENTS_MAX {
            return Err(format!("it has more than {STATEMENTS_MAX} statements").into());
        }
    }
    Ok(view)
}

/// One call for each class of a statement: what is known of it can be denied, though the rest be unknown.
fn calls<'a>(carrier: &Carrier, statement: Statement) -> impl Iterator<Item = Call<'a>> {
    let Statement { classes, tables, complete, text, doubt } = statement;
    let tables: Vec<Cow<'a, str>> = tables.into_iter().map(Cow::Owned).collect();
    let service = carrier.service;
    let seen = complete && !classes.has(Class::Unknown);
    classes.iter().collect::<Vec<_>>().into_iter().map(move |class| {
        let mut call = match class {
            Class::Unknown => Call::default().with_hidden("class"),
            class => Call::default().with("class", class.as_str()),
        };
        call = if seen { call.with_names("table", tables.clone(), true) } else { call.with_hidden("table") };
        call = call.with("statement", text.clone()).with("service", service);
        match &doubt {
            Some(doubt) if class == Class::Unknown => call.with("doubt", doubt.clone()),
            _ => call,
        }
    })
}

/// Longer texts are data, not something that a reviewer reads.
const TEXT_BYTES_MAX: usize = 64 << 10;
const STATEMENTS_MAX: usize = 200;
/// The parser's own limit; deeper queries are not written by hand.
const DEPTH_MAX: usize = 50;
const SHOWN_CHARS_MAX: usize = 2000;
/// Where the format of an insert stands.
const HEAD_CHARS: usize = 2000;

#[cfg(test)]
mod tests;
