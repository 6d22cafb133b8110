//! What somebody may see and change here by the roles of their groups. Who decides on a hold is judged elsewhere,
//! in the transaction of the vote.

use super::Face;
use super::problem::Problem;
use crate::agents::Enrolled;
use crate::approval::{self, Charter, Reviewer};
use crate::redact::visible;
use crate::role::Role;
use axum::http::StatusCode;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Who has no role sees nothing; with any role, everything.
pub(super) fn may_read(face: &Face, reviewer: &Reviewer) -> bool {
    charter(face).roles.may_read(&reviewer.groups)
}

/// Enrols and revokes. Old groups give nobody this right; where no roles are configured nobody has it but whoever
/// keeps the machine, by the command line.
pub(super) fn is_admin(face: &Face, reviewer: &Reviewer) -> bool {
    let charter = charter(face);
    has_roles(charter)
        && charter.roles.has(Role::Admin, &reviewer.groups)
        && approval::fresh(reviewer, charter, Timestamp::now())
}

/// Has something delivered again. Without roles every account may do everything that is no matter of who decides.
pub(super) fn may_replay(face: &Face, reviewer: &Reviewer) -> bool {
    !has_roles(charter(face)) || is_admin(face, reviewer)
}

/// Changes an agent: its owners and admins.
pub(super) fn may_change(face: &Face, reviewer: &Reviewer, agent: &Enrolled) -> bool {
    agent.agent.owners.contains(&reviewer.person) || is_admin(face, reviewer)
}

/// Enrols an agent of their own: whoever signs in at the identity provider, and local accounts with a role.
pub(super) fn may_enrol(face: &Face, reviewer: &Reviewer) -> bool {
    !reviewer.person.is_local() || may_read(face, reviewer)
}

/// The names of their roles.
pub(super) fn roles(face: &Face, reviewer: &Reviewer) -> Vec<&'static str> {
    let charter = charter(face);
    if !has_roles(charter) {
        return vec![Role::Reviewer.as_str()];
    }
    charter.roles.of_groups(&reviewer.groups).into_iter().map(Role::as_str).collect()
}

/// Whether roles are configured: else being in no group would give the right to read.
fn has_roles(charter: &Charter) -> bool {
    !charter.roles.may_read(&BTreeSet::new())
}

/// What to do for somebody whom no group gives a role.
pub(super) fn no_role_text(reviewer: &Reviewer) -> String {
    let groups: Vec<_> = reviewer.groups.iter().map(|group| format!("`{}`", visible(group))).collect();
    let said = match (groups.is_empty(), reviewer.person.is_local()) {
        (true, true) => "this local account is in no group".to_owned(),
        (true, false) => "the identity provider names no group of yours".to_owned(),
        (false, _) => format!("none of your groups has a role here ({})", groups.join(", ")),
    };
    format!(
        "{said}: ask whoever keeps Holdpoint for a group that stands under `roles:` in its configuration; you are `{}`",
        visible(&reviewer.person.to_string())
    )
}

pub(super) fn no_role(reviewer: &Reviewer) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "no-role").detail(no_role_text(reviewer))
}

pub(super) fn not_admin(what: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "not-an-admin")
        .detail(format!("{what} needs the role `admin`, by groups that were confirmed lately"))
}

fn charter(face: &Face) -> &Charter {
    &face.context.desk.settings().charter
}
