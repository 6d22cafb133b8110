//! Who reads and who decides with an access token.

use super::Scene;
use crate::support::Reviewer;
use crate::support::signer::{Signer, in_seconds};
use serde_json::{Value, json};

#[tokio::test]
async fn a_person_decides_with_a_token_of_a_client_that_may() {
    let scene = Scene::new().await;
    let mut wire = scene.park().await;
    let alice = scene.with(json!({ "auth_time": in_seconds(-10), "acr": "phr" }));
    let hold = alice.wait_pending().await;
    let reply = alice.approve(&hold).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(wire.reply().await.status, 200);
    let vote = &reply.json()["votes"][0];
    assert_eq!(vote["person"], format!("{}|u-alice", scene.idp.issuer));
    assert_eq!((&vote["local"], &vote["groups"]), (&json!(false), &json!(["oncall"])));
    let ledger = scene.holdpoint.ledger().await;
    let voted = ledger.iter().find(|row| row["event"] == "hold.voted").unwrap();
    assert_eq!(voted["detail"]["login"]["by"], "access-token");
    assert_eq!(voted["detail"]["login"]["acr"], "phr");
    let listed = scene.holdpoint.cli_json(&["reviewers", "list", "--json"]).await;
    let known = listed["reviewers"].as_array().unwrap();
    assert_eq!((&known[0]["local"], &known[0]["display"]), (&json!(false), &json!("Alice Ito")));
}

#[tokio::test]
async fn tokens_that_only_read_never_decide_and_that_is_recorded() {
    let scene = Scene::new().await;
    let _wire = scene.park().await;
    let hold = scene.with(json!({})).wait_pending().await;
    for (claims, why) in [
        (json!({ "scope": "holds:read" }), "has not the scope `holds:decide`"),
        (json!({ "client_id": "cli-device" }), "device flow never decides"),
        (json!({ "client_id": "dashboard" }), "tokens of this client do not decide"),
        (json!({ "sub": "cli" }), "client credentials"),
        (json!({ "gty": "client-credentials", "sub": "cli@clients" }), "client credentials"),
    ] {
        let reader = scene.with(claims.clone());
        let id = hold["id"].as_str().unwrap();
        let read = reader.get(&format!("/v1/holds/{id}")).await;
        assert_eq!(read.status, 200, "{claims}: {}", read.text());
        assert_eq!(read.json()["may_approve"], false, "{claims}");
        for choice in ["approve", "deny"] {
            let reply = reader.vote(&hold, choice, None).await;
            assert_eq!(reply.status, 403, "{claims}");
            assert_eq!(reply.json()["type"], "urn:holdpoint:problem:token-reads-only");
            assert!(reply.text().contains(why), "{claims}: {}", reply.text());
        }
        for (method, path) in
            [("POST", "/v1/agents"), ("DELETE", "/v1/agents/ci"), ("DELETE", "/v1/people/x")]
        {
            assert_eq!(reader.ask(method, path, "{\"name\":\"x\"}").await.status, 403, "{claims} {path}");
        }
    }
    scene.origin.assert_untouched();
    let ledger = scene.holdpoint.ledger().await;
    let refused: Vec<_> = ledger.iter().filter(|row| row["event"] == "hold.vote-refused").collect();
    assert_eq!(refused.len(), 10);
    assert!(refused.iter().all(|row| row["subject"] == hold["id"]));
    assert_eq!(scene.with(json!({})).hold(hold["id"].as_str().unwrap()).await["state"], "pending");
}

#[tokio::test]
async fn tokens_that_are_not_for_us_are_nobodys() {
    let scene = Scene::new().await;
    let stranger = Signer::start().await;
    let forged = json!({
        "iss": scene.idp.issuer, "aud": "api://holdpoint", "client_id": "cli", "scope": "holds:decide", "sub": "u-alice",
    });
    let token = |claims: Value| scene.idp.access_token(&claims);
    for (what, token, status) in [
        ("another audience", token(json!({ "aud": "api://else" })), 401),
        ("an ID token", token(json!({ "aud": "web", "scope": null })), 401),
        ("another issuer", token(json!({ "iss": "https://idp.example" })), 401),
        ("expired", token(json!({ "exp": in_seconds(-90) })), 401),
        ("no end", token(json!({ "exp": null })), 401),
        ("no client", token(json!({ "client_id": null })), 401),
        ("two clients", token(json!({ "azp": "else" })), 401),
        ("groups of no shape", token(json!({ "groups": { "oncall": true } })), 401),
        ("a logout token", scene.idp.signer().typed("logout+jwt", &forged), 401),
        ("another key", stranger.typed("at+jwt", &forged), 401),
        ("no signature", scene.idp.signer().forged("none", &forged), 401),
        ("the public key as a secret", scene.idp.signer().forged("HS256", &forged), 401),
        ("nonsense", "a.b.c".to_owned(), 401),
        ("no scope of ours", token(json!({ "scope": "openid email" })), 403),
        ("no scope", token(json!({ "scope": null })), 403),
    ] {
        let reply = Reviewer::new(scene.holdpoint.control, &token).get("/v1/holds").await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
    }
    // Scopes as Okta and Entra write them.
    for scopes in
        [json!({ "scope": null, "scp": ["holds:read"] }), json!({ "scope": null, "scp": "x holds:decide" })]
    {
        assert_eq!(scene.with(scopes).get("/v1/holds").await.status, 200);
    }
}

#[tokio::test]
async fn roles_say_what_a_person_may() {
    let scene = Scene::new().await;
    let mut wire = scene.park().await;
    let alice = scene.with(json!({}));
    let hold = alice.wait_pending().await;
    let nobody = scene.with(json!({ "sub": "u-nobody", "name": "No Body", "groups": ["sales"] }));
    let auditor = scene.with(json!({ "sub": "u-audit", "groups": ["audit"] }));
    let admin = scene.with(json!({ "sub": "u-admin", "groups": ["admins"] }));
    for path in ["/v1/holds", "/v1/agents", "/v1/rules", "/v1/ledger", "/v1/people", "/v1/events"] {
        let refused = nobody.get(path).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(
            refused.text().contains("`sales`") && refused.text().contains("roles:"),
            "{}",
            refused.text()
        );
    }
    for path in ["/v1/holds", "/v1/agents", "/v1/rules", "/v1/ledger", "/v1/people"] {
        assert_eq!(auditor.get(path).await.status, 200, "{path}");
    }
    for undeciding in [&nobody, &auditor, &admin] {
        for choice in ["approve", "deny"] {
            assert_eq!(undeciding.vote(&hold, choice, None).await.status, 403);
        }
    }
    // Whoever signs in may enrol an agent of their own, and sees nothing else.
    let own = |name: &str| json!({ "name": name }).to_string();
    assert_eq!(nobody.ask("POST", "/v1/agents", &own("mine")).await.status, 201);
    let others = json!({ "name": "x", "owners": ["dora"] }).to_string();
    for no_admin in [&nobody, &auditor, &alice] {
        assert_eq!(no_admin.ask("POST", "/v1/agents", &others).await.status, 403);
        assert_eq!(no_admin.ask("DELETE", "/v1/agents/ci", "").await.status, 403);
        assert_eq!(no_admin.ask("DELETE", "/v1/people/dora", "").await.status, 403);
    }
    let alice_name = format!("{}|u-alice", scene.idp.issuer);
    let shared = json!({ "name": "shared", "owners": [alice_name] }).to_string();
    assert_eq!(admin.ask("POST", "/v1/agents", &shared).await.status, 201);
    let agents = auditor.get("/v1/agents").await.json();
    let shared = agents["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "shared").unwrap();
    assert_eq!(shared["owners"], json!([format!("{}|u-admin", scene.idp.issuer), alice_name]));
    assert_eq!(admin.ask("DELETE", "/v1/agents/ci", "").await.status, 204);
    // Its open hold is withdrawn and its connection closed, whichever comes first.
    let told = wire.rest().await;
    assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 403"), "{told:?}");
}

#[tokio::test]
async fn who_is_revoked_or_has_left_the_group_decides_no_more() {
    let scene = Scene::new().await;
    let _wire = scene.park().await;
    let early = scene.with(json!({ "iat": in_seconds(-50) }));
    let hold = early.wait_pending().await;
    // A newer token says that alice is no longer on call: the older one does not bring it back.
    let now = scene.with(json!({ "groups": ["sales"] }));
    assert_eq!(now.get("/v1/holds").await.status, 403);
    assert_eq!(early.get("/v1/holds").await.status, 403);
    assert_eq!(early.approve(&hold).await.status, 403);

    let bob = scene.with(json!({ "sub": "u-bob" }));
    assert_eq!(bob.get("/v1/holds").await.status, 200);
    let admin = scene.with(json!({ "sub": "u-admin", "groups": ["admins"] }));
    let path = format!(
        "/v1/people/{}",
        format!("{}|u-bob", scene.idp.issuer).replace('/', "%2F").replace('|', "%7C")
    );
    assert_eq!(admin.ask("DELETE", &path, "").await.status, 204);
    assert_eq!(bob.get("/v1/holds").await.status, 401);
    assert_eq!(bob.approve(&hold).await.status, 401);
    assert_eq!(
        scene.with(json!({ "sub": "u-bob" })).get("/v1/holds").await.status,
        401,
        "nor with a new token"
    );
}

#[tokio::test]
async fn people_of_the_provider_are_listed_and_revoked_by_whoever_keeps_the_machine() {
    let scene = Scene::new().await;
    scene.holdpoint.reviewer("root", &["admins"]).await;
    let alice = scene.with(json!({ "email": "alice@acme.test", "email_verified": true }));
    assert_eq!(alice.get("/v1/holds").await.status, 200);
    let listed = scene.holdpoint.cli(&["reviewers", "list"]).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    let name = format!("{}|u-alice", scene.idp.issuer);
    let line =
        |of: &str| listed.lines().find(|line| line.starts_with(of)).unwrap_or_else(|| panic!("{listed}"));
    assert!(
        line(&name).contains("Alice Ito <alice@acme.test>") && line(&name).contains("oncall"),
        "{listed}"
    );
    assert!(line("root").contains("local account"), "{listed}");
    // Her address names her as an owner; two of one address name nobody.
    scene.holdpoint.cli_json(&["agents", "add", "hers", "--owner", "Alice@acme.test", "--json"]).await;
    let agents = scene.holdpoint.cli_json(&["agents", "list", "--json"]).await;
    let hers = agents["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "hers").unwrap();
    assert_eq!(hers["owners"], json!([name]));
    let other = scene.with(json!({ "sub": "u-2", "email": "alice@acme.test", "email_verified": true }));
    assert_eq!(other.get("/v1/holds").await.status, 200);
    let refused = scene.holdpoint.cli(&["agents", "add", "whose", "--owner", "alice@acme.test"]).await;
    assert!(String::from_utf8(refused.stderr).unwrap().contains("several people"));

    assert!(scene.holdpoint.cli(&["reviewers", "revoke", &name]).await.status.success());
    assert!(!scene.holdpoint.cli(&["reviewers", "revoke", &name]).await.status.success(), "once");
    assert_eq!(alice.get("/v1/holds").await.status, 401);
    let ledger = scene.holdpoint.ledger().await;
    let revoked = ledger.iter().find(|row| row["event"] == "reviewer.revoked").unwrap();
    assert_eq!((&revoked["subject"], &revoked["detail"]["local"]), (&json!(name), &json!(false)));
}

#[tokio::test]
async fn groups_of_yesterday_do_not_count() {
    let scene = Scene::new().await;
    let _wire = scene.park().await;
    let hold = scene.with(json!({})).wait_pending().await;
    let old = scene.with(json!({ "sub": "u-old", "iat": in_seconds(-13 * 3600) }));
    let reply = old.approve(&hold).await;
    assert_eq!((reply.status, &reply.json()["type"]), (403, &json!("urn:holdpoint:problem:stale-groups")));
}
