#![no_main]
use holdpoint::rules::sample::Sample;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Sample::from_curl(text, &mut |_| Some(b"x".to_vec())).map(|sample| sample.canonical());
    let _ = Sample::from_har(text);
    let Ok(sample) = Sample::from_json_line(text) else { return };
    assert_eq!(Sample::from_json_line(&sample.to_json_line()), Ok(sample));
});
