//! Clients in Python: HTTP libraries, and SDKs on top of them.

use super::story::{Again, Client, Prints, whole_story};
use super::support::Setup;
use super::{Scene, python, script, strings};

/// The client of `calls.py` by this name.
pub(crate) fn client(name: &'static str, function: &'static str, varying: &'static [&'static str]) -> Client {
    let command = move |call: &str| strings(&[&python(), &script("calls.py"), function, call]);
    Client { name, command: Box::new(command), prints: Prints::Json, varying, again: Again::InANewRun }
}

async fn tells(name: &'static str, function: &'static str) {
    whole_story(&Scene::new(|setup| setup).await, &client(name, function, &[])).await;
}

#[tokio::test]
async fn requests() {
    tells("Python: requests", "requests").await;
}

/// Another boundary each time: the call again is the same call.
#[tokio::test]
async fn requests_upload() {
    tells("Python: requests (file)", "requests_file").await;
}

#[tokio::test]
async fn httpx() {
    tells("Python: httpx (HTTP/1.1)", "httpx").await;
}

#[tokio::test]
async fn httpx_over_http2() {
    tells("Python: httpx (HTTP/2)", "httpx_h2").await;
}

#[tokio::test]
async fn aiohttp() {
    tells("Python: aiohttp", "aiohttp").await;
}

#[tokio::test]
async fn urllib3() {
    tells("Python: urllib3", "urllib3").await;
}

#[tokio::test]
async fn urllib() {
    tells("Python: urllib", "urllib").await;
}

#[tokio::test]
async fn google() {
    tells("Python: google-api-python-client", "google").await;
}

#[tokio::test]
async fn kubernetes() {
    tells("Python: kubernetes", "kubernetes").await;
}

/// Each of its calls has an idempotency key of its own: the call again is the same call.
#[tokio::test]
async fn stripe() {
    const RULES: &str = r#"
pack: test
rules:
  - id: held
    when: { method: POST, path: /v1/refunds, body: { charge: held } }
    verdict: hold
    why: Money goes back.
    examples:
      hold: [ { method: POST, url: "https://api.test/v1/refunds", form: { charge: held } } ]
      pass: [ { method: POST, url: "https://api.test/v1/refunds", form: { charge: ch_1 } } ]
  - id: parked
    when: { method: POST, path: /v1/refunds, body: { charge: parked } }
    verdict: hold
    why: Money goes back.
    review: { patience: 1s }
    examples:
      hold: [ { method: POST, url: "https://api.test/v1/refunds", form: { charge: parked } } ]
      pass: [ { method: POST, url: "https://api.test/v1/refunds", form: { charge: ch_1 } } ]
"#;
    let scene = Scene::new(|setup| setup.rules(RULES)).await;
    whole_story(&scene, &client("Python: stripe", "stripe", &["idempotency-key"])).await;
}

#[tokio::test]
async fn pygithub() {
    tells("Python: PyGithub", "pygithub").await;
}

#[tokio::test]
async fn openai() {
    tells("Python: openai", "openai").await;
}

#[tokio::test]
async fn anthropic() {
    tells("Python: anthropic", "anthropic").await;
}

pub(crate) const AWS_NAMES: [&str; 2] =
    ["s3.eu-central-1.amazonaws.com", "dynamodb.eu-central-1.amazonaws.com"];
pub(crate) const AWS_VARYING: &[&str] =
    &["authorization", "x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request", "user-agent"];

#[tokio::test]
async fn boto3_dynamodb() {
    let scene = Scene::service("moto", &AWS_NAMES, |setup: Setup| setup.rules(TABLES)).await;
    whole_story(&scene, &client("Python: boto3 (DynamoDB)", "boto3_dynamodb", AWS_VARYING)).await;
}

#[tokio::test]
async fn boto3_s3() {
    let scene = Scene::service("moto", &AWS_NAMES, |setup| setup).await;
    whole_story(&scene, &client("Python: boto3 (S3)", "boto3_s3", AWS_VARYING)).await;
}

/// Which table is deleted stands in the body.
pub(crate) const TABLES: &str = r#"
pack: test
rules:
  - id: held
    when: { header: { x-amz-target: DynamoDB_20120810.DeleteTable }, body: { TableName: held } }
    verdict: hold
    why: What is deleted is gone.
    examples:
      hold: [ { method: POST, url: "https://dynamodb.eu-central-1.amazonaws.com/", headers: { x-amz-target: DynamoDB_20120810.DeleteTable }, body: { TableName: held } } ]
      pass: [ { method: POST, url: "https://dynamodb.eu-central-1.amazonaws.com/", headers: { x-amz-target: DynamoDB_20120810.GetItem }, body: { TableName: held } } ]
  - id: parked
    when: { header: { x-amz-target: DynamoDB_20120810.DeleteTable }, body: { TableName: parked } }
    verdict: hold
    why: What is deleted is gone.
    review: { patience: 1s }
    examples:
      hold: [ { method: POST, url: "https://dynamodb.eu-central-1.amazonaws.com/", headers: { x-amz-target: DynamoDB_20120810.DeleteTable }, body: { TableName: parked } } ]
      pass: [ { method: POST, url: "https://dynamodb.eu-central-1.amazonaws.com/", headers: { x-amz-target: DynamoDB_20120810.GetItem }, body: { TableName: parked } } ]
"#;
