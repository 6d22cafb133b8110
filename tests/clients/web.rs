//! curl, Python requests and httpx, Node fetch.

use super::{REASON, Scene, node, python, script, shown, succeeded};
use http::Version;

/// A way to make one HTTP call; prints status and body.
struct Client {
    command: Vec<String>,
    /// The part of its User-Agent that must arrive as it is.
    agent: &'static str,
    version: Version,
}

#[tokio::test]
async fn curl_over_http1() {
    let curl = ["curl", "-sS", "--http1.1", "-w", "%{http_code}\n"].map(str::to_owned).to_vec();
    whole_story(Client { command: curl, agent: "curl/", version: Version::HTTP_11 }).await;
}

#[tokio::test]
async fn curl_over_http2() {
    let curl = ["curl", "-sS", "--http2", "-w", "%{http_code}\n"].map(str::to_owned).to_vec();
    whole_story(Client { command: curl, agent: "curl/", version: Version::HTTP_2 }).await;
}

#[tokio::test]
async fn python_requests() {
    let command = vec![python(), script("requests_call.py")];
    whole_story(Client { command, agent: "python-requests/", version: Version::HTTP_11 }).await;
}

#[tokio::test]
async fn python_httpx_over_http1() {
    let command = vec![python(), script("httpx_call.py"), "--http1".to_owned()];
    whole_story(Client { command, agent: "python-httpx/", version: Version::HTTP_11 }).await;
}

#[tokio::test]
async fn python_httpx_over_http2() {
    let command = vec![python(), script("httpx_call.py"), "--http2".to_owned()];
    whole_story(Client { command, agent: "python-httpx/", version: Version::HTTP_2 }).await;
}

#[tokio::test]
async fn node_fetch() {
    let command = vec![node(), script("fetch_call.mjs")];
    whole_story(Client { command, agent: "node", version: Version::HTTP_11 }).await;
}

async fn whole_story(client: Client) {
    let scene = Scene::with(|setup| setup).await;
    let call = |method: &str, path: &str, body: &str| -> Vec<String> {
        let url = format!("https://api.test{path}");
        let tail = match client.command[0].as_str() {
            "curl" if body.is_empty() => vec!["-X".to_owned(), method.to_owned(), url],
            "curl" => {
                let field = "Content-Type: application/json".to_owned();
                let (data, body) = ("--data-binary".to_owned(), body.to_owned());
                vec!["-X".to_owned(), method.to_owned(), "-H".to_owned(), field, data, body, url]
            }
            _ => vec![method.to_owned(), url, body.to_owned()],
        };
        [client.command.clone(), tail].concat()
    };
    let strs = |command: &[String]| -> Vec<String> { command.to_vec() };

    // A safe call arrives unchanged, and so does its answer.
    let body = r#"{"text":"häppy ☃","n":[1,2.50,1e3]}"#;
    let safe = strs(&call("POST", "/echo?q=a%20b&q=2", body));
    let safe: Vec<&str> = safe.iter().map(String::as_str).collect();
    let printed = succeeded(&scene.client(&safe).await);
    assert!(printed.contains(body) && printed.contains("200"), "{printed}");
    let seen = scene.origin.arrived(1).await.remove(0);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/echo?q=a%20b&q=2"));
    assert_eq!((&seen.body[..], seen.host.as_str()), (body.as_bytes(), "api.test"));
    assert_eq!(seen.field("content-type"), Some("application/json"));
    assert!(seen.field("user-agent").is_some_and(|a| a.starts_with(client.agent)), "{:?}", seen.fields);
    assert_eq!(seen.version, client.version);

    // A held call waits, and gets the origin's answer.
    let held = call("DELETE", "/held/things/7", "");
    let held: Vec<&str> = held.iter().map(String::as_str).collect();
    let (output, hold) = scene.approved(&held).await;
    assert_eq!(hold["method"], "DELETE");
    let printed = succeeded(&output);
    assert!(printed.contains("ok") && printed.contains("200"), "{printed}");
    assert_eq!(scene.origin.arrived(2).await[1].target, "/held/things/7");

    // A denied call says why.
    let output = scene.denied(&held).await;
    let printed = shown(&output);
    assert!(printed.contains("403") && printed.contains(REASON), "{printed}");
    assert_eq!(scene.origin.seen().len(), 2);
}
