//! Slack's signature of a request: over its raw bytes, of now, and once.
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack>

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Checks signatures, and remembers those of the last minutes.
#[derive(Debug)]
pub struct Verifier {
    key: hmac::Key,
    /// Signatures that were good, with the second until which they would be.
    seen: Mutex<BTreeMap<[u8; 32], i64>>,
}

/// Why a request is not taken for Slack's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the request is not signed as Slack signs")]
    Missing,
    #[error("the signature is of another time: is the clock right?")]
    Stale,
    #[error("the signature is not by the signing secret")]
    Wrong,
    #[error("the request came before")]
    Replayed,
    #[error("too many requests in a few minutes")]
    Full,
}

impl Verifier {
    pub fn new(secret: &SecretString) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        Self { key, seen: Mutex::default() }
    }

    /// Checks `x-slack-request-timestamp`, `x-slack-signature` and the body as it came, at `now` (Unix seconds).
    ///
    /// # Errors
    /// It is not Slack's, not of now, or came before.
    pub fn check(
        &self,
        timestamp: &str,
        signature: &str,
        body: &[u8],
        now: i64,
    ) -> Result<(), SignatureError> {
        let plain =
            !timestamp.is_empty() && timestamp.len() <= 12 && timestamp.bytes().all(|b| b.is_ascii_digit());
        let at: i64 = timestamp.parse().ok().filter(|_| plain).ok_or(SignatureError::Missing)?;
        let given = signature.strip_prefix("v0=").and_then(unhex).ok_or(SignatureError::Missing)?;
        if now.abs_diff(at) > SKEW_SECS {
            return Err(SignatureError::Stale);
        }
        let mut signed = Vec::with_capacity(body.len() + timestamp.len() + 4);
        signed.extend_from_slice(b"v0:");
        signed.extend_from_slice(timestamp.as_bytes());
        signed.push(b':');
        signed.extend_from_slice(body);
        // Compares in constant time.
        hmac::verify(&self.key, &signed, &given).map_err(|_| SignatureError::Wrong)?;
        self.once(given, at, now)
    }

    /// Takes a good signature, once while it is good.
    fn once(&self, signature: [u8; 32], at: i64, now: i64) -> Result<(), SignatureError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains_key(&signature) {
            return Err(SignatureError::Replayed);
        }
        if seen.len() >= SEEN_MAX {
            seen.retain(|_, until| *until >= now);
        }
        if seen.len() >= SEEN_MAX {
            return Err(SignatureError::Full);
        }
        seen.insert(signature, at.saturating_add_unsigned(SKEW_SECS));
        Ok(())
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16)?;
            *byte = *byte << 4 | u8::try_from(value).ok()?;
        }
    }
    Some(bytes)
}

/// To both sides.
const SKEW_SECS: u64 = 300;
/// Clicks of people in ten minutes: nobody reaches this without the signing secret.
const SEEN_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;
    use proptest::prelude::*;

    const NOW: i64 = 1_531_420_618;

    fn verifier() -> Verifier {
        Verifier::new(&"8f742231b10e8888abcd99yyyzzz85a5".to_owned().into())
    }

    fn sign(timestamp: &str, body: &[u8]) -> String {
        let signed = [b"v0:", timestamp.as_bytes(), b":", body].concat();
        format!("v0={}", hex(hmac::sign(&verifier().key, &signed).as_ref()))
    }

    /// The example of Slack's own documentation.
    #[test]
    fn the_example_of_the_documentation_is_good() {
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
            &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
            &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
            &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        assert_eq!(verifier().check("1531420618", signature, body, NOW), Ok(()));
    }

    #[test]
    fn both_sides_of_five_minutes_count() {
        let signature = sign("1531420618", b"x");
        for (skew, expected) in [
            (0, Ok(())),
            (300, Ok(())),
            (-300, Ok(())),
            (301, Err(SignatureError::Stale)),
            (-301, Err(SignatureError::Stale)),
        ] {
            assert_eq!(verifier().check("1531420618", &signature, b"x", NOW + skew), expected, "{skew}");
        }
    }

    #[test]
    fn what_is_good_is_good_once() {
        let (verifier, signature) = (verifier(), sign("1531420618", b"x"));
        assert_eq!(verifier.check("1531420618", &signature, b"x", NOW), Ok(()));
        assert_eq!(verifier.check("1531420618", &signature, b"x", NOW), Err(SignatureError::Replayed));
        let upper = signature.to_uppercase().replacen("V0", "v0", 1);
        assert_eq!(verifier.check("1531420618", &upper, b"x", NOW), Err(SignatureError::Replayed));
    }

    #[test]
    fn other_writings_of_a_time_are_none() {
        for timestamp in ["", "+1531420618", " 1531420618", "1531420618.0", "-1", "99999999999999999999"] {
            let signature = sign(timestamp, b"x");
            assert_eq!(
                verifier().check(timestamp, &signature, b"x", NOW),
                Err(SignatureError::Missing),
                "{timestamp}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_good(body in ".{0,40}", signature in ".{0,80}", timestamp in "[0-9]{10}") {
            prop_assert!(verifier().check(&timestamp, &signature, body.as_bytes(), NOW).is_err());
        }

        #[test]
        fn a_changed_body_is_not(body in proptest::collection::vec(any::<u8>(), 1..40), at in 0usize..40, bit in 0u8..8) {
            let signature = sign("1531420618", &body);
            let mut changed = body.clone();
            let at = at % changed.len();
            changed[at] ^= 1 << bit;
            prop_assert_eq!(verifier().check("1531420618", &signature, &changed, NOW), Err(SignatureError::Wrong));
            prop_assert_eq!(verifier().check("1531420618", &signature, &body, NOW), Ok(()));
        }
    }
}
