//! The embedded packs load, and every example in them comes true.

use holdpoint::rules::{RuleSet, STANDARD, Settings, Source};

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
