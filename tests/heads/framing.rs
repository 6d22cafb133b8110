//! Where an HTTP/1 message ends (RFC 9112): what could be read in two ways is refused, and nothing is smuggled in it.
//!
//! Each case carries `DELETE /users/42` where some reader would find the next request.

use super::{Scene, status};

const SMUGGLED: &str = "DELETE /users/42 HTTP/1.1\r\nHost: api.test\r\n\r\n";

fn post(fields: &str, body: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n\r\n{body}")
}

#[tokio::test]
async fn no_framing_smuggles_a_request() {
    let mut scene = Scene::new().await;
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    for fields in CODINGS {
        scene.stopped(fields, post(fields, &chunked)).await;
    }
    for length in LENGTHS {
        scene.stopped(length, post(&format!("Content-Length:{length}"), SMUGGLED)).await;
    }
    for (what, line) in LINES {
        scene.stopped(what, format!("{line}\r\nHost: api.test\r\nContent-Length: 0\r\n\r\n{SMUGGLED}")).await;
    }
    for (what, fields) in ODD_FIELDS {
        scene.stopped(what, post(&format!("{fields}\r\nContent-Length: 0"), SMUGGLED)).await;
    }
    for (what, head) in [
        ("line feeds only", "POST /x HTTP/1.1\nHost: api.test\nContent-Length: 0\n\n"),
        ("a line feed at the end", "POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\n\n"),
        ("carriage returns only", "POST /x HTTP/1.1\rHost: api.test\rContent-Length: 0\r\r"),
        (
            "a line feed after the request line",
            "POST /x HTTP/1.1\nHost: api.test\r\nContent-Length: 0\r\n\r\n",
        ),
        ("two empty lines in front", "\r\n\r\nPOST /x HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("a line feed in front", "\nPOST /x HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("HTTP/0.9", "GET /x\r\n\r\n"),
        ("HTTP/0.9 with fields", "GET /x\r\nHost: api.test\r\n\r\n"),
    ] {
        scene.stopped(what, format!("{head}{SMUGGLED}")).await;
    }
    scene
        .stopped(
            "an old version",
            format!("POST /x HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
        )
        .await;
    scene.end();
}

/// Where the head is sound the request may begin to arrive, and is never whole; what would be smuggled is not there.
#[tokio::test]
async fn broken_chunks_end_the_connection() {
    let mut scene = Scene::new().await;
    for chunks in CHUNKS {
        let mut wire = scene.wire().await;
        let head = "POST /x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = wire.try_send(format!("{head}{chunks}{SMUGGLED}")).await;
        let status = status(&mut wire).await;
        let refused = status.is_none_or(|s| (400..500).contains(&s) || s == 502);
        assert!(refused, "{chunks:?}: {status:?}");
    }
    let bytes = scene.origin.taken().concat();
    assert!(!String::from_utf8_lossy(&bytes).contains("users"), "{}", String::from_utf8_lossy(&bytes));
    assert!(scene.origin.seen().iter().all(|seen| !seen.complete), "{:?}", scene.origin.seen());
    scene.arrived = scene.origin.seen().len();
    scene.end();
}

#[tokio::test]
async fn sound_framing_passes() {
    let mut scene = Scene::new().await;
    let chunked = |chunks: &str| post("Transfer-Encoding: chunked", chunks);
    for (what, bytes) in [
        ("a length", post("Content-Length: 4", "body")),
        ("a length of nothing", post("Content-Length: 0", "")),
        ("no length", post("X: y", "")),
        ("zeros in front", post("Content-Length: 004", "body")),
        ("chunks", chunked("4\r\nbody\r\n0\r\n\r\n")),
        ("two chunks", chunked("2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n")),
        ("upper-case sizes", chunked("A\r\n0123456789\r\n0\r\n\r\n")),
        ("zeros in front of a size", chunked("0004\r\nbody\r\n000\r\n\r\n")),
        ("an extension", chunked("4;name=value\r\nbody\r\n0;last\r\n\r\n")),
        ("a quoted extension", chunked("4;name=\"a b;c\"\r\nbody\r\n0\r\n\r\n")),
        ("a trailer", chunked("4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n")),
        (
            "a trailer with a meaning",
            chunked(
                "4\r\nbody\r\n0\r\nX-HTTP-Method-Override: DELETE\r\nHost: inner.test\r\nX-Env: prod\r\nContent-Length: 9\r\n\r\n",
            ),
        ),
        ("no chunks", chunked("0\r\n\r\n")),
        ("a request in a chunk", chunked(&format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len()))),
        ("a request in a body", post(&format!("Content-Length: {}", SMUGGLED.len()), SMUGGLED)),
        ("the coding in upper case", post("TRANSFER-ENCODING: Chunked", "0\r\n\r\n")),
        ("blanks around the coding", post("Transfer-Encoding:  chunked \t", "0\r\n\r\n")),
        ("an empty line in front", format!("\r\n{}", post("Content-Length: 4", "body"))),
    ] {
        scene.passed(what, bytes, "POST", "/x").await;
    }
    let seen = scene.origin.seen();
    let merged =
        |seen: &&super::support::origin::Seen| seen.trailers.is_some() || seen.field("x-env").is_some();
    assert_eq!(seen.iter().filter(merged).count(), 0, "no trailer goes on: {seen:?}");
    scene.end();
}

const CODINGS: &[&str] = &[
    "Transfer-Encoding: chunked\r\nContent-Length: 4",
    "Content-Length: 4\r\nTransfer-Encoding: chunked",
    "content-length: 0\r\ntransfer-encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 99999",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: x-chunked",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: 'chunked'",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: cow, chunked",
    "Transfer-Encoding: chunk",
    "Transfer-Encoding:",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: \x0cchunked",
    "Transfer-Encoding: chunked\x0b",
    "Transfer-Encoding: chu\0nked",
    "Transfer-Encoding: chunked\u{a0}",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding: chunked\r\n ",
    "Transfer-Encoding\r\n: chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\t: chunked",
    " Transfer-Encoding: chunked",
    "\tTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked",
    "X: y\nTransfer-Encoding: chunked",
    "Transfer_Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer_Encoding: identity",
    "\0Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent_Length: 4",
    "Transfer Encoding: chunked",
];

const LENGTHS: &[&str] = &[
    "",
    " ",
    " +0",
    " -0",
    " -1",
    " 0x0",
    " 0b0",
    " 0_0",
    " 0.0",
    " 0e0",
    " 0,0",
    " 0, 0",
    " 0 0",
    " 0;0",
    " \"0\"",
    " 0\r\nContent-Length: 0",
    " 0\r\nContent-Length: 5",
    " 5\r\nContent-Length: 0",
    " 0\r\ncontent-length: 0",
    " 18446744073709551616",
    " 18446744073709551615",
    " 9223372036854775808",
    " 99999999999999999999",
    " \x0b0",
    " 0\x0c",
    " \u{660}",
    " 0\0",
    "\r\n 0",
    " 0\r\nContent_Length: 5",
    " a",
    " chunked",
];

const LINES: &[(&str, &str)] = &[
    ("HTTP/1.2", "POST /x HTTP/1.2"),
    ("HTTP/1.9", "POST /x HTTP/1.9"),
    ("HTTP/1.10", "POST /x HTTP/1.10"),
    ("HTTP/1.01", "POST /x HTTP/1.01"),
    ("HTTP/01.1", "POST /x HTTP/01.1"),
    ("HTTP/2.0", "POST /x HTTP/2.0"),
    ("HTTP/2", "POST /x HTTP/2"),
    ("HTTP/3", "POST /x HTTP/3"),
    ("HTTP/0.9", "POST /x HTTP/0.9"),
    ("HTTP/1", "POST /x HTTP/1"),
    ("http/1.1", "POST /x http/1.1"),
    ("Http/1.1", "POST /x Http/1.1"),
    ("HTTPS/1.1", "POST /x HTTPS/1.1"),
    ("HTTP /1.1", "POST /x HTTP /1.1"),
    ("HTTP/1.1 and a blank", "POST /x HTTP/1.1 "),
    ("two blanks before the target", "POST  /x HTTP/1.1"),
    ("two blanks behind the target", "POST /x  HTTP/1.1"),
    ("a tab", "POST\t/x HTTP/1.1"),
    ("a tab behind the target", "POST /x\tHTTP/1.1"),
    ("a blank in front", " POST /x HTTP/1.1"),
    ("two targets", "POST /x /users/42 HTTP/1.1"),
    ("two versions", "POST /x HTTP/1.1 HTTP/1.1"),
    ("no target", "POST HTTP/1.1"),
    ("no target but blanks", "POST  HTTP/1.1"),
    ("no method", "/x HTTP/1.1"),
    ("a NUL", "POST /x\0 HTTP/1.1"),
    ("a form feed", "POST\x0c/x HTTP/1.1"),
    ("a star", "POST * HTTP/1.1"),
    ("a carriage return", "POST /x\r HTTP/1.1"),
];

const ODD_FIELDS: &[(&str, &str)] = &[
    ("no colon", "X-Field"),
    ("no name", ": value"),
    ("a blank name", " : value"),
    ("a blank in a name", "X Field: y"),
    ("a blank before the colon", "X-Field : y"),
    ("a folded line", "X-Field: a\r\n b"),
    ("a folded line with a tab", "X-Field: a\r\n\tb"),
    ("a folded empty line", "X-Field: a\r\n "),
    ("a bare CR", "X-Field: a\rb"),
    ("a bare LF", "X-Field: a\nb"),
    ("a CR at the end", "X-Field: a\r"),
    ("a NUL in a value", "X-Field: a\0b"),
    ("a NUL in a name", "X-Fi\0eld: a"),
    ("a parenthesis in a name", "X(Field): a"),
    ("a quote in a name", "\"X-Field\": a"),
    ("a bracket in a name", "[X-Field]: a"),
    ("a slash in a name", "X/Field: a"),
    ("a letter beyond ASCII in a name", "X-Fi\u{e9}ld: a"),
    ("a bell in a value", "X-Field: a\x07b"),
    ("a deletion in a value", "X-Field: a\x7fb"),
    ("a vertical tab in a name", "X-Field\x0b: a"),
];

const CHUNKS: &[&str] = &[
    "x\r\n",
    "-1\r\nb\r\n0\r\n\r\n",
    "+1\r\nb\r\n0\r\n\r\n",
    "0x1\r\nb\r\n0\r\n\r\n",
    " 1\r\nb\r\n0\r\n\r\n",
    "1 \r\nb\r\n0\r\n\r\n",
    "1\t\r\nb\r\n0\r\n\r\n",
    "1\r\nbb\r\n0\r\n\r\n",
    "2\r\nb\r\n0\r\n\r\n",
    "1\nb\n0\n\n",
    "1\r\nb\n0\r\n\r\n",
    "1\r\nb0\r\n\r\n",
    "1;a\nb\r\n0\r\n\r\n",
    "1;a\r\r\nb\r\n0\r\n\r\n",
    "1;a\0\r\nb\r\n0\r\n\r\n",
    "1;\x7f\r\nb\r\n0\r\n\r\n",
    "1,2\r\nb\r\n0\r\n\r\n",
    "1_0\r\nb\r\n0\r\n\r\n",
    "g\r\n",
    "\r\n",
    "\r\n0\r\n\r\n",
    "10000000000000000\r\n",
    "fffffffffffffffff\r\n",
    "100000000000000001\r\nb\r\n0\r\n\r\n",
    "0\n\r\n",
    "0\r\nX: y\n\r\n",
    "0\r\n X: y\r\n\r\n",
    "0\r\n\nX",
    "1\r\nb\r\n;\r\n\r\n",
    "1\r\rb\r\n0\r\n\r\n",
    "0\r\nX: a\rb\r\n\r\n",
];
