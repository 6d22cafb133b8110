//! Whatever Slack, or somebody in its name, sends is read or not, and breaks nothing.
#![no_main]

use holdpoint::notify::slack::payload;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = payload::read(bytes);
    let _ = payload::of_meta(&String::from_utf8_lossy(bytes));
});
