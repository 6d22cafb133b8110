//! The certificate authority that agents trust: made once, kept in `certs/`.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};

/// The authority, ready to sign leaves.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate_path: PathBuf,
    certificate_pem: String,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("certificate", &self.certificate_path)
            .finish_non_exhaustive()
    }
}

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    #[error("`{path}` cannot be read or written")]
    Io { path: PathBuf, source: io::Error },
    #[error("`{path}` is readable by others (mode {mode:o}); run: chmod 600 {path}")]
    Exposed { path: PathBuf, mode: u32 },
    #[error(
        "`{0}` exists and `{1}` does not; restore the missing one, or remove both to make a new authority"
    )]
    Half(PathBuf, PathBuf),
    #[error("`{path}` is not a certificate authority: {reason}")]
    Unusable { path: PathBuf, reason: String },
    #[error("the certificate authority could not be made")]
    Make(#[from] rcgen::Error),
}

impl CertificateAuthority {
    /// Loads `ca.pem` and `ca.key` from `folder`, or makes both: P-256, valid for ten years, the key 0600.
    ///
    /// # Errors
    /// Files that cannot be read, that belong to nobody, that others can read, or that have expired.
    pub fn load_or_make(folder: &Path) -> Result<Self, AuthorityError> {
        let certificate_path = folder.join(CERTIFICATE_FILE);
        let key_path = folder.join(KEY_FILE);
        match (certificate_path.exists(), key_path.exists()) {
            (true, true) => {}
            (false, false) => make(folder, &certificate_path, &key_path)?,
            (true, false) => return Err(AuthorityError::Half(certificate_path, key_path)),
            (false, true) => return Err(AuthorityError::Half(key_path, certificate_path)),
        }
        let mode = fs::metadata(&key_path).map_err(io_error(&key_path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(AuthorityError::Exposed { path: key_path, mode });
        }
        let certificate_pem = fs::read_to_string(&certificate_path).map_err(io_error(&certificate_path))?;
        let key_pem = zeroize::Zeroizing::new(fs::read_to_string(&key_path).map_err(io_error(&key_path))?);
        let unusable =
            |path: &Path, reason: String| AuthorityError::Unusable { path: path.to_owned(), reason };
        let key = KeyPair::from_pem(&key_pem).map_err(|e| unusable(&key_path, e.to_string()))?;
        check(&certificate_pem, &key).map_err(|reason| unusable(&certificate_path, reason))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key)
            .map_err(|e| unusable(&certificate_path, e.to_string()))?;
        Ok(Self { issuer, certificate_path, certificate_pem })
    }

    /// Where the certificate is that agents must trust.
    pub fn certificate_path(&self) -> &Path {
        &self.certificate_path
    }

    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(super) const fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

/// Key first, certificate last: a crash between the two leaves a half that is reported, never a bad pair.
fn make(folder: &Path, certificate_path: &Path, key_path: &Path) -> Result<(), AuthorityError> {
    fs::create_dir_all(folder).map_err(io_error(folder))?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    let id: String = crate::digest::sha256_hex(key.public_key_raw()).chars().take(8).collect();
    name.push(DnType::CommonName, format!("Holdpoint CA {id}"));
    name.push(DnType::OrganizationName, "Holdpoint");
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(CA_DAYS);
    let certificate = params.self_signed(&key)?;
    write_new(key_path, &zeroize::Zeroizing::new(key.serialize_pem()), 0o600)?;
    write_new(certificate_path, &certificate.pem(), 0o644)
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), AuthorityError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(io_error(path))
}

fn check(certificate_pem: &str, key: &KeyPair) -> Result<(), String> {
    use x509_parser::pem::parse_x509_pem;
    let (_, pem) = parse_x509_pem(certificate_pem.as_bytes()).map_err(|e| e.to_string())?;
    let certificate = pem.parse_x509().map_err(|e| e.to_string())?;
    if !certificate.is_ca() {
        return Err("it may not sign certificates".to_owned());
    }
    if certificate.public_key().subject_public_key.data != key.public_key_raw() {
        return Err("its key is another one than in `ca.key`".to_owned());
    }
    if !certificate.validity().is_valid() {
        return Err(format!(
            "it is valid from {} to {}",
            certificate.validity().not_before,
            certificate.validity().not_after
        ));
    }
    Ok(())
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = path.to_owned();
    move |source| AuthorityError::Io { path, source }
}

const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";
const CA_DAYS: i64 = 3650;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_loaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let first = CertificateAuthority::load_or_make(folder.path()).unwrap();
        let again = CertificateAuthority::load_or_make(folder.path()).unwrap();
        assert_eq!(first.certificate_pem(), again.certificate_pem());
        let mode = fs::metadata(folder.path().join("ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_trusted_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        CertificateAuthority::load_or_make(folder.path()).unwrap();
        let key = folder.path().join("ca.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            CertificateAuthority::load_or_make(folder.path()),
            Err(AuthorityError::Exposed { .. })
        ));
        fs::remove_file(&key).unwrap();
        assert!(matches!(CertificateAuthority::load_or_make(folder.path()), Err(AuthorityError::Half(..))));
        write_new(&key, &KeyPair::generate().unwrap().serialize_pem(), 0o600).unwrap();
        assert!(matches!(
            CertificateAuthority::load_or_make(folder.path()),
            Err(AuthorityError::Unusable { .. })
        ));
    }
}
