#![no_main]

//! A body of any kind, and rules that ask for its members, its text and by expression.

use holdpoint::agent::Agent;
use holdpoint::decode::{Limits, body};
use holdpoint::request::Caller;
use holdpoint::rules::sample::Sample;
use holdpoint::rules::{Rates, RuleSet, Settings, Source};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    let text = include_str!("../body_rules.yaml").into();
    RuleSet::compile(&[Source { name: "fuzz.yaml".into(), text }], &Settings::default()).expect("sound")
});

libfuzzer_sys::fuzz_target!(|input: (&str, &str, &str, &[u8])| {
    let (query, coding, media, bytes) = input;
    let fields = [("content-encoding", coding), ("content-type", media)];
    let headers = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sample =
        Sample { method: "POST".into(), url: format!("https://a.test/{query}"), headers, body: bytes.to_vec() };
    let Ok(request) = sample.canonical() else { return };
    let body = body(&request.headers, bytes, Limits::default());
    let agent = Agent { id: 1, name: "a".into(), owners: Vec::new(), labels: Default::default() };
    let caller = Caller { agent: &agent, source: IpAddr::V4(Ipv4Addr::LOCALHOST) };
    let _ = RULES.evaluate(&request.head(), &caller, &body, jiff::Timestamp::UNIX_EPOCH, &Rates::default());
});
