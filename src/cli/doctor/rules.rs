//! Rules: they load, their examples come true, and what should be looked at.

use super::Finding;
use crate::config::Config;
use crate::rulebook::Shelf;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let rules = match Shelf::from(config).load() {
        Ok(rules) => rules,
        Err(error) => {
            let advice = "mend them; a running Holdpoint keeps the last good set, a new one does not start";
            return vec![Finding::fail("rules", error.to_string(), advice)];
        }
    };
    let count = rules.rules().count();
    if count == 0 {
        let advice = "set `rules: [FOLDER]` or `standard-rules: true`; until then only `otherwise` decides";
        return vec![Finding::warn("rules", "there are none", advice)];
    }
    let failures = rules.run_examples();
    let mut findings = vec![match failures.first() {
        None => Finding::ok("rules", format!("{count} rules load, and all their examples come true")),
        Some(first) => Finding::fail(
            "rules",
            format!(
                "{} examples do not come true; the first: `{}`: {}",
                failures.len(),
                first.rule,
                first.message
            ),
            "run `holdpoint rules check`",
        ),
    }];
    findings.extend(rules.warnings(jiff::Timestamp::now()).into_iter().map(|warning| {
        let found = format!("{}:{}: {}", warning.file, warning.line, warning.message);
        Finding::warn(
            "rules",
            found,
            warning.help.unwrap_or_else(|| "run `holdpoint rules check`".to_owned()),
        )
    }));
    findings
}
