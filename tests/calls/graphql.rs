//! GraphQL over HTTP (bypass.md §8): carriers, documents, operations, persisted queries.

#[path = "graphql_tree.rs"]
mod graphql_tree;

use super::{Cases, encoded, gzip, post_json, request};
use proptest::prelude::{Just, Strategy, prop_oneof};
use serde_json::{Value, json};

const HOST: &str = "graphql.test";
const RULES: &str = r#"
pack: calls
rules:
  - id: delete-user
    when: { host: graphql.test, path: /graphql, graphql: { type: mutation, field: deleteUser } }
    verdict: hold
    why: The test says so.
  - id: deploy
    when: { host: graphql.test, path: /graphql, graphql: { field: deploy, arguments: { /env: prod } } }
    verdict: hold
    why: The test says so.
  - id: listen
    when: { host: graphql.test, path: /graphql, graphql: { type: subscription, field: "secret*" } }
    verdict: hold
    why: The test says so.
  - id: by-text
    when: { host: graphql.test, path: /text, body: { query: { regex: "deleteUser" } } }
    verdict: hold
    why: The test says so.
"#;

fn post(body: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    post_json(HOST, "/graphql", body)
}

fn query(text: &str) -> (String, Vec<u8>) {
    post(json!({ "query": text }).to_string())
}

fn typed(media: &str, body: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    request("POST", HOST, "/graphql", &format!("Content-Type: {media}\r\n"), body)
}

fn get(parameters: &str) -> (String, Vec<u8>) {
    request("GET", HOST, &format!("/graphql?{parameters}"), "", "")
}

fn multipart(parts: &[(&str, &str)]) -> (String, Vec<u8>) {
    let mut body = String::new();
    for (name, value) in parts {
        body.push_str(&format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
    }
    body.push_str("--b--\r\n");
    typed("multipart/form-data; boundary=b", body)
}

fn sha256(text: &str) -> String {
    holdpoint::digest::sha256_hex(text.as_bytes())
}

const EVIL: &str = "mutation { deleteUser(id: 1) { id } }";
const GOOD: &str = "query { me { id } }";

#[tokio::test]
async fn documents() {
    let mut cases = Cases::default();
    for (name, text) in [
        ("plain", EVIL),
        ("named", "mutation Innocent { deleteUser(id: 1) { id } }"),
        ("alias", "mutation { me: deleteUser(id: 1) { id } }"),
        ("alias on a benign name", "mutation { updateUser: deleteUser(id: 1) { id } }"),
        ("second field", "mutation { updateUser(id: 1) { id } x: deleteUser(id: 1) { id } }"),
        ("fragment", "mutation { ...F } fragment F on Mutation { deleteUser(id: 1) { id } }"),
        ("fragment first", "fragment F on Mutation { deleteUser(id: 1) { id } } mutation { ...F }"),
        (
            "nested fragments",
            "mutation { ...A } fragment A on Mutation { ...B } fragment B on Mutation { ... on Mutation { deleteUser } }",
        ),
        (
            "cyclic fragments",
            "mutation { ...A } fragment A on Mutation { ...B } fragment B on Mutation { ...A deleteUser }",
        ),
        (
            "a fragment twice",
            "mutation { ...A } fragment A on Mutation { x } fragment A on Mutation { deleteUser }",
        ),
        ("a fragment that is not there", "mutation { ...Nowhere }"),
        ("inline fragment", "mutation { ... on Mutation { deleteUser(id: 1) { id } } }"),
        ("inline fragment without a type", "mutation { ... { deleteUser(id: 1) { id } } }"),
        ("inline fragment with a directive", "mutation { ... @include(if: true) { deleteUser } }"),
        ("skipped", "mutation { deleteUser(id: 1) @skip(if: true) { id } }"),
        ("included by a variable", "mutation($x: Boolean!) { deleteUser(id: 1) @include(if: $x) { id } }"),
        ("directive on the operation", "mutation @live { deleteUser(id: 1) { id } }"),
        ("comment behind the keyword", "mutation#query\n{deleteUser(id:1){id}}"),
        ("comment that looks like a query", "# query { me }\nmutation { deleteUser }"),
        ("comment ended by CR", "#\rmutation{deleteUser}"),
        ("comment ended by a line separator", "mutation { updateUser #\u{2028} deleteUser\n }"),
        ("comment ended by NEL", "mutation { updateUser #\u{85} deleteUser\n }"),
        ("three quotes as two and one", r#"mutation { x(a: ["""a"]) deleteUser(b: ["b"""]) }"#),
        (
            "one quote escaped in three quotes",
            "mutation { safe(x: \"\"\"a\"\\\"\"\") deleteUser(id:1){id} #\"\"\")\n }",
        ),
        ("four quotes at an end", "mutation { safe(x: [\"\"\"x\"\"\"\" ]) deleteUser(id:1){id} #\"])\n }"),
        ("four quotes at a start", "mutation { safe(x: \"\"\"\"x\"\"\") { id } }"),
        ("four quotes within", "mutation { safe(x: \"\"\"a\\\"\"\"\"b\"\"\") { id } }"),
        ("an escape at the start of three quotes", "mutation { safe(x: \"\"\"\\\"a\"\"\") { id } }"),
        ("two strings side by side", r#"mutation { safe(x: ["a""b"]) { id } }"#),
        ("an empty string and a string", r#"mutation { safe(x: ["" """b"""]) { id } y(z: [""""""""]) }"#),
        (
            "a comment that goes on behind CR",
            "mutation { safe(x: 1 #\r, y: \"\"\"\n) deleteUser(id:1){id} #\r\"\"\")\n }",
        ),
        ("commas", ",,,mutation,,,{,,deleteUser,(,id:1,),{,id,},,}"),
        ("no blanks", "mutation{deleteUser(id:1){id}}"),
        ("tabs and lines", "\t\r\n\tmutation\r\n\t{\tdeleteUser\t(id:1)\r\n}"),
        ("byte order mark", "\u{feff}mutation { deleteUser }"),
        ("byte order mark within", "mutation \u{feff}{ \u{feff}deleteUser }"),
        ("block string", r#"mutation { deleteUser(why: """ " } query { me } """) }"#),
        ("block string that escapes its end", r#"mutation { x(a: """ \""" """) deleteUser }"#),
        ("string with a brace", r#"mutation { x(a: "}") deleteUser }"#),
        ("string with an escape", r#"mutation { x(a: "\" }") deleteUser }"#),
        ("string with a comment mark", r##"mutation { x(a: "# ") deleteUser }"##),
        ("variables with defaults", r#"mutation($a: String = "}") { deleteUser(id: $a) { id } }"#),
        ("two operations, none named", "query A { me } mutation B { deleteUser }"),
        ("the mutation first", "mutation B { deleteUser } query A { me }"),
        ("two anonymous operations", "{ me } mutation { deleteUser }"),
        ("named query", "mutation query { deleteUser }"),
        ("named mutation", "mutation mutation { deleteUser }"),
        ("unclosed", "mutation { deleteUser(id: 1) { id }"),
        ("closed once more", "mutation { deleteUser } }"),
        ("keyword in other letters", "Mutation { deleteUser }"),
        ("field in other letters", "mutation { DeleteUser }"),
        ("with a schema", "type A { b: Int } mutation { deleteUser }"),
        ("with an extension", "extend type A { b: Int } mutation { deleteUser }"),
        ("a full-width name", "mutation { \u{ff44}eleteUser }"),
        ("a zero-width letter", "mutation { delete\u{200b}User }"),
        ("an escape in a name", r"mutation { \u0064eleteUser }"),
        ("a description", r#""""words""" mutation { deleteUser }"#),
        ("a subscription", "subscription { secretFeed { id } }"),
        ("an aliased subscription", "subscription { feed: secretFeed { id } }"),
    ] {
        cases.stopped(name, query(text));
    }
    let deep = format!("mutation {{ deleteUser {}{} }}", "{ a ".repeat(300), "}".repeat(300));
    cases.stopped("very deep", query(&deep));
    let wide = format!("mutation {{ {} deleteUser }}", "a: me ".repeat(600));
    cases.stopped("very wide", query(&wide));
    let shared =
        format!("{} fragment F on Mutation {{ {} }}", "{ ...F } ".repeat(3_000), "a: me ".repeat(500));
    cases.stopped("a wide fragment in many operations", query(&shared));
    let long = format!("#{}\nmutation {{ deleteUser }}", "x".repeat(300 << 10));
    cases.stopped("behind a long comment", query(&long));
    let longer = format!("#{}\nmutation {{ deleteUser }}", "x".repeat(2 << 20));
    cases.stopped("behind a comment beyond the limit", query(&longer));
    let chain: String = (0..200).map(|n| format!("fragment F{n} on Mutation {{ ...F{} }} ", n + 1)).collect();
    let chain = format!("mutation {{ ...F0 }} {chain} fragment F200 on Mutation {{ deleteUser }}");
    cases.stopped("a long chain of fragments", query(&chain));

    for (name, text) in [
        ("a query", GOOD),
        ("quotes within three quotes", r#"mutation { note(a: """say "no" """, b: ["""x"""]) { id } }"#),
        ("shorthand", "{ me { id } }"),
        ("introspection", "query IntrospectionQuery { __schema { types { name } queryType { name } } }"),
        ("type name", "mutation { __typename }"),
        ("a field of that name in a query", "{ deleteUser { id } }"),
        ("a query named mutation", "query mutation { me }"),
        ("a text that has it", r#"{ search(text: "mutation { deleteUser }") { id } }"#),
        ("a block text that has it", r#"{ search(text: """mutation { deleteUser }""") { id } }"#),
        ("a comment that has it", "# mutation { deleteUser }\n{ me { id } }"),
        ("an alias of that name", "mutation { deleteUser: updateUser(id: 1) { id } }"),
        ("an argument of that name", "mutation { updateUser(deleteUser: 1) { id } }"),
        ("a variable of that name", "mutation($deleteUser: ID) { updateUser(id: $deleteUser) { id } }"),
        ("an operation of that name", "mutation deleteUser { updateUser(id: 1) { id } }"),
        ("a field within", "mutation { updateUser(id: 1) { deleteUser { id } } }"),
        ("a longer name", "mutation { deleteUserDraft(id: 1) { id } }"),
        ("a shorter name", "mutation { deleteUse(id: 1) { id } }"),
        (
            "a fragment of that name",
            "mutation { ...deleteUser } fragment deleteUser on Mutation { updateUser { id } }",
        ),
        ("another subscription", "subscription { feed { id } }"),
        (
            "an object argument",
            r#"mutation { updateUser(input: { name: "x", tags: ["a", "b"], n: 1.5e3, on: true, off: null, kind: ADMIN }) { id } }"#,
        ),
        ("fragments on types", "{ node(id: 1) { ... on User { name } ...F } } fragment F on Node { id }"),
        ("directives", "query($x: Boolean!) { me @include(if: $x) { id @skip(if: false) } }"),
        ("emoji", r#"{ search(text: "😀 deleteUser") { id } }"#),
        ("a defer", "{ me { ... @defer { friends { id } } } }"),
        ("a backslash in three quotes", r#"mutation { note(a: """C:\dir \d+ \n.""") { id } }"#),
        ("nothing in three quotes", r#"mutation { note(a: """""", b: "") { id } }"#),
        ("two quotes within three", r#"mutation { note(a: """say ""no"" now""") { id } }"#),
        ("strings in a list", r#"mutation { note(a: ["a" "b","c", "", ""]) { id } }"#),
        ("comments ended by CR LF", "# a\r\n{ me # b\r\n { id } } # c"),
        ("trailing blanks", "{ me { id } }\r\n\r\n"),
    ] {
        cases.passed(name, query(text));
    }
    cases.run(RULES).await;
}

#[tokio::test]
async fn envelopes() {
    let mut cases = Cases::default();
    let both = "query A { me } mutation B { deleteUser }";
    let body = |value: Value| post(value.to_string());
    // ---- which operation
    cases.stopped("selected", body(json!({ "query": both, "operationName": "B" })));
    cases.stopped("none selected", body(json!({ "query": both, "operationName": null })));
    cases.stopped("an empty selection", body(json!({ "query": both, "operationName": "" })));
    cases.stopped("a wrong selection", body(json!({ "query": both, "operationName": "C" })));
    cases.stopped("a selection in other letters", body(json!({ "query": both, "operationName": "a" })));
    cases.stopped("a selection with a blank", body(json!({ "query": both, "operationName": " A" })));
    cases.stopped("a selection that is a number", body(json!({ "query": both, "operationName": 1 })));
    cases.stopped("a selection that is a list", body(json!({ "query": both, "operationName": ["A"] })));
    cases.stopped(
        "selected twice",
        post(format!(r#"{{"query":{},"operationName":"A","operationName":"B"}}"#, json!(both))),
    );
    cases.stopped(
        "selected in two letter cases",
        post(format!(r#"{{"query":{},"operationName":"A","OperationName":"B"}}"#, json!(both))),
    );
    cases.stopped(
        "selected in the URL",
        post_json(HOST, "/graphql?operationName=B", json!({ "query": both }).to_string()),
    );
    cases.stopped(
        "selected in both",
        post_json(
            HOST,
            "/graphql?operationName=B",
            json!({ "query": both, "operationName": "A" }).to_string(),
        ),
    );
    cases.stopped(
        "selected in the URL only, where it may not count",
        post_json(HOST, "/graphql?operationName=A", json!({ "query": both }).to_string()),
    );
    cases.stopped(
        "two of one name",
        body(json!({ "query": "query A { me } mutation A { deleteUser }", "operationName": "A" })),
    );
    cases.passed("the query selected", body(json!({ "query": both, "operationName": "A" })));
    cases.passed(
        "the query selected, with variables",
        body(json!({ "query": both, "operationName": "A", "variables": { "a": "deleteUser" } })),
    );
    cases.passed(
        "its name repeated in the URL",
        post_json(
            HOST,
            "/graphql?operationName=A",
            json!({ "query": "query A { me }", "operationName": "A" }).to_string(),
        ),
    );
    // ---- JSON
    for (name, text) in [
        ("duplicate key, evil first", format!(r#"{{"query":{},"query":{}}}"#, json!(EVIL), json!(GOOD))),
        ("duplicate key, evil last", format!(r#"{{"query":{},"query":{}}}"#, json!(GOOD), json!(EVIL))),
        ("escaped twin", format!(r#"{{"query":{},"qu\u0065ry":{}}}"#, json!(GOOD), json!(EVIL))),
        ("escaped key", format!(r#"{{"\u0071uery":{}}}"#, json!(EVIL))),
        ("key in other letters", format!(r#"{{"Query":{}}}"#, json!(EVIL))),
        ("key in capitals, beside", format!(r#"{{"query":{},"QUERY":{}}}"#, json!(GOOD), json!(EVIL))),
        ("escaped text", r#"{"query":"\u006dutation{\u0064eleteUser}"}"#.to_owned()),
        ("byte order mark", format!("\u{feff}{{\"query\":{}}}", json!(EVIL))),
        ("trailing comma", format!(r#"{{"query":{},}}"#, json!(EVIL))),
        ("comment in JSON", format!(r#"{{/* */"query":{}}}"#, json!(EVIL))),
        ("line comment in JSON", format!("// x\n{{\"query\":{}}}", json!(EVIL))),
        ("single quotes", format!("{{'query':'{EVIL}'}}")),
        ("bare key", format!("{{query:{}}}", json!(EVIL))),
        ("trailing garbage", format!(r#"{{"query":{}}}x"#, json!(EVIL))),
        ("two documents", format!("{{\"query\":{}}}\n{{\"query\":{}}}", json!(GOOD), json!(EVIL))),
        ("a raw line end in the text", "{\"query\":\"mutation\n{deleteUser}\"}".to_owned()),
        ("a query that is a list", format!(r#"{{"query":[{}]}}"#, json!(EVIL))),
        ("a query that is an object", format!(r#"{{"query":{{"a":{}}}}}"#, json!(EVIL))),
        ("batch", json!([{ "query": GOOD }, { "query": EVIL }]).to_string()),
        ("batch of one", json!([{ "query": EVIL }]).to_string()),
        ("batch with duplicate keys", format!(r#"[{{"query":{},"query":{}}}]"#, json!(GOOD), json!(EVIL))),
        ("nested batch", json!([[{ "query": EVIL }]]).to_string()),
        ("batch with null", json!([null, { "query": EVIL }]).to_string()),
        ("large batch", json!(vec![json!({ "query": GOOD }); 150]).to_string()),
        ("payload", json!({ "type": "subscribe", "id": "1", "payload": { "query": EVIL } }).to_string()),
        ("payload of the old protocol", json!({ "type": "start", "id": "1", "payload": { "query": EVIL } }).to_string()),
        ("variables beside", json!({ "variables": { "id": 1 }, "query": EVIL }).to_string()),
        ("much before", json!({ "a": "x".repeat(200_000), "query": EVIL }).to_string()),
        ("beyond the limit", json!({ "a": "x".repeat(2_000_000), "query": EVIL }).to_string()),
        ("deep beside", format!(r#"{{"a":{}{},"query":{}}}"#, "[".repeat(200), "]".repeat(200), json!(EVIL))),
        // ---- persisted
        ("hash without text", json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": sha256(EVIL) } } }).to_string()),
        ("hash in capitals", json!({ "extensions": { "PersistedQuery": { "version": 1, "SHA256hash": sha256(EVIL) } } }).to_string()),
        ("hash in a text", json!({ "extensions": json!({ "persistedQuery": { "version": 1, "sha256Hash": sha256(EVIL) } }).to_string() }).to_string()),
        ("another hash than the text's", json!({ "query": GOOD, "extensions": { "persistedQuery": { "version": 1, "sha256Hash": sha256(EVIL) } } }).to_string()),
        ("hash beside an empty text", json!({ "query": "", "extensions": { "persistedQuery": { "version": 1, "sha256Hash": sha256(EVIL) } } }).to_string()),
        ("its own hash", json!({ "query": EVIL, "extensions": { "persistedQuery": { "version": 1, "sha256Hash": sha256(EVIL) } } }).to_string()),
        ("hash in a batch", json!([{ "query": GOOD }, { "extensions": { "persistedQuery": { "sha256Hash": sha256(EVIL) } } }]).to_string()),
        ("hash of another kind", json!({ "extensions": { "persistedQuery": { "version": 1, "md5Hash": "ab" } } }).to_string()),
        ("hash that is a text", json!({ "extensions": { "persistedQuery": "ab" } }).to_string()),
        ("an id in extensions", json!({ "extensions": { "documentId": "ab" } }).to_string()),
        ("a text alone", json!(EVIL).to_string()),
        ("documentId", json!({ "documentId": "abc" }).to_string()),
        ("documentId beside a text", json!({ "documentId": "abc", "query": GOOD }).to_string()),
        ("doc_id", json!({ "doc_id": "123", "variables": {} }).to_string()),
        ("id", json!({ "id": "abc" }).to_string()),
        ("id that is a number", json!({ "id": 7 }).to_string()),
        ("id beside a text", json!({ "id": "purge", "query": GOOD }).to_string()),
        ("id beside a type", json!({ "id": "purge", "type": "x" }).to_string()),
        ("id beside the type of a message", json!({ "id": "purge", "type": "complete" }).to_string()),
        ("id beside a payload", json!({ "id": "purge", "payload": 1 }).to_string()),
        ("id beside an odd type and a text", json!({ "id": "purge", "type": "x", "payload": { "query": GOOD } }).to_string()),
        ("id in a payload", json!({ "id": "1", "type": "start", "payload": { "id": "purge" } }).to_string()),
        ("docId", json!({ "docId": "purge" }).to_string()),
        ("operationId", json!({ "operationId": "purge", "query": GOOD }).to_string()),
        ("operationId in extensions", json!({ "extensions": { "operationId": "purge" } }).to_string()),
        ("queryId", json!({ "queryId": "abc" }).to_string()),
        ("queryHash", json!({ "queryHash": "abc" }).to_string()),
        ("a name alone", json!({ "operationName": "DeleteUser" }).to_string()),
        ("a name and variables", json!({ "operationName": "DeleteUser", "variables": { "id": 1 } }).to_string()),
    ] {
        cases.stopped(name, post(text));
    }
    for (name, text) in [
        ("two benign", json!([{ "query": GOOD }, { "query": "{ you }" }]).to_string()),
        ("text and its hash", json!({ "query": GOOD, "extensions": { "persistedQuery": { "version": 1, "sha256Hash": sha256(GOOD) } } }).to_string()),
        ("other extensions", json!({ "query": GOOD, "extensions": { "clientLibrary": { "name": "x" } } }).to_string()),
        ("its own hash as an id", json!({ "id": sha256(GOOD), "query": GOOD }).to_string()),
        ("a good payload", json!({ "id": "1", "type": "subscribe", "payload": { "query": GOOD } }).to_string()),
        ("a good payload of the old protocol", json!({ "id": 1, "type": "start", "payload": { "query": GOOD } }).to_string()),
        ("a type without an id", json!({ "type": "x", "status": "ok" }).to_string()),
        ("a value that has it", json!({ "query": GOOD, "variables": { "text": EVIL } }).to_string()),
        ("null variables", json!({ "query": GOOD, "variables": null, "operationName": null }).to_string()),
        ("emoji", json!({ "query": GOOD, "variables": { "a": "😀\n" } }).to_string()),
        ("escaped emoji", r#"{"query":"{ me }","variables":{"a":"\ud83d\ude00"}}"#.to_owned()),
        ("JSON of another kind", "{}".to_owned()),
        ("JSON with other members", json!({ "status": "ok", "note": EVIL }).to_string()),
    ] {
        cases.passed(name, post(text));
    }
    // ---- a plain matcher on the text
    let by_text = |body: Value| post_json(HOST, "/text", body.to_string());
    cases.stopped("by text", by_text(json!({ "query": EVIL })));
    cases.stopped("by text, in a batch", by_text(json!([{ "query": GOOD }, { "query": EVIL }])));
    cases.stopped("by text, escaped", post_json(HOST, "/text", r#"{"query":"mutation{\u0064eleteUser}"}"#));
    cases.passed("by text, another", by_text(json!({ "query": GOOD })));
    cases.run(RULES).await;
}

#[tokio::test]
async fn carriers() {
    let mut cases = Cases::default();
    let json = |text: &str| json!({ "query": text }).to_string();
    let (evil, good) = (encoded(EVIL), encoded(GOOD));
    // ---- URL
    cases.stopped("GET", get(&format!("query={evil}")));
    cases.stopped("GET with plus signs", get("query=mutation+%7B+deleteUser+%7D"));
    cases.stopped("GET with little encoded", get("query=mutation%7BdeleteUser%7D"));
    cases.stopped("GET with everything encoded", get(&format!("%71%75%65%72%79={evil}")));
    cases.stopped("GET in capitals", get(&format!("QUERY={evil}")));
    cases.stopped("GET twice, evil last", get(&format!("query={good}&query={evil}")));
    cases.stopped("GET twice, evil first", get(&format!("query={evil}&query={good}")));
    cases.stopped("GET with a semicolon", get(&format!("a=1;query={evil}")));
    cases.stopped("GET with variables", get(&format!("query={evil}&variables=%7B%22id%22%3A1%7D")));
    cases.stopped(
        "GET with a name",
        get(&format!("query={}&operationName=B", encoded("query A { me } mutation B { deleteUser }"))),
    );
    cases.stopped(
        "GET by hash",
        get(&format!("extensions={}", encoded(r#"{"persistedQuery":{"version":1,"sha256Hash":"ab"}}"#))),
    );
    cases.stopped("GET by documentId", get("documentId=abc"));
    cases.stopped("GET by id", get("id=abc"));
    cases.stopped("an id in the URL beside a text", post_json(HOST, "/graphql?id=purge", json(GOOD)));
    cases.stopped("an id and a text in the URL", get(&format!("query={good}&id=purge")));
    for (name, given) in [
        ("a hash in brackets", "extensions[persistedQuery][sha256Hash]=ab"),
        ("a hash with dots", "extensions.persistedQuery.sha256Hash=ab"),
        ("a text in brackets", "query[0]=x"),
        ("a name in brackets", "operationName[x]=B"),
        ("a batch in brackets", "0[query]=x"),
        ("a batch with dots", "0.query=x"),
        ("operations in brackets", "operations[query]=x"),
        ("brackets, encoded", "0%5Bquery%5D=x"),
        ("brackets, in capitals", "Extensions[persistedQuery]=x"),
    ] {
        cases.stopped(format!("GET: {name}"), get(given));
        cases.stopped(format!("form: {name}"), typed("application/x-www-form-urlencoded", given));
        cases.stopped(format!("URL: {name}"), post_json(HOST, &format!("/graphql?{given}"), json(GOOD)));
    }
    let deploy = json("mutation($e: String) { deploy(env: $e) { id } }");
    cases.stopped("variables in brackets in the URL", post_json(HOST, "/graphql?variables[e]=prod", &deploy));
    cases.stopped(
        "variables in brackets in a form",
        typed(
            "application/x-www-form-urlencoded",
            format!("query={}&variables[e]=prod", encoded("mutation($e: String) { deploy(env: $e) { id } }")),
        ),
    );
    cases.passed("other variables", post_json(HOST, "/graphql", &deploy));
    cases.passed(
        "other brackets in the URL",
        post_json(HOST, "/graphql?filter[query]=x&a.variables=1&0=x", json(GOOD)),
    );
    cases.stopped("HEAD", request("HEAD", HOST, &format!("/graphql?query={evil}"), "", ""));
    cases.stopped(
        "POST with all in the URL",
        request("POST", HOST, &format!("/graphql?query={evil}"), "", ""),
    );
    cases.stopped("POST, URL and empty JSON", post_json(HOST, &format!("/graphql?query={evil}"), "{}"));
    cases.stopped(
        "POST, evil in the URL and good in the body",
        post_json(HOST, &format!("/graphql?query={evil}"), json(GOOD)),
    );
    cases.stopped(
        "POST, good in the URL and evil in the body",
        post_json(HOST, &format!("/graphql?query={good}"), json(EVIL)),
    );
    cases.stopped(
        "POST, evil in the URL and a form",
        request(
            "POST",
            HOST,
            &format!("/graphql?query={evil}"),
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "a=b",
        ),
    );
    cases.stopped(
        "POST, evil in the URL and noise",
        request("POST", HOST, &format!("/graphql?query={evil}"), "Content-Type: text/plain\r\n", "hello"),
    );
    cases.stopped("PUT", request("PUT", HOST, "/graphql", "Content-Type: application/json\r\n", json(EVIL)));
    cases.stopped(
        "GET with a body",
        request("GET", HOST, "/graphql", "Content-Type: application/json\r\n", json(EVIL)),
    );
    cases.stopped(
        "DELETE with a body",
        request("DELETE", HOST, "/graphql", "Content-Type: application/json\r\n", json(EVIL)),
    );
    for path in [
        "/graphql/",
        "//graphql",
        "/%67raphql",
        "/GraphQL",
        "/x/../graphql",
        "/graphql;a=b",
        "/./graphql",
        "/graphql%2f",
        "/graphql?x=1",
    ] {
        cases.stopped(format!("path {path}"), post_json(HOST, path, json(EVIL)));
    }
    // ---- labels
    for media in [
        "application/json; charset=utf-8",
        "application/JSON",
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/graphql-response+json",
        "application/graphql+json",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "application/x-amz-json-1.0",
        "multipart/form-data; boundary=b",
        "multipart/mixed; boundary=b",
        "application/json; charset=utf-16",
        "nonsense",
    ] {
        cases.stopped(format!("JSON as {media}"), typed(media, json(EVIL)));
    }
    cases.stopped("JSON without a label", request("POST", HOST, "/graphql", "", json(EVIL)));
    cases.stopped(
        "two labels",
        request(
            "POST",
            HOST,
            "/graphql",
            "Content-Type: text/plain\r\nContent-Type: application/json\r\n",
            json(EVIL),
        ),
    );
    for media in
        ["application/graphql", "application/graphql; charset=utf-8", "Application/GraphQL", "text/graphql"]
    {
        cases.stopped(format!("the text as {media}"), typed(media, EVIL));
        cases.stopped(format!("JSON as {media}"), typed(media, json(EVIL)));
    }
    cases.stopped("the text as text", typed("text/plain", EVIL));
    cases.stopped("the text without a label", request("POST", HOST, "/graphql", "", EVIL));
    cases.stopped("the text as JSON", typed("application/json", EVIL));
    let form = "application/x-www-form-urlencoded";
    cases.stopped("form", typed(form, format!("query={evil}")));
    cases.stopped("form, evil second", typed(form, format!("query={good}&query={evil}")));
    cases.stopped("form, not encoded", typed(form, format!("query={EVIL}")));
    cases.stopped("form, in capitals", typed(form, format!("Query={evil}")));
    cases.stopped(
        "form by hash",
        typed(
            form,
            format!("extensions={}", encoded(r#"{"persistedQuery":{"version":1,"sha256Hash":"ab"}}"#)),
        ),
    );
    cases.stopped("form by doc_id", typed(form, "doc_id=123&variables=%7B%7D"));
    cases.stopped("form as text", typed("text/plain", format!("query={evil}")));
    cases.stopped("form as JSON", typed("application/json", format!("query={evil}")));
    cases.stopped("form with a semicolon", typed(form, format!("a=1;query={evil}")));
    cases.stopped("form with a bracket", typed(form, format!("query[]={evil}")));
    // ---- the multipart request spec
    let operations = json(EVIL);
    cases.stopped("multipart", multipart(&[("operations", &operations), ("map", "{}")]));
    cases.stopped("multipart, the map first", multipart(&[("map", "{}"), ("operations", &operations)]));
    cases.stopped(
        "multipart with a file",
        multipart(&[("operations", &operations), ("map", r#"{"0":["variables.file"]}"#), ("0", "content")]),
    );
    cases.stopped(
        "multipart batch",
        multipart(&[
            ("operations", &json!([{ "query": GOOD }, { "query": EVIL }]).to_string()),
            ("map", "{}"),
        ]),
    );
    cases.stopped(
        "multipart twice",
        multipart(&[("operations", &json(GOOD)), ("operations", &operations), ("map", "{}")]),
    );
    cases.stopped("multipart in capitals", multipart(&[("Operations", &operations), ("map", "{}")]));
    cases.stopped("multipart with a plain query", multipart(&[("query", EVIL)]));
    cases.stopped("multipart with both", multipart(&[("operations", &json(GOOD)), ("query", EVIL)]));
    cases.stopped(
        "multipart whose file becomes the query",
        multipart(&[("operations", r#"{"query":null}"#), ("map", r#"{"0":["query"]}"#), ("0", EVIL)]),
    );
    cases.stopped(
        "multipart whose file replaces the query",
        multipart(&[("operations", &json(GOOD)), ("map", r#"{"0":["query"]}"#), ("0", EVIL)]),
    );
    cases.stopped(
        "multipart whose operations are no JSON",
        multipart(&[("operations", "{query: 1}"), ("map", "{}")]),
    );
    cases.stopped("multipart as text", typed("text/plain", "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nmutation { deleteUser }\r\n--b--\r\n"));
    // ---- codings
    let coded = |coding: &str, bytes: Vec<u8>| {
        request(
            "POST",
            HOST,
            "/graphql",
            &format!("Content-Type: application/json\r\nContent-Encoding: {coding}\r\n"),
            bytes,
        )
    };
    cases.stopped("gzip", coded("gzip", gzip(json(EVIL).as_bytes())));
    cases.stopped("gzip twice", coded("gzip, gzip", gzip(&gzip(json(EVIL).as_bytes()))));
    cases.stopped(
        "gzip without a label",
        request("POST", HOST, "/graphql", "Content-Type: application/json\r\n", gzip(json(EVIL).as_bytes())),
    );
    cases.stopped("an unknown coding", coded("lzma", json(EVIL).into_bytes()));
    cases.stopped(
        "UTF-16",
        typed("application/json", json(EVIL).encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
    );

    cases.passed("a good GET", get(&format!("query={good}")));
    cases.passed(
        "a good GET with all",
        get(&format!("query={good}&variables=%7B%22a%22%3A%22deleteUser%22%7D&operationName=")),
    );
    cases.passed("the page of an explorer", request("GET", HOST, "/graphql", "Accept: text/html\r\n", ""));
    cases.passed("a good form", typed(form, format!("query={good}")));
    cases.passed("a good text", typed("application/graphql", GOOD));
    cases.passed("a good upload", multipart(&[("operations", &json!({ "query": "mutation($f: Upload!) { upload(file: $f) { id } }", "variables": { "f": null } }).to_string()), ("map", r#"{"0":["variables.f"]}"#), ("0", "mutation { deleteUser }")]));
    cases.passed("a good batch of uploads", multipart(&[("operations", &json!([{ "query": "mutation($f: Upload!) { upload(file: $f) }", "variables": { "f": null } }]).to_string()), ("map", r#"{"0":["0.variables.f"]}"#), ("0", "x")]));
    cases.passed("good gzip", coded("gzip", gzip(json(GOOD).as_bytes())));
    cases.passed("nothing", request("POST", HOST, "/graphql", "", ""));
    cases.passed("another path", post_json(HOST, "/other", json(EVIL)));
    cases.passed("a good text as text", typed("text/plain", json(GOOD)));
    cases.run(RULES).await;
}

/// Values, those of constants alone if `constant`.
fn values(constant: bool) -> impl Strategy<Value = String> {
    let variable = if constant { "7" } else { "$v" };
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?(e[+-]?[0-9])?",
        r#""([a-z {}#,$]|\\["\\/bfnrt]|\\u00e9|\\u\{1F600\}|\\uD83D\\uDE00)*""#,
        r#""""[a-z{}\n ]*""""#, // without quotes: in a list they could be two texts
        "[A-Zt][A-Za-z_0-9]{0,4}|true|false|null",
        Just(variable.to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(" "))),
            proptest::collection::vec(("[a-c]", inner), 0..3).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

fn arguments(constant: bool) -> impl Strategy<Value = String> {
    proptest::option::of(proptest::collection::vec(("[a-c]", values(constant)), 1..3))
        .prop_map(|given| {
            let given: Vec<_> = given?.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            Some(format!("({})", given.join("\n")))
        })
        .prop_map(Option::unwrap_or_default)
}

/// What stands between braces, with them.
fn selections() -> impl Strategy<Value = String> {
    let directive = || prop_oneof![3 => Just(String::new()), 1 => arguments(false).prop_map(|given| format!("@live{given} "))];
    let name = "[a-d_][A-Za-z0-9_]{0,3}|on|query|fragment|type|null";
    let leaf = prop_oneof![
        4 => ("([a-c] ?: ?)?", name, arguments(false), directive()).prop_map(|(alias, name, given, directive)| format!("{alias}{name}{given}{directive}")),
        1 => directive().prop_map(|directive| format!("...F {directive}")),
    ];
    let set = |items: Vec<String>| format!("{{{}}}", items.join(" "));
    let all = leaf.prop_recursive(3, 16, 3, move |inner| {
        let inner = proptest::collection::vec(inner, 1..4).prop_map(set);
        prop_oneof![
            (name, inner.clone()).prop_map(|(name, inner)| format!("{name}{inner}")),
            ("(on T ?)?", directive(), inner)
                .prop_map(|(on, directive, inner)| format!("... {on}{directive}{inner}")),
        ]
    });
    proptest::collection::vec(all, 1..4).prop_map(set)
}

fn operations() -> impl Strategy<Value = String> {
    let variables = ("(\\[T!\\]!|T)", proptest::option::of(values(true)), arguments(true)).prop_map(
        |(kind, value, given)| {
            let value = value.map(|value| format!(" = {value}")).unwrap_or_default();
            let directive = if given.is_empty() { given } else { format!(" @live{given}") };
            format!("($v: {kind}{value}{directive})")
        },
    );
    prop_oneof![
        selections(),
        ("(query|mutation|subscription)( [A-C]|)", proptest::option::of(variables), selections())
            .prop_map(|(kind, variables, set)| format!("{kind}{}{set}", variables.unwrap_or_default())),
    ]
}

proptest::proptest! {
    /// Our reader and apollo-parser's tree say the same of every document.
    #[test]
    fn a_document_is_read_as_its_tree(
        operations in proptest::collection::vec(operations(), 1..3),
        fragment in selections(),
        comment in "(#[a-z{}\"]{0,4}\n)?",
    ) {
        let text = format!("{comment}{} fragment F on T {fragment}", operations.join(" "));
        let theirs = graphql_tree::theirs(&text);
        proptest::prop_assert!(theirs.is_some(), "not a document: {}", text);
        proptest::prop_assert_eq!(graphql_tree::ours(&text), theirs, "{}", text);
    }

    /// Where something is missing or too much, we read nothing, or what the tree says.
    #[test]
    fn a_broken_document_is_read_as_its_tree_or_not_at_all(
        operation in operations(),
        fragment in selections(),
        at in proptest::num::usize::ANY,
        piece in "[{}()\\[\\]:$!@=.\"#a1 \n]{0,2}", // no comma: the tree does not take it for a blank everywhere
    ) {
        let mut text = format!("{operation} fragment F on T {fragment}");
        let at = at % text.len();
        text.replace_range(at..=at, &piece);
        if let Some(ours) = graphql_tree::ours(&text) {
            proptest::prop_assert_eq!(Some(ours), graphql_tree::theirs(&text), "{}", text);
        }
    }
}
