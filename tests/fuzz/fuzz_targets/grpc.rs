#![no_main]

//! A body by gRPC, whose descriptors are known.

use holdpoint::decode::grpc::Descriptors;
use holdpoint::decode::protocol::{Request, views};
use holdpoint::decode::{Limits, body};
use holdpoint::rules::sample::Sample;
use std::sync::LazyLock;

static DESCRIPTORS: LazyLock<Descriptors> = LazyLock::new(|| {
    let mut descriptors = Descriptors::default();
    descriptors.add(include_bytes!("../../grpc/acme.pb")).expect("a descriptor set");
    descriptors
});

libfuzzer_sys::fuzz_target!(|input: (bool, u8, &[u8])| {
    let kinds = ["application/grpc", "application/grpc-web-text", "application/proto", "application/json"];
    let kind = kinds[usize::from(input.1) % kinds.len()];
    let method = if input.0 { "acme.v1.Users/Upload" } else { "acme.old.Ledger/Book" };
    let sample = Sample {
        method: "POST".into(),
        url: format!("https://api.test/{method}"),
        headers: vec![("content-type".into(), kind.into()), ("grpc-encoding".into(), "gzip".into())],
        body: input.2.to_vec(),
    };
    let request = sample.canonical().expect("the head is sound");
    let body = body(&request.headers, &request.body, Limits::default());
    let _ = views(&Request { head: &request.head(), body: &body, descriptors: &DESCRIPTORS }, &["grpc"]);
});
