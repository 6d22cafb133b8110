//! Sections `identity`, `roles` and `step-up`: who people are, what their groups entitle to, and what counts as a
//! fresh, strong login.

use super::read::{Field, Reader};
use super::tree::Node;
use crate::approval::{Charter, StepUp};
use crate::identity::Settings;
use crate::outbound::is_safe;
use crate::role::{Names, Role, RoleGrant, Roles, Scope};
use std::path::Path;
use std::time::Duration;

/// Reads the three sections. No `identity.issuer`: there are local accounts only.
pub(super) fn people(reader: &mut Reader, base: &Path) -> (Option<Settings>, Charter) {
    let roles = reader.take("roles", |field, node| field.list(node, entry));
    let has_roles = roles.as_ref().is_some_and(|entries| !entries.is_empty());
    let mut step_up = StepUp::default();
    if let Some(max_age) = reader.take("step-up.max-age", Field::duration) {
        step_up.max_age = max_age;
    }
    step_up.acr = reader.take("step-up.acr", |field, node| field.list(node, Field::text)).unwrap_or_default();
    let identity = identity(reader, base, &mut step_up, has_roles);
    let charter = Charter {
        roles: roles.map_or_else(Roles::default, Roles::of),
        groups_fresh: identity.as_ref().map(|identity| identity.groups_fresh),
        step_up,
    };
    (identity, charter)
}

fn identity(reader: &mut Reader, base: &Path, step_up: &mut StepUp, has_roles: bool) -> Option<Settings> {
    let text = |reader: &mut Reader, key| reader.take(key, Field::text);
    let client_secret = reader.take("identity.client-secret", |field, node| field.secret(node, base));
    let scopes = reader.take("identity.scopes", scopes);
    let groups_claim = text(reader, "identity.groups-claim").unwrap_or_else(|| "groups".to_owned());
    let person_key = text(reader, "identity.person-key");
    let slack_claim = text(reader, "identity.slack-claim");
    let teams_claim = text(reader, "identity.teams-claim");
    let match_email = reader.take("identity.match-email", Field::boolean).unwrap_or_default();
    let groups_fresh = reader.take("identity.groups-fresh", Field::duration).unwrap_or(GROUPS_FRESH);
    let api_audience = text(reader, "identity.api.audience");
    let deciding_clients =
        reader.take("identity.api.deciding-clients", |field, node| field.list(node, Field::text));
    let cli_client_id = text(reader, "identity.cli-client-id");
    let device_client_id = text(reader, "identity.device-client-id");
    // The keys that must be there are read last, so that what they lack can be said at their place.
    let has_issuer = reader.has("identity.issuer");
    let client_id = reader.take("identity.client-id", |field, node| {
        if has_issuer {
            return field.text(node);
        }
        field.lacks(
            node,
            "`identity` has no `issuer`",
            "add `issuer: https://…`, the address of your provider",
        )
    });
    let issuer = reader.take("identity.issuer", |field, node| {
        let issuer = issuer(field, node)?;
        if !has_roles {
            let help = "say which groups decide, such as `roles: [{ group: platform-oncall, role: reviewer }]`: \
                        without it nobody who signs in could do anything";
            return field.lacks(node, "`identity` is set, but `roles` is not", help);
        }
        if client_id.is_none() {
            let help = "add `client-id:`, as your provider shows it for the application";
            return field.lacks(node, "`identity` has no `client-id`", help);
        }
        Some(issuer)
    })?;
    step_up.local = false;
    Some(Settings {
        issuer,
        client_id: client_id?,
        client_secret,
        scopes: scopes.unwrap_or_else(|| ["openid", "profile", "email"].map(str::to_owned).to_vec()),
        groups_claim,
        person_key,
        slack_claim,
        teams_claim,
        slack_team: None,
        teams_tenant: None,
        match_email,
        groups_fresh,
        step_up: step_up.clone(),
        api_audience,
        deciding_clients: deciding_clients.unwrap_or_default(),
        cli_client_id,
        device_client_id,
    })
}

/// To the letter as the provider writes it: a slash at the end makes another issuer.
fn issuer(field: &mut Field, node: &Node) -> Option<String> {
    let expected =
        "the provider's issuer, such as `https://acme.okta.com` (plain http is for this machine only)";
    field.parsed(node, expected, |text| {
        let url = url::Url::parse(text).ok().filter(is_safe)?;
        (url.query().is_none() && url.fragment().is_none()).then(|| text.to_owned())
    })
}

fn scopes(field: &mut Field, node: &Node) -> Option<Vec<String>> {
    let scopes = field.list(node, Field::text)?;
    if scopes.iter().any(|scope| scope == "openid") {
        return Some(scopes);
    }
    field.wrong(node, "a list with `openid` in it")
}

/// `{ group: platform-oncall, role: reviewer, rules: ["github/*"], tags: [..], agents: ["ci-*"] }`.
fn entry(field: &mut Field, node: &Node) -> Option<RoleGrant> {
    let mut entries = field.object(node, &["group", "role", "rules", "tags", "agents"])?;
    let (Some(group), Some(role)) = (entries.take("group"), entries.take("role")) else {
        return field.wrong(node, "a `group` and its `role`");
    };
    let group = field.text(group);
    let role = field.parsed(role, "`reviewer`, `auditor` or `admin`", |text| match text {
        "reviewer" => Some(Role::Reviewer),
        "auditor" => Some(Role::Auditor),
        "admin" => Some(Role::Admin),
        _ => None,
    });
    let mut names = |name: &str| match entries.take(name) {
        None => Some(Names::default()),
        Some(node) => names(field, node),
    };
    let (rules, tags, agents) = (names("rules"), names("tags"), names("agents"));
    Some(RoleGrant {
        group: group?,
        role: role?,
        scope: Scope { rules: rules?, tags: tags?, agents: agents? },
    })
}

fn names(field: &mut Field, node: &Node) -> Option<Names> {
    let globs = field.list(node, Field::text)?;
    let names = (!globs.is_empty()).then(|| Names::of(&globs).ok()).flatten();
    names.or_else(|| field.wrong(node, "patterns such as `github/*`; leave the key out to mean all"))
}

const GROUPS_FRESH: Duration = Duration::from_hours(12);
