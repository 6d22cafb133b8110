//! The pages in real Chromium, with and without JavaScript.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../review/fixture.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the review test; each uses its own part")]
mod fixture;
mod pictures;

use fantoccini::{Client, ClientBuilder, Locator};
use fixture::{Ask, EVENT_WAIT_MAX, Server, Setup};
use holdpoint::desk::Outcome;
use holdpoint::hold::HoldState;
use holdpoint::ruling::Risk;
use serde_json::json;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A browser of its own for each test. The driver dies with it.
struct Browser {
    client: Client,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start(script: bool) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("the browser test needs `chromedriver` on the path (apt-get install chromium chromium-driver): {error}")
            });
        let port = port(&mut driver).await;
        let profile = tempfile::tempdir().unwrap();
        let mut options = json!({ "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--window-size=1280,900", "--no-proxy-server",
            format!("--user-data-dir={}", profile.path().display()),
        ] });
        if !script {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let client = ClientBuilder::new(connector)
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts (apt-get install chromium)");
        Self { client, driver, _profile: profile }
    }

    /// Logs in as a person does: opens the link, clicks the button.
    async fn login(&self, server: &Server, name: &str) {
        server.reviewer(name, &[]).await;
        let link = server.reviewers.login_link(name).await.unwrap();
        self.client.goto(&server.url(&format!("/login?link={link}"))).await.unwrap();
        self.click("button.primary").await;
        self.find("#list").await;
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

    async fn close(mut self) {
        let _ = self.client.close().await;
        let _ = self.driver.kill().await;
    }
}

/// The port that the driver says it listens on.
async fn port(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let said = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                return port.trim_end_matches('.').parse().unwrap();
            }
        }
        panic!("chromedriver ended before it listened");
    };
    tokio::time::timeout(EVENT_WAIT_MAX, said).await.expect("chromedriver starts")
}

async fn state(server: &Server, waiter: &holdpoint::desk::Waiter) -> HoldState {
    server.desk.hold(waiter.id()).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_new_hold_appears_by_itself_and_a_click_releases_it() {
    let server = Server::start().await;
    let browser = Browser::start(true).await;
    browser.login(&server, "bob").await;
    browser.find("#live:not([hidden])").await; // it listens
    browser.client.execute("window.notReloaded = true", vec![]).await.unwrap();
    let waiter = server.park(Ask { risk: Risk::High, ..Ask::default() }).await;
    let card = format!("a.card[href='/holds/{}']", waiter.id());
    browser.find(&card).await;
    let kept = browser.client.execute("return window.notReloaded === true", vec![]).await.unwrap();
    assert_eq!(kept, json!(true), "the page was not loaded again");

    browser.click(&card).await;
    assert_eq!(browser.text("h1").await, "Refund 1,200.00 of charge ch_3PqL in Stripe");
    assert!(browser.text("#decide").await.contains("The client is waiting"));
    assert!(browser.text(".l.marked").await.contains("120000"), "the matched field is marked");
    browser.click("input[name='read'][type='checkbox']").await;
    let (outcome, ()) = tokio::join!(waiter.outcome(EVENT_WAIT_MAX), browser.click("#approve"));
    match outcome {
        Outcome::Released(release) => release.answered(204),
        other => panic!("{other:?}"),
    }
    browser.find("#state.state-released").await;
    browser.close().await;
}

#[tokio::test]
async fn a_denial_goes_back_with_its_reason_by_keys_alone() {
    let server = Server::start().await;
    let waiter = server.park(Ask::default()).await;
    let browser = Browser::start(true).await;
    browser.login(&server, "bob").await;
    browser.find(".js body").await;
    let keys =
        async |keys: &str| browser.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    keys("j").await;
    keys("\u{e007}").await; // Enter
    browser.find("#decide").await;
    browser.find(".js body").await;
    keys("d").await;
    let (outcome, ()) =
        tokio::join!(waiter.outcome(EVENT_WAIT_MAX), keys("Wrong customer, ask finance.\u{e007}"));
    match outcome {
        Outcome::Denied { reason } => assert_eq!(reason.as_deref(), Some("Wrong customer, ask finance.")),
        other => panic!("{other:?}"),
    }
    browser.find("#state.state-denied").await;
    assert!(browser.text("#decide").await.contains("Wrong customer"));
    browser.close().await;
}

#[tokio::test]
async fn a_hold_that_expires_while_the_page_is_open_can_no_longer_be_approved() {
    let server = Server::with(Setup { expires: Duration::from_secs(8), ..Setup::default() }).await;
    let browser = Browser::start(true).await;
    browser.login(&server, "bob").await;
    let waiter = server.park(Ask::default()).await;
    browser.client.goto(&server.url(&format!("/holds/{}", waiter.id()))).await.unwrap();
    browser.find("#state.state-expired").await;
    assert!(browser.client.find(Locator::Css("#approve")).await.is_err(), "the button has gone");
    assert_eq!(state(&server, &waiter).await, HoldState::Expired);
    browser.close().await;
}

#[tokio::test]
async fn a_stale_page_approves_nothing() {
    let server = Server::start().await;
    let browser = Browser::start(true).await;
    browser.login(&server, "bob").await;
    let waiter = server.park(Ask::default()).await;
    browser.client.goto(&server.url(&format!("/holds/{}", waiter.id()))).await.unwrap();
    browser.find("#approve").await;
    // In one go: an event that comes in between would draw the form anew.
    let approve_another = "document.querySelector('#approve-form [name=digest]').value = 'sha256:' + '0'.repeat(64); \
                           document.querySelector('#approve').click()";
    browser.client.execute(approve_another, vec![]).await.unwrap();
    let notice = browser.text(".notice.bad").await;
    assert!(notice.contains("changed since the page was loaded"), "{notice}");
    assert_eq!(state(&server, &waiter).await, HoldState::Pending);
    browser.close().await;
}

#[tokio::test]
async fn without_javascript_a_person_can_still_approve() {
    let server = Server::start().await;
    let waiter = server.park(Ask { risk: Risk::Critical, ..Ask::default() }).await;
    let browser = Browser::start(false).await;
    browser.login(&server, "bob").await;
    assert!(browser.client.find(Locator::Css("html.js")).await.is_err(), "no script ran");
    browser.click("a.card").await;
    browser.find("#approve").await;
    browser.click("#approve").await; // the box is not ticked: the browser itself keeps the form back
    assert_eq!(state(&server, &waiter).await, HoldState::Pending);
    browser.click("label[for='pane-2']").await; // the raw body
    assert!(browser.text(".pane-raw").await.contains("\"charge\":\"ch_3PqL\""));
    browser.click("input[name='read'][type='checkbox']").await;
    let (outcome, ()) = tokio::join!(waiter.outcome(EVENT_WAIT_MAX), browser.click("#approve"));
    assert!(matches!(outcome, Outcome::Released(_)), "{outcome:?}");
    browser.find("#state.state-released").await;
    browser.close().await;
}

/// As many pages as a login goes through, and some.
const NAVIGATIONS_MAX: usize = 10;
