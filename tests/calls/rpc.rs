//! JSON-RPC and MCP over HTTP (bypass.md §8, catalog.md §4): readings of a message, batches, routing fields.

use super::{Cases, Scene, gzip, post_json, request};
use crate::support::soon;
use serde_json::json;

const HOST: &str = "mcp.test";
/// What is not known for certain is held here.
const STRICT: &str = "strict.test";
/// The same by matchers on the body.
const PLAIN: &str = "plain.test";
const RULES: &str = r#"
pack: calls
rules:
  - id: anywhere
    when: { host: "*", path: /messages, rpc: { tool: "erase_*" } }
    verdict: hold
    why: The test says so.
  - id: delete-tool
    when: { host: mcp.test, rpc: { method: tools/call, tool: "delete_*" } }
    verdict: hold
    why: The test says so.
  - id: drop-production
    when: { host: mcp.test, rpc: { method: tools/call, tool: run_sql, arguments: { /env: prod } } }
    verdict: hold
    why: The test says so.
  - id: unknown-tools
    when: { host: strict.test }
    unless:
      - { rpc: { method: [initialize, ping, tools/list, "notifications/*"] } }
      - { rpc: { method: tools/call, tool: "get_*" } }
      - { rpc: { kind: response } }
    verdict: hold
    why: The test says so.
  - id: by-body
    when: { host: plain.test, path: /mcp, body: { /method: tools/call, /params/name: { glob: "delete_*" } } }
    verdict: hold
    why: The test says so.
"#;

fn post(body: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    post_json(HOST, "/mcp", body)
}

fn with(fields: &str, body: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    request("POST", HOST, "/mcp", &format!("Content-Type: application/json\r\n{fields}"), body)
}

fn call(tool: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": { "id": 7 } } })
        .to_string()
}

/// Ways to write a call of `delete_user` that every matcher must see, those on the body as well.
fn disguises() -> Vec<(&'static str, String)> {
    let (evil, good) = (call("delete_user"), call("get_user"));
    let ping = r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#;
    vec![
        ("plain", evil.clone()),
        ("with blanks", serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&evil).unwrap()).unwrap()),
        ("batch", format!("[{ping},{evil}]")),
        ("batch of one", format!("[{evil}]")),
        ("nested batch", format!("[[{evil}]]")),
        ("nested batch behind a sound one", format!("[{ping},[{evil}]]")),
        ("duplicate method, last", r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("duplicate method, first", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"delete_user"}}"#.into()),
        ("duplicate name, last", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_user","name":"delete_user"}}"#.into()),
        ("duplicate name, first", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_user","name":"get_user"}}"#.into()),
        ("duplicate params, last", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_user"},"params":{"name":"delete_user"}}"#.into()),
        ("duplicate params, first", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_user"},"params":{"name":"get_user"}}"#.into()),
        ("escaped twin of method", r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u006dethod":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("case twin of method", r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("method in capitals", r#"{"jsonrpc":"2.0","id":1,"METHOD":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("params in capitals", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","Params":{"name":"delete_user"}}"#.into()),
        ("name in capitals", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"delete_user"}}"#.into()),
        ("a long s in a name", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"param\u{17f}\":{\"name\":\"delete_user\"}}".into()),
        ("escaped method", r#"{"jsonrpc":"2.0","id":1,"method":"\u0074ools/call","params":{"name":"delete_user"}}"#.into()),
        ("escaped slash", r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"delete_user"}}"#.into()),
        ("escaped tool", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\u0064elete_user"}}"#.into()),
        ("no id", r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("null id", r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("two ids", r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("an id that is an object", r#"{"jsonrpc":"2.0","id":{"a":1},"method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("no version", r#"{"id":1,"method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("version 1", r#"{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("with a result", r#"{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("two messages", format!("{ping}\n{evil}")),
        ("two messages in one line", format!("{ping}{evil}")),
        ("record separators", format!("\u{1e}{evil}\n")),
        ("an event stream", format!("event: message\ndata: {evil}\n\n")),
        ("length in front", format!("Content-Length: {}\r\n\r\n{evil}", evil.len())),
        ("byte order mark", format!("\u{feff}{evil}")),
        ("trailing comma", evil.replace("}}}", "}},}")),
        ("comment", format!("/* */{evil}")),
        ("single quotes", evil.replace('"', "'")),
        ("trailing garbage", format!("{evil};")),
        ("much before", format!(r#"{{"x":"{}",{}"#, "x".repeat(200_000), evil.strip_prefix('{').unwrap())),
        ("beyond the limit", format!(r#"{{"x":"{}",{}"#, "x".repeat(2_000_000), evil.strip_prefix('{').unwrap())),
        ("deep beside", format!(r#"{{"x":{}{},{}"#, "[".repeat(500), "]".repeat(500), evil.strip_prefix('{').unwrap())),
        ("meta", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":1},"name":"delete_user","arguments":{}}}"#.into()),
        ("task", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_user","arguments":{},"task":{"ttl":60000}}}"#.into()),
        ("a huge number beside", r#"{"jsonrpc":"2.0","id":1e400,"method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("NaN beside", r#"{"jsonrpc":"2.0","id":NaN,"method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("a lone surrogate beside", r#"{"jsonrpc":"2.0","id":"\ud800","method":"tools/call","params":{"name":"delete_user"}}"#.into()),
        ("good first, in a list", format!("[{good},{evil},{good}]")),
    ]
}

#[tokio::test]
async fn messages() {
    let mut cases = Cases::default();
    for (name, body) in disguises() {
        cases.stopped(name, post(&body));
        cases.stopped(format!("{name}, by the body"), post_json(PLAIN, "/mcp", &body));
        cases.stopped(format!("{name}, strict"), post_json(STRICT, "/mcp", &body));
    }
    // ---- what only a reader of the protocol can see
    for (name, body) in [
        ("params as a list", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["delete_user",{}]}"#),
        (
            "params as a text",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"{\"name\":\"delete_user\"}"}"#,
        ),
        (
            "a name that is a list",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["delete_user"]}}"#,
        ),
        (
            "a name that is an object",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":{"a":"delete_user"}}}"#,
        ),
        ("no name", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"tool":"delete_user"}}"#),
        (
            "a method that is a list",
            r#"{"jsonrpc":"2.0","id":1,"method":["tools/call"],"params":{"name":"delete_user"}}"#,
        ),
        (
            "a method that is null",
            r#"{"jsonrpc":"2.0","id":1,"method":null,"params":{"name":"delete_user"}}"#,
        ),
        (
            "a blank before the method",
            r#"{"jsonrpc":"2.0","id":1,"method":" tools/call","params":{"name":"delete_user"}}"#,
        ),
        (
            "a blank behind the method",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call ","params":{"name":"delete_user"}}"#,
        ),
        (
            "a line end behind the method",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call\n","params":{"name":"delete_user"}}"#,
        ),
        (
            "the method in capitals",
            r#"{"jsonrpc":"2.0","id":1,"method":"TOOLS/CALL","params":{"name":"delete_user"}}"#,
        ),
        (
            "a blank before the tool",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":" delete_user"}}"#,
        ),
        (
            "the tool in capitals",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"DELETE_USER"}}"#,
        ),
        ("an empty list", "[]"),
        (
            "a message as a text",
            r#""{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"delete_user\"}}""#,
        ),
        (
            "an argument",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run_sql","arguments":{"env":"prod"}}}"#,
        ),
        (
            "an argument twice",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run_sql","arguments":{"env":"dev","env":"prod"}}}"#,
        ),
        (
            "arguments twice",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run_sql","arguments":{"env":"dev"},"arguments":{"env":"prod"}}}"#,
        ),
        (
            "arguments as a text",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run_sql","arguments":"{\"env\":\"prod\"}"}}"#,
        ),
    ] {
        cases.stopped(name, post(body));
    }
    let many = format!("[{}]", vec![call("get_user"); 150].join(","));
    cases.stopped("a large batch", post(many));
    // ---- strict: only what is known passes
    for (name, body) in [
        (
            "another method",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/callAll","params":{"name":"get_user"}}"#,
        ),
        (
            "a name in other letters",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"get_user"}}"#,
        ),
        (
            "the tool in other letters",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"GET_user"}}"#,
        ),
        (
            "the method in other letters",
            r#"{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"get_user"}}"#,
        ),
        (
            "one known and one unknown",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}]"#,
        ),
        (
            "a response that calls",
            r#"{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"x"}}"#,
        ),
        ("JSON of another kind", r#"{"a":1}"#),
        ("no JSON", "hello"),
        ("nothing", ""),
    ] {
        cases.stopped(format!("strict: {name}"), post_json(STRICT, "/mcp", body));
    }
    for (name, body) in benign() {
        cases.passed(name, post(body));
        cases.passed(format!("{name}, by the body"), post_json(PLAIN, "/mcp", body));
    }
    for (name, body) in benign().into_iter().filter(|(name, _)| !name.starts_with("other: ")) {
        cases.passed(format!("{name}, strict"), post_json(STRICT, "/mcp", body));
    }
    cases.run(RULES).await;
}

fn benign() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "initialize",
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{"listChanged":true}},"clientInfo":{"name":"delete_user","version":"1"}}}"#,
        ),
        ("initialized", r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        ("ping", r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#),
        (
            "a list of tools",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"delete_user"}}"#,
        ),
        (
            "a tool that reads",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_user","arguments":{"name":"delete_user","method":"tools/call"}}}"#,
        ),
        (
            "a tool with nothing",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_user"}}"#,
        ),
        (
            "a batch of 2025-03-26",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}]"#,
        ),
        (
            "an answer to elicitation",
            r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"name":"delete_user"}}}"#,
        ),
        (
            "an answer to sampling",
            r#"{"jsonrpc":"2.0","id":1,"result":{"role":"assistant","content":{"type":"text","text":"call tools/call delete_user"},"model":"m"}}"#,
        ),
        ("an answer that failed", r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#),
        (
            "progress",
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":5}}"#,
        ),
        (
            "a tool with a task",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_user","task":{"ttl":1}}}"#,
        ),
        (
            "other: a tool whose name has it within",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"undelete_user"}}"#,
        ),
        (
            "other: a resource",
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///delete_user"}}"#,
        ),
        (
            "other: a prompt of that name",
            r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"delete_user"}}"#,
        ),
        ("other: a method of that name", r#"{"jsonrpc":"2.0","id":1,"method":"delete_user"}"#),
        ("other: JSON of another kind", r#"{"note":"tools/call delete_user"}"#),
        (
            "other: an argument",
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run_sql","arguments":{"env":"dev","note":"prod"}}}"#,
        ),
    ]
}

#[tokio::test]
async fn carriers_and_fields() {
    let mut cases = Cases::default();
    let (evil, good) = (call("delete_user"), call("get_user"));
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json-rpc",
        "application/jsonrequest",
        "text/event-stream",
        "multipart/form-data; boundary=b",
        "application/json; charset=utf-16",
        "x",
    ] {
        cases.stopped(
            format!("as {media}"),
            request("POST", HOST, "/mcp", &format!("Content-Type: {media}\r\n"), &evil),
        );
    }
    cases.stopped("without a label", request("POST", HOST, "/mcp", "", &evil));
    cases.stopped("PUT", request("PUT", HOST, "/mcp", "Content-Type: application/json\r\n", &evil));
    cases.stopped("GET", request("GET", HOST, "/mcp", "Content-Type: application/json\r\n", &evil));
    cases.stopped("DELETE", request("DELETE", HOST, "/mcp", "Content-Type: application/json\r\n", &evil));
    for target in ["/", "/messages?sessionId=1", "/messages/?session_id=1", "/sse", "/message", "/a/b/c"] {
        cases.stopped(format!("at {target}"), post_json(HOST, target, &evil));
    }
    let coded = |coding: &str, bytes: Vec<u8>| with(&format!("Content-Encoding: {coding}\r\n"), bytes);
    cases.stopped("gzip", coded("gzip", gzip(evil.as_bytes())));
    cases.stopped("zstd", coded("zstd", zstd::encode_all(evil.as_bytes(), 1).unwrap()));
    cases.stopped("an unknown coding", coded("x", evil.clone().into_bytes()));
    cases.stopped("gzip without a label", with("", gzip(evil.as_bytes())));
    cases.stopped("UTF-16", with("", evil.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()));
    cases.stopped(
        "UTF-16 with a mark",
        with(
            "",
            [&[0xff, 0xfe][..], &evil.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()]
                .concat(),
        ),
    );
    let chunked = format!(
        "POST /mcp HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{evil}\r\n0\r\n\r\n",
        evil.len()
    );
    cases.stopped("chunked", (HOST.to_owned(), chunked.into_bytes()));
    let pieces: String = evil
        .as_bytes()
        .chunks(3)
        .map(|piece| format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap()))
        .collect();
    let pieces =
        format!("POST /mcp HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{pieces}0\r\n\r\n");
    cases.stopped("in many chunks", (HOST.to_owned(), pieces.into_bytes()));

    // ---- MCP 2026-07-28: the head repeats what the body says
    let fields = |method: &str, name: &str| {
        format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\nMcp-Name: {name}\r\n")
    };
    cases.stopped("fields that agree", with(&fields("tools/call", "delete_user"), &evil));
    cases.stopped("another method in the head", with(&fields("tools/list", "delete_user"), &evil));
    cases.stopped("another name in the head", with(&fields("tools/call", "get_user"), &evil));
    cases.stopped("another name in the body", with(&fields("tools/call", "delete_user"), &good));
    cases.stopped(
        "another method in the body",
        with("Mcp-Method: tools/call\r\n", r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#),
    );
    cases.stopped(
        "a name for a list of tools",
        with("Mcp-Name: delete_user\r\n", r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#),
    );
    cases.stopped("a head without a body", with("Mcp-Method: tools/call\r\nMcp-Name: delete_user\r\n", ""));
    cases.stopped(
        "a head and JSON of another kind",
        with("Mcp-Method: tools/call\r\nMcp-Name: delete_user\r\n", "{}"),
    );
    cases.stopped("a head and a list", with("Mcp-Method: tools/call\r\n", format!("[{good}]")));
    cases.stopped(
        "two methods in the head",
        with("Mcp-Method: tools/call\r\nMcp-Method: tools/list\r\n", &good),
    );
    let task = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
    };
    for method in ["tasks/get", "tasks/update", "tasks/cancel", "tasks/result"] {
        let fields = format!("Mcp-Method: {method}\r\nMcp-Name: t-1\r\n");
        cases.passed(format!("{method} of a task"), with(&fields, task(method, r#"{"taskId":"t-1"}"#)));
        cases
            .stopped(format!("{method} of another task"), with(&fields, task(method, r#"{"taskId":"t-2"}"#)));
        cases.stopped(
            format!("{method} of two tasks"),
            with(&fields, task(method, r#"{"taskId":"t-1","taskId":"t-2"}"#)),
        );
    }
    cases.stopped(
        "a task in a call of a tool",
        with("Mcp-Name: t-1\r\n", task("tools/call", r#"{"name":"get_user","taskId":"t-1"}"#)),
    );
    cases.stopped("two names in the head", with("Mcp-Name: get_user\r\nMcp-Name: delete_user\r\n", &good));
    cases.stopped("a list of names in the head", with("Mcp-Name: get_user, delete_user\r\n", &good));
    cases.stopped("a coded name in the head", with("Mcp-Name: =?base64?ZGVsZXRlX3VzZXI=?=\r\n", &good));
    cases.stopped("a broken coded name", with("Mcp-Name: =?base64?!!?=\r\n", &good));
    cases.stopped("a name that is no ASCII", with("Mcp-Name: get_us\u{e9}r\r\n", &good));
    cases.stopped("a parameter that is another", with("Mcp-Param-Id: 8\r\n", &good));
    cases.stopped("a parameter that is not there", with("Mcp-Param-Env: prod\r\n", &good));
    cases.stopped("a name in other letters", with("Mcp-Name: Get_User\r\n", &good));

    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    cases.stopped(
        "in a form",
        request("POST", HOST, "/mcp", form, "jsonrpc=2.0&id=1&method=tools%2Fcall&params[name]=delete_user"),
    );
    cases.stopped(
        "in a form without a version",
        request(
            "POST",
            HOST,
            "/mcp",
            form,
            "method=tools%2Fcall&params=%7B%22name%22%3A%22delete_user%22%7D",
        ),
    );
    cases.stopped(
        "in a field of a form",
        request("POST", HOST, "/mcp", form, format!("json={}", super::encoded(&evil))),
    );
    let part = format!("--b\r\nContent-Disposition: form-data; name=\"m\"\r\n\r\n{evil}\r\n--b--\r\n");
    let multipart = "Content-Type: multipart/form-data; boundary=b\r\n";
    cases.stopped("in a part", request("POST", HOST, "/mcp", multipart, part));
    let slash = "payload=%7B%22type%22%3A%22x%22%7D&text=%7Bname%7D";
    cases.passed("JSON of another kind in a form", request("POST", HOST, "/other", form, slash));
    cases.stopped(
        "in the URL",
        request(
            "GET",
            HOST,
            "/mcp?jsonrpc=2.0&id=1&method=tools%2Fcall&params=eyJuYW1lIjoiZGVsZXRlX3VzZXIifQ%3D%3D",
            "",
            "",
        ),
    );
    cases.passed(
        "a method in the URL",
        request("GET", HOST, "/other?method=flickr.test.echo&api_key=a", "", ""),
    );
    cases.passed("fields that agree, good", with(&fields("tools/call", "get_user"), &good));
    cases.passed(
        "a coded name that agrees",
        with("Mcp-Method: tools/call\r\nMcp-Name: =?base64?Z2V0X3VzZXI=?=\r\n", &good),
    );
    cases.passed(
        "a parameter that agrees",
        with("Mcp-Method: tools/call\r\nMcp-Name: get_user\r\nMcp-Param-Id: 7\r\n", &good),
    );
    cases.passed(
        "a method alone",
        with("Mcp-Method: tools/list\r\n", r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#),
    );
    cases.passed(
        "a resource by name",
        with(
            "Mcp-Method: resources/read\r\nMcp-Name: file:///a\r\n",
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#,
        ),
    );
    cases.passed("fields of the session", with("Mcp-Session-Id: delete_user\r\nMCP-Protocol-Version: 2025-06-18\r\nAccept: application/json, text/event-stream\r\n", &good));
    cases.passed(
        "the stream of the server",
        request(
            "GET",
            HOST,
            "/mcp",
            "Accept: text/event-stream\r\nMcp-Session-Id: a\r\nLast-Event-ID: 3\r\n",
            "",
        ),
    );
    cases.passed("the end of the session", request("DELETE", HOST, "/mcp", "Mcp-Session-Id: a\r\n", ""));
    cases.passed("good gzip", coded("gzip", gzip(good.as_bytes())));
    cases.passed(
        "a form",
        request(
            "POST",
            HOST,
            "/other",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "a=b&method=ping",
        ),
    );
    cases.passed(
        "a text",
        request("POST", HOST, "/other", "Content-Type: text/plain\r\n", "hello delete_user"),
    );
    cases.run(RULES).await;
}

/// An MCP client numbers each call anew: after "patience over" the same call has another id. It joins its hold, and the
/// approval sends the bytes of whoever waits for the answer; nothing else may be another.
#[tokio::test]
async fn a_call_that_comes_again_with_another_id_is_the_same_call() {
    let mut scene = Scene::new(RULES, [HOST, PLAIN, STRICT].into_iter()).await;
    let alice = scene.holdpoint.reviewer("alice", &[]).await;
    let numbered = |id: &str| call("delete_user").replace("\"id\":1,", &format!("\"id\":{id},"));
    let first = post(numbered("1"));
    assert_eq!(scene.ask(&first).await.status, 428);
    let hold = alice.wait_pending().await;
    assert_eq!(scene.ask(&post(numbered("2"))).await.status, 428);
    assert_eq!(alice.pending().await.len(), 1, "it joined");

    // ---- anything else is another request
    let others = [
        post(numbered("\"2\"")),
        post(numbered("2.0")),
        post(numbered("9999999999999999")),
        post(numbered("2,\"id\":3")),
        post(numbered("2").replace("\"id\":7", "\"id\":8")),
        post(numbered("2").replace("delete_user", "delete_users")),
        post(numbered("2").replace(',', " ,")),
        post(numbered("2").replace("2.0", "1.0")),
        post(format!("[{}]", numbered("2"))),
        with("Mcp-Session-Id: another\r\n", numbered("2")),
        request("POST", HOST, "/mcp?x=1", "Content-Type: application/json\r\n", numbered("2")),
        request("POST", HOST, "/mcp", "Content-Type: text/plain\r\n", numbered("2")),
        request(
            "POST",
            HOST,
            "/mcp",
            "Content-Type: application/json\r\nAuthorization: Bearer x\r\n",
            numbered("2"),
        ),
    ];
    for (nth, other) in others.iter().enumerate() {
        assert_eq!(scene.ask(other).await.status, 428);
        assert_eq!(alice.pending().await.len(), nth + 2, "{}", String::from_utf8_lossy(&other.1));
    }

    // ---- nor is it one call where no rule says by the host's name that JSON-RPC is spoken there
    for (host, tool, path) in [(PLAIN, "delete_user", "/mcp"), (PLAIN, "erase_all", "/messages")] {
        let before = alice.pending().await.len();
        for id in ["1", "2"] {
            let body = call(tool).replace("\"id\":1,", &format!("\"id\":{id},"));
            assert_eq!(scene.ask(&post_json(host, path, body)).await.status, 428);
        }
        assert_eq!(alice.pending().await.len(), before + 2, "{path}");
    }

    // ---- where it is held for not being known, the rule says as much
    let before = alice.pending().await.len();
    for id in ["1", "2"] {
        let body = call("delete_user").replace("\"id\":1,", &format!("\"id\":{id},"));
        assert_eq!(scene.ask(&post_json(STRICT, "/mcp", body)).await.status, 428);
    }
    assert_eq!(alice.pending().await.len(), before + 1, "it joined");

    // ---- what leaves is what the live connection sent, and the ledger says which bytes those were
    assert_eq!(alice.approve(&hold).await.status, 200);
    scene.origin.assert_untouched();
    let third = numbered("3");
    let reply = scene.ask(&post(&third)).await;
    assert_eq!((reply.status, reply.text()), (200, third.clone()));
    let seen = scene.origin.arrived(1).await;
    assert_eq!(seen.iter().map(|seen| &seen.body[..]).collect::<Vec<_>>(), [third.as_bytes()]);
    assert_eq!(scene.ask(&post(numbered("4"))).await.status, 428, "the approval is spent");

    let sha256 = |body: &str| holdpoint::digest::sha256_hex(body.as_bytes());
    let id = hold["id"].as_str().unwrap().to_owned();
    let rows = soon("the outcome in the ledger", async {
        loop {
            let rows = scene.holdpoint.ledger().await;
            if rows.iter().any(|row| row["event"] == "hold.answered") {
                return rows;
            }
        }
    })
    .await;
    let of = |event: &str| {
        let row = rows.iter().find(|row| row["event"] == event && row["subject"] == id.as_str());
        row.unwrap_or_else(|| panic!("no {event}"))["detail"]["body_sha256"].clone()
    };
    assert_eq!(of("hold.created"), sha256(&numbered("1")));
    assert_eq!(of("hold.joined"), sha256(&numbered("2")));
    assert_eq!((of("hold.released"), of("hold.answered")), (json!(sha256(&third)), json!(sha256(&third))));
}
