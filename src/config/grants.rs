//! Section `grants`: what reviewers may let pass beyond the request that they look at.

use super::read::{Field, Reader};
use super::tree::Node;
use crate::grant::{Policy, Scope, USES_MAX};
use crate::role::Names;

/// Not written: all scopes, 8 hours, 50 uses. `grants: { scopes: [] }` turns grants off.
pub(super) fn policy(reader: &mut Reader) -> Policy {
    let default = Policy::default();
    let scopes = reader.take("grants.scopes", |field, node| field.list(node, scope));
    let uses = reader.take("grants.uses", uses);
    let never = reader.take("grants.never", |field, node| {
        let globs = field.list(node, Field::text)?;
        let names = Names::of(&globs).ok();
        names
            .map(|names| (!globs.is_empty()).then_some(names))
            .or_else(|| field.wrong(node, "globs of rules, `stripe/*`"))
    });
    Policy {
        scopes: scopes.map_or(default.scopes, |scopes| scopes.into_iter().collect()),
        longest: reader.take("grants.longest", Field::duration).unwrap_or(default.longest),
        uses: uses.unwrap_or(default.uses),
        never: never.flatten(),
    }
}

fn scope(field: &mut Field, node: &Node) -> Option<Scope> {
    field.parsed(node, "`request`, `resource` or `rule`", |text| text.parse().ok())
}

fn uses(field: &mut Field, node: &Node) -> Option<u32> {
    let uses = field.count(node)?;
    let uses = u32::try_from(uses).ok().filter(|uses| *uses <= USES_MAX);
    uses.or_else(|| field.wrong(node, "at most 50 uses"))
}
