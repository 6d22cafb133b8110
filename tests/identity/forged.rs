//! A provider, or who poses as one, that says what it should not.

use super::support::Idp;
use super::support::idp::{Forgery, Lies, now};
use super::{Scene, json};

#[tokio::test]
async fn an_answer_that_is_not_right_in_every_part_signs_nobody_in() {
    let scene = Scene::new().await;
    let claims = |claims| Lies { claims, ..Lies::default() };
    let signature = |signature| Lies { signature, ..Lies::default() };
    let iss = |iss: Option<&str>| Lies { iss: Some(iss.map(str::to_owned)), ..Lies::default() };
    for (lies, said) in [
        (claims(json!({ "nonce": "another" })), "nonce"),
        (claims(json!({ "nonce": null })), "nonce"),
        (claims(json!({ "iss": "https://evil.test" })), "https://evil.test"),
        (claims(json!({ "iss": null })), "no sound `iss`"),
        (claims(json!({ "aud": "another" })), "somebody else"),
        (claims(json!({ "aud": ["holdpoint", "another"] })), "azp"),
        (claims(json!({ "azp": "another" })), "azp"),
        (claims(json!({ "exp": now() - 3600 })), "expired"),
        (claims(json!({ "exp": null })), "no sound `exp`"),
        (claims(json!({ "iat": now() + 3600 })), "not valid yet"),
        (claims(json!({ "sub": null })), "claim `sub`"),
        (claims(json!({ "sub": "two words" })), "claim `sub`"),
        (claims(json!({ "groups": { "oncall": true } })), "claim `groups`"),
        (signature(Forgery::Unsigned), "`none`"),
        (signature(Forgery::SharedSecret), "`HS256`"),
        (signature(Forgery::ForeignKey), "signature"),
        (iss(Some("https://evil.test")), "https://evil.test"),
        (iss(None), "who sent it"),
    ] {
        scene.idp.lie(lies.clone());
        let mut browser = scene.browser();
        let page = browser.sign_in("/login/oidc").await;
        let text = page.text().replace("&#39;", "'");
        assert!(page.status >= 400 && browser.session().is_none(), "{lies:?}: {}", page.status);
        assert!(text.contains("You are not signed in") && text.contains(said), "{lies:?}: {text}");
    }
    assert!(!scene.noted("reviewer.login", "u-alice").await);
}

/// Entra leaves the groups out when there are too many of them, and says so.
#[tokio::test]
async fn too_many_groups_are_not_none() {
    let scene = Scene::new().await;
    scene.idp.claim("groups", json!(null));
    scene.idp.claim("_claim_names", json!({ "groups": "src1" }));
    let mut browser = scene.browser();
    let page = browser.sign_in("/login/oidc").await;
    assert!(page.status == 502 && browser.session().is_none());
    assert!(page.text().contains("app roles"), "{}", page.text());
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_taken_up() {
    let scene = Scene::new().await;
    scene.signed_in().await;
    scene.idp.rotate("k2");
    scene.signed_in().await;
}

#[tokio::test]
async fn a_provider_must_call_itself_what_the_configuration_says() {
    let scene = Scene::new().await;
    scene.idp.lie(Lies { other_name: true, ..Lies::default() });
    let page = scene.browser().get("/login/oidc").await;
    assert_eq!(page.status, 502);
    assert!(page.text().contains("`identity.issuer` must be that"), "{}", page.text());
}

#[tokio::test]
async fn a_provider_that_is_away_signs_nobody_in() {
    let scene = Scene::new().await;
    let Scene { idp, holdpoint, .. } = scene;
    drop(idp);
    let page = super::Browser::new(holdpoint.control).get("/login/oidc").await;
    assert_eq!(page.status, 502);
    assert!(page.text().contains("cannot be reached"), "{}", page.text());
}

/// A token of another provider is worth nothing here, whatever it says.
#[tokio::test]
async fn another_provider_ends_no_session() {
    let (scene, other) = (Scene::new().await, Idp::start().await);
    let mut browser = scene.signed_in().await;
    let token = other.logout_token(&json!({ "iss": scene.idp.issuer, "sub": "u-alice" }));
    assert_eq!(browser.post("/logout/backchannel", &[("logout_token", &token)]).await.status, 400);
    assert!(browser.is_in().await);
}
