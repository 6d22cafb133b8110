//! Webhooks to machines: ledger events as CloudEvents 1.0 (structured mode), signed as Standard Webhooks.
//!
//! Every attempt carries `webhook-id` (the same for the same event, for ever), `webhook-timestamp` (of the attempt)
//! and `webhook-signature` over `id.timestamp.body`, one signature for each secret, so that secrets can be rotated.
//! A status of 2xx is taken; 410 turns the webhook off; anything else is tried again.

use crate::outbound::{Answer, Outbound};
use crate::outbox::{Delivery, Receipt};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, StatusCode};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;
use std::time::Duration;
use url::Url;

/// A webhook as configured.
#[derive(Debug, Clone)]
pub struct Settings {
    pub url: Url,
    /// The first is the newest; each signs.
    pub secrets: Vec<Secret>,
    /// Which events it is told of, by glob.
    pub events: crate::role::Names,
}

impl Settings {
    /// What identifies the address. Not the address itself: its query may be a secret.
    pub fn address(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, self.url.as_str().as_bytes()).as_ref().to_vec()
    }
}

/// `whsec_` and 24 to 64 bytes in base64 (Standard Webhooks).
#[derive(Clone)]
pub struct Secret(hmac::Key);

impl Secret {
    /// `None`: it is no such secret.
    pub fn parse(text: &SecretString) -> Option<Self> {
        let encoded = text.expose_secret().trim().strip_prefix("whsec_")?;
        let engine = if encoded.ends_with('=') { &STANDARD } else { &STANDARD_NO_PAD };
        let key = engine.decode(encoded).or_else(|_| STANDARD.decode(encoded)).ok()?;
        SECRET_BYTES.contains(&key.len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// `v1,` and the signature of `id.timestamp.body` in base64.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign().as_ref()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// One webhook.
#[derive(Debug)]
pub struct Webhook {
    settings: Settings,
    outbound: Outbound,
}

impl Webhook {
    pub fn new(settings: Settings, outbound: Outbound) -> Self {
        Self { settings, outbound }
    }

    async fn send(&self, delivery: &Delivery) -> Receipt {
        let Some(id) = delivery.body.get("id").and_then(serde_json::Value::as_str) else {
            return Receipt::Never("what was kept is no event".to_owned());
        };
        let body = Bytes::from(delivery.body.to_string());
        let timestamp = Timestamp::now().as_second();
        let signatures: Vec<String> =
            self.settings.secrets.iter().map(|secret| secret.sign(id, timestamp, &body)).collect();
        let request = Request::post(self.settings.url.as_str())
            .header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures.join(" "))
            .body(body);
        let Ok(request) = request else { return Receipt::Never("the address cannot be called".to_owned()) };
        match self.outbound.send(request).await {
            Ok(answer) => self.receipt(&answer),
            Err(error) => Receipt::Later { after: None, why: error.to_string() },
        }
    }

    fn receipt(&self, answer: &Answer) -> Receipt {
        let said = said(answer);
        match answer.status {
            status if status.is_success() => Receipt::Done(said),
            StatusCode::GONE => Receipt::Gone { address: self.settings.address(), why: said },
            _ => Receipt::Later { after: retry_after(answer), why: said },
        }
    }
}

impl crate::outbox::Notifier for Webhook {
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Receipt> {
        Box::pin(self.send(delivery))
    }
}

/// The status, and the beginning of what came with it.
fn said(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let text: String = crate::redact::visible(text.trim()).chars().take(SAID_CHARS).collect();
    let status = answer.status.as_u16();
    if text.is_empty() { status.to_string() } else { format!("{status}: {text}") }
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            u64::try_from(at.duration_since(Timestamp::now()).as_secs()).ok()?
        }
    };
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const SAID_CHARS: usize = 200;
/// Whoever asks for more is asked again sooner.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn secret(text: &str) -> Option<Secret> {
        Secret::parse(&SecretString::from(text.to_owned()))
    }

    /// The example of the specification (and of the libraries' own tests).
    #[test]
    fn signatures_are_those_of_the_published_vector() {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_long_and_hidden() {
        let long = STANDARD.encode([7; 24]);
        assert_eq!(format!("{:?}", secret(&format!("whsec_{long}")).unwrap()), "Secret");
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", long.as_str(), "whsec_not base64 at all, is it?"] {
            assert!(secret(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_other_side_says_when() {
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&Answer { status: StatusCode::SERVICE_UNAVAILABLE, headers, body: Bytes::new() })
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("99999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(after("Wed, 01 Jan 2200 00:00:00 GMT"), Some(RETRY_AFTER_MAX));
        assert_eq!(after("Wed, 01 Jan 2020 00:00:00 GMT"), None);
        assert_eq!(after("soon"), None);
    }
}
