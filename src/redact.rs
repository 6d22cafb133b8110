//! What may be shown: secrets replaced by a fingerprint, and hostile characters made visible.

use crate::hold::ShownField;
use aws_lc_rs::hmac;
use http::HeaderMap;

/// Makes fingerprints of secrets with a key of this installation, so that equal secrets look equal and a
/// fingerprint gives nothing away.
pub struct Fingerprints {
    key: hmac::Key,
}

impl std::fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprints")
    }
}

impl Fingerprints {
    /// From 32 secret bytes.
    pub fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// Twelve hexadecimal digits of the HMAC.
    pub fn of(&self, secret: &[u8]) -> String {
        let tag = hmac::sign(&self.key, secret);
        crate::digest::hex(tag.as_ref()).chars().take(12).collect()
    }

    /// The credential of a request, for its digest: every credential field by its fingerprint; of an AWS
    /// SigV4 `Authorization` only key id and scope, since date and signature differ with every try.
    pub fn credential(&self, headers: &HeaderMap) -> String {
        let _ = headers;
        todo!("store helper")
    }

    /// The fields as shown and stored, secrets replaced.
    pub fn fields(&self, headers: &HeaderMap) -> Vec<ShownField> {
        let _ = headers;
        todo!("store helper")
    }
}

/// A query as logged: values of parameters that carry secrets (`token`, `sig`, `X-Amz-Signature`, …) replaced.
pub fn query(query: &str) -> std::borrow::Cow<'_, str> {
    let _ = query;
    todo!("store helper")
}

/// Makes C0, C1, bidi, zero-width, tag and other invisible characters visible as `⟨U+202E⟩`, line breaks and
/// tabs apart. For every text that an agent wrote, in every face.
pub fn visible(text: &str) -> std::borrow::Cow<'_, str> {
    let _ = text;
    todo!("store helper")
}
