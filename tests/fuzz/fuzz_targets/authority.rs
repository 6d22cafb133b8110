#![no_main]
use holdpoint::authority::Authority;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(once) = Authority::parse(text, 443) else { return };
    assert_eq!(Authority::parse(&once.to_string(), 80), Ok(once));
});
