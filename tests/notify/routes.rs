//! Routes, escalation and on-call, as a channel hears of them: here a workflow, which is a POST to the test.

use super::receiver::{Came, Receiver};
use super::{Scene, support::soon};
use serde_json::{Value, json};

const TAGGED: &str = r#"
pack: test
rules:
  - id: held
    when: { path: "/held/**" }
    verdict: hold
    why: The test says so.
    examples:
      hold: [ "POST https://api.test/held/x" ]
      pass: [ "POST https://api.test/echo" ]
  - id: grave
    when: { path: "/grave/**" }
    verdict: hold
    risk: critical
    why: The test says so.
    examples:
      hold: [ "POST https://api.test/grave/x" ]
      pass: [ "POST https://api.test/echo" ]
"#;

fn workflow(receiver: &Receiver) -> Value {
    json!({ "workflow": receiver.url("/flow?sig=hush") })
}

/// What was posted names this.
fn says(came: &Came, text: &str) -> bool {
    String::from_utf8_lossy(&came.body).contains(text)
}

#[tokio::test]
async fn the_first_route_that_covers_is_told_and_nobody_else() {
    let (security, ops) = (Receiver::new().await, Receiver::new().await);
    let scene = Scene::with(|setup| {
        setup
            .rules(TAGGED)
            .set("/channels", json!({ "security": workflow(&security), "ops": workflow(&ops) }))
            .set(
                "/routes",
                json!([
                    { "name": "grave", "risk": "high", "notify": ["security"] },
                    { "rules": ["test/*"], "agents": ["local"], "notify": ["ops"] },
                ]),
            )
    })
    .await;
    let _grave = scene.park("/grave/x", "a").await;
    let grave = scene.alice.wait_pending().await["id"].as_str().unwrap().to_owned();
    let _held = scene.park("/held/x", "a").await;
    let held = scene.alice.wait("two holds", |all| (all.len() == 2).then(|| all.to_vec())).await;
    let held =
        held.iter().find(|hold| hold["id"] != grave.as_str()).unwrap()["id"].as_str().unwrap().to_owned();
    let (at_security, at_ops) = (security.count(1).await, ops.count(1).await);
    assert!(says(&at_security[0], &grave) && !says(&at_security[0], &held));
    assert!(says(&at_ops[0], &held) && !says(&at_ops[0], &grave));
    // Nothing is on its way to the other one: the log of deliveries has one card for each.
    for hold in [&grave, &held] {
        assert_eq!(scene.deliveries(&format!("?hold={hold}")).await.len(), 1);
    }
    let explained = scene.holdpoint.cli_json(&["routes", "explain", &grave, "--json"]).await;
    assert_eq!(explained["route"], "grave");
    assert_eq!(explained["plan"][0]["channel"], "security");
    let made_up = ["routes", "explain", "--rule", "other/x", "--risk", "low", "--agent", "ci"];
    let output = scene.holdpoint.cli(&made_up).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("No route covers it: every channel is told.\n"), "{text}");
}

#[tokio::test]
async fn a_hold_that_nobody_decides_goes_to_the_next_ones() {
    let (first, next) = (Receiver::new().await, Receiver::new().await);
    let scene = Scene::with(|setup| {
        setup.set("/channels", json!({ "first": workflow(&first), "next": workflow(&next) })).set(
            "/routes",
            json!([{
                "notify": ["first"],
                "escalate": [
                    { "after": "250ms", "groups": ["leads"] },
                    { "after": "300ms", "notify": ["next"], "groups": ["bosses"] },
                    { "after": "1h", "notify": ["next"] },
                ],
            }]),
        )
    })
    .await;
    let _wire = scene.park("/held/x", "a").await;
    let hold = scene.alice.wait_pending().await;
    let id = hold["id"].as_str().unwrap();
    let at_first = first.count(2).await;
    assert!(says(&at_first[0], id) && says(&at_first[1], "Calls on: leads."), "a card, then a reminder");
    let at_next = next.count(2).await;
    assert!(says(&at_next[0], id) && says(&at_next[1], "Calls on: bosses."), "a card, and who is called");
    // The last step waits for its hour.
    scene
        .until("the last step alone", &format!("?hold={id}&state=waiting"), |all| {
            (all.len() == 1).then_some(())
        })
        .await;
    assert_eq!(scene.alice.deny(&hold, "no").await.status, 200);
}

#[tokio::test]
async fn decided_holds_do_not_escalate_also_after_a_restart() {
    let (first, next) = (Receiver::new().await, Receiver::new().await);
    let mut scene = Scene::with(|setup| {
        setup.set("/channels", json!({ "first": workflow(&first), "next": workflow(&next) })).set(
            "/routes",
            json!([{ "notify": ["first"], "escalate": [{ "after": "3s", "notify": ["next"], "groups": ["leads"] }] }]),
        )
    })
    .await;
    let _wire = scene.park("/held/x", "a").await;
    let hold = scene.alice.wait_pending().await;
    let id = hold["id"].as_str().unwrap().to_owned();
    first.count(1).await;
    assert_eq!(scene.alice.deny(&hold, "no").await.status, 200);
    scene.holdpoint.kill().await;
    scene.start_again().await;
    let over = scene
        .until("the escalation to be over", &format!("?hold={id}&state=done"), |all| {
            let escalated: Vec<Value> = all.iter().filter(|one| one["channel"] == "next").cloned().collect();
            (escalated.len() == 2).then_some(escalated)
        })
        .await;
    for one in &over {
        let answer = one["answer"].as_str().unwrap();
        assert!(["decided before anybody was told", "decided in time"].contains(&answer), "{one}");
    }
    assert!(next.came().is_empty());
}

#[tokio::test]
async fn who_is_on_call_is_called_by_file_and_by_service() {
    let (channel, service) = (Receiver::new().await, Receiver::new().await);
    let user = json!({ "summary": "Ada Lovelace", "email": "ada@acme.example" });
    service.otherwise(200, &json!({ "oncalls": [{ "user": user }, { "user": user }] }).to_string());
    let opsgenie = Receiver::new().await;
    opsgenie.otherwise(200, r#"{"data":{"onCallRecipients":["grace@acme.example"]}}"#);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("oncall.yaml");
    std::fs::write(
        &file,
        "zone: Europe/Berlin\nstarts: 2026-01-05T09:00\nevery: 7\nturns: [{ name: Platform, group: platform-oncall }]\n",
    )
    .unwrap();
    let scene = Scene::with(|setup| {
        setup
            .set("/channels", json!({ "ops": workflow(&channel) }))
            .set(
                "/on-call",
                json!({
                    "file": { "file": file },
                    "pd": { "pagerduty": "P1", "token": "hush", "url": service.url("/api") },
                    "og": { "opsgenie": "ops", "token": "hush", "url": opsgenie.url("") },
                }),
            )
            .set(
                "/routes",
                json!([{ "notify": ["ops"], "groups": ["web"], "on-call": ["file", "pd", "og"] }]),
            )
    })
    .await;
    let _wire = scene.park("/held/x", "a").await;
    let came = channel.count(2).await;
    let calls = "waits for a decision. Calls on: web, Platform, Ada Lovelace, grace@acme.example.";
    assert!(says(&came[1], calls), "{}", String::from_utf8_lossy(&came[1].body));
    let asked = service.came();
    assert_eq!(asked[0].header("authorization"), "Token token=hush");
    assert_eq!(opsgenie.came()[0].header("authorization"), "GenieKey hush");
    assert!(asked.len() <= 2, "the answer is good for a while");

    // A service that is down keeps nobody from being told.
    std::fs::write(&file, "not a rotation").unwrap();
    let _other = scene.park("/held/other", "b").await;
    let came = channel.count(4).await;
    assert!(
        came.iter().any(|one| says(one, "whoever is on call (file)")),
        "the message says what is not known"
    );
}

#[tokio::test]
async fn a_channel_that_nobody_serves_is_a_failure_that_the_ledger_has() {
    let scene = Scene::with(|setup| {
        let url = "http://127.0.0.1:9/";
        setup.set("/channels", json!({ "flow": { "workflow": url }, "lost": { "teams": "19:x" } }))
    })
    .await;
    let _wire = scene.park("/held/x", "a").await;
    soon("the failure in the ledger", async {
        loop {
            let ledger = scene.holdpoint.ledger().await;
            let failed =
                |row: &&Value| row["event"] == "delivery.failed" && row["detail"]["channel"] == "lost";
            if ledger.iter().any(|row| failed(&row)) {
                return;
            }
        }
    })
    .await;
}
