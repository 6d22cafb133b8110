//! Leaf certificates, minted on first use and cached.
//!
//! One P-256 key serves all leaves of a process, so that a mint is one signature. Each host has its own
//! `ServerConfig`; without a session store (tickets are stateless) it is a few hundred bytes.

use super::authority::CertificateAuthority;
use crate::authority::Host;
use crate::metrics::Metrics;
use moka::sync::Cache;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// Mints and keeps what agents see as the origins' certificates.
pub struct Leaves {
    authority: Arc<CertificateAuthority>,
    key: KeyPair,
    signing_key: Arc<dyn SigningKey>,
    provider: Arc<CryptoProvider>,
    ticketer: Arc<dyn ProducesTickets>,
    cache: Cache<Host, Arc<ServerConfig>>,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Leaves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaves").field("cached", &self.cache.entry_count()).finish_non_exhaustive()
    }
}

/// No leaf could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    #[error("a leaf certificate could not be minted")]
    Mint(#[from] rcgen::Error),
    #[error("the TLS library refused")]
    Tls(#[from] rustls::Error),
}

impl Leaves {
    /// # Errors
    /// The cryptography library has no randomness to give.
    pub fn new(
        authority: Arc<CertificateAuthority>,
        provider: Arc<CryptoProvider>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, LeafError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing_key = provider.key_provider.load_private_key(der)?;
        let cache = Cache::builder().max_capacity(HOSTS_MAX).time_to_live(RENEW_AFTER).build();
        Ok(Self {
            authority,
            key,
            signing_key,
            provider,
            ticketer: rustls::crypto::aws_lc_rs::Ticketer::new()?,
            cache,
            metrics,
        })
    }

    /// The configuration of the handshake with an agent that asked for `host`.
    ///
    /// # Errors
    /// The mint failed.
    pub fn config(&self, host: &Host) -> Result<Arc<ServerConfig>, LeafError> {
        if let Some(config) = self.cache.get(host) {
            return Ok(config);
        }
        let config = Arc::new(self.server_config(self.mint(host)?)?);
        self.cache.insert(host.clone(), Arc::clone(&config));
        Ok(config)
    }

    fn mint(&self, host: &Host) -> Result<CertifiedKey, LeafError> {
        let mut params = CertificateParams::new(vec![host.as_str().to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        if host.as_str().len() <= COMMON_NAME_BYTES_MAX {
            params.distinguished_name.push(DnType::CommonName, host.as_str());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let now = OffsetDateTime::now_utc();
        params.not_before = now - Duration::days(SKEW_DAYS);
        params.not_after = now + Duration::days(LEAF_DAYS);
        let certificate = params.signed_by(&self.key, self.authority.issuer())?;
        self.metrics.leaves_minted.inc();
        Ok(CertifiedKey::new(vec![certificate.der().clone()], Arc::clone(&self.signing_key)))
    }

    fn server_config(&self, leaf: CertifiedKey) -> Result<ServerConfig, LeafError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Always(Arc::new(leaf))));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ignore_client_order = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&self.ticketer);
        config.send_tls13_tickets = 1;
        Ok(config)
    }
}

/// The host was agreed on before the handshake goes on; whatever the hello says, this is the leaf.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

const HOSTS_MAX: u64 = 10_000;
/// RFC 5280, upper bound of a common name.
const COMMON_NAME_BYTES_MAX: usize = 64;
/// Clocks of containers differ.
const SKEW_DAYS: i64 = 1;
const LEAF_DAYS: i64 = 7;
/// Minted anew long before the end.
const RENEW_AFTER: std::time::Duration = std::time::Duration::from_secs(3 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::prelude::*;

    fn leaves() -> (tempfile::TempDir, Leaves) {
        let folder = tempfile::tempdir().unwrap();
        let authority = Arc::new(CertificateAuthority::load_or_make(folder.path()).unwrap());
        let leaves = Leaves::new(authority, super::super::provider(), Arc::default()).unwrap();
        (folder, leaves)
    }

    #[test]
    fn names_and_addresses_are_alternative_names_and_lives_are_short() {
        let (_folder, leaves) = leaves();
        for host in ["api.example.com", "10.1.2.3", "2001:db8::1", &format!("{}.example.com", "a".repeat(60))]
        {
            let leaf = leaves.mint(&Host::parse(host).unwrap()).unwrap();
            let (_, certificate) = X509Certificate::from_der(&leaf.cert[0]).unwrap();
            let names = certificate.subject_alternative_name().unwrap().unwrap();
            assert_eq!(names.value.general_names.len(), 1, "{host}");
            let days = certificate.validity().time_to_expiration().unwrap().whole_days();
            assert!((5..=7).contains(&days), "{days}");
            assert!(!certificate.is_ca());
        }
    }

    #[test]
    fn a_host_is_minted_once() {
        let (_folder, leaves) = leaves();
        let host = Host::parse("api.example.com").unwrap();
        let (a, b) = (leaves.config(&host).unwrap(), leaves.config(&host).unwrap());
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(leaves.metrics.leaves_minted.get(), 1);
    }
}
