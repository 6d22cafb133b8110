//! `git:`, `k8s:` and `grpc:` as rules ask them.

use crate::support::{Asking, asking, asking_with, request};
use holdpoint::decode::{self, Body, Limits};
use holdpoint::rules::{Otherwise, Settings};
use holdpoint::ruling::Verdict::{self, Hold, Pass};

fn holding(when: &str) -> Asking {
    asking(&format!("pack: p\nrules:\n- {{ id: r, verdict: hold, when: {{ host: h.test, {when} }} }}\n"))
}

fn passing(when: &str) -> Asking {
    asking(&format!(
        "pack: p\nrules:\n- {{ id: r, verdict: deny, when: {{ host: h.test }} }}\n\
         adjust:\n- {{ rule: r, verdict: pass, why: known, when: {{ {when} }} }}\n"
    ))
}

#[track_caller]
fn line(asking: &Asking, line: &str) -> Verdict {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    asking.ask(&request(&format!("{method} https://h.test{target}"), &[], "")).0
}

fn push(commands: &[&str]) -> Vec<u8> {
    let (old, new, none) = ("ab".repeat(20), "cd".repeat(20), "0".repeat(40));
    let mut bytes = Vec::new();
    for command in commands {
        let (change, name) = command.split_once(' ').expect("a change and a name");
        let (old, new) = match change {
            "create" => (&none, &new),
            "update" => (&old, &new),
            _ => (&old, &none),
        };
        let line = format!("{old} {new} {name}\0report-status");
        bytes.extend(format!("{:04x}{line}", line.len() + 4).bytes());
    }
    bytes.extend(b"0000PACK\0\0\0\x02\xff");
    bytes
}

#[track_caller]
fn pushed(asking: &Asking, body: &[u8]) -> Verdict {
    let request = request("POST https://h.test/acme/site.git/git-receive-pack", &[], "");
    let body = decode::body(request.head().headers, body, Limits::default());
    asking.ask_body(&request, &body).0
}

#[test]
fn a_push_matches_by_what_it_changes() {
    let main = holding("git: { ref: refs/heads/main }");
    assert_eq!(pushed(&main, &push(&["update refs/heads/main"])), Hold);
    assert_eq!(pushed(&main, &push(&["update refs/heads/topic", "delete refs/heads/main"])), Hold);
    assert_eq!(pushed(&main, &push(&["update refs/heads/topic"])), Pass);
    let tags = holding("git: { change: delete, ref: \"refs/tags/*\", repository: \"acme/*\" }");
    assert_eq!(pushed(&tags, &push(&["delete refs/tags/v1"])), Hold);
    assert_eq!(pushed(&tags, &push(&["create refs/tags/v1"])), Pass);
    assert_eq!(
        pushed(&tags, &push(&["create refs/tags/v1", "delete refs/heads/x"])),
        Pass,
        "neither is both"
    );
    assert_eq!(pushed(&tags, b"0032hello"), Hold, "what cannot be read is held");
    let topics = passing("git: { change: [create, update], ref: \"refs/heads/agent/*\" }");
    assert_eq!(pushed(&topics, &push(&["create refs/heads/agent/x"])), Pass);
    let both = push(&["create refs/heads/agent/x", "update refs/heads/main"]);
    assert_eq!(pushed(&topics, &both), Verdict::Deny);
}

/// git asks with an empty push before it streams a large one.
#[test]
fn the_probe_before_a_large_push_is_a_read() {
    let otherwise = Otherwise { read: Pass, write: Hold, unknown_host: Hold };
    let settings = Settings { otherwise, ..Settings::default() };
    let rules = "pack: p\nhosts: [h.test]\nrules:\n- { id: r, verdict: hold, when: { git: {} } }\n";
    let asking = asking_with(&[rules], &settings);
    assert_eq!(pushed(&asking, b"0000"), Pass);
    assert_eq!(pushed(&asking, b"00000000"), Hold, "which is no probe");
    assert_eq!(pushed(&asking, &push(&["update refs/heads/main"])), Hold);
}

#[test]
fn a_kubernetes_call_matches_as_its_server_reads_it() {
    let exec = holding("k8s: { subresource: [exec, attach, portforward] }");
    assert_eq!(line(&exec, "GET /api/v1/namespaces/prod/pods/web/exec?command=sh"), Hold);
    assert_eq!(line(&exec, "GET /api/v1//namespaces/prod/pods/web/EXEC"), Hold);
    assert_eq!(line(&exec, "GET /api/v1/namespaces/prod/pods/web%2Fexec"), Hold);
    assert_eq!(line(&exec, "GET /api/v1/namespaces/prod/pods/web/log"), Pass);
    let secrets = holding("k8s: { verb: [get, list, watch], resource: secrets, namespace: prod, name: db }");
    assert_eq!(line(&secrets, "GET /api/v1/namespaces/prod/secrets/db"), Hold);
    assert_eq!(line(&secrets, "GET /api/v1/namespaces/prod/secrets"), Hold, "a list has it, too");
    assert_eq!(line(&secrets, "GET /api/v1/secrets"), Hold, "and so has a list of all namespaces");
    assert_eq!(line(&secrets, "GET /api/v1/watch/namespaces/prod/secrets/db"), Hold);
    assert_eq!(line(&secrets, "GET /api/v1/namespaces/dev/secrets"), Pass);
    assert_eq!(line(&secrets, "GET /api/v1/namespaces/prod/secrets/other"), Pass);
    let nodes = holding("k8s: { verb: list, namespace: prod }");
    assert_eq!(line(&nodes, "GET /api/v1/nodes"), Pass, "nodes are in no namespace");
}

/// The options in the body of a delete replace those of the query.
#[test]
fn a_dry_run_must_be_one_beyond_doubt() {
    let dry = passing("k8s: { dry-run: true }");
    assert_eq!(line(&dry, "POST /api/v1/namespaces/prod/pods?dryRun=All"), Pass);
    assert_eq!(line(&dry, "POST /api/v1/namespaces/prod/pods"), Verdict::Deny);
    let delete = |body: &str| {
        let line = "DELETE https://h.test/api/v1/namespaces/prod?dryRun=All";
        dry.ask(&request(line, &[("content-type", "application/json")], body)).0
    };
    assert_eq!(delete(""), Pass);
    assert_eq!(delete(r#"{"dryRun":["All"]}"#), Pass);
    assert_eq!(delete(r#"{"kind":"DeleteOptions"}"#), Verdict::Deny);
    let unread = request("DELETE https://h.test/api/v1/namespaces/prod?dryRun=All", &[], "");
    assert_eq!(dry.ask_body(&unread, &Body::Unreadable("too long".into())).0, Verdict::Deny);
}

#[test]
fn a_remote_call_matches_by_service_and_method() {
    let asking = holding("grpc: { service: \"*.Publisher\", method: \"Delete*\" }");
    let call = |kind, target: &str| {
        asking.ask(&request(&format!("POST https://h.test{target}"), &[("content-type", kind)], "x")).0
    };
    assert_eq!(call("application/grpc", "/google.pubsub.v1.Publisher/DeleteTopic"), Hold);
    assert_eq!(call("application/json", "/google.pubsub.v1.Publisher/DeleteTopic"), Hold);
    assert_eq!(call("application/grpc", "/google.pubsub.v1.Publisher/GetTopic"), Pass);
    let exact = passing("grpc: { method: \"Get*\" }");
    let call = |kind| {
        let line = "POST https://h.test/google.pubsub.v1.Publisher/GetTopic";
        exact.ask(&request(line, &[("content-type", kind)], "x")).0
    };
    assert_eq!(call("application/grpc"), Pass);
    assert_eq!(call("text/plain"), Verdict::Deny);
}
