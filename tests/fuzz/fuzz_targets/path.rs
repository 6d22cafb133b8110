#![no_main]
use holdpoint::path::{canonical, canonical_unless, late_queries};

libfuzzer_sys::fuzz_target!(|target: &str| {
    if let Ok(kept) = canonical_unless(target, || true) {
        assert_eq!(kept.path, target.split('?').next().unwrap_or_default());
    }
    let Ok(once) = canonical(target) else { return };
    let again = canonical(&once.path).expect("a canonical path is sound");
    assert_eq!(again.path, once.path);
    // What was there before dots were taken out counts as well.
    assert!(again.readings.iter().all(|reading| once.readings.contains(reading)));
    late_queries(&once.path);
});
