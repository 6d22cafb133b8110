//! `grpc: { message: … }` as rules ask it.

use crate::support::{Asking, asking_with, request};
use holdpoint::decode::grpc::Descriptors;
use holdpoint::decode::{self, Body, Limits};
use holdpoint::rules::{Need, Otherwise, Settings};
use holdpoint::ruling::Verdict::{self, Deny, Hold, Pass};
use std::io::Write as _;

fn settings() -> Settings {
    let mut descriptors = Descriptors::default();
    descriptors.add(include_bytes!("../grpc/acme.pb")).expect("a descriptor set");
    let otherwise = Otherwise { read: Pass, write: Pass, unknown_host: Pass };
    Settings { otherwise, descriptors, ..Settings::default() }
}

fn holding(message: &str) -> Asking {
    let rules = format!(
        "pack: p\nrules:\n- {{ id: r, verdict: hold, when: {{ host: h.test, \
         grpc: {{ service: acme.v1.Users, method: SetRole, message: {message} }} }} }}\n"
    );
    asking_with(&[&rules], &settings())
}

/// What is not certain stays denied.
fn passing(message: &str) -> Asking {
    let rules = format!(
        "pack: p\nrules:\n- {{ id: r, verdict: deny, when: {{ host: h.test }} }}\n\
         adjust:\n- {{ rule: r, verdict: pass, why: known, when: {{ \
         grpc: {{ service: acme.v1.Users, method: SetRole, message: {message} }} }} }}\n"
    );
    asking_with(&[&rules], &settings())
}

fn framed(flags: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a small message").to_be_bytes();
    [&[flags][..], &length, message].concat()
}

fn send(asking: &Asking, fields: &[(&str, &str)], body: &[u8]) -> Verdict {
    let request = request("POST https://h.test/acme.v1.Users/SetRole", fields, "");
    let body = decode::body(request.head().headers, body, Limits::default());
    asking.ask_body(&request, &body).0
}

fn grpc(asking: &Asking, message: &[u8]) -> Verdict {
    send(asking, &[("content-type", "application/grpc")], &framed(0, message))
}

const ADMIN: &[u8] = &[0x10, 2];
const READER: &[u8] = &[0x10, 1];

#[test]
fn an_enumeration_is_asked_by_name_and_by_number() {
    for when in ["{ /role: ADMIN }", "{ role: 2 }", "{ /role: { gte: 2 } }", "{ /role: { glob: \"ADM*\" } }"]
    {
        assert_eq!(grpc(&holding(when), ADMIN), Hold, "{when}");
        assert_eq!(grpc(&holding(when), READER), Pass, "{when}");
        assert_eq!(grpc(&passing(when), ADMIN), Pass, "{when}");
        assert_eq!(grpc(&passing(when), READER), Deny, "{when}");
    }
    assert_eq!(grpc(&holding("{ /roles: ADMIN }"), &[0xc2, 1, 2, 1, 2]), Hold, "each of a list");
    assert_eq!(grpc(&passing("{ /roles: ADMIN }"), &[0xc2, 1, 2, 1, 2]), Deny, "and all of them");
    assert_eq!(grpc(&holding("{ /level: TOP }"), &[0xb8, 1, 1]), Hold, "by each of its names");
}

#[test]
fn a_field_is_asked_by_either_of_its_names() {
    let ada = &[0x0a, 3, b'a', b'd', b'a'];
    for when in ["{ /user_id: ada }", "{ /userId: ada }"] {
        assert_eq!(grpc(&holding(when), ada), Hold, "{when}");
        assert_eq!(grpc(&passing(when), ada), Pass, "{when}");
    }
    assert_eq!(grpc(&holding("{ /USERID: ada }"), ada), Hold);
    assert_eq!(grpc(&passing("{ /USERID: ada }"), ada), Deny, "not letter by letter");
    for when in ["{ /shown: x }", "{ /displayName: x }"] {
        assert_eq!(grpc(&holding(when), &[0xa2, 1, 1, b'x']), Hold, "{when}");
        assert_eq!(grpc(&passing(when), &[0xa2, 1, 1, b'x']), Pass, "{when}");
    }
    assert_eq!(
        grpc(
            &holding("{ /account/balance: { lt: 0 } }"),
            &[0x52, 11, 0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]
        ),
        Hold
    );
}

/// A client that leaves a field out says its default value.
#[test]
fn a_default_value_is_a_value() {
    assert_eq!(grpc(&holding("{ /dry_run: false }"), b""), Hold);
    assert_eq!(grpc(&holding("{ /dry_run: false }"), &[0x20, 1]), Pass);
    assert_eq!(grpc(&passing("{ /amount: { lte: 0 } }"), b""), Pass);
    assert_eq!(
        grpc(&holding("{ /limit: 0 }"), b""),
        Pass,
        "of a field with presence, nothing is something else"
    );
    assert_eq!(grpc(&holding("{ /limit: { exists: false } }"), b""), Hold);
    assert_eq!(grpc(&holding("{ /limit: { not: 7 } }"), b""), Hold);
}

#[test]
fn doubt_holds_and_does_not_pass() {
    let unknown = [ADMIN, &[0xf8, 0x07, 1]].concat();
    let (hold, pass) = (holding("{ /role: ADMIN }"), passing("{ /role: ADMIN }"));
    assert_eq!((grpc(&hold, &unknown), grpc(&pass, &unknown)), (Hold, Deny), "an unknown field");
    for twice in [[READER, ADMIN].concat(), [ADMIN, READER].concat()] {
        assert_eq!((grpc(&hold, &twice), grpc(&pass, &twice)), (Hold, Deny), "a field that is there twice");
    }
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(ADMIN).expect("in memory");
        framed(1, &encoder.finish().expect("in memory"))
    };
    let kind = ("content-type", "application/grpc");
    assert_eq!(send(&hold, &[kind, ("grpc-encoding", "gzip")], &gzip), Hold);
    assert_eq!(send(&pass, &[kind, ("grpc-encoding", "gzip")], &gzip), Pass);
    for (fields, body) in [
        (&[kind, ("grpc-encoding", "snappy")][..], gzip.as_slice()),
        (&[kind], &framed(0, READER)[..6]),
        (&[kind], &[framed(0, READER), framed(0, READER)].concat()),
        (&[kind, ("content-encoding", "gzip")], &framed(0, READER)),
        (&[("content-type", "text/plain")], READER),
        (&[], b""),
    ] {
        assert_eq!((send(&hold, fields, body), send(&pass, fields, body)), (Hold, Deny), "{fields:?}");
    }
    let json = ("content-type", "application/json");
    assert_eq!(send(&hold, &[json], br#"{"role":"READER"}"#), Pass);
    assert_eq!(send(&hold, &[json], br#"{"role":"READER","role":2}"#), Hold);
    assert_eq!(send(&pass, &[json], br#"{"role":"READER","role":2}"#), Deny);
    assert_eq!(send(&pass, &[json], br#"{"Role":"ADMIN"}"#), Deny);
}

/// Only a rule that asks for the message, of a call that it could match, makes the proxy read it.
#[test]
fn the_body_is_read_where_it_matters() {
    let asking = holding("{ /role: ADMIN }");
    let need = |target: &str| {
        let line = format!("POST https://h.test{target}");
        asking.need(&request(&line, &[("content-type", "application/grpc")], ""))
    };
    assert_eq!(need("/acme.v1.Users/SetRole"), Need::Body);
    assert_eq!(need("/acme.v1.Users/Upload"), Need::None);
    assert_eq!(need("/acme.v2.Users/SetRole"), Need::None);
    let request =
        request("POST https://h.test/acme.v1.Users/SetRole", &[("content-type", "application/grpc")], "");
    assert_eq!(asking.ask_body(&request, &Body::Unreadable("too long".into())).0, Hold);
}

#[test]
fn without_descriptors_every_message_is_closed() {
    let settings = Settings { descriptors: Descriptors::default(), ..settings() };
    let rules =
        "pack: p\nrules:\n- { id: r, verdict: hold, when: { host: h.test, grpc: { message: { /a: 1 } } } }\n";
    let asking = asking_with(&[rules], &settings);
    assert_eq!(grpc(&asking, READER), Hold);
    assert_ne!(asking.set.digest(), asking_with(&[rules], &self::settings()).set.digest());
}
