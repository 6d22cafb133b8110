//! Who may decide in Teams: known people of the tenant, and nobody their own agent's call.

use super::Scene;
use super::support::Wire;
use super::support::teams::TENANT;
use serde_json::{Value, json};

#[tokio::test]
async fn nobody_approves_their_own_agent() {
    let scene = Scene::new().await;
    scene.link("olga-object", "olga").await;
    let olga = scene.teams.person("olga-object");
    let (_wire, message) = scene.parked().await;
    let answer = scene.press(&message, "Approve", &olga).await;
    assert!(answer.to_string().contains("nobody approves the calls of their own agent"), "{answer}");
    let refused = scene.refusals().await;
    assert_eq!((refused.len(), &refused[0]["actor"]), (1, &json!("person:olga")));
    scene.origin.assert_untouched();
    assert_eq!(scene.alice.pending().await.len(), 1);
}

#[tokio::test]
async fn an_account_that_nobody_knows_is_linked_once_and_then_counts() {
    let scene = Scene::new().await;
    scene.holdpoint.reviewer("bob", &[]).await;
    let bob = scene.teams.person("bob-object");
    let (mut wire, message) = scene.parked().await;
    let answer = scene.press(&message, "Approve", &bob).await;
    scene.origin.assert_untouched();
    let refused = scene.refusals().await;
    assert_eq!(refused[0]["actor"], json!(format!("account:teams:{TENANT}/bob-object")));

    // The link stands in the answer to bob's own click, and in no message.
    let link = urls(&answer).into_iter().find(|url| url.contains("/link?ticket=")).expect("a link");
    assert!(link.starts_with("https://holds.example.com/link?ticket=hpk_"), "{link}");
    let posted: Vec<Value> =
        scene.teams.messages().into_iter().flat_map(|message| message.versions).collect();
    assert!(posted.iter().all(|version| !version.to_string().contains("ticket=")));

    follow(&scene, "bob", link.rsplit('=').next().expect("a ticket")).await;
    scene.press(&message, "Approve", &bob).await;
    assert_eq!(wire.reply().await.status, 200);
    let after = scene.teams.wait_card("the service answered 200").await;
    assert!(after.card().to_string().contains("bob approved (teams)"));
}

/// Signs in by a one-time link and confirms the account, as a browser does.
async fn follow(scene: &Scene, name: &str, ticket: &str) {
    let link = scene.holdpoint.cli_json(&["reviewers", "link", name, "--json"]).await;
    let secret = link["link"].as_str().expect("a link").split("link=").nth(1).expect("a secret").to_owned();
    let control = scene.holdpoint.control;
    let send = async |method: &str, target: &str, cookie: &str, form: &str| {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: holds.example.com\r\nCookie: {cookie}\r\n\
             Origin: https://holds.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
            form.len()
        );
        Wire::plain(control).await.ask(head).await
    };
    let login = send("POST", "/login", "", &format!("link={secret}")).await;
    assert_eq!(login.status, 303, "{}", login.text());
    let cookie = login.field("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned();
    let page = send("GET", &format!("/link?ticket={ticket}"), &cookie, "").await;
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    assert!(text.contains("Let this Teams account vote as you?"), "{text}");
    let csrf =
        text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let linked = send("POST", "/link", &cookie, &format!("csrf={csrf}&ticket={ticket}")).await;
    assert_eq!(linked.status, 200, "{}", linked.text());
}

#[tokio::test]
async fn guests_and_strangers_are_refused_and_recorded() {
    let scene = Scene::new().await;
    let (_wire, message) = scene.parked().await;
    let refused = async |change: &dyn Fn(&mut Value), object: &str, why: &str| {
        scene.link(object, "ada").await;
        let person = scene.teams.person(object);
        scene.teams.member(object, change);
        let answer = scene.press(&message, "Approve", &person).await;
        assert!(answer.to_string().contains(why), "{answer}");
    };
    refused(&|member| member["userRole"] = json!("guest"), "guest-1", "the account is a guest's").await;
    refused(
        &|member| member["userPrincipalName"] = json!("x_y.com#EXT#@z"),
        "guest-2",
        "the account is a guest's",
    )
    .await;
    refused(&|member| member["tenantId"] = json!("other"), "guest-3", "a tenant that is not allowed here")
        .await;
    refused(&|member| member["aadObjectId"] = json!("somebody-else"), "guest-4", "whose account this is")
        .await;

    // Nobody named.
    let mut nobody = scene.ada.clone();
    nobody.as_object_mut().expect("an object").remove("aadObjectId");
    let answer = scene.press(&message, "Approve", &nobody).await;
    assert!(answer.to_string().contains("no Entra object id"), "{answer}");
    // Nobody that Teams knows.
    let unknown = json!({ "id": "29:unknown", "name": "ada", "aadObjectId": "unknown" });
    let answer = scene.press(&message, "Approve", &unknown).await;
    assert!(answer.to_string().contains("Teams does not say who this is"), "{answer}");

    let refused = scene.refusals().await;
    assert_eq!(refused.len(), 6, "{refused:?}");
    assert!(
        refused
            .iter()
            .all(|row| row["actor"].as_str().is_some_and(|actor| actor.starts_with("account:teams:")))
    );
    assert_eq!(scene.alice.pending().await.len(), 1);
    scene.origin.assert_untouched();
}

#[tokio::test]
async fn another_tenant_is_refused_recorded_and_shown_nothing() {
    let scene = Scene::new().await;
    let (_wire, message) = scene.parked().await;
    let other = "99999999-2222-4333-8444-555555555555";
    let calls = scene.teams.calls().len();
    let mut activity = scene.teams.press(&message, "Approve", 0, None, &scene.ada);
    activity["channelData"]["tenant"]["id"] = json!(other);
    activity["conversation"]["tenantId"] = json!(other);
    let answer = scene.answered(&activity).await.to_string();
    assert!(answer.contains("a tenant that is not allowed here") && !answer.contains("api.test"), "{answer}");
    // Two places that name two tenants name none.
    activity["conversation"]["tenantId"] = json!(TENANT);
    let answer = scene.answered(&activity).await.to_string();
    assert!(answer.contains("a tenant that is not allowed here") && !answer.contains("api.test"), "{answer}");
    assert_eq!(scene.refusals().await.len(), 2);
    assert_eq!(scene.teams.calls().len(), calls, "nobody is asked about strangers");

    let mut hello = scene.teams.activity("message", &scene.ada);
    hello["channelData"]["tenant"]["id"] = json!(other);
    hello["conversation"]["tenantId"] = json!(other);
    assert_eq!(scene.call(&hello).await.status, 200);
    assert_eq!(scene.teams.calls().len(), calls, "and nobody answers them");
    scene.origin.assert_untouched();
}

/// All addresses on a card.
fn urls(card: &Value) -> Vec<String> {
    match card {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| match (name.as_str(), member) {
                ("url", Value::String(url)) => vec![url.clone()],
                _ => urls(member),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(urls).collect(),
        _ => Vec::new(),
    }
}
