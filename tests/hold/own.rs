//! What an agent learns about itself: `http://holdpoint.internal/`, through the proxy.

use super::support::{Reply, Wire};
use super::{Scene, held};
use serde_json::json;

async fn own(scene: &Scene, credentials: &str, method: &str, target: &str, fields: &str) -> Reply {
    let request = format!(
        "{method} http://holdpoint.internal{target} HTTP/1.1\r\nHost: holdpoint.internal\r\n{credentials}{fields}\r\n"
    );
    Wire::plain(scene.holdpoint.listen).await.ask(request).await
}

#[tokio::test]
async fn a_manifest_and_ones_own_holds_and_nothing_else() {
    let scene = Scene::with(|setup| setup.set("/hold/patience", json!("0s"))).await;
    let one = scene.holdpoint.agent("one", &["olga"]).await;
    let two = scene.holdpoint.agent("two", &["olga"]).await;
    let manifest = own(&scene, &one, "GET", "/", "").await;
    assert_eq!(manifest.status, 200);
    assert!(manifest.text().contains("/holds/"), "{}", manifest.text());

    assert_eq!(scene.wire_as(&one).await.ask(held("x")).await.status, 428);
    let hold = scene.alice.wait_pending().await;
    let target = format!("/holds/{}", hold["id"].as_str().unwrap());
    let mine = own(&scene, &one, "GET", &target, "").await;
    assert_eq!((mine.status, &mine.json()["state"]), (200, &json!("pending")));
    assert_eq!(mine.json()["id"], hold["id"]);

    assert_eq!(own(&scene, &two, "GET", &target, "").await.status, 404, "another agent's");
    assert_eq!(own(&scene, "", "GET", &target, "").await.status, 404, "another agent's");
    assert_eq!(own(&scene, &one, "GET", "/holds/hp_000000000000", "").await.status, 404);
    assert_eq!(own(&scene, &one, "GET", "/holds", "").await.status, 404);
    assert_eq!(own(&scene, &one, "GET", "/v1/holds", "").await.status, 404);
    for method in ["POST", "DELETE", "PUT"] {
        let status = own(&scene, &one, method, &target, "Content-Length: 0\r\n").await.status;
        assert!([404, 405].contains(&status), "{method}: {status}");
    }
    let vote = own(&scene, &one, "POST", &format!("{target}/votes"), "Content-Length: 0\r\n").await.status;
    assert!([404, 405].contains(&vote), "{vote}");
}

#[tokio::test]
async fn waiting_for_a_review_returns_with_the_decision() {
    let scene = Scene::with(|setup| setup.set("/hold/patience", json!("0s"))).await;
    assert_eq!(scene.ask("x").await.status, 428);
    let hold = scene.alice.wait_pending().await;
    let target = format!("/holds/{}", hold["id"].as_str().unwrap());
    let (waited, vote) = tokio::join!(
        own(&scene, "", "GET", &target, "Prefer: wait=25\r\n"),
        scene.alice.deny(&hold, "not now")
    );
    assert_eq!(vote.status, 200);
    assert_eq!((&waited.json()["state"], waited.text().contains("not now")), (&json!("denied"), true));
}
