//! Batches: judged by their parts.

use crate::support::{Asking, asking_with, request};
use holdpoint::rules::{Need, Otherwise, Settings};
use holdpoint::ruling::Verdict::{self, Deny, Hold, Pass};

const RULES: &str = r#"
pack: p
hosts: [graph.microsoft.com, management.azure.com, www.googleapis.com, acme.my.salesforce.com, es.acme.test, org.crm.test]
rules:
  - { id: delete-user, verdict: hold, when: { host: graph.microsoft.com, method: DELETE, path: "/*/users/{id}" } }
  - { id: wipe, verdict: deny, when: { host: graph.microsoft.com, path: "/*/devices/{id}/wipe" } }
  - { id: big, verdict: hold, when: { host: graph.microsoft.com, path: "/*/pay", body: { amount: { gt: 100 } } } }
  - { id: note, verdict: pass, when: { host: graph.microsoft.com, method: POST, path: "/v1.0/me/notes" } }
  - { id: delete-group, verdict: hold, when: { host: management.azure.com, method: DELETE, path: "/subscriptions/{s}/resourceGroups/{g}" } }
  - { id: delete-file, verdict: hold, when: { host: www.googleapis.com, method: DELETE, path: "/drive/v3/files/{id}" } }
  - { id: delete-record, verdict: hold, when: { host: acme.my.salesforce.com, method: DELETE, path: "/services/data/*/sobjects/**" } }
  - { id: run-code, verdict: deny, when: { host: acme.my.salesforce.com, path: "/services/data/*/tooling/executeAnonymous/**" } }
  - { id: ledger, verdict: deny, when: { host: es.acme.test, path: "/ledger/**" } }
  - { id: logs, verdict: pass, when: { host: es.acme.test, path: "/_bulk" } }
  - { id: accounts, verdict: hold, when: { host: org.crm.test, method: DELETE, path: "/api/data/v9.2/accounts(*)" } }
"#;

fn asking() -> Asking {
    asking_with(&[RULES], &Settings { otherwise: Otherwise::default(), ..Settings::default() })
}

#[track_caller]
fn ask(line: &str, media: &str, body: &str) -> (Verdict, String) {
    asking().ask(&request(line, &[("content-type", media)], body))
}

/// A batch to Microsoft Graph with these requests.
#[track_caller]
fn graph(requests: &str) -> (Verdict, String) {
    ask(
        "POST https://graph.microsoft.com/v1.0/$batch",
        "application/json",
        &format!("{{\"requests\":[{requests}]}}"),
    )
}

const UNREADABLE: &str = "otherwise/unreadable-batch";
const READ: &str = r#"{"id":"1","method":"GET","url":"/me/messages?$filter=from eq 'Zoë'"}"#;
const DELETE: &str = r#"{"id":"2","method":"DELETE","url":"/users/7"}"#;

#[test]
fn the_strictest_part_decides() {
    assert_eq!(graph(READ), (Pass, "otherwise/read".into()));
    assert_eq!(graph(&format!("{READ},{DELETE}")), (Hold, "p/delete-user".into()));
    let wipe = r#"{"id":"3","method":"POST","url":"/devices/9/wipe"}"#;
    assert_eq!(graph(&format!("{READ},{wipe},{DELETE}")), (Deny, "p/wipe".into()));
    let note = r#"{"id":"3","method":"POST","url":"/me/notes","body":{"a":1}}"#;
    assert_eq!(graph(&format!("{READ},{note}")), (Pass, "p/note".into()));
    let other = r#"{"id":"3","method":"POST","url":"/me/other"}"#;
    assert_eq!(graph(&format!("{note},{other}")), (Hold, "otherwise/write".into()));
}

#[test]
fn the_reviewer_is_told_every_part() {
    let body = format!("{{\"requests\":[{READ},{DELETE}]}}");
    let request = request(
        "POST https://graph.microsoft.com/v1.0/$batch",
        &[("content-type", "application/json")],
        &body,
    );
    let grounds = asking().grounds(&request);
    assert_eq!(grounds.rule, "p/delete-user");
    assert_eq!(grounds.summary, "DELETE graph.microsoft.com/v1.0/users/7 (one of 2 requests in a batch)");
    let told: Vec<String> = grounds
        .parts
        .iter()
        .map(|p| format!("{} {} {} {}", p.verdict.as_str(), p.method, p.target, p.rule))
        .collect();
    assert_eq!(
        told,
        [
            "pass GET /v1.0/me/messages?$filter=from%20eq%20'Zo%C3%AB' otherwise/read",
            "hold DELETE /v1.0/users/7 p/delete-user"
        ]
    );
    assert!(grounds.held_by.is_empty(), "no grant covers a batch");
}

#[test]
fn bodies_of_parts_are_read() {
    let pay = |body: &str| {
        graph(&format!(r#"{{"id":"1","method":"POST","url":"/pay","headers":{{"Content-Type":"application/json"}},"body":{body}}}"#)).1
    };
    assert_eq!(pay(r#"{"amount":101}"#), "p/big");
    assert_eq!(pay(r#"{"amount":99}"#), "otherwise/write");
    assert_eq!(pay(r#""{\"amount\":101}""#), "p/big", "as a text");
    let text = r#"{"id":"1","method":"POST","url":"/pay","headers":{"Content-Type":"text/plain"},"body":"eyJhbW91bnQiOjEwMX0="}"#;
    assert_eq!(graph(text).1, "p/big", "as Base64");
}

#[test]
fn every_spelling_of_the_place_is_the_place() {
    let body = format!("{{\"requests\":[{DELETE}]}}");
    for path in [
        "/v1.0/$batch",
        "/beta/$batch",
        "/v1.0/%24batch",
        "/v1.0/$BATCH",
        "/v1.0/$batch/",
        "/v1.0//$batch",
        "/v1.0/x/../$batch",
    ] {
        let line = format!("POST https://graph.microsoft.com{path}");
        assert_eq!(ask(&line, "application/json", &body).1, "p/delete-user", "{path}");
        assert_eq!(ask(&line, "text/plain", &body).1, "p/delete-user", "{path}");
    }
    let asking = asking();
    assert_eq!(asking.need(&request("POST https://graph.microsoft.com/v1.0/$batch", &[], &body)), Need::Body);
    assert_eq!(asking.need(&request("GET https://graph.microsoft.com/v1.0/me", &[], "")), Need::None);
}

#[test]
fn every_spelling_of_a_part_is_that_part() {
    for part in [
        r#"{"id":"1","method":"delete","url":"/users/7"}"#,
        r#"{"id":"1","method":"DELETE","url":"users/7"}"#,
        r#"{"id":"1","method":"DELETE","url":"https://graph.microsoft.com/v1.0/users/7"}"#,
        r#"{"id":"1","method":"DELETE","url":"HTTPS://GRAPH.microsoft.com:443/v1.0/users/7"}"#,
        r#"{"id":"1","method":"DELETE","url":"/%75sers/7"}"#,
        r#"{"id":"1","method":"DELETE","url":"/me/../users/7"}"#,
        r#"{"id":"1","method":"DELETE","url":"/me/..%2fusers/7"}"#,
        r#"{"id":"1","method":"DELETE","url":"//users/7"}"#,
        r#"{"id":"1","method":"DELETE","url":" /users/7 "}"#,
        r#"{"id":"1","METHOD":"DELETE","Url":"/users/7"}"#,
        r#"{"id":"1","\u006dethod":"DELETE","url":"\/users\/7"}"#,
        r#"{"id":"1","method":"POST","url":"/users/7","headers":{"X-HTTP-Method-Override":"DELETE"}}"#,
        r#"{"id":"1","method":"POST","url":"/users/7?_method=delete"}"#,
        r#"{"id":"1","method":"DELETE","url":"/users/7?x=$batch"}"#,
    ] {
        let (verdict, rule) = graph(part);
        assert_eq!(verdict, Hold, "{part}");
        assert!(rule == "p/delete-user" || rule == UNREADABLE, "{part}: {rule}");
    }
}

#[test]
fn what_nobody_can_read_is_held() {
    for requests in [
        r#"{"id":"1","method":"GET","url":"https://evil.test/v1.0/me"}"#,
        r#"{"id":"1","method":"GET","url":"https://graph.microsoft.com@evil.test/me"}"#,
        r#"{"id":"1","method":"GET","url":"http://graph.microsoft.com/v1.0/me"}"#,
        r#"{"id":"1","method":"GET","url":"//evil.test/me"}"#,
        r#"{"id":"1","method":"GET","url":"https:/evil.test/me"}"#,
        r#"{"id":"1","method":"GET","url":"\\\\evil.test/me"}"#,
        r#"{"id":"1","method":"GET","url":"/me","headers":{"Host":"evil.test"}}"#,
        r#"{"id":"1","method":"GET","url":"/me","headers":{"x":["a"]}}"#,
        r#"{"id":"1","method":"GET","url":"/me","headers":{"x y":"a"}}"#,
        r#"{"id":"1","method":"POST","url":"/$batch","body":{"requests":[]}}"#,
        r#"{"id":"1","method":"POST","url":"/%24batch","body":{"requests":[]}}"#,
        r#"{"id":"1","method":"GET","url":"/me","method":"DELETE"}"#,
        r#"{"id":"1","method":"GET","url":"/me","Url":"/users/7"}"#,
        r#"{"id":"1","method":"GET","url":"$1/manager"}"#,
        r#"{"id":"1","method":"GET","url":"/${x}/manager"}"#,
        r#"{"id":"1","method":"GET"}"#,
        r#"{"id":"1","url":"/me"}"#,
        r#"{"id":"1","method":7,"url":"/me"}"#,
        r#"{"id":"1","method":"GET","url":"/../../me"}"#,
        r#"{"id":"1","method":"GET","url":"/me\u0000"}"#,
        r#"{"id":"1","method":"GET","url":"/me","dependsOn":["1"]}"#,
        r#"{"id":"1","method":"GET","url":"/me","dependsOn":["9"]}"#,
        r#"{"id":"1","method":"GET","url":"/a","dependsOn":["2"]},{"id":"2","method":"GET","url":"/b","dependsOn":["1"]}"#,
        r#"[{"id":"1","method":"GET","url":"/me"}]"#,
        "7",
    ] {
        assert_eq!(graph(requests), (Hold, UNREADABLE.into()), "{requests}");
    }
    assert_eq!(
        graph(
            r#"{"id":"1","method":"GET","url":"/a"},{"id":"2","method":"GET","url":"/b","dependsOn":["1"]}"#
        )
        .0,
        Pass
    );
    assert_eq!(graph(&vec![READ; 501].join(",")).1, UNREADABLE);
    let line = "POST https://graph.microsoft.com/v1.0/$batch";
    for body in [
        "{\"requests\":{}}",
        "{}",
        "[]",
        "{'requests':[]}",
        "x",
        "{\"requests\":[],\"Requests\":[]}",
        "\u{1f4a5}",
    ] {
        assert_eq!(ask(line, "application/json", body), (Hold, UNREADABLE.into()), "{body}");
    }
    let huge = request(line, &[], "x");
    let too_long = holdpoint::decode::Body::Unreadable("too large".into());
    assert_eq!(asking().ask_body(&huge, &too_long), (Hold, UNREADABLE.into()));
}

#[test]
fn azure() {
    let line = "POST https://management.azure.com/batch?api-version=2020-06-01";
    let one = |method: &str, url: &str| {
        let url = url.replace("RG", "subscriptions/s/resourceGroups/g?api-version=2021-04-01");
        ask(line, "application/json", &format!(r#"{{"requests":[{{"httpMethod":"{method}","name":"n",{url},"requestHeaderDetails":{{"commandName":"x"}},"content":{{}}}}]}}"#)).1
    };
    assert_eq!(one("DELETE", r#""relativeUrl":"/RG","url":"""#), "p/delete-group");
    assert_eq!(one("DELETE", r#""url":"https://management.azure.com/RG""#), "p/delete-group");
    assert_eq!(one("DELETE", r#""url":"/RG""#), "p/delete-group");
    assert_eq!(one("GET", r#""url":"/RG""#), "otherwise/read");
    assert_eq!(one("GET", r#""url":"/RG","relativeUrl":"/x""#), UNREADABLE);
    assert_eq!(one("GET", r#""url":"https://evil.test/RG""#), UNREADABLE);
}

#[test]
fn salesforce() {
    let at = |path: &str, body: &str| {
        ask(
            &format!("POST https://acme.my.salesforce.com/services/data/v60.0{path}"),
            "application/json",
            body,
        )
    };
    let delete = r#"{"method":"DELETE","url":"/services/data/v60.0/sobjects/Account/001","referenceId":"a"}"#;
    let run = r#"{"method":"GET","url":"/services/data/v60.0/tooling/executeAnonymous/?anonymousBody=x","referenceId":"b"}"#;
    assert_eq!(
        at("/composite", &format!("{{\"allOrNone\":true,\"compositeRequest\":[{delete}]}}")).1,
        "p/delete-record"
    );
    assert_eq!(at("/composite/", &format!("{{\"compositeRequest\":[{delete},{run}]}}")).1, "p/run-code");
    let graph = format!("{{\"graphs\":[{{\"graphId\":\"1\",\"compositeRequest\":[{delete}]}}]}}");
    assert_eq!(at("/composite/graph", &graph).1, "p/delete-record");
    let batch = r#"{"batchRequests":[{"method":"DELETE","url":"v60.0/sobjects/Account/001"}]}"#;
    assert_eq!(at("/composite/batch", batch).1, "p/delete-record");
    let read = r#"{"batchRequests":[{"method":"GET","url":"v60.0/sobjects/Account/001","richInput":null}]}"#;
    assert_eq!(at("/composite/batch", read).1, "otherwise/read");
    let refers =
        r#"{"compositeRequest":[{"method":"GET","url":"/services/data/v60.0/@{a.b}","referenceId":"b"}]}"#;
    assert_eq!(at("/composite", refers).1, UNREADABLE);
    let nested = format!(
        r#"{{"compositeRequest":[{{"method":"POST","url":"/services/data/v60.0/composite","body":{{"compositeRequest":[{delete}]}}}}]}}"#
    );
    assert_eq!(at("/composite", &nested).1, UNREADABLE);
}

/// As google-api-python-client writes it: lines end in LF.
const PYTHON: &str = "--===============7330845974216740156==\nContent-Type: application/http\nMIME-Version: 1.0\n\
    Content-Transfer-Encoding: binary\nContent-ID: <b29c5de2-0db4-490b-b421-6a51b598bd22 + 1>\n\n\
    GET /drive/v3/files/a?fields=id&alt=json HTTP/1.1\nContent-Type: application/json\nMIME-Version: 1.0\n\
    accept: application/json\naccept-encoding: gzip, deflate\nuser-agent: (gzip)\nHost: www.googleapis.com\n\n\n\
    --===============7330845974216740156==\nContent-Type: application/http\nMIME-Version: 1.0\n\
    Content-Transfer-Encoding: binary\nContent-ID: <b29c5de2-0db4-490b-b421-6a51b598bd22 + 2>\n\n\
    DELETE /drive/v3/files/b?alt=json HTTP/1.1\nContent-Type: application/json\nMIME-Version: 1.0\n\
    content-length: 0\nHost: www.googleapis.com\n\n\n\
    --===============7330845974216740156==--";

/// As the JavaScript clients write it: lines end in CRLF, with bodies.
const SCRIPT: &str = "--batch_1\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\n\
    PATCH /drive/v3/files/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"name\": \"x\"}\n\r\n\
    --batch_1\r\nContent-Type: application/http\r\nContent-ID: 2\r\n\r\n\
    DELETE /drive/v3/files/b HTTP/1.1\r\n\r\n\r\n--batch_1--\r\n";

#[track_caller]
fn google(media: &str, body: &str) -> String {
    ask("POST https://www.googleapis.com/batch/drive/v3", media, body).1
}

#[test]
fn google_parts() {
    let python = "multipart/mixed; boundary=\"===============7330845974216740156==\"";
    assert_eq!(google(python, PYTHON), "p/delete-file");
    assert_eq!(google(python, &PYTHON.replace("DELETE", "GET")), "otherwise/read");
    let script = "multipart/mixed; boundary=batch_1";
    assert_eq!(google(script, SCRIPT), "p/delete-file");
    assert_eq!(google(script, &SCRIPT.replace("DELETE", "PATCH")), "otherwise/write");
    assert_eq!(
        google(script, &SCRIPT.replace("DELETE /", "DELETE https://www.googleapis.com/")),
        "p/delete-file"
    );
    let line = "POST https://www.googleapis.com/batch";
    assert_eq!(ask(line, script, SCRIPT).1, "p/delete-file");
    assert_eq!(ask("POST https://www.googleapis.com/Batch/", script, SCRIPT).1, "p/delete-file");
}

#[test]
fn google_parts_that_readers_differ_on_are_held() {
    let media = "multipart/mixed; boundary=batch_1";
    for (from, to) in [
        (
            "--batch_1\r\nContent-Type: application/http\r\nContent-ID: 1",
            "preamble\r\n--batch_1\r\nContent-Type: application/http\r\nContent-ID: 1",
        ),
        ("--batch_1--\r\n", "--batch_1--\r\nepilogue"),
        ("--batch_1--\r\n", "--batch_1--\r\n--batch_1\r\n"),
        ("--batch_1--\r\n", ""),
        ("--batch_1--", "--batch_1---"),
        (
            "\r\n--batch_1\r\nContent-Type: application/http\r\nContent-ID: 2",
            "\n--batch_1\r\nContent-Type: application/http\r\nContent-ID: 2",
        ),
        ("Content-ID: 2\r\n", "Content-ID: 2\n"),
        ("Content-ID: 2", "Content-Transfer-Encoding: base64"),
        ("Content-ID: 2", "Content-Type: multipart/mixed"),
        ("Content-ID: 2", " folded"),
        ("Content-Type: application/http\r\nContent-ID: 2", "Content-Type: text/plain"),
        ("Content-Type: application/http\r\nContent-ID: 2\r\n", "Content-ID: 2\r\n"),
        ("Content-Length: 14", "Content-Length: 1"),
        ("Content-Length: 14", "Content-Length: 99"),
        ("Content-Length: 14", "Content-Length: +14"),
        ("Content-Length: 14", "Content-Length: 14\r\nContent-Length: 14"),
        ("Content-Length: 14", "Transfer-Encoding: chunked"),
        (
            "Content-Length: 14\r\n\r\n{\"name\": \"x\"}\n",
            "\r\n\r\nDELETE /drive/v3/files/c HTTP/1.1\r\n\r\n",
        ),
        ("HTTP/1.1\r\n\r\n\r\n--batch_1--", "HTTP/2\r\n\r\n\r\n--batch_1--"),
        ("DELETE /drive/v3/files/b HTTP/1.1", "DELETE  /drive/v3/files/b HTTP/1.1"),
        ("DELETE /drive", "DELETE https://storage.googleapis.com/drive"),
        ("DELETE /drive/v3/files/b", "POST /batch/drive/v3"),
        ("DELETE /drive/v3/files/b HTTP/1.1", "GET /x HTTP/1.1\r\nHost: evil.test"),
    ] {
        let bad = SCRIPT.replacen(from, to, 1);
        assert_ne!(bad, SCRIPT, "{from}");
        assert_eq!(google(media, &bad), UNREADABLE, "{to:?}");
    }
    for media in [
        "multipart/mixed",
        "multipart/mixed; boundary=batch_1; boundary=batch_2",
        "multipart/mixed; boundary*=utf-8''batch_1",
        "multipart/mixed; boundary=",
        "multipart/mixed; boundary=batch_2",
        "multipart/mixed; boundary=\"batch\\_1\"",
        "application/json",
        "text/plain",
    ] {
        assert_eq!(google(media, SCRIPT), UNREADABLE, "{media}");
    }
}

#[test]
fn odata_in_json_and_in_parts() {
    let line = "POST https://org.crm.test/api/data/v9.2/$batch";
    let json = r#"{"requests":[{"id":"1","method":"DELETE","url":"accounts(7)"}]}"#;
    assert_eq!(ask(line, "application/json", json).1, "p/accounts");
    let json = json.replace("accounts(7)", "/api/data/v9.2/accounts(7)");
    assert_eq!(ask(line, "application/json", &json).1, "p/accounts");
    let parts = "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
                 DELETE accounts(7) HTTP/1.1\r\n\r\n\r\n--b--\r\n";
    assert_eq!(ask(line, "multipart/mixed;boundary=b", parts).1, "p/accounts");
    let changes = "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\n\r\n\
                   DELETE accounts(7) HTTP/1.1\r\n\r\n\r\n--c--\r\n\r\n--b--\r\n";
    assert_eq!(ask(line, "multipart/mixed;boundary=b", changes).1, "p/accounts", "a change set");
    let within = changes.replace("application/http", "multipart/mixed; boundary=d");
    assert_eq!(ask(line, "multipart/mixed;boundary=b", &within).1, UNREADABLE, "a set in a set");
}

#[test]
fn elasticsearch() {
    let bulk = |path: &str, body: &str| {
        ask(&format!("POST https://es.acme.test{path}"), "application/x-ndjson", body)
    };
    let index = "{\"index\":{\"_index\":\"logs\"}}\n{\"m\":\"x\"}\n";
    assert_eq!(
        bulk("/_bulk", index),
        (Pass, "p/logs".into()),
        "the rule on the whole lifts what else is said"
    );
    assert_eq!(bulk("/logs/_bulk", index), (Hold, "otherwise/write".into()));
    for line in [
        "{\"delete\":{\"_index\":\"ledger\",\"_id\":\"7\"}}\n",
        "{\"index\":{\"_index\":\"ledger\"}}\n{}\n",
        "{\"update\":{\"_index\":\"ledger\",\"_id\":\"7\"}}\r\n{\"doc\":{}}\r\n",
        "{\"create\":{\"_index\":\"\\u006cedger\",\"_id\":\"7\"}}\n{}",
    ] {
        assert_eq!(bulk("/_bulk", &format!("{index}{line}")), (Deny, "p/ledger".into()), "{line}");
    }
    assert_eq!(bulk("/ledger/_bulk", "{\"delete\":{\"_id\":\"7\"}}\n").1, "p/ledger");
    assert_eq!(bulk("/logs/_bulk", "{\"delete\":{\"_index\":\"ledger\",\"_id\":\"7\"}}\n").1, "p/ledger");
    for odd in [
        "{\"index\":{\"_index\":\"logs\"}}\n",
        "{\"index\":{\"_index\":\"logs\",\"_index\":\"ledger\"}}\n{}\n",
        "{\"index\":{\"_index\":\"logs\"},\"delete\":{\"_index\":\"ledger\",\"_id\":\"1\"}}\n{}\n",
        "{\"drop\":{\"_index\":\"logs\"}}\n{}\n",
        "{\"index\":{}}\n{}\n",
        "{\"index\":{\"_index\":\"logs\"}} {}\n",
        "[]\n",
    ] {
        assert_eq!(bulk("/_bulk", odd), (Hold, UNREADABLE.into()), "{odd}");
    }
    let search = "{\"index\":[\"logs\",\"ledger\"]}\n{\"query\":{}}\n";
    assert_eq!(bulk("/_msearch", search).1, "otherwise/write");
    assert_eq!(bulk("/_msearch", "{\"index\":\"ledger\"}\n{\"query\":{}}\n").1, "p/ledger");
    assert_eq!(bulk("/ledger/_msearch", "\n{\"query\":{}}\n").1, "p/ledger");
    let get = ask("GET https://es.acme.test/_msearch", "application/x-ndjson", "{}\n{}\n");
    assert_eq!(get, (Pass, "otherwise/read".into()));
}

/// Requests to Microsoft Graph, as they stand in a batch.
const PARTS: [(&str, &str); 8] = [
    ("GET", "/me"),
    ("GET", "/users/7?$select=id"),
    ("DELETE", "/users/7"),
    ("delete", "/%75sers/8"),
    ("POST", "/devices/9/wipe"),
    ("POST", "/me/notes"),
    ("PATCH", "/me"),
    ("POST", "/x/..%2fdevices/9/wipe"),
];

proptest::proptest! {
    #[test]
    fn a_batch_is_ruled_as_the_strictest_of_its_parts(picked in proptest::collection::vec(0..PARTS.len(), 1..6)) {
        let asking = asking();
        let parts: Vec<(&str, &str)> = picked.iter().map(|at| PARTS[*at]).collect();
        let alone = parts.iter().map(|(method, url)| {
            asking.line(&format!("{method} https://graph.microsoft.com/v1.0{url}"))
        });
        let strictest = alone.max();
        let requests: Vec<String> = parts
            .iter()
            .enumerate()
            .map(|(id, (method, url))| format!(r#"{{"id":"{id}","method":"{method}","url":"{url}"}}"#))
            .collect();
        let body = format!("{{\"requests\":[{}]}}", requests.join(","));
        let whole = asking.ask(&request("POST https://graph.microsoft.com/v1.0/$batch", &[], &body)).0;
        proptest::prop_assert_eq!(Some(whole), strictest);
    }

    #[test]
    fn no_batch_panics(
        place in proptest::sample::select(vec![
            "graph.microsoft.com/v1.0/$batch",
            "www.googleapis.com/batch",
            "es.acme.test/_bulk",
            "es.acme.test/a/_msearch",
            "acme.my.salesforce.com/services/data/v1/composite/graph",
        ]),
        media in "(application/json|multipart/mixed; boundary=b|multipart/mixed|x)",
        body in "(--b\r\n|\r\n|\n|Content-Type: application/http|GET /a HTTP/1.1|\\{|\\}|\\[|\\]|\"requests\":|\"url\":|\"method\":|\"graphs\":|\"/a\"|\"//b\"|\"GET\"|,|:|\"dependsOn\":|\"1\"|\"index\":|--b--|\\PC){0,30}",
    ) {
        let asking = asking();
        let request = request(&format!("POST https://{place}"), &[("content-type", &media)], &body);
        let (verdict, _) = asking.ask(&request);
        let _ = asking.grounds(&request);
        proptest::prop_assert!(verdict >= Pass);
    }
}
