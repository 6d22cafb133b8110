//! Agents and whose they are: enrolment by people, and tokens of workloads as credentials of the proxy.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod enrolment;
mod workload;
