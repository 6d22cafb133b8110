//! GraphQL, by every way that a request can carry it.

use crate::support::{Asking, asking, request};
use holdpoint::ruling::Verdict::{self, Hold, Pass};

/// Holds what `graphql` matches at `https://api.test/graphql`; the rest passes.
fn holding(graphql: &str) -> Asking {
    asking(&format!(
        "pack: p\nrules:\n- {{ id: r, verdict: hold, when: {{ host: api.test, path: /graphql, graphql: {graphql} }} }}\n"
    ))
}

/// Passes what `graphql` matches there, and holds the rest.
fn passing(graphql: &str) -> Asking {
    asking(&format!(
        "pack: p\nrules:\n- {{ id: r, verdict: hold, when: {{ host: api.test }} }}\n\
         adjust:\n- {{ rule: r, verdict: pass, why: known, when: {{ graphql: {graphql} }} }}\n"
    ))
}

fn deletions() -> Asking {
    holding("{ type: mutation, field: \"delete*\" }")
}

#[track_caller]
fn ask(asking: &Asking, line: &str, media: &str, body: &str) -> Verdict {
    asking.ask(&request(line, &[("content-type", media)], body)).0
}

/// A document in a JSON body.
#[track_caller]
fn document(asking: &Asking, text: &str) -> Verdict {
    json(asking, &serde_json::json!({ "query": text }).to_string())
}

#[track_caller]
fn json(asking: &Asking, body: &str) -> Verdict {
    ask(asking, "POST https://api.test/graphql", "application/json", body)
}

#[test]
fn type_field_and_operation() {
    let asking = deletions();
    assert_eq!(document(&asking, "mutation { deleteIssue(id: 7) { ok } }"), Hold);
    assert_eq!(document(&asking, "mutation { closeIssue(id: 7) { ok } }"), Pass);
    assert_eq!(document(&asking, "{ deleteIssue(id: 7) { ok } }"), Pass, "a query");
    assert_eq!(document(&asking, "query { node { ... on Issue { deleteIssue } } }"), Pass, "not on top");
    let asking = holding("{ operation: \"Drop*\" }");
    assert_eq!(document(&asking, "mutation DropAll { x }"), Hold);
    assert_eq!(document(&asking, "mutation Keep { x }"), Pass);
}

#[test]
fn names_are_seen_through_aliases_and_fragments() {
    let asking = deletions();
    for text in [
        "mutation { ok: deleteIssue(id: 7) { ok } }",
        "mutation { ...F } fragment F on Mutation { deleteIssue(id: 7) { ok } }",
        "mutation { ...F } fragment F on Mutation { ...G } fragment G on Mutation { deleteIssue }",
        "mutation { ...F } fragment F on Mutation { ...F deleteIssue }",
        "mutation { ... on Mutation { deleteIssue } }",
        "mutation { ... { deleteIssue } }",
        "mutation { ... @include(if: false) { deleteIssue } }",
        "mutation { deleteIssue @skip(if: true) }",
        "mutation($x: Int = 7) { a deleteIssue(id: $x) }",
        "mutation,,,{,#}\n,deleteIssue,}",
        "\u{feff}mutation\t\r\n{deleteIssue}",
        "query A { a } mutation B { deleteIssue }",
        "mutation { DELETEISSUE }",
    ] {
        assert_eq!(document(&asking, text), Hold, "{text}");
    }
    assert_eq!(document(&asking, "mutation { a # deleteIssue\n }"), Pass);
    assert_eq!(document(&asking, "mutation { a(text: \"} deleteIssue {\") }"), Pass);
    assert_eq!(document(&asking, "mutation { a(text: \"\"\"} deleteIssue {\"\"\") }"), Pass);
}

#[test]
fn the_operation_that_would_run_is_judged() {
    let asking = deletions();
    let two = "query A { a } mutation B { deleteIssue }";
    let with = |name: &str| format!(r#"{{"query": "{two}", "operationName": {name}}}"#);
    assert_eq!(json(&asking, &with("\"A\"")), Pass);
    assert_eq!(json(&asking, &with("\"B\"")), Hold);
    assert_eq!(json(&asking, &with("\"C\"")), Hold, "none of them: any");
    assert_eq!(json(&asking, &with("null")), Hold);
    assert_eq!(json(&asking, &with("\"\"")), Hold);
    assert_eq!(json(&asking, &with("\"A\", \"operationName\": \"B\"")), Hold, "twice");
    assert_eq!(json(&asking, &with("\"A\", \"OperationName\": \"B\"")), Hold, "in two spellings");
    let url = "POST https://api.test/graphql?operationName=B";
    assert_eq!(ask(&asking, url, "application/json", &with("\"A\"")), Hold, "in two places");
}

#[test]
fn every_carrier_is_read() {
    let asking = deletions();
    let text = "mutation{deleteIssue}";
    let post = "POST https://api.test/graphql";
    let multipart = format!(
        "--b\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{{\"query\":\"{text}\"}}\r\n--b--\r\n"
    );
    for (line, media, body) in [
        (post, "application/json", format!("{{\"query\":\"{text}\"}}")),
        (post, "text/plain", format!("{{\"query\":\"{text}\"}}")),
        (post, "application/json", format!("{{\"QUERY\":\"{text}\"}}")),
        (post, "application/json", format!("{{\"query\":\"{{a}}\",\"query\":\"{text}\"}}")),
        (post, "application/json", format!("{{\"\\u0071uery\":\"{text}\"}}")),
        (post, "application/json", format!("[{{\"query\":\"{{a}}\"}},{{\"query\":\"{text}\"}}]")),
        (post, "application/graphql", text.to_owned()),
        (post, "text/plain", text.to_owned()),
        (post, "application/x-www-form-urlencoded", format!("query={text}")),
        (post, "application/x-www-form-urlencoded", "query=mutation%7BdeleteIssue%7D".to_owned()),
        (post, "multipart/form-data; boundary=b", multipart),
        (
            post,
            "application/json",
            format!("{{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{{\"query\":\"{text}\"}}}}"),
        ),
        ("GET https://api.test/graphql?query=mutation%7BdeleteIssue%7D", "text/plain", String::new()),
        ("GET https://api.test/graphql?x=1;query=mutation%7BdeleteIssue%7D", "text/plain", String::new()),
        ("GET https://api.test/graphql?QUERY=mutation%7BdeleteIssue%7D", "text/plain", String::new()),
    ] {
        assert_eq!(ask(&asking, line, media, &body), Hold, "{line} {media} {body}");
    }
    let safe = request("GET https://api.test/graphql?query=%7Ba%7D", &[], "");
    assert_eq!(asking.ask(&safe).0, Pass);
    assert_eq!(ask(&asking, post, "application/json", "{\"a\": 1}"), Pass, "no GraphQL");
    assert_eq!(ask(&asking, post, "application/json", ""), Pass);
}

#[test]
fn what_nobody_can_read_is_held() {
    let asking = deletions();
    let url = "POST https://api.test/graphql?query=%7Ba%7D";
    assert_eq!(ask(&asking, url, "application/json", "{\"query\":\"{a}\"}"), Hold, "two carriers");
    for body in [
        r#"{"query":"mutation { deleteIssue "}"#,
        r#"{"query":"mutation { ...F }"}"#,
        r#"{"query":"type A { a: Int }"}"#,
        r#"{"query":7}"#,
        r#"{"query":["{a}"]}"#,
        r#"[[{"query":"{a}"}]]"#,
        r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"abc"}}}"#,
        r#"{"documentId":"abc"}"#,
        r#"{"id":"abc"}"#,
        r#"{"operationName":"DeleteAll","variables":{}}"#,
        r#"{'query':'{a}'}"#,
        "{\"query\":\"{a}\"} // {",
    ] {
        assert_eq!(json(&asking, body), Hold, "{body}");
    }
    let nested = format!("{{\"query\":\"{}{}\"}}", "{a".repeat(5000), "}".repeat(5000));
    assert_eq!(json(&asking, &nested), Hold);
    let values = format!("{{\"query\":\"{{a(b:{}{})}}\"}}", "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(json(&asking, &values), Hold);
    let chain: String = (0..3000).map(|n| format!("fragment F{n} on M {{ ...F{} }} ", n + 1)).collect();
    let chain = format!("mutation {{ ...F0 }} {chain} fragment F3000 on M {{ a }}");
    assert_eq!(document(&asking, &chain), Hold, "a chain of fragments");
    let bomb = serde_json::json!({
        "query": format!("query($v: V) {{ {} }}", (0..400).map(|n| format!("a{n}: a(v: $v) ")).collect::<String>()),
        "variables": { "v": vec![7; 5000] },
    });
    let by_argument = holding("{ arguments: { /v: 8 } }");
    assert_eq!(json(&by_argument, &bomb.to_string()), Hold, "one large value in many places");
    let many = format!("{{\"query\":\"{{ {} }}\"}}", "a ".repeat(600));
    assert_eq!(json(&asking, &many), Hold);
    let batch = format!("[{}]", vec![r#"{"query":"{a}"}"#; 101].join(","));
    assert_eq!(json(&asking, &batch), Hold);
}

#[test]
fn a_hash_passes_when_a_rule_names_it() {
    let asking = passing("{ persisted: [abc, def] }");
    let hash = |hash: &str| format!(r#"{{"extensions":{{"persistedQuery":{{"sha256Hash":"{hash}"}}}}}}"#);
    assert_eq!(json(&asking, &hash("abc")), Pass);
    assert_eq!(json(&asking, &hash("abd")), Hold);
    assert_eq!(json(&asking, &format!("[{},{}]", hash("abc"), hash("abd"))), Hold);
    let with_text = hash("abc").replacen('{', "{\"query\":\"mutation{x}\",", 1);
    assert_eq!(json(&asking, &with_text), Hold, "the text is not what the hash says");
    let asking = deletions();
    let own = hash("460c3a93211614ac783c0f1d1bbbcb45a6da87d6421b5c0771772588f1015ff8").replacen(
        '{',
        "{\"query\":\"{a}\",",
        1,
    );
    assert_eq!(json(&asking, &own), Pass, "a hash beside its own text adds nothing");
    assert_eq!(json(&asking, &own.replace("{a}", "{b}")), Hold, "another text's hash hides what would run");
}

#[test]
fn arguments_are_seen_with_their_variables() {
    let asking = holding("{ field: pay, arguments: { /input/amount: { gt: 100 } } }");
    assert_eq!(document(&asking, "mutation { pay(input: {amount: 101}) }"), Hold);
    assert_eq!(document(&asking, "mutation { pay(input: {amount: 99}) }"), Pass);
    assert_eq!(document(&asking, "mutation($i: I = {amount: 101}) { pay(input: $i) }"), Hold);
    let with = |variables: &str| {
        format!(r#"{{"query":"mutation($i: I, $a: Int) {{ pay(input: $i) }}","variables":{variables}}}"#)
    };
    assert_eq!(json(&asking, &with(r#"{"i":{"amount":101}}"#)), Hold);
    assert_eq!(json(&asking, &with(r#"{"i":{"amount":99}}"#)), Pass);
    assert_eq!(json(&asking, &with(r#""{\"i\":{\"amount\":101}}""#)), Hold, "as a text");
    assert_eq!(json(&asking, &with(r#"{"i":{"amount":99}},"variables":{"i":{"amount":101}}"#)), Hold);
    assert_eq!(json(&asking, &with("[1]")), Hold, "variables that cannot be read");
    let deep = with(r#"{"a":101}"#).replace("input: $i", "input: {amount: $a}");
    assert_eq!(json(&asking, &deep), Hold);
}

#[test]
fn what_passes_must_pass_in_every_field() {
    let asking = passing("{ type: query, field: [viewer, node] }");
    assert_eq!(document(&asking, "{ viewer { login } }"), Pass);
    assert_eq!(document(&asking, "query Q { v: viewer { login } node(id: 1) { id } }"), Pass);
    assert_eq!(document(&asking, "{ viewer { login } secrets }"), Hold);
    assert_eq!(document(&asking, "mutation { viewer { login } }"), Hold);
    assert_eq!(document(&asking, "{ VIEWER { login } }"), Hold, "asked exactly");
    assert_eq!(json(&asking, "{}"), Hold);
}

proptest::proptest! {
    /// A field is found under every alias, in every fragment, behind every directive, and between all that is ignored.
    #[test]
    fn a_field_is_found_wherever_it_stands(
        depth in 0_usize..6,
        named in proptest::bool::ANY,
        alias in "[a-z]{0,4}",
        ignored in "[ ,\t\n\u{feff}]{1,4}(#[a-z{}\"]{0,6}\n)?",
        before in "(a|b: c|d\\(e: \"\\{\"\\)|f @skip\\(if: true\\)| ){0,3}",
        directive in "(|@include\\(if: false\\)|@x\\(y: \\[1, \\{z: 2\\}\\]\\))",
    ) {
        let alias = if alias.is_empty() { String::new() } else { format!("{alias}:") };
        let mut text = format!("{before} {alias}{ignored}deleteIssue(id: 7){directive}");
        let mut fragments = String::new();
        for level in 0..depth {
            if named {
                fragments.push_str(&format!(" fragment F{level} on M {{{text}}}"));
                text = format!("...{ignored}F{level}");
            } else {
                text = format!("... on M {directive} {{{ignored}{text}}}");
            }
        }
        let whole = format!("query Q {{ a }} mutation{ignored}X{{{text}}}{fragments}");
        proptest::prop_assert_eq!(document(&deletions(), &whole), Hold, "{}", whole);
    }

    #[test]
    fn no_document_panics(
        text in "(mutation|query|fragment|on|F|a|\\.\\.\\.|\\{|\\}|\\(|\\)|:|\\$|@|!|=|\\[|\\]|\"\"\"|\"|\\\\u|\\\\|12|-|1e9|#|,| |\n|\\PC){0,40}",
        media in "(application/json|application/graphql|application/x-www-form-urlencoded|text/plain)",
        wrapped in proptest::bool::ANY,
    ) {
        let body = if wrapped { serde_json::json!({ "query": text, "variables": { "a": text } }).to_string() } else { text };
        let _ = ask(&deletions(), "POST https://api.test/graphql", &media, &body);
    }
}
