//! Matchers on calls: `rpc:` and its kin.

use crate::support::{Asking, asking, request};
use holdpoint::rules::Need;
use holdpoint::ruling::Verdict::{self, Hold, Pass};

/// Holds where `when` matches at `https://mcp.test/mcp`.
fn holding(when: &str) -> Asking {
    asking(&format!(
        "pack: p\nrules:\n- {{ id: r, verdict: hold, when: {{ host: mcp.test, path: /mcp, {when} }} }}\n"
    ))
}

/// Passes where `when` matches there, and denies all else.
fn passing(when: &str) -> Asking {
    asking(&format!(
        "pack: p\nrules:\n- {{ id: r, verdict: deny, when: {{ host: mcp.test }} }}\n\
         adjust:\n- {{ rule: r, verdict: pass, why: known, when: {{ {when} }} }}\n"
    ))
}

#[track_caller]
fn mcp(asking: &Asking, headers: &[(&str, &str)], body: &str) -> Verdict {
    asking.ask(&request("POST https://mcp.test/mcp", headers, body)).0
}

const DELETE: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_issue","arguments":{"id":7}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;

#[test]
fn a_call_matches_by_method_tool_and_arguments() {
    let asking = holding("rpc: { method: tools/call, tool: \"delete_*\" }");
    assert_eq!(mcp(&asking, &[], DELETE), Hold);
    assert_eq!(mcp(&asking, &[], LIST), Pass);
    assert_eq!(mcp(&asking, &[], &DELETE.replace("delete_", "read_")), Pass);
    let asking = holding("rpc: { arguments: { /id: { gt: 5 } } }");
    assert_eq!(mcp(&asking, &[], DELETE), Hold);
    assert_eq!(mcp(&asking, &[], &DELETE.replace('7', "4")), Pass);
}

#[test]
fn one_call_must_match_in_all() {
    let asking = holding("rpc: { tool: \"delete_*\", arguments: { /id: 8 } }");
    let other = DELETE.replace("delete_", "read_").replace('7', "8");
    assert_eq!(mcp(&asking, &[], &format!("[{DELETE},{other}]")), Pass, "neither is both");
    assert_eq!(mcp(&asking, &[], &format!("[{other},{}]", DELETE.replace('7', "8"))), Hold);
}

#[test]
fn what_passes_must_pass_in_every_call() {
    let asking = passing("rpc: { method: [tools/list, ping] }");
    assert_eq!(mcp(&asking, &[], LIST), Pass);
    assert_eq!(mcp(&asking, &[], &format!("[{LIST},{}]", LIST.replace("tools/list", "ping"))), Pass);
    assert_eq!(mcp(&asking, &[], &format!("[{LIST},{DELETE}]")), Verdict::Deny);
    assert_eq!(mcp(&asking, &[], &LIST.replace("method", "Method")), Verdict::Deny, "asked exactly");
    assert_eq!(mcp(&asking, &[], "{}"), Verdict::Deny, "no call is not a call that passes");
    assert_eq!(mcp(&asking, &[], ""), Verdict::Deny);
}

#[test]
fn the_body_is_read_only_where_a_call_could_match() {
    let asking = holding("rpc: { method: tools/call }");
    assert_eq!(asking.need(&request("POST https://mcp.test/mcp", &[], DELETE)), Need::Body);
    assert_eq!(asking.need(&request("POST https://mcp.test/other", &[], DELETE)), Need::None);
    assert_eq!(asking.need(&request("POST https://other.test/mcp", &[], DELETE)), Need::None);
}
