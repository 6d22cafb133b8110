//! Texts that two servers could cut into other tokens, so that what is a string for one is code for the other.

use super::Dialect;
use sqlparser::dialect::MsSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};
use std::borrow::Cow;

/// Why the tokens of the parser may not be those of the server.
pub(super) fn in_tokens(
    text: &str,
    tokens: &[TokenWithSpan],
    dialect: Dialect,
) -> Result<(), Cow<'static, str>> {
    if text.contains("/*!") || text.contains("/*M!") {
        return Err("it has a comment that some servers execute".into());
    }
    // Elsewhere a backslash does not escape, or only by a setting of the server.
    let escapes = matches!(
        dialect,
        Dialect::BigQuery | Dialect::Snowflake | Dialect::Databricks | Dialect::MySql | Dialect::ClickHouse
    );
    if !escapes && ["\\'", "\\\"", "\\`"].iter().any(|pair| text.contains(pair)) {
        return Err("it has a backslash before a quote, which some servers take for an escape".into());
    }
    if has_odd_blank(text, tokens) {
        return Err("it has a blank that some servers take for a part of a name".into());
    }
    if dialect == Dialect::Databricks {
        of_databricks(text, tokens)?;
    }
    for (at, token) in tokens.iter().enumerate() {
        let why = match &token.token {
            Token::Whitespace(Whitespace::MultiLineComment(comment)) if comment.contains("/*") => {
                "it has a comment within a comment"
            }
            // What reads hints goes over quotes in them, beyond the end of the comment.
            Token::Whitespace(Whitespace::MultiLineComment(comment))
                if comment.starts_with('+') && comment.contains(['\'', '"', '`']) =>
            {
                "it has a hint with a quote"
            }
            Token::Whitespace(Whitespace::SingleLineComment { comment, prefix }) => {
                let known = match prefix.as_str() {
                    "--" => true,
                    "#" => matches!(dialect, Dialect::BigQuery | Dialect::MySql),
                    "//" => dialect == Dialect::Snowflake,
                    _ => false,
                };
                if !known {
                    "it has a comment that the server may not take for one"
                } else if dialect == Dialect::MySql && prefix == "--" && !begins_blank(comment) {
                    "it has dashes that the server may not take for a comment"
                } else if dialect == Dialect::Databricks && comment.trim_end_matches('\r').ends_with('\\') {
                    "it has a comment that goes on in the next line"
                } else if comment.trim_end_matches(['\r', '\n']).contains(LINE_ENDS) {
                    "it has a comment that some servers end earlier"
                } else {
                    continue;
                }
            }
            Token::Word(word) if word.quote_style.is_some() && word.value.contains('\\') => {
                "it has a quoted name with a backslash"
            }
            Token::SingleQuotedRawStringLiteral(raw)
            | Token::DoubleQuotedRawStringLiteral(raw)
            | Token::TripleSingleQuotedRawStringLiteral(raw)
            | Token::TripleDoubleQuotedRawStringLiteral(raw)
            // The parser sees no escapes in bytes, and BigQuery does.
            | Token::SingleQuotedByteStringLiteral(raw)
            | Token::DoubleQuotedByteStringLiteral(raw)
            | Token::TripleSingleQuotedByteStringLiteral(raw)
            | Token::TripleDoubleQuotedByteStringLiteral(raw)
                if raw.contains("\\'") || raw.contains("\\\"") || raw.ends_with('\\') =>
            {
                "it has a raw string, or bytes, with a backslash before a quote"
            }
            Token::HexStringLiteral(digits) if !digits.chars().all(|c| c.is_ascii_hexdigit()) => {
                "it has hexadecimal digits that are none"
            }
            Token::DollarQuotedString(string) if dialect == Dialect::Snowflake && string.tag.is_some() => {
                "it has a name in dollars, which begins no string there"
            }
            // The pipe: any statement may stand behind it. No statement is a text or a number.
            Token::LongArrow if dialect == Dialect::Snowflake && !is_value_behind(tokens, at) => {
                "it pipes its result into another statement"
            }
            Token::Word(word) if dialect == Dialect::Redshift && word.quote_style == Some('[') => {
                "it has square brackets, which quote nothing there"
            }
            Token::DollarQuotedString(_) if !has_dollar_quotes(dialect) => {
                "it has a string in dollars, which the server may not know"
            }
            Token::DoubleQuotedString(string) if string.contains('\\') && !escapes => {
                "it has a quoted name with a backslash"
            }
            _ => continue,
        };
        return Err(why.into());
    }
    Ok(())
}

/// What only Databricks cuts in its way.
fn of_databricks(text: &str, tokens: &[TokenWithSpan]) -> Result<(), Cow<'static, str>> {
    if text.contains("${") {
        return Err("it has a variable, which is put in before the text is read".into());
    }
    let raw = (0..tokens.len()).any(|at| begins_raw_string(tokens, at));
    // Whichever string it belongs to: what is cut wrongly before it cannot be told.
    if raw && (text.contains("\\'") || text.contains("\\\"")) {
        return Err("it has a raw string, and a backslash before a quote".into());
    }
    Ok(())
}

/// Whether it is the `r` of `r'…'`, for which Databricks has raw strings and the parser has none.
pub(super) fn begins_raw_string(tokens: &[TokenWithSpan], at: usize) -> bool {
    let (Some(front), Some(behind)) = (tokens.get(at), tokens.get(at + 1)) else { return false };
    let Token::Word(word) = &front.token else { return false };
    word.quote_style.is_none()
        && word.value.eq_ignore_ascii_case("r")
        && matches!(behind.token, Token::SingleQuotedString(_) | Token::DoubleQuotedString(_))
        && front.span.end == behind.span.start
}

/// Whether a blank that is not ASCII parts two tokens: for some servers it is a letter, or ends no comment sign.
fn has_odd_blank(text: &str, tokens: &[TokenWithSpan]) -> bool {
    if text.is_ascii() {
        return false;
    }
    let (mut rest, mut at) = (text.chars(), Location::new(1, 1));
    tokens.iter().any(|token| {
        while at < token.span.start {
            match rest.next() {
                Some('\n') => at = Location::new(at.line + 1, 1),
                Some(_) => at.column += 1,
                None => return false,
            }
        }
        let blank = matches!(token.token, Token::Whitespace(Whitespace::Space));
        blank && rest.clone().next().is_some_and(|c| !c.is_ascii())
    })
}

/// MySQL wants a blank behind `--`, and knows those of ASCII.
fn begins_blank(comment: &str) -> bool {
    comment.is_empty() || comment.starts_with(|c: char| c.is_ascii_whitespace())
}

fn is_value_behind(tokens: &[TokenWithSpan], at: usize) -> bool {
    let mut behind = tokens.iter().skip(at + 1).map(|token| &token.token);
    let next = behind.find(|token| !matches!(token, Token::Whitespace(_)));
    matches!(next, Some(Token::SingleQuotedString(_) | Token::Number(..) | Token::Placeholder(_)))
}

/// Whether a word that begins a statement stands where an alias could: T-SQL parts statements by nothing.
pub(super) fn has_statement_for_alias(text: &str) -> bool {
    let Ok(tokens) = Tokenizer::new(&MsSqlDialect {}, text).tokenize() else { return false };
    let mut ended = false;
    for token in &tokens {
        match token {
            Token::Whitespace(_) => continue,
            Token::Word(word) if word.quote_style.is_none() => {
                if ended && STATEMENT_WORDS.iter().any(|known| word.value.eq_ignore_ascii_case(known)) {
                    return true;
                }
                // `NULL`, `TRUE`, `END` are words of the language, and end an expression all the same.
                ended = word.keyword == Keyword::NoKeyword || !JOINING.contains(&word.keyword);
            }
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::Mul
            | Token::Placeholder(_)
            | Token::RParen
            | Token::RBracket
            | Token::RBrace => ended = true,
            _ => ended = false,
        }
    }
    false
}

/// Whether parsing the tokens, or walking what comes of them, would go deeper than the stack is meant for: brackets in
/// brackets, and chains of operators, which become trees that are as deep as the chain is long.
pub(super) fn is_too_deep(tokens: &[TokenWithSpan]) -> bool {
    let mut levels: Vec<usize> = vec![0];
    let mut run = 0;
    for token in tokens {
        let step = match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => {
                levels.push(0);
                0
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                levels.pop();
                0
            }
            Token::SemiColon => {
                levels.clear();
                0
            }
            Token::Comma => {
                levels.pop();
                levels.push(0);
                0
            }
            Token::Word(word) if word.quote_style.is_some() || word.keyword == Keyword::NoKeyword => 0,
            Token::Word(word) if FLAT.contains(&word.keyword) => {
                run += 1;
                0
            }
            Token::Period | Token::Number(..) | Token::SingleQuotedString(_) | Token::EOF => 0,
            _ => {
                run += 1;
                1
            }
        };
        if levels.is_empty() {
            levels.push(0);
        }
        if let Some(level) = levels.last_mut() {
            *level += step;
        }
        let is_name = match &token.token {
            Token::Word(word) => word.keyword == Keyword::NoKeyword || word.quote_style.is_some(),
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Comma | Token::SemiColon => true,
            _ => false,
        };
        if is_name {
            run = 0;
        }
        if run > RUN_MAX || levels.len() > LEVELS_MAX || levels.iter().sum::<usize>() > CHAIN_MAX {
            return true;
        }
    }
    false
}

/// `SHOW …`, `DESCRIBE …`, `EXISTS TABLE …` in words of a dialect that the parser does not know: one statement, with
/// nothing in it that could be called.
pub(super) fn only_shows(tokens: &[TokenWithSpan]) -> bool {
    let mut tokens =
        tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_)));
    let Some(Token::Word(first)) = tokens.next() else { return false };
    let shows =
        ["show", "describe", "desc", "exists"].iter().any(|word| first.value.eq_ignore_ascii_case(word));
    let mut ended = false;
    first.quote_style.is_none()
        && shows
        && tokens.all(|token| match token {
            Token::SemiColon => !std::mem::replace(&mut ended, true),
            Token::EOF => true,
            // `DESC ANALYZE` runs what it describes.
            Token::Word(word) if analyzes(&word.value) => false,
            Token::Word(_) | Token::Period | Token::SingleQuotedString(_) | Token::Number(..) => !ended,
            _ => false,
        })
}

/// `ANALYZE`, which PostgreSQL takes in British spelling as well.
pub(super) fn analyzes(word: &str) -> bool {
    ["analyze", "analyse"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Why dialects differ on where the strings and comments of a text end.
pub(super) fn between_dialects(text: &str) -> Option<&'static str> {
    let dashes = text.split("--").skip(1).any(|behind| !begins_blank(behind));
    let lines = text.replace("\r\n", "\n").contains(LINE_ENDS);
    // `$1` stands for a value, `$.a` is a path: only `$$` and `$name$` quote.
    let dollars = text.split('$').skip(1).collect::<Vec<_>>();
    let quotes = dollars.iter().enumerate().any(|(nth, behind)| {
        let last = nth + 1 == dollars.len();
        !last && !behind.starts_with(|c: char| c.is_ascii_digit()) && behind.chars().all(is_tag)
    });
    let differs = dashes
        || quotes
        || lines
        || text.contains(['\\', '#'])
        || text.contains("/*")
        || has_odd_backticks(text);
    differs.then_some("dialects differ on where its strings or comments end")
}

fn is_tag(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

/// Whether something other than a plain name stands in backticks: between those of `` `a` `` nothing begins or ends,
/// whether or not they quote.
fn has_odd_backticks(text: &str) -> bool {
    let mut pieces = text.split('`');
    pieces.next();
    let mut inside = true;
    let plain = |name: &str| name.chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
    for piece in pieces.by_ref() {
        if inside && !plain(piece) {
            return true;
        }
        inside = !inside;
    }
    !inside
}

/// The first word behind blanks and comments.
pub(super) fn first_word(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    text.get(..end).filter(|word| !word.is_empty())
}

const fn has_dollar_quotes(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Postgres | Dialect::Redshift | Dialect::Snowflake)
}

/// What statements of T-SQL begin with, besides queries.
const STATEMENT_WORDS: &[&str] = &[
    "alter",
    "backup",
    "bulk",
    "create",
    "dbcc",
    "delete",
    "deny",
    "drop",
    "exec",
    "execute",
    "grant",
    "insert",
    "kill",
    "merge",
    "reconfigure",
    "restore",
    "revert",
    "revoke",
    "shutdown",
    "truncate",
    "update",
];

/// Words behind which no alias stands.
const JOINING: &[Keyword] = &[
    Keyword::ALL,
    Keyword::AND,
    Keyword::ANALYZE,
    Keyword::AS,
    Keyword::BETWEEN,
    Keyword::BY,
    Keyword::CASE,
    Keyword::DESCRIBE,
    Keyword::DISTINCT,
    Keyword::DO,
    Keyword::ELSE,
    Keyword::EXPLAIN,
    Keyword::FOR,
    Keyword::FROM,
    Keyword::GRANT,
    Keyword::HAVING,
    Keyword::IN,
    Keyword::IS,
    Keyword::JOIN,
    Keyword::LIKE,
    Keyword::NOT,
    Keyword::ON,
    Keyword::OR,
    Keyword::SELECT,
    Keyword::SHOW,
    Keyword::THEN,
    Keyword::UNION,
    Keyword::USING,
    Keyword::VERBOSE,
    Keyword::WHEN,
    Keyword::WHERE,
    Keyword::WITH,
];

/// Words that part a query and nest nothing.
const FLAT: &[Keyword] = &[
    Keyword::SELECT,
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::AS,
    Keyword::ON,
    Keyword::JOIN,
    Keyword::LEFT,
    Keyword::RIGHT,
    Keyword::INNER,
    Keyword::OUTER,
    Keyword::FULL,
    Keyword::CROSS,
    Keyword::USING,
    Keyword::GROUP,
    Keyword::ORDER,
    Keyword::BY,
    Keyword::ASC,
    Keyword::DESC,
    Keyword::LIMIT,
    Keyword::END,
];

const LEVELS_MAX: usize = 24;
/// Conditions and sums in one expression, those around it included.
const CHAIN_MAX: usize = 150;
/// Words and signs with no name or value between them.
const RUN_MAX: usize = 40;

/// What ends a line somewhere.
const LINE_ENDS: [char; 6] = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
