//! Deciding in Microsoft Teams, end to end: an agent's request on one side of the real binary, signed activities and
//! the Bot Connector on the other.

#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod cards;
mod decide;
mod doors;
mod official;
mod people;
mod workflow;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use support::teams::{CHANNEL, Message, TENANT, Teams};
use support::{Holdpoint, Origin, Reply, Reviewer, Setup, TestAuthority, Wire, soon};

/// A Holdpoint whose one channel is in Teams; ada reviews there, and alice by API.
struct Scene {
    teams: Teams,
    origin: Origin,
    holdpoint: Holdpoint,
    alice: Reviewer,
    /// Sends as the agent `bot`, whose owner is olga.
    agent: String,
    ada: Value,
}

impl Scene {
    async fn new() -> Self {
        Self::with(&rule("{}"), |setup| setup).await
    }

    async fn reviewed(review: &str) -> Self {
        Self::with(&rule(review), |setup| setup).await
    }

    async fn with(rules: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        let teams = Teams::start().await;
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls_h1(&authority, &["api.test"]).await;
        let setup = Setup::new()
            .trust(&authority)
            .origin("api.test:443", &origin)
            .rules(rules)
            .set("/solo", json!(false))
            .set("/control", json!({ "listen": "127.0.0.1:0", "url": "https://holds.example.com" }))
            .set("/channels", json!({ "ops": { "teams": CHANNEL } }))
            .set("/teams", teams.config());
        let holdpoint = change(setup).start().await;
        let alice = holdpoint.reviewer("alice", &["security"]).await;
        holdpoint.reviewer("olga", &[]).await;
        let agent = holdpoint.agent("bot", &["olga"]).await;
        holdpoint.reviewer("ada", &["security"]).await;
        let ada = teams.person("ada-object");
        let scene = Self { teams, origin, holdpoint, alice, agent, ada };
        scene.link("ada-object", "ada").await;
        scene
    }

    /// Says whose an account of Teams is, as a login with the identity provider does.
    async fn link(&self, object: &str, person: &str) {
        let mut database = self.database().await;
        sqlx::query("INSERT INTO accounts (account, person, how, linked_at) VALUES (?, ?, 'attribute', 0)")
            .bind(format!("teams:{TENANT}/{object}"))
            .bind(person)
            .execute(&mut database)
            .await
            .expect("a link");
    }

    /// Makes a reviewer who has an account in Teams.
    async fn person(&self, name: &str, groups: &[&str]) -> Value {
        self.holdpoint.reviewer(name, groups).await;
        let object = format!("{name}-object");
        self.link(&object, name).await;
        self.teams.person(&object)
    }

    /// A request that is held, on a connection of its own.
    async fn park(&self, path: &str, body: &str) -> Wire {
        let Self { holdpoint, agent, .. } = self;
        let mut wire = Wire::tunnel_as(holdpoint.listen, "api.test:443", "api.test", &holdpoint.ca, agent)
            .await
            .expect("a tunnel");
        let length = body.len();
        wire.send(format!(
            "POST {path} HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await;
        wire
    }

    /// Parks and waits for the card.
    async fn parked(&self) -> (Wire, Message) {
        let wire = self.park("/held/things", r#"{"amount":120000}"#).await;
        (wire, self.card().await)
    }

    /// Waits for the card, and until its buttons count: no hand is as fast as a test.
    async fn card(&self) -> Message {
        let message = self.teams.wait_message().await;
        let mut database = self.database().await;
        soon("the card to be kept", async {
            let kept = "SELECT count(*) FROM cards";
            while sqlx::query_scalar::<_, i64>(kept).fetch_one(&mut database).await.expect("a count") == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        message
    }

    async fn database(&self) -> SqliteConnection {
        let file = self.holdpoint.data.join("holdpoint.db");
        SqliteConnectOptions::new().filename(file).connect().await.expect("the database")
    }

    /// Presses a button, and returns what whoever pressed it gets to see.
    async fn press(&self, message: &Message, title: &str, from: &Value) -> Value {
        self.press_with(message, title, None, from).await
    }

    async fn press_with(&self, message: &Message, title: &str, reason: Option<&str>, from: &Value) -> Value {
        let activity = self.teams.press(message, title, 0, reason, from);
        self.answered(&activity).await
    }

    /// The card that a sound call is answered with.
    async fn answered(&self, activity: &Value) -> Value {
        let reply = self.call(activity).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = reply.json();
        assert_eq!(answer["statusCode"], 200, "{answer}");
        assert_eq!(answer["type"], "application/vnd.microsoft.card.adaptive");
        answer["value"].clone()
    }

    async fn call(&self, activity: &Value) -> Reply {
        self.teams.call(self.holdpoint.control, activity).await
    }

    async fn hold_id(&self) -> String {
        self.alice.wait_pending().await["id"].as_str().expect("an id").to_owned()
    }

    /// What the ledger says of votes that were refused.
    async fn refusals(&self) -> Vec<Value> {
        let rows = self.holdpoint.ledger().await;
        rows.into_iter().filter(|row| row["event"] == "hold.vote-refused").collect()
    }
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
