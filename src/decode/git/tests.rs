use super::*;

const OLD: &str = "1f7ec3eb1f0bb9a3b6bb8a4ad5dbd1c3a2b7f0aa";
const NEW: &str = "9c2d3cdcb7a7d0dd41d5d5a92b9f9a1d1e1c2b3a";
const NONE: &str = "0000000000000000000000000000000000000000";

fn pkt(data: &str) -> Vec<u8> {
    format!("{:04x}{data}", data.len() + 4).into_bytes()
}

fn body(lines: &[String], behind: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = lines.iter().flat_map(|line| pkt(line)).collect();
    bytes.extend(b"0000");
    bytes.extend(behind);
    bytes
}

fn first(old: &str, new: &str, name: &str) -> String {
    format!("{old} {new} {name}\0 report-status-v2 side-band-64k object-format=sha1 agent=git/2.47.1")
}

fn changes(push: &GitPush) -> Vec<(Change, &str)> {
    push.commands.iter().map(|command| (command.change, command.name.as_str())).collect()
}

/// The request of `git push origin main :old v1` as git 2.47 sends it.
#[test]
fn commands_are_read_up_to_the_packfile() {
    let lines = [
        first(OLD, NEW, "refs/heads/main"),
        format!("{OLD} {NONE} refs/heads/old"),
        format!("{NONE} {NEW} refs/tags/v1"),
    ];
    let push = GitPush::read("acme/site", &body(&lines, b"PACK\0\0\0\x02\xff\xfe")).unwrap();
    assert_eq!(
        changes(&push),
        [
            (Change::Update, "refs/heads/main"),
            (Change::Delete, "refs/heads/old"),
            (Change::Create, "refs/tags/v1")
        ]
    );
    assert!(push.has("report-status-v2") && push.has("side-band-64k") && !push.signed);
    assert_eq!(push.commands[0].old, OLD);
}

#[test]
fn a_probe_is_no_push() {
    let push = GitPush::read("acme/site", b"0000").unwrap();
    assert!(push.is_probe() && push.capabilities.is_empty());
}

#[test]
fn options_stand_behind_the_commands() {
    let line = format!("{OLD} {NEW} refs/heads/main\0 report-status push-options");
    let bytes =
        [body(&[line], b""), pkt("ci.skip"), pkt("merge_request.create\n"), b"0000PACK".to_vec()].concat();
    let push = GitPush::read("acme/site", &bytes).unwrap();
    assert_eq!(push.options, ["ci.skip", "merge_request.create"]);
}

#[test]
fn a_shallow_clone_says_where_it_ends() {
    let lines = [format!("shallow {OLD}"), first(OLD, NEW, "refs/heads/main")];
    assert_eq!(
        changes(&GitPush::read("r", &body(&lines, b"PACK")).unwrap()),
        [(Change::Update, "refs/heads/main")]
    );
}

/// `git push --signed`: the commands are inside.
#[test]
fn a_signed_push_does_not_hide_its_commands() {
    let lines: Vec<String> = [
        "push-cert\0 report-status side-band-64k push-options",
        "certificate version 0.1\n",
        "pusher Jo <jo@acme.test> 1763659000 +0000\n",
        "pushee https://git.acme.test/acme/site.git\n",
        "nonce 1763659000-abc\n",
        "push-option ci.skip\n",
        "\n",
        &format!("{OLD} {NONE} refs/heads/main\n"),
        "-----BEGIN PGP SIGNATURE-----\n",
        "\n",
        "iQEz\n",
        "-----END PGP SIGNATURE-----\n",
        "push-cert-end\n",
    ]
    .map(str::to_owned)
    .to_vec();
    let bytes = [body(&lines, b""), pkt("ci.skip"), b"0000".to_vec()].concat();
    let push = GitPush::read("acme/site", &bytes).unwrap();
    assert!(push.signed && push.has("report-status"));
    assert_eq!(changes(&push), [(Change::Delete, "refs/heads/main")]);
    assert_eq!(push.options, ["ci.skip", "ci.skip"]);
}

#[test]
fn sha256_repositories_have_longer_names() {
    let (old, new) = ("ab".repeat(32), "00".repeat(32));
    let push = GitPush::read("r", &body(&[first(&old, &new, "refs/heads/main")], b"")).unwrap();
    assert_eq!(changes(&push), [(Change::Delete, "refs/heads/main")]);
}

#[test]
fn what_reads_two_ways_is_refused() {
    let refused = |bytes: &[u8]| GitPush::read("r", bytes).unwrap_err();
    let whole = body(&[first(OLD, NEW, "refs/heads/main")], b"");
    for cut in [0, 3, 20, whole.len() - 4, whole.len() - 1] {
        assert_eq!(refused(&whole[..cut]), GitError::Truncated, "{cut}");
    }
    for bad in ["zzzz", "0001", "0002", "0003", "fff1", "-001", "+004"] {
        assert_eq!(refused(format!("{bad}{}", " ".repeat(70_000)).as_bytes()), GitError::Length, "{bad}");
    }
    for name in
        ["", "refs/heads/a b", "refs/heads/../main", "refs//heads", "refs/heads/ma\rin", "refs/heads/"]
    {
        assert_eq!(refused(&body(&[first(OLD, NEW, name)], b"")), GitError::Name, "{name}");
    }
    assert_eq!(refused(&body(&["hello".to_owned()], b"")), GitError::Command);
    assert_eq!(refused(&body(&[first("0", NEW, "refs/heads/main")], b"")), GitError::Command);
    assert_eq!(refused(&body(&["push-cert\0 report-status".to_owned()], b"")), GitError::Certificate);
}

/// The NUL of a later command ends its name, and its capabilities count as git counts them.
#[test]
fn a_second_nul_hides_nothing() {
    let lines =
        [first(OLD, NEW, "refs/heads/topic"), format!("{OLD} {NEW} refs/heads/main\0push-options\0x")];
    let bytes = [body(&lines, b""), pkt("ci.skip"), b"0000PACK".to_vec()].concat();
    let push = GitPush::read("r", &bytes).unwrap();
    assert_eq!(changes(&push), [(Change::Update, "refs/heads/topic"), (Change::Update, "refs/heads/main")]);
    assert_eq!(push.options, ["ci.skip"]);
    // Without a second list behind the commands, as without one behind those of the first.
    assert_eq!(GitPush::read("r", &body(&lines, b"PACK")), Err(GitError::Length));
}

/// git joins the packets of a certificate, each up to its NUL, and only then looks for lines.
#[test]
fn a_certificate_is_read_line_by_line_or_not_at_all() {
    let command = format!("{NONE} {NEW} refs/heads/topic\n");
    let hidden = format!("{OLD} {NONE} refs/heads/main\n");
    let begin = "push-cert\0 report-status";
    let signature = "-----BEGIN PGP SIGNATURE-----\n";
    let head = "certificate version 0.1\n";
    let sound: &[&str] = &[begin, head, "\n", &command, signature, "\n", "x\n", "push-cert-end\n"];
    let read = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        GitPush::read("r", &body(&lines, b"PACK"))
    };
    assert_eq!(changes(&read(sound).unwrap()), [(Change::Create, "refs/heads/topic")]);
    let two = format!("certificate version 0.1\n\n{hidden}");
    let behind = format!("{hidden}{command}");
    let nul_in_field = format!("certificate\0{hidden}");
    let open = command.trim_end();
    let refused: &[&[&str]] = &[
        // Two lines in one packet: of the head, of commands, with a signature.
        &[begin, &two, "\n", &command, "push-cert-end\n"],
        &[begin, head, "\n", &behind, signature, "x\n", "push-cert-end\n"],
        &[begin, head, "\n", &command, "-----BEGIN \n\n", "push-cert-end\n"],
        // A line that goes on in the next packet.
        &[begin, head, "\n", open, "x\n", "push-cert-end\n"],
        &[begin, head, "", "\n", &command, "push-cert-end\n"],
        // A NUL ends a packet.
        &[begin, &nul_in_field, "\n", &command, "push-cert-end\n"],
        &[begin, head, "\n", &command, "push-cert-end\n\0x", &hidden, "push-cert-end\n"],
        &[begin, head, "\n", &command, signature, "push-cert-end\0\n", &hidden, "push-cert-end\n"],
        // An end that is none to git.
        &[begin, head, "\n", &command, "push-cert-end"],
        // Only the last signature is one.
        &[begin, head, "\n", &command, signature, &hidden, signature, "push-cert-end\n"],
        // Without commands, twice, beside commands.
        &[begin, "push-cert-end\n"],
        &[begin, head, "\n", signature, "push-cert-end\n"],
        &[begin, "push-cert-end\n", &hidden],
        &[begin, head, "\n", &command, "push-cert-end\n", begin, head, "\n", &hidden, "push-cert-end\n"],
        &[begin, head, "\n", &command, "push-cert-end\n", &hidden],
        &[&hidden, begin, head, "\n", &command, "push-cert-end\n"],
    ];
    for lines in refused {
        assert_eq!(read(lines), Err(GitError::Certificate), "{lines:?}");
    }
}

#[test]
fn the_repository_is_in_the_path() {
    let of = |path| repository(path).map(Cow::into_owned);
    assert_eq!(of("/acme/site.git/git-receive-pack").as_deref(), Some("acme/site"));
    assert_eq!(of("/acme/site/git-receive-pack").as_deref(), Some("acme/site"));
    assert_eq!(of("/team/sub%2Dx/site.git/git-receive-pack/").as_deref(), Some("team/sub-x/site"));
    assert_eq!(of("/git-receive-pack").as_deref(), Some(""));
    assert_eq!(of("/acme/site.git/git-upload-pack"), None);
    assert_eq!(of("/acme/site-git-receive-pack"), None);
}

proptest::proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = GitPush::read("r", &bytes);
    }

    #[test]
    fn every_command_is_found(names in proptest::collection::vec("refs/(heads|tags)/[a-z][a-z0-9/_-]{0,20}[a-z]", 1..8)) {
        let lines: Vec<String> = names.iter().map(|name| format!("{OLD} {NEW} {name}")).collect();
        if let Ok(push) = GitPush::read("r", &body(&lines, b"PACK")) {
            let found: Vec<&str> = push.commands.iter().map(|command| command.name.as_str()).collect();
            proptest::prop_assert_eq!(found, names);
        } else {
            proptest::prop_assert!(names.iter().any(|name| name.contains("//")));
        }
    }
}
