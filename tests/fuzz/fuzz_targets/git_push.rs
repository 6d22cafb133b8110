#![no_main]

use holdpoint::decode::git::GitPush;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(push) = GitPush::read("acme/site", bytes) {
        assert!(push.commands.iter().all(|command| !command.name.is_empty()));
    }
});
