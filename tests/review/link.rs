//! Linking a chat account to who signs in.

use super::Server;
use holdpoint::approval::Channel;
use holdpoint::chat::ChatUser;

fn user() -> ChatUser {
    ChatUser {
        account: "slack:T1/U1".to_owned(),
        display: "bob <b>the</b> \u{202e}builder".to_owned(),
        email: None,
        channel: Channel::Slack,
    }
}

/// The path of a page that links the account.
async fn link_page(server: &Server) -> String {
    let page = server.chat().link_page(&user()).await.unwrap();
    page.split_once("127.0.0.1").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_chat_account_is_linked_by_its_owners_click_and_unlinked_again() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let path = link_page(&server).await;
    let ticket = path.split_once("ticket=").unwrap().1;

    // Signed out: to the login, and back here with the ticket.
    let reply = server.get(&path, &[]).await;
    let login = reply.header("location").to_owned();
    assert_eq!(reply.status, 303);
    assert_eq!(login, format!("/login?next=%2Flink%3Fticket%3D{ticket}"));
    assert!(
        server
            .get(&login, &[])
            .await
            .text
            .contains(&format!("name=\"next\" value=\"/link?ticket={ticket}\""))
    );
    let arrival = server.get(&path, &[("sec-fetch-site", "cross-site")]).await;
    assert!(arrival.text.contains(&format!("url=/link?ticket={ticket}\"")), "{}", arrival.text);

    let (cookie, csrf) = server.login("bob").await;
    let cookie = [("cookie", cookie.as_str())];
    for _ in 0..2 {
        let page = server.get(&path, &cookie).await; // as previews do
        assert_eq!(page.status, 200);
        assert!(page.text.contains("Let this Slack account vote as you?") && page.text.contains("T1/U1"));
        assert!(!page.text.contains("<b>the</b>") && !page.text.contains('\u{202e}'), "{}", page.text);
    }
    assert!(server.chat().reviewer(&user()).await.unwrap().is_none(), "looking links nothing");

    let forged = server.post("/link", &cookie, &[("ticket", ticket), ("csrf", "x")]).await;
    assert_eq!(forged.status, 403);
    let linked = server.post("/link", &cookie, &[("ticket", ticket), ("csrf", &csrf)]).await;
    assert!(linked.status == 200 && linked.text.contains("Your Slack account is linked"), "{}", linked.text);
    let reviewer = server.chat().reviewer(&user()).await.unwrap().unwrap();
    assert_eq!(reviewer.person.to_string(), "bob");
    let again = server.post("/link", &cookie, &[("ticket", ticket), ("csrf", &csrf)]).await;
    assert!(again.status == 410 && again.text.contains("used before"), "{}", again.text);
    assert_eq!(server.get(&path, &cookie).await.status, 410);

    // Somebody else cannot unlink it.
    server.reviewer("carol", &[]).await;
    let (carol, her_csrf) = server.login("carol").await;
    let form = [("account", "slack:T1/U1"), ("csrf", her_csrf.as_str())];
    let theirs = server.post("/account/unlink", &[("cookie", &carol)], &form).await;
    assert!(theirs.text.contains("was not linked to you"), "{}", theirs.text);
    assert!(server.chat().reviewer(&user()).await.unwrap().is_some());
    let form = [("account", "slack:T1/U1"), ("csrf", csrf.as_str())];
    let gone = server.post("/account/unlink", &cookie, &form).await;
    assert!(gone.text.contains("is unlinked"), "{}", gone.text);
    assert!(server.chat().reviewer(&user()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_newer_ticket_voids_the_one_before() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, _) = server.login("bob").await;
    let (first, second) = (link_page(&server).await, link_page(&server).await);
    assert_eq!(server.get(&first, &[("cookie", &cookie)]).await.status, 410);
    assert_eq!(server.get(&second, &[("cookie", &cookie)]).await.status, 200);
}

#[tokio::test]
async fn without_a_provider_there_is_nowhere_to_sign_in() {
    let server = Server::start().await;
    assert!(!server.get("/login", &[]).await.text.contains("identity provider"));
    for path in ["/login/oidc", "/login/callback?state=x&code=y"] {
        assert_eq!(server.get(path, &[]).await.status, 404, "{path}");
    }
    assert_eq!(server.post("/logout/backchannel", &[], &[("logout_token", "x")]).await.status, 400);
}
