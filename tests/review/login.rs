//! Who gets in, under which name, and from where.

use super::{Ask, Server, Setup};

#[tokio::test]
async fn a_link_logs_in_once_and_only_by_its_button() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let link = server.reviewers.login_link("bob").await.unwrap();
    for _ in 0..2 {
        let page = server.get(&format!("/login?link={link}"), &[]).await; // as link previews do
        assert_eq!(page.status, 200);
        assert_eq!(page.header("set-cookie"), "");
        assert!(page.text.contains("Sign in to Holdpoint"));
    }
    let form = [("link", link.as_str()), ("next", "/agents")];
    let first = server.post("/login", &[], &form).await;
    assert_eq!((first.status, first.header("location")), (303, "/agents"));
    let cookie = first.header("set-cookie").to_owned();
    assert!(cookie.starts_with("holdpoint_session=hps_"), "{cookie}");
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");

    let second = server.post("/login", &[], &form).await;
    assert_eq!((second.status, second.header("set-cookie")), (403, ""));

    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(server.get("/", &[("cookie", cookie)]).await.status, 200);
}

#[tokio::test]
async fn over_tls_the_cookie_is_bound_to_the_host() {
    let setup = Setup { public_url: "https://holds.example".to_owned(), ..Setup::default() };
    let server = Server::with(setup).await;
    server.reviewer("bob", &[]).await;
    let link = server.reviewers.login_link("bob").await.unwrap();
    let reply = server.post("/login", &[("host", "holds.example")], &[("link", &link)]).await;
    let cookie = reply.header("set-cookie");
    assert!(cookie.starts_with("__Host-holdpoint_session=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_login_leads_to_pages_of_ours_only() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let link = server.reviewers.login_link("bob").await.unwrap();
    let reply = server.post("/login", &[], &[("link", &link), ("next", "//evil.example")]).await;
    assert_eq!((reply.status, reply.header("location")), (303, "/"));
}

#[tokio::test]
async fn without_a_session_pages_lead_to_the_login() {
    let server = Server::start().await;
    for (path, login) in [
        ("/", "/login"),
        ("/agents", "/login?next=%2Fagents"),
        ("/holds/hp_000000000000", "/login?next=%2Fholds%2Fhp_000000000000"),
    ] {
        for cookie in ["", "holdpoint_session=hps_forged"] {
            let reply = server.get(path, &[("cookie", cookie)]).await;
            assert_eq!((reply.status, reply.header("location")), (303, login), "{path}");
        }
    }
    // A link in a chat: the browser keeps the strict cookie back, so the page asks again by itself.
    let arrival = server.get("/holds/hp_000000000000", &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(arrival.status, 200);
    assert!(arrival.text.contains("http-equiv=\"refresh\" content=\"0; url=/holds/hp_000000000000\""));
}

#[tokio::test]
async fn logout_ends_the_session() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, csrf) = server.login("bob").await;
    let forged = server.post("/logout", &[("cookie", &cookie)], &[("csrf", "x")]).await;
    assert_eq!(forged.status, 403);
    let reply = server.post("/logout", &[("cookie", &cookie)], &[("csrf", &csrf)]).await;
    assert_eq!((reply.status, reply.header("location")), (303, "/login"));
    assert_eq!(server.get("/", &[("cookie", &cookie)]).await.status, 303);
}

/// DNS rebinding: a foreign page points its own name here.
#[tokio::test]
async fn foreign_host_names_are_misdirected() {
    let server = Server::start().await;
    let token = server.reviewer("bob", &[]).await;
    let bearer = format!("Bearer {token}");
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "holdpoint"] {
        for path in ["/", "/login", "/v1/holds", "/assets/x"] {
            let fields = [("host", host), ("authorization", bearer.as_str())];
            assert_eq!(server.get(path, &fields).await.status, 421, "{host} {path}");
        }
        // Probes are asked by whatever name a machine has for us, and tell nothing of anybody.
        assert_eq!(server.get("/healthz", &[("host", host)]).await.status, 200);
    }
    assert_eq!(server.get("/login", &[("host", "localhost:9000")]).await.status, 200);
}

#[tokio::test]
async fn every_answer_forbids_what_the_pages_do_not_need() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, _) = server.login("bob").await;
    server.park(Ask::default()).await;
    for path in ["/", "/login", "/v1/holds", "/nothing/here", "/healthz"] {
        let reply = server.get(path, &[("cookie", &cookie)]).await;
        let policy = reply.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert!(!reply.text.contains("<style") && !reply.text.contains(" style="), "{path}");
        assert!(!reply.text.contains(" onclick=") && !reply.text.contains("<script>"), "{path}");
    }
}

#[tokio::test]
async fn probes_need_no_login() {
    let server = Server::start().await;
    assert_eq!(server.get("/readyz", &[]).await.status, 503);
    server.ready.send(true).unwrap();
    assert_eq!(server.get("/readyz", &[]).await.status, 200);
    let metrics = server.get("/metrics", &[]).await;
    assert!(metrics.text.contains("holdpoint_holds_pending") && metrics.text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn assets_are_kept_by_their_content() {
    let server = Server::start().await;
    let page = server.get("/login", &[]).await.text;
    let (_, rest) = page.split_once("href=\"/assets/review.").unwrap();
    let path = format!("/assets/review.{}", rest.split('"').next().unwrap());
    let style = server.get(&path, &[]).await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
    assert!(style.header("cache-control").contains("immutable"));
    let known = server.get(&path, &[("if-none-match", style.header("etag"))]).await;
    assert_eq!((known.status, known.text.as_str()), (304, ""));
    assert_eq!(server.get("/assets/review.0000.css", &[]).await.status, 404);
}
