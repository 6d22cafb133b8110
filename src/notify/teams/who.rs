//! Who somebody in a conversation is: by their object id in Entra, never by a name.
//!
//! The token says that Microsoft sent the activity, and the activity says who clicked. Whether that person is a
//! guest only the list of members tells; it is asked once in a while for each of them.

use super::Bot;
use super::activity::Activity;
use super::connector::Member;
use crate::approval::Channel;
use crate::chat::ChatUser;
use moka::sync::Cache;
use std::time::Duration;

/// What Teams said about people, for a while.
#[derive(Debug)]
pub(super) struct Members(Cache<String, Member>);

impl Default for Members {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(KEPT_MAX).time_to_live(KEPT_FOR).build())
    }
}

/// Why somebody may not vote at all, whoever they are linked to. For them, and for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stranger {
    #[error("Teams did not say whose account this is (no Entra object id)")]
    NoObject,
    #[error("the account is of a tenant that is not allowed here (`teams.tenants`)")]
    Tenant,
    #[error("the account is a guest's")]
    Guest,
    #[error("Teams does not say who this is at the moment; try again")]
    Unsure,
}

/// The account, as far as the activity tells: good enough to write down, not to vote with.
pub(super) fn claimed(activity: &Activity) -> ChatUser {
    let tenant = activity.tenant().unwrap_or_else(|| "unknown".to_owned());
    let object = object_id(activity).unwrap_or_else(|| "unknown".to_owned());
    ChatUser {
        account: format!("teams:{tenant}/{object}"),
        display: activity.from.name.chars().take(NAME_MAX).collect(),
        email: None,
        channel: Channel::Teams,
    }
}

impl Bot {
    /// Whether the activity comes from a tenant of ours.
    pub(super) fn is_of_our_tenants(&self, activity: &Activity) -> bool {
        activity.tenant().is_some_and(|tenant| self.settings.tenants.contains(&tenant))
    }

    /// Who sent it, once it is certain.
    pub(super) async fn sender(&self, activity: &Activity) -> Result<ChatUser, Stranger> {
        let tenant = activity.tenant().filter(|tenant| self.settings.tenants.contains(tenant));
        let tenant = tenant.ok_or(Stranger::Tenant)?;
        let object = object_id(activity).ok_or(Stranger::NoObject)?;
        let user = claimed(activity);
        let member = match self.members.0.get(&user.account) {
            Some(member) => member,
            None => {
                let Activity { service_url, conversation, from, .. } = activity;
                let asking = self.connector.member(service_url, &conversation.id, &from.id);
                let member = match tokio::time::timeout(LOOKUP_MAX, asking).await {
                    Ok(Ok(member)) => member,
                    Ok(Err(error)) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "Teams does not say who clicked"
                        );
                        return Err(Stranger::Unsure);
                    }
                    Err(_) => return Err(Stranger::Unsure),
                };
                self.members.0.insert(user.account.clone(), member.clone());
                member
            }
        };
        judge(&member, &tenant, &object)?;
        Ok(ChatUser {
            display: member.name.map_or(user.display, |name| name.chars().take(NAME_MAX).collect()),
            email: member.user_principal_name,
            ..user
        })
    }
}

/// Whether the entry in the list of members is of that object, of that tenant, and no guest's.
fn judge(member: &Member, tenant: &str, object: &str) -> Result<(), Stranger> {
    let same = |found: &Option<String>, own: &str| found.as_ref().is_none_or(|f| f.eq_ignore_ascii_case(own));
    if !same(&member.aad_object_id, object) || !same(&member.object_id, object) {
        return Err(Stranger::NoObject);
    }
    if member.aad_object_id.is_none() && member.object_id.is_none() {
        return Err(Stranger::NoObject);
    }
    if !same(&member.tenant_id, tenant) {
        return Err(Stranger::Tenant);
    }
    let role = member.user_role.as_deref().unwrap_or("user");
    // A guest's principal name is `ada_example.com#EXT#@tenant…`; an anonymous visitor has none.
    let principal = member.user_principal_name.as_deref().unwrap_or("#ext#").to_ascii_lowercase();
    if !role.eq_ignore_ascii_case("user") || principal.contains("#ext#") {
        return Err(Stranger::Guest);
    }
    Ok(())
}

/// The sender's object id, when it looks like one.
fn object_id(activity: &Activity) -> Option<String> {
    let id = activity.from.aad_object_id.as_ref()?.to_ascii_lowercase();
    let sound =
        (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    sound.then_some(id)
}

const KEPT_MAX: u64 = 10_000;
const KEPT_FOR: Duration = Duration::from_mins(10);
/// Teams gives an invoke some seconds; what is left is for the vote.
const LOOKUP_MAX: Duration = Duration::from_millis(1_800);
const NAME_MAX: usize = 80;
const ID_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_of_the_tenant_pass() {
        let member = |role: &str, principal: &str, tenant: &str| Member {
            user_role: Some(role.to_owned()),
            user_principal_name: Some(principal.to_owned()),
            tenant_id: Some(tenant.to_owned()),
            aad_object_id: Some("OBJ".to_owned()),
            ..Member::default()
        };
        let sound = member("user", "ada@example.com", "T");
        assert_eq!(judge(&sound, "t", "obj"), Ok(()));
        assert_eq!(judge(&member("user", "ada@example.com", "u"), "t", "obj"), Err(Stranger::Tenant));
        assert_eq!(judge(&member("guest", "ada@example.com", "t"), "t", "obj"), Err(Stranger::Guest));
        assert_eq!(judge(&member("anonymous", "", "t"), "t", "obj"), Err(Stranger::Guest));
        assert_eq!(judge(&member("user", "ada_x.com#EXT#@a.b", "t"), "t", "obj"), Err(Stranger::Guest));
        assert_eq!(judge(&sound, "t", "other"), Err(Stranger::NoObject));
        assert_eq!(judge(&Member::default(), "t", "obj"), Err(Stranger::NoObject));
        let unnamed = Member { user_principal_name: None, ..sound };
        assert_eq!(judge(&unnamed, "t", "obj"), Err(Stranger::Guest));
    }
}
