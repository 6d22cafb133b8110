#![no_main]
use holdpoint::decode::{Limits, body};

libfuzzer_sys::fuzz_target!(|input: (&str, &str, &[u8])| {
    let (Ok(coding), Ok(media)) = (input.0.parse(), input.1.parse()) else { return };
    let headers = [(http::header::CONTENT_ENCODING, coding), (http::header::CONTENT_TYPE, media)];
    let _ = body(&headers.into_iter().collect(), input.2, Limits::default());
});
