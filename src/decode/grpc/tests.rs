use super::*;
use crate::authority::{Authority, Scheme};
use crate::decode::protocol::Said;
use crate::decode::{self, Limits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, Value};
use serde_json::json;
use std::io::Write as _;

fn of(content_type: &str, path: &str) -> Option<(String, String, GrpcBy)> {
    let mut headers = HeaderMap::new();
    if !content_type.is_empty() {
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
    }
    call(&headers, path).map(|call| (call.service, call.method, call.by))
}

#[test]
fn calls_are_named_by_their_path() {
    let publisher = |by| Some(("google.pubsub.v1.Publisher".to_owned(), "DeleteTopic".to_owned(), by));
    let path = "/google.pubsub.v1.Publisher/DeleteTopic";
    for kind in [
        "application/grpc",
        "application/grpc+proto",
        "Application/GRPC; x=1",
        "application/grpc-web-text",
        "application/connect+json",
        "application/proto",
    ] {
        assert_eq!(of(kind, path), publisher(GrpcBy::ContentType), "{kind}");
    }
    assert_eq!(of("application/json", path), publisher(GrpcBy::Path));
    assert_eq!(of("", "/twirp/google.pubsub.v1.Publisher/DeleteTopic"), publisher(GrpcBy::Path));
    let short = Some(("Greeter".to_owned(), "SayHello".to_owned(), GrpcBy::ContentType));
    assert_eq!(of("application/grpc", "/Greeter/SayHello"), short);
    assert_eq!(of("application/grpc", "/Greeter/Say%48ello"), short);
}

#[test]
fn ordinary_paths_are_no_calls() {
    for path in ["/", "/a", "/acme/site.git", "/acme/site.Git/x-y", "/files/a.b/c.d", "/users/7", "//x"] {
        assert_eq!(of("application/json", path), None, "{path}");
    }
    // What could be one as well as any path: a guess, which only a rule that names the service takes up.
    for (path, service, method) in [
        ("/v1/users", "v1", "users"),
        ("/Users/SetRole", "Users", "SetRole"),
        ("/twirp/Users/SetRole", "Users", "SetRole"),
        ("/acme.users/SetRole", "acme.users", "SetRole"),
    ] {
        for kind in ["", "application/json", "text/plain"] {
            assert_eq!(of(kind, path), Some((service.into(), method.into(), GrpcBy::Place)), "{path}");
        }
    }
    assert_eq!(of("application/grpc", "/"), None);
}

proptest::proptest! {
    #[test]
    fn never_panics(kind in "[a-z/+;= -]{0,30}", path in "\\PC{0,40}") {
        let _ = of(&kind, &path);
    }
}

/// Made of `acme.proto` and `old.proto` beside it.
const DESCRIPTORS: &[u8] = include_bytes!("../../../tests/grpc/acme.pb");

fn descriptors() -> Descriptors {
    let mut descriptors = Descriptors::default();
    descriptors.add(DESCRIPTORS).unwrap();
    descriptors
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTORS).unwrap()
}

/// A message as the official encoder writes it, from its JSON members.
fn encoded(name: &str, members: &[(&str, Value)]) -> Vec<u8> {
    let mut message = DynamicMessage::new(pool().get_message_by_name(name).unwrap());
    members.iter().for_each(|(name, value)| message.set_field_by_name(name, value.clone()));
    message.encode_to_vec()
}

fn request(members: &[(&str, Value)]) -> Vec<u8> {
    encoded("acme.v1.SetRoleRequest", members)
}

fn frame(flags: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flags][..], &length, message].concat()
}

/// The head of a request.
struct Sent {
    method: Method,
    authority: Authority,
    target: http::Uri,
    headers: HeaderMap,
}

impl Sent {
    fn new(target: &str, fields: &[(&str, &str)]) -> Self {
        let (method, target) = target.split_once(' ').unwrap();
        let field = |(name, value): &(&str, &str)| (name.parse().unwrap(), value.parse().unwrap());
        Self {
            method: method.parse().unwrap(),
            authority: Authority::parse("a.test", 443).unwrap(),
            target: target.parse().unwrap(),
            headers: fields.iter().map(field).collect::<Vec<(http::HeaderName, _)>>().into_iter().collect(),
        }
    }

    fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            scheme: Scheme::Https,
            authority: &self.authority,
            path: self.target.path(),
            readings: &[],
            query: self.target.query(),
            headers: &self.headers,
        }
    }
}

/// What a request says as a call: its documents and whether each is exact, or why there are none.
fn see(target: &str, fields: &[(&str, &str)], body: &[u8]) -> Result<Vec<(serde_json::Value, bool)>, String> {
    let sent = Sent::new(target, fields);
    let body = decode::body(&sent.headers, body, Limits::default());
    let descriptors = descriptors();
    let head = sent.head();
    let view = read(&Request { head: &head, body: &body, descriptors: &descriptors }).unwrap();
    if let Some(why) = view.unseen {
        assert_eq!(view.calls[0].said("message"), Some(&Said::Hidden));
        return Err(why.to_string());
    }
    let documents = view.calls.iter().filter_map(|call| match call.said("message")? {
        Said::Document { roots, exact } => Some((serde_json::to_value(&roots[0]).unwrap(), *exact)),
        other => panic!("{other:?}"),
    });
    Ok(documents.collect())
}

const SET_ROLE: &str = "POST /acme.v1.Users/SetRole";
const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// The one message of a unary call, by gRPC.
#[track_caller]
fn one(message: &[u8]) -> (serde_json::Value, bool) {
    let mut seen = see(SET_ROLE, &[GRPC], &frame(0, message)).unwrap();
    assert_eq!(seen.len(), 1);
    seen.remove(0)
}

#[track_caller]
fn hidden(fields: &[(&str, &str)], body: &[u8], why: &str) {
    let said = see(SET_ROLE, fields, body).unwrap_err();
    assert!(said.contains(why), "{said}");
}

#[test]
fn every_kind_of_field_has_its_name_and_value() {
    let account = |name: &str, balance: i64| {
        let mut account = DynamicMessage::new(pool().get_message_by_name("acme.v1.Account").unwrap());
        account.set_field_by_name("name", Value::String(name.to_owned()));
        account.set_field_by_name("balance", Value::I64(balance));
        Value::Message(account)
    };
    let message = request(&[
        ("user_id", Value::String("u7".into())),
        ("role", Value::EnumNumber(2)),
        ("amount", Value::I64(-5)),
        ("numbers", Value::List(vec![Value::I32(1), Value::I32(-2)])),
        ("tags", Value::List(vec![Value::String("a".into()), Value::String("b".into())])),
        ("accounts", Value::Map([(MapKey::String("x".into()), account("in a map", 1))].into())),
        ("account", account("own", i64::MAX)),
        ("key", Value::Bytes(vec![255, 0].into())),
        ("ratio", Value::F64(0.5)),
        ("shown", Value::String("both names".into())),
        ("delta", Value::I64(-3)),
        ("serial", Value::U64(u64::MAX)),
        ("level", Value::EnumNumber(1)),
        ("roles", Value::List(vec![Value::EnumNumber(1), Value::EnumNumber(2)])),
        ("flags", Value::Map([(MapKey::I32(-1), Value::Bool(true))].into())),
        ("e_mail", Value::String("a@b".into())),
    ]);
    let (seen, exact) = one(&message);
    assert!(exact);
    assert_eq!(
        seen,
        json!({
            "user_id": "u7",
            "role": "ADMIN",
            "amount": -5,
            "dry_run": false,
            "numbers": [1, -2],
            "tags": ["a", "b"],
            "accounts": { "x": { "name": "in a map", "balance": 1 } },
            "account": { "name": "own", "balance": i64::MAX },
            "key": "/wA=",
            "ratio": 0.5,
            "shown": "both names",
            "displayName": "both names",
            "delta": -3,
            "serial": u64::MAX,
            "level": ["ROOT", "TOP"],
            "roles": ["READER", "ADMIN"],
            "flags": { "-1": true },
            "e_mail": "a@b",
        })
    );
}

/// What is not sent because it has its default value is there; what tells absence apart is not.
#[test]
fn defaults_are_there() {
    let (seen, exact) = one(b"");
    assert!(exact);
    assert_eq!(
        (&seen["dry_run"], &seen["role"], &seen["amount"]),
        (&json!(false), &json!("ROLE_UNSPECIFIED"), &json!(0))
    );
    for absent in ["limit", "account", "e_mail", "account_id", "tags", "accounts", "detail"] {
        assert!(seen.get(absent).is_none(), "{absent}");
    }
    let (seen, _) = one(&request(&[("limit", Value::U32(0))]));
    assert_eq!(seen["limit"], 0);
}

#[test]
fn known_messages_are_as_in_json() {
    let nested = |name: &str, members: &[(&str, Value)]| {
        let mut message = DynamicMessage::new(pool().get_message_by_name(name).unwrap());
        members.iter().for_each(|(name, value)| message.set_field_by_name(name, value.clone()));
        Value::Message(message)
    };
    let truth = nested("google.protobuf.Value", &[("bool_value", Value::Bool(true))]);
    let inner = encoded("acme.v1.Account", &[("name", Value::String("inside".into()))]);
    let url = Value::String("type.googleapis.com/acme.v1.Account".into());
    let any = [("type_url", url), ("value", Value::Bytes(inner.into()))];
    let moment = [("seconds", Value::I64(0)), ("nanos", Value::I32(500_000_000))];
    let message = request(&[
        ("detail", nested("google.protobuf.Any", &any)),
        ("expire_time", nested("google.protobuf.Timestamp", &moment)),
        ("ttl", nested("google.protobuf.Duration", &[("seconds", Value::I64(90))])),
        (
            "labels",
            nested(
                "google.protobuf.Struct",
                &[("fields", Value::Map([(MapKey::String("x".into()), truth)].into()))],
            ),
        ),
        ("quota", nested("google.protobuf.Int64Value", &[("value", Value::I64(9))])),
        (
            "mask",
            nested(
                "google.protobuf.FieldMask",
                &[("paths", Value::List(vec![Value::String("user_id".into())]))],
            ),
        ),
    ]);
    let (seen, exact) = one(&message);
    assert!(exact);
    assert_eq!(
        seen["detail"],
        json!({ "@type": "type.googleapis.com/acme.v1.Account", "name": "inside", "balance": 0 })
    );
    assert_eq!(seen["expire_time"], "1970-01-01T00:00:00.5Z");
    assert_eq!((&seen["ttl"], &seen["quota"]), (&json!(90), &json!(9)));
    assert_eq!((&seen["labels"], &seen["mask"]), (&json!({ "x": true }), &json!(["user_id"])));

    let written = json!({
        "detail": { "@type": "type.googleapis.com/acme.v1.Account", "name": "inside" },
        "expireTime": "1970-01-01T01:00:00.500+01:00",
        "ttl": "90s", "labels": { "x": true }, "quota": "9", "mask": "userId",
    });
    let kind = [("content-type", "application/json")];
    let in_json = see(SET_ROLE, &kind, written.to_string().as_bytes()).unwrap();
    assert_eq!(in_json, [(seen, true)], "both codings say the same");
}

#[test]
fn what_is_in_doubt_is_there_and_not_exact() {
    let name = |text: &str| [&[0x0a, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let (seen, exact) = one(&[name("first"), name("last")].concat());
    assert!(!exact && seen["user_id"] == "last", "{seen}"); // the map of serde_json shows one of the two
    for (what, bytes) in [
        ("an unknown field", vec![0xf8, 0x07, 1]),
        ("two of a choice", [&[0x42, 1, b'a'][..], &[0x48, 1]].concat()),
        ("text that is not UTF-8", vec![0x0a, 1, 0xff]),
        ("a word that nobody described", vec![0x10, 9]),
        ("two parts of a message", vec![0x52, 2, 0x10, 1, 0x52, 2, 0x10, 2]),
    ] {
        assert!(!one(&bytes).1, "{what}");
    }
    // Both forms of a list are what all readers take.
    let (seen, exact) = one(&[0x28, 1, 0x2a, 2, 2, 3]);
    assert!(exact);
    assert_eq!(seen["numbers"], json!([1, 2, 3]));
}

/// Where a number is longer than it must be, or a field has another type on the wire, protobuf.js reads other bytes.
#[test]
fn what_no_encoder_writes_is_hidden() {
    let negative = |tag: u8, last: u8| [&[tag][..], &[0xff; 9], &[last]].concat();
    for (what, bytes) in [
        ("text as a number", vec![0x08, 1]),
        ("texts as numbers", vec![0x30, 1]),
        ("an enumeration as four bytes", vec![0x15, 2, 0xf8, 3, 0]),
        ("an enumeration as eight bytes", vec![0x11, 2, 0xf8, 3, 0x80, 0x80, 0x80, 0x80, 0]),
        ("a number as bytes", vec![0x1a, 1, 1]),
        ("a message as a group", vec![0x53, 0x54]),
        ("the type of an `Any` as a number", vec![0x6a, 2, 0x08, 1]),
        ("a long number", vec![0x10, 0x82, 0]),
        ("a longer one", vec![0x60, 0x81, 0x80, 0x80, 0x80, 0x80, 0]),
        ("a long tag", vec![0x90, 0, 2]),
        ("a long length", vec![0x0a, 0x81, 0, b'a']),
        ("65 bits", negative(0x18, 2)),
        ("a truth above one", vec![0x20, 2]),
        ("a truth of 33 bits", vec![0x20, 0x80, 0x80, 0x80, 0x80, 0x10]),
        ("an enumeration of 33 bits", vec![0x10, 0x82, 0x80, 0x80, 0x80, 0x10]),
        ("-1 in 32 bits", vec![0x10, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ("a packed -1 in 32 bits", vec![0x2a, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ("33 bits without a sign", vec![0x60, 0x80, 0x80, 0x80, 0x80, 0x10]),
        ("-1 without a sign", negative(0x60, 1)),
        ("a long number nobody described", vec![0xf8, 0x07, 0x81, 0]),
    ] {
        let said = see(SET_ROLE, &[GRPC], &frame(0, &bytes)).unwrap_err();
        assert!(said.contains("no encoder writes"), "{what}: {said}");
    }
    // Near by: what encoders do write.
    assert_eq!(one(&negative(0x18, 1)).0["amount"], -1);
    assert_eq!(one(&negative(0x10, 1)).0["role"], -1);
    assert_eq!(one(&[&[0x2a, 10][..], &[0xff; 9], &[1]].concat()).0["numbers"], json!([-1]));
    assert_eq!(one(&[0x60, 0xff, 0xff, 0xff, 0xff, 0x0f]).0["limit"], u32::MAX);
    assert_eq!(one(&[0x20, 0]), one(&[]), "a default that is written all the same");
    assert!(!one(&[0xf8, 0x07, 0x81, 1]).1);
}

/// Bytes that are both JSON and a message: which one a server reads is its own affair.
#[test]
fn framed_json_that_could_be_a_message_is_hidden() {
    let inner = format!("{:.<123}", r#""userId":"bob","tags":[""#);
    let tail = format!("{:<95}", r#""]}"#);
    let both = format!("\n{{{inner}H\u{e9}A{tail}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&both).unwrap()["userId"], "bob");
    for kind in [
        "application/grpc+json",
        "application/grpc;json",
        "application/grpc-web+json",
        "application/connect+json",
    ] {
        hidden(&[("content-type", kind)], &frame(0, both.as_bytes()), "protocol buffer too");
        let text = "{\"role\":2,\"userId\":\"\u{6f22}\u{5b57} caf\u{e9} | x\",\"tags\":[]}";
        let seen = see(SET_ROLE, &[("content-type", kind)], &frame(0, text.as_bytes())).unwrap();
        assert_eq!(seen[0].0["role"], "ADMIN", "{kind}");
    }
    // Without frames there is no such server.
    assert!(see(SET_ROLE, &[("content-type", "application/json")], both.as_bytes()).is_ok());
}

/// Names of a query are read as servers read them.
#[test]
fn no_query_hides_a_message() {
    let of = |query: &str| see(&format!("GET /acme.v1.Users/SetRole?{query}"), &[], b"");
    for query in [
        "encoding=proto&base64=1&%6dessage=EAI",
        "%65ncoding=proto&b%61se64=1&message=EAI",
        "encoding=proto&base64=1&message=EAI&messages=EAE",
    ] {
        assert_eq!(of(query).unwrap()[0].0["role"], "ADMIN", "{query}");
    }
    for query in [
        "encoding=proto&base64=1&message=EAE&%6dessage=EAI",
        "%6dessage=EAE&message=EAI&encoding=proto&base64=1",
        "encoding=proto&enc%6fding=json&base64=1&message=EAE",
        "encoding=proto&base64=1&message=EAE&%62ase64=0",
    ] {
        assert!(of(query).unwrap_err().contains("twice"), "{query}");
    }
}

#[test]
fn json_of_another_type_is_hidden() {
    let kind = [("content-type", "application/json")];
    let of = |text: &str| see(SET_ROLE, &kind, text.as_bytes());
    for role in ["2", "2.0", "2e0", "20e-1", r#""2""#, r#""2.0""#, r#""ADMIN""#] {
        let seen = of(&format!(r#"{{"role":{role}}}"#)).unwrap();
        assert_eq!((&seen[0].0["role"], seen[0].1), (&json!("ADMIN"), true), "{role}");
    }
    for (text, name, expected) in [
        (r#"{"amount":"7"}"#, "amount", json!(7)),
        (r#"{"amount":7.0}"#, "amount", json!(7)),
        (r#"{"amount":-7}"#, "amount", json!(-7)),
        (r#"{"numbers":[1,"2"]}"#, "numbers", json!([1, 2])),
        (r#"{"ratio":"1.5"}"#, "ratio", json!(1.5)),
        (r#"{"userId":"7"}"#, "user_id", json!("7")),
    ] {
        assert_eq!(of(text).unwrap()[0].0[name], expected, "{text}");
    }
    for text in [
        r#"{"role":true}"#,
        r#"{"role":2.5}"#,
        r#"{"role":"admin"}"#,
        r#"{"role":[2]}"#,
        r#"{"role":4294967298}"#,
        r#"{"dryRun":1}"#,
        r#"{"dryRun":"true"}"#,
        r#"{"userId":7}"#,
        r#"{"amount":1.5}"#,
        r#"{"amount":"x"}"#,
        r#"{"limit":-1}"#,
        r#"{"numbers":3}"#,
        r#"{"numbers":[null]}"#,
        r#"{"accounts":[]}"#,
        r#"{"expireTime":"never"}"#,
    ] {
        assert!(of(text).unwrap_err().contains("another type"), "{text}");
    }
}

/// A field with a declared default has it when it is not there.
#[test]
fn declared_defaults_are_there() {
    let of = |entry: &[u8]| {
        let seen = see("POST /acme.old.Ledger/Book", &[GRPC], &frame(0, entry)).unwrap();
        seen[0].0["limit"].clone()
    };
    assert_eq!((of(&[0x08, 1]), of(&[0x08, 1, 0x20, 6])), (json!(5), json!(6)));
    let seen =
        see("POST /acme.old.Ledger/Book", &[("content-type", "application/json")], b"{\"id\":1}").unwrap();
    assert_eq!(seen[0].0["limit"], 5);
    assert!(one(&[]).0.get("limit").is_none(), "no default was declared");
}

#[test]
fn messages_of_old_are_read() {
    // id, a group of two fields, marks one by one, the extension.
    let entry = [
        &[0x08, 7][..],
        &[0x13, 0x0a, 1, b'x', 0x15, 0xff, 0xff, 0xff, 0xff, 0x14],
        &[0x18, 1, 0x18, 2],
        &[0xa2, 0x06, 2, b'h', b'i'],
    ]
    .concat();
    let seen = see("POST /acme.old.Ledger/Book", &[GRPC], &frame(0, &entry)).unwrap();
    let entry = json!({ "id": 7, "line": [{ "text": "x", "cents": -1 }], "marks": [1, 2], "[acme.old.note]": "hi", "limit": 5 });
    assert_eq!(seen, [(entry, true)]);
}

#[test]
fn frames_and_codings_are_undone() {
    let plain = request(&[("role", Value::EnumNumber(2))]);
    let is_admin = |fields: &[(&str, &str)], body: &[u8]| {
        let seen = see(SET_ROLE, fields, body).unwrap();
        assert_eq!((seen.len(), &seen[0].0["role"], seen[0].1), (1, &json!("ADMIN"), true));
    };
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&plain).unwrap();
        encoder.finish().unwrap()
    };
    is_admin(&[GRPC], &frame(0, &plain));
    is_admin(&[("content-type", "application/grpc-web+proto")], &frame(0, &plain));
    is_admin(&[("content-type", "application/connect+proto")], &frame(0, &plain));
    is_admin(&[("content-type", "application/proto")], &plain);
    is_admin(&[("content-type", "application/protobuf")], &plain);
    is_admin(&[("content-type", "application/proto"), ("content-encoding", "gzip")], &gzip);
    is_admin(&[("content-type", "application/grpc+json")], &frame(0, br#"{"role":2}"#));
    is_admin(&[("content-type", "application/json")], br#"{"role":"ADMIN","account":null}"#);
    is_admin(&[GRPC, ("grpc-encoding", "gzip")], &frame(1, &gzip));
    is_admin(&[GRPC, ("grpc-encoding", "zstd")], &frame(1, &zstd::encode_all(&plain[..], 3).unwrap()));
    is_admin(&[GRPC, ("grpc-encoding", "gzip")], &frame(0, &plain));
    is_admin(
        &[("content-type", "application/connect+proto"), ("connect-content-encoding", "gzip")],
        &frame(1, &gzip),
    );
    let text = STANDARD.encode(frame(0, &plain));
    is_admin(&[("content-type", "application/grpc-web-text")], text.as_bytes());
    let (front, back) = text.split_at(4);
    is_admin(&[("content-type", "application/grpc-web-text+proto")], format!("{front}\r\n{back}").as_bytes());
    for query in [
        "encoding=proto&base64=1&message=EAI",
        "connect=v1&encoding=proto&message=%10%02",
        "encoding=json&message=%7B%22role%22%3A2%7D",
    ] {
        let seen = see(&format!("GET /acme.v1.Users/SetRole?{query}"), &[], b"").unwrap();
        assert_eq!(seen[0].0["role"], "ADMIN", "{query}");
    }
    // Below a prefix, as Twirp has it.
    let twirp =
        see("POST /twirp/acme.v1.Users/SetRole", &[("content-type", "application/json")], b"{}").unwrap();
    assert_eq!(twirp.len(), 1);

    hidden(&[GRPC, ("grpc-encoding", "snappy")], &frame(1, &plain), "not known");
    hidden(&[GRPC], &frame(1, &gzip), "does not say how");
    hidden(&[GRPC, ("grpc-encoding", "identity")], &frame(1, &gzip), "identity");
    hidden(&[GRPC, ("grpc-encoding", "gzip")], &frame(1, &plain), "does not decode");
    hidden(&[GRPC, ("content-encoding", "deflate")], &frame(0, &plain), "content coding");
    hidden(&[GRPC], &frame(3, &plain), "flags");
    hidden(&[("content-type", "application/grpc-web")], &frame(0x80, b"x: y"), "flags");
    hidden(&[GRPC], &frame(0, &plain)[..6], "ends within");
    hidden(&[GRPC], &[frame(0, &plain), vec![0]].concat(), "ends within");
    hidden(&[GRPC], &[frame(0, &plain), frame(0, &plain)].concat(), "takes one message");
    hidden(&[GRPC], b"", "takes one message");
    hidden(&[GRPC], &frame(0, &[0x0a, 9]), "no protocol buffer");
    hidden(&[GRPC], &frame(0, &[0x0f]), "no protocol buffer");
    hidden(&[GRPC], &frame(0, &[0x28].repeat(200_001)[..200_000]), "values");
    hidden(&[("content-type", "text/plain")], &plain, "content type");
    hidden(&[], &plain, "content type");
    hidden(&[("content-type", "application/grpc+flatbuffers")], &frame(0, &plain), "codec");
    hidden(&[("content-type", "application/json")], b"{role: 2}", "no JSON");
    let deep = (0..120).fold(Vec::new(), |inner: Vec<u8>, _| {
        let mut length = Vec::new();
        prost_reflect::prost::encoding::encode_varint(inner.len() as u64, &mut length);
        [&[0x1a][..], &length, &inner].concat()
    });
    let deep = {
        let mut length = Vec::new();
        prost_reflect::prost::encoding::encode_varint(deep.len() as u64, &mut length);
        [&[0x52][..], &length, &deep].concat()
    };
    hidden(&[GRPC], &frame(0, &deep), "too deeply");
    let secret = [&[0x6a, 5, 0x0a, 3][..], b"x/y"].concat();
    hidden(&[GRPC], &frame(0, &secret), "`Any`");
    let unknown = see("POST /acme.v1.Users/Unknown", &[GRPC], &frame(0, b"")).unwrap_err();
    assert!(unknown.contains("no descriptor set"), "{unknown}");
    let folded = see("POST /acme.v1.users/SetRole", &[GRPC], &frame(0, b"")).unwrap_err();
    assert!(folded.contains("no descriptor set"), "{folded}");
}

#[test]
fn each_message_of_a_stream_is_a_call() {
    let body = [frame(0, &[0x10, 1]), frame(0, &[0x10, 2])].concat();
    let seen = see("POST /acme.v1.Users/Upload", &[GRPC], &body).unwrap();
    assert_eq!((&seen[0].0["role"], &seen[1].0["role"]), (&json!("READER"), &json!("ADMIN")));
    assert_eq!(see("POST /acme.v1.Users/Upload", &[GRPC], b""), Ok(vec![]));
}

#[test]
fn streams_are_known_by_their_method() {
    let streams = |target: &str, kind: &str| {
        is_stream(&Sent::new(target, &[("content-type", kind)]).head(), &descriptors())
    };
    assert!(streams("POST /acme.v1.Users/Upload", "application/grpc"));
    assert!(streams("POST /acme.v1.Users/Chat", "application/connect+proto"));
    assert!(streams("POST /acme.v1.Users/Nobody", "application/grpc+proto"), "as far as anybody knows");
    assert!(!streams("POST /acme.v1.Users/SetRole", "application/grpc"));
    assert!(!streams("POST /acme.v1.Users/Upload", "application/json"));
    assert!(!streams("POST /acme.v1.Users/Upload", "application/grpc-web-text"));
    let talks = |path: &str| is_talk(&Sent::new(&format!("POST {path}"), &[GRPC]).head(), &descriptors());
    assert!(talks("/acme.v1.Users/Chat"));
    assert!(!talks("/acme.v1.Users/Upload") && !talks("/acme.v1.Users/Nobody"));
    assert_eq!(message_bytes(&frame(0, b"abc")), Some(8));
    assert_eq!(message_bytes(b"\0\0\0\0"), None);
}

#[test]
fn sets_are_taken_whole_or_refused() {
    let mut descriptors = descriptors();
    assert_eq!(descriptors.services(), 2);
    let before = format!("{descriptors:?}");
    descriptors.add(DESCRIPTORS).unwrap();
    assert_ne!(format!("{descriptors:?}"), before);
    assert_eq!(descriptors.add(b""), Err(DescriptorsError::Empty));
    for broken in [&DESCRIPTORS[..900], b"pack: x", &[0xff; 40]] {
        assert!(matches!(descriptors.add(broken), Err(DescriptorsError::Broken(_))));
    }
}

proptest::proptest! {
    #[test]
    fn no_message_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let method = descriptors().method("acme.v1.Users", "SetRole").unwrap();
        let _ = message::read(&method.input(), &bytes);
        let old = descriptors().method("acme.old.Ledger", "Book").unwrap();
        let _ = message::read(&old.input(), &bytes);
        let _ = see(SET_ROLE, &[GRPC], &bytes);
        let _ = see(SET_ROLE, &[("content-type", "application/grpc-web-text")], &bytes);
    }

    /// What an encoder wrote is read as what it was told.
    #[test]
    fn a_message_comes_back_as_it_was_written(
        user in "\\PC{0,20}",
        amount in proptest::prelude::any::<i64>(),
        delta in proptest::prelude::any::<i64>(),
        serial in proptest::prelude::any::<u64>(),
        dry_run in proptest::prelude::any::<bool>(),
        numbers in proptest::collection::vec(proptest::prelude::any::<i32>(), 0..8),
        tags in proptest::collection::vec("[a-z]{0,5}", 0..4),
    ) {
        let message = request(&[
            ("user_id", Value::String(user.clone())),
            ("amount", Value::I64(amount)),
            ("delta", Value::I64(delta)),
            ("serial", Value::U64(serial)),
            ("dry_run", Value::Bool(dry_run)),
            ("numbers", Value::List(numbers.iter().map(|n| Value::I32(*n)).collect())),
            ("tags", Value::List(tags.iter().map(|tag| Value::String(tag.clone())).collect())),
        ]);
        let (seen, exact) = one(&message);
        proptest::prop_assert!(exact);
        proptest::prop_assert_eq!(&seen["user_id"], &json!(user));
        proptest::prop_assert_eq!(&seen["amount"], &json!(amount));
        proptest::prop_assert_eq!(&seen["delta"], &json!(delta));
        proptest::prop_assert_eq!(&seen["serial"], &json!(serial));
        proptest::prop_assert_eq!(&seen["dry_run"], &json!(dry_run));
        let none = serde_json::Value::Null;
        let list = |name: &str| seen.get(name).unwrap_or(&none).clone();
        if !numbers.is_empty() { proptest::prop_assert_eq!(list("numbers"), json!(numbers)); }
        if !tags.is_empty() { proptest::prop_assert_eq!(list("tags"), json!(tags)); }
    }
}
