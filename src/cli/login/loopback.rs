//! Login by a browser that comes back to this machine (RFC 8252 §7.3).

use super::provider::{Provider, Tokens, post, random, tokens as tokens_of};
use crate::outbound::Outbound;
use crate::redact::visible;
use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;
use url::form_urlencoded::parse;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) client: &'a str,
    pub(super) issuer: &'a str,
    pub(super) scopes: &'a [String],
    pub(super) resource: Option<&'a str>,
    /// Whether to open the browser.
    pub(super) browser: bool,
}

pub(super) async fn tokens(
    outbound: &Outbound,
    provider: &Provider,
    asked: Asked<'_>,
) -> anyhow::Result<Tokens> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port of this machine is free")?;
    let redirect_uri = format!("http://127.0.0.1:{}{PATH}", listener.local_addr()?.port());
    let (state, verifier) = (random()?, random()?);
    let url = address(provider, asked, &redirect_uri, &state, &verifier);
    eprintln!("Your browser opens; if it does not, open this address on this machine:\n\n  {url}\n");
    if asked.browser {
        open(&url);
    }
    let waiting = answer(&listener, provider, asked.issuer, &state);
    let code =
        tokio::time::timeout(LOGIN_MAX, waiting).await.context("nobody signed in within ten minutes")??;
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", redirect_uri.as_str()),
        ("client_id", asked.client),
        ("code_verifier", verifier.as_str()),
    ];
    form.extend(asked.resource.map(|resource| ("resource", resource)));
    match tokens_of(&post(outbound, &provider.token_endpoint, &form).await?)? {
        Ok(tokens) => Ok(tokens),
        Err(refused) => bail!("the identity provider says {}", refused.said()),
    }
}

fn address(provider: &Provider, asked: Asked<'_>, redirect_uri: &str, state: &str, verifier: &str) -> Url {
    let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    let mut url = provider.authorization_endpoint.clone();
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", asked.client)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", &asked.scopes.join(" "))
        .append_pair("state", state)
        .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge.as_ref()))
        .append_pair("code_challenge_method", "S256");
    if let Some(resource) = asked.resource {
        // RFC 8707, and what Auth0 calls it.
        query.append_pair("resource", resource).append_pair("audience", resource);
    }
    drop(query);
    url
}

/// The browser of this desktop; that it is missing is no error, since the address is printed.
fn open(url: &Url) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = tokio::process::Command::new(program);
    let _ =
        command.arg(url.as_str()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

/// Waits for the browser. What else comes to the port is answered and forgotten: anybody on this machine can ask.
async fn answer(
    listener: &TcpListener,
    provider: &Provider,
    issuer: &str,
    state: &str,
) -> anyhow::Result<String> {
    loop {
        let (mut tcp, _) = listener.accept().await?;
        let Ok(Ok(head)) = tokio::time::timeout(HEAD_MAX, head(&mut tcp)).await else { continue };
        let Some(returned) = returned(&head, state) else {
            say(&mut tcp, "404 Not Found", "There is nothing here.").await;
            continue;
        };
        let code = judged(returned, provider, issuer);
        let text = match &code {
            Ok(_) => "You are signed in. Go back to the command line; this page can be closed.",
            Err(_) => "Nobody is signed in. The command line says why; this page can be closed.",
        };
        say(&mut tcp, "200 OK", text).await;
        return code;
    }
}

/// What the provider sent the browser back with.
#[derive(Debug, Default, PartialEq, Eq)]
struct Returned {
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Of a request's head: `None`, if it is not the answer to our question.
fn returned(head: &str, state: &str) -> Option<Returned> {
    let target = head.strip_prefix("GET ")?.split(' ').next()?;
    let query = target.strip_prefix(PATH)?.strip_prefix('?')?;
    let mut returned = Returned::default();
    let mut ours = false;
    for (name, value) in parse(query.as_bytes()) {
        let slot = match &*name {
            "state" => {
                let same =
                    aws_lc_rs::constant_time::verify_slices_are_equal(value.as_bytes(), state.as_bytes());
                ours = same.is_ok();
                continue;
            }
            "code" => &mut returned.code,
            "error" => &mut returned.error,
            "iss" => &mut returned.iss,
            _ => continue,
        };
        if slot.replace(value.into_owned()).is_some() {
            return None; // one of each (RFC 6749 §3.1)
        }
    }
    ours.then_some(returned)
}

fn judged(returned: Returned, provider: &Provider, issuer: &str) -> anyhow::Result<String> {
    match &returned.iss {
        Some(iss) if iss != issuer => bail!("the answer came from `{}`, not from `{issuer}`", visible(iss)),
        None if provider.names_itself => {
            bail!("the answer does not say who sent it (`iss`), although this provider always does")
        }
        _ => {}
    }
    match (returned.error, returned.code) {
        (Some(error), _) => bail!("the identity provider says `{}`", visible(&error)),
        (None, Some(code)) => Ok(code),
        (None, None) => bail!("the identity provider sent no code"),
    }
}

async fn head(tcp: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if bytes.len() > HEAD_BYTES_MAX || tcp.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
    String::from_utf8(bytes).map_err(|_| std::io::ErrorKind::InvalidData.into())
}

async fn say(tcp: &mut TcpStream, status: &str, text: &str) {
    let body = format!("<!doctype html><html lang=\"en\"><title>Holdpoint</title><p>{text}</p>");
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-security-policy: default-src 'none'\r\n\
         referrer-policy: no-referrer\r\ncache-control: no-store\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = tcp.write_all(answer.as_bytes()).await; // the browser may have gone
    let _ = tcp.shutdown().await;
}

const PATH: &str = "/callback";
const LOGIN_MAX: Duration = Duration::from_mins(10);
const HEAD_MAX: Duration = Duration::from_secs(10);
const HEAD_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_answer_to_our_question_counts() {
        let head = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        let found = returned(&head("/callback?code=a%20b&state=s&iss=https%3A%2F%2Fi"), "s").unwrap();
        assert_eq!((found.code.as_deref(), found.iss.as_deref()), (Some("a b"), Some("https://i")));
        for other in [
            "/callback?code=a",
            "/callback?code=a&state=t",
            "/callback?code=a&code=b&state=s",
            "/callback?code=a&state=s&state=t",
            "/callbackx?code=a&state=s",
            "/?code=a&state=s",
        ] {
            assert_eq!(returned(&head(other), "s"), None, "{other}");
        }
        assert_eq!(returned("POST /callback?code=a&state=s HTTP/1.1\r\n\r\n", "s"), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_without_the_state_is_no_answer(text in "\\PC*", query in "[a-z=&%0-9]*") {
            prop_assert_eq!(returned(&text, "secret-state"), None);
            let head = format!("GET /callback?{query} HTTP/1.1\r\n\r\n");
            prop_assert_eq!(returned(&head, "secret-state"), None);
        }
    }
}
