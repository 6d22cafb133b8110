//! git over smart HTTP: clone, fetch and push.

use super::story::{Again, Client, Prints, whole_story};
use super::{REASON, Scene, shown, strings, succeeded};
use std::path::Path;
use std::process::Command;

const RULES: &str = r#"
pack: test
rules:
  - id: push
    when: { path: "/git/**/git-receive-pack", git: { repository: git/site } }
    verdict: hold
    why: A push changes what others build.
    examples:
      pass: [ "POST https://api.test/git/site.git/git-upload-pack" ]
  - id: announced-push
    when: { path: "/git/locked.git/info/refs", query: { service: git-receive-pack } }
    verdict: hold
    why: This repository is looked after.
    examples:
      hold: [ "GET https://api.test/git/locked.git/info/refs?service=git-receive-pack" ]
      pass: [ "GET https://api.test/git/locked.git/info/refs?service=git-upload-pack" ]
"#;

const BRANCHES: &str = r#"
pack: test
rules:
  - id: held
    when: { host: api.test, git: { ref: refs/heads/held } }
    verdict: hold
    why: Others build from it.
    examples:
      pass: [ "POST https://api.test/git/site.git/git-upload-pack" ]
  - id: parked
    when: { host: api.test, git: { ref: refs/heads/parked } }
    verdict: hold
    why: Others build from it.
    review: { patience: 1s }
    examples:
      pass: [ "POST https://api.test/git/site.git/git-upload-pack" ]
"#;
const UPLOADS: &str = r#"
pack: test
rules:
  - id: held
    when: { path: /git/held.git/info/lfs/objects/batch, body: { operation: upload } }
    verdict: hold
    why: Others build from it.
    examples:
      hold: [ { method: POST, url: "https://api.test/git/held.git/info/lfs/objects/batch", body: { operation: upload } } ]
      pass: [ { method: POST, url: "https://api.test/git/held.git/info/lfs/objects/batch", body: { operation: download } } ]
  - id: parked
    when: { path: /git/parked.git/info/lfs/objects/batch, body: { operation: upload } }
    verdict: hold
    why: Others build from it.
    review: { patience: 1s }
    examples:
      hold: [ { method: POST, url: "https://api.test/git/parked.git/info/lfs/objects/batch", body: { operation: upload } } ]
      pass: [ { method: POST, url: "https://api.test/git/parked.git/info/lfs/objects/batch", body: { operation: download } } ]
"#;
const COMMIT: &str =
    "git -C work -c user.name=Tester -c user.email=tester@api.test commit --quiet --allow-empty -m more";

async fn scene() -> Scene {
    scene_with(RULES).await
}

async fn scene_with(rules: &str) -> Scene {
    let scene = Scene::new(|setup| setup.rules(rules)).await;
    let root = scene.home.path().join("origin");
    for name in ["site.git", "locked.git"] {
        git(
            scene.home.path(),
            &["init", "--quiet", "--bare", "--initial-branch=main", root.join(name).to_str().unwrap()],
        );
    }
    let seed = scene.home.path().join("seed");
    git(scene.home.path(), &["init", "--quiet", "--initial-branch=main", "seed"]);
    std::fs::write(seed.join("file"), "one\n").unwrap();
    // Larger than git's post buffer, so that the push is chunked.
    std::fs::write(seed.join("large"), incompressible(3 << 20)).unwrap();
    git(&seed, &["add", "."]);
    git(&seed, &["commit", "--quiet", "-m", "one"]);
    for name in ["site.git", "locked.git"] {
        git(&seed, &["push", "--quiet", root.join(name).to_str().unwrap(), "main"]);
    }
    scene.origin().serve_git(&root);
    scene
}

#[tokio::test]
async fn clone_passes_and_push_is_held() {
    let scene = scene().await;
    let url = "https://api.test/git/site.git";
    succeeded(&scene.client(&strings(&["git", "clone", "--quiet", url, "work"])).await);
    let work = scene.home.path().join("work");
    assert_eq!(std::fs::read(work.join("file")).unwrap(), b"one\n");
    assert!(
        scene.origin().seen().iter().any(|s| s.field("user-agent").is_some_and(|a| a.starts_with("git/")))
    );

    std::fs::write(work.join("large"), incompressible(2 << 20)).unwrap();
    git(&work, &["commit", "--quiet", "-am", "two"]);
    // Over HTTP/1.1: in HTTP/2, git sometimes asks for more after the end of a large upload, and waits for itself.
    let push = ["git", "-C", "work", "-c", "http.version=HTTP/1.1", "push", "--quiet", "origin", "main"];
    // A push beyond git's post buffer asks with an empty one first, which is no push: one hold.
    let (output, holds) = scene.all_approved(&strings(&push)).await;
    succeeded(&output);
    assert!(holds.iter().all(|h| h["url"] == "https://api.test/git/site.git/git-receive-pack"));
    assert_eq!(holds.len(), 1);
    let bare = scene.home.path().join("origin/site.git");
    assert_eq!(git(&bare, &["rev-parse", "main"]), git(&work, &["rev-parse", "HEAD"]));

    // A small one is a single request.
    std::fs::write(work.join("file"), "three\n").unwrap();
    git(&work, &["commit", "--quiet", "-am", "three"]);
    let push = ["git", "-C", "work", "push", "--quiet", "origin", "main"];
    let before = git(&bare, &["rev-parse", "main"]);
    let output = scene.denied(&strings(&push)).await;
    assert!(!output.status.success());
    let shown = shown(&output);
    assert!(shown.contains("[remote rejected] main -> main") && shown.contains(REASON), "{shown}");
    assert_eq!(git(&bare, &["rev-parse", "main"]), before, "nothing was pushed");
}

/// git shows the text of an answer to its first request: there the reason is seen.
#[tokio::test]
async fn a_denied_push_says_why() {
    let scene = scene().await;
    succeeded(
        &scene
            .client(&strings(&["git", "clone", "--quiet", "https://api.test/git/locked.git", "work"]))
            .await,
    );
    let work = scene.home.path().join("work");
    std::fs::write(work.join("file"), "two\n").unwrap();
    git(&work, &["commit", "--quiet", "-am", "two"]);
    let output = scene.denied(&strings(&["git", "-C", "work", "push", "origin", "main"])).await;
    assert!(!output.status.success());
    let shown = shown(&output);
    assert!(shown.contains("403") && shown.contains(REASON), "{shown}");
}

/// A clone, and pushes of new branches.
#[tokio::test]
async fn git_tells() {
    let scene = scene_with(BRANCHES).await;
    let url = "https://api.test/git/site.git";
    succeeded(&scene.client(&strings(&["git", "clone", "--quiet", url, "work"])).await);
    let before = scene.arrivals().len();
    let command = move |call: &str| match call {
        "safe" => strings(&["sh", "-c", &format!("rm -rf copy && exec git clone --quiet {url} copy")]),
        "held" => strings(&[
            "sh",
            "-c",
            &format!("{COMMIT} && exec git -C work push --quiet origin HEAD:refs/heads/held"),
        ]),
        _ => strings(&["git", "-C", "work", "push", "--quiet", "origin", "HEAD:refs/heads/parked"]),
    };
    let client = Client {
        name: "git",
        command: Box::new(command),
        prints: Prints::Text { timeout: "none" },
        varying: &[],
        again: Again::InANewRun,
    };
    assert!(before > 0);
    whole_story(&scene, &client).await;
}

/// Git LFS asks first which objects it may send, in one request for all of them; then it sends each.
#[tokio::test]
async fn git_lfs() {
    let scene = Scene::new(|setup| setup.rules(UPLOADS)).await;
    let home = scene.home.path();
    git(home, &["init", "--quiet", "--initial-branch=main", "work"]);
    let work = home.join("work");
    git(&work, &["lfs", "install", "--local"]);
    git(&work, &["lfs", "track", "*.bin"]);
    std::fs::write(work.join("a.bin"), incompressible(1 << 20)).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "one"]);
    let oid = holdpoint::digest::sha256_hex(&incompressible(1 << 20));
    let command = move |call: &str| {
        let url = format!("lfs.url=https://api.test/git/{call}.git/info/lfs");
        // Else it lists its ways of transfer in another order each time.
        let basic = "lfs.basictransfersonly=true";
        let lfs = ["git", "-C", "work", "-c", &url, "-c", "lfs.locksverify=false", "-c", basic];
        let rest: &[&str] = &["lfs", "push", "--object-id", "https://api.test/git/site.git", &oid];
        strings(&[&lfs, rest].concat())
    };
    let client = Client {
        name: "git LFS",
        command: Box::new(command),
        prints: Prints::Text { timeout: "30 s" },
        varying: &[],
        again: Again::InANewRun,
    };
    whole_story(&scene, &client).await;
}

/// Runs git here and now, without the proxy; returns what it prints.
fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Tester", "-c", "user.email=tester@api.test", "-c", "commit.gpgsign=false"])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git is there");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Bytes that zlib cannot shorten, the same every time (xorshift).
fn incompressible(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64 ^ size as u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(size)
    .collect()
}
