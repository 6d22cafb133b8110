//! Who may press a button at all: full members of the configured workspace or organisation, and nobody else.

use super::api::{Identity, User};
use super::payload::Clicker;
use std::fmt;

/// The workspace (`T…`), or the organisation of an Enterprise Grid (`E…`), whose members may act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(String);

/// Why somebody may not act, as recorded and as said to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outsider {
    ForeignWorkspace,
    Stranger,
    Deleted,
    Bot,
    Guest,
    /// Slack does not say enough of them.
    Unclear,
}

impl fmt::Display for Outsider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForeignWorkspace => "the account is of another workspace",
            Self::Stranger => "the account is of another organisation",
            Self::Deleted => "the account is deactivated",
            Self::Bot => "the account is a bot",
            Self::Guest => "the account is a guest",
            Self::Unclear => "Slack does not say what kind of account it is",
        })
    }
}

impl Home {
    /// The configured one, which the token must be of; or else the workspace of the token.
    ///
    /// # Errors
    /// The token is of another: what to say.
    pub fn of(configured: Option<&str>, token: &Identity) -> Result<Self, String> {
        let Some(configured) = configured else { return Ok(Self(token.team_id.clone())) };
        let of_token = [Some(token.team_id.as_str()), token.enterprise_id.as_deref()];
        if of_token.contains(&Some(configured)) {
            return Ok(Self(configured.to_owned()));
        }
        let team = &token.team_id;
        Err(format!("`slack.bot-token` is of the workspace `{team}`, but `slack.team` is `{configured}`"))
    }

    fn is_organisation(&self) -> bool {
        self.0.starts_with('E')
    }

    /// What the payload says, before Slack is asked about the user.
    ///
    /// # Errors
    /// Done in, or by somebody of, another workspace.
    pub fn admit(&self, who: &Clicker) -> Result<(), Outsider> {
        let known = if self.is_organisation() {
            who.enterprise.as_deref() == Some(&self.0)
        } else {
            who.team.as_deref() == Some(&self.0) && who.home.as_deref().is_none_or(|home| home == self.0)
        };
        if known { Ok(()) } else { Err(Outsider::ForeignWorkspace) }
    }

    /// What Slack says of the user.
    ///
    /// # Errors
    /// They are no full member.
    pub fn accept(&self, user: &User) -> Result<(), Outsider> {
        if user.is_stranger {
            return Err(Outsider::Stranger);
        }
        let of_home = if self.is_organisation() {
            user.enterprise_user.as_ref().and_then(|e| e.enterprise_id.as_deref()) == Some(&self.0)
        } else {
            user.team_id.as_deref() == Some(&self.0)
        };
        if !of_home {
            return Err(Outsider::ForeignWorkspace);
        }
        if user.deleted != Some(false) {
            return Err(if user.deleted.is_some() { Outsider::Deleted } else { Outsider::Unclear });
        }
        if user.is_bot == Some(true) || user.is_workflow_bot || user.id == SLACKBOT {
            return Err(Outsider::Bot);
        }
        if user.is_restricted == Some(true) || user.is_ultra_restricted == Some(true) {
            return Err(Outsider::Guest);
        }
        match (user.is_bot, user.is_restricted, user.is_ultra_restricted) {
            (Some(false), Some(false), Some(false)) => Ok(()),
            _ => Err(Outsider::Unclear),
        }
    }

    /// How their account is kept: `slack:T1/U1`. Users of an organisation have one id in all its workspaces.
    pub fn account(&self, user: &str) -> String {
        format!("slack:{}/{user}", self.0)
    }

    /// The user of [`Self::account`], if it is one of ours.
    pub fn user<'a>(&self, account: &'a str) -> Option<&'a str> {
        account.strip_prefix("slack:")?.strip_prefix(&self.0)?.strip_prefix('/')
    }
}

/// The name that they are shown by.
pub fn display(user: &User) -> String {
    let names = [&user.profile.display_name, &user.profile.real_name, &user.name, &user.id];
    names.into_iter().find(|name| !name.trim().is_empty()).cloned().unwrap_or_default()
}

/// Slack's own robot counts as a user, not as a bot.
const SLACKBOT: &str = "USLACKBOT";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn user(change: &Value) -> User {
        let mut user = json!({
            "id": "U1", "team_id": "T1", "name": "ann", "deleted": false, "is_bot": false,
            "is_restricted": false, "is_ultra_restricted": false, "profile": { "real_name": "Ann" },
        });
        let change = change.as_object().unwrap().clone();
        user.as_object_mut().unwrap().extend(change);
        user.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        serde_json::from_value(user).unwrap()
    }

    #[test]
    fn full_members_and_nobody_else() {
        let home = Home("T1".to_owned());
        for (change, expected) in [
            (json!({}), Ok(())),
            (json!({ "team_id": "T2" }), Err(Outsider::ForeignWorkspace)),
            (json!({ "team_id": null }), Err(Outsider::ForeignWorkspace)),
            (json!({ "is_stranger": true }), Err(Outsider::Stranger)),
            (json!({ "deleted": true }), Err(Outsider::Deleted)),
            (json!({ "deleted": null }), Err(Outsider::Unclear)),
            (json!({ "is_bot": true }), Err(Outsider::Bot)),
            (json!({ "is_workflow_bot": true }), Err(Outsider::Bot)),
            (json!({ "id": "USLACKBOT" }), Err(Outsider::Bot)),
            (json!({ "is_restricted": true }), Err(Outsider::Guest)),
            (json!({ "is_ultra_restricted": true }), Err(Outsider::Guest)),
            (json!({ "is_bot": null }), Err(Outsider::Unclear)),
            (json!({ "is_restricted": null }), Err(Outsider::Unclear)),
        ] {
            assert_eq!(home.accept(&user(&change)), expected, "{change}");
        }
    }

    #[test]
    fn an_organisation_is_known_by_its_own_id() {
        let home = Home("E1".to_owned());
        let of = |enterprise: &str| {
            user(&json!({ "team_id": "T9", "enterprise_user": { "enterprise_id": enterprise } }))
        };
        assert_eq!(home.accept(&of("E1")), Ok(()));
        assert_eq!(home.accept(&of("E2")), Err(Outsider::ForeignWorkspace));
        assert_eq!(home.accept(&user(&json!({ "team_id": "E1" }))), Err(Outsider::ForeignWorkspace));
        let clicker = |team: Option<&str>, enterprise: Option<&str>| Clicker {
            id: "U1".to_owned(),
            team: team.map(str::to_owned),
            enterprise: enterprise.map(str::to_owned),
            home: None,
        };
        assert_eq!(home.admit(&clicker(None, Some("E1"))), Ok(()));
        assert_eq!(home.admit(&clicker(Some("E1"), None)), Err(Outsider::ForeignWorkspace));
        let workspace = Home("T1".to_owned());
        assert_eq!(workspace.admit(&clicker(Some("T1"), None)), Ok(()));
        assert_eq!(workspace.admit(&clicker(None, Some("T1"))), Err(Outsider::ForeignWorkspace));
    }

    #[test]
    fn the_token_must_be_of_the_configured_workspace() {
        let token: Identity =
            serde_json::from_value(json!({ "team_id": "T1", "enterprise_id": "E1" })).unwrap();
        assert_eq!(Home::of(None, &token), Ok(Home("T1".to_owned())));
        assert_eq!(Home::of(Some("T1"), &token), Ok(Home("T1".to_owned())));
        assert_eq!(Home::of(Some("E1"), &token), Ok(Home("E1".to_owned())));
        assert!(Home::of(Some("T2"), &token).is_err());
    }
}
