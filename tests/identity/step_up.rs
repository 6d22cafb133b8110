//! Rules that ask for a fresh, strong login.

use super::support::idp::Lies;
use super::{Scene, json};

#[tokio::test]
async fn a_strong_rule_takes_a_strong_login() {
    let scene = Scene::new().await;
    scene.idp.signed_in_seconds_ago(3600);
    let mut browser = scene.signed_in().await;
    let (mut wire, hold) = scene.park("/strong/x").await;
    let id = hold["id"].as_str().unwrap();
    let refused = browser.approve(&hold).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("fresh, strong login"), "{}", refused.text());
    assert!(scene.noted("hold.vote-refused", "strong login").await);
    scene.origin.assert_untouched();

    let page = browser.get(&format!("/holds/{id}")).await.text();
    let (_, rest) = page.split_once("id=\"again\" href=\"").expect("the way to sign in again");
    let again = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    assert!(again.starts_with("/login/oidc?why=approve"), "{again}");
    let before = browser.session().unwrap().to_owned();
    scene.idp.lie(Lies { obeys_acr: true, ..Lies::default() });
    let back = browser.sign_in(&again).await;
    let asked = scene.idp.asked();
    assert_eq!(
        (asked["prompt"].as_str(), asked["max_age"].as_str(), asked["acr_values"].as_str()),
        ("login", "300", "phr")
    );
    assert!(back.text().contains(&format!("url=/holds/{id}\"")), "{}", back.text());
    assert_ne!(browser.session(), Some(before.as_str()), "the session is a new one");

    let voted = browser.approve(&hold).await;
    assert_eq!(voted.status, 303, "{}", voted.text());
    assert_eq!(wire.reply().await.status, 200);
    assert!(scene.noted("hold.voted", "\"high\"").await);
}

/// `acr_values` is a wish: a provider may leave it unheard, and say nothing.
#[tokio::test]
async fn silence_about_the_strength_is_weakness() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in().await;
    let (_wire, hold) = scene.park("/strong/x").await;
    for (claims, said) in [
        (json!({}), "says none"),
        (json!({ "acr": "1fa" }), "says `1fa`"),
        (json!({ "acr": "phr", "auth_time": null }), "auth_time"),
        (json!({ "acr": "phr", "auth_time": 1 }), "too old"),
    ] {
        scene.idp.lie(Lies { claims: claims.clone(), ..Lies::default() });
        let page = browser.sign_in("/login/oidc?why=approve&next=%2Faccount").await;
        assert_eq!(page.status, 403, "{claims}");
        assert!(
            page.text().contains("not strongly enough") && page.text().contains(said),
            "{claims}: {}",
            page.text()
        );
        let refused = browser.approve(&hold).await;
        assert_eq!(refused.status, 403, "{claims}");
    }
    scene.origin.assert_untouched();
}

/// Who has just signed in is asked only for what was missing.
#[tokio::test]
async fn a_fresh_login_is_not_asked_for_the_password_again() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in().await;
    browser.begin("/login/oidc?why=approve").await;
    let provider = browser.begin("/login/oidc?why=approve").await;
    browser.at_provider(&provider).await;
    let asked = scene.idp.asked();
    assert_eq!((asked.get("prompt"), asked["acr_values"].as_str()), (None, "phr"));
}

#[tokio::test]
async fn callers_of_the_api_are_told_what_to_come_back_with() {
    let scene = Scene::new().await;
    let reviewer = scene.holdpoint.reviewer("carol", &["oncall"]).await;
    let (_wire, hold) = scene.park("/strong/x").await;
    let reply = reviewer.approve(&hold).await;
    assert_eq!(reply.status, 401);
    let challenge = reply.field("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer error=\"insufficient_user_authentication\""), "{challenge}");
    assert!(challenge.contains("acr_values=\"phr\"") && challenge.contains("max_age=\"300\""), "{challenge}");
    assert_eq!(reply.json()["type"], "urn:holdpoint:problem:step-up");
    scene.origin.assert_untouched();
}
