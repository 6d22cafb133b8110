//! The face towards chat services and webhooks: cards out, clicks in.
//!
//! A click decides nothing here: it goes to [`crate::chat`], which finds the person and lets the desk judge their vote.

pub mod slack;
pub mod teams;
pub mod webhook;
