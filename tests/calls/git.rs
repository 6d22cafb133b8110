//! git over smart HTTP (gitprotocol-http, gitprotocol-pack), the dumb push of old, and large files.

use super::{Cases, gzip, post_json, request};
use serde_json::json;

const HOST: &str = "git.test";
const RULES: &str = r#"
pack: calls
rules:
  - id: main
    when: { host: git.test, git: { change: [update, delete], ref: refs/heads/main, repository: acme/site } }
    verdict: hold
    why: The test says so.
  - id: tags
    when: { host: git.test, git: { change: delete, ref: "refs/tags/*" } }
    verdict: hold
    why: The test says so.
  - id: options
    when: { host: git.test, git: { option: "merge_request.*" } }
    verdict: hold
    why: The test says so.
  - id: dumb-push
    when: { host: git.test, method: [PUT, DELETE, MOVE, LOCK, MKCOL], path: { regex: "\\.git/(info/refs|objects/|refs/)" } }
    verdict: hold
    why: The test says so.
  - id: large-files
    when: { host: git.test, method: POST, path: "/**/info/lfs/objects/batch", body: { operation: upload } }
    verdict: hold
    why: The test says so.
"#;

const NONE: &str = "0000000000000000000000000000000000000000";
const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";

fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

/// The commands of a push, and a packfile behind them.
fn push(commands: &[String]) -> Vec<u8> {
    let mut body = String::new();
    for (nth, command) in commands.iter().enumerate() {
        let capabilities = if nth == 0 { "\0 report-status side-band-64k agent=git/2.47.0" } else { "" };
        body.push_str(&line(&format!("{command}{capabilities}")));
    }
    body.push_str("0000");
    [body.as_bytes(), b"PACK\0\0\0\x02\0\0\0\0\xff\xfe"].concat()
}

fn update(name: &str) -> String {
    format!("{OLD} {NEW} {name}")
}

fn delete(name: &str) -> String {
    format!("{OLD} {NONE} {name}")
}

fn create(name: &str) -> String {
    format!("{NONE} {NEW} {name}")
}

fn send(path: &str, body: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    request("POST", HOST, path, "Content-Type: application/x-git-receive-pack-request\r\n", body)
}

const PATH: &str = "/acme/site.git/git-receive-pack";

#[tokio::test]
async fn pushes() {
    let mut cases = Cases::default();
    let main = || update("refs/heads/main");
    cases.stopped("update", send(PATH, push(&[main()])));
    cases.stopped("delete", send(PATH, push(&[delete("refs/heads/main")])));
    cases.stopped("delete of a tag", send(PATH, push(&[delete("refs/tags/v1")])));
    cases.stopped("second of two", send(PATH, push(&[update("refs/heads/topic"), main()])));
    cases.stopped(
        "last of many",
        send(
            PATH,
            push(&[(0..200).map(|n| create(&format!("refs/heads/t{n}"))).collect(), vec![main()]].concat()),
        ),
    );
    cases.stopped("the same twice", send(PATH, push(&[create("refs/heads/main"), main()])));
    cases.stopped(
        "without capabilities",
        send(PATH, [line(&format!("{}\0", main())).as_bytes(), b"0000PACK"].concat()),
    );
    cases.stopped("with a line feed", send(PATH, push(&[format!("{}\n", main())])));
    cases.stopped(
        "SHA-256",
        send(PATH, push(&[format!("{} {} refs/heads/main", "1".repeat(64), "2".repeat(64))])),
    );
    cases.stopped(
        "capitals",
        send(PATH, push(&[format!("{} {} refs/heads/main", "A".repeat(40), "B".repeat(40))])),
    );
    cases.stopped(
        "shallow in front",
        send(PATH, [line(&format!("shallow {OLD}")).into_bytes(), push(&[main()])].concat()),
    );
    cases.stopped(
        "delete of what is not known",
        send(PATH, push(&[format!("{NONE} {NONE} refs/heads/main")])),
    );
    for path in [
        "/acme/site/git-receive-pack",
        "//acme/site.git/git-receive-pack",
        "/acme/site.git//git-receive-pack",
        "/acme/%73ite.git/git-receive-pack",
        "/acme/site.git/git-receive-pack/",
        "/acme/x/../site.git/git-receive-pack",
        "/Acme/Site.git/git-receive-pack",
        "/acme/site.git/%67it-receive-pack",
        "/acme/site.git/git-receive-pack?x=1",
        "/acme/site.git/./git-receive-pack",
        "/acme/site.git/git-receive-pack;x=y",
        "/acme/site.git%2fgit-receive-pack",
        "/acme/site.GIT/git-receive-pack",
        "/acme/site.git/GIT-receive-pack",
    ] {
        cases.stopped(format!("at {path}"), send(path, push(&[main()])));
    }
    cases.stopped(
        "gzip",
        request(
            "POST",
            HOST,
            PATH,
            "Content-Type: application/x-git-receive-pack-request\r\nContent-Encoding: gzip\r\n",
            gzip(&push(&[main()])),
        ),
    );
    cases.stopped(
        "gzip as x-gzip",
        request("POST", HOST, PATH, "Content-Encoding: x-gzip\r\n", gzip(&push(&[main()]))),
    );
    cases.stopped("gzip without a label", send(PATH, gzip(&push(&[main()]))));
    cases.stopped(
        "an unknown coding",
        request("POST", HOST, PATH, "Content-Encoding: x\r\n", push(&[main()])),
    );
    cases.stopped(
        "another label",
        request(
            "POST",
            HOST,
            PATH,
            "Content-Type: application/x-git-upload-pack-request\r\n",
            push(&[main()]),
        ),
    );
    cases.stopped("no label", request("POST", HOST, PATH, "", push(&[main()])));
    cases.stopped(
        "a form by its label",
        request("POST", HOST, PATH, "Content-Type: multipart/form-data; boundary=b\r\n", push(&[main()])),
    );
    cases.stopped("cut off", send(PATH, &push(&[main()])[..60]));
    cases.stopped("a length that is none", send(PATH, b"zzzz"));
    cases.stopped("a length too short", send(PATH, b"0003"));
    cases.stopped("a delimiter of version 2", send(PATH, [b"0001", &push(&[main()])[..]].concat()));
    cases.stopped("no end", send(PATH, line(&main())));
    cases.stopped("a flush first", send(PATH, [b"0000", &push(&[main()])[..]].concat()));
    cases.stopped("two blanks", send(PATH, push(&[format!("{OLD}  {NEW} refs/heads/main")])));
    cases.stopped("a name with a blank", send(PATH, push(&[update("refs/heads/main ")])));
    cases.stopped("a name with dots", send(PATH, push(&[update("refs/heads/x/../main")])));
    cases.stopped("a name with two slashes", send(PATH, push(&[update("refs/heads//main")])));
    cases.stopped("a name in other letters", send(PATH, push(&[update("refs/heads/MAIN")])));
    let certificate = |command: &str| {
        let lines = [
            "push-cert\0 report-status\n",
            "certificate version 0.1\n",
            "pusher jo 0 +0000\n",
            "nonce 1-a\n",
            "\n",
            &format!("{command}\n"),
            "-----BEGIN PGP SIGNATURE-----\n",
            "x\n",
            "push-cert-end\n",
        ];
        [lines.iter().map(|text| line(text)).collect::<String>().as_bytes(), b"0000PACK"].concat()
    };
    cases.stopped("signed", send(PATH, certificate(&main())));
    cases.stopped("signed, beside another command", send(PATH, push(&["push-cert".to_owned(), main()])));
    let packets = |lines: &[&str]| {
        [lines.iter().map(|text| line(text)).collect::<String>().as_bytes(), b"0000PACK"].concat()
    };
    let (evil, good) = (format!("{}\n", main()), format!("{}\n", create("refs/heads/topic")));
    let (cert, head, end) = ("push-cert\0 report-status", "certificate version 0.1\n", "push-cert-end\n");
    let signature = "-----BEGIN PGP SIGNATURE-----\n";
    for (name, lines) in [
        ("two lines in a packet", vec![cert, &format!("{head}\n{evil}"), "\n", &good, end]),
        ("two commands in a packet", vec![cert, head, "\n", &format!("{good}{evil}"), end]),
        ("a head in one packet", vec![cert, &format!("{head}\n{evil}{good}{signature}"), "\n", &good, end]),
        ("a NUL in its end", vec![cert, "push-cert-end\n\0x", &main(), "push-cert", end, &good]),
        ("a NUL in a field", vec![cert, &format!("certificate\0{evil}"), "\n", &good, end]),
        ("no line feed", vec![cert, head, "\n", good.trim_end(), "x\n", end]),
        ("two signatures", vec![cert, head, "\n", &good, signature, &evil, signature, end]),
        ("none inside, one outside", vec![cert, end, &main()]),
        ("one outside as well", vec![cert, head, "\n", &good, end, &main()]),
        ("one in front as well", vec![&main(), cert, head, "\n", &good, end]),
        ("two certificates", vec![cert, head, "\n", &good, end, cert, head, "\n", &evil, end]),
    ] {
        cases.stopped(format!("signed, {name}"), send(PATH, packets(&lines)));
    }
    cases.passed(
        "signed with SSH",
        send(PATH, packets(&[cert, head, "\n", &good, "-----BEGIN SSH SIGNATURE-----\n", "x\n", end])),
    );
    cases.stopped(
        "options that the second command announces",
        send(
            PATH,
            [
                line(&format!("{}\0 report-status", create("refs/heads/a"))).as_bytes(),
                line(&format!("{}\0 push-options", create("refs/heads/b"))).as_bytes(),
                b"0000",
                line("merge_request.create").as_bytes(),
                b"0000PACK",
            ]
            .concat(),
        ),
    );
    cases.passed(
        "other options",
        send(
            PATH,
            [
                line(&format!("{}\0 report-status push-options", create("refs/heads/a"))).as_bytes(),
                b"0000",
                line("ci.skip").as_bytes(),
                b"0000PACK",
            ]
            .concat(),
        ),
    );
    let long = [&push(&[main()])[..], &vec![b'x'; 3 << 20]].concat();
    cases.stopped("a long packfile", send(PATH, long));
    let chunked = {
        let body = push(&[main()]);
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
            body.len()
        );
        [head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
    };
    cases.stopped("chunked", (HOST.to_owned(), chunked));

    cases.passed("a topic", send(PATH, push(&[update("refs/heads/topic")])));
    cases.passed(
        "a branch that has it in its name",
        send(PATH, push(&[update("refs/heads/main-2"), create("refs/heads/feature/main")])),
    );
    cases.passed("a new main elsewhere", send(PATH, push(&[create("refs/heads/main")])));
    cases.passed("another repository", send("/acme/site-2.git/git-receive-pack", push(&[main()])));
    cases.passed("a new tag", send(PATH, push(&[create("refs/tags/v2")])));
    cases.passed("the probe", send(PATH, "0000"));
    cases.passed(
        "the announcement",
        request("GET", HOST, "/acme/site.git/info/refs?service=git-receive-pack", "", ""),
    );
    cases.passed("a signed topic", send(PATH, certificate(&update("refs/heads/topic"))));
    cases.passed(
        "a packfile that has it",
        send(PATH, [&push(&[update("refs/heads/topic")])[..], main().as_bytes()].concat()),
    );
    cases.passed(
        "a packed topic",
        request("POST", HOST, PATH, "Content-Encoding: gzip\r\n", gzip(&push(&[update("refs/heads/topic")]))),
    );
    let long = [&push(&[update("refs/heads/topic")])[..], &vec![b'x'; 3 << 20]].concat();
    cases.passed("a long packfile of a topic", send(PATH, long));
    let fetch = format!("{}{}{}0000", line("command=fetch"), line("agent=git/2.47.0"), "0001");
    let upload = "/acme/site.git/git-upload-pack";
    cases.passed(
        "a fetch",
        request(
            "POST",
            HOST,
            upload,
            "Content-Type: application/x-git-upload-pack-request\r\nGit-Protocol: version=2\r\n",
            &fetch,
        ),
    );
    cases.passed(
        "a packed fetch",
        request(
            "POST",
            HOST,
            upload,
            "Content-Type: application/x-git-upload-pack-request\r\nContent-Encoding: gzip\r\n",
            gzip(fetch.as_bytes()),
        ),
    );
    cases.run(RULES).await;
}

#[tokio::test]
async fn other_ways_to_push() {
    let mut cases = Cases::default();
    cases.stopped(
        "a dumb push locks",
        request(
            "LOCK",
            HOST,
            "/acme/site.git/refs/heads/main",
            "Depth: 0\r\nContent-Type: text/xml\r\n",
            "<a/>",
        ),
    );
    cases.stopped("a dumb push puts", request("PUT", HOST, "/acme/site.git/objects/ab/cdef", "", "x"));
    cases.stopped(
        "a dumb push moves",
        request(
            "MOVE",
            HOST,
            "/acme/site.git/objects/ab/cdef.tmp",
            "Destination: https://git.test/acme/site.git/refs/heads/main\r\n",
            "",
        ),
    );
    cases.stopped(
        "a dumb push puts the reference",
        request("PUT", HOST, "/acme/site.git/refs/heads/main", "", "2222"),
    );
    cases.stopped("a dumb push deletes", request("DELETE", HOST, "/acme/site.git/refs/heads/main", "", ""));
    cases.stopped("a dumb push refreshes", request("PUT", HOST, "/acme/site.git/info/refs", "", "x"));
    let lfs = |path: &str, body: &str| {
        request(
            "POST",
            HOST,
            path,
            "Accept: application/vnd.git-lfs+json\r\nContent-Type: application/vnd.git-lfs+json\r\n",
            body,
        )
    };
    let upload =
        json!({ "operation": "upload", "transfers": ["basic"], "objects": [{ "oid": "a", "size": 1 }] })
            .to_string();
    let path = "/acme/site.git/info/lfs/objects/batch";
    cases.stopped("large files", lfs(path, &upload));
    cases.stopped(
        "large files, an escaped operation",
        lfs(path, r#"{"operation":"\u0075pload","objects":[]}"#),
    );
    cases.stopped(
        "large files, an operation twice",
        lfs(path, r#"{"operation":"download","operation":"upload","objects":[]}"#),
    );
    cases.stopped("large files, in other letters", lfs(path, r#"{"Operation":"upload","objects":[]}"#));
    cases.stopped(
        "large files, gzip",
        request("POST", HOST, path, "Content-Encoding: gzip\r\n", gzip(upload.as_bytes())),
    );
    cases.stopped(
        "large files, as text",
        request("POST", HOST, path, "Content-Type: text/plain\r\n", &upload),
    );
    cases.stopped(
        "large files, another spelling",
        post_json(HOST, "/acme/site.git//info/lfs/objects/%62atch", &upload),
    );
    cases.stopped("large files, broken", lfs(path, r#"{"operation":"upload",}"#));
    cases.passed(
        "large files, down",
        lfs(
            path,
            &json!({ "operation": "download", "objects": [{ "oid": "upload", "size": 1 }] }).to_string(),
        ),
    );
    cases.passed("a dumb fetch", request("GET", HOST, "/acme/site.git/objects/ab/cdef", "", ""));
    cases.passed("a look by WebDAV", request("PROPFIND", HOST, "/acme/site.git/", "Depth: 1\r\n", ""));
    cases.run(RULES).await;
}
