//! curl and wget.

use super::story::{Again, Client, Prints, whole_story};
use super::{Scene, strings};

async fn curl(name: &'static str, version: &'static str) {
    let command = move |call: &str| {
        let mut words = vec!["curl", "-sS", version, "--fail-with-body"];
        match call {
            "safe" => words.extend(["--json", BODY, "https://api.test/echo?q=a%20b&q=2"]),
            "held" => words.extend(["-X", "DELETE", "https://api.test/things/held"]),
            _ => words.extend(["-X", "DELETE", "https://api.test/things/parked"]),
        }
        strings(&words)
    };
    let client = Client {
        name,
        command: Box::new(command),
        prints: Prints::Text { timeout: "none" },
        varying: &[],
        again: Again::InANewRun,
    };
    whole_story(&Scene::new(|setup| setup).await, &client).await;
}

#[tokio::test]
async fn curl_over_http1() {
    curl("curl (HTTP/1.1)", "--http1.1").await;
}

#[tokio::test]
async fn curl_over_http2() {
    curl("curl (HTTP/2)", "--http2").await;
}

/// curl asks with `Expect: 100-continue` before it sends a megabyte or more.
#[tokio::test]
async fn curl_uploads() {
    let scene = Scene::new(|setup| setup).await;
    std::fs::write(scene.home.path().join("file"), vec![b'x'; 20 << 20]).expect("a file");
    std::fs::write(scene.home.path().join("small"), vec![b'x'; 2 << 20]).expect("a file");
    let command = |call: &str| {
        let (file, url) = match call {
            "safe" => ("file", "https://api.test/upload"),
            "held" => ("small", "https://api.test/files/held"),
            _ => ("small", "https://api.test/files/parked"),
        };
        strings(&["curl", "-sS", "--http1.1", "--fail-with-body", "-T", file, url])
    };
    let name = "curl (upload, `Expect`)";
    let client = Client {
        name,
        command: Box::new(command),
        prints: Prints::Text { timeout: "none" },
        varying: &[],
        again: Again::InANewRun,
    };
    whole_story(&scene, &client).await;
}

/// Debian's curl speaks no WebSocket: it opens one by its fields, and prints what comes.
#[tokio::test]
async fn curl_opens_a_websocket() {
    let command = |call: &str| {
        let url = format!("https://api.test/{call}?greet");
        let fields = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", KEY];
        let fields = fields.iter().flat_map(|field| ["-H", field]);
        let words = ["curl", "-sS", "--http1.1", "--fail-with-body", "-N"].into_iter().chain(fields);
        strings(&words.chain([url.as_str()]).collect::<Vec<_>>())
    };
    let client = Client {
        name: "curl (WebSocket)",
        command: Box::new(command),
        prints: Prints::Text { timeout: "none" },
        varying: &[],
        again: Again::InANewRun,
    };
    whole_story(&Scene::service("websockets", &["api.test"], |setup| setup).await, &client).await;
}

#[tokio::test]
async fn wget() {
    let command = |call: &str| {
        let mut words = vec!["wget", "-nv", "-O", "-", "--content-on-error"];
        let field = "--header=Content-Type: application/json";
        let body = format!("--body-data={BODY}");
        match call {
            "safe" => words.extend(["--method=POST", field, &body, "https://api.test/echo?q=a%20b&q=2"]),
            "held" => words.extend(["--method=DELETE", "https://api.test/things/held"]),
            _ => words.extend(["--method=DELETE", "https://api.test/things/parked"]),
        }
        strings(&words)
    };
    let client = Client {
        name: "wget",
        command: Box::new(command),
        prints: Prints::Text { timeout: "900 s" },
        varying: &[],
        again: Again::InANewRun,
    };
    whole_story(&Scene::new(|setup| setup).await, &client).await;
}

const BODY: &str = r#"{"text":"häppy ☃","n":[1,2.50,1e3]}"#;
/// Of RFC 6455 §1.3.
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
