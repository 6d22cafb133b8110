//! Certificates: ours for agents, the origins' for us. rustls types stay in here and in `proxy/`.

mod authority;
mod leaf;
mod origin;
mod staple;

pub use authority::{AuthorityError, CertificateAuthority};
pub use leaf::{LeafError, Leaves};
pub use origin::{Alpn, Trust, TrustError, plain_reason};
pub use staple::revokes;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite::TLS13_AES_128_GCM_SHA256, default_provider};
use std::sync::Arc;

/// The one cryptography provider, AES-128-GCM with SHA-256 first: processors have instructions for both, and
/// a handshake costs a tenth less than with SHA-384.
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != TLS13_AES_128_GCM_SHA256.suite());
    Arc::new(provider)
}
