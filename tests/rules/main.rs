//! The rule engine by its doors: a rule text and a request, and what comes out.

mod allocation;
mod aws;
mod batches;
mod bodies;
mod calls;
mod diagnostics;
mod graphql;
mod grpc;
mod language;
mod messages;
mod methods;
mod properties;
mod protocols;
mod standard;
mod statements;
mod support;
mod thousand;
