//! Who gets in, how, and as whom.

use super::support::idp::{Lies, now};
use super::{Scene, json};
use url::Url;

#[tokio::test]
async fn a_person_signs_in_and_decides() {
    let scene = Scene::new().await;
    scene.idp.claim("email", json!("alice@acme.test"));
    let mut browser = scene.browser();
    let page = browser.get("/login").await.text();
    assert!(
        page.contains("Sign in with your identity provider") && page.contains("<bdi>127.0.0.1</bdi>"),
        "{page}"
    );
    assert!(page.contains("local account"), "{page}");

    let provider = browser.begin("/login/oidc?next=%2Faccount").await;
    let asked: std::collections::HashMap<_, _> = provider.query_pairs().into_owned().collect();
    for secret in ["state", "nonce", "code_challenge"] {
        assert_eq!(asked[secret].len(), 43, "{secret}");
    }
    assert!(!asked.contains_key("prompt") && !asked.contains_key("max_age"));
    let back = browser.at_provider(&provider).await;
    let page = browser.get(&back).await;
    assert!(page.text().contains("content=\"0; url=/account\""), "{}", page.text());
    let cookie = page.field("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");

    let account = browser.get("/account").await.text();
    assert!(
        account.contains("Alice Ito") && account.contains(&format!("{}|u-alice", scene.idp.issuer)),
        "{account}"
    );
    assert!(account.contains("reviewer") && account.contains("at the identity provider"), "{account}");
    assert!(!account.contains("local account"), "{account}");

    let (mut wire, hold) = scene.park("/plain/x").await;
    let voted = browser.approve(&hold).await;
    assert_eq!(voted.status, 303, "{}", voted.text());
    assert_eq!(wire.reply().await.status, 200);
    assert_eq!(scene.origin.arrived(1).await.len(), 1);
    assert!(scene.noted("hold.voted", "u-alice").await);
    assert!(scene.noted("reviewer.login", "u-alice").await);
    let people = scene.holdpoint.ledger().await;
    assert!(
        !people.iter().any(|row| row.to_string().contains("alice@acme.test")),
        "an address is nobody's name"
    );
}

#[tokio::test]
async fn groups_are_roles_and_no_group_is_none() {
    let scene = Scene::new().await;
    for (sub, groups, status, sees) in [
        ("u-oncall", vec!["oncall"], 200, "Inbox"),
        ("u-audit", vec!["audit"], 200, "Inbox"),
        ("u-else", vec!["sales"], 403, "You have no role here"),
        ("u-none", vec![], 403, "You have no role here"),
    ] {
        scene.idp.user(sub, sub, &groups);
        let mut browser = scene.signed_in().await;
        let inbox = browser.get("/").await;
        assert_eq!(inbox.status, status, "{sub}");
        assert!(inbox.text().contains(sees), "{sub}: {}", inbox.text());
    }
    let (_wire, hold) = scene.park("/plain/x").await;
    scene.idp.user("u-audit", "u-audit", &["audit"]);
    let refused = scene.signed_in().await.approve(&hold).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(scene.noted("hold.vote-refused", "u-audit").await);
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn groups_may_be_told_at_the_userinfo_endpoint_only() {
    let scene = Scene::new().await;
    scene.idp.lie(Lies { groups_elsewhere: true, ..Lies::default() });
    let mut browser = scene.signed_in().await;
    assert!(browser.get("/account").await.text().contains("oncall"));
}

#[tokio::test]
async fn a_code_and_a_state_are_good_for_one_use() {
    let scene = Scene::new().await;
    let mut browser = scene.browser();
    let provider = browser.begin("/login/oidc").await;
    let back = browser.at_provider(&provider).await;
    assert_eq!(browser.get(&back).await.status, 200);
    let session = browser.session().unwrap().to_owned();
    let again = browser.get(&back).await;
    assert_eq!(again.status, 403);
    assert!(again.text().contains("used before or is older than ten minutes"), "{}", again.text());
    assert_eq!(browser.session(), Some(session.as_str()), "the session that there is stays");

    // The same code under a new state: the provider knows better.
    let provider = browser.begin("/login/oidc").await;
    let fresh = browser.at_provider(&provider).await;
    let of = |path: &str, name: &str| {
        let url = Url::parse(&format!("http://x{path}")).unwrap();
        url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
    };
    let mixed = fresh.replace(&of(&fresh, "code"), &of(&back, "code"));
    let refused = browser.get(&mixed).await;
    assert_eq!(refused.status, 502);
    assert!(refused.text().contains("invalid_grant"), "{}", refused.text());
}

/// Login CSRF: somebody makes the browser of another end a login that they began themselves.
#[tokio::test]
async fn a_login_ends_in_the_browser_where_it_began() {
    let scene = Scene::new().await;
    scene.idp.user("u-mallory", "Mallory", &["oncall"]);
    let mut mallory = scene.browser();
    let provider = mallory.begin("/login/oidc").await;
    let back = mallory.at_provider(&provider).await;
    let mut victim = scene.browser();
    victim.begin("/login/oidc").await; // one of their own is under way, too
    let refused = victim.get(&back).await;
    assert_eq!((refused.status, victim.session()), (403, None));
    assert!(refused.text().contains("begun in another browser"), "{}", refused.text());
    assert_eq!(mallory.get(&back).await.status, 403, "and it is spent");
}

#[tokio::test]
async fn two_tabs_may_sign_in_side_by_side() {
    let scene = Scene::new().await;
    let mut browser = scene.browser();
    let one = browser.begin("/login/oidc?next=%2Fagents").await;
    let two = browser.begin("/login/oidc?next=%2Frules").await;
    for (provider, next) in [(one, "/agents"), (two, "/rules")] {
        let back = browser.at_provider(&provider).await;
        assert!(browser.get(&back).await.text().contains(&format!("url={next}\"")));
    }
}

#[tokio::test]
async fn a_login_leads_to_pages_of_ours_only() {
    let scene = Scene::new().await;
    for next in ["https%3A%2F%2Fevil.test", "%2F%2Fevil.test", "%2F%5Cevil.test", "x"] {
        let page = scene.browser().sign_in(&format!("/login/oidc?next={next}")).await;
        assert!(page.text().contains("content=\"0; url=/\""), "{next}: {}", page.text());
    }
}

#[tokio::test]
async fn each_login_has_a_session_of_its_own_and_ends_the_one_before() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in().await;
    let mut before = scene.browser();
    before.cookies = browser.cookies.clone();
    assert!(before.is_in().await);
    browser.sign_in("/login/oidc").await;
    assert_ne!(before.session(), browser.session());
    assert!(browser.is_in().await && !before.is_in().await);
}

#[tokio::test]
async fn what_the_provider_refuses_is_said_and_shown_as_text() {
    let scene = Scene::new().await;
    scene.idp.lie(Lies { error: Some("access_denied".to_owned()), ..Lies::default() });
    let mut browser = scene.browser();
    let page = browser.sign_in("/login/oidc").await;
    assert_eq!((page.status, browser.session()), (403, None));
    let text = page.text();
    assert!(text.contains("access_denied") && text.contains("assign you to Holdpoint"), "{text}");
    assert!(!text.contains("Not <you>"), "{text}");
    for odd in [
        "/login/callback",
        "/login/callback?state=x",
        "/login/callback?state=a&state=b",
        "/login/callback?code=c",
    ] {
        assert!(browser.get(odd).await.status >= 400, "{odd}");
    }
}

#[tokio::test]
async fn a_revoked_person_is_out_and_stays_out() {
    let scene = Scene::new().await;
    let mut browser = scene.signed_in().await;
    let person = format!("{}|u-alice", scene.idp.issuer);
    let revoked = scene.holdpoint.cli(&["reviewers", "revoke", &person]).await;
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    assert!(!browser.is_in().await);
    let page = browser.sign_in("/login/oidc").await;
    assert_eq!(page.status, 403);
    assert!(page.text().contains("revoked here") && !browser.is_in().await, "{}", page.text());
}

#[tokio::test]
async fn groups_that_were_confirmed_too_long_ago_do_not_count() {
    let scene = Scene::with(|setup| setup.set("/identity/groups-fresh", json!("1h"))).await;
    // The provider says that it said so two hours ago.
    scene.idp.lie(Lies { claims: json!({ "iat": now() - 7200 }), ..Lies::default() });
    let mut browser = scene.signed_in().await;
    let (mut wire, hold) = scene.park("/plain/x").await;
    let refused = browser.approve(&hold).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("too long ago"), "{}", refused.text());
    let id = hold["id"].as_str().unwrap();
    let page = browser.get(&format!("/holds/{id}")).await.text();
    assert!(page.contains("Sign in again to approve"), "{page}");
    scene.origin.assert_untouched();

    scene.idp.lie(Lies::default());
    let back = browser.sign_in(&format!("/login/oidc?next=%2Fholds%2F{id}")).await;
    assert!(back.text().contains(&format!("url=/holds/{id}\"")), "{}", back.text());
    assert_eq!(browser.approve(&hold).await.status, 303);
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn accounts_of_one_human_are_joined_by_their_key() {
    let scene = Scene::with(|setup| setup.set("/identity/person-key", json!("employee"))).await;
    scene.idp.claim("employee", json!("4711"));
    let mut first = scene.signed_in().await;
    let owner = format!("{}|u-alice", scene.idp.issuer);
    let bot = scene.holdpoint.agent("own", &[&owner]).await;
    let scene = Scene { bot, ..scene };
    let (_wire, hold) = scene.park("/plain/x").await;
    assert!(first.approve(&hold).await.text().contains("their own agent"));
    scene.idp.user("u-alice-admin", "Alice (admin)", &["oncall"]);
    scene.idp.claim("employee", json!("4711"));
    let refused = scene.signed_in().await.approve(&hold).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("their own agent"), "{}", refused.text());
    scene.origin.assert_untouched();
}
