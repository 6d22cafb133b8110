#![no_main]

use holdpoint::decode::grpc::Descriptors;
use holdpoint::decode::protocol::{Request, views};
use holdpoint::decode::{Limits, body};
use holdpoint::rules::sample::Sample;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let sample = Sample {
        method: "POST".into(),
        url: "https://api.test/graphql".into(),
        headers: vec![("content-type".into(), "application/graphql".into())],
        body: text.as_bytes().to_vec(),
    };
    let request = sample.canonical().expect("the head is sound");
    let body = body(&request.headers, &request.body, Limits::default());
    let _ = views(&Request { head: &request.head(), body: &body, descriptors: &Descriptors::default() }, &["graphql"]);
});
