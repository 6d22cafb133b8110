//! What is said of rule files that are wrong: everything at once, each with its place underlined.

use holdpoint::rules::{RuleSet, Settings, Source};

#[track_caller]
fn report(files: &[(&str, &str)]) -> String {
    let sources: Vec<Source> =
        files.iter().map(|(name, text)| Source { name: (*name).into(), text: (*text).into() }).collect();
    match RuleSet::compile(&sources, &Settings::default()) {
        Ok(_) => panic!("nothing is wrong"),
        Err(report) => report.to_string(),
    }
}

#[test]
fn everything_is_reported_at_once() {
    let text = r#"pack: shop
mod: observe
rules:
  - id: refunds
    when: { host: api.stripe.com, methods: POST, path: "/v1/{refund" }
    verdict: holds
    risk: 5
    reveiw: { approvals: 2 }
  - id: refunds
    when:
      host: [https://a.test, "*.*"]
      path: []
      body: { amount: { gt: 10, lt: 5 }, "/a~b": 1 }
      header: { "bad name": x }
      query: { q: { regex: "(" , glob: "a[" } }
      size: { gt: lots }
      operation: "stripe:PostRefunds"
    verdict: hold
    why: ""
    what: "Refund {amount}"
    review: { approvals: 0, patience: soon, reply: 202 }
    examples:
      deny: [ "POST https://api.stripe.com/v1/refunds" ]
      pass: [ "POST /v1/refunds" ]
  - when: { method: GET }
    unless: { method: [GET, HEAD] }
    verdict: deny
adjust:
  - rule: shop/refund
    when: { rate: { more-than: 1, in: 1m } }
    verdict: pass
    until: soon
  - rule: shop/refunds
    when: { agent: x }
    verdict: hold
    why: no change
"#;
    insta::assert_snapshot!(report(&[("rules/shop.yaml", text)]));
}

#[test]
fn expressions_are_checked_at_load() {
    let text = r#"pack: cel
rules:
  - { id: syntax, verdict: hold, when: { if: "request.method ==" } }
  - { id: variable, verdict: hold, when: { if: "requst.method == 'GET'" } }
  - { id: field, verdict: hold, when: { if: "request.pth == '/'" } }
  - { id: type, verdict: hold, when: { if: "request.method" } }
  - { id: function, verdict: hold, when: { if: "request.method.beginsWith('G')" } }
  - { id: unreached, verdict: hold, when: { if: "request.method == 'PUT' && agnt.name == agent.nam" } }
  - { id: deep, verdict: hold, when: { if: "((((((((((((((((((((((((((((((((((true))))))))))))))))))))))))))))))))))" } }
"#;
    insta::assert_snapshot!(report(&[("cel.yaml", text)]));
}

#[test]
fn time_rate_and_source_are_checked_at_load() {
    let text = r#"pack: more
hosts: ["*"]
rules:
  - id: time
    verdict: hold
    when: { time: { days: [mon, funday], from: "25:00", to: "9", zone: Europe/Berlyn } }
  - id: rate
    verdict: hold
    when: { rate: { more-than: 0, in: 10 parsecs, per: agents }, source: 10.0.0.0/33, method: DELEET }
  - id: empty
    verdict: hold
    when: {}
  - id: exists
    verdict: pass
    when: { query: { a: { exists: false, eq: 1 }, b: {} } }
"#;
    insta::assert_snapshot!(report(&[("more.yaml", text)]));
}

#[test]
fn files_are_checked_together() {
    let one = "pack: a\nrules:\n- { id: x, verdict: hold, when: { host: a.test } }\n";
    let two = "pack: a\nrules:\n- { id: x, verdict: deny, when: { host: b.test } }\n";
    insta::assert_snapshot!(report(&[("one.yaml", one), ("two.yaml", two)]));
}

#[test]
fn broken_yaml_is_pointed_at() {
    insta::assert_snapshot!(report(&[("broken.yaml", "pack: a\nrules:\n  - id: [x\n  verdict: hold\n")]));
}

#[test]
fn problems_are_data_too() {
    let sources = [Source { name: "a.yaml".into(), text: "pack: a\nruls: []\n".into() }];
    let report = RuleSet::compile(&sources, &Settings::default()).expect_err("`ruls` is unknown");
    insta::assert_json_snapshot!(report);
}
