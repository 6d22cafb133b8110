//! Batches: each part is judged as if it were sent alone, and the strictest ruling is that of the whole.

use super::evaluate::{Matched, Outcome};
use super::facts::Facts;
use super::method::Methods;
use super::{Basis, PartRuling, RuleSet, Ruling};
use crate::decode::batch::{self, Part};
use crate::decode::protocol::{Unread, Views};
use crate::ruling::Verdict;

impl RuleSet {
    /// The ruling on a batch. What the rules say of the request around the parts counts as well; a rule that passes it
    /// lifts what is said of parts that no rule matches, and nothing more.
    pub(super) fn judge_batch<'r>(
        &'r self,
        facts: &Facts<'_>,
        around: Matched<'r>,
        parts: Result<Vec<Part>, Unread>,
    ) -> Ruling<'r> {
        let Ok(parts) = parts else {
            let held = Outcome { verdict: Verdict::Hold, basis: Basis::UnreadableBatch, adjustment: None };
            let enforced = around.enforced.map_or(held, |around| around.stricter(held));
            return self.ruling(enforced, around.would_have.map_or(held, |around| around.stricter(held)));
        };
        let mut whole = around;
        let (mut rulings, mut decided_by) = (Vec::with_capacity(parts.len()), None);
        for (at, part) in parts.iter().enumerate() {
            let head = part.head(facts.head);
            let (methods, views) = (Methods::of(&head, &part.body), Views::new(facts.views.descriptors));
            let facts = Facts { head: &head, methods: &methods, body: &part.body, views: &views, ..*facts };
            let matched = self.matched(&facts);
            let otherwise = self.otherwise(&facts, matched.host_is_known);
            let would_have = matched.would_have.or(around.would_have.filter(is_pass)).unwrap_or(otherwise);
            let enforced = matched.enforced.or(around.enforced.filter(is_pass)).unwrap_or(would_have);
            rulings.push(PartRuling {
                method: methods.shown(),
                target: target(part),
                verdict: would_have.verdict,
                basis: would_have.basis,
            });
            whole.enforced = Some(whole.enforced.map_or(enforced, |whole| whole.stricter(enforced)));
            let stricter = whole.would_have.map_or(would_have, |whole| whole.stricter(would_have));
            let by_this = whole.would_have.is_none_or(|known| !same(known, stricter));
            if by_this {
                decided_by = Some(at);
            }
            whole.would_have = Some(stricter);
        }
        let would_have = whole.would_have.unwrap_or_else(|| self.otherwise(facts, around.host_is_known));
        let ruling = self.ruling(whole.enforced.unwrap_or(would_have), would_have);
        Ruling { parts: rulings, decided_by, ..ruling }
    }

    /// Calls `ask` with the facts of the part that decided, or with those of the whole.
    pub(super) fn with_decisive<T>(
        &self,
        ruling: &Ruling<'_>,
        facts: &Facts<'_>,
        ask: impl FnOnce(&Facts<'_>) -> T,
    ) -> T {
        let parts = ruling.decided_by.and_then(|at| {
            let parts = batch::read(&facts.request())?.ok()?;
            parts.into_iter().nth(at)
        });
        let Some(part) = parts else { return ask(facts) };
        let head = part.head(facts.head);
        let (methods, views) = (Methods::of(&head, &part.body), Views::new(facts.views.descriptors));
        ask(&Facts { head: &head, methods: &methods, body: &part.body, views: &views, ..*facts })
    }
}

fn is_pass(outcome: &Outcome<'_>) -> bool {
    outcome.verdict == Verdict::Pass
}

fn same(a: Outcome<'_>, b: Outcome<'_>) -> bool {
    a.verdict == b.verdict && a.basis.name() == b.basis.name()
}

fn target(part: &Part) -> String {
    match &part.query {
        Some(query) => format!("{}?{query}", part.path),
        None => part.path.clone(),
    }
}
