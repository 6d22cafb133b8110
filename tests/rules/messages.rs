//! Messages on a WebSocket: which connections are heard, and what a message is to a rule.

use super::support::{Asking, all_pass, asking, asking_with, request};
use holdpoint::decode::{self, Body, Limits};
use holdpoint::request::Caller;
use holdpoint::rules::sample::Canonical;
use holdpoint::rules::{Message, Otherwise, STANDARD, Settings};
use holdpoint::ruling::Verdict;

impl Asking {
    fn hears(&self, handshake: &Canonical) -> bool {
        self.set.hears(&handshake.head(), &Caller { agent: &self.agent, source: self.source }, self.now)
    }

    /// Verdict and basis of a message.
    fn said(&self, handshake: &Canonical, text: &str) -> (Verdict, String) {
        let body = decode::body(&http::HeaderMap::new(), text.as_bytes(), Limits::default());
        self.said_body(handshake, &body, false)
    }

    fn said_body(&self, handshake: &Canonical, body: &Body, harmless: bool) -> (Verdict, String) {
        let caller = Caller { agent: &self.agent, source: self.source };
        let message = Message { handshake: &handshake.head(), caller: &caller, body, harmless };
        let ruling = self.set.evaluate_message(&message, self.now, &self.rates);
        (ruling.verdict, ruling.basis.name().to_owned())
    }
}

fn opening(url: &str) -> Canonical {
    request(&format!("GET {url}"), &[("sec-websocket-version", "13")], "")
}

fn rule(when: &str, verdict: &str) -> String {
    format!("pack: p\nrules:\n  - id: r\n    when: {when}\n    verdict: {verdict}\n    why: x\n")
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_x"}}"#;

#[test]
fn rules_that_look_at_what_is_said_hear_it() {
    let socket = opening("https://a.test/ws");
    for (when, hears, verdict) in [
        // Whatever method the rule asks for: the message could have been posted.
        ("{ host: a.test, rpc: { tool: 'delete_*' } }", true, Verdict::Hold),
        ("{ host: a.test, method: POST, rpc: { tool: 'delete_*' } }", true, Verdict::Hold),
        ("{ host: a.test, method: GET, rpc: { tool: 'delete_*' } }", true, Verdict::Hold),
        ("{ host: a.test, body: { text: { regex: delete } } }", true, Verdict::Hold),
        ("{ host: a.test, body: { /params/name: delete_x } }", true, Verdict::Hold),
        ("{ host: a.test, size: { gt: 10B } }", true, Verdict::Hold),
        ("{ host: a.test, if: 'request.text.contains(\"delete\")' }", true, Verdict::Hold),
        ("{ host: a.test, method: POST, path: '/ws' }", true, Verdict::Hold),
        ("{ host: a.test, method: { not: GET } }", true, Verdict::Hold),
        // It looks, and does not match.
        ("{ host: a.test, rpc: { tool: 'drop_*' } }", true, Verdict::Pass),
        ("{ host: a.test, body: { amount: { gt: 10 } } }", true, Verdict::Pass),
        // It cannot match, or has had its say when the connection was opened.
        ("{ host: b.test, rpc: { tool: 'delete_*' } }", false, Verdict::Pass),
        ("{ host: a.test, path: '/other', rpc: { tool: 'delete_*' } }", false, Verdict::Pass),
        ("{ host: a.test, method: DELETE, body: { x: 1 } }", false, Verdict::Pass),
        ("{ host: a.test, path: '/ws' }", false, Verdict::Pass),
        ("{ host: a.test, method: GET }", false, Verdict::Pass),
        ("{ host: a.test, method: DELETE }", false, Verdict::Pass),
    ] {
        let asking = asking(&rule(when, "hold"));
        assert_eq!((asking.hears(&socket), asking.said(&socket, CALL).0), (hears, verdict), "{when}");
    }
}

#[test]
fn an_exemption_or_an_adjustment_by_what_is_said_is_asked_of_each_message() {
    let socket = opening("https://a.test/ws");
    let unless = "pack: p\nrules:\n  - id: r\n    when: { host: a.test, path: /ws }\n    unless: { rpc: { tool: 'get_*' } }\n    verdict: hold\n    why: x\n";
    let adjusted = "pack: p\nrules:\n  - id: r\n    when: { host: a.test, path: /ws }\n    verdict: hold\n    why: x\nadjust:\n  - rule: p/r\n    when: { rpc: { tool: 'get_*' } }\n    verdict: pass\n    why: y\n";
    for rules in [unless, adjusted] {
        let asking = asking(rules);
        assert!(asking.hears(&socket));
        assert_eq!(asking.ask(&socket).0, Verdict::Hold, "the handshake itself");
        assert_eq!(asking.said(&socket, CALL), (Verdict::Hold, "p/r".into()));
        assert_eq!(asking.said(&socket, &CALL.replace("delete", "get")).0, Verdict::Pass);
    }
}

#[test]
fn what_cannot_be_read_is_held() {
    let socket = opening("https://a.test/ws");
    let asking = asking(&rule("{ host: a.test, method: POST, rpc: { tool: 'delete_*' } }", "hold"));
    for text in ["{\"tool\":", "[[]]", "// {\n{}"] {
        assert_eq!(asking.said(&socket, text), (Verdict::Hold, "p/r".into()), "{text}");
    }
    let unreadable = Body::Unreadable("another protocol".into());
    assert_eq!(asking.said_body(&socket, &unreadable, false).0, Verdict::Hold);
    let binary = decode::body(&http::HeaderMap::new(), b"\xff\x00", Limits::default());
    assert_eq!(asking.said_body(&socket, &binary, false).0, Verdict::Hold);
    let denies = self::asking(&rule("{ host: a.test, method: POST, rpc: { tool: 'delete_*' } }", "deny"));
    assert_eq!(denies.said(&socket, CALL).0, Verdict::Deny);
}

/// Without a rule the handshake's ruling stands; where rules pass by what is said, the rest is left to `otherwise`.
#[test]
fn an_allow_list_is_one_for_messages() {
    let usual = Settings { otherwise: Otherwise::default(), ..Settings::default() };
    let socket = opening("https://a.test/ws");
    let holds = asking_with(&[&rule("{ host: a.test, rpc: { tool: 'drop_*' } }", "hold")], &usual);
    assert_eq!(holds.ask(&socket), (Verdict::Pass, "otherwise/read".into()));
    assert_eq!(holds.said(&socket, CALL).0, Verdict::Pass);
    for when in
        ["{ host: a.test, rpc: { tool: 'get_*' } }", "{ host: a.test, method: POST, rpc: { tool: 'get_*' } }"]
    {
        let passes = asking_with(&[&rule(when, "pass")], &usual);
        assert!(passes.hears(&socket));
        assert_eq!(passes.said(&socket, CALL), (Verdict::Hold, "otherwise/write".into()), "{when}");
        assert_eq!(
            passes.said(&socket, &CALL.replace("delete", "get")),
            (Verdict::Pass, "p/r".into()),
            "{when}"
        );
        assert_eq!(
            passes.said_body(&socket, &Body::Empty, true).0,
            Verdict::Pass,
            "it keeps the conversation going"
        );
        let elsewhere = opening("https://c.test/ws");
        assert!(!passes.hears(&elsewhere));
    }
    // A rule that passes the opening does not pass what is said.
    let open = "{ host: a.test, method: GET, path: /ws }";
    let both = format!(
        "{}  - id: o\n    when: {open}\n    verdict: pass\n    why: x\n",
        rule("{ host: a.test, rpc: { tool: 'get_*' } }", "pass")
    );
    let both = asking_with(&[&both], &usual);
    assert_eq!(both.said(&socket, CALL), (Verdict::Hold, "otherwise/write".into()));
}

#[test]
fn a_place_for_batches_is_none_for_sockets() {
    let asking = asking_with(&[], &Settings { otherwise: all_pass(), ..Settings::default() });
    let socket = opening("https://a.test/logs/_bulk");
    assert!(asking.hears(&socket));
    assert_eq!(asking.said(&socket, "{}"), (Verdict::Hold, "otherwise/unreadable-batch".into()));
}

/// Under the standard packs the usual sockets of known services pass as they come; those of MCP servers are judged.
#[test]
fn the_standard_packs_leave_usual_sockets_alone() {
    let sources: Vec<&str> = STANDARD.iter().map(|(_, text)| *text).collect();
    let asking = asking_with(&sources, &Settings::default());
    for url in [
        "https://wss-primary.slack.com/link/?ticket=x&app_id=y",
        "https://api.openai.com/v1/realtime?model=gpt-realtime",
        "https://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
        "https://gateway.discord.gg/?v=10&encoding=json",
        "https://k8s.acme.example/api/v1/namespaces/prod/pods/web/exec?command=sh&stdin=true",
        "https://k8s.acme.example/api/v1/namespaces/prod/pods/web/attach",
        "https://k8s.acme.example/api/v1/namespaces/prod/pods/web/portforward",
        "https://k8s.acme.example/api/v1/namespaces/prod/pods/web/log?follow=true",
        "https://vite.acme.example/",
    ] {
        assert!(!asking.hears(&opening(url)), "{url}");
    }
    for url in [
        "https://mcp.linear.app/mcp",
        "https://tools.acme.example/mcp",
        "https://tools.acme.example/sse?sessionId=1",
    ] {
        let socket = opening(url);
        assert!(asking.hears(&socket), "{url}");
        assert_eq!(asking.said(&socket, CALL), (Verdict::Hold, "mcp/delete".into()), "{url}");
    }
    assert_eq!(
        asking.said(&opening("https://mcp.linear.app/mcp"), r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).0,
        Verdict::Pass
    );
    assert_eq!(asking.said(&opening("https://tools.acme.example/mcp"), "hello").0, Verdict::Pass);
}
