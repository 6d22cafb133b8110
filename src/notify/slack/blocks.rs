//! The pieces of Block Kit that we use, each within its limit by construction.
//!
//! What others wrote goes into `plain_text` objects and into the `text` elements of `rich_text`: Slack shows both as
//! they are. No `mrkdwn` is made of it anywhere. <https://docs.slack.dev/reference/block-kit>

use jiff::Timestamp;
use serde_json::{Value, json};

/// The most that a message may be, all blocks together as JSON, in bytes. Slack refuses more than about 13,200
/// characters with `msg_blocks_too_long` (slackapi/bolt-js issue 2509, nowhere documented); bytes of JSON are never
/// fewer than whatever it counts.
pub const MESSAGE_BYTES_MAX: usize = 13_000;
pub const BLOCKS_MAX: usize = 50;
pub const HEADER_CHARS_MAX: usize = 150;
pub const PLAIN_CHARS_MAX: usize = 3_000;
pub const BUTTON_CHARS_MAX: usize = 75;
pub const URL_CHARS_MAX: usize = 3_000;
pub const CONTEXT_ELEMENTS_MAX: usize = 10;
pub const CONFIRM_TITLE_CHARS_MAX: usize = 100;
pub const CONFIRM_TEXT_CHARS_MAX: usize = 300;
pub const CONFIRM_BUTTON_CHARS_MAX: usize = 30;

/// The text, or its beginning and `…`, in at most so many UTF-16 units. Never empty: Slack refuses that.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.trim().is_empty() {
        return "–".to_owned();
    }
    if text.encode_utf16().count() <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut units = 1; // for the ellipsis
    for character in text.chars() {
        units += character.len_utf16();
        if units > most {
            break;
        }
        kept.push(character);
    }
    kept.push('…');
    kept
}

/// The text, or its beginning and `…`, in at most so many bytes of JSON. Never empty. With this, what a card needs
/// at most is known.
pub(super) fn brief(text: &str, most: usize) -> String {
    if text.is_empty() {
        return "–".to_owned();
    }
    if text_size(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut bytes = '…'.len_utf8();
    for character in text.chars() {
        bytes += text_size(character.encode_utf8(&mut [0; 4]));
        if bytes > most {
            break;
        }
        kept.push(character);
    }
    kept.push('…');
    kept
}

/// For the few lines that are in Slack's markup: notifications and answers to one user.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

pub(super) fn plain(text: &str, most: usize) -> Value {
    json!({ "type": "plain_text", "text": cut(text, most), "emoji": false })
}

pub(super) fn header(text: &str) -> Value {
    json!({ "type": "header", "text": plain(text, HEADER_CHARS_MAX) })
}

pub(super) fn divider() -> Value {
    json!({ "type": "divider" })
}

/// Small print.
pub(super) fn context(lines: &[String]) -> Value {
    let elements: Vec<Value> = lines
        .iter()
        .take(CONTEXT_ELEMENTS_MAX)
        .map(|line| plain(&brief(line, SMALL_BYTES_MAX), 300))
        .collect();
    json!({ "type": "context", "elements": elements })
}

/// A part of a line.
pub(super) enum Part<'a> {
    Plain(&'a str),
    Bold(&'a str),
    Code(&'a str),
    /// In the reader's time zone.
    Moment(Timestamp),
    /// Is told that somebody named them.
    User(&'a str),
    Link {
        url: &'a str,
        text: &'a str,
    },
}

impl Part<'_> {
    fn element(&self) -> Value {
        match self {
            Self::Plain(text) => json!({ "type": "text", "text": brief(text, PART_BYTES_MAX) }),
            Self::Bold(text) => {
                json!({ "type": "text", "text": brief(text, PART_BYTES_MAX), "style": { "bold": true } })
            }
            Self::Code(text) => {
                json!({ "type": "text", "text": brief(text, PART_BYTES_MAX), "style": { "code": true } })
            }
            Self::Moment(at) => json!({
                "type": "date",
                "timestamp": at.as_second(),
                "format": "{date_short_pretty} at {time}",
                "fallback": at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            }),
            Self::User(id) => json!({ "type": "user", "user_id": id }),
            Self::Link { url, text } => json!({ "type": "link", "url": url, "text": text }),
        }
    }
}

/// One line of text.
pub(super) fn line(parts: &[Part<'_>]) -> Value {
    json!({ "type": "rich_text_section", "elements": elements(parts) })
}

/// What somebody else says, set apart.
pub(super) fn quote(text: &str) -> Value {
    json!({ "type": "rich_text_quote", "elements": elements(&[Part::Plain(text)]) })
}

/// Text as it is, in a fixed pitch. It is never cut here: whoever calls has made sure that there is room.
pub(super) fn preformatted(text: &str) -> Value {
    let text = if text.is_empty() { "–" } else { text };
    json!({ "type": "rich_text_preformatted", "elements": [{ "type": "text", "text": text }] })
}

pub(super) fn rich(sections: Vec<Value>) -> Value {
    json!({ "type": "rich_text", "elements": Value::Array(sections) })
}

fn elements(parts: &[Part<'_>]) -> Vec<Value> {
    parts.iter().map(Part::element).collect()
}

/// A button that is answered with its value.
pub(super) fn button(action: &str, label: &str, value: &str, style: &str) -> Value {
    json!({
        "type": "button", "action_id": action, "text": plain(label, BUTTON_CHARS_MAX),
        "value": value, "style": style,
    })
}

/// Asks once more before the button counts.
pub(super) fn asking(mut button: Value, title: &str, text: &str, yes: &str) -> Value {
    if let Value::Object(entries) = &mut button {
        entries.insert("confirm".to_owned(), confirm(title, text, yes));
    }
    button
}

fn confirm(title: &str, text: &str, yes: &str) -> Value {
    json!({
        "title": plain(title, CONFIRM_TITLE_CHARS_MAX),
        "text": plain(text, CONFIRM_TEXT_CHARS_MAX),
        "confirm": plain(yes, CONFIRM_BUTTON_CHARS_MAX),
        "deny": plain("Back", CONFIRM_BUTTON_CHARS_MAX),
    })
}

/// A button that opens a page. One press of it is told to us as well, and ignored.
pub(super) fn open(label: &str, url: &str) -> Value {
    json!({ "type": "button", "action_id": OPEN, "text": plain(label, BUTTON_CHARS_MAX), "url": url })
}

pub(super) fn actions(buttons: Vec<Value>) -> Value {
    json!({ "type": "actions", "elements": Value::Array(buttons) })
}

/// Bytes as JSON.
pub(super) fn size(value: &Value) -> usize {
    value.to_string().len()
}

/// Bytes of a text as JSON, without its quotes.
pub(super) fn text_size(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len().saturating_sub(2))
}

pub(super) const OPEN: &str = "open";
/// Ours, not Slack's: no line of a card needs more.
const PART_BYTES_MAX: usize = 600;
const SMALL_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cut_text_is_no_longer_than_asked_and_never_empty(text in any::<String>(), most in 1usize..200) {
            let kept = cut(&text, most);
            prop_assert!(kept.encode_utf16().count() <= most && !kept.is_empty());
            prop_assert!(kept == "–" || kept == text || kept.ends_with('…'));
        }

        #[test]
        fn a_brief_text_is_no_larger_than_asked(text in any::<String>(), most in 10usize..200) {
            prop_assert!(text_size(&brief(&text, most)) <= most);
        }

        #[test]
        fn nothing_escaped_is_markup(text in any::<String>()) {
            prop_assert!(!escaped(&text).contains(['<', '>']));
        }
    }
}
