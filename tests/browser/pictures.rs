//! The pictures of the documentation: `cargo test --test browser -- --ignored` makes them anew.

use super::fixture::{Ask, Server, Setup};
use super::{Browser, EVENT_WAIT_MAX};
use base64::Engine as _;
use fantoccini::wd::WebDriverCompatibleCommand;
use holdpoint::approval::Channel;
use holdpoint::chat::ChatUser;
use holdpoint::hold::AgentWords;
use holdpoint::ruling::{ReviewPolicy, Risk};
use serde_json::{Value, json};

/// A command of the Chrome DevTools Protocol.
#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

struct Look {
    width: u32,
    height: u32,
    scheme: &'static str,
    /// The picture has the whole page, not only what is seen first.
    whole: bool,
}

async fn picture(browser: &Browser, server: &Server, path: &str, look: &Look, name: &str) {
    let command = |name, value| browser.client.issue_cmd(DevTools(name, value));
    let size = json!({ "width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 500 });
    command("Emulation.setDeviceMetricsOverride", size).await.unwrap();
    let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": look.scheme }] });
    command("Emulation.setEmulatedMedia", media).await.unwrap();
    browser.client.goto(&server.url(path)).await.unwrap();
    browser.find("#live:not([hidden])").await;
    let wide = "return document.documentElement.scrollWidth";
    let wide = browser.client.execute(wide, vec![]).await.unwrap().as_u64().unwrap();
    assert!(wide <= u64::from(look.width), "{path} scrolls sideways at {}: {wide}", look.width);
    let shot =
        command("Page.captureScreenshot", json!({ "captureBeyondViewport": look.whole })).await.unwrap();
    let png = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
    std::fs::create_dir_all(folder()).unwrap();
    std::fs::write(folder().join(name), png).unwrap();
}

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures")
}

#[tokio::test]
#[ignore = "makes the pictures of the documentation"]
async fn pictures() {
    let server = Server::with(Setup::default()).await;
    let browser = Browser::start(true).await;
    browser.login(&server, "bob").await;
    let mut waiters = Vec::new();
    for ask in asks() {
        waiters.push(server.park(ask).await);
    }
    let refund = format!("/holds/{}", waiters.last().unwrap().id());
    let mut waiting = tokio::task::JoinSet::new();
    let denied = waiters.remove(0);
    let token = server.reviewer("carol", &[]).await;
    for waiter in [&denied, &waiters[0]] {
        let digest = server.digest(waiter.id()).await;
        let vote = if waiter.id() == denied.id() { "deny" } else { "approve" };
        let body = json!({ "digest": digest, "vote": vote, "reason": "Only in the maintenance window." });
        assert_eq!(server.vote(&token, waiter.id(), body).await.status, 200);
    }
    for waiter in waiters {
        waiting.spawn(async move { drop(waiter.outcome(EVENT_WAIT_MAX).await) });
    }
    let desktop = Look { width: 1280, height: 860, scheme: "light", whole: false };
    let phone = Look { width: 360, height: 780, scheme: "dark", whole: false };
    let user = ChatUser {
        account: "slack:T024BE7LD/U0G9QF9C6".to_owned(),
        display: "bob".to_owned(),
        email: None,
        channel: Channel::Slack,
    };
    let link = server.chat().link_page(&user).await.unwrap();
    let (_, link) = link.split_once("127.0.0.1").unwrap();
    browser.client.goto(&server.url(link)).await.unwrap();
    browser.find(".narrow form").await;
    std::fs::create_dir_all(folder()).unwrap();
    std::fs::write(folder().join("link.png"), browser.client.screenshot().await.unwrap()).unwrap();
    picture(&browser, &server, "/", &desktop, "inbox.png").await;
    picture(&browser, &server, &refund, &desktop, "detail.png").await;
    picture(&browser, &server, &refund, &phone, "phone.png").await;
    browser.close().await;
}

fn asks() -> Vec<Ask> {
    let base = |agent: &str, rule: &str, summary: &str, risk: Risk| Ask {
        agent: agent.to_owned(),
        rule: rule.to_owned(),
        summary: summary.to_owned(),
        risk,
        ..Ask::default()
    };
    vec![
        Ask {
            method: "DELETE",
            host: "10-0-0-7.k8s.example",
            path: "/api/v1/namespaces/staging".to_owned(),
            body: vec![],
            matched: vec![("path", "/api/v1/namespaces/staging".to_owned())],
            owners: vec!["erin"],
            ..base("deployer", "kubernetes/delete-namespace", "Delete the namespace staging with all that is in it", Risk::High)
        },
        Ask {
            method: "PUT",
            host: "api.github.com",
            path: "/repos/acme/site/pulls/214/merge".to_owned(),
            owners: vec!["erin"],
            ..base("docs-writer", "github/merge", "Merge pull request 214 into acme/site", Risk::Medium)
        },
        Ask {
            method: "DELETE",
            host: "api.github.com",
            path: "/repos/acme/billing".to_owned(),
            body: vec![],
            owners: vec!["dana", "erin"],
            matched: vec![("method", "DELETE".to_owned()), ("path", "/repos/acme/billing".to_owned())],
            review: ReviewPolicy { approvals: 2, ..ReviewPolicy::default() },
            ..base("cleanup-bot", "github/delete-repository", "Delete the repository acme/billing", Risk::Critical)
        },
        Ask {
            host: "slack.com",
            path: "/api/chat.postMessage".to_owned(),
            owners: vec!["erin"],
            ..base("release-notes", "slack/post-to-everybody", "Post a message to #general, which everybody reads", Risk::Low)
        },
        Ask {
            risk: Risk::High,
            body: br#"{"charge":"ch_3PqLk2eZvKYlo2C1","amount":120000,"currency":"usd","reason":"requested_by_customer","metadata":{"ticket":"SUP-4411","customer":"cus_9Zk2"}}"#.to_vec(),
            words: AgentWords {
                reason: Some("The customer wrote in ticket SUP-4411 that the order never arrived.".to_owned()),
                session: Some("support-2026-11-20-17".to_owned()),
                traceparent: None,
            },
            ..Ask::default()
        },
    ]
}
