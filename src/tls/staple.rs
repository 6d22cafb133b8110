//! What an origin staples to its certificate (RFC 6066 §8): how it stands, in the words of its authority (RFC 6960 §4.2.1).
//!
//! Only "revoked" counts, and it counts whoever signed it: an origin that says so of itself is believed. Nothing that
//! is stapled makes a certificate better than it is, so no signature and no date has to be checked.

use x509_parser::asn1_rs::{Any, Class, FromDer as _, Tag};

/// Whether a stapled response says that the certificate with this serial number was revoked. `None` asks about any
/// certificate. What cannot be read says nothing: a staple is an extra.
pub fn revokes(staple: &[u8], serial: Option<&[u8]>) -> bool {
    responses(staple).is_some_and(|responses| items(responses).any(|one| is_revoked(one.data, serial)))
}

/// The content of `responses`, which lies this deep: OCSPResponse, [0], ResponseBytes, OCTET STRING,
/// BasicOCSPResponse, ResponseData.
fn responses(staple: &[u8]) -> Option<&[u8]> {
    let response = universal(staple, Tag::Sequence)?;
    let explicit = items(response).find(|item| item.class() == Class::ContextSpecific)?;
    let bytes = universal(explicit.data, Tag::Sequence)?;
    let basic = universal(universal(bytes, Tag::OctetString)?, Tag::Sequence)?;
    universal(universal(basic, Tag::Sequence)?, Tag::Sequence)
}

/// A SingleResponse: the certificate's id, whose serial number comes last, then its state, where `[1]` is "revoked".
fn is_revoked(single: &[u8], serial: Option<&[u8]>) -> bool {
    let mut parts = items(single);
    let (Some(id), Some(state)) = (parts.next(), parts.next()) else { return false };
    let is_meant = serial.is_none_or(|serial| universal(id.data, Tag::Integer) == Some(serial));
    is_meant && state.class() == Class::ContextSpecific && state.tag() == Tag(1)
}

/// The content of the first item of this type.
fn universal(bytes: &[u8], tag: Tag) -> Option<&[u8]> {
    items(bytes).find(|item| item.class() == Class::Universal && item.tag() == tag).map(|item| item.data)
}

/// The items that stand one after another, up to the first that cannot be read.
fn items(mut bytes: &[u8]) -> impl Iterator<Item = Any<'_>> {
    std::iter::from_fn(move || {
        let (rest, item) = Any::from_der(bytes).ok()?;
        bytes = rest;
        Some(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything here is shorter than 256 bytes.
    fn item(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
        [head, content.to_vec()].concat()
    }

    /// A response about one certificate: state 0 is good, 1 revoked, 2 unknown.
    fn response(serial: &[u8], state: u8) -> Vec<u8> {
        let id = [item(0x30, b""), item(4, b"name"), item(4, b"key"), item(2, serial)].concat();
        let state =
            if state == 1 { item(0xa1, &item(0x18, b"20261101000000Z")) } else { vec![0x80 | state, 0] };
        // An extension of the single response has the tag of "revoked".
        let single = [item(0x30, &id), state, item(0x18, b"20261127000000Z"), item(0xa1, b"")].concat();
        let data =
            [item(0xa1, &item(0x30, b"")), item(0x18, b"20261127000000Z"), item(0x30, &item(0x30, &single))]
                .concat();
        let basic = [item(0x30, &data), item(0x30, b""), item(3, b"\0signature")].concat();
        let bytes = [item(6, b"\x2b\x06\x01"), item(4, &item(0x30, &basic))].concat();
        item(0x30, &[item(10, b"\0"), item(0xa0, &item(0x30, &bytes))].concat())
    }

    proptest::proptest! {
        #[test]
        fn only_revoked_and_only_of_this_certificate(
            serial in proptest::collection::vec(0_u8..0xff, 1..21), state in 0_u8..3,
        ) {
            let staple = response(&serial, state);
            proptest::prop_assert_eq!(revokes(&staple, Some(&serial)), state == 1);
            proptest::prop_assert_eq!(revokes(&staple, None), state == 1);
            proptest::prop_assert!(!revokes(&staple, Some(&[0xff])));
        }

        #[test]
        fn nothing_panics(cut in 0_usize..200, junk in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let mut staple = response(&[7], 1);
            staple.truncate(cut.min(staple.len()));
            staple.extend(&junk);
            let _ = revokes(&staple, Some(&[7]));
            let _ = revokes(&junk, None);
        }
    }
}
