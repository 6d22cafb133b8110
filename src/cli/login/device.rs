//! Login with a code that is typed on another device (RFC 8628).

use super::provider::{Provider, Refused, Tokens, post, tokens as tokens_of};
use crate::outbound::{Outbound, OutboundError};
use crate::redact::visible;
use anyhow::{Context as _, bail};
use http::StatusCode;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) client: &'a str,
    pub(super) scopes: &'a [String],
    pub(super) resource: Option<&'a str>,
}

/// RFC 8628 §3.2.
#[derive(Deserialize)]
struct Device {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

pub(super) async fn tokens(
    outbound: &Outbound,
    provider: &Provider,
    asked: Asked<'_>,
) -> anyhow::Result<Tokens> {
    let endpoint = provider.device_authorization_endpoint.as_ref();
    let endpoint = endpoint.context("the identity provider offers no login by code (device flow)")?;
    let scope = asked.scopes.join(" ");
    let mut form = vec![("client_id", asked.client), ("scope", scope.as_str())];
    form.extend(
        asked.resource.into_iter().flat_map(|resource| [("resource", resource), ("audience", resource)]),
    );
    let answer = post(outbound, endpoint, &form).await?;
    if answer.status != StatusCode::OK {
        match tokens_of(&answer)? {
            Err(refused) => bail!("the identity provider says {}", refused.said()),
            Ok(_) => bail!("the identity provider gave no code"),
        }
    }
    let device: Device =
        serde_json::from_slice(&answer.body).context("the identity provider gave no code to type")?;
    eprintln!(
        "\nOn any device, open  {}\nand type the code    {}\n",
        visible(&device.verification_uri),
        visible(&device.user_code)
    );
    if let Some(complete) = &device.verification_uri_complete {
        eprintln!("or open              {}\n", visible(complete));
    }
    poll(outbound, provider, asked, &device).await
}

async fn poll(
    outbound: &Outbound,
    provider: &Provider,
    asked: Asked<'_>,
    device: &Device,
) -> anyhow::Result<Tokens> {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device.device_code.as_str()),
        ("client_id", asked.client),
    ];
    let ends = Instant::now() + Duration::from_secs(device.expires_in).min(LOGIN_MAX);
    let mut interval = Duration::from_secs(device.interval.unwrap_or(5)).min(INTERVAL_MAX);
    loop {
        if Instant::now() + interval >= ends {
            bail!("nobody typed the code in time; begin again");
        }
        tokio::time::sleep(interval).await;
        let answer = match post(outbound, &provider.token_endpoint, &form).await {
            Ok(answer) => answer,
            // RFC 8628 §3.5: on a connection time-out ask less often.
            Err(error) if error.downcast_ref::<OutboundError>().is_some() => {
                interval = (interval * 2).min(INTERVAL_MAX);
                continue;
            }
            Err(error) => return Err(error),
        };
        match tokens_of(&answer)? {
            Ok(tokens) => return Ok(tokens),
            Err(refused) => interval = slower(&refused, interval)?,
        }
    }
}

/// How long to wait before asking again (RFC 8628 §3.5).
fn slower(refused: &Refused, interval: Duration) -> anyhow::Result<Duration> {
    match refused.error.as_str() {
        "authorization_pending" => Ok(interval),
        "slow_down" => Ok((interval + SLOWER).min(INTERVAL_MAX)),
        "access_denied" => bail!("the login was refused on the other device"),
        "expired_token" => bail!("nobody typed the code in time; begin again"),
        _ => bail!("the identity provider says {}", refused.said()),
    }
}

/// RFC 8628 §3.5.
const SLOWER: Duration = Duration::from_secs(5);
const INTERVAL_MAX: Duration = Duration::from_mins(1);
const LOGIN_MAX: Duration = Duration::from_mins(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_obeys_the_provider() {
        let after = |error: &str| {
            let refused: Refused = serde_json::from_str(&format!("{{\"error\":\"{error}\"}}")).unwrap();
            slower(&refused, Duration::from_secs(5)).ok()
        };
        assert_eq!(after("authorization_pending"), Some(Duration::from_secs(5)));
        assert_eq!(after("slow_down"), Some(Duration::from_secs(10)));
        for end in ["access_denied", "expired_token", "invalid_grant"] {
            assert_eq!(after(end), None, "{end}");
        }
    }
}
