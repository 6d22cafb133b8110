//! Store and desk on a real database in a real folder.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod desk;
mod faults;
mod ledger;
mod machine;
mod people;
mod speed;
mod support;
