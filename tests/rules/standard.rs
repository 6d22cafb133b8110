//! The embedded packs load, and every example in them comes true.

use crate::support::asking_with;
use holdpoint::rules::{RuleSet, STANDARD, Settings, Source};
use holdpoint::ruling::Verdict;

#[test]
fn standard_packs_are_sound() {
    let sources: Vec<Source> =
        STANDARD.iter().map(|(name, text)| Source { name: (*name).into(), text: (*text).into() }).collect();
    let set = match RuleSet::compile(&sources, &Settings::default()) {
        Ok(set) => set,
        Err(report) => panic!("{report}"),
    };
    let failures = set.run_examples();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn an_adjustment_of_a_named_rule_is_enough() {
    let own = "pack: own\nadjust:\n\
        - { rule: github/delete-repository, when: { path: \"/repos/acme-sandbox/*\" }, verdict: pass, why: w }\n";
    let mut files: Vec<&str> = STANDARD.iter().map(|(_, text)| *text).collect();
    files.push(own);
    let asking = asking_with(&files, &Settings::default());
    // No catch-all of the pack holds what the named rule was told to let pass.
    assert_eq!(asking.line("DELETE https://api.github.com/repos/acme-sandbox/try"), Verdict::Pass);
    assert_eq!(asking.line("DELETE https://api.github.com/repos/acme/site"), Verdict::Hold);
}
