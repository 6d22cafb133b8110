//! People: keyed by (issuer, subject) of the identity provider, never by e-mail or display name.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The issuer of accounts that Holdpoint keeps itself.
pub const LOCAL_ISSUER: &str = "local";

/// One human. Written `issuer|subject`; a plain word is a local account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Person {
    pub issuer: String,
    pub subject: String,
}

/// The text names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a person is written `name` (a local account) or `issuer|subject`, without blanks or control characters: `{0}`"
)]
pub struct PersonError(String);

impl Person {
    pub fn local(subject: &str) -> Self {
        Self { issuer: LOCAL_ISSUER.to_owned(), subject: subject.to_owned() }
    }

    pub fn is_local(&self) -> bool {
        self.issuer == LOCAL_ISSUER
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_local() {
            f.write_str(&self.subject)
        } else {
            write!(f, "{}|{}", self.issuer, self.subject)
        }
    }
}

impl FromStr for Person {
    type Err = PersonError;

    fn from_str(text: &str) -> Result<Self, PersonError> {
        let (issuer, subject) = text.split_once('|').unwrap_or((LOCAL_ISSUER, text));
        let sound = |part: &str| {
            !part.is_empty()
                && part.len() <= PART_BYTES_MAX
                && !part.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        if !sound(issuer) || !sound(subject) {
            return Err(PersonError(text.escape_debug().to_string()));
        }
        Ok(Self { issuer: issuer.to_owned(), subject: subject.to_owned() })
    }
}

impl From<Person> for String {
    fn from(person: Person) -> Self {
        person.to_string()
    }
}

impl TryFrom<String> for Person {
    type Error = PersonError;

    fn try_from(text: String) -> Result<Self, PersonError> {
        text.parse()
    }
}

const PART_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        for text in ["alice", "https://idp.example|00u1", "a|b|c"] {
            assert_eq!(text.parse::<Person>().unwrap().to_string(), text);
        }
        assert_eq!("local|bob".parse::<Person>().unwrap(), Person::local("bob"));
        for bad in ["", "|", "a b", "x|", "|x", "a\u{0}"] {
            assert!(bad.parse::<Person>().is_err(), "{bad:?}");
        }
    }
}
