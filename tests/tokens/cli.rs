//! `holdpoint login`, `whoami`, `logout` as processes, with a browser that the test plays.

use super::Scene;
use crate::support::{Wire, soon};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

impl Scene {
    /// A command of a user whose home is the test's folder.
    fn user(&self, args: &[&str]) -> Command {
        let mut command = self.holdpoint.command(args);
        command.env("XDG_CONFIG_HOME", self.holdpoint.folder.path().join("user")).stdin(Stdio::null());
        command
    }

    async fn run(&self, args: &[&str]) -> Output {
        soon("the end of a command", self.user(args).output()).await.unwrap()
    }

    /// Runs a login to its end, opening in the browser whatever it says to open.
    async fn login(&self, browse: impl AsyncFnOnce(&str)) -> (bool, String) {
        let mut child = self.user(&["login", "--no-browser"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = loop {
            let line = soon("an address to open", lines.next_line()).await.unwrap().expect("an address");
            said.push_str(&line);
            if let Some(address) = line.trim().strip_prefix("http") {
                break format!("http{address}");
            }
        };
        browse(&address).await;
        while let Some(line) = soon("the end of the login", lines.next_line()).await.unwrap() {
            said.push_str(&line);
            said.push('\n');
        }
        (child.wait().await.unwrap().success(), said)
    }
}

/// A GET of an address on this machine: status, body, and where it sends the browser.
async fn open(address: &str) -> (u16, String, Option<String>) {
    let url = url::Url::parse(address).unwrap();
    let addr = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let request = format!("GET {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    let reply = Wire::plain(addr.parse().unwrap()).await.ask(request).await;
    (reply.status, reply.text(), reply.field("location").map(str::to_owned))
}

/// What a browser does: follows the provider back to the command line.
async fn browser(address: &str) {
    let (_, _, back) = open(address).await;
    let (status, text, _) = open(&back.unwrap()).await;
    assert_eq!(status, 200, "{text}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_login_in_the_browser_decides_from_the_command_line() {
    let scene = Scene::new().await;
    let mut wire = scene.park().await;
    let who = scene.run(&["whoami"]).await;
    assert!(!who.status.success() && text(&who.stderr).contains("holdpoint login"), "{}", text(&who.stderr));

    let (done, said) = scene.login(browser).await;
    assert!(done && said.contains("You are Alice Ito") && said.contains("roles: reviewer"), "{said}");
    let asked = scene.idp.asked();
    assert_eq!(asked["scope"], "openid offline_access holds:read holds:decide");
    assert_eq!(asked["resource"], "api://holdpoint");
    let file = scene.holdpoint.folder.path().join("user/holdpoint/logins.json");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

    let who = scene.run(&["whoami"]).await;
    assert!(text(&who.stdout).contains("Alice Ito"), "{}{}", text(&who.stdout), text(&who.stderr));
    let id = scene.with(serde_json::json!({})).wait_pending().await["id"].as_str().unwrap().to_owned();
    let approved = scene.run(&["holds", "approve", &id]).await;
    assert!(approved.status.success(), "{}", text(&approved.stderr));
    assert_eq!(wire.reply().await.status, 200);
    let ledger = scene.holdpoint.ledger().await;
    let voted = ledger.iter().find(|row| row["event"] == "hold.voted").unwrap();
    assert_eq!(
        (&voted["detail"]["channel"], &voted["detail"]["login"]["by"]),
        (&"cli".into(), &"access-token".into())
    );

    assert!(scene.run(&["logout"]).await.status.success());
    assert!(!scene.run(&["whoami"]).await.status.success());
}

#[tokio::test]
async fn others_at_the_port_change_nothing() {
    let scene = Scene::new().await;
    let (done, said) = scene
        .login(async |address| {
            let url = url::Url::parse(address).unwrap();
            let redirect = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
            for wrong in
                ["?code=evil&state=guess", "?code=evil", "/x?code=evil", "?error=access_denied&state=x"]
            {
                assert_eq!(open(&format!("{redirect}{wrong}")).await.0, 404, "{wrong}");
            }
            browser(address).await;
        })
        .await;
    assert!(done, "{said}");
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_no_login() {
    let scene = Scene::new().await;
    scene.idp.lie("https://evil.example");
    let (done, said) = scene.login(browser).await;
    assert!(!done && said.contains("https://evil.example"), "{said}");
    assert!(scene.idp.forms().is_empty(), "the code was sent nowhere");
}

#[tokio::test]
async fn a_login_that_ends_is_renewed() {
    let scene = Scene::new().await;
    scene.idp.life(30);
    assert!(scene.login(browser).await.0);
    let who = scene.run(&["whoami"]).await;
    assert!(who.status.success(), "{}", text(&who.stderr));
    let forms = scene.idp.forms();
    let grants: Vec<&str> = forms.iter().map(|form| form["grant_type"].as_str()).collect();
    assert_eq!(grants, ["authorization_code", "refresh_token"]);
    // The old refresh token goes on, since the provider gave no other.
    assert!(scene.run(&["whoami"]).await.status.success());
}

#[tokio::test]
async fn a_login_by_code_reads_and_never_decides() {
    let scene = Scene::new().await;
    let _wire = scene.park().await;
    let login = scene.run(&["login", "--device"]).await;
    let said = text(&login.stderr);
    assert!(login.status.success() && said.contains("WDJB-MJHT") && said.contains("reading only"), "{said}");
    let id = scene.with(serde_json::json!({})).wait_pending().await["id"].as_str().unwrap().to_owned();
    assert!(text(&scene.run(&["holds", "list"]).await.stdout).contains(&id));
    let refused = scene.run(&["holds", "approve", &id]).await;
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("never decides"),
        "{}",
        text(&refused.stderr)
    );
    scene.origin.assert_untouched();
}
