//! Fields that a rule asks for, and fields that end at a proxy (RFC 9110 §5, §7.6.1).

use super::{Scene, request};

#[tokio::test]
async fn no_spelling_of_a_field_gets_by() {
    let mut scene = Scene::new().await;
    for fields in [
        "X-Env: prod",
        "x-env: prod",
        "X-ENV:prod",
        "X-Env:  prod \t",
        "X-Env: dev\r\nX-Env: prod",
        "X-Env: prod\r\nX-Env: dev",
        "X-Env: dev, prod",
        "X-Env: prod,dev",
        "X_Env: prod",
        "X_ENV: dev\r\nX-Env: dev\r\nx_env: prod",
        "X-Env:\r\n prod",
        "X-Env : prod",
        "X-Env\t: prod",
        "X-Env: dev\nX-Env: prod",
        "X-Env: dev\rX-Env: prod",
        "X: y\r\n\tX-Env: prod",
        "X-Env: prod\0",
        "X-Env\0: prod",
        ": x\r\nX-Env: prod",
        "X-Env: prod\r\nConnection: close",
    ] {
        scene.stopped(fields, request("GET", "/x", &format!("{fields}\r\n"), "")).await;
    }
    for (what, fields) in [
        ("names Authorization", "Connection: Authorization\r\nAuthorization: x"),
        ("names X-Amz-Target", "Connection: X-Amz-Target\r\nX-Amz-Target: A.Delete"),
        ("names Host", "Connection: Host"),
        ("names Content-Length", "Connection: Content-Length"),
        ("names Content-Type", "Connection: close, Content-Type"),
        ("names Transfer-Encoding", "Connection: Transfer-Encoding"),
        ("names Cookie", "Connection: keep-alive, cookie"),
        ("names an override", "Connection: X-HTTP-Method-Override\r\nX-HTTP-Method-Override: DELETE"),
        ("names it behind another", "Connection: keep-alive\r\nConnection: host"),
        ("an odd expectation", "Expect: 200-ok"),
        ("two expectations", "Expect: 100-continue, x"),
        ("two targets", "X-Amz-Target: A.Read\r\nX-Amz-Target: A.Delete"),
        ("two types", "Content-Type: text/plain\r\nContent-Type: application/json"),
        ("a length with an underscore", "Content_Length: 5"),
        ("a coding with an underscore", "Transfer_Encoding: chunked"),
    ] {
        scene.stopped(what, request("POST", "/x", &format!("{fields}\r\n"), "")).await;
    }
    scene.end();
}

#[tokio::test]
async fn ordinary_fields_pass() {
    let mut scene = Scene::new().await;
    for fields in [
        "X-Env: dev",
        "X-Env: production",
        "X-Envs: prod",
        "Y-Env: prod",
        "Connection: keep-alive",
        "Connection: close",
        "Connection: keep-alive, X-Hop\r\nX-Hop: 1",
        "Connection: TE\r\nTE: trailers",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Accept: text/html, application/json;q=0.9, */*;q=0.8",
        "Cookie: a=b; c=d",
        "If-None-Match: \"x\", W/\"y\"",
        "X_Custom_Field: 1",
        "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "X-Empty:",
        "X-Forwarded-Host: other.test",
        "Forwarded: for=192.0.2.1;host=other.test",
        "Authorization: Bearer x.y.z",
        "User-Agent: curl/8.5.0",
        "Range: bytes=0-1",
        "Upgrade-Insecure-Requests: 1",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        scene.passed(fields, request("GET", "/x", &format!("{fields}\r\n"), ""), "GET", "/x").await;
    }
    let sent = request("POST", "/x", "Expect: 100-continue\r\n", "body");
    scene.passed("an expectation", sent, "POST", "/x").await;
    scene.end();
}
