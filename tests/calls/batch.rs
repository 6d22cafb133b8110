//! Requests within requests (bypass.md §8): each part counts as if it came alone, and one held part holds the whole.

use super::{Cases, Scene, gzip, post_json, request};
use crate::support::soon;
use serde_json::{Value, json};

const GRAPH: &str = "graph.microsoft.com";
const GOOGLE: &str = "admin.googleapis.com";
const AZURE: &str = "management.azure.com";
const SALESFORCE: &str = "acme.my.salesforce.com";
const ODATA: &str = "odata.test";
const SEARCH: &str = "search.test";
const API: &str = "api.test";
const RULES: &str = r#"
pack: calls
rules:
  - id: graph
    when: { host: graph.microsoft.com, method: DELETE, path: "/v1.0/users/{id}" }
    verdict: hold
    why: The test says so.
  - id: google
    when: { host: admin.googleapis.com, method: DELETE, path: "/admin/directory/v1/users/{id}" }
    verdict: hold
    why: The test says so.
  - id: google-body
    when: { host: admin.googleapis.com, method: [POST, PATCH], path: "/admin/directory/v1/users/{id}", body: { isAdmin: true } }
    verdict: hold
    why: The test says so.
  - id: azure
    when: { host: management.azure.com, method: DELETE, path: "/subscriptions/{s}/resourceGroups/{g}" }
    verdict: hold
    why: The test says so.
  - id: salesforce
    when: { host: "*.salesforce.com", method: DELETE, path: "/services/data/{v}/sobjects/{type}/{id}" }
    verdict: hold
    why: The test says so.
  - id: odata
    when: { host: odata.test, method: DELETE, path: "/odata/users/{id}" }
    verdict: hold
    why: The test says so.
  - id: search
    when:
      - { host: search.test, method: DELETE, path: "/users/_doc/{id}" }
      - { host: search.test, path: "/secrets/_search" }
    verdict: hold
    why: The test says so.
  - id: blobs
    when: { host: "*.blob.core.windows.net", method: DELETE, path: "/c/**" }
    verdict: hold
    why: The test says so.
  - id: api
    when:
      - { host: api.test, method: DELETE, path: "/users/{id}" }
      - { host: api.test, method: DELETE, path: "/api/1.0/tasks/{id}" }
      - { host: api.test, method: DELETE, path: "/wp-json/wp/v2/posts/{id}" }
    verdict: hold
    why: The test says so.
"#;

fn graph(requests: &Value) -> (String, Vec<u8>) {
    post_json(GRAPH, "/v1.0/$batch", json!({ "requests": requests }).to_string())
}

fn part(method: &str, url: &str) -> Value {
    json!({ "id": "1", "method": method, "url": url })
}

#[tokio::test]
async fn json_batches() {
    let mut cases = Cases::default();
    let evil = part("DELETE", "/users/7");
    let good = json!({ "id": "2", "method": "GET", "url": "/me" });
    cases.stopped("alone", request("DELETE", GRAPH, "/v1.0/users/7", "", ""));
    cases.stopped("one", graph(&json!([evil])));
    cases.stopped("second", graph(&json!([good, evil])));
    for (name, method, url) in [
        ("without a slash", "DELETE", "users/7"),
        ("method in other letters", "delete", "/users/7"),
        ("path in other letters", "DELETE", "/Users/7"),
        ("absolute", "DELETE", "https://graph.microsoft.com/v1.0/users/7"),
        ("absolute with a port", "DELETE", "https://graph.microsoft.com:443/v1.0/users/7"),
        ("absolute in capitals", "DELETE", "HTTPS://GRAPH.microsoft.com/v1.0/users/7"),
        ("absolute in plain HTTP", "DELETE", "http://graph.microsoft.com/v1.0/users/7"),
        ("another host", "DELETE", "https://evil.test/v1.0/users/7"),
        ("another host without a scheme", "DELETE", "//graph.microsoft.com/v1.0/users/7"),
        ("a user in the host", "DELETE", "https://graph.microsoft.com@evil.test/v1.0/users/7"),
        ("from the root of the host", "DELETE", "/v1.0/users/7"),
        ("encoded", "DELETE", "/%75sers/7"),
        ("encoded slash", "DELETE", "/users%2f7"),
        ("encoded twice", "DELETE", "/%2575sers/7"),
        ("a dot segment", "DELETE", "/./users/7"),
        ("two dots", "DELETE", "/me/../users/7"),
        ("encoded dots", "DELETE", "/me/%2e%2e/users/7"),
        ("above the root", "DELETE", "/../../../users/7"),
        ("two slashes", "DELETE", "/x//../users/7"),
        ("a parameter in the path", "DELETE", "/users;a=b/7"),
        ("a backslash", "DELETE", "/users\\7"),
        ("a slash at the end", "DELETE", "/users/7/"),
        ("a query", "DELETE", "/users/7?x=1"),
        ("a fragment", "DELETE", "/users/7#x"),
        ("a blank in front", "DELETE", " /users/7"),
        ("a tab in front", "DELETE", "\t/users/7"),
        ("a method that is none", "DEL ETE", "/users/7"),
        ("an empty method", "", "/users/7"),
        ("a method with a blank", "DELETE ", "/users/7"),
    ] {
        cases.stopped(name, graph(&json!([part(method, url)])));
    }
    let with = |more: Value| {
        let mut part = part("POST", "/users/7");
        part.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        graph(&json!([part]))
    };
    cases.stopped("inner override", with(json!({ "headers": { "X-HTTP-Method-Override": "DELETE" } })));
    cases.stopped(
        "inner override in other letters",
        with(json!({ "headers": { "x-http-METHOD": "delete" } })),
    );
    cases.stopped("inner host", with(json!({ "method": "GET", "headers": { "Host": "evil.test" } })));
    cases.stopped(
        "inner header with a line end",
        with(json!({ "headers": { "a": "b\r\nX-HTTP-Method: DELETE" } })),
    );
    cases.stopped("inner override in the query", graph(&json!([part("POST", "/users/7?_method=DELETE")])));
    let outer = request(
        "POST",
        GRAPH,
        "/v1.0/$batch",
        "Content-Type: application/json\r\nX-HTTP-Method-Override: DELETE\r\n",
        json!({ "requests": [{ "id": "1", "method": "POST", "url": "/users/7" }] }).to_string(),
    );
    cases.stopped("outer override", outer);
    cases.stopped(
        "batch in batch",
        graph(&json!([
            json!({ "id": "1", "method": "POST", "url": "/$batch", "body": { "requests": [evil] } })
        ])),
    );
    cases.stopped("batch in batch, encoded", graph(&json!([part("POST", "/%24batch")])));
    cases.stopped("a reference", graph(&json!([good, part("DELETE", "$2/users/7")])));
    cases.stopped("a reference to a member", graph(&json!([good, part("DELETE", "/users/$2.id")])));
    cases.stopped(
        "waits for nothing that is there",
        graph(&json!([json!({ "id": "1", "method": "GET", "url": "/me", "dependsOn": ["9"] })])),
    );
    cases.stopped("wait for each other", graph(&json!([
        { "id": "1", "method": "GET", "url": "/me", "dependsOn": ["2"] }, { "id": "2", "method": "GET", "url": "/me", "dependsOn": ["1"] }
    ])));
    let raw = |body: &str| post_json(GRAPH, "/v1.0/$batch", body);
    cases.stopped(
        "requests twice, last",
        raw(r#"{"requests":[],"requests":[{"id":"1","method":"DELETE","url":"/users/7"}]}"#),
    );
    cases.stopped(
        "requests twice, first",
        raw(r#"{"requests":[{"id":"1","method":"DELETE","url":"/users/7"}],"requests":[]}"#),
    );
    cases.stopped(
        "requests in other letters",
        raw(r#"{"Requests":[{"id":"1","method":"DELETE","url":"/users/7"}]}"#),
    );
    cases.stopped(
        "a method twice",
        raw(r#"{"requests":[{"id":"1","method":"GET","method":"DELETE","url":"/users/7"}]}"#),
    );
    cases.stopped(
        "a URL twice",
        raw(r#"{"requests":[{"id":"1","method":"DELETE","url":"/me","URL":"/users/7"}]}"#),
    );
    cases.stopped(
        "escaped keys",
        raw(r#"{"requests":[{"id":"1","m\u0065thod":"DELETE","\u0075rl":"/users/7"}]}"#),
    );
    cases.stopped("a list on top", raw(r#"[{"id":"1","method":"DELETE","url":"/users/7"}]"#));
    cases.stopped("no list", raw("{}"));
    cases.stopped(
        "an object for a list",
        raw(r#"{"requests":{"id":"1","method":"DELETE","url":"/users/7"}}"#),
    );
    cases.stopped("a text among them", raw(r#"{"requests":["DELETE /users/7"]}"#));
    cases.stopped("broken", raw(r#"{"requests":[{"id":"1","method":"DELETE","url":"/users/7"},]}"#));
    cases.stopped(
        "a byte order mark",
        raw("\u{feff}{\"requests\":[{\"id\":\"1\",\"method\":\"DELETE\",\"url\":\"/users/7\"}]}"),
    );
    cases.stopped("too many", graph(&json!(vec![good.clone(); 600])));
    cases.stopped(
        "gzip",
        request(
            "POST",
            GRAPH,
            "/v1.0/$batch",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            gzip(json!({ "requests": [evil] }).to_string().as_bytes()),
        ),
    );
    cases.stopped(
        "as text",
        request(
            "POST",
            GRAPH,
            "/v1.0/$batch",
            "Content-Type: text/plain\r\n",
            json!({ "requests": [evil] }).to_string(),
        ),
    );
    for path in [
        "/v1.0/%24batch",
        "/v1.0/$BATCH",
        "/v1.0/$batch/",
        "/v1.0//$batch",
        "/v1.0/x/../$batch",
        "/v1.0/$batch;a=b",
    ] {
        cases
            .stopped(format!("at {path}"), post_json(GRAPH, path, json!({ "requests": [evil] }).to_string()));
    }
    cases.passed("reads", graph(&json!([good, part("GET", "/users/7"), json!({ "id": "3", "method": "GET", "url": "/users?$filter=startswith(displayName,'DELETE') and x eq 1", "headers": { "ConsistencyLevel": "eventual" } })])));
    cases.passed("another write", graph(&json!([json!({ "id": "1", "method": "POST", "url": "/me/events", "headers": { "Content-Type": "application/json" }, "body": { "subject": "DELETE /users/7" } })])));
    cases.passed("in order", graph(&json!([json!({ "id": "1", "method": "GET", "url": "/me" }), json!({ "id": "2", "method": "PATCH", "url": "/me", "headers": { "Content-Type": "application/json" }, "body": { "a": 1 }, "dependsOn": ["1"] })])));
    cases.passed("another path", graph(&json!([part("DELETE", "/users/7/photo")])));

    // ---- Azure
    let azure = |requests: Value| {
        post_json(AZURE, "/batch?api-version=2020-06-01", json!({ "requests": requests }).to_string())
    };
    cases.stopped("azure", azure(json!([{ "httpMethod": "DELETE", "url": "/subscriptions/s/resourceGroups/g?api-version=2021-04-01" }])));
    cases.stopped(
        "azure, the other name",
        azure(json!([{ "httpMethod": "DELETE", "relativeUrl": "/subscriptions/s/resourcegroups/g" }])),
    );
    cases.stopped("azure, absolute", azure(json!([{ "httpMethod": "DELETE", "url": "https://management.azure.com/subscriptions/s/resourceGroups/g" }])));
    cases.stopped("azure, two URLs", azure(json!([{ "httpMethod": "DELETE", "url": "/x", "relativeUrl": "/subscriptions/s/resourceGroups/g" }])));
    cases.passed("azure, a read", azure(json!([{ "httpMethod": "GET", "url": "/subscriptions/s/resourceGroups/g", "requestHeaderDetails": { "commandName": "x" } }])));

    // ---- Salesforce
    let sf = |path: &str, body: Value| {
        post_json(SALESFORCE, &format!("/services/data/v60.0/{path}"), body.to_string())
    };
    let url = "/services/data/v60.0/sobjects/Account/001";
    cases.stopped("composite", sf("composite", json!({ "compositeRequest": [{ "method": "GET", "url": "/services/data/v60.0/limits", "referenceId": "a" }, { "method": "DELETE", "url": url, "referenceId": "b" }] })));
    cases.stopped("composite, a reference", sf("composite", json!({ "compositeRequest": [{ "method": "DELETE", "url": "/services/data/v60.0/sobjects/Account/@{a.id}", "referenceId": "b" }] })));
    cases.stopped(
        "composite batch",
        sf(
            "composite/batch",
            json!({ "batchRequests": [{ "method": "DELETE", "url": "v60.0/sobjects/Account/001" }] }),
        ),
    );
    cases.stopped("composite graph", sf("composite/graph", json!({ "graphs": [{ "graphId": "1", "compositeRequest": [{ "method": "DELETE", "url": url, "referenceId": "a" }] }] })));
    cases.stopped("composite, an override", sf("composite", json!({ "compositeRequest": [{ "method": "POST", "url": format!("{url}?_HttpMethod=DELETE"), "referenceId": "a" }] })));
    cases.passed(
        "composite reads",
        sf("composite", json!({ "compositeRequest": [{ "method": "GET", "url": url, "referenceId": "a" }] })),
    );
    cases.passed(
        "composite batch reads",
        sf(
            "composite/batch",
            json!({ "batchRequests": [{ "method": "GET", "url": "v60.0/sobjects/Account/001" }] }),
        ),
    );

    // ---- OData, and services that nobody knows
    cases.stopped(
        "odata",
        post_json(
            ODATA,
            "/odata/$batch",
            json!({ "requests": [{ "id": "1", "method": "delete", "url": "users/7" }] }).to_string(),
        ),
    );
    cases.stopped(
        "odata, from the root",
        post_json(
            ODATA,
            "/odata/$batch",
            json!({ "requests": [{ "id": "1", "method": "delete", "url": "/odata/users/7" }] }).to_string(),
        ),
    );
    cases.stopped(
        "odata, a slash for the base",
        post_json(
            ODATA,
            "/odata/$batch",
            json!({ "requests": [{ "id": "1", "method": "delete", "url": "/users/7" }] }).to_string(),
        ),
    );
    cases.passed(
        "odata reads",
        post_json(
            ODATA,
            "/odata/$batch",
            json!({ "requests": [{ "id": "1", "method": "get", "url": "users/7" }] }).to_string(),
        ),
    );
    for (name, path, body) in [
        (
            "requests",
            "/batch",
            json!({ "requests": [{ "method": "GET", "url": "/me" }, { "method": "DELETE", "url": "/users/7" }] }),
        ),
        ("paths", "/batch", json!({ "requests": [{ "method": "DELETE", "path": "/users/7" }] })),
        ("a list on top", "/batch", json!([{ "method": "DELETE", "path": "/users/7" }])),
        ("operations", "/v1/batch", json!({ "operations": [{ "method": "DELETE", "url": "/users/7" }] })),
        ("relative", "/batch", json!({ "batch": [{ "method": "DELETE", "relative_url": "users/7" }] })),
        ("$batch", "/$batch", json!({ "requests": [{ "id": "1", "method": "DELETE", "url": "/users/7" }] })),
        (
            "a batch in it",
            "/batch",
            json!({ "requests": [{ "method": "POST", "url": "/batch", "body": {} }] }),
        ),
    ] {
        cases.stopped(format!("any host: {name}"), post_json(API, path, body.to_string()));
    }
    cases.passed(
        "any host: reads",
        post_json(API, "/batch", json!({ "requests": [{ "method": "GET", "url": "/users/7" }] }).to_string()),
    );
    cases.passed(
        "any host: events",
        post_json(
            API,
            "/v1/batch",
            json!({ "batch": [{ "type": "track", "event": "DELETE /users/7", "url": "/users/7" }] })
                .to_string(),
        ),
    );
    cases.passed(
        "any host: packed events",
        request(
            "POST",
            API,
            "/v1/batch",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            gzip(b"{\"batch\":[{\"type\":\"identify\"}]}"),
        ),
    );
    cases.passed(
        "any host: protobuf",
        request("POST", API, "/batch", "Content-Type: application/x-protobuf\r\n", b"\x0a\xff\x01"),
    );
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (name, body) in [
        ("a list", r#"batch=[{"method":"DELETE","url":"/users/7"}]"#),
        ("parts", "requests[0][method]=DELETE&requests[0][url]=/users/7"),
        ("parts, encoded", "requests%5B0%5D%5Bmethod%5D=DELETE&requests%5B0%5D%5Burl%5D=%2Fusers%2F7"),
        ("dots", "operations.0.method=DELETE&operations.0.url=/users/7"),
    ] {
        cases.stopped(format!("any host: a form with {name}"), request("POST", API, "/batch", form, body));
    }
    cases.passed(
        "any host: another form",
        request("POST", API, "/batch", form, "batch=7&name[x]=[1]&requests="),
    );
    let wrapped = |method: &str, path: &str| {
        let action = json!({ "method": method, "relative_path": path });
        post_json(API, "/api/1.0/batch", json!({ "data": { "actions": [action] } }).to_string())
    };
    cases.stopped("actions", wrapped("delete", "/users/7"));
    cases.stopped("actions below the place", wrapped("delete", "/tasks/7"));
    cases.passed("other actions", wrapped("get", "/tasks/7"));
    cases.passed(
        "actions of another kind",
        post_json(
            API,
            "/api/1.0/batch",
            json!({ "data": { "actions": [{ "name": "delete" }] } }).to_string(),
        ),
    );
    let wordpress = |method: &str, path: &str| {
        let body =
            json!({ "validation": "normal", "requests": [{ "method": method, "path": path, "body": {} }] });
        post_json(API, "/wp-json/batch/v1", body.to_string())
    };
    cases.stopped("WordPress", wordpress("DELETE", "/wp/v2/posts/7?force=true"));
    cases.stopped(
        "WordPress in a form",
        request(
            "POST",
            API,
            "/wp-json/batch/v1",
            form,
            "requests[0][method]=DELETE&requests[0][path]=/wp/v2/posts/7",
        ),
    );
    cases.stopped(
        "WordPress without a method",
        post_json(
            API,
            "/wp-json/batch/v1",
            json!({ "requests": [{ "path": "/wp/v2/posts/7" }] }).to_string(),
        ),
    );
    cases.passed("WordPress, another", wordpress("PUT", "/wp/v2/posts/7"));
    cases.passed("WordPress, elsewhere", wordpress("DELETE", "/wp/v2/pages/7"));
    cases.passed("any host: nothing", request("POST", API, "/batch", "", ""));
    let blob = "acme.blob.core.windows.net";
    let blobs = |target: &str, method: &str, name: &str| {
        let body = format!(
            "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 0\r\n\r\n\
             {method} {name} HTTP/1.1\r\nx-ms-date: x\r\nContent-Length: 0\r\n\r\n--b--\r\n"
        );
        request("POST", blob, target, "Content-Type: multipart/mixed; boundary=b\r\n", body)
    };
    for target in [
        "/?comp=batch",
        "/c?restype=container&comp=batch",
        "/c?restype=container&Comp=Batch",
        "/c/?restype=container&%63omp=batch",
        "/batch?restype=container&comp=batch",
    ] {
        cases.stopped(format!("blobs at {target}"), blobs(target, "DELETE", "/c/blob1"));
        cases.passed(format!("other blobs at {target}"), blobs(target, "DELETE", "/d/blob1"));
        cases.passed(format!("tiers at {target}"), blobs(target, "PUT", "/c/blob1?comp=tier"));
    }
    cases.stopped("a blob", request("DELETE", blob, "/c/blob1", "", ""));
    cases.stopped("blobs in a batch in a batch", blobs("/?comp=batch", "POST", "/?comp=batch"));
    cases.passed(
        "a blob that is named like one",
        request("PUT", blob, "/c/x?comp=block", "", "DELETE /c/blob1 HTTP/1.1"),
    );
    cases.run(RULES).await;
}

/// A Google batch with these inner requests, as its Python client writes it.
fn parts(end: &str, inner: &[&str]) -> String {
    let mut body = String::new();
    for (nth, request) in inner.iter().enumerate() {
        let request = request.replace('\n', end);
        body.push_str(&format!("--b{end}Content-Type: application/http{end}Content-Transfer-Encoding: binary{end}Content-ID: <{nth}>{end}{end}{request}{end}"));
    }
    body.push_str(&format!("--b--{end}"));
    body
}

fn multipart(body: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    request(
        "POST",
        GOOGLE,
        "/batch/admin/directory_v1",
        "Content-Type: multipart/mixed; boundary=\"b\"\r\n",
        body,
    )
}

const DELETE: &str = "DELETE /admin/directory/v1/users/7 HTTP/1.1\nAccept: application/json\n\n";
const GET: &str = "GET /admin/directory/v1/users/7?alt=json HTTP/1.1\nHost: admin.googleapis.com\nAccept: application/json\n\n";

#[tokio::test]
async fn multipart_batches() {
    let mut cases = Cases::default();
    for (name, end) in [("CRLF", "\r\n"), ("LF", "\n")] {
        cases.stopped(format!("one, {name}"), multipart(parts(end, &[DELETE])));
        cases.stopped(format!("second, {name}"), multipart(parts(end, &[GET, DELETE])));
        cases.passed(format!("reads, {name}"), multipart(parts(end, &[GET, GET])));
    }
    let one = |request: &str| multipart(parts("\r\n", &[request]));
    for (name, line) in [
        ("absolute", "DELETE https://admin.googleapis.com/admin/directory/v1/users/7 HTTP/1.1\n\n"),
        ("another host", "DELETE https://evil.test/admin/directory/v1/users/7 HTTP/1.1\n\n"),
        ("another Host", "GET /x HTTP/1.1\nHost: evil.test\n\n"),
        ("relative", "DELETE admin/directory/v1/users/7 HTTP/1.1\n\n"),
        ("encoded", "DELETE /admin/directory/v1/%75sers/7 HTTP/1.1\n\n"),
        ("dots", "DELETE /x/../admin/directory/v1/users/7 HTTP/1.1\n\n"),
        ("two slashes", "DELETE /admin//directory/v1/users/7 HTTP/1.1\n\n"),
        ("lower case", "delete /admin/directory/v1/users/7 HTTP/1.1\n\n"),
        ("no version", "DELETE /admin/directory/v1/users/7\n\n"),
        ("another version", "DELETE /admin/directory/v1/users/7 HTTP/2\n\n"),
        ("two blanks", "DELETE  /admin/directory/v1/users/7 HTTP/1.1\n\n"),
        ("a tab", "DELETE\t/admin/directory/v1/users/7 HTTP/1.1\n\n"),
        ("an empty line first", "\nDELETE /admin/directory/v1/users/7 HTTP/1.1\n\n"),
        ("inner override", "POST /admin/directory/v1/users/7 HTTP/1.1\nX-HTTP-Method-Override: DELETE\n\n"),
        ("inner folded override", "POST /x HTTP/1.1\nX-A: 1\n X-HTTP-Method-Override: DELETE\n\n"),
        ("two requests in a part", "GET /x HTTP/1.1\n\nDELETE /admin/directory/v1/users/7 HTTP/1.1\n\n"),
        (
            "a length too short",
            "POST /x HTTP/1.1\nContent-Length: 2\n\n{}DELETE /admin/directory/v1/users/7 HTTP/1.1\n\n",
        ),
        ("two lengths", "POST /x HTTP/1.1\nContent-Length: 2\nContent-Length: 9\n\n{}"),
        ("chunked", "POST /x HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n"),
        (
            "a batch in it",
            "POST /batch/admin/directory_v1 HTTP/1.1\nContent-Type: multipart/mixed; boundary=c\n\n--c--\n",
        ),
        (
            "a body that makes it",
            "PATCH /admin/directory/v1/users/7 HTTP/1.1\nContent-Type: application/json\n\n{\"isAdmin\":true}",
        ),
        (
            "a packed body",
            "PATCH /admin/directory/v1/users/7 HTTP/1.1\nContent-Type: application/json\nContent-Encoding: gzip\n\nxx",
        ),
        (
            "a body with a key twice",
            "PATCH /admin/directory/v1/users/7 HTTP/1.1\nContent-Type: application/json\n\n{\"isAdmin\":false,\"isAdmin\":true}",
        ),
    ] {
        cases.stopped(name, one(line));
    }
    let good = parts("\r\n", &[GET]);
    let bad = parts("\r\n", &[DELETE]);
    cases.stopped("a preamble", multipart(format!("hello\r\n{bad}")));
    cases.stopped("a preamble with a batch", multipart(format!("{bad}\r\n{good}")));
    cases.stopped("an epilogue", multipart(format!("{good}\r\n{bad}")));
    cases.stopped("no end", multipart(good.replace("--b--\r\n", "")));
    cases.stopped("mixed line ends", multipart(bad.replacen("\r\n", "\n", 3)));
    cases.stopped("coded part", multipart(bad.replace("binary", "base64")));
    cases.stopped("coded as text", multipart(bad.replace("binary", "quoted-printable")));
    cases.stopped("another kind of part", multipart(bad.replace("application/http", "text/plain")));
    cases.stopped("a part without a kind", multipart(bad.replace("Content-Type: application/http\r\n", "")));
    let boundary = |value: &str| {
        request(
            "POST",
            GOOGLE,
            "/batch/admin/directory_v1",
            &format!("Content-Type: multipart/mixed; {value}\r\n"),
            &good,
        )
    };
    cases.stopped("two boundaries", boundary("boundary=b; boundary=c"));
    cases.stopped("an extended boundary", boundary("boundary*=utf-8''b"));
    cases.stopped("a boundary in pieces", boundary("boundary*0=b; boundary*1=c"));
    cases.stopped("no boundary", boundary("x=y"));
    cases.stopped("another boundary", boundary("boundary=c"));
    cases.stopped(
        "two labels",
        request(
            "POST",
            GOOGLE,
            "/batch/admin/directory_v1",
            "Content-Type: multipart/mixed; boundary=b\r\nContent-Type: multipart/mixed; boundary=c\r\n",
            &good,
        ),
    );
    cases.stopped(
        "another label",
        request("POST", GOOGLE, "/batch/admin/directory_v1", "Content-Type: text/plain\r\n", &bad),
    );
    cases.stopped(
        "gzip",
        request(
            "POST",
            GOOGLE,
            "/batch/admin/directory_v1",
            "Content-Type: multipart/mixed; boundary=b\r\nContent-Encoding: gzip\r\n",
            gzip(bad.as_bytes()),
        ),
    );
    cases.stopped(
        "the global address",
        request("POST", GOOGLE, "/batch", "Content-Type: multipart/mixed; boundary=b\r\n", &bad),
    );
    cases.stopped(
        "any host",
        request(
            "POST",
            API,
            "/batch",
            "Content-Type: multipart/mixed; boundary=b\r\n",
            parts("\r\n", &["DELETE /users/7 HTTP/1.1\n\n"]),
        ),
    );
    let set = |inner: &str| {
        format!(
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 1\r\n\r\n{inner}\r\n\r\n--c--\r\n--b--\r\n"
        )
    };
    let odata = |body: String| {
        request("POST", ODATA, "/odata/$batch", "Content-Type: multipart/mixed; boundary=b\r\n", body)
    };
    cases.stopped("a change set", odata(set("DELETE users/7 HTTP/1.1\r\n")));
    cases.stopped(
        "a set in a set",
        odata(set("DELETE users/7 HTTP/1.1\r\n").replace("application/http", "multipart/mixed; boundary=d")),
    );
    cases.stopped("a change set with a reference", odata(set("DELETE $1/users HTTP/1.1\r\n")));
    cases.passed(
        "another change set",
        odata(set("PATCH users/7 HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"a\":1}")),
    );
    cases.passed("a read by OData", odata(parts("\r\n", &["GET users/7 HTTP/1.1\n\n"])));
    cases.passed("a good write", one("PATCH /admin/directory/v1/users/7 HTTP/1.1\nContent-Type: application/json\nContent-Length: 12\n\n{\"a\":\"DEL\"} "));
    cases.run(RULES).await;
}

#[tokio::test]
async fn lines() {
    let mut cases = Cases::default();
    let bulk = |path: &str, body: &str| {
        request("POST", SEARCH, path, "Content-Type: application/x-ndjson\r\n", body)
    };
    let delete = "{\"delete\":{\"_index\":\"users\",\"_id\":\"7\"}}\n";
    let index = "{\"index\":{\"_index\":\"logs\",\"_id\":\"1\"}}\n{\"a\":1}\n";
    cases.stopped("delete", bulk("/_bulk", delete));
    cases.stopped("delete behind another", bulk("/_bulk", &format!("{index}{delete}")));
    cases.stopped("index in the path", bulk("/users/_bulk", "{\"delete\":{\"_id\":\"7\"}}\n"));
    cases.stopped("index in the path, another in the line", bulk("/logs/_bulk", delete));
    cases.stopped(
        "an index twice",
        bulk("/_bulk", "{\"delete\":{\"_index\":\"logs\",\"_index\":\"users\",\"_id\":\"7\"}}\n"),
    );
    cases.stopped(
        "two actions",
        bulk(
            "/_bulk",
            "{\"index\":{\"_index\":\"logs\"},\"delete\":{\"_index\":\"users\",\"_id\":\"7\"}}\n{}\n",
        ),
    );
    cases.stopped(
        "an escaped action",
        bulk("/_bulk", "{\"\\u0064elete\":{\"_index\":\"users\",\"_id\":\"7\"}}\n"),
    );
    cases.stopped(
        "a document that is none",
        bulk("/_bulk", &format!("{{\"index\":{{\"_index\":\"logs\"}}}}\n{delete}{delete}")),
    );
    cases.stopped("an empty line between", bulk("/_bulk", &format!("{index}\n{delete}")));
    cases.stopped("a number for an id", bulk("/_bulk", "{\"delete\":{\"_index\":\"users\",\"_id\":7}}\n"));
    cases.stopped("CR LF", bulk("/_bulk", &delete.replace('\n', "\r\n")));
    cases.stopped("CR alone", bulk("/_bulk", &format!("{}{delete}", index.replace('\n', "\r"))));
    cases.stopped("PUT", request("PUT", SEARCH, "/_bulk", "Content-Type: application/json\r\n", delete));
    cases.stopped(
        "gzip",
        request(
            "POST",
            SEARCH,
            "/_bulk",
            "Content-Type: application/x-ndjson\r\nContent-Encoding: gzip\r\n",
            gzip(delete.as_bytes()),
        ),
    );
    cases.stopped("in other letters", bulk("/_BULK", delete));
    cases.stopped("a slash at the end", bulk("/_bulk/", delete));
    cases.stopped("encoded", bulk("/%5fbulk", delete));
    cases.stopped(
        "smile",
        request("POST", SEARCH, "/_bulk", "Content-Type: application/smile\r\n", b":)\n\x00\xff"),
    );
    cases.stopped("a search", bulk("/_msearch", "{\"index\":\"secrets\"}\n{\"query\":{\"match_all\":{}}}\n"));
    cases.stopped(
        "a search of several",
        bulk("/_msearch", "{\"index\":[\"logs\",\"secrets\"]}\n{}\n{\"index\":\"secrets\"}\n{}\n"),
    );
    cases.stopped("a stream", bulk("/_bulk/stream", delete));
    cases.stopped("a stream of an index", bulk("/users/_bulk/stream", "{\"delete\":{\"_id\":\"7\"}}\n"));
    cases.stopped("a type in the path", bulk("/users/_doc/_bulk", "{\"delete\":{\"_id\":\"7\"}}\n"));
    cases.stopped("a type in the path, an index in the line", bulk("/logs/_doc/_bulk", delete));
    cases.stopped("a search of indices", bulk("/_msearch", "{\"indices\":[\"secrets\"]}\n{}\n"));
    cases.stopped(
        "a search of an index and indices",
        bulk("/_msearch", "{\"index\":\"logs\",\"indices\":[\"logs\"]}\n{}\n"),
    );
    cases.stopped("a search by a type in the path", bulk("/secrets/_doc/_msearch", "{}\n{}\n"));
    cases.passed("a stream of another", bulk("/logs/_bulk/stream", "{\"delete\":{\"_id\":\"7\"}}\n"));
    cases.passed("another index with a type", bulk("/logs/_doc/_bulk", "{\"delete\":{\"_id\":\"7\"}}\n"));
    cases.passed("a search of other indices", bulk("/_msearch", "{\"indices\":[\"logs\"]}\n{}\n"));
    cases.stopped("a search by the path", bulk("/secrets/_msearch", "{}\n{\"query\":{\"match_all\":{}}}\n"));
    cases.passed("another index", bulk("/_bulk", index));
    cases.passed(
        "documents that look like it",
        bulk(
            "/_bulk",
            "{\"index\":{\"_index\":\"logs\"}}\n{\"delete\":{\"_index\":\"users\",\"_id\":\"7\"}}\n",
        ),
    );
    cases.passed("delete elsewhere", bulk("/_bulk", "{\"delete\":{\"_index\":\"logs\",\"_id\":\"7\"}}\n"));
    cases.passed(
        "update and create",
        bulk(
            "/logs/_bulk",
            "{\"update\":{\"_id\":\"7\"}}\n{\"doc\":{\"a\":1}}\n{\"create\":{\"_id\":\"8\"}}\n{\"a\":1}\n",
        ),
    );
    cases.passed(
        "another search",
        bulk("/_msearch", "{\"index\":\"logs\"}\n{\"query\":{\"match_all\":{}}}\n{}\n{\"size\":0}\n"),
    );
    cases.run(RULES).await;
}

/// The reviewer sees every part with its own ruling.
#[tokio::test]
async fn every_part_is_shown() {
    let (host, bytes) = graph(
        &json!([{ "id": "1", "method": "GET", "url": "/me" }, { "id": "2", "method": "DELETE", "url": "/users/7" }]),
    );
    let scene = Scene::new(RULES, [host.as_str()].into_iter()).await;
    let alice = scene.holdpoint.reviewer("alice", &[]).await;
    let mut wire =
        crate::support::Wire::tunnel(scene.holdpoint.listen, "graph.microsoft.com:443", &scene.holdpoint.ca)
            .await;
    assert_eq!(wire.ask(bytes).await.status, 428);
    let hold = soon("a hold", alice.wait_pending()).await;
    let shown = alice.hold(hold["id"].as_str().unwrap()).await;
    let parts = serde_json::to_string(&shown["grounds"]["parts"]).unwrap();
    let parts = if parts == "null" { shown.to_string() } else { parts };
    assert!(parts.contains("/v1.0/me") && parts.contains("/v1.0/users/7"), "{shown:#}");
    scene.origin.assert_untouched();
}
