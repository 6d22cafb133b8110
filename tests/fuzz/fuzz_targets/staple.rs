#![no_main]
use holdpoint::tls::revokes;

libfuzzer_sys::fuzz_target!(|staple: &[u8]| {
    let of_this = revokes(staple, Some(&[7]));
    assert!(!of_this || revokes(staple, None));
});
