//! Smart HTTP by git's own CGI program.

use super::origin::{Body, full};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use std::io;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Answers a request under `/git/` from the bare repositories in `root` (RFC 3875).
pub async fn answer(root: &Path, head: &http::request::Parts, body: &[u8]) -> io::Result<Response<Body>> {
    let field = |name| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path().trim_start_matches("/git"))
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", field(header::CONTENT_TYPE))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", field(header::CONTENT_ENCODING))
        .env("HTTP_GIT_PROTOCOL", field(HeaderName::from_static("git-protocol")))
        .env("REMOTE_USER", "tester")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("piped");
    let (written, output) = tokio::join!(
        async {
            let written = stdin.write_all(body).await;
            drop(stdin);
            written
        },
        child.wait_with_output()
    );
    written?;
    parse(&output?.stdout).ok_or_else(|| io::Error::other("git http-backend answered no CGI response"))
}

fn parse(output: &[u8]) -> Option<Response<Body>> {
    let end = output.windows(4).position(|w| w == b"\r\n\r\n")?;
    let (head, body) = output.split_at(end);
    let mut response = Response::new(full(Bytes::copy_from_slice(&body[4..])));
    for line in std::str::from_utf8(head).ok()?.split("\r\n") {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("status") {
            *response.status_mut() = StatusCode::from_bytes(value.as_bytes().get(..3)?).ok()?;
        } else {
            response
                .headers_mut()
                .append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
        }
    }
    Some(response)
}
