//! Methods, and the ways to name another one than the request line does (Rack, Symfony, Laravel, Express, OData).

use super::{Scene, request};

#[tokio::test]
async fn no_other_name_of_a_method_gets_by() {
    let mut scene = Scene::new().await;
    for line in [
        "delete",
        "Delete",
        "DELETE\t",
        "\tDELETE",
        " DELETE",
        "DELETE ",
        "DEL\0ETE",
        "DELETE\0",
        "\"DELETE\"",
        "DELETE,GET",
    ] {
        scene.stopped(line, format!("{line} /users/42 HTTP/1.1\r\nHost: api.test\r\n\r\n")).await;
    }
    scene.stopped("a body", request("DELETE", "/users/42", "", "x=1")).await;
    scene.stopped("a body in chunks", "DELETE /users/42 HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n").await;
    for field in FIELDS {
        for method in ["POST", "GET", "PUT", "PATCH"] {
            scene.stopped(field, request(method, "/users/42", &format!("{field}\r\n"), "")).await;
        }
    }
    for query in QUERIES {
        for method in ["POST", "GET"] {
            scene.stopped(query, request(method, &format!("/users/42{query}"), "", "")).await;
        }
    }
    for (media, body) in BODIES {
        let fields = if media.is_empty() { String::new() } else { format!("Content-Type: {media}\r\n") };
        for method in ["POST", "PUT"] {
            scene.stopped(body, request(method, "/users/42", &fields, body)).await;
        }
    }
    let long = format!("{}&_method=DELETE", "a=b&".repeat(300_000));
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    scene.stopped("behind the limit of inspection", request("POST", "/users/42", form, &long)).await;
    let utf16: Vec<u8> = "_method=DELETE".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let head = request(
        "POST",
        "/users/42",
        &format!("Content-Type: text/plain\r\nContent-Length: {}\r\n", utf16.len()),
        "",
    );
    scene.stopped("in UTF-16", [head.into_bytes(), utf16].concat()).await;
    for coding in ["br", "x-unknown", "gzip"] {
        let fields = format!("{form}Content-Encoding: {coding}\r\n");
        scene.stopped("an unreadable coding", request("POST", "/users/42", &fields, "_method=DELETE")).await;
    }
    // A real method stays what it is, whatever a field says.
    for field in ["X-HTTP-Method-Override: GET", "X-HTTP-Method: HEAD", "X-Method-Override: POST"] {
        scene
            .stopped("an override to a safe one", request("DELETE", "/users/42", &format!("{field}\r\n"), ""))
            .await;
    }
    scene.stopped("a safe one in the query", request("DELETE", "/users/42?_method=GET", "", "")).await;
    scene.stopped("a safe one in the body", request("DELETE", "/users/42", form, "_method=GET")).await;
    for method in ["FOO", "QUERY", "PROPFIND", "GET", "HEAD", "OPTIONS", "PATCH", "get"] {
        scene.stopped("any method", request(method, "/admin/x", "", "")).await;
    }
    scene.end();
}

#[tokio::test]
async fn ordinary_methods_and_bodies_pass() {
    let mut scene = Scene::new().await;
    for method in
        ["GET", "POST", "PUT", "PATCH", "OPTIONS", "PROPFIND", "REPORT", "QUERY", "M-SEARCH", "FOO", "get"]
    {
        scene.passed("a method", request(method, "/users/42", "", ""), method, "/users/42").await;
    }
    scene.passed("the server itself", request("OPTIONS", "*", "", ""), "OPTIONS", "*").await;
    for field in [
        "X-HTTP-Method-Override: GET",
        "X-HTTP-Method-Override: PATCH",
        "X-HTTP-Method: MERGE",
        "X-Method: fast",
        "X-Requested-With: XMLHttpRequest",
        "Access-Control-Request-Method: DELETE",
        "Method: DELETE",
    ] {
        let sent = request("POST", "/users/42", &format!("{field}\r\n"), "");
        scene.passed(field, sent, "POST", "/users/42").await;
    }
    for query in [
        "?_method=get",
        "?_method=PUT",
        "?method=DELETE",
        "?q=_method%3DDELETE",
        "?payment_method=DELETE",
        "?x=DELETE",
    ] {
        let target = format!("/users/42{query}");
        scene.passed(query, request("POST", &target, "", ""), "POST", &target).await;
    }
    for (media, body) in [
        ("application/x-www-form-urlencoded", "name=x&method=DELETE"),
        ("application/x-www-form-urlencoded", "note=_method%3DDELETE"),
        ("application/x-www-form-urlencoded", "_method=put&name=x"),
        ("application/json", r#"{"method":"DELETE"}"#),
        ("application/json", r#"{"a":{"_method":"DELETE"}}"#),
        ("application/json", r#"{"jsonrpc":"2.0","id":1,"method":"users/delete"}"#),
        ("application/json", r#"[1, 2]"#),
        ("application/json", "not JSON at all"),
        ("text/plain", "the word delete"),
        ("application/octet-stream", "_method=DELETE"),
        ("image/png", "\u{89}PNG"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n_method=DELETE\r\n--b--\r\n",
        ),
        ("", "x"),
    ] {
        let fields = if media.is_empty() { String::new() } else { format!("Content-Type: {media}\r\n") };
        scene.passed(body, request("POST", "/users/42", &fields, body), "POST", "/users/42").await;
    }
    // Where no rule asks for another method, a body may be of any length, and is not looked at.
    let long = "_method=DELETE&".repeat(100_000);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    scene.passed("elsewhere", request("POST", "/other", form, &long), "POST", "/other").await;
    scene.end();
}

const FIELDS: &[&str] = &[
    "X-HTTP-Method-Override: DELETE",
    "x-http-method-override: delete",
    "X-HTTP-METHOD-OVERRIDE:DELETE",
    "X-HTTP-Method-Override:  DELETE  ",
    "X-HTTP-Method-Override:\tDELETE",
    "X-HTTP-Method-Override: Delete",
    "X-HTTP-Method-Override: GET, DELETE",
    "X-HTTP-Method-Override: DELETE, GET",
    "X-HTTP-Method-Override: GET,DELETE",
    "X-HTTP-Method-Override: DELETE;q=1",
    "X-HTTP-Method-Override: \"DELETE\"",
    "X-HTTP-Method-Override: GET\r\nX-HTTP-Method-Override: DELETE",
    "X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method-Override: GET",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    "X_HTTP_Method_Override: DELETE",
    "X_HTTP_METHOD_OVERRIDE: DELETE",
    "X-HTTP_Method-Override: DELETE",
    "X_HTTP_Method: DELETE",
    "X_Method_Override: DELETE",
    "X-HTTP-Method-Override: GET\r\nX_HTTP_Method_Override: DELETE",
    "X-HTTP-Method-Override: GET\r\nX-HTTP-Method: DELETE",
    "HTTP-Method-Override: DELETE",
    "_method: DELETE",
];

const QUERIES: &[&str] = &[
    "?_method=DELETE",
    "?_method=delete",
    "?_METHOD=Delete",
    "?_method=%44ELETE",
    "?%5fmethod=DELETE",
    "?%5Fmetho%64=DELETE",
    "?_method=+DELETE+",
    "?_method=%20DELETE",
    "?x=1&_method=DELETE",
    "?x=1;_method=DELETE",
    "?_method=GET&_method=DELETE",
    "?_method=DELETE&_method=GET",
    "?_method=GET,DELETE",
    "?_method[]=DELETE",
    "?[_method]=DELETE",
    "?_method]=DELETE",
    "?_method%00=DELETE",
    "?_method%00x=DELETE",
    "?_method[0]=DELETE",
    "?.method=DELETE",
    "?$httpMethod=DELETE",
    "?%24httpMethod=DELETE",
    "?$HTTPMETHOD=delete",
    "?x-http-method-override=DELETE",
    "?X-HTTP-Method-Override=DELETE",
    "?x_http_method_override=DELETE",
    "?X-HTTP-Method=DELETE",
    "%3F_method=DELETE",
    "%3fx=1%26_method%3DDELETE",
    "%253F_method=DELETE",
];

const BODIES: &[(&str, &str)] = &[
    ("application/x-www-form-urlencoded", "_method=DELETE"),
    ("application/x-www-form-urlencoded", "_method=delete"),
    ("application/x-www-form-urlencoded; charset=utf-8", "x=1&_method=DELETE"),
    ("application/x-www-form-urlencoded", "%5Fmethod=%44ELETE"),
    ("application/x-www-form-urlencoded", "x=1;_method=DELETE"),
    ("application/x-www-form-urlencoded", "_method=GET&_method=DELETE"),
    ("application/x-www-form-urlencoded", "_method=DELETE&_method=GET"),
    ("application/x-www-form-urlencoded", "$httpMethod=DELETE"),
    ("application/x-www-form-urlencoded", "x-http-method-override=DELETE"),
    ("application/x-www-form-urlencoded", "_method[]=DELETE"),
    ("application/x-www-form-urlencoded", "[_method]=DELETE"),
    ("application/x-www-form-urlencoded", "_method]=DELETE"),
    ("application/x-www-form-urlencoded", "%5B_method%5D=DELETE"),
    ("application/x-www-form-urlencoded", "_method%00x=DELETE"),
    ("", "\"&_method=DELETE&\""),
    ("", "{\"a\":\"&_method=DELETE&\"}"),
    ("application/json", "{\"_method\":\"DEL\\ud800ETE\"}"),
    ("APPLICATION/X-WWW-FORM-URLENCODED", "_method=DELETE"),
    ("", "_method=DELETE"),
    ("text/plain", "_method=DELETE"),
    ("application/json", "_method=DELETE"),
    ("application/json", r#"{"_method":"DELETE"}"#),
    ("application/json; charset=utf-8", r#"{"name":"x","_method":"delete"}"#),
    ("application/json", r#"{"\u005fmethod":"\u0044ELETE"}"#),
    ("application/json", r#"{"_method":"GET","_method":"DELETE"}"#),
    ("application/json", r#"{"$httpMethod":"DELETE"}"#),
    ("application/json", r#"{"x-http-method-override":"DELETE"}"#),
    ("application/json", r#"[{"_method":"DELETE"}]"#),
    ("application/json", r#"{"_method":"DELETE",}"#),
    ("application/json", r#"{'_method':'DELETE'}"#),
    ("application/json", "{/**/\"_method\":\"DELETE\"}"),
    ("application/vnd.api+json", r#"{"_method":"DELETE"}"#),
    ("text/json", r#"{"_method":"DELETE"}"#),
    ("text/plain", r#"{"_method":"DELETE"}"#),
    (
        "multipart/form-data; boundary=b",
        "--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--b--\r\n",
    ),
    (
        "multipart/form-data; boundary=\"b\"",
        "--b\r\nContent-Disposition: form-data; name=_method\r\n\r\nDELETE\r\n--b--\r\n",
    ),
    (
        "multipart/form-data; boundary=b",
        "--b\nContent-Disposition: form-data; name=\"_method\"\n\nDELETE\n--b--\n",
    ),
    (
        "multipart/form-data; boundary=b",
        "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--b--\r\n",
    ),
    (
        "multipart/form-data",
        "--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--b--\r\n",
    ),
];

/// A rule about a body asks for it whatever the method.
#[tokio::test]
async fn a_body_counts_with_any_method() {
    let mut scene = Scene::new().await;
    let chunked = |method: &str, body: &str| {
        let body = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        format!("{method} /jobs/7 HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    };
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "QUERY", "POST", "PUT", "PATCH", "SEARCH", "get"] {
        let body = r#"{"force":true}"#;
        scene.stopped(method, request(method, "/jobs/7", "", body)).await;
        scene.stopped(method, request(method, "/jobs/7", "Content-Type: application/json\r\n", body)).await;
        scene.stopped(method, chunked(method, body)).await;
    }
    for method in ["GET", "DELETE", "QUERY", "POST", "PUT"] {
        let body = r#"{"force":false}"#;
        scene.passed(method, request(method, "/jobs/7", "", body), method, "/jobs/7").await;
        scene.passed(method, chunked(method, body), method, "/jobs/7").await;
    }
    scene.end();
}

/// A rule that names no path is about all of them.
#[tokio::test]
async fn a_method_counts_at_any_path() {
    let mut scene = Scene::with(super::RULES, &["only.test"], |setup| setup).await;
    let to = |method: &str, target: &str, fields: &str, body: &str| {
        request(method, target, fields, body).replace("api.test", "only.test")
    };
    for (fields, body) in [
        ("Content-Type: application/json\r\n", r#"{"_method":"DELETE"}"#),
        ("Content-Type: application/x-www-form-urlencoded\r\n", "_method=DELETE"),
        ("X-HTTP-Method-Override: DELETE\r\n", ""),
    ] {
        scene.stopped_at("only.test", body, to("POST", "/any/path", fields, body)).await;
    }
    scene.stopped_at("only.test", "plainly", to("DELETE", "/", "", "")).await;
    let json = "Content-Type: application/json\r\n";
    scene.passed_at("only.test", "another", to("POST", "/x", json, r#"{"a":1}"#), "POST", "/x").await;
    scene.end();
}
