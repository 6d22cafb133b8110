#![no_main]
use holdpoint::framing::{Framing, Step};

/// What is sound, however the bytes are cut; `None`: refused.
fn sound(bytes: &[u8], piece: usize) -> Option<usize> {
    let (mut framing, mut waiting, mut sound) = (Framing::default(), Vec::new(), 0);
    for piece in bytes.chunks(piece) {
        waiting.extend_from_slice(piece);
        while !waiting.is_empty() {
            let count = match framing.step(&waiting) {
                Step::Sound(count) | Step::Head { length: count, .. } => count,
                Step::Partial => break,
                Step::Refused(_) => return None,
            };
            waiting.drain(..count);
            sound += count;
        }
    }
    Some(sound)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert_eq!(sound(bytes, 1), sound(bytes, 4096));
});
