//! What the claims of a person mean here. Pure: nothing here asks anybody.

use super::{IdentityError, Settings};
use crate::approval::{Login, LoginBy};
use crate::person::Person;
use crate::store::Profile;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

impl Settings {
    /// Whether the claim of the groups is there at all.
    pub(super) fn has_groups(&self, claims: &Value) -> bool {
        find(claims, &self.groups_claim).is_some_and(|groups| !groups.is_null())
    }

    /// The person of verified claims. `at` is when the provider said so.
    ///
    /// # Errors
    /// A claim that is needed is not there, or is not what it should be.
    pub(super) fn profile(&self, claims: &Value, at: Timestamp) -> Result<Profile, IdentityError> {
        let unusable = |claim: &str| IdentityError::Claim(claim.to_owned());
        let subject = claims.get("sub").and_then(Value::as_str).ok_or_else(|| unusable("sub"))?;
        let person: Person = format!("{}|{subject}", self.issuer).parse().map_err(|_| unusable("sub"))?;
        let key = match &self.person_key {
            None => None,
            Some(claim) => match find(claims, claim) {
                None => None,
                Some(value) => Some(word(value).ok_or_else(|| unusable(claim))?),
            },
        };
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
        let display = text("name").or_else(|| text("preferred_username")).or_else(|| text("email"));
        let display: String =
            display.unwrap_or(subject).chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
        Ok(Profile {
            groups: self.groups(claims)?,
            email: verified_email(claims),
            display: if display.trim().is_empty() { subject.to_owned() } else { display.trim().to_owned() },
            person,
            key,
            groups_at: at,
        })
    }

    fn groups(&self, claims: &Value) -> Result<BTreeSet<String>, IdentityError> {
        let name = &self.groups_claim;
        let unusable = || IdentityError::Claim(name.clone());
        match find(claims, name).filter(|groups| !groups.is_null()) {
            None => {
                // Entra leaves the claim out when there would be too many.
                let left_out = claims.get("_claim_names").is_some_and(|names| names.get(name).is_some());
                let many = name == "groups" && claims.get("hasgroups").is_some();
                if left_out || many { Err(IdentityError::GroupsOverage) } else { Ok(BTreeSet::new()) }
            }
            Some(Value::String(one)) => Ok(BTreeSet::from([one.clone()])),
            Some(Value::Array(many)) if many.len() <= GROUPS_MAX => {
                many.iter().map(|group| group.as_str().map(str::to_owned).ok_or_else(unusable)).collect()
            }
            Some(_) => Err(unusable()),
        }
    }

    /// How they showed who they are.
    pub(super) fn login(&self, claims: &Value, by: LoginBy) -> Login {
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str).map(str::to_owned);
        let list = |claim: &str| -> Vec<String> {
            let list = claims.get(claim).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        // Entra says in `acrs` which authentication contexts were met, and nothing useful in `acr`.
        let met = |context: &String| self.step_up.acr.contains(context);
        let context = if self.is_entra() { list("acrs").into_iter().find(met) } else { None };
        let at = claims.get("auth_time").and_then(Value::as_i64);
        Login {
            by,
            at: at.and_then(|at| Timestamp::from_second(at).ok()),
            acr: context.or_else(|| text("acr")),
            amr: list("amr"),
            account: None,
        }
    }

    /// The chat accounts that the claims name, as `slack:TEAM/USER` and `teams:TENANT/OBJECT`.
    pub(super) fn accounts(&self, claims: &Value) -> Vec<String> {
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
        let named = |service: &str, claim: &Option<String>, home: &Option<String>| {
            let value = word(find(claims, claim.as_deref()?)?)?;
            match (value.contains('/'), home) {
                (true, _) => Some(format!("{service}:{value}")),
                (false, Some(home)) => Some(format!("{service}:{home}/{value}")),
                (false, None) => None,
            }
        };
        let mut accounts: Vec<String> = Vec::new();
        accounts.extend(named("slack", &self.slack_claim, &self.slack_team));
        accounts.extend(named("teams", &self.teams_claim, &self.teams_tenant));
        if self.is_entra()
            && let (Some(tenant), Some(object)) = (text("tid"), text("oid"))
        {
            accounts.push(format!("teams:{tenant}/{object}"));
        }
        accounts.sort();
        accounts.dedup();
        accounts
    }

    /// Whether the issuer is Microsoft Entra, in any of its clouds.
    pub fn is_entra(&self) -> bool {
        let host = url::Url::parse(&self.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.is_some_and(|host| ENTRA.contains(&host.as_str()))
    }
}

/// A claim by name, or by JSON pointer (RFC 6901). A claim whose name has slashes (`https://acme.example/groups`)
/// is a name, as long as it does not start with one.
fn find<'c>(claims: &'c Value, claim: &str) -> Option<&'c Value> {
    if claim.starts_with('/') { claims.pointer(claim) } else { claims.get(claim) }
}

/// An identifier: a text without blanks, or a number.
fn word(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let sound = !text.is_empty()
        && text.len() <= WORD_BYTES_MAX
        && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    sound.then_some(text)
}

/// Only an address that the provider has verified; Entra says so in `xms_edov`.
fn verified_email(claims: &Value) -> Option<String> {
    let email = claims.get("email")?.as_str()?;
    let says_yes = |claim: &str| match claims.get(claim) {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) => text == "true" || text == "1",
        Some(Value::Number(number)) => number.as_i64() == Some(1),
        _ => false,
    };
    (says_yes("email_verified") || says_yes("xms_edov")).then(|| email.to_owned())
}

const ENTRA: &[&str] = &[
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "sts.windows.net",
];
const SHOWN_MAX: usize = 120;
const GROUPS_MAX: usize = 2000;
const WORD_BYTES_MAX: usize = 255;
