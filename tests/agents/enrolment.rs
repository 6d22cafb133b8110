//! Who is an owner by enrolment.

use crate::support::{Setup, soon};
use serde_json::json;

#[tokio::test]
async fn owners_are_people_that_are_known() {
    let holdpoint = Setup::new().start().await;
    let added = holdpoint.cli(&["agents", "add", "ci", "--owner", "nobody@acme.test"]).await;
    let said = String::from_utf8(added.stderr).unwrap();
    assert!(!added.status.success() && said.contains("let them sign in"), "{said}");
    // A local account may be named like an address.
    holdpoint.reviewer("nobody@acme.test", &[]).await;
    holdpoint.cli_json(&["agents", "add", "ci", "--owner", "nobody@acme.test", "--json"]).await;
    holdpoint.cli_json(&["agents", "add", "cd", "--owner", "https://idp.test|00u1", "--json"]).await;
    let listed = holdpoint.cli_json(&["agents", "list", "--json"]).await;
    let owners = |name: &str| {
        let all = listed["agents"].as_array().unwrap();
        all.iter().find(|agent| agent["name"] == name).unwrap()["owners"].clone()
    };
    assert_eq!((owners("ci"), owners("cd")), (json!(["nobody@acme.test"]), json!(["https://idp.test|00u1"])));
}

#[tokio::test]
async fn who_is_handed_the_token_is_an_owner() {
    let holdpoint = Setup::new().set("/solo", json!(false)).start().await;
    let [alice, bob] = [holdpoint.reviewer("alice", &[]).await, holdpoint.reviewer("bob", &[]).await];
    let own = json!({ "name": "own", "labels": { "environment": "staging" } }).to_string();
    let made = alice.ask("POST", "/v1/agents", &own).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(made.json()["token"].as_str().unwrap().starts_with("hpa_"));
    assert_eq!(alice.ask("POST", "/v1/agents", &own).await.status, 409);
    // Without roles nobody is an admin: agents of others are kept by whoever keeps the machine.
    let for_others = json!({ "name": "theirs", "owners": ["bob"] }).to_string();
    assert_eq!(alice.ask("POST", "/v1/agents", &for_others).await.status, 403);
    assert_eq!(bob.ask("POST", "/v1/agents/own/rotate", "").await.status, 403);
    assert_eq!(bob.ask("DELETE", "/v1/agents/own", "").await.status, 403);
    assert_eq!(bob.ask("DELETE", "/v1/people/alice", "").await.status, 403);

    let listed = bob.get("/v1/agents").await.json();
    let own = listed["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "own").unwrap();
    assert_eq!((&own["owners"], &own["enrolled_by"]), (&json!(["alice"]), &json!("alice")));
    assert_eq!(alice.ask("POST", "/v1/agents/own/rotate", "").await.status, 200);
    assert_eq!(alice.ask("DELETE", "/v1/agents/own", "").await.status, 204);
    assert_eq!(alice.ask("DELETE", "/v1/agents/own", "").await.status, 404);
    let me = soon("an answer", bob.get("/v1/me")).await.json();
    assert_eq!((&me["person"], &me["local"]), (&json!("bob"), &json!(true)));
}
