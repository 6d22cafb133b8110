//! How origins are verified: the platform's store plus the roots of the configuration, always.

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, ClientConfig, Error};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The client configurations for origins, one for each protocol offer.
#[derive(Debug, Clone)]
pub struct Trust {
    http1: Arc<ClientConfig>,
    both: Arc<ClientConfig>,
}

/// What is offered to an origin (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// `http/1.1`
    Http1,
    /// `h2`, then `http/1.1`
    Both,
}

/// The roots cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    #[error("`{path}` is not a PEM file with certificates: {reason}")]
    ExtraCa { path: PathBuf, reason: String },
    #[error(
        "there are no roots to verify origins with: install the package ca-certificates, or name a PEM file in `upstream.extra-ca`"
    )]
    NoRoots(#[source] Error),
    #[error("the TLS library refused")]
    Tls(#[source] Error),
}

impl Trust {
    /// Reads the platform's roots and `extra` PEM files.
    ///
    /// # Errors
    /// A file that holds no certificate, or no root at all.
    pub fn new(extra: &[PathBuf], provider: &Arc<CryptoProvider>) -> Result<Self, TrustError> {
        let mut roots = Vec::new();
        for path in extra {
            roots.extend(read_pem(path)?);
        }
        let verifier: Arc<dyn ServerCertVerifier> = Arc::new(
            Verifier::new_with_extra_roots(roots, Arc::clone(provider)).map_err(TrustError::NoRoots)?,
        );
        let config = |alpn: &[&[u8]]| -> Result<Arc<ClientConfig>, TrustError> {
            let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
                .with_safe_default_protocol_versions()
                .map_err(TrustError::Tls)?
                .dangerous() // the builder's word for "with a verifier of one's own"; it is the platform's
                .with_custom_certificate_verifier(Arc::clone(&verifier))
                .with_no_client_auth();
            config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
            Ok(Arc::new(config))
        };
        Ok(Self { http1: config(&[b"http/1.1"])?, both: config(&[b"h2", b"http/1.1"])? })
    }

    pub fn config(&self, alpn: Alpn) -> Arc<ClientConfig> {
        match alpn {
            Alpn::Http1 => Arc::clone(&self.http1),
            Alpn::Both => Arc::clone(&self.both),
        }
    }
}

fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let fail = |reason: String| TrustError::ExtraCa { path: path.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|e| fail(e.to_string()))?;
    if certificates.is_empty() { Err(fail("it holds no certificate".to_owned())) } else { Ok(certificates) }
}

/// Why a handshake with an origin failed, in words for whoever reads the 502.
pub fn plain_reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet".to_owned()
            }
            CertificateError::UnknownIssuer => {
                "its certificate is not signed by an authority that is trusted here (see `upstream.extra-ca`)"
                    .to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name".to_owned()
            }
            CertificateError::Revoked => "its certificate was revoked".to_owned(),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "its certificate is not for servers".to_owned()
            }
            // The platform's verifier keeps its own reasons in here.
            CertificateError::Other(why) => format!("its certificate was refused: {}", why.0),
            CertificateError::BadSignature => "its certificate has a bad signature".to_owned(),
            other => format!("its certificate was refused: {other}"),
        },
        Error::AlertReceived(alert) => format!("it refused the TLS handshake: {alert:?}"),
        Error::PeerIncompatible(what) => format!("it speaks no TLS that is safe: {what:?}"),
        other => format!("the TLS handshake failed: {other}"),
    }
}
