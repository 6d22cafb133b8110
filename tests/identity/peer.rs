//! A real provider and a real browser: npm `oidc-provider`, which is certified, and Chromium.

use super::support::idp::{CLIENT_ID, CLIENT_SECRET};
use super::support::{EVENT_WAIT_MAX, soon};
use super::{Holdpoint, Scene, json};
use fantoccini::{Client, ClientBuilder, Locator};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The provider. It ends when its standard input does.
struct Provider {
    issuer: String,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Provider {
    async fn start() -> Self {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools");
        let (node, modules) = (tools.join("python/bin/node"), tools.join("node/node_modules"));
        let mut process = Command::new(&node)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/identity/provider.mjs"))
            .arg(modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("scripts/test installs {}: {error}", node.display()));
        let input = process.stdin.take().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let issuer = soon("the provider's port", lines.next_line()).await.unwrap().expect("an issuer");
        Self { issuer, input, lines, _process: process }
    }

    /// Knows the client from now on.
    async fn serve(&mut self, holdpoint: &Holdpoint) {
        self.input.write_all(format!("http://{}\n", holdpoint.control).as_bytes()).await.unwrap();
        while soon("the provider", self.lines.next_line()).await.unwrap().expect("it serves") != "ready" {}
    }
}

/// Chromium, with a profile of its own.
struct Chromium {
    client: Client,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Chromium {
    async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("`chromedriver` is on the path (apt-get install chromium chromium-driver)");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = soon("chromedriver", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("chromedriver listens");
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
        });
        let port = port.await;
        let profile = tempfile::tempdir().unwrap();
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": { "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--window-size=1280,860", "--no-proxy-server",
            format!("--user-data-dir={}", profile.path().display()),
        ] } });
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts");
        Self { client, driver, _profile: profile }
    }

    async fn goto(&self, holdpoint: &Holdpoint, path: &str) {
        self.client.goto(&format!("http://{}{path}", holdpoint.control)).await.unwrap();
    }

    async fn find(&self, css: &str) -> fantoccini::elements::Element {
        for _ in 0..NAVIGATIONS_MAX {
            match self.client.wait().at_most(EVENT_WAIT_MAX).for_element(Locator::Css(css)).await {
                Ok(element) => return element,
                // The page that was asked gave way to the next one.
                Err(error) if error.to_string().contains("aborted by navigation") => {}
                Err(error) => panic!("no `{css}`: {error}\n{}", self.client.source().await.unwrap()),
            }
        }
        panic!("no `{css}`: one page follows the other")
    }

    async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }

    /// Types a name at the provider's page, and agrees to what it asks next.
    async fn enter_as(&self, name: &str) {
        self.find("input[name=login]").await.send_keys(name).await.unwrap();
        self.find("input[name=password]").await.send_keys("any").await.unwrap();
        self.click("button[type=submit]").await;
    }

    async fn agree(&self) {
        self.find("input[name=prompt][value=consent]").await;
        self.click("button[type=submit]").await;
    }

    async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
        std::fs::write(folder.join(name), self.client.screenshot().await.unwrap()).unwrap();
    }

    async fn close(mut self) {
        let _ = self.client.close().await; // the driver ends it anyway
        let _ = self.driver.kill().await;
    }
}

fn at(issuer: &str) -> serde_json::Value {
    json!({ "issuer": issuer, "client-id": CLIENT_ID, "client-secret": CLIENT_SECRET,
        "scopes": ["openid", "profile", "groups"] })
}

#[tokio::test]
async fn a_certified_provider_signs_a_browser_in_and_out() {
    let mut provider = Provider::start().await;
    let scene = Scene::with(|setup| setup.set("/identity", at(&provider.issuer))).await;
    provider.serve(&scene.holdpoint).await;
    let browser = Chromium::start().await;

    // A link to a page inside: sign in, and come back to it with a session. RS256, groups at userinfo, `iss`.
    browser.goto(&scene.holdpoint, "/account").await;
    browser.click("#provider").await;
    browser.enter_as("alice").await;
    browser.agree().await;
    let account = browser.text(".account").await;
    assert!(account.contains("alice of the provider") && account.contains("oncall"), "{account}");
    assert!(account.contains(&format!("{}|alice", provider.issuer)), "{account}");

    // A strong login is asked for, the provider hears of it and says nothing of the kind: not met.
    browser.goto(&scene.holdpoint, "/login/oidc?why=approve").await;
    browser.enter_as("alice").await;
    let said = browser.text(".narrow").await;
    assert!(said.contains("not strongly enough") && said.contains("says none"), "{said}");

    // The provider signs its user out, and tells us by the back channel.
    browser.goto(&scene.holdpoint, "/account").await;
    browser.find(".account").await;
    browser.client.goto(&format!("{}/session/end", provider.issuer)).await.unwrap();
    browser.click("button[name=logout]").await;
    soon("the session's end", async { while !scene.noted("reviewer.logout", "back-channel").await {} }).await;
    browser.goto(&scene.holdpoint, "/account").await;
    browser.find("#provider").await;

    // Another person, without a role; out again from our side, on to the provider's page.
    browser.click("#provider").await;
    browser.enter_as("mallory").await;
    browser.agree().await;
    browser.find(".account").await; // the sign-in has ended
    browser.goto(&scene.holdpoint, "/").await;
    assert!(browser.text(".narrow").await.contains("You have no role here"));
    browser.click("form[action='/logout'] button").await;
    browser.click("button[name=logout]").await;
    browser.find("#provider").await;
    assert!(browser.client.current_url().await.unwrap().path() == "/login");
    browser.close().await;
}

#[tokio::test]
#[ignore = "makes the pictures of the documentation"]
async fn pictures() {
    let scene = Scene::new().await;
    let browser = Chromium::start().await;
    let (_wire, hold) = scene.park("/strong/x").await;
    let id = hold["id"].as_str().unwrap();
    let okta = Scene::with(|setup| setup.set("/identity/issuer", json!("https://acme.okta.com"))).await;
    browser.goto(&okta.holdpoint, "/login").await;
    browser.picture("sign-in.png").await;
    browser.goto(&scene.holdpoint, "/login").await;
    browser.click("#provider").await;
    browser.find("#list").await;
    browser.goto(&scene.holdpoint, &format!("/holds/{id}")).await;
    browser.find("#again").await;
    browser.picture("step-up.png").await;
    browser.click("#again").await;
    assert!(browser.text(".narrow").await.contains("not strongly enough"));
    browser.picture("step-up-refused.png").await;
    browser.goto(&scene.holdpoint, "/account").await;
    browser.find(".account").await;
    browser.picture("account.png").await;
    browser.close().await;
}

/// As many pages as a login goes through, and some.
const NAVIGATIONS_MAX: usize = 10;
