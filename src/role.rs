//! What the groups of the identity provider entitle to.

use crate::ruling::Grounds;
use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What somebody may do here. Nobody has a role by being somebody: groups have roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Decides, within the scope of the entry.
    Reviewer,
    /// Reads everything, decides nothing.
    Auditor,
    /// Enrols and revokes agents, changes settings, revokes grants; decides nothing by this alone.
    Admin,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reviewer => "reviewer",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

/// Names by pattern: `github/*`. Empty: every name.
#[derive(Clone, Default)]
pub struct Names {
    set: Option<GlobSet>,
    text: Vec<String>,
}

impl Names {
    /// # Errors
    /// One of the texts is no glob.
    pub fn of(globs: &[String]) -> Result<Self, globset::Error> {
        if globs.is_empty() {
            return Ok(Self::default());
        }
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(Glob::new(glob)?);
        }
        Ok(Self { set: Some(set.build()?), text: globs.to_vec() })
    }

    pub fn has(&self, name: &str) -> bool {
        self.set.as_ref().is_none_or(|set| set.is_match(name))
    }

    /// Whether one of the names is among them; of no names at all, only when every name is.
    pub fn has_any(&self, names: &[String]) -> bool {
        self.set.as_ref().is_none_or(|set| names.iter().any(|name| set.is_match(name)))
    }

    /// As written.
    pub fn text(&self) -> &[String] {
        &self.text
    }
}

/// As written: the compiled set tells nobody anything.
impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}

/// Which requests an entry is about. What is not said leaves all in.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `pack/rule`.
    pub rules: Names,
    pub tags: Names,
    pub agents: Names,
}

impl Scope {
    pub fn covers(&self, grounds: &Grounds, agent: &str) -> bool {
        self.rules.has(&grounds.rule) && self.tags.has_any(&grounds.tags) && self.agents.has(agent)
    }
}

/// Members of the group have the role, within the scope.
#[derive(Debug, Clone)]
pub struct RoleGrant {
    pub group: String,
    pub role: Role,
    pub scope: Scope,
}

/// All entries. None at all (no identity provider is configured): every account may do everything that its
/// rule's groups allow.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    entries: Option<Vec<RoleGrant>>,
}

impl Roles {
    pub fn of(entries: Vec<RoleGrant>) -> Self {
        Self { entries: Some(entries) }
    }

    /// Whether these groups may decide on a request of this agent that was held on these grounds.
    pub fn may_review(&self, groups: &BTreeSet<String>, grounds: &Grounds, agent: &str) -> bool {
        self.entries.as_ref().is_none_or(|entries| {
            let member = |entry: &&RoleGrant| groups.contains(&entry.group);
            let mut mine = entries.iter().filter(member);
            mine.any(|entry| entry.role == Role::Reviewer && entry.scope.covers(grounds, agent))
        })
    }

    pub fn has(&self, role: Role, groups: &BTreeSet<String>) -> bool {
        self.entries.as_ref().is_none_or(|entries| {
            entries.iter().any(|entry| entry.role == role && groups.contains(&entry.group))
        })
    }

    /// Whether these groups may see holds at all. Who has no role sees nothing.
    pub fn may_read(&self, groups: &BTreeSet<String>) -> bool {
        [Role::Reviewer, Role::Auditor, Role::Admin].into_iter().any(|role| self.has(role, groups))
    }

    /// The roles of these groups, for show.
    pub fn of_groups(&self, groups: &BTreeSet<String>) -> Vec<Role> {
        [Role::Reviewer, Role::Auditor, Role::Admin]
            .into_iter()
            .filter(|role| self.has(*role, groups))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruling::{ReviewPolicy, Risk};

    fn names(globs: &[&str]) -> Names {
        Names::of(&globs.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn grounds(rule: &str, tags: &[&str]) -> Grounds {
        Grounds {
            rule: rule.to_owned(),
            why: String::new(),
            risk: Risk::Low,
            tags: tags.iter().map(|t| (*t).to_owned()).collect(),
            matched: Vec::new(),
            review: ReviewPolicy::default(),
            summary: String::new(),
            ruleset: String::new(),
            parts: Vec::new(),
            held_by: Vec::new(),
        }
    }

    #[test]
    fn a_role_reaches_as_far_as_its_scope() {
        let scope =
            Scope { rules: names(&["stripe/*"]), tags: names(&["money-out"]), agents: names(&["pay-*"]) };
        let roles = Roles::of(vec![
            RoleGrant { group: "finance".into(), role: Role::Reviewer, scope },
            RoleGrant { group: "audit".into(), role: Role::Auditor, scope: Scope::default() },
        ]);
        let finance = BTreeSet::from(["finance".to_owned()]);
        let audit = BTreeSet::from(["audit".to_owned()]);
        assert!(roles.may_review(&finance, &grounds("stripe/refund", &["money-out"]), "pay-bot"));
        assert!(!roles.may_review(&finance, &grounds("github/x", &["money-out"]), "pay-bot"));
        assert!(!roles.may_review(&finance, &grounds("stripe/refund", &[]), "pay-bot"));
        assert!(!roles.may_review(&finance, &grounds("stripe/refund", &["money-out"]), "ci"));
        assert!(!roles.may_review(&audit, &grounds("stripe/refund", &["money-out"]), "pay-bot"));
        assert!(roles.may_read(&audit) && !roles.has(Role::Admin, &audit));
        assert!(!roles.may_read(&BTreeSet::from(["strangers".to_owned()])));
    }
}
