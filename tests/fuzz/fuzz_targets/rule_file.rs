#![no_main]
use holdpoint::rules::{RuleSet, Settings, Source};

libfuzzer_sys::fuzz_target!(|text: String| {
    if let Err(report) = RuleSet::compile(&[Source { name: "fuzz.yaml".into(), text }], &Settings::default()) {
        assert!(!report.problems.is_empty() && !report.to_string().is_empty());
    }
});
