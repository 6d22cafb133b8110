#![no_main]

//! A request to a place where batches and calls go, from its bytes to what the reviewer is told of it.

use holdpoint::agent::Agent;
use holdpoint::decode::grpc::Descriptors;
use holdpoint::decode::protocol::{Request, views};
use holdpoint::decode::{Limits, body};
use holdpoint::request::Caller;
use holdpoint::rules::sample::Sample;
use holdpoint::rules::{Rates, RuleSet, STANDARD, Settings, Source};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

const PLACES: [&str; 13] = [
    "https://mcp.linear.app/mcp",
    "https://api.github.com/graphql",
    "https://api.linear.app/graphql?query=",
    "https://graph.microsoft.com/v1.0/$batch",
    "https://org.crm.test/api/$batch",
    "https://management.azure.com/batch",
    "https://www.googleapis.com/batch/drive/v3",
    "https://a.my.salesforce.com/services/data/v60.0/composite/graph",
    "https://es.acme.test/logs/_bulk",
    "https://es.acme.test/_msearch",
    "https://api.acme.test/v1/batch",
    "https://db.acme.test/sql?query=",
    "https://db.acme.test/sql?a=",
];

static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    let source = |(name, text): &(&str, &str)| Source { name: (*name).into(), text: (*text).into() };
    let sources: Vec<Source> = STANDARD.iter().map(source).collect();
    RuleSet::compile(&sources, &Settings::default()).expect("the standard packs are sound")
});

libfuzzer_sys::fuzz_target!(|input: (u8, &str, &str, &[u8])| {
    let (place, query, media, bytes) = input;
    let url = format!("{}{query}", PLACES[usize::from(place) % PLACES.len()]);
    let headers =
        vec![("content-type".to_owned(), media.to_owned()), ("mcp-method".to_owned(), query.to_owned())];
    let headers = if query.is_empty() { headers[..1].to_vec() } else { headers };
    let sample = Sample { method: "POST".into(), url, headers, body: bytes.to_vec() };
    let Ok(request) = sample.canonical() else { return };
    let (head, body) = (request.head(), body(&request.headers, bytes, Limits::default()));
    let agent = Agent { id: 1, name: "a".into(), owners: Vec::new(), labels: BTreeMap::new() };
    let caller = Caller { agent: &agent, source: IpAddr::V4(Ipv4Addr::LOCALHOST) };
    let rates = Rates::default();
    let now = "2026-11-20T12:00:00Z".parse().expect("a moment");
    let ruling = RULES.evaluate(&head, &caller, &body, now, &rates);
    let strictest = ruling.parts.iter().map(|part| part.verdict).max();
    assert!(strictest.is_none_or(|part| part <= ruling.verdict));
    let _ = RULES.grounds(&ruling, &head, &caller, &body);
    let _ = views(&Request { head: &head, body: &body, descriptors: &Descriptors::default() }, &["rpc", "graphql", "sql"]);
});
