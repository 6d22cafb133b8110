//! What the groups of somebody show them and let them do, on pages.

use super::{Ask, Server, Setup};
use holdpoint::approval::Charter;
use holdpoint::role::{Names, Role, RoleGrant, Roles, Scope};

/// `oncall` decides on `stripe/*`, `audit` reads, `admins` keep agents and people.
async fn server() -> Server {
    let stripe = Scope { rules: Names::of(&["stripe/*".to_owned()]).unwrap(), ..Scope::default() };
    let grant = |group: &str, role, scope| RoleGrant { group: group.to_owned(), role, scope };
    let roles = Roles::of(vec![
        grant("oncall", Role::Reviewer, stripe),
        grant("audit", Role::Auditor, Scope::default()),
        grant("admins", Role::Admin, Scope::default()),
    ]);
    let server =
        Server::with(Setup { charter: Charter { roles, ..Charter::default() }, ..Setup::default() }).await;
    for (name, group) in [("bob", "oncall"), ("eve", "audit"), ("ann", "admins"), ("tom", "sales")] {
        server.reviewer(name, &[group]).await;
    }
    server
}

#[tokio::test]
async fn without_a_role_there_is_nothing_to_see() {
    let server = server().await;
    let waiter = server.park(Ask::default()).await;
    let (cookie, csrf) = server.login("tom").await;
    let hold = format!("/holds/{}", waiter.id());
    for path in
        ["/", &hold, "/agents", "/agents/refunds-bot", "/people", "/rules", "/ledger", "/agents/enrol"]
    {
        let page = server.get(path, &[("cookie", &cookie)]).await;
        assert_eq!(page.status, 403, "{path}");
        assert!(page.text.contains("roles:") && !page.text.contains("stripe"), "{path}: {}", page.text);
    }
    let digest = server.digest(waiter.id()).await;
    let vote = [("csrf", csrf.as_str()), ("digest", digest.as_str()), ("vote", "deny")];
    assert_eq!(server.post(&format!("{hold}/votes"), &[("cookie", &cookie)], &vote).await.status, 403);
    assert_eq!(server.get("/v1/events", &[("cookie", &cookie)]).await.status, 403);
    // They can leave.
    assert_eq!(server.post("/logout", &[("cookie", &cookie)], &[("csrf", &csrf)]).await.status, 303);
}

#[tokio::test]
async fn an_auditor_reads_everything_and_decides_nothing() {
    let server = server().await;
    let waiter = server.park(Ask::default()).await;
    let hold = format!("/holds/{}", waiter.id());
    let digest = server.digest(waiter.id()).await;
    for name in ["eve", "ann"] {
        let (cookie, csrf) = server.login(name).await;
        for path in ["/", &hold, "/agents", "/people", "/rules", "/ledger"] {
            assert_eq!(server.get(path, &[("cookie", &cookie)]).await.status, 200, "{name} {path}");
        }
        for choice in ["approve", "deny"] {
            let vote =
                [("csrf", csrf.as_str()), ("digest", digest.as_str()), ("vote", choice), ("read", "true")];
            let refused = server.post(&format!("{hold}/votes"), &[("cookie", &cookie)], &vote).await;
            assert_eq!(refused.status, 403, "{name} {choice}");
        }
    }
    let (cookie, csrf) = server.login("bob").await;
    let vote = [("csrf", csrf.as_str()), ("digest", digest.as_str()), ("vote", "approve")];
    assert_eq!(server.post(&format!("{hold}/votes"), &[("cookie", &cookie)], &vote).await.status, 303);
}

#[tokio::test]
async fn agents_are_enrolled_and_ended_on_pages() {
    let server = server().await;
    let (bob, bobs) = server.login("bob").await;
    let own = [("csrf", bobs.as_str()), ("name", "bobs-bot"), ("environment", "staging")];
    let made = server.post("/agents/enrol", &[("cookie", &bob)], &own).await;
    assert!(made.status == 200 && made.text.contains("hpa_"), "{}", made.text);
    assert_eq!(server.post("/agents/enrol", &[("cookie", &bob)], &own).await.status, 409);
    assert_eq!(
        server.post("/agents/enrol", &[("cookie", &bob)], &[("csrf", "x"), ("name", "y")]).await.status,
        403
    );
    let agents = server.get("/agents", &[("cookie", &bob)]).await.text;
    assert!(agents.contains("enrolled by <bdi>bob</bdi>") && agents.contains("local account"), "{agents}");
    assert!(!agents.contains("hpa_"));

    let (eve, eves) = server.login("eve").await;
    for what in ["rotate", "revoke"] {
        let refused =
            server.post(&format!("/agents/bobs-bot/{what}"), &[("cookie", &eve)], &[("csrf", &eves)]).await;
        assert_eq!(refused.status, 403, "{what}");
    }
    let (ann, anns) = server.login("ann").await;
    let rotated = server.post("/agents/bobs-bot/rotate", &[("cookie", &ann)], &[("csrf", &anns)]).await;
    assert!(rotated.text.contains("hpa_"), "{}", rotated.text);
    let owners = server.agents.list().await.unwrap();
    let owners = &owners.iter().find(|enrolled| enrolled.agent.name == "bobs-bot").unwrap().agent.owners;
    assert_eq!(
        owners.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["bob", "ann"],
        "she has seen the token"
    );
    let ended = server.post("/agents/bobs-bot/revoke", &[("cookie", &bob)], &[("csrf", &bobs)]).await;
    assert_eq!(ended.status, 303);
}

#[tokio::test]
async fn admins_revoke_people() {
    let server = server().await;
    let (bob, bobs) = server.login("bob").await;
    let (ann, anns) = server.login("ann").await;
    let people = server.get("/people", &[("cookie", &bob)]).await.text;
    assert!(people.contains("local account") && !people.contains("Revoke"), "{people}");
    let tom = |csrf| [("csrf", csrf), ("person", "tom")];
    assert_eq!(server.post("/people/revoke", &[("cookie", &bob)], &tom(&bobs)).await.status, 403);
    assert_eq!(server.post("/people/revoke", &[("cookie", &ann)], &tom("x")).await.status, 403);
    assert_eq!(server.post("/people/revoke", &[("cookie", &ann)], &tom(&anns)).await.status, 303);
    assert_eq!(server.post("/people/revoke", &[("cookie", &ann)], &tom(&anns)).await.status, 404);
    assert!(server.reviewers.login_link("tom").await.is_err());
}
