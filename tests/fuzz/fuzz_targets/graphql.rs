//! What we read in a document, apollo-parser's tree reads in it as well.
#![no_main]

#[path = "../../calls/graphql_tree.rs"]
mod graphql_tree;

use graphql_tree::{ours, theirs};

libfuzzer_sys::fuzz_target!(|text: &str| {
    // A comma is a blank, but for the tree not everywhere.
    let text = text.replace(',', " ");
    // Without a text in it there is no document.
    if text.trim().is_empty() {
        return;
    }
    if let Some(ours) = ours(&text) {
        assert_eq!(Some(ours), theirs(&text));
    }
});
