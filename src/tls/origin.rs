//! How origins are verified: the platform's store plus the roots of the configuration, always.

use super::staple;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

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
        let platform =
            Verifier::new_with_extra_roots(roots, Arc::clone(provider)).map_err(TrustError::NoRoots)?;
        let verifier: Arc<dyn ServerCertVerifier> = Arc::new(Strict(platform));
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

/// The platform's verifier, and what it leaves out: revocation that the origin itself staples, and the length of the
/// origin's key, which it would call a bad signature.
#[derive(Debug)]
struct Strict(Verifier);

impl ServerCertVerifier for Strict {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let leaf = X509Certificate::from_der(end_entity).ok().map(|(_, leaf)| leaf);
        let verified = verified.map_err(|error| if_not_for_servers(error, leaf.as_ref()))?;
        if staple::revokes(ocsp_response, leaf.as_ref().map(|leaf| leaf.raw_serial())) {
            return Err(CertificateError::Revoked.into());
        }
        match leaf.as_ref().and_then(rsa_bits) {
            Some(bits) if bits < RSA_BITS_MIN => {
                Err(CertificateError::Other(OtherError(Arc::new(ShortKey(bits)))).into())
            }
            _ => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("its RSA key has {0} bits, and fewer than {RSA_BITS_MIN} are not safe")]
struct ShortKey(usize);

fn rsa_bits(leaf: &X509Certificate<'_>) -> Option<usize> {
    match leaf.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    }
}

/// The platform's verifier hides this one reason.
fn if_not_for_servers(error: Error, leaf: Option<&X509Certificate<'_>>) -> Error {
    let uses = leaf.and_then(|leaf| leaf.extended_key_usage().ok().flatten());
    match (&error, uses) {
        (Error::InvalidCertificate(CertificateError::Other(_)), Some(uses)) if !uses.value.server_auth => {
            CertificateError::InvalidPurpose.into()
        }
        _ => error,
    }
}

/// Why a handshake with an origin failed, in words for whoever reads the 502.
pub fn plain_reason(error: &Error) -> String {
    use rustls::AlertDescription as Alert;
    match error {
        Error::InvalidCertificate(why) => refused_certificate(why),
        Error::AlertReceived(Alert::ProtocolVersion) => NO_SAFE_TLS.to_owned(),
        Error::AlertReceived(Alert::HandshakeFailure | Alert::InsufficientSecurity) => {
            "it refused the TLS handshake: it accepts no cipher suite and key exchange that are safe, or it asks for a client certificate"
                .to_owned()
        }
        Error::AlertReceived(Alert::CertificateRequired) => {
            "it asks for a client certificate, and Holdpoint has none".to_owned()
        }
        Error::AlertReceived(Alert::UnrecognisedName) => {
            "it refused the TLS handshake: it serves no host of this name".to_owned()
        }
        Error::AlertReceived(alert) => format!("it refused the TLS handshake: {alert:?}"),
        Error::PeerIncompatible(what) => format!("{NO_SAFE_TLS} ({what:?})"),
        Error::InvalidMessage(_) => {
            "it does not answer in TLS: something else may be spoken at this port".to_owned()
        }
        other => format!("the TLS handshake failed: {other}"),
    }
}

fn refused_certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate, or one of its issuers', expired on {}", date(*not_after))
        }
        CertificateError::Expired => "its certificate has expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its certificate, or one of its issuers', is not valid yet, but from {} on", date(*not_before))
        }
        CertificateError::NotValidYet => "its certificate is not valid yet".to_owned(),
        CertificateError::UnknownIssuer => {
            "its certificate is not signed by an authority that is trusted here (see `upstream.extra-ca`), or it does not send the certificates between"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("its certificate names {} and not `{}`", names(presented), expected.to_str())
        }
        CertificateError::NotValidForName => "its certificate names another host".to_owned(),
        CertificateError::Revoked => "its certificate was revoked: it says so itself".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for servers".to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its certificate is signed in a way that is not safe or not known (SHA-1 and MD5 are not safe)".to_owned()
        }
        CertificateError::BadSignature => {
            "a signature is not good: its authority's under its certificate, or its own under the handshake"
                .to_owned()
        }
        CertificateError::Other(why) => format!("its certificate was refused: {}", in_words(&why.0.to_string())),
        other => format!("its certificate was refused: {other}"),
    }
}

/// Reasons for which the library has a name only.
fn in_words(name: &str) -> &str {
    match name {
        "CaUsedAsEndEntity" => "it is an authority's and not a host's",
        "EndEntityUsedAsCa" => "a certificate that is no authority's signed it",
        "NameConstraintViolation" => "its authority may not sign for this name",
        "PathLenConstraintViolated" => "more authorities stand between than the first allows",
        other => other,
    }
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(
        || "a day that no calendar has".to_owned(),
        |time| time.strftime("%Y-%m-%d at %H:%M UTC").to_string(),
    )
}

/// The first names of a certificate, which are an origin's text: `DnsName("api.test")` is what the library writes.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no host".to_owned();
    }
    let named = presented.iter().take(NAMES_SHOWN_MAX).map(|name| {
        let name = name.strip_prefix("DnsName(\"").and_then(|name| name.strip_suffix("\")")).unwrap_or(name);
        format!("`{}`", name.escape_debug())
    });
    let more = if presented.len() > NAMES_SHOWN_MAX { ", …" } else { "" };
    format!("{}{more}", named.collect::<Vec<_>>().join(", "))
}

const NO_SAFE_TLS: &str = "it speaks no version of TLS that is safe: 1.2 or 1.3 is needed";
const NAMES_SHOWN_MAX: usize = 3;
/// As the cryptography library asks of signatures.
const RSA_BITS_MIN: usize = 2048;
