//! Each word of the language, in both directions.

use crate::support::{all_pass, asking, asking_with, request};
use holdpoint::decode::Body;
use holdpoint::rules::{Mode, Need, Otherwise, Settings};
use holdpoint::ruling::Verdict::{Deny, Hold, Pass};

const DESIGN: &str = r#"
pack: github
rules:
  - id: delete-repository
    when: { host: api.github.com, method: DELETE, path: "/repos/{owner}/{repo}" }
    verdict: hold
    risk: critical
    why: A deleted repository cannot be restored by its users.
    what: "Delete the repository {owner}/{repo}"
    review: { approvals: 2, from: [platform-admins], patience: 60s, expires: 4h }
    examples:
      hold: [ "DELETE https://api.github.com/repos/acme/site" ]
      pass: [ "DELETE https://api.github.com/repos/acme/site/labels/bug" ]

  - id: large-refund
    when:
      host: api.stripe.com
      body: { amount: { gt: 10000 } }
    unless: { agent: refunds-bot }
    verdict: hold

adjust:
  - rule: github/delete-repository
    when: { agent: cleanup-bot, path: "/repos/acme-sandbox/*" }
    verdict: pass
    why: The sandbox organisation is disposable (SEC-112).
    until: 2027-01-31
    examples:
      pass: [ { method: DELETE, url: "https://api.github.com/repos/acme-sandbox/x", agent: cleanup-bot } ]
      hold: [ "DELETE https://api.github.com/repos/acme-sandbox/x" ]
"#;

/// A rule for `https://a.test` with this `when` besides the host.
fn hold(when: &str) -> String {
    format!("pack: p\nrules:\n- id: r\n  verdict: hold\n  when: {{ host: a.test, {when} }}\n")
}

fn pass(when: &str) -> String {
    format!(
        "pack: p\nrules:\n- id: r\n  verdict: pass\n  when: {{ host: a.test, {when} }}\n\
         - id: all\n  verdict: pass\n  mode: observe\n  when: {{ host: b.test }}\n"
    )
}

#[test]
fn the_design_example_does_what_it_says() {
    let mut asking = asking(DESIGN);
    let delete = request("DELETE https://api.github.com/repos/acme/site", &[], "");
    assert_eq!(asking.ask(&delete), (Hold, "github/delete-repository".into()));
    let grounds = asking.grounds(&delete);
    assert_eq!(grounds.summary, "Delete the repository acme/site");
    assert_eq!(grounds.review.approvals, 2);
    assert_eq!(grounds.review.patience, Some(std::time::Duration::from_secs(60)));
    let matched: Vec<(&str, &str)> =
        grounds.matched.iter().map(|m| (m.field.as_str(), m.value.as_str())).collect();
    assert_eq!(matched, [("method", "DELETE"), ("host", "api.github.com"), ("path", "/repos/acme/site")]);
    assert_eq!(grounds.ruleset.len(), 64);
    assert_eq!(asking.line("DELETE https://api.github.com/repos/acme/site/labels/bug"), Pass);
    assert_eq!(asking.line("DELETE https://api.github.com/repos/acme-sandbox/site"), Hold);
    asking.agent.name = "cleanup-bot".into();
    assert_eq!(asking.line("DELETE https://api.github.com/repos/acme-sandbox/site"), Pass);
    assert_eq!(asking.line("DELETE https://api.github.com/repos/Acme-Sandbox/site"), Hold, "asked exactly");
    assert!(asking.set.warnings(asking.now).is_empty());
    asking.now = "2027-02-01T00:00:00Z".parse().unwrap();
    assert_eq!(asking.line("DELETE https://api.github.com/repos/acme-sandbox/site"), Hold, "it has ended");
    assert_eq!(asking.set.warnings(asking.now).len(), 1);
    assert!(asking.set.run_examples().is_empty(), "{:?}", asking.set.run_examples());
}

#[test]
fn the_body_is_asked_for_only_where_a_rule_reads_it() {
    let asking = asking(DESIGN);
    let refund = |body| request("POST https://api.stripe.com/v1/refunds", &[], body);
    assert_eq!(asking.need(&refund("")), Need::Body);
    assert_eq!(asking.need(&request("POST https://api.github.com/x", &[], "")), Need::None);
    assert_eq!(asking.ask(&refund("amount=20000")).0, Hold);
    assert_eq!(asking.ask(&refund("amount=9")).0, Pass);
    assert_eq!(asking.ask(&refund(r#"{"amount": 20000}"#)).0, Hold);
    assert_eq!(asking.ask(&refund(r#"{"amount": "20000"}"#)).0, Hold);
    let large = Body::Unreadable("the body is larger than 1 MiB".into());
    assert_eq!(asking.ask_body(&refund("x"), &large), (Hold, "p/r".replace("p/r", "github/large-refund")));
    let ruling = asking.ask(&refund("<amount>20000</amount>"));
    assert_eq!(ruling, (Hold, "github/large-refund".into()));
}

#[test]
fn a_rule_that_denies_by_its_head_needs_no_body() {
    let rules = "pack: p\nrules:\n- { id: a, verdict: deny, when: { host: a.test, path: /x } }\n\
                 - { id: b, verdict: hold, when: { host: a.test, body: { a: 1 } } }\n";
    let asking = asking(rules);
    assert_eq!(asking.need(&request("POST https://a.test/x", &[], "")), Need::None);
    assert_eq!(asking.need(&request("POST https://a.test/y", &[], "")), Need::Body);
}

#[test]
fn deny_beats_hold_beats_pass() {
    let rule = |id: &str, verdict: &str, path: &str| {
        format!("- {{ id: {id}, verdict: {verdict}, when: {{ host: a.test, path: \"{path}\" }} }}\n")
    };
    let rules = [
        "pack: p\nrules:\n",
        &rule("p", "pass", "/**"),
        &rule("h", "hold", "/a/**"),
        &rule("d", "deny", "/a/b"),
    ];
    let settings = Settings { otherwise: Otherwise::default(), ..Settings::default() };
    let asking = asking_with(&[&rules.concat()], &settings);
    assert_eq!(asking.line("POST https://a.test/"), Pass);
    assert_eq!(asking.line("POST https://a.test/a/x"), Hold);
    assert_eq!(asking.line("POST https://a.test/a/b"), Deny);
}

#[test]
fn what_no_rule_matches_is_decided_by_otherwise() {
    let rules = "pack: p\nhosts: [known.test, \"*.deep.test\"]\nrules:\n\
                 - { id: r, verdict: hold, when: { host: \"*\", path: /never } }\n";
    let otherwise = Otherwise { read: Pass, write: Hold, unknown_host: Deny };
    let asking = asking_with(&[rules], &Settings { otherwise, ..Settings::default() });
    let ask = |line| asking.ask(&request(line, &[], ""));
    assert_eq!(ask("GET https://known.test/"), (Pass, "otherwise/read".into()));
    assert_eq!(ask("OPTIONS https://known.test/"), (Pass, "otherwise/read".into()));
    assert_eq!(ask("POST https://known.test/"), (Hold, "otherwise/write".into()));
    assert_eq!(ask("TRACE https://known.test/"), (Hold, "otherwise/write".into()));
    assert_eq!(ask("GET https://a.b.deep.test/"), (Pass, "otherwise/read".into()));
    assert_eq!(ask("GET https://deep.test/"), (Deny, "otherwise/unknown-host".into()));
    assert_eq!(ask("GET https://unknown.test/"), (Deny, "otherwise/unknown-host".into()));
    let named = request("GET https://known.test/", &[("x-http-method-override", "DELETE")], "");
    assert_eq!(asking.ask(&named), (Hold, "otherwise/write".into()), "a read that names a write is a write");
}

#[test]
fn rules_without_a_host_are_about_the_hosts_of_their_pack() {
    let asking = asking_with(
        &["pack: p\nhosts: [known.test]\nrules:\n\
                  - { id: passes, verdict: pass, when: { method: POST, path: /x } }\n\
                  - { id: denies, verdict: deny, when: [{ path: /y }, { host: other.test }] }\n\
                  - { id: everywhere, verdict: deny, when: { host: \"*\", path: /z } }\n"],
        &Settings::default(),
    );
    assert_eq!(asking.line("POST https://known.test/x"), Pass);
    assert_eq!(asking.line("POST https://elsewhere.test/x"), Hold);
    assert_eq!(asking.line("GET https://known.test/y"), Deny);
    assert_eq!(asking.line("GET https://elsewhere.test/y"), Hold);
    assert_eq!(asking.line("GET https://other.test/"), Deny);
    assert_eq!(asking.line("GET https://elsewhere.test/z"), Deny);
}

#[test]
fn paths_match_by_expression_on_all_their_readings() {
    let asking = asking_with(
        &["pack: p\nhosts: [a.test]\nrules:\n\
                  - { id: passes, verdict: pass, when: { method: POST, path: { regex: \"^/v1/list\\\\w*$\" } } }\n\
                  - { id: holds, verdict: deny, when: { path: { regex: \":destroy$\" } } }\n"],
        &Settings::default(),
    );
    assert_eq!(asking.line("POST https://a.test/v1/listThings"), Pass);
    assert_eq!(asking.line("POST https://a.test/v1/things"), Hold);
    assert_eq!(asking.line("POST https://a.test/v1/x/%2e%2e%2flistThings"), Hold, "not all readings");
    assert_eq!(asking.line("GET https://a.test/v1/k:destroy"), Deny);
    assert_eq!(asking.line("GET https://a.test/v1/k%3Adestroy"), Deny);
}

#[test]
fn observing_lets_pass_and_tells() {
    let rules = |mode: &str| {
        format!("pack: p\n{mode}\nrules:\n- {{ id: r, verdict: deny, when: {{ host: a.test, path: /x }} }}\n")
    };
    let ruling = |rules: &str, mode, line| {
        let asking = asking_with(&[rules], &Settings { mode, ..Settings::default() });
        let request = request(line, &[], "");
        let caller = holdpoint::request::Caller { agent: &asking.agent, source: asking.source };
        let ruling = asking.set.evaluate(&request.head(), &caller, &Body::Empty, asking.now, &asking.rates);
        (ruling.verdict, ruling.would_have.map(|(verdict, basis)| (verdict, basis.name().to_owned())))
    };
    let would = Some((Deny, "p/r".to_owned()));
    assert_eq!(
        ruling(&rules("mode: observe"), Mode::Enforce, "POST https://a.test/x"),
        (Pass, would.clone())
    );
    assert_eq!(ruling(&rules(""), Mode::Observe, "POST https://a.test/x"), (Pass, would));
    assert_eq!(ruling(&rules(""), Mode::Enforce, "POST https://a.test/x"), (Deny, None));
    let write = Some((Hold, "otherwise/write".to_owned()));
    assert_eq!(ruling(&rules(""), Mode::Observe, "POST https://a.test/y"), (Pass, write));
    assert_eq!(ruling(&rules("mode: observe"), Mode::Enforce, "POST https://a.test/y"), (Hold, None));
}

#[test]
fn paths_that_hold_match_in_every_reading() {
    let holds = asking(&hold("path: /admin/users"));
    for path in [
        "/admin/users",
        "/Admin/Users",
        "/admin/users/",
        "/admin//users",
        "/x/..%2fadmin/users",
        "/admin;v=1/users",
        "/%61dmin/users",
        "/admin%2Fusers",
        "/admin%252Fusers",
    ] {
        assert_eq!(holds.line(&format!("GET https://a.test{path}")), Hold, "{path}");
    }
    assert_eq!(holds.line("GET https://a.test/admin/users/1"), Pass);
}

#[test]
fn paths_that_pass_match_exactly_and_in_all_readings() {
    let settings = Settings { otherwise: Otherwise::default(), ..Settings::default() };
    let passes = asking_with(&[&pass("path: \"/public/**\"")], &settings);
    assert_eq!(passes.line("POST https://a.test/public/x"), Pass);
    for path in ["/Public/x", "/public/..%2fadmin", "/public/..;/admin", "/public%2Fx"] {
        assert_eq!(passes.line(&format!("POST https://a.test{path}")), Hold, "{path}");
    }
}

#[test]
fn path_expressions_that_hold_fold_letter_case() {
    let holds = asking(&hold("path: { regex: \"^/v1/[^/]+:destroy$\" }"));
    for path in ["/v1/x:destroy", "/V1/x:Destroy", "/v1/x:destroy/", "/v1/x%3Adestroy", "/v1//x:destroy"] {
        assert_eq!(holds.line(&format!("POST https://a.test{path}")), Hold, "{path}");
    }
    assert_eq!(holds.line("POST https://a.test/v1/x:destroyed"), Pass);
    let settings = Settings { otherwise: Otherwise::default(), ..Settings::default() };
    let passes = asking_with(&[&pass("path: { regex: \"^/v1/list\" }")], &settings);
    assert_eq!(passes.line("POST https://a.test/v1/list"), Pass);
    assert_eq!(passes.line("POST https://a.test/v1/List"), Hold);
    let not = asking(&hold("path: { not: { glob: \"/public/*\" } }"));
    assert_eq!(not.line("GET https://a.test/public/x"), Pass);
    assert_eq!(not.line("GET https://a.test/Public/x"), Hold);
}

#[test]
fn methods() {
    let holds = asking(&hold("method: [DELETE, PURGE]"));
    assert_eq!(holds.line("DELETE https://a.test/"), Hold);
    assert_eq!(holds.line("delete https://a.test/"), Hold);
    assert_eq!(holds.line("PURGE https://a.test/"), Hold);
    assert_eq!(holds.line("GET https://a.test/"), Pass);
    assert_eq!(holds.line("POST https://a.test/?_method=delete"), Hold);
    assert_eq!(holds.line("POST https://a.test/?%5Fmethod=DELETE"), Hold);
    for field in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        assert_eq!(holds.ask(&request("POST https://a.test/", &[(field, "delete")], "")).0, Hold, "{field}");
    }
    let real = request("DELETE https://a.test/", &[("x-http-method-override", "GET")], "");
    assert_eq!(holds.ask(&real).0, Hold, "the real method's rule still holds");
    let others = asking(&hold("method: { not: [GET, HEAD] }"));
    assert_eq!(others.line("PROPFIND https://a.test/"), Hold);
    assert_eq!(others.line("HEAD https://a.test/"), Pass);
}

#[test]
fn queries() {
    let holds = asking(&hold("query: { force: [\"true\", 1] }"));
    for query in [
        "force=true",
        "a=b&force=1",
        "Force=true",
        "force=no&force=true",
        "f%6frce=t%72ue",
        "force[]=1",
        "a=1;force=true",
    ] {
        assert_eq!(holds.line(&format!("GET https://a.test/?{query}")), Hold, "{query}");
    }
    for query in ["", "force=false", "xforce=true", "force"] {
        assert_eq!(holds.line(&format!("GET https://a.test/?{query}")), Pass, "{query}");
    }
    let settings = Settings { otherwise: Otherwise::default(), ..Settings::default() };
    let passes = asking_with(&[&pass("query: { dry: \"1\" }")], &settings);
    assert_eq!(passes.line("POST https://a.test/?dry=1"), Pass);
    for query in ["dry=1&dry=0", "Dry=1", "dry=1&DRY=0", "dry[]=1", ""] {
        assert_eq!(passes.line(&format!("POST https://a.test/?{query}")), Hold, "{query}");
    }
    let absent = asking(&hold("query: { dry: { exists: false } }"));
    assert_eq!(absent.line("GET https://a.test/?dry=1"), Pass);
    assert_eq!(absent.line("GET https://a.test/"), Hold);
    assert_eq!(absent.line("GET https://a.test/?Dry=1"), Hold, "an origin may not see it under this name");
}

#[test]
fn headers() {
    let holds = asking(&hold("header: { X-Amz-Target: { glob: \"*.Delete*\" } }"));
    let ask = |values: &[(&str, &str)]| holds.ask(&request("POST https://a.test/", values, "")).0;
    assert_eq!(ask(&[("x-amz-target", "DynamoDB_20120810.DeleteTable")]), Hold);
    assert_eq!(ask(&[("x-amz-target", "DynamoDB_20120810.ListTables")]), Pass);
    assert_eq!(ask(&[("x-amz-target", "X.List"), ("x-amz-target", "X.DeleteTable")]), Hold);
    assert_eq!(ask(&[]), Pass);
    let not = asking(&hold("header: { x-env: { not: [dev, test] } }"));
    let ask = |values: &[(&str, &str)]| not.ask(&request("POST https://a.test/", values, "")).0;
    assert_eq!(ask(&[("x-env", "dev")]), Pass);
    assert_eq!(ask(&[("x-env", "dev"), ("x-env", "prod")]), Hold);
    assert_eq!(ask(&[]), Hold);
}

#[test]
fn bodies() {
    let holds = asking(&hold("body: { role: admin }"));
    for body in [
        r#"{"role": "admin"}"#,
        r#"{"Role": "admin"}"#,
        r#"{"ro\u006ce": "\u0061dmin"}"#,
        r#"{"role": "user", "role": "admin"}"#,
        r#"{"role": "admin", "role": "user"}"#,
        r#"{"role": ["user", "admin"]}"#,
        r#"[{"role": "admin"}]"#,
        "role=admin",
        "role=user&role=admin",
        "role[]=admin",
        "{'role': 'admin'}",
        "role: admin",
    ] {
        assert_eq!(holds.post("text/plain", body), Hold, "{body}");
    }
    for body in [r#"{"role": "user"}"#, r#"{"x": {"role": "admin"}}"#, "role=user", "{}", ""] {
        assert_eq!(
            holds.post("application/json", body),
            if body == "role=user" { Hold } else { Pass },
            "{body}"
        );
    }
    let deep = asking(&hold("body: { /spec/containers/*/securityContext/privileged: true }"));
    let pod = r#"{"spec": {"containers": [{}, {"securityContext": {"privileged": true}}]}}"#;
    assert_eq!(deep.post("application/json", pod), Hold);
    assert_eq!(deep.post("application/json", &pod.replace("true", "false")), Pass);
    let text = asking(&hold("body: { text: { regex: \"(?i)drop\\\\s+table\" } }"));
    assert_eq!(text.post("text/plain", "select 1; DROP  TABLE x"), Hold);
    assert_eq!(text.post("text/plain", "select 1"), Pass);
    let numbers = asking(&hold("body: { amount: { gte: 10, lt: 20 } }"));
    assert_eq!(numbers.post("application/json", r#"{"amount": 10.0}"#), Hold);
    assert_eq!(numbers.post("application/json", r#"{"amount": 20}"#), Pass);
    assert_eq!(
        numbers.post("application/json", r#"{"amount": "many"}"#),
        Hold,
        "what cannot be compared counts"
    );
    assert_eq!(numbers.post("application/json", "{}"), Pass);
}

#[test]
fn bodies_that_pass_must_be_plain() {
    let settings = Settings { otherwise: Otherwise::default(), ..Settings::default() };
    let passes = asking_with(&[&pass("body: { amount: { lt: 10 } }")], &settings);
    assert_eq!(passes.post("application/json", r#"{"amount": 5}"#), Pass);
    for body in [
        r#"{"amount": 5, "amount": 500}"#,
        r#"{"amount": 5, "Amount": 500}"#,
        r#"{"Amount": 5}"#,
        r#"{"amount": "few"}"#,
        r#"{"amount": [5, 500]}"#,
        "amount=5&amount=500",
        "<amount>5</amount>",
        "",
    ] {
        assert_eq!(passes.post("application/json", body), Hold, "{body}");
    }
}

#[test]
fn multipart_fields() {
    let holds = asking(&hold("body: { purpose: fine-tune }"));
    let body = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n--b--\r\n";
    assert_eq!(holds.post("multipart/form-data; boundary=b", body), Hold);
    assert_eq!(holds.post("multipart/form-data; boundary=b", &body.replace("fine-tune", "other")), Pass);
    assert_eq!(holds.post("multipart/form-data; boundary=c", body), Hold, "unreadable");
}

#[test]
fn senders_and_ports() {
    let mut asking = asking(
        "pack: p\nrules:\n\
         - { id: agent, verdict: hold, when: { host: a.test, agent: [x, { glob: \"build*\" }] } }\n\
         - { id: label, verdict: hold, when: { host: b.test, label: { team: red } } }\n\
         - { id: source, verdict: hold, when: { host: c.test, source: [10.1.0.0/16, \"::1\"] } }\n\
         - { id: port, verdict: hold, when: { host: d.test, port: [8443, { gt: 9000 }] } }\n",
    );
    assert_eq!(asking.line("GET https://a.test/"), Hold);
    assert_eq!(asking.line("GET https://b.test/"), Pass);
    assert_eq!(asking.line("GET https://c.test/"), Hold);
    assert_eq!(asking.line("GET https://d.test/"), Pass);
    assert_eq!(asking.line("GET https://d.test:8443/"), Hold);
    assert_eq!(asking.line("GET https://d.test:9443/"), Hold);
    asking.agent.name = "other".into();
    asking.agent.labels.insert("team".into(), "red".into());
    asking.source = "::ffff:10.2.0.1".parse().unwrap();
    assert_eq!(asking.line("GET https://a.test/"), Pass);
    assert_eq!(asking.line("GET https://b.test/"), Hold);
    assert_eq!(asking.line("GET https://c.test/"), Pass);
}

#[test]
fn time_windows() {
    let mut asking = asking(&hold(
        "time: [{ days: mon-fri, from: \"22:00\", to: \"06:00\", zone: Europe/Berlin }, { days: sun }]",
    ));
    let mut at = |now: &str| {
        asking.now = now.parse().unwrap();
        asking.line("GET https://a.test/")
    };
    assert_eq!(at("2026-11-20T20:59:00Z"), Pass, "Friday 21:59 in Berlin");
    assert_eq!(at("2026-11-20T21:00:00Z"), Hold);
    assert_eq!(at("2026-11-21T04:59:00Z"), Hold, "Friday's window goes on into Saturday");
    assert_eq!(at("2026-11-21T05:00:00Z"), Pass);
    assert_eq!(at("2026-11-21T21:30:00Z"), Pass, "Saturday has none of its own");
    assert_eq!(at("2026-11-22T12:00:00Z"), Hold, "Sunday");
}

#[test]
fn rates_count_what_matches_otherwise() {
    let mut asking = asking(&hold("method: GET, path: \"/export/**\", rate: { more-than: 2, in: 10m }"));
    for _ in 0..5 {
        assert_eq!(asking.line("GET https://a.test/other"), Pass);
    }
    assert_eq!(asking.line("GET https://a.test/export//1"), Pass, "two readings count once");
    assert_eq!(asking.line("GET https://a.test/export/2"), Pass);
    assert_eq!(asking.line("GET https://a.test/export/3"), Hold);
    asking.agent.id = 2;
    assert_eq!(asking.line("GET https://a.test/export/3"), Pass, "another agent has its own count");
    asking.agent.id = 1;
    asking.now += jiff::SignedDuration::from_mins(11);
    assert_eq!(asking.line("GET https://a.test/export/4"), Pass);
}

#[test]
fn sizes() {
    let holds = asking(&hold("size: { gt: 1KiB }"));
    assert_eq!(holds.post("text/plain", &"x".repeat(1025)), Hold);
    assert_eq!(holds.post("text/plain", &"x".repeat(1024)), Pass);
    let announced = request("POST https://a.test/x", &[("content-length", "5000")], "");
    assert_eq!(holds.need(&announced), Need::None, "the head says it");
    assert_eq!(holds.ask_body(&announced, &Body::NotRead).0, Hold);
    let unknown = Body::Unreadable("too large".into());
    assert_eq!(holds.ask_body(&request("POST https://a.test/x", &[], "x"), &unknown).0, Hold);
}

#[test]
fn conditions() {
    let holds = asking(&hold(
        r#"if: 'request.method == "POST" && request.body.amount * 2 > 100 && agent.name != "x"'"#,
    ));
    assert_eq!(holds.post("application/json", r#"{"amount": 51}"#), Hold);
    assert_eq!(holds.post("application/json", r#"{"amount": 50}"#), Pass);
    assert_eq!(holds.line("GET https://a.test/x"), Pass, "decided before the body's field is missed");
    assert_eq!(holds.post("application/json", "{}"), Hold, "what cannot be evaluated counts");
    assert_eq!(holds.post("application/json", r#"{"amount": 1, "amount": 1}"#), Hold);
    assert_eq!(holds.post("text/xml", "<amount>1</amount>"), Hold);
    let head = asking(&hold(r#"if: 'request.path.startsWith("/admin") || request.query.x == "1"'"#));
    assert_eq!(head.need(&request("GET https://a.test/", &[], "")), Need::None);
    assert_eq!(head.line("GET https://a.test/admin?x=0"), Hold);
    assert_eq!(head.line("GET https://a.test/x/..%2fadmin?x=0"), Hold, "every reading of the path");
    assert_eq!(head.line("GET https://a.test/y?x=0"), Pass);
    let rest = asking(&hold(
        r#"if: 'request.host == "a.test" && request.port == 443 && size(request.headers) == 2 && request.headers["x-a"] == "1, 2" && "team" in agent.labels == false && source == "10.1.2.3" && now > 1700000000'"#,
    ));
    let two = request("GET https://a.test/", &[("x-a", "1"), ("x-a", "2")], "");
    assert_eq!(rest.ask(&two).0, Hold);
    let floats = asking(&hold("if: 'request.body.amount > 10'"));
    assert_eq!(floats.post("application/json", r#"{"amount": 10.5}"#), Hold);
    assert_eq!(floats.post("application/json", r#"{"amount": 9.5}"#), Pass);
    let settings = Settings { otherwise: Otherwise::default(), ..Settings::default() };
    let passes = asking_with(&[&pass(r#"if: 'request.query.role != "admin"'"#)], &settings);
    assert_eq!(passes.line("POST https://a.test/?role=user"), Pass);
    assert_eq!(passes.line("POST https://a.test/?role=user&role=admin"), Hold, "repeated: cannot tell");
    assert_eq!(passes.line("POST https://a.test/"), Hold, "missing: cannot tell");
}

#[test]
fn lists_mean_any_of_and_unless_none_of() {
    let asking = asking(
        "pack: p\nrules:\n- id: r\n  verdict: hold\n  when:\n\
         \x20 - { host: a.test, path: [/x, /y] }\n  - { host: b.test }\n\
         \x20 unless:\n  - { agent: nobody }\n  - { method: GET, path: /y }\n",
    );
    assert_eq!(asking.line("POST https://a.test/x"), Hold);
    assert_eq!(asking.line("POST https://a.test/y"), Hold);
    assert_eq!(asking.line("GET https://a.test/y"), Pass);
    assert_eq!(asking.line("GET https://a.test/Y"), Hold, "an exemption is asked exactly");
    assert_eq!(asking.line("GET https://b.test/"), Hold);
    assert_eq!(asking.line("POST https://a.test/z"), Pass);
}

#[test]
fn near_misses_say_what_failed() {
    let asking = asking(DESIGN);
    let request = request("GET https://api.github.com/repos/acme/site", &[], "");
    let caller = holdpoint::request::Caller { agent: &asking.agent, source: asking.source };
    let misses = asking.set.explain(&request.head(), &caller, &Body::Empty, asking.now, &asking.rates);
    assert_eq!(misses.len(), 1);
    assert_eq!(misses[0].rule, "github/delete-repository");
    assert_eq!(misses[0].failed.len(), 1);
    assert_eq!(misses[0].failed[0].field, "method");
    assert_eq!(misses[0].failed[0].expected, "DELETE");
    assert_eq!(misses[0].failed[0].seen.as_deref(), Some("GET"));
}

#[test]
fn examples_that_do_not_come_true_are_told() {
    let rules = "pack: p\nrules:\n- id: r\n  verdict: hold\n  when: { host: a.test, method: DELETE }\n  examples:\n\
                 \x20   hold: [ \"GET https://a.test/\" ]\n    pass: [ \"DELETE https://a.test/\" ]\n";
    let failures = asking(rules).set.run_examples();
    let told: Vec<(usize, &str)> = failures.iter().map(|f| (f.line, f.message.as_str())).collect();
    assert_eq!(
        told,
        [(7, "the rule does not match it: `method` asks for DELETE, seen: GET"), (8, "the rule matches it")]
    );
}

#[test]
fn of_several_holds_the_one_that_asks_for_more_people_counts() {
    let rules = "pack: p\nrules:\n\
        - { id: a, verdict: hold, risk: critical, when: { host: a.test } }\n\
        - { id: b, verdict: hold, risk: low, review: { approvals: 2 }, when: { host: a.test } }\n";
    let asking = asking_with(&[rules], &Settings { otherwise: all_pass(), ..Settings::default() });
    assert_eq!(asking.ask(&request("GET https://a.test/", &[], "")), (Hold, "p/b".into()));
}

/// What a grant beyond the identical request rests on: every rule that holds, by its wording, and for certain.
#[test]
fn a_request_names_every_rule_that_holds_it() {
    let rules = |why: &str, limit: u32| {
        format!(
            r#"
pack: test
hosts: [h.example]
rules:
  - {{ id: a, when: {{ path: "/pay" }}, verdict: hold, risk: high, why: "{why}" }}
  - {{ id: b, when: {{ path: "/pay", body: {{ amount: {{ gt: {limit} }} }} }}, verdict: hold, why: Much. }}
  - {{ id: c, when: {{ path: "/adjusted" }}, verdict: pass }}
adjust:
  - {{ rule: test/c, when: {{ host: h.example }}, verdict: hold, why: For now. }}
"#
        )
    };
    let json = [("content-type", "application/json")];
    let held_by =
        |rules: &str, line: &str, body: &str| asking(rules).grounds(&request(line, &json, body)).held_by;
    let rules_1 = rules("Money.", 10);
    let small = held_by(&rules_1, "POST https://h.example/pay", r#"{"amount": 1}"#);
    let large = held_by(&rules_1, "POST https://h.example/pay", r#"{"amount": 11}"#);
    assert_eq!((small.len(), large.len()), (1, 2));
    assert!(large.contains(&small[0]));
    let reworded = rules("Much money.", 10);
    assert_ne!(held_by(&reworded, "POST https://h.example/pay", r#"{"amount": 1}"#), small);
    let other_rule_changed = rules("Money.", 20);
    assert_eq!(held_by(&other_rule_changed, "POST https://h.example/pay", r#"{"amount": 1}"#), small);
    // Not certain: a body that nobody can read, an adjustment, no rule at all.
    assert!(held_by(&rules_1, "POST https://h.example/pay", "{\"amount\"").is_empty());
    assert!(held_by(&rules_1, "POST https://h.example/adjusted", "{}").is_empty());
    assert!(held_by(&rules_1, "POST https://h.example/else", "{}").is_empty());
}
