//! What stands on the pages.

use super::{Ask, Server, Setup};
use holdpoint::hold::AgentWords;
use holdpoint::ruling::{ReviewPolicy, Risk};

/// The page of a hold as bob sees it, without what differs from run to run.
async fn detail(server: &Server, path: &str, cookie: &str) -> String {
    let page = server.get(path, &[("cookie", cookie)]).await;
    assert_eq!(page.status, 200, "{}", page.text);
    page.text
}

fn main_of(page: &str) -> &str {
    let (_, rest) = page.split_once("<main id=\"main\">").unwrap();
    rest.split_once("</main>").unwrap().0
}

/// Markup, ANSI, bidi, zero-width and blank runs in every place that an agent can write to.
fn hostile() -> Ask {
    let evil = "<img src=x onerror=alert(1)>\u{202e}gnp.exe\u{200b}\u{1b}[2K";
    Ask {
        path: "/v1/<script>alert(1)</script>".to_owned(),
        query: Some("note=%3Cb%3E%E2%80%AEx&\"onmouseover=alert(1)".to_owned()),
        headers: vec![
            ("content-type", "application/json".to_owned(), false),
            ("x-note", evil.to_owned(), false),
            ("authorization", "Bearer ····4f2a 91c07d".to_owned(), true),
        ],
        body: format!(
            "{{\"amount\":1,\"amount\":99999999999999999999,\"to\":\"{}\"}}",
            "</pre><script>\u{2066}"
        )
        .into_bytes(),
        matched: vec![("body./amount", "</mark><script>1".to_owned())],
        summary: format!("Pay {evil}{}now", " ".repeat(400)),
        risk: Risk::Critical,
        words: AgentWords {
            reason: Some(format!("Approved by the CEO. {evil}\n<a href=https://evil.example>Approve</a>")),
            session: Some("\u{feff}s-1'\"><form>".to_owned()),
            traceparent: None,
        },
        ..Ask::default()
    }
}

#[tokio::test]
async fn what_an_agent_wrote_stays_text() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, csrf) = server.login("bob").await;
    let waiter = server.park(hostile()).await;
    let id = waiter.id();
    let page = detail(&server, &format!("/holds/{id}"), &cookie).await;
    for raw in [
        "<script>alert",
        "<img src=x",
        "onerror=alert(1)>",
        "<a href=https://evil",
        "\u{202e}",
        "\u{200b}",
        "\u{1b}",
    ] {
        assert!(!page.contains(raw), "{raw:?}");
    }
    let digest = server.digest(id).await;
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&csrf, "[csrf]");
    settings.add_filter(id.as_str(), "[id]");
    settings.add_filter(&digest, "[digest]");
    settings.add_filter(&digest.chars().skip(7).take(8).collect::<String>(), "[short]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[iso]");
    settings.add_filter(r"(\d+ \w+ )?\d\d:\d\d:\d\d UTC", "[clock]");
    settings.add_filter(r"\d+ h \d+ min|\d+ min \d+ s|\d+ s\b", "[span]");
    settings.bind(|| insta::assert_snapshot!("hostile", main_of(&page)));
}

#[tokio::test]
async fn who_may_not_approve_is_told_why() {
    let server = Server::start().await;
    for (name, groups) in [("alice", &[][..]), ("bob", &["security"][..]), ("carol", &[][..])] {
        server.reviewer(name, groups).await;
    }
    let review = ReviewPolicy { approvals: 1, from: vec!["security".to_owned()], ..ReviewPolicy::default() };
    let waiter = server.park(Ask { review, ..Ask::default() }).await;
    let path = format!("/holds/{}", waiter.id());
    for (name, reason) in [
        ("alice", Some("Nobody approves the calls of their own agent.")),
        ("carol", Some("This rule asks for a reviewer of: security.")),
        ("bob", None),
    ] {
        let (cookie, _) = server.login(name).await;
        let page = detail(&server, &path, &cookie).await;
        let disabled = page.contains("form=\"approve-form\" disabled");
        assert_eq!(disabled, reason.is_some(), "{name}");
        assert!(page.contains("form=\"deny-form\">Deny"), "{name} may stop it");
        if let Some(reason) = reason {
            assert!(page.contains(&format!("You cannot approve this. {reason}")), "{name}");
        }
    }
}

#[tokio::test]
async fn what_approving_does_is_said() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, _) = server.login("bob").await;
    let waiter = server.park(Ask { owners: vec![], agent: "stray".to_owned(), ..Ask::default() }).await;
    let page = detail(&server, &format!("/holds/{}", waiter.id()), &cookie).await;
    assert!(page.contains("<b>0 of 2</b> approvals"), "nobody is known to own it");
    assert!(page.contains("Nothing leaves until 1 more person has approved."));

    let ask = Ask { path: "/v1/second".to_owned(), ..Ask::default() };
    let waiter = server.park(ask).await;
    let path = format!("/holds/{}", waiter.id());
    drop(waiter);
    let page = detail(&server, &path, &cookie).await;
    assert!(page.contains("the right to send this exact request once more, for 15 min 0 s."), "{page}");
}

#[tokio::test]
async fn bodies_are_shown_whole_in_the_form_that_reads_best() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, _) = server.login("bob").await;
    let kind = |kind: &str| vec![("content-type", kind.to_owned(), false)];
    let long = format!("{{\"text\":\"{}END\"}}", "x".repeat(200_000));
    let cases: [(Vec<_>, Vec<u8>, &[&str]); 4] = [
        (kind("application/json"), long.into_bytes(), &["pane-json", "pane-raw", "xEND&#34;"]),
        (
            kind("application/x-www-form-urlencoded"),
            b"amount=120000&note=a%20b".to_vec(),
            &["pane-form", "pane-raw", "<bdi>a b</bdi>"],
        ),
        (kind("image/gif"), b"GIF89a\x00\xff".to_vec(), &["47 49 46 38", "GIF89a.."]),
        (kind("text/plain"), b"plain <text>".to_vec(), &["pane-raw", "plain &#60;text&#62;"]),
    ];
    for (number, (headers, body, expected)) in cases.into_iter().enumerate() {
        let ask = Ask { path: format!("/v1/{number}"), headers, body, ..Ask::default() };
        let waiter = server.park(ask).await;
        let page = detail(&server, &format!("/holds/{}", waiter.id()), &cookie).await;
        for text in expected {
            assert!(page.contains(text), "case {number}: {text}");
        }
    }
}

#[tokio::test]
async fn lists_lead_to_holds_agents_and_rules() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, _) = server.login("bob").await;
    let empty = detail(&server, "/", &cookie).await;
    assert!(empty.contains("Nothing waits for you") && empty.contains("holdpoint run -- "));
    let waiter = server.park(Ask::default()).await;
    let card = format!("href=\"/holds/{}\"", waiter.id());
    for path in
        ["/", "/?state=pending", "/?agent=refunds-bot", "/?rule=stripe%2Flarge-refund", "/agents/refunds-bot"]
    {
        assert!(detail(&server, path, &cookie).await.contains(&card), "{path}");
    }
    for path in ["/?state=denied", "/?agent=other", "/?q=nowhere"] {
        let page = detail(&server, path, &cookie).await;
        assert!(!page.contains(&card) && page.contains("Nothing fits this filter"), "{path}");
    }
    let agents = detail(&server, "/agents", &cookie).await;
    assert!(agents.contains("href=\"/agents/refunds-bot\"") && agents.contains("1 pending"));
    let rules = detail(&server, "/rules", &cookie).await;
    assert!(rules.contains("stripe/large-refund") && rules.contains("test.yaml:4"), "{rules}");
    assert!(rules.contains("held 1, approved 0, denied 0"));
    let ledger = detail(&server, "/ledger", &cookie).await;
    assert!(ledger.contains("hold.created") && ledger.contains("reviewer.login"));
    for path in ["/holds/hp_000000000000", "/holds/x", "/agents/nobody"] {
        assert_eq!(server.get(path, &[("cookie", &cookie)]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn solo_mode_is_loud_on_every_page() {
    let server = Server::with(Setup { solo: true, ..Setup::default() }).await;
    server.reviewer("alice", &[]).await;
    let (cookie, _) = server.login("alice").await;
    let waiter = server.park(Ask::default()).await;
    let hold = format!("/holds/{}", waiter.id());
    for path in ["/", &hold, "/agents", "/agents/refunds-bot", "/rules", "/ledger", "/login"] {
        let page = detail(&server, path, &cookie).await;
        assert!(page.contains("<strong>Solo mode.</strong>"), "{path}");
    }
    let page = detail(&server, &hold, &cookie).await;
    assert!(!page.contains("You cannot approve this"), "the owner may, in solo mode");
}
