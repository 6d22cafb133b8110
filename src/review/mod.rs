//! The reviewers' face: inbox, API, events, login.
