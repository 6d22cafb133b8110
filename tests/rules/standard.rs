//! The embedded packs load, and every example in them comes true.

use crate::support::{Asking, all_pass, asking_with, request};
use holdpoint::rules::{Need, RuleSet, STANDARD, Settings, Source};
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
fn the_packs_read_no_form_of_an_unknown_host() {
    let sources: Vec<Source> =
        STANDARD.iter().map(|(name, text)| Source { name: (*name).into(), text: (*text).into() }).collect();
    let settings = Settings { otherwise: all_pass(), ..Settings::default() };
    let set = RuleSet::compile(&sources, &settings).expect("the packs are sound");
    let asking = Asking { set, ..asking_with(&[], &settings) };
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(asking.need(&request("POST https://api.acme.example/people", &form, "a=1")), Need::None);
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
