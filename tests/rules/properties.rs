//! What must be true of every rule set and every request.

use crate::support::{Asking, all_pass, asking_with, request};
use holdpoint::rules::sample::Canonical;
use holdpoint::rules::{Otherwise, RuleSet, Settings, Source};
use holdpoint::ruling::Verdict;
use proptest::prelude::*;

/// A rule of random shape, on hosts, paths and fields that [`some_request`] hits often.
fn some_rule() -> impl Strategy<Value = String> {
    let host = prop::sample::select(vec![
        "a.test",
        "b.a.test",
        "\"*.test\"",
        "\"*.a.test\"",
        "\"b.*.test\"",
        "\"*\"",
    ]);
    let path = prop::sample::select(vec![
        "",
        "path: /x,",
        "path: /X/y,",
        "path: \"/{p}/y\",",
        "path: \"/x/**\",",
        "path: \"/**/y\",",
        "path: \"/{p}:go\",",
        "path: [/x, \"/*\"],",
    ]);
    let more = prop::sample::select(vec![
        "",
        "method: [GET, POST],",
        "method: { not: DELETE },",
        "query: { q: \"1\" },",
        "query: { q: { not: \"1\" } },",
        "body: { n: { gt: 5 } },",
        "body: { n: { exists: false } },",
        "header: { x-h: [a, b] },",
        "size: { gt: 4 },",
        "if: 'request.body.n > 3',",
        "if: 'request.path.contains(\"y\")',",
        "agent: builder,",
    ]);
    let verdict = prop::sample::select(vec!["pass", "hold", "deny"]);
    let unless = prop::sample::select(vec![
        "",
        "unless: { path: /x/y },",
        "unless: { body: { n: 7 } },",
        "unless: { query: { q: \"2\" } },",
    ]);
    (host, path, more, verdict, unless, 0..3_u32).prop_map(|(host, path, more, verdict, unless, people)| {
        let review = if people == 0 { String::new() } else { format!("review: {{ approvals: {people} }},") };
        format!("verdict: {verdict}, {review} {unless} when: {{ host: {host}, {path} {more} }}")
    })
}

fn some_request() -> impl Strategy<Value = Canonical> {
    let method = prop::sample::select(vec!["GET", "POST", "DELETE", "get"]);
    let host = prop::sample::select(vec!["a.test", "b.a.test", "b.c.test", "other.example"]);
    let path = prop::sample::select(vec![
        "/", "/x", "/x/", "/X", "/x/y", "/x//y", "/x%2fy", "/z/y", "/x;a/y", "/z:go", "/a/b/y",
    ]);
    let query = prop::sample::select(vec!["", "?q=1", "?Q=1", "?q=1&q=2", "?q[]=1", "?q=%31"]);
    let header = prop::sample::select(vec!["", "a", "c"]);
    let body = prop::sample::select(vec![
        "",
        "{}",
        r#"{"n": 7}"#,
        r#"{"N": 7}"#,
        r#"{"n": 1, "n": 7}"#,
        "n=7",
        "n=1&n=7",
        "<n/>",
        r#"{"n": "x"}"#,
        "[{\"n\": 7}]",
    ]);
    (method, host, path, query, header, body).prop_map(|(method, host, path, query, header, body)| {
        let headers: &[(&str, &str)] = if header.is_empty() { &[] } else { &[("x-h", header)] };
        request(&format!("{method} https://{host}{path}{query}"), headers, body)
    })
}

fn file(pack: &str, rules: &[(usize, String)]) -> String {
    let rules: String = rules.iter().map(|(id, rule)| format!("- {{ id: r{id}, {rule} }}\n")).collect();
    if rules.is_empty() { format!("pack: {pack}\n") } else { format!("pack: {pack}\nrules:\n{rules}") }
}

fn enforcing(files: &[&str], otherwise: Otherwise) -> Asking {
    asking_with(files, &Settings { otherwise, ..Settings::default() })
}

const HOSTS_KNOWN: &str = "pack: known\nhosts: [a.test, \"*.test\", other.example]\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn order_never_matters(
        rules in prop::collection::vec(some_rule(), 0..8).prop_map(|r| r.into_iter().enumerate().collect::<Vec<_>>()),
        shuffled in any::<prop::sample::Index>(),
        requests in prop::collection::vec(some_request(), 4),
    ) {
        let (front, back) = rules.split_at(shuffled.index(rules.len() + 1));
        let turned: Vec<_> = back.iter().rev().chain(front).cloned().collect();
        let (front, back) = turned.split_at(shuffled.index(turned.len() + 1));
        let one = enforcing(&[&file("p", &rules)], Otherwise::default());
        let other = enforcing(&[&file("p", back), &file("p", front)], Otherwise::default());
        for request in &requests {
            prop_assert_eq!(one.ask(request), other.ask(request));
        }
    }

    #[test]
    fn another_hold_never_turns_hold_into_pass(
        rules in prop::collection::vec(some_rule(), 0..6).prop_map(|r| r.into_iter().enumerate().collect::<Vec<_>>()),
        added in some_rule(),
        requests in prop::collection::vec(some_request(), 4),
    ) {
        // A host becomes known by the first rule that names it, which can end a hold of the unknown-host
        // branch; so the hosts are known here.
        let added = added.replace("verdict: pass", "verdict: hold");
        let before = enforcing(&[HOSTS_KNOWN, &file("p", &rules)], Otherwise::default());
        let after = enforcing(&[HOSTS_KNOWN, &file("p", &rules), &file("q", &[(0, added)])], Otherwise::default());
        for request in &requests {
            let (before, after) = (before.ask(request), after.ask(request));
            prop_assert!(before.0 == Verdict::Pass || after.0 >= Verdict::Hold, "{:?} {:?}", before, after);
            prop_assert!(after.0 >= before.0 || before.1.starts_with("otherwise"), "{:?} {:?}", before, after);
        }
    }

    #[test]
    fn reading_the_body_only_when_needed_changes_nothing(
        rules in prop::collection::vec(some_rule(), 1..6).prop_map(|r| r.into_iter().enumerate().collect::<Vec<_>>()),
        request in some_request(),
    ) {
        let asking = enforcing(&[&file("p", &rules)], all_pass());
        let head = request.head();
        let caller = holdpoint::request::Caller { agent: &asking.agent, source: asking.source };
        let body = holdpoint::decode::body(head.headers, &request.body, holdpoint::decode::Limits::default());
        let whole = asking.set.evaluate(&head, &caller, &body, asking.now, &asking.rates);
        prop_assert_eq!(asking.ask(&request).0, whole.verdict);
    }

    #[test]
    fn an_unreadable_body_is_never_better(
        rules in prop::collection::vec(some_rule(), 1..6).prop_map(|r| r.into_iter().enumerate().collect::<Vec<_>>()),
        request in some_request(),
    ) {
        // For rules that hold: what a body could decide, its being unreadable decides against it.
        let rules: Vec<_> =
            rules.into_iter().map(|(id, r)| (id, r.replace("verdict: deny", "verdict: hold"))).collect();
        let asking = enforcing(&[&file("p", &rules)], Otherwise::default());
        let unreadable = holdpoint::decode::Body::Unreadable("too large".into());
        let (read, _) = asking.ask(&request);
        let (unread, _) = asking.ask_body(&request, &unreadable);
        prop_assert!(unread >= read, "{:?} {:?}", unread, read);
    }

    #[test]
    fn no_text_panics_the_compiler(text in "(pack: p\nrules:\n)?[-a-z:{}\\[\\]\"'*&|>!%@#,.0-9 \n]{0,120}") {
        let source = Source { name: "any.yaml".into(), text };
        if let Err(report) = RuleSet::compile(&[source], &Settings::default()) {
            prop_assert!(!report.problems.is_empty());
            let _ = report.to_string();
        }
    }
}

#[test]
fn no_expression_within_the_limits_overflows_the_stack() {
    let sources = [
        format!("{}true{}", "(".repeat(32), ")".repeat(32)),
        format!("{}true", "!".repeat(32)),
        format!("request{} == 1", ".a".repeat(480)),
        format!("1 == 1{}", "+1".repeat(490)),
        format!("true{}", "&&true".repeat(160)),
        format!("request.method == '{}'", "(".repeat(900)),
        format!("{}1{}.size() > 0", "[".repeat(31), "]".repeat(31)),
        format!("[{}].size() > 0", "1,".repeat(480)),
        "[1].all(a,[1].all(b,[1].all(c,[1].all(d,[1].all(e,[1].all(f,[1].all(g,a==b)))))))".to_owned(),
    ];
    for source in sources {
        let text = format!("pack: p\nrules:\n- {{ id: r, verdict: hold, when: {{ if: \"{source}\" }} }}\n");
        let sources = [Source { name: "deep.yaml".into(), text }];
        if let Ok(set) = RuleSet::compile(&sources, &Settings::default()) {
            drop(set);
        }
    }
}
