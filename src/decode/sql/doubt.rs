//! Texts that two servers could cut into other tokens, so that what is a string for one is code for the other.

use super::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};
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
    for token in tokens {
        let why = match &token.token {
            Token::Whitespace(Whitespace::MultiLineComment(comment)) if comment.contains("/*") => {
                "it has a comment within a comment"
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
                if raw.contains("\\'") || raw.contains("\\\"") || raw.ends_with('\\') =>
            {
                "it has a raw string with a backslash before a quote"
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
            Token::Word(word) if word.value.eq_ignore_ascii_case("analyze") => false,
            Token::Word(_) | Token::Period | Token::SingleQuotedString(_) | Token::Number(..) => !ended,
            _ => false,
        })
}

/// Why dialects differ on where the strings and comments of a text end.
pub(super) fn between_dialects(text: &str) -> Option<&'static str> {
    let dashes = text
        .split("--")
        .skip(1)
        .any(|behind| !behind.starts_with(|c: char| c.is_whitespace()) && !behind.is_empty());
    // `$1` stands for a value.
    let dollars = text.split('$').skip(1).any(|behind| !behind.starts_with(|c: char| c.is_ascii_digit()));
    let differs =
        dashes || dollars || text.contains(['\\', '#']) || text.contains("/*") || has_odd_backticks(text);
    differs.then_some("dialects differ on where its strings or comments end")
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
