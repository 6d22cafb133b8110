//! Matchers on calls: `rpc:` and its kin.

use crate::support::{Asking, asking, request};
use holdpoint::rules::Need;
use holdpoint::ruling::Verdict::{self, Hold, Pass};
use proptest::strategy::Strategy as _;

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

#[test]
fn tools_are_seen_in_every_spelling() {
    let asking = holding("rpc: { method: tools/call, tool: \"delete_*\" }");
    for body in [
        // Escapes.
        r#"{"jsonrpc":"2.0","id":1,"\u006dethod":"tools\/call","params":{"name":"\u0064elete_issue"}}"#,
        // Letter case of members and of names.
        r#"{"jsonrpc":"2.0","id":1,"Method":"tools/call","PARAMS":{"Name":"delete_issue"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"DELETE_ISSUE"}}"#,
        // Members twice: the first or the last counts.
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"delete_issue"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"tools/list","params":{"name":"delete_issue"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_issue"},"params":{"name":"get"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get","name":"delete_issue"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get"},"Params":{"name":"delete_issue"}}"#,
        // A notification, a call without a version, a call that looks like an answer.
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_issue"}}"#,
        r#"{"id":1,"method":"tools/call","params":{"name":"delete_issue"}}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"delete_issue"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"delete_issue"}}"#,
        // In a batch, with blanks around it, with a byte order mark in front.
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"delete_issue"}}]"#,
        " \r\n\t{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"delete_issue\"}}\n",
        "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"delete_issue\"}}",
        // Named in a way that nobody can see.
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["delete_issue",{}]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["delete_issue"]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":["tools/call"],"params":{"name":"delete_issue"}}"#,
    ] {
        for media in ["application/json", "text/plain", "application/x-www-form-urlencoded", ""] {
            assert_eq!(mcp(&asking, &[("content-type", media)], body), Hold, "{media} {body}");
        }
    }
}

#[test]
fn what_is_no_plain_message_is_held() {
    let asking = holding("rpc: { method: tools/call }");
    let deep = format!("{}{{}}{}", "[".repeat(1000), "]".repeat(1000));
    for body in [
        "[[{\"method\":\"tools/call\"}]]",
        "[]",
        "{\"method\":\"tools/call\"}{\"method\":\"ping\"}",
        "{\"method\":\"ping\"}\n{\"method\":\"tools/call\"}",
        "{'method':'tools/call'}",
        "{method:\"tools/call\"}",
        "{\"method\":\"tools/call\",}",
        "// x\n{\"method\":\"tools/call\"}",
        "{\"method\":\"tools/call\",\"id\":NaN}",
        "{\"method\\u0000x\":1,\"method\":\"tools/call\"}",
        "\\{",
        "{",
        deep.as_str(),
    ] {
        assert_eq!(mcp(&asking, &[], body), Hold, "{body}");
    }
    let utf16: Vec<u8> = LIST.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut sent = request("POST https://mcp.test/mcp", &[], "");
    sent.body = utf16;
    assert_eq!(asking.ask(&sent).0, Hold, "another charset");
    let many = format!("[{}]", vec![LIST; 101].join(","));
    assert_eq!(mcp(&asking, &[], &many), Hold, "more calls than anybody reviews");
}

#[test]
fn what_is_of_another_kind_is_left_alone() {
    let asking = holding("rpc: { method: [\"tools/*\", \"resources/*\"] }");
    for body in [
        "",
        "grant_type=client_credentials&client_id=x",
        r#"{"client_name":"x","redirect_uris":["http://localhost/"]}"#,
        r#"{"payment":{"method":"card"}}"#,
        r#"{"method":null}"#,
        "7",
        "null",
        "plain words",
        r#"{"jsonrpc":"2.0","id":1,"result":{"roots":[]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#,
    ] {
        assert_eq!(mcp(&asking, &[], body), Pass, "{body}");
    }
}

#[test]
fn a_head_that_names_another_call_is_held() {
    let asking = holding("rpc: { method: tools/call, tool: \"delete_*\" }");
    let read = DELETE.replace("delete_", "read_");
    let with = |headers: &[(&str, &str)], body: &str| mcp(&asking, headers, body);
    let agreeing = [("mcp-method", "tools/call"), ("mcp-name", "read_issue")];
    assert_eq!(with(&agreeing, &read), Pass);
    assert_eq!(with(&[("Mcp-Name", "=?base64?cmVhZF9pc3N1ZQ==?=")], &read), Pass, "as Base64");
    assert_eq!(with(&[("Mcp-Param-Id", "7")], &read), Pass);
    for other in [
        &[("mcp-method", "tools/list")][..],
        &[("mcp-method", "tools/call"), ("mcp-method", "tools/list")],
        &[("mcp-method", "TOOLS/CALL")],
        &[("mcp-name", "delete_issue")],
        &[("mcp-name", "=?base64?ZGVsZXRlX2lzc3Vl?=")],
        &[("mcp-name", "=?base64?!?=")],
        &[("mcp-param-id", "8")],
    ] {
        assert_eq!(with(other, &read), Hold, "{other:?}");
    }
    assert_eq!(
        with(&[("mcp-method", "tools/call")], &format!("[{read}]")),
        Hold,
        "a list has no single name"
    );
    assert_eq!(with(&[("mcp-method", "tools/call")], ""), Hold);
    assert_eq!(with(&[("mcp-method", "tools/call")], "{}"), Hold);
    assert_eq!(with(&[("mcp-method", "ping")], DELETE), Hold);
    let reading = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#;
    assert_eq!(with(&[("mcp-method", "resources/read"), ("mcp-name", "file:///a")], reading), Pass);
}

#[test]
fn arguments_are_seen_in_every_reading() {
    let asking = holding("rpc: { tool: pay, arguments: { /amount: { gt: 100 } } }");
    let pay = |arguments: &str| {
        let body = format!(r#"{{"method":"tools/call","params":{{"name":"pay","arguments":{arguments}}}}}"#);
        mcp(&asking, &[], &body)
    };
    assert_eq!(pay(r#"{"amount":101}"#), Hold);
    assert_eq!(pay(r#"{"amount":"101"}"#), Hold);
    assert_eq!(pay(r#"{"amount":99,"amount":101}"#), Hold);
    assert_eq!(pay(r#"{"amount":101,"amount":99}"#), Hold);
    assert_eq!(pay(r#"{"Amount":101}"#), Hold);
    assert_eq!(pay(r#"{"amount":1.01e2}"#), Hold);
    assert_eq!(pay(r#"{"amount":"much"}"#), Hold, "what cannot be compared");
    assert_eq!(pay(r#"{"amount":[1,101]}"#), Hold);
    assert_eq!(pay(r#""{\"amount\":101}""#), Hold, "arguments as a text: some servers read it as JSON");
    assert_eq!(pay(r#"{"amount":99}"#), Pass);
    assert_eq!(pay("{}"), Pass);
}

#[test]
fn a_doubtful_call_never_passes_by_a_rule() {
    let asking = passing("rpc: { method: tools/call, tool: \"get_*\", arguments: { /team: web } }");
    let get = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_x","arguments":{"team":"web"}}}"#;
    assert_eq!(mcp(&asking, &[], get), Pass);
    for (from, to) in [
        ("\"method\"", "\"Method\""),
        ("tools/call", "TOOLS/call"),
        ("get_x", "GET_x"),
        ("\"name\":\"get_x\"", "\"name\":\"get_x\",\"name\":\"get_y\""),
        ("\"team\":\"web\"", "\"Team\":\"web\""),
        ("\"team\":\"web\"", "\"team\":\"web\",\"team\":\"web\""),
        ("\"arguments\":{\"team\":\"web\"}", "\"arguments\":{\"team\":\"web\"},\"arguments\":{}"),
        ("{\"team\":\"web\"}", "\"{\\\"team\\\":\\\"web\\\"}\""),
        ("{\"jsonrpc\"", "[{\"jsonrpc\""),
    ] {
        let mut body = get.replacen(from, to, 1);
        if body.starts_with('[') {
            body.push_str(",{\"method\":\"tools/list\"}]");
        }
        assert_ne!(body, get);
        assert_eq!(mcp(&asking, &[], &body), Verdict::Deny, "{body}");
    }
}

proptest::proptest! {
    /// Whatever order, letter case, escapes and company it has, a call that a lenient server takes is held.
    #[test]
    fn a_call_is_found_however_it_is_written(
        order in proptest::sample::subsequence(vec![0, 1, 2, 3], 4).prop_shuffle(),
        upper in proptest::collection::vec(proptest::bool::ANY, 6),
        decoy in "(|\"method\":\"ping\",|\"params\":\\{\"name\":\"get\"\\},|\"x\":\\[\\{\"method\":1\\}\\],)",
        around in 0_usize..3,
        blank in "[ \t\r\n]{0,3}",
    ) {
        let key = |name: &str, at: usize| {
            let name = if upper[at] { name.to_uppercase() } else { name.to_owned() };
            if upper[at + 1] { name.replace('e', "\\u0065") } else { name }
        };
        let members = [
            format!("\"{}\":\"2.0\"", key("jsonrpc", 0)),
            "\"id\":1".to_owned(),
            format!("\"{}\":{blank}\"tools\\/call\"", key("method", 1)),
            format!("\"{}\":{{\"{}\":\"delete_issue\"}}", key("params", 2), key("name", 3)),
        ];
        let members: Vec<&str> = order.iter().map(|at| members[*at].as_str()).collect();
        let call = format!("{{{decoy}{}}}", members.join(&format!("{blank},{blank}")));
        let body = match around {
            0 => call,
            1 => format!("[{LIST},{call}]"),
            _ => format!("{blank}[{call},{LIST}]{blank}"),
        };
        let asking = holding("rpc: { method: tools/call, tool: \"delete_*\" }");
        proptest::prop_assert_eq!(mcp(&asking, &[], &body), Hold, "{}", body);
    }

    #[test]
    fn no_message_panics(
        body in "(\\{|\\}|\\[|\\]|\"method\":|\"params\":|\"name\":|\"tools/call\"|\"jsonrpc\":|\"2.0\"|null|1|,|\\PC){0,25}",
        method in "(tools/call|=\\?base64\\?[A-Za-z0-9=]{0,8}\\?=|[ -~]{0,6})",
    ) {
        let asking = holding("rpc: { arguments: { /a/b: 1 }, params: { /*: x } }");
        let _ = mcp(&asking, &[("mcp-method", &method), ("mcp-param-x", &method)], &body);
    }
}
