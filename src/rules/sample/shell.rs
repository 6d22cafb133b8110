//! One command line, taken into words as a POSIX shell does (POSIX.1-2024 XCU §2.2), with bash's `$'…'`.
//!
//! Nothing is expanded: `$TOKEN` stays as it is. What would be more than one plain command is refused,
//! but for a pipe, behind which nothing matters.

use super::SampleError;
use std::iter::Peekable;
use std::str::Chars;

/// # Errors
/// Unbalanced quotes, and operators that would make it more than one command.
pub(super) fn words(command: &str) -> Result<Vec<String>, SampleError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' if words.is_empty() && word.is_none() => {}
            '|' => break,
            '\n' if chars.clone().all(char::is_whitespace) => break,
            '\n' | ';' | '&' | '<' | '>' | '(' | ')' => {
                let what = if c == '\n' { "line break".to_owned() } else { format!("`{c}`") };
                return Err(SampleError::written(format!("there is a {what} outside quotes: quote it")));
            }
            c if c.is_whitespace() => words.extend(word.take()),
            '\\' => match chars.next() {
                Some('\n') => {}
                // A file from another system: the line ends in CR LF.
                Some('\r') if chars.peek() == Some(&'\n') => drop(chars.next()),
                Some(next) => word.get_or_insert_default().push(next),
                None => {}
            },
            '\'' => single(&mut chars, word.get_or_insert_default())?,
            '"' => double(&mut chars, word.get_or_insert_default())?,
            '$' if chars.peek() == Some(&'\'') => {
                chars.next();
                ansi(&mut chars, word.get_or_insert_default())?;
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single(chars: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), SampleError> {
    loop {
        match chars.next() {
            Some('\'') => return Ok(()),
            Some(c) => word.push(c),
            None => return Err(SampleError::written("a `'` is not closed")),
        }
    }
}

fn double(chars: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), SampleError> {
    loop {
        match chars.next() {
            Some('"') => return Ok(()),
            Some('\\') => match chars.next() {
                Some('\n') => {}
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => return Err(SampleError::written("a `\"` is not closed")),
            },
            Some(c) => word.push(c),
            None => return Err(SampleError::written("a `\"` is not closed")),
        }
    }
}

/// `$'…'`: what browsers write when they copy a request that has line breaks or quotes in it.
fn ansi(chars: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), SampleError> {
    loop {
        let c = match chars.next() {
            Some('\'') => return Ok(()),
            Some('\\') => chars.next(),
            Some(c) => {
                word.push(c);
                continue;
            }
            None => None,
        };
        match c {
            Some('n') => word.push('\n'),
            Some('r') => word.push('\r'),
            Some('t') => word.push('\t'),
            Some('a') => word.push('\x07'),
            Some('b') => word.push('\x08'),
            Some('e' | 'E') => word.push('\x1b'),
            Some('f') => word.push('\x0c'),
            Some('v') => word.push('\x0b'),
            Some('x') => word.push(byte(number(chars, 16, 2, 0)?)?),
            Some('u') => word.push(number(chars, 16, 4, 0)?),
            Some('U') => word.push(number(chars, 16, 8, 0)?),
            Some(c @ '0'..='7') => word.push(byte(number(chars, 8, 2, c.to_digit(8).unwrap_or(0))?)?),
            Some(c @ ('\\' | '\'' | '"' | '?')) => word.push(c),
            Some(c) => word.extend(['\\', c]),
            None => return Err(SampleError::written("a `$'` is not closed")),
        }
    }
}

/// Up to `digits_max` digits, continuing `value`, as one character.
fn number(
    chars: &mut Peekable<Chars<'_>>,
    radix: u32,
    digits_max: usize,
    mut value: u32,
) -> Result<char, SampleError> {
    for _ in 0..digits_max {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
        value = value.wrapping_mul(radix).wrapping_add(digit);
        chars.next();
    }
    char::from_u32(value).ok_or_else(|| SampleError::written("a `\\u` escape names no character"))
}

/// `\x` and octal escapes are bytes: beyond ASCII they would be parts of characters.
fn byte(c: char) -> Result<char, SampleError> {
    if c.is_ascii() { Ok(c) } else { Err(SampleError::written("write characters beyond ASCII as `\\u…`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, expected: &[&str]) {
        assert_eq!(words(command).expect(command), expected, "{command}");
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        check("curl  a\tb", &["curl", "a", "b"]);
        check("'a b' \"c d\" e\\ f", &["a b", "c d", "e f"]);
        check(r#""a\"b\n\$" 'it'\''s'"#, &[r#"a"b\n$"#, "it's"]);
        check("a '' \"\"", &["a", "", ""]);
        check("curl \\\n  -d x \\\r\n  url\n", &["curl", "-d", "x", "url"]);
        check(r"$'a\nb\'c\x41\u00e9\101'", &["a\nb'cAéA"]);
        check("curl x -H \"A: $TOKEN\" | jq .", &["curl", "x", "-H", "A: $TOKEN"]);
    }

    #[test]
    fn more_than_one_command_is_refused() {
        for bad in [
            "curl a&b=1",
            "curl a; rm x",
            "curl a\nb",
            "curl <x",
            "'a",
            "\"a",
            "$'a",
            "$'\\uD800'",
            "$'\\xff'",
        ] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }
}
