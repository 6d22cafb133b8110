//! The key file of an installation, and the keys derived from it.
//!
//! The database alone gives away no request: what was parked is sealed with a key that stands beside it in
//! a file of its own, and that a backup can leave out.

use super::StoreError;
use crate::redact::Fingerprints;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Keys for sealing, fingerprints and form tokens, each its own.
#[derive(Debug)]
pub(crate) struct Keys {
    seal: RandomizedNonceKey,
    fingerprint: Zeroizing<[u8; KEY_BYTES]>,
    form: hmac::Key,
    check: String,
}

/// What a sealed text is; bound to it, so that one cannot stand for the other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Record,
    Body,
    /// A login under way.
    Login,
}

impl Keys {
    /// Reads the key file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let secret = read_or_make(path)
            .map_err(|source| StoreError::File { path: path.to_owned(), source: Arc::new(source) })?;
        Self::derive(&secret).ok_or_else(|| StoreError::Key { path: path.to_owned() })
    }

    fn derive(secret: &[u8]) -> Option<Self> {
        let root = Salt::new(HKDF_SHA256, b"holdpoint").extract(secret);
        let fingerprint = expand(&root, b"fingerprint v1")?;
        let form = hmac::Key::new(hmac::HMAC_SHA256, expand(&root, b"form v1")?.as_slice());
        let check = crate::digest::hex(expand(&root, b"check v1")?.as_slice());
        let seal = RandomizedNonceKey::new(&AES_256_GCM, expand(&root, b"seal v1")?.as_slice()).ok()?;
        Some(Self { seal, fingerprint, form, check })
    }

    /// A text that tells this key from others and nothing else; stands in the database.
    pub(crate) fn check(&self) -> &str {
        &self.check
    }

    pub(crate) fn fingerprints(&self) -> Fingerprints {
        Fingerprints::new(self.fingerprint.as_slice())
    }

    /// The form token of a session.
    pub(crate) fn form_token(&self, session: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.form, session))
    }

    /// Nonce, ciphertext, tag. Bound to the hold and to what it is of it.
    pub(crate) fn seal(&self, hold: &str, part: Part, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(plain);
        let nonce = self
            .seal
            .seal_in_place_append_tag(Aad::from(bound_to(hold, part)), &mut sealed)
            .map_err(|_| StoreError::Damaged(format!("hold `{hold}`")))?;
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        Ok(sealed)
    }

    /// The plain text; an error when one bit of it, or of what it is bound to, has changed.
    pub(crate) fn open_sealed(&self, hold: &str, part: Part, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let damaged = || StoreError::Damaged(format!("hold `{hold}`"));
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
        let mut text = sealed.to_vec();
        let plain = self
            .seal
            .open_in_place(Nonce::from(nonce), Aad::from(bound_to(hold, part)), &mut text)
            .map_err(|_| damaged())?
            .len();
        text.truncate(plain);
        Ok(text)
    }
}

fn bound_to(hold: &str, part: Part) -> String {
    match part {
        Part::Record => format!("{hold} record v1"),
        Part::Body => format!("{hold} body v1"),
        Part::Login => format!("{hold} login v1"),
    }
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

fn expand(root: &Prk, purpose: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    root.expand(&[purpose], Bytes32).ok()?.fill(key.as_mut_slice()).ok()?;
    Some(key)
}

fn read_or_make(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut secret = Zeroizing::new(Vec::with_capacity(KEY_BYTES + 1));
    match std::fs::File::open(path) {
        Ok(file) => {
            let read = file.take(KEY_BYTES as u64 + 1).read_to_end(&mut secret)?;
            if read != KEY_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a key file has 32 bytes"));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            secret.resize(KEY_BYTES, 0);
            aws_lc_rs::rand::fill(&mut secret).map_err(io::Error::other)?;
            // Under another name first: a crash leaves the whole key or none.
            let unfinished = path.with_extension("new");
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unfinished)?;
            file.write_all(&secret)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, path)?;
            path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())?;
        }
        Err(error) => return Err(error),
    }
    Ok(secret)
}

const KEY_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_key_file_is_private_and_comes_back() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        let first = Keys::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Keys::open(&path).unwrap();
        assert_eq!(first.check(), again.check());
        let sealed = first.seal("hp_1", Part::Body, b"text").unwrap();
        assert_eq!(again.open_sealed("hp_1", Part::Body, &sealed).unwrap(), b"text");
        std::fs::write(&path, b"short").unwrap();
        assert!(matches!(Keys::open(&path), Err(StoreError::File { .. })));
    }

    proptest! {
        #[test]
        fn a_changed_bit_is_noticed(plain: Vec<u8>, place: prop::sample::Index, bit in 0..8u8) {
            let keys = Keys::derive(&[7; 32]).unwrap();
            let mut sealed = keys.seal("hp_1", Part::Record, &plain).unwrap();
            prop_assert_eq!(&keys.open_sealed("hp_1", Part::Record, &sealed).unwrap(), &plain);
            prop_assert!(keys.open_sealed("hp_2", Part::Record, &sealed).is_err());
            prop_assert!(keys.open_sealed("hp_1", Part::Body, &sealed).is_err());
            let place = place.index(sealed.len());
            sealed[place] ^= 1 << bit;
            prop_assert!(keys.open_sealed("hp_1", Part::Record, &sealed).is_err());
        }
    }
}
