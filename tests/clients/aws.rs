//! boto3 against S3 and DynamoDB stand-ins behind TLS.

use super::support::authority::Flaw;
use super::support::{Origin, TestAuthority, soon};
use super::{REASON, Scene, python, script, shown, succeeded};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const RULES: &str = r#"
pack: test
rules:
  - id: delete-bucket
    when: { host: "*.amazonaws.com", method: DELETE }
    verdict: hold
    why: Gone is gone.
    examples:
      hold: [ "DELETE https://s3.eu-central-1.amazonaws.com/bucket" ]
      pass: [ "GET https://s3.eu-central-1.amazonaws.com/bucket" ]
  - id: delete-table
    when: { header: { x-amz-target: "DynamoDB_20120810.DeleteTable" } }
    verdict: hold
    why: Gone is gone.
    examples:
      hold: [ { method: POST, url: "https://dynamodb.eu-central-1.amazonaws.com/", headers: { x-amz-target: DynamoDB_20120810.DeleteTable } } ]
      pass: [ { method: POST, url: "https://dynamodb.eu-central-1.amazonaws.com/", headers: { x-amz-target: DynamoDB_20120810.GetItem } } ]
"#;
const NAMES: [&str; 2] = ["s3.eu-central-1.amazonaws.com", "dynamodb.eu-central-1.amazonaws.com"];

#[tokio::test]
async fn boto3() {
    let authority = TestAuthority::new("Test roots");
    let folder = tempfile::tempdir().unwrap();
    let (_moto, addr) = moto(&authority, folder.path()).await;
    let origin = Origin::tls(&authority, &["api.test"]).await;
    let scene = Scene::around(&authority, origin, |setup| {
        NAMES.iter().fold(setup.rules(RULES), |setup, name| setup.resolve(&format!("{name}:443"), addr))
    })
    .await;
    let (python, call) = (python(), script("boto3_call.py"));
    let run = |operation: &'static str| [python.clone(), call.clone(), operation.to_owned()];
    macro_rules! command {
        ($operation:literal) => {
            &run($operation).each_ref().map(String::as_str)
        };
    }

    // Signed, streamed, multipart and checked by the service: what changed on its way would be refused.
    assert_eq!(succeeded(&scene.client(command!("s3-safe")).await).trim(), "s3 safe");
    assert_eq!(succeeded(&scene.client(command!("dynamodb-safe")).await).trim(), "dynamodb safe");

    let (output, hold) = scene.approved(command!("s3-delete")).await;
    assert_eq!(succeeded(&output).trim(), "s3 deleted");
    assert_eq!(hold["method"], "DELETE");
    let output = scene.denied(command!("s3-delete")).await;
    let printed = shown(&output);
    assert!(!output.status.success() && printed.contains(REASON), "{printed}");

    let (output, _) = scene.approved(command!("dynamodb-delete")).await;
    assert_eq!(succeeded(&output).trim(), "dynamodb deleted");
    let output = scene.denied(command!("dynamodb-delete")).await;
    let printed = shown(&output);
    assert!(!output.status.success() && printed.contains(REASON), "{printed}");
}

/// Starts the stand-in; it prints its port when it listens.
async fn moto(authority: &TestAuthority, folder: &Path) -> (Child, SocketAddr) {
    let leaf = authority.leaf(&NAMES, Flaw::None);
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, leaf.certificate_pem).unwrap();
    std::fs::write(&key, leaf.key_pem).unwrap();
    let mut child = Command::new(python())
        .arg(script("moto_origin.py"))
        .args([&certificate, &key])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let port = soon("the stand-in to listen", lines.next_line()).await.expect("a pipe").expect("a port");
    (child, SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a number"))))
}
