//! Deciding in Slack, through the real binary and a fake Slack that the official SDKs agree with.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod cards;
mod decide;
mod http;
mod refuse;
mod sdk;
mod setup;
mod sockets;

use serde_json::{Value, json};
use support::slack::{CHANNEL, FakeSlack, Posted, all_text};
use support::{Holdpoint, Origin, Reply, Reviewer, Setup, TestAuthority, Wire, soon};

/// A Holdpoint beside a Slack, the origin `api.test`, the agent `ci` of olga, and alice and bob, who review.
struct Scene {
    slack: FakeSlack,
    origin: Origin,
    holdpoint: Holdpoint,
    alice: Reviewer,
    agent: String,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::beside(|setup, _| change(setup)).await
    }

    async fn beside(change: impl FnOnce(Setup, &FakeSlack) -> Setup) -> Self {
        let slack = FakeSlack::start().await;
        for user in ["UALICE", "UBOB", "UOLGA", "UMALLORY"] {
            slack.user(user, json!({}));
        }
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls_h1(&authority, &["api.test"]).await;
        let setup = Setup::new()
            .trust(&authority)
            .origin("api.test:443", &origin)
            .set("/solo", json!(false))
            .set("/slack", slack.config())
            .set("/channels", json!({ "security": { "slack": CHANNEL } }));
        let holdpoint = change(setup, &slack).start().await;
        let alice = holdpoint.reviewer("alice", &["security"]).await;
        holdpoint.reviewer("bob", &["security"]).await;
        holdpoint.reviewer("olga", &["security"]).await;
        let agent = holdpoint.agent("ci", &["olga"]).await;
        Self { slack, origin, holdpoint, alice, agent }
    }

    /// A held request on its way: sent, not yet answered.
    async fn park(&self, body: &str) -> Wire {
        self.send("/held/things", "", body).await
    }

    async fn send(&self, target: &str, fields: &str, body: &str) -> Wire {
        let listen = self.holdpoint.listen;
        let wire = Wire::tunnel_as(listen, "api.test:443", "api.test", &self.holdpoint.ca, &self.agent).await;
        let mut wire = wire.expect("a tunnel");
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: api.test\r\n{fields}Content-Type: text/plain\r\n");
        wire.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
        wire
    }

    /// Makes a Slack account a reviewer's, as they do it: click, follow the link in the message, sign in, confirm.
    async fn link(&self, user: &str, name: &str) {
        let card = self.slack.first_card().await;
        self.slack.press(user, &card, "Approve").await;
        assert!(self.slack.told(user).await.contains("I have sent you a link"));
        let direct = self.invitation(user).await;
        let page = link_in(&direct.blocks);
        self.follow(&page, name).await;
    }

    async fn invitation(&self, user: &str) -> Posted {
        let direct = format!("D{user}");
        self.slack.wait("an invitation", |all| all.iter().rev().find(|p| p.channel == direct).cloned()).await
    }

    /// Signs in as a local account and confirms the link.
    async fn follow(&self, page: &str, name: &str) {
        let control = self.holdpoint.control;
        let linked = self.holdpoint.cli_json(&["reviewers", "link", name, "--json"]).await;
        let link = linked["link"].as_str().or(linked["url"].as_str()).expect("a link");
        let secret = link.split("link=").nth(1).expect("a secret").to_owned();
        let form = |target: &str, cookie: &str, body: &str| {
            format!(
                "POST {target} HTTP/1.1\r\nHost: {control}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        };
        let login =
            Wire::plain(control).await.ask(form("/login", "", &format!("link={secret}&next=/"))).await;
        let cookie = login.field("set-cookie").expect("a session").split(';').next().unwrap().to_owned();
        let target =
            page.split_once("/link").map(|(_, rest)| format!("/link{rest}")).expect("a page of ours");
        let ask = format!(
            "GET {target} HTTP/1.1\r\nHost: {control}\r\nCookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n"
        );
        let asked = Wire::plain(control).await.ask(ask).await.text();
        let field = |name: &str| {
            let (_, rest) = asked.split_once(&format!("name=\"{name}\" value=\"")).expect("a field");
            rest.split('"').next().unwrap().to_owned()
        };
        let body = format!("csrf={}&ticket={}", field("csrf"), field("ticket"));
        let done = Wire::plain(control).await.ask(form("/link", &cookie, &body)).await;
        assert!(done.text().contains("account is linked"), "{}", done.text());
    }

    /// Ledger rows of one kind.
    async fn ledger(&self, kind: &str) -> Vec<Value> {
        let rows = self.holdpoint.ledger().await;
        rows.into_iter().filter(|row| row["event"] == kind).collect()
    }

    async fn refusals(&self) -> String {
        json!(self.ledger("hold.vote-refused").await).to_string()
    }
}

/// The address in a message.
fn link_in(blocks: &Value) -> String {
    fn find(value: &Value) -> Option<String> {
        match value {
            Value::Object(entries) if entries.get("type").is_some_and(|kind| kind == "link") => {
                entries["url"].as_str().map(str::to_owned)
            }
            Value::Object(entries) => entries.values().find_map(find),
            Value::Array(items) => items.iter().find_map(find),
            _ => None,
        }
    }
    find(blocks).unwrap_or_else(|| panic!("no link in {blocks}"))
}

/// The answer to a parked request.
async fn answer(mut wire: Wire) -> Reply {
    soon("the answer to the agent", wire.reply()).await
}

fn hold_of(card: &Posted) -> String {
    let text = all_text(&card.blocks);
    let at = text.find("hp_").expect("the card names its hold");
    text.get(at..at + 15).expect("a hold's id").to_owned()
}

fn rule(review: &str) -> String {
    format!(
        r#"
pack: test
rules:
  - id: held
    when: {{ path: "/held/**" }}
    verdict: hold
    why: The test says so.
    review: {review}
    examples:
      hold: [ "POST https://api.test/held/x" ]
      pass: [ "POST https://api.test/echo" ]
"#
    )
}
