//! The reviewers' face over real sockets, with a real store.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod events;
#[allow(dead_code, unreachable_pub, reason = "shared with the browser test; each uses its own part")]
mod fixture;
mod grants;
mod link;
mod login;
mod openapi;
mod pages;
mod roles;
mod votes;

use fixture::{Ask, Server, Setup};
