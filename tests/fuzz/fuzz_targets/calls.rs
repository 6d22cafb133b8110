#![no_main]

use holdpoint::decode::{Body, aws, git, grpc, k8s};
use http::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let _ = k8s::call(&method, path, query, &Body::Empty);
    }
    let _ = grpc::call(&HeaderMap::new(), path);
    let _ = git::repository(path);
    let _ = aws::service_of(text);
});
