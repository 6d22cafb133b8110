//! A certificate authority for test origins, with the mistakes that real ones make.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

pub struct TestAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    Expired,
    NotYetValid,
    SelfSigned,
    /// Signed by an authority that nobody was told to trust.
    UnknownRoot,
    WrongHost,
    /// May be used by clients only.
    ClientOnly,
}

/// A certificate with its key.
pub struct Leaf {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    pub certificate_pem: String,
    pub key_pem: String,
}

impl TestAuthority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn leaf(&self, names: &[&str], flaw: Flaw) -> Leaf {
        let now = OffsetDateTime::now_utc();
        let names: Vec<String> = match flaw {
            Flaw::WrongHost => vec!["elsewhere.test".to_owned()],
            _ => names.iter().map(|n| (*n).to_owned()).collect(),
        };
        let mut params = CertificateParams::new(names).expect("names");
        (params.not_before, params.not_after) = match flaw {
            Flaw::Expired => (now - Duration::days(30), now - Duration::days(1)),
            Flaw::NotYetValid => (now + Duration::days(2), now + Duration::days(30)),
            _ => (now - Duration::days(1), now + Duration::days(30)),
        };
        params.extended_key_usages = vec![match flaw {
            Flaw::ClientOnly => ExtendedKeyUsagePurpose::ClientAuth,
            _ => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("a key");
        let certificate = match flaw {
            Flaw::SelfSigned => params.self_signed(&key),
            Flaw::UnknownRoot => params.signed_by(&key, &Self::new("Nobody's root").issuer),
            _ => params.signed_by(&key, &self.issuer),
        }
        .expect("a certificate");
        Leaf {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    /// TLS for an origin that stands for these names.
    pub fn server_config(&self, names: &[&str], flaw: Flaw, alpn: &[&str]) -> Arc<ServerConfig> {
        let leaf = self.leaf(names, flaw);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(leaf.chain, leaf.key)
            .expect("a pair");
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
