//! Is the proxy there, and does it know us? Asked before a command is started behind it.

use super::client::{ClientError, Endpoint};
use super::proxy_url::ProxyUrl;
use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::PROXY_AUTHORIZATION;

/// Asks the reserved host, which only Holdpoint answers.
///
/// # Errors
/// Nobody answers, somebody else does, or the credentials are missing or wrong.
pub(super) async fn proxy_answers(proxy: &ProxyUrl) -> anyhow::Result<()> {
    let mut request = http::Request::get("http://holdpoint.internal/").header("host", "holdpoint.internal");
    if let Some((name, token)) = proxy.credentials() {
        let value = format!("Basic {}", STANDARD.encode(format!("{name}:{token}")));
        request = request.header(PROXY_AUTHORIZATION, value);
    }
    let address = Endpoint::plain(proxy.host(), proxy.port());
    let answer = address.send(request.body(String::new())?).await;
    let status = match answer {
        Ok(answer) => answer.status(),
        Err(ClientError::Connect(source)) => {
            return Err(source).with_context(|| {
                format!("Holdpoint does not answer on {address}: start it with `holdpoint serve`")
            });
        }
        Err(error) => return Err(error).with_context(|| format!("what listens on {address} is no proxy")),
    };
    match status.as_u16() {
        200 => Ok(()),
        407 if proxy.has_credentials() => {
            bail!("Holdpoint does not know this agent and token: look at `holdpoint agents list`")
        }
        407 => bail!(
            "Holdpoint wants to know the agent: enrol it with `holdpoint agents add NAME --owner PERSON`, then say \
             --proxy with the URL that it prints, or --agent and --token"
        ),
        _ => bail!("what listens on {address} is not Holdpoint: it answers {status}"),
    }
}
