//! Holdpoint stands between AI agents and the services they call: it opens each request, works out what
//! it would do, and passes it on, refuses it, or holds it until a person decides.
//!
//! The map, in floor order. A module uses lower floors only (`tests/layering.rs` holds us to it).
//!
//! | floor | modules |
//! |---|---|
//! | 0 plain data | [`authority`] [`path`] [`request`] [`ruling`] [`person`] [`agent`] [`role`] [`hold`] [`approval`] [`grant`] [`digest`] [`audit`] [`redact`] [`metrics`] [`trace`] [`units`] |
//! | 1 pure: bytes in, verdict out | [`decode`] [`rules`] [`outline`] [`card`] [`framing`] |
//! | 2 services with I/O | [`store`] [`tls`] [`rulebook`] [`outbound`] [`jwt`] |
//! | 3 what the product is | [`agents`] [`reviewers`] [`desk`] [`chat`] [`identity`] [`routing`] [`outbox`] [`ledger`] [`traffic`] |
//! | 4 faces, which never import each other | [`proxy`] [`review`] [`notify`] |
//! | 5 assembly | [`config`] [`telemetry`] [`server`] [`cli`] |

pub mod agent;
pub mod agents;
pub mod approval;
pub mod audit;
pub mod authority;
pub mod card;
pub mod chat;
pub mod cli;
pub mod config;
pub mod decode;
pub mod desk;
pub mod digest;
pub mod framing;
pub mod grant;
pub mod hold;
pub mod identity;
pub mod jwt;
pub mod ledger;
pub mod metrics;
pub mod notify;
pub mod outbound;
pub mod outbox;
pub mod outline;
pub mod path;
pub mod person;
pub mod proxy;
pub mod redact;
pub mod request;
pub mod review;
pub mod reviewers;
pub mod role;
pub mod routing;
pub mod rulebook;
pub mod rules;
pub mod ruling;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod traffic;
pub mod units;
