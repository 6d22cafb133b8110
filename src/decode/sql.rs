//! SQL that requests carry: which services take it, where it stands, and what its statements would do.
//!
//! A statement is what its parse tree is, never what its text begins with. Only what is known to read counts as a
//! read: a function nobody has listed, a construct nobody has classed, or a text that two servers could cut into
//! other tokens makes the class `unknown`. What a view, trigger or policy does behind a statement cannot be seen.

mod anywhere;
mod carrier;
mod class;
mod doubt;
mod pure;

pub use class::{Class, Classes};

use super::protocol::{Call, Claim, Kind, Protocol, Request, Spec, Unread, View};
use crate::request::Head;
use carrier::{Carried, Carrier};
use sqlparser::ast;
use sqlparser::dialect as of;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
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

/// The same for servers that nobody knows: asked where a rule says by host or path that SQL goes there.
pub(super) const ANYWHERE: Protocol =
    Protocol { name: PROTOCOL.name, fields: PROTOCOL.fields, claim: claim_anywhere, read: read_anywhere };

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
        Err(Failure::Doubt(why) | Failure::Parse(why)) => vec![Statement::unknown(text, why)],
    }
}

/// A text for a server whose dialect is one of several. Where only some of them can parse it, the others would
/// refuse it too, unless the dialects disagree on where strings and comments end.
pub fn statements_in_any(text: &str, dialects: &[Dialect]) -> Vec<Statement> {
    if let [dialect] = dialects {
        return statements(text, *dialect);
    }
    let readings: Vec<_> = dialects.iter().map(|dialect| parsed(text, *dialect)).collect();
    // A server that could cut it otherwise need not refuse it.
    let doubt = readings.iter().find_map(|reading| match reading {
        Err(Failure::Doubt(why)) => Some(why.clone()),
        _ => None,
    });
    if let Some(why) = doubt {
        return vec![Statement::unknown(text, why)];
    }
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

/// Why nothing is known of a text.
enum Failure {
    /// The server may read it otherwise than the parser does.
    Doubt(Cow<'static, str>),
    /// It is none of the dialect's.
    Parse(Cow<'static, str>),
}

fn parsed(text: &str, dialect: Dialect) -> Result<Vec<Statement>, Failure> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Failure::Doubt(format!("it is longer than {TEXT_BYTES_MAX} bytes").into()));
    }
    let mut tokens = tokens(text, dialect)?;
    doubt::in_tokens(text, &tokens, dialect).map_err(Failure::Doubt)?;
    if doubt::is_too_deep(&tokens) {
        return Err(Failure::Doubt("it is nested too deeply, or has too long an expression".into()));
    }
    if dialect == Dialect::Databricks {
        drop_raw_signs(&mut tokens);
    }
    if dialect == Dialect::Trino {
        tokens = without_versions(&tokens);
    }
    let runs_lambda = dialect == Dialect::Trino && tokens.iter().any(|token| names_lambda(&token.token));
    let found = match parse(tokens.clone(), dialect) {
        Ok(statements) if statements.len() > STATEMENTS_MAX => {
            return Err(Failure::Doubt(format!("it has more than {STATEMENTS_MAX} statements").into()));
        }
        Ok(statements) => statements.iter().map(|parsed| Statement::of(parsed, dialect)).collect(),
        Err(error) => otherwise_known(text, tokens, dialect)
            .ok_or_else(|| Failure::Parse(format!("it does not parse: {error}").into()))?,
    };
    Ok(if runs_lambda { found.into_iter().map(Statement::running).collect() } else { found })
}

/// The parser takes `r'…'` for a name and a string; [`doubt`] has seen that the string ends where it says.
fn drop_raw_signs(tokens: &mut Vec<TokenWithSpan>) {
    let signs: Vec<bool> = (0..tokens.len()).map(|at| doubt::begins_raw_string(tokens, at)).collect();
    let mut signs = signs.into_iter();
    tokens.retain(|_| !signs.next().unwrap_or(false));
}

/// Without `FOR VERSION AS OF 1`, `FOR TIMESTAMP AS OF TIMESTAMP '…'`, which the parser does not know: a value and no
/// more, so that nothing in it could run.
fn without_versions(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some((first, behind)) = rest.split_first() {
        rest = version(rest).and_then(|length| rest.get(length..)).unwrap_or_else(|| {
            kept.push(first.clone());
            behind
        });
    }
    kept
}

/// How many tokens of a version stand in front.
fn version(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut words = tokens.iter().map(|token| &token.token).enumerate();
    words.next().filter(|(_, first)| is_word(first, &["for"]))?;
    let mut words = words.filter(|(_, token)| !matches!(token, Token::Whitespace(_)));
    words.next().filter(|(_, kind)| is_word(kind, &["timestamp", "version"]))?;
    words.next().filter(|(_, word)| is_word(word, &["as"]))?;
    words.next().filter(|(_, word)| is_word(word, &["of"]))?;
    let (at, value) = words.next()?;
    let (at, value) = if is_word(value, &["timestamp", "date"]) { words.next()? } else { (at, value) };
    matches!(value, Token::Number(..) | Token::SingleQuotedString(_)).then_some(at + 1)
}

fn is_word(token: &Token, known: &[&str]) -> bool {
    let Token::Word(word) = token else { return false };
    word.quote_style.is_none() && known.iter().any(|known| word.value.eq_ignore_ascii_case(known))
}

/// A catalog of Athena's that is a Lambda function: whatever is asked of it, it runs.
fn names_lambda(token: &Token) -> bool {
    let name = match token {
        Token::Word(word) => &word.value,
        Token::DoubleQuotedString(name) => name,
        _ => return false,
    };
    name.to_ascii_lowercase().contains(carrier::LAMBDA)
}

fn tokens(text: &str, dialect: Dialect) -> Result<Vec<TokenWithSpan>, Failure> {
    let tokens = Tokenizer::new(dialect.grammar(), text).tokenize_with_location();
    tokens.map_err(|error| Failure::Parse(format!("it does not parse: {error}").into()))
}

fn parse(tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Result<Vec<ast::Statement>, ParserError> {
    let parser = Parser::new(dialect.grammar()).with_tokens_with_locations(tokens);
    { parser.with_recursion_limit(DEPTH_MAX) }.parse_statements()
}

/// What is known of a text that the parser does not take.
fn otherwise_known(text: &str, mut tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Option<Vec<Statement>> {
    if doubt::only_shows(&tokens) {
        return Some(vec![Statement::plain(text, Class::Read)]);
    }
    match dialect {
        Dialect::PartiQl => partiql(text).map(|statement| vec![statement]),
        Dialect::ClickHouse => match clickhouse_insert(text) {
            Some(statement) => Some(vec![statement]),
            None => {
                tokens.truncate(output_format(&tokens)?);
                let statements = parse(tokens, dialect).ok().filter(|found| found.len() <= STATEMENTS_MAX)?;
                Some(statements.iter().map(|parsed| Statement::of(parsed, dialect)).collect())
            }
        },
        _ => None,
    }
}

/// Where `FORMAT JSON` at the end begins: what ClickHouse's clients put behind any query, and what the parser takes
/// only behind some.
fn output_format(tokens: &[TokenWithSpan]) -> Option<usize> {
    let matters = |token: &Token| !matches!(token, Token::Whitespace(_) | Token::SemiColon | Token::EOF);
    let mut last = tokens.iter().enumerate().rev().filter(|(_, token)| matters(&token.token));
    let mut word = || match last.next() {
        Some((at, TokenWithSpan { token: Token::Word(word), .. })) if word.quote_style.is_none() => {
            Some((at, word.value.as_str()))
        }
        _ => None,
    };
    word()?;
    let (at, format) = word()?;
    format.eq_ignore_ascii_case("format").then_some(at)
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
    fn of(parsed: &ast::Statement, dialect: Dialect) -> Self {
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

    /// The same, which runs something as well.
    fn running(self) -> Self {
        Self { classes: self.classes.with(Class::Execute), ..self }
    }

    fn plain(text: &str, class: Class) -> Self {
        Self { classes: class.into(), tables: Vec::new(), complete: false, text: shown(text), doubt: None }
    }
}

/// `INSERT INTO "t" VALUE {…}`, `UPDATE … SET … REMOVE …`, `… WHERE a IS MISSING` of PartiQL: what it begins with is
/// what it is, since the service takes one statement, and in these no other.
fn partiql(text: &str) -> Option<Statement> {
    let word = doubt::first_word(text)?;
    let class = match word.to_ascii_uppercase().as_str() {
        "INSERT" | "UPDATE" => Class::Write,
        "DELETE" => Class::Delete,
        "SELECT" | "EXISTS" if !text.trim_end().trim_end_matches(';').contains(';') => Class::Read,
        _ => return None,
    };
    Some(Statement::plain(text, class))
}

/// An insert with its rows behind it, in a format of their own: ClickHouse takes one statement, and what follows
/// the format is data.
fn clickhouse_insert(text: &str) -> Option<Statement> {
    let word = doubt::first_word(text)?;
    let head: String = text.chars().take(HEAD_CHARS).collect::<String>().to_ascii_uppercase();
    // `INSERT INTO FUNCTION s3(…)` writes elsewhere, and a query in it is a query.
    let all = text.to_ascii_uppercase();
    let plain = !all.contains("FUNCTION") && !all.contains("SELECT");
    let values = head.contains(" FORMAT ") || head.contains(" VALUES");
    if !word.eq_ignore_ascii_case("INSERT") || !plain || !values {
        return None;
    }
    Some(Statement::plain(text, Class::Write))
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
                    view.calls.extend(calls(carrier.service, statement));
                }
            }
            Carried::Does(class, what) => {
                view.calls.extend(calls(carrier.service, Statement::plain(what, class)));
            }
        }
        if view.calls.len() > STATEMENTS_MAX {
            return Err(format!("it has more than {STATEMENTS_MAX} statements").into());
        }
    }
    Ok(view)
}

fn claim_anywhere(head: &Head<'_>) -> Claim {
    if Carrier::of(head).is_some() || carrier::is_of_one(head) { Claim::No } else { Claim::Body }
}

fn read_anywhere<'a>(request: &Request<'a>) -> Result<View<'a>, Unread> {
    let mut view = View::default();
    for statement in anywhere::statements(request)? {
        view.calls.extend(calls("other", statement));
        if view.calls.len() > STATEMENTS_MAX {
            return Err(format!("it has more than {STATEMENTS_MAX} statements").into());
        }
    }
    Ok(view)
}

/// One call for each class of a statement: what is known of it can be denied, though the rest be unknown.
fn calls<'a>(service: &'static str, statement: Statement) -> impl Iterator<Item = Call<'a>> {
    let Statement { classes, tables, complete, text, doubt } = statement;
    let tables: Vec<Cow<'a, str>> = tables.into_iter().map(Cow::Owned).collect();
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
