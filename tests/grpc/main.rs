//! gRPC through the real binary: calls of one message and streams, judged by what their messages say.

#![cfg(test)]

mod service;
#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};
use service::{Call, Service, framed};
use std::path::{Path, PathBuf};
use support::{Holdpoint, Reviewer, Setup, TestAuthority};

const RULES: &str = r#"
pack: test
hosts: [api.test]
rules:
  - id: admins
    when: { grpc: { service: acme.v1.Users, message: { /role: ADMIN } } }
    verdict: hold
    why: Administrators may do everything.
    what: "Make {grpc.message./user_id} an administrator"
  - id: amount
    when: { grpc: { service: acme.v1.Users, message: { /amount: { gt: 1000 } } } }
    verdict: deny
    why: Nobody moves so much.
"#;

/// `acme.v1.SetRoleRequest`: a reader, an administrator (`ada`), and more than anybody may move.
const READER: &[u8] = &[0x10, 1];
const ADMIN: &[u8] = &[0x0a, 3, b'a', b'd', b'a', 0x10, 2];
const MUCH: &[u8] = &[0x18, 0xe9, 0x07];

const SET_ROLE: &str = "/acme.v1.Users/SetRole";
const UPLOAD: &str = "/acme.v1.Users/Upload";
const CHAT: &str = "/acme.v1.Users/Chat";

struct Scene {
    service: Service,
    holdpoint: Holdpoint,
    reviewer: Reviewer,
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/grpc/acme.pb")
}

impl Scene {
    async fn new() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = TestAuthority::new("Test roots");
        let service = Service::start(&authority).await;
        let setup = Setup::new()
            .trust(&authority)
            .resolve("api.test:443", service.addr)
            .rules(RULES)
            .set("/grpc", json!({ "descriptors": [fixture()] }));
        let holdpoint = change(setup).start().await;
        let reviewer = holdpoint.reviewer("rita", &[]).await;
        Self { service, holdpoint, reviewer }
    }

    async fn call(&self, path: &str) -> Call {
        Call::start(&self.holdpoint, path, &[]).await
    }

    async fn approve(&self, hold: &Value) {
        let reply = self.reviewer.approve(hold).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[tokio::test]
async fn a_single_message_passes_is_held_or_is_denied() {
    let scene = Scene::new().await;
    let ask = async |message: &[u8]| {
        let mut call = scene.call(SET_ROLE).await;
        call.send(message);
        call.finish();
        call
    };
    let mut call = ask(READER).await;
    assert_eq!(call.next().await.unwrap(), "done");
    assert_eq!(call.end().await.status, "0");

    let mut call = ask(MUCH).await;
    let end = call.end().await;
    assert_eq!(end.status, "7", "PERMISSION_DENIED");
    assert!(end.message.contains("test/amount"), "{end:?}");

    let mut call = ask(ADMIN).await;
    let hold = scene.reviewer.wait_pending().await;
    assert_eq!(hold["summary"], "Make ada an administrator", "{hold}");
    assert_eq!(scene.service.seen().messages, [READER]);
    scene.approve(&hold).await;
    assert_eq!(call.next().await.unwrap(), "done");
    assert_eq!(scene.service.seen().messages, [READER, ADMIN]);

    let mut call = ask(&[ADMIN, &[0x20, 1]].concat()).await;
    let hold = scene.reviewer.wait_pending().await;
    assert_eq!(scene.reviewer.deny(&hold, "not Ada").await.status, 200);
    let end = call.end().await;
    assert_eq!(end.status, "7");
    assert!(end.message.contains("not Ada"), "{end:?}");
    assert_eq!(scene.service.seen().messages, [READER, ADMIN]);
}

#[tokio::test]
async fn a_held_message_stops_its_direction_only() {
    let scene = Scene::new().await;
    let mut call = scene.call(CHAT).await;
    call.send(READER);
    assert_eq!(call.next().await.unwrap(), READER, "answered before the next is sent");
    call.send(ADMIN);
    call.send(READER);
    let hold = scene.reviewer.wait_pending().await;
    scene.service.push();
    assert_eq!(call.next().await.unwrap(), "unasked", "answers flow while a message is held");
    assert_eq!(scene.service.seen().messages, [READER]);
    assert_eq!(hold["summary"], "Make ada an administrator");
    scene.approve(&hold).await;
    assert_eq!(call.next().await.unwrap(), ADMIN);
    assert_eq!(call.next().await.unwrap(), READER);
    call.finish();
    assert_eq!(call.end().await.status, "0");
    let seen = scene.service.seen();
    assert_eq!((seen.messages.as_slice(), seen.calls), (&[READER, ADMIN, READER].map(Into::into)[..], 1));
    assert_eq!(seen.ends, ["end"]);
    let id = hold["id"].as_str().unwrap();
    let detail = scene.reviewer.wait_detail(id, "its outcome", |hold| hold["outcome"] != Value::Null).await;
    assert_eq!(detail["outcome"]["status"], 200, "{detail}");
}

#[tokio::test]
async fn the_head_waits_for_the_first_message() {
    let scene = Scene::new().await;
    let mut call = scene.call(CHAT).await;
    call.send(ADMIN);
    let hold = scene.reviewer.wait_pending().await;
    assert_eq!(scene.service.seen().calls, 0);
    scene.approve(&hold).await;
    assert_eq!(call.next().await.unwrap(), ADMIN);
    call.send(ADMIN);
    let again = scene.reviewer.wait_pending().await;
    assert_ne!(again["id"], hold["id"], "one approval is one message");
    scene.approve(&again).await;
    assert_eq!(call.next().await.unwrap(), ADMIN);
}

/// A client that waits for the answer to its first message never sends the last: it would wait for ever.
#[tokio::test]
async fn a_talk_that_is_held_by_its_head_is_held_message_by_message() {
    let rules =
        "pack: test\nrules:\n- { id: r, verdict: hold, when: { host: api.test, grpc: { method: Chat } } }\n";
    let scene = Scene::with(|setup| setup.rules(rules)).await;
    let mut call = scene.call(CHAT).await;
    for message in [READER, ADMIN] {
        call.send(message);
        let hold = scene.reviewer.wait_pending().await;
        scene.approve(&hold).await;
        assert_eq!(call.next().await.unwrap(), message);
    }
    call.finish();
    assert_eq!(call.end().await.status, "0");
}

#[tokio::test]
async fn a_denied_message_ends_the_call() {
    let scene = Scene::new().await;
    let mut call = scene.call(CHAT).await;
    call.send(READER);
    assert_eq!(call.next().await.unwrap(), READER);
    call.send(ADMIN);
    let hold = scene.reviewer.wait_pending().await;
    assert_eq!(scene.reviewer.deny(&hold, "not Ada").await.status, 200);
    let end = call.end().await;
    assert_eq!(end.status, "7");
    assert!(end.message.contains("not Ada") && end.message.contains("Message 2"), "{end:?}");
    let seen = scene.service.until("the end at the origin", |seen| !seen.ends.is_empty()).await;
    assert_eq!((seen.messages, seen.ends), (vec![READER.into()], vec!["broken"]));

    // By a rule, and before the origin has answered at all.
    let mut call = scene.call(UPLOAD).await;
    call.send(READER);
    scene.service.until("the first message", |seen| seen.messages.len() == 2).await;
    call.send(MUCH);
    let end = call.end().await;
    assert_eq!(end.status, "7");
    assert!(end.message.contains("test/amount"), "{end:?}");
    let seen = scene.service.until("the end at the origin", |seen| seen.ends.len() == 2).await;
    assert_eq!((seen.messages.len(), seen.ends[1]), (2, "broken"));
}

/// The first call of a client is too early; the second spends the approval.
#[tokio::test]
async fn patience_ends_and_the_call_is_repeated() {
    let scene = Scene::with(|setup| setup.set("/hold/patience", json!("0s"))).await;
    let start = async || {
        let call = scene.call(UPLOAD).await;
        call.send(READER);
        call.send(ADMIN);
        call
    };
    let mut call = start().await;
    let end = call.end().await;
    assert_eq!(end.status, "9", "FAILED_PRECONDITION, which nobody repeats by himself");
    assert!(end.message.contains("Held for approval as hp_"), "{end:?}");
    scene.service.until("the end at the origin", |seen| seen.ends == ["broken"]).await;
    let hold = scene.reviewer.wait_pending().await;
    scene.approve(&hold).await;
    let mut call = start().await;
    call.finish();
    assert_eq!(call.next().await.unwrap(), "done");
    assert_eq!(scene.service.seen().messages, [READER, READER, ADMIN]);
}

#[tokio::test]
async fn a_deadline_is_patience() {
    let scene = Scene::new().await;
    for path in [SET_ROLE, CHAT] {
        // The hold would be waited for ten minutes.
        let mut call = Call::start(&scene.holdpoint, path, &[("grpc-timeout", "700m")]).await;
        call.send(ADMIN);
        call.finish();
        assert_eq!(call.end().await.status, "9", "{path}");
    }
    assert_eq!(scene.service.seen().calls, 0);
}

#[tokio::test]
async fn nothing_leaves_when_the_client_has_gone() {
    let scene = Scene::new().await;
    let mut call = scene.call(CHAT).await;
    call.send(READER);
    assert_eq!(call.next().await.unwrap(), READER);
    call.send(ADMIN);
    let hold = scene.reviewer.wait_pending().await;
    drop(call);
    scene.service.until("the end at the origin", |seen| seen.ends == ["broken"]).await;
    scene.approve(&hold).await;
    let hold = scene.reviewer.hold(hold["id"].as_str().unwrap()).await;
    assert_eq!(hold["state"], "approved", "an approval that nobody waits for");
    assert_eq!(scene.service.seen().messages, [READER]);
}

#[tokio::test]
async fn nothing_leaves_when_the_origin_has_ended() {
    let scene = Scene::new().await;
    let mut call = Call::start(&scene.holdpoint, CHAT, &[("x-early", "yes")]).await;
    call.send(READER);
    assert_eq!(call.next().await.unwrap(), READER);
    call.send(ADMIN);
    let hold = scene.reviewer.wait_pending().await;
    scene.service.push();
    assert_eq!(call.end().await.status, "0");
    scene
        .reviewer
        .wait_detail(hold["id"].as_str().unwrap(), "nobody waits any more", |hold| hold["waiting"] == 0)
        .await;
    scene.approve(&hold).await;
    let hold = scene.reviewer.hold(hold["id"].as_str().unwrap()).await;
    assert_eq!(hold["state"], "approved");
    assert_eq!(scene.service.seen().messages, [READER]);
}

/// Without a descriptor nobody can tell, so the first message is held; of other services nothing is looked at.
#[tokio::test]
async fn what_cannot_be_seen_is_held() {
    let scene = Scene::new().await;
    let mut call = scene.call("/acme.v1.Users/Unknown").await;
    call.send(READER);
    let hold = scene.reviewer.wait_pending().await;
    assert!(hold["why"].as_str().unwrap().contains("descriptor set"), "{hold}");
    scene.approve(&hold).await;
    call.finish();
    assert_eq!(call.next().await.unwrap(), "done");

    let mut call = scene.call("/acme.v2.Users/Chat").await;
    for message in [ADMIN, MUCH] {
        call.send(message);
        assert_eq!(call.next().await.unwrap(), message);
    }
}

#[tokio::test]
async fn large_and_broken_messages_do_not_pass() {
    let change = |setup: Setup| {
        let setup = setup.set("/inspect", json!({ "max-bytes": 1000 }));
        setup.set("/hold/max-body-bytes", json!(5000))
    };
    let scene = Scene::with(change).await;
    let large = |bytes: usize| {
        let rest = u16::try_from(bytes).unwrap();
        let [low, high] = [rest & 0x7f | 0x80, rest >> 7].map(|b| u8::try_from(b).unwrap());
        [&[0x0a, low, high][..], &vec![b'x'; bytes]].concat()
    };
    let mut call = scene.call(CHAT).await;
    call.send(READER);
    assert_eq!(call.next().await.unwrap(), READER);
    call.send(&large(2000));
    let hold = scene.reviewer.wait_pending().await;
    assert!(hold["why"].as_str().unwrap().contains("longer than"), "{hold}");
    scene.approve(&hold).await;
    assert_eq!(call.next().await.unwrap(), large(2000));
    call.send(&large(6000));
    assert_eq!(call.end().await.status, "8", "RESOURCE_EXHAUSTED");

    let mut call = scene.call(CHAT).await;
    call.send(READER);
    assert_eq!(call.next().await.unwrap(), READER);
    call.send_bytes(framed(READER).slice(..6));
    call.finish();
    assert_eq!(call.end().await.status, "3", "INVALID_ARGUMENT");
    let seen = scene.service.until("the end at the origin", |seen| seen.ends.len() == 2).await;
    assert_eq!((seen.messages.len(), seen.ends), (3, vec!["broken"; 2]));
}

#[tokio::test]
async fn descriptors_are_read_again_and_broken_ones_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.pb");
    let whole = std::fs::read(fixture()).unwrap();
    std::fs::write(&file, &whole).unwrap();
    let scene = Scene::with(|setup| setup.set("/grpc", json!({ "descriptors": [file] }))).await;
    std::fs::write(&file, &whole[..500]).unwrap();
    scene.holdpoint.signal("HUP").await;
    support::soon("the broken set to be told", async {
        while !scene.holdpoint.ledger().await.iter().any(|row| row.to_string().contains("users.pb")) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let pass = async || {
        let mut call = scene.call(SET_ROLE).await;
        call.send(READER);
        call.finish();
        assert_eq!(call.next().await.unwrap(), "done");
    };
    pass().await;
    std::fs::write(&file, &whole).unwrap();
    scene.holdpoint.signal("HUP").await;
    pass().await;
}

#[tokio::test]
async fn the_decoded_message_is_shown() {
    let scene = Scene::new().await;
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(framed(ADMIN));
    let line = json!({
        "method": "POST",
        "url": format!("https://api.test{SET_ROLE}"),
        "headers": { "content-type": "application/grpc" },
        "body_b64": body,
    });
    let file = scene.holdpoint.folder.path().join("calls.jsonl");
    std::fs::write(&file, line.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let told = scene.holdpoint.cli_json(&["rules", "explain", "--json", "--jsonl", file]).await;
    assert_eq!((&told["verdict"], &told["rule"]), (&json!("hold"), &json!("test/admins")), "{told}");
    let message = &told["decoded"][0]["calls"][0]["message"];
    assert_eq!((&message["user_id"], &message["role"]), (&json!("ada"), &json!("ADMIN")), "{told}");
    let none = scene.holdpoint.folder.path().join("none.pb");
    std::fs::write(&none, b"pack: x").unwrap();
    let args = ["rules", "check", "--descriptors", none.to_str().unwrap()];
    let output = scene.holdpoint.cli(&args).await;
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("none.pb"), "{output:?}");
}
