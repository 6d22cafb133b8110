//! Suites that others wrote, and one in the manner of badssl.com: docs/conformance.md says what each found.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod bad_certificates;
mod certificates;
mod front;
mod h2spec;
mod json;
mod legacy;
mod no_tls;

use std::path::{Path, PathBuf};

/// What `scripts/test` installs.
fn tool(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools").join(path);
    assert!(path.exists(), "`{}` is missing: scripts/test installs it", path.display());
    path
}
