//! What an origin can show: authorities, certificates under them, and what only the `openssl` program still makes.

use super::support::authority::provider;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// An authority, of any rank.
pub(crate) struct Authority {
    pub(crate) issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) key_pem: String,
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let key_pem = key.serialize_pem();
        Self { issuer: CertifiedIssuer::self_signed(authority(name), key).expect("a root"), key_pem }
    }

    /// An authority below this one.
    pub(crate) fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let key_pem = key.serialize_pem();
        Self { issuer: CertifiedIssuer::signed_by(params, key, &self.issuer).expect("an authority"), key_pem }
    }
}

pub(crate) fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A host's certificate without a flaw, for thirty days.
pub(crate) fn host(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    (params.not_before, params.not_after) = days(-1, 30);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

/// From so many days from now to so many days from now.
pub(crate) fn days(from: i64, to: i64) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now + Duration::days(from), now + Duration::days(to))
}

/// A server that shows this certificate, and those between it and the root.
pub(crate) fn server(
    params: &CertificateParams,
    issuer: &Authority,
    between: &[&Authority],
) -> Arc<ServerConfig> {
    with_key(params, issuer, between, &KeyPair::generate().expect("a key"))
}

pub(crate) fn with_key(
    params: &CertificateParams,
    issuer: &Authority,
    between: &[&Authority],
    key: &KeyPair,
) -> Arc<ServerConfig> {
    let leaf = params.signed_by(key, &issuer.issuer).expect("a certificate");
    let mut chain = vec![leaf.der().clone()];
    chain.extend(between.iter().map(|authority| authority.issuer.der().clone()));
    shows(chain, pkcs8(key), Vec::new())
}

pub(crate) fn self_signed(params: &CertificateParams) -> Arc<ServerConfig> {
    let key = KeyPair::generate().expect("a key");
    let leaf = params.self_signed(&key).expect("a certificate");
    shows(vec![leaf.der().clone()], pkcs8(&key), Vec::new())
}

/// A server that staples this to its certificate.
pub(crate) fn stapling(params: &CertificateParams, issuer: &Authority, staple: Vec<u8>) -> Arc<ServerConfig> {
    let key = KeyPair::generate().expect("a key");
    let leaf = params.signed_by(&key, &issuer.issuer).expect("a certificate");
    shows(vec![leaf.der().clone()], pkcs8(&key), staple)
}

pub(crate) fn shows(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    staple: Vec<u8>,
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert_with_ocsp(chain, key, staple)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

fn pkcs8(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))
}

/// Runs the `openssl` program in a folder; words are split at spaces.
#[track_caller]
pub(crate) fn openssl(folder: &Path, command: &str) {
    let output = Command::new("openssl").args(command.split(' ')).current_dir(folder).output();
    let output = output.expect("openssl is there: scripts/test installs it");
    assert!(output.status.success(), "openssl {command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Writes `NAME.pem` and `NAME.key`: a certificate for the host `NAME.test` under the authority in `ISSUER.pem`.
#[track_caller]
pub(crate) fn by_openssl(folder: &Path, name: &str, issuer: &str, key: &str, digest: &str) {
    let extensions = format!("subjectAltName=DNS:{name}.test\nextendedKeyUsage=serverAuth\n");
    std::fs::write(folder.join(format!("{name}.ext")), extensions).expect("a file");
    openssl(
        folder,
        &format!("req -new -newkey {key} -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}.test"),
    );
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -set_serial 77 -days 30 -{digest} -extfile {name}.ext -out {name}.pem"
        ),
    );
}
