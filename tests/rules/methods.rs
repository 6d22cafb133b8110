//! When a body is asked for, because it could name another method.

use crate::support::{Asking, asking, asking_with, request};
use holdpoint::rules::{Need, RuleSet, STANDARD, Settings, Source};
use holdpoint::ruling::Verdict;

const RULES: &str = "pack: t\nrules:\n  - { id: delete, verdict: hold, when: { method: DELETE, path: \"/users/{id}\" } }\n  - { id: pass, verdict: pass, when: { method: [GET, POST], path: \"/posts/**\" } }\n";

#[test]
fn a_body_is_asked_for_where_a_rule_for_another_method_could_match() {
    let asking = asking(RULES);
    let need = |line: &str, kind: &str| {
        let fields = [("content-type", kind), ("content-length", "9")];
        asking.need(&request(line, if kind.is_empty() { &fields[1..] } else { &fields }, "_method=x"))
    };
    let form = "application/x-www-form-urlencoded";
    for (line, kind, expected) in [
        ("POST https://a.test/users/1", form, Need::Body),
        ("POST https://a.test/users/1", "Application/JSON; charset=utf-8", Need::Body),
        ("POST https://a.test/users/1", "application/vnd.api+json", Need::Body),
        ("POST https://a.test/users/1", "multipart/form-data; boundary=b", Need::Body),
        ("POST https://a.test/users/1", "text/plain", Need::Body),
        ("POST https://a.test/users/1", "", Need::Body),
        ("PUT https://a.test/users/1", "application/json", Need::Body),
        ("GET https://a.test/users/1", form, Need::Body),
        ("POST https://a.test/users/1", "application/octet-stream", Need::None),
        ("POST https://a.test/users/1", "image/png", Need::None),
        ("PUT https://a.test/users/1", "text/plain", Need::Body),
        ("PUT https://a.test/users/1", "text/csv", Need::None),
        ("DELETE https://a.test/users/1", form, Need::None),
        ("POST https://a.test/users", form, Need::None),
        ("POST https://a.test/users/1/keys", form, Need::None),
        ("PUT https://b.s3.eu-west-1.amazonaws.com/users/1", "application/json", Need::None),
        // What passes by an unsafe method is read only where it is a form; by a safe one, in any case.
        ("POST https://a.test/posts/1", "application/json", Need::None),
        ("POST https://a.test/posts/1", form, Need::Body),
        ("GET https://a.test/posts/1", "application/json", Need::Body),
    ] {
        assert_eq!(need(line, kind), expected, "{line} {kind}");
    }
    assert_eq!(asking.need(&request("GET https://a.test/users/1", &[], "")), Need::None);
    assert_eq!(
        asking.need(&request("POST https://a.test/users/1", &[("content-length", "0")], "")),
        Need::None
    );
}

/// No service of the standard packs takes a method from a body, and many bodies are long.
#[test]
fn standard_packs_ask_for_no_body_because_of_a_method() {
    let mut settings = Settings::default();
    settings.otherwise.write = Verdict::Pass;
    let sources: Vec<Source> =
        STANDARD.iter().map(|(name, text)| Source { name: (*name).into(), text: (*text).into() }).collect();
    let set = RuleSet::compile(&sources, &settings).unwrap_or_else(|report| panic!("{report}"));
    let asking = Asking { set, ..asking_with(&[RULES], &settings) };
    let json = [("content-type", "application/json"), ("content-length", "99")];
    for line in
        ["POST https://api.openai.com/v1/chat/completions", "POST https://api.anthropic.com/v1/messages"]
    {
        assert_eq!(asking.need(&request(line, &json, "{}")), Need::None, "{line}");
    }
}
