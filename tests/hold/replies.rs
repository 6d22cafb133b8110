//! Answers in the caller's dialect, on the wire.

use super::support::{Reply, Wire, h2};
use super::{Scene, post};
use serde_json::json;

async fn denied(scene: &Scene, request: &str) -> Reply {
    scene.wire().await.ask(request).await
}

#[tokio::test]
async fn each_client_is_answered_in_its_dialect() {
    let scene = Scene::with(|setup| {
        setup
            .set("/hold/patience", json!("0s"))
            .resolve("bucket.s3.amazonaws.com:443", ([127, 0, 0, 1], 1).into())
    })
    .await;
    let target = "/held/x";

    let json = denied(&scene, &post(target, "", "a")).await;
    assert_eq!((json.status, json.field("content-type")), (428, Some("application/json")));

    let git = denied(&scene, &post(target, "User-Agent: git/2.47.3\r\n", "b")).await;
    assert_eq!(git.status, 428);
    assert!(git.field("content-type").is_some_and(|t| t.starts_with("text/plain")));
    assert!(git.text().contains("hp_") && !git.text().contains('{'), "{}", git.text());

    let kubernetes =
        denied(&scene, &post(target, "User-Agent: kubectl/v1.32.0 (linux/amd64)\r\n", "c")).await;
    let status = kubernetes.json();
    assert_eq!(
        (&status["kind"], &status["apiVersion"], &status["code"]),
        (&json!("Status"), &json!("v1"), &json!(428))
    );

    let graphql = denied(&scene, &post("/held/graphql", "", r#"{"query":"mutation{x}"}"#)).await;
    assert!(graphql.json()["errors"][0]["message"].as_str().is_some_and(|m| m.contains("hp_")));

    let call = r#"{"jsonrpc":"2.0","id":"a7","method":"tools/call"}"#;
    let rpc = denied(&scene, &post("/held/mcp", "", call)).await.json();
    assert_eq!((&rpc["jsonrpc"], &rpc["id"]), (&json!("2.0"), &json!("a7")));
    assert!(rpc["error"]["code"].is_i64() && rpc["error"]["message"].is_string(), "{rpc}");

    let problem = denied(&scene, &post(target, "Accept: application/problem+json\r\n", "d")).await;
    assert_eq!(problem.field("content-type"), Some("application/problem+json"));

    let mut s3 =
        Wire::tunnel(scene.holdpoint.listen, "bucket.s3.amazonaws.com:443", &scene.holdpoint.ca).await;
    let s3 = s3.ask(post(target, "", "e").replace("api.test", "bucket.s3.amazonaws.com")).await;
    assert_eq!((s3.status, s3.field("content-type")), (428, Some("application/xml")));
    assert!(s3.text().contains("<Error><Code>") && s3.text().contains("<Message>"), "{}", s3.text());
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn grpc_clients_get_a_grpc_status() {
    let scene = Scene::with(|setup| setup.set("/hold/patience", json!("0s"))).await;
    let mut client = h2::H2::tunnel(scene.holdpoint.listen, "api.test:443", &scene.holdpoint.ca).await;
    let mut call = h2::request("POST", "https://api.test/held/Service", "\0\0\0\0\0");
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    call.headers_mut().insert("te", "trailers".parse().unwrap());
    let reply = client.ask(call).await;
    assert_eq!(reply.field("content-type"), Some("application/grpc"));
    let field = |name: &str| {
        let in_trailers = reply.trailers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        reply.field(name).or(in_trailers).map(str::to_owned)
    };
    assert_eq!(field("grpc-status").as_deref(), Some("9"), "FAILED_PRECONDITION");
    assert!(field("grpc-message").is_some_and(|m| m.contains("hp_")));
    scene.origin.assert_untouched();
}
