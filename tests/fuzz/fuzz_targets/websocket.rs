#![no_main]

use bytes::BytesMut;
use holdpoint::decode::websocket::{Reader, Walker};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pieces: Vec<&[u8]>| {
    let (mut reader, mut walker, mut bytes) = (Reader::new(1000), Walker::default(), BytesMut::new());
    for piece in pieces {
        bytes.extend_from_slice(piece);
        while let Ok(Some(_)) = reader.next(&mut bytes) {}
        let _ = walker.walk(piece);
    }
});
