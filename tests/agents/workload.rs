//! Tokens of workloads, signed by an issuer whose keys are served over HTTP.

use crate::support::signer::{Signer, in_seconds};
use crate::support::{Holdpoint, Origin, Reply, Setup, TestAuthority, Wire, soon};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A Holdpoint that trusts an issuer of GitHub's manner: jobs of `acme/site` on the main branch are `ci-site`, which
/// belongs to dora; whoever started the job is known to be ada or bob.
struct Scene {
    issuer: Signer,
    origin: Origin,
    holdpoint: Holdpoint,
}

impl Scene {
    async fn new() -> Self {
        let issuer = Signer::start().await;
        let workload = json!({
            "issuer": issuer.url,
            "audience": "holdpoint",
            "initiator-claim": "actor_id",
            "initiators": { "1": "ada", "2": "bob" },
            "agents": [
                {
                    "agent": "ci-site", "subject": "repo:acme/site:*", "claims": { "ref": "refs/heads/main" },
                    "owners": ["dora"], "labels": { "environment": "production" },
                },
                { "agent": "ci-any", "subject": "repo:acme/*" },
            ],
        });
        Self::with(issuer, workload).await
    }

    async fn with(issuer: Signer, workload: Value) -> Self {
        let authority = TestAuthority::new("Test roots");
        let origin = Origin::tls_h1(&authority, &["api.test"]).await;
        let setup = Setup::new().trust(&authority).origin("api.test:443", &origin);
        let holdpoint = setup.set("/solo", json!(false)).set("/workloads", json!([workload])).start().await;
        Self { issuer, origin, holdpoint }
    }

    /// What the proxy answers to a request for its own page: 407, or who the agent is.
    async fn knock(&self, credentials: &str) -> Reply {
        let request = format!(
            "GET http://holdpoint.internal/ HTTP/1.1\r\nHost: holdpoint.internal\r\nConnection: close\r\n{credentials}\r\n"
        );
        Wire::plain(self.holdpoint.listen).await.ask(request).await
    }

    async fn agents(&self) -> Vec<Value> {
        let listed = self.holdpoint.cli_json(&["agents", "list", "--json"]).await;
        listed["agents"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|agent| agent["name"] != "local")
            .cloned()
            .collect()
    }
}

fn basic(name: &str, token: &str) -> String {
    format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(format!("{name}:{token}")))
}

fn bearer(token: &str) -> String {
    format!("Proxy-Authorization: Bearer {token}\r\n")
}

fn job() -> Value {
    json!({
        "aud": "holdpoint", "sub": "repo:acme/site:ref:refs/heads/main", "ref": "refs/heads/main",
        "actor": "ada", "actor_id": "1",
    })
}

/// The claims of [`job`] with one of them another, or missing.
fn but(claim: &str, value: Value) -> Value {
    let mut claims = job();
    claims[claim] = value;
    claims
}

#[tokio::test]
async fn a_token_of_a_workload_is_an_agent_from_its_first_use() {
    let scene = Scene::new().await;
    assert_eq!(scene.agents().await, Vec::<Value>::new(), "nobody is enrolled before");
    let token = scene.issuer.token(&job());
    let (one, other, third) = (basic("ci-site", &token), basic("", &token), bearer(&token));
    let (a, b, c) = tokio::join!(scene.knock(&one), scene.knock(&other), scene.knock(&third));
    for reply in [a, b, c] {
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().contains("ci-site"), "{}", reply.text());
    }
    let agents = scene.agents().await;
    assert_eq!(agents.len(), 1, "{agents:?}");
    assert_eq!(agents[0]["owners"], json!(["dora"]));
    assert_eq!(agents[0]["labels"], json!({ "environment": "production" }));
    assert_eq!(agents[0]["enrolled_by"], "workload");
    assert_eq!(agents[0]["workload"], format!("{}|ci-site", scene.issuer.url));
    let ledger = scene.holdpoint.ledger().await;
    let added: Vec<_> = ledger.iter().filter(|row| row["event"] == "agent.added").collect();
    assert_eq!(added.len(), 1);
    assert!(!ledger.iter().any(|row| row.to_string().contains(&token)), "tokens are written nowhere");
    assert!(!scene.holdpoint.log().contains(&token));
}

#[tokio::test]
async fn a_token_of_others_is_nobodys() {
    let scene = Scene::new().await;
    let stranger = Signer::start().await;
    let sign = |claims: Value| scene.issuer.token(&claims);
    let refused = [
        ("another audience", sign(but("aud", json!("sts.amazonaws.com")))),
        ("no audience", sign(but("aud", Value::Null))),
        ("another issuer, by its own key", stranger.token(&job())),
        ("another issuer, by the right key", sign(but("iss", json!("https://token.actions.example")))),
        ("the right issuer, by another key", stranger.token(&but("iss", json!(scene.issuer.url)))),
        ("expired", sign(but("exp", json!(in_seconds(-60))))),
        ("no end", sign(but("exp", Value::Null))),
        ("not yet", sign(but("nbf", json!(in_seconds(120))))),
        ("another subject", sign(but("sub", json!("repo:evil/site:ref:refs/heads/main")))),
        ("a subject that begins before", sign(but("sub", json!("x-repo:acme/site:ref:refs/heads/main")))),
        ("no subject", sign(but("sub", Value::Null))),
        ("no initiator", sign(but("actor_id", Value::Null))),
        ("an initiator whom nobody knows", sign(but("actor_id", json!("666")))),
        ("no signature", scene.issuer.forged("none", &job())),
        ("the public key as a secret", scene.issuer.forged("HS256", &job())),
        ("another type of token", scene.issuer.typed("at+jwt", &job())),
    ];
    for (what, token) in refused {
        for credentials in [basic("ci-site", &token), bearer(&token)] {
            let reply = scene.knock(&credentials).await;
            assert_eq!(reply.status, 407, "{what}: {}", reply.text());
        }
    }
    let right = sign(job());
    for name in ["ci", "ci-any2", "local"] {
        assert_eq!(scene.knock(&basic(name, &right)).await.status, 407, "{name}");
    }
    assert_eq!(scene.agents().await, Vec::<Value>::new());
    // The wide entry is for all other jobs of the organisation.
    let branch = sign(but("ref", json!("refs/heads/topic")));
    assert!(scene.knock(&bearer(&branch)).await.text().contains("ci-any"));
}

#[tokio::test]
async fn nobody_takes_the_name_of_another() {
    let scene = Scene::new().await;
    let enrolled = scene.holdpoint.agent("ci-site", &["eve"]).await;
    let token = scene.issuer.token(&job());
    assert_eq!(scene.knock(&basic("ci-site", &token)).await.status, 407, "the name is somebody's");
    assert_eq!(scene.knock(&enrolled).await.status, 200);

    let token = scene.issuer.token(&but("ref", json!("refs/heads/topic")));
    assert_eq!(scene.knock(&bearer(&token)).await.status, 200);
    let rotated = scene.holdpoint.cli(&["agents", "rotate", "ci-any"]).await;
    assert!(!rotated.status.success(), "an agent of a workload has no token of ours");
    assert!(scene.holdpoint.cli(&["agents", "revoke", "ci-any"]).await.status.success());
    soon("the revoked agent to be refused", async {
        while scene.knock(&bearer(&token)).await.status != 407 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(scene.agents().await.len(), 2, "it is not enrolled again");
}

#[tokio::test]
async fn owner_and_initiator_never_approve() {
    let scene = Scene::new().await;
    let [ada, bob, dora] = [
        scene.holdpoint.reviewer("ada", &[]).await,
        scene.holdpoint.reviewer("bob", &[]).await,
        scene.holdpoint.reviewer("dora", &[]).await,
    ];
    let credentials = basic("ci-site", &scene.issuer.token(&job()));
    let Holdpoint { listen, ca, .. } = &scene.holdpoint;
    let mut wire = Wire::tunnel_as(*listen, "api.test:443", "api.test", ca, &credentials).await.unwrap();
    wire.send("POST /held/x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\nhi").await;
    let hold = bob.wait_pending().await;
    assert_eq!(hold["agent"], "ci-site");
    for excluded in [&ada, &dora] {
        let reply = excluded.approve(&hold).await;
        assert_eq!((reply.status, &reply.json()["type"]), (403, &json!("urn:holdpoint:problem:own-agent")));
    }
    scene.origin.assert_untouched();
    assert_eq!(bob.approve(&hold).await.status, 200);
    assert_eq!(wire.reply().await.status, 200);
    let ledger = scene.holdpoint.ledger().await;
    let created = ledger.iter().find(|row| row["event"] == "hold.created").unwrap();
    assert_eq!(created["detail"]["initiator"], "ada");
    assert_eq!(ledger.iter().filter(|row| row["event"] == "hold.vote-refused").count(), 2);
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let scene = Scene::new().await;
    // Clocks may differ by ten seconds: this one has some five left.
    let credentials = basic("ci-site", &scene.issuer.token(&but("exp", json!(in_seconds(-5)))));
    let Holdpoint { listen, ca, .. } = &scene.holdpoint;
    let mut wire = Wire::tunnel_as(*listen, "api.test:443", "api.test", ca, &credentials).await.unwrap();
    let get = "GET /echo HTTP/1.1\r\nHost: api.test\r\n\r\n";
    assert_eq!(wire.ask(get).await.status, 200);
    assert!(!soon("the end of the connection", wire.more()).await);
}

#[tokio::test]
async fn the_configuration_says_whose_it_is_now() {
    let mut scene = Scene::new().await;
    let token = scene.issuer.token(&job());
    assert_eq!(scene.knock(&bearer(&token)).await.status, 200);
    scene.holdpoint.stop().await;
    let file = scene.holdpoint.config_file();
    let text = std::fs::read_to_string(&file).unwrap().replace("\"dora\"", "\"dora\",\"eve\"");
    std::fs::write(&file, text).unwrap();
    scene.holdpoint.start_again().await;
    assert_eq!(scene.knock(&bearer(&token)).await.status, 200);
    let agents = scene.agents().await;
    assert_eq!((agents.len(), &agents[0]["owners"]), (1, &json!(["dora", "eve"])));
    assert!(scene.holdpoint.ledger().await.iter().any(|row| row["event"] == "agent.changed"));
}

#[tokio::test]
async fn service_accounts_and_svids_are_workloads() {
    let issuer = Signer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut key = issuer.public.clone();
    key["use"] = json!("jwt-svid");
    let bundle = folder.path().join("bundle.json");
    std::fs::write(&bundle, json!({ "keys": [key], "spiffe_sequence": 1 }).to_string()).unwrap();
    let workload = json!({
        "issuer": issuer.url, "jwks": bundle, "audience": ["holdpoint", "spiffe://acme.test/holdpoint"],
        "agents": [
            { "agent": "bot", "subject": "spiffe://acme.test/ns/*/sa/bot", "owners": ["dora"] },
            {
                "agent": "pod", "subject": "system:serviceaccount:agents:*",
                "claims": { "/kubernetes.io/namespace": "agents" },
            },
        ],
    });
    let scene = Scene::with(issuer, workload).await;
    let svid = json!({ "aud": ["spiffe://acme.test/holdpoint"], "sub": "spiffe://acme.test/ns/a/sa/bot" });
    assert!(scene.knock(&bearer(&scene.issuer.typed("JOSE", &svid))).await.text().contains("bot"));
    let pod = |namespace: &str| {
        json!({
            "aud": ["holdpoint"], "sub": "system:serviceaccount:agents:runner",
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": "runner" } },
        })
    };
    assert_eq!(scene.knock(&bearer(&scene.issuer.token(&pod("agents")))).await.status, 200);
    assert_eq!(scene.knock(&bearer(&scene.issuer.token(&pod("else")))).await.status, 407);
}

#[tokio::test]
async fn without_the_keys_nobody_gets_in() {
    let issuer = Signer::start().await;
    let workload = json!({
        "issuer": issuer.url, "jwks": "http://127.0.0.1:9/keys", "audience": "holdpoint",
        "agents": [{ "agent": "ci", "subject": "*" }],
    });
    let scene = Scene::with(issuer, workload).await;
    assert_eq!(scene.knock(&bearer(&scene.issuer.token(&job()))).await.status, 503);
}
