//! Channels: the places where holds are shown, by the name that routes call them.

use secrecy::SecretString;
use std::collections::BTreeMap;

/// Where a channel is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A conversation of the Slack workspace: `C0123…`.
    Slack(String),
    /// A conversation of Teams that the bot is in: `19:…@thread.tacv2`.
    Teams(String),
    /// A Power Automate workflow that posts what it is sent. The URL is the secret.
    Workflow(SecretString),
}

/// All channels, by name.
pub type Channels = BTreeMap<String, Place>;

impl Place {
    /// Whether people with this linked account (`slack:TEAM/USER`) are reached through whoever serves this place.
    pub fn reaches(&self, account: &str) -> bool {
        match self {
            Self::Slack(_) => account.starts_with("slack:"),
            Self::Teams(_) => account.starts_with("teams:"),
            Self::Workflow(_) => false,
        }
    }
}
