//! The request as everything after the exchange sees it: canonical, parsed once, borrowed.

use crate::agent::Agent;
use crate::authority::{Authority, Scheme};
use http::{HeaderMap, Method};
use std::net::IpAddr;

/// The head of a request. Its path is canonical ([`crate::path`]); its authority is what will be dialled.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub method: &'a Method,
    pub scheme: Scheme,
    pub authority: &'a Authority,
    /// Canonical path, as it goes on the wire.
    pub path: &'a str,
    /// Other readings of the path; a rule that holds or denies is tried on these, too.
    pub readings: &'a [Box<str>],
    /// What follows `?`, as sent.
    pub query: Option<&'a str>,
    /// End-to-end fields, without what is for Holdpoint only (`Proxy-Authorization`, `Holdpoint-*`).
    pub headers: &'a HeaderMap,
}

impl Head<'_> {
    /// The whole URL, default port left out.
    pub fn url(&self) -> String {
        let query = self.query.map(|q| format!("?{q}")).unwrap_or_default();
        if self.authority.port == self.scheme.default_port() {
            format!("{}://{}{}{query}", self.scheme.as_str(), self.authority.host, self.path)
        } else {
            format!("{}://{}{}{query}", self.scheme.as_str(), self.authority, self.path)
        }
    }
}

/// Who sends it, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub agent: &'a Agent,
    pub source: IpAddr,
}
