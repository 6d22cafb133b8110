#![no_main]
use holdpoint::path::canonical;

libfuzzer_sys::fuzz_target!(|target: &str| {
    let Ok(once) = canonical(target) else { return };
    assert_eq!(canonical(&once.path).expect("a canonical path is sound").path, once.path);
});
