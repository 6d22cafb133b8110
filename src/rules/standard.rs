//! The standard packs, embedded: name and text of each. A new file in `rules/` gets its line here.

/// Name (`standard/github.yaml`) and text of every embedded pack.
pub const STANDARD: &[(&str, &str)] = &[];
