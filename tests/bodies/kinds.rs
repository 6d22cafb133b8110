//! Other kinds of bodies: formats that frameworks bind like JSON, and texts that are none.

use super::{ADMIN, Case, JSON, Scene, passes, stopped};

fn kind(kind: &str, body: impl AsRef<[u8]>) -> Case {
    stopped(
        &format!("{kind}: {}", String::from_utf8_lossy(body.as_ref()).escape_debug()),
        "/users",
        kind,
        body,
    )
}

fn fine(kind: &str, body: impl AsRef<[u8]>) -> Case {
    passes(
        &format!("benign, {kind}: {}", String::from_utf8_lossy(body.as_ref()).escape_debug()),
        "/users",
        kind,
        body,
    )
}

#[tokio::test]
async fn kinds() {
    let scene = Scene::new().await;
    let mut cases = Vec::new();
    for label in
        ["application/xml", "text/xml", "application/soap+xml", "image/svg+xml", "text/plain", "", JSON]
    {
        for body in [
            "<user><role>admin</role></user>",
            "<?xml version=\"1.0\"?><user role=\"admin\"/>",
            "<user><r&#111;le>admin</r&#111;le></user>",
            "<user><Role><![CDATA[admin]]></Role></user>",
            "<!DOCTYPE x [<!ENTITY r \"<role>admin</role>\">]><user>&r;</user>",
            "<array><key>role</key><string>admin</string></array>",
            " <user xmlns:x=\"y\"><x:role>admin</x:role></user>",
        ] {
            cases.push(kind(label, body));
        }
    }
    for label in
        ["application/yaml", "text/yaml", "application/x-yaml", "text/vnd.yaml", "text/plain", "", JSON]
    {
        for body in [
            "role: admin",
            "---\nrole: admin\n",
            "\"role\": \"admin\"",
            "\"r\\x6fle\": admin",
            "? role\n: admin",
            "{role: admin}",
            "!!map {role: admin}",
            "a: &x role\n*x : admin",
            "<<: {role: admin}",
            "- role: admin",
            "role: !!str admin",
            "{\"<<\": {\"role\": \"admin\"}}",
            "%YAML 1.1\n---\nrole: admin",
        ] {
            // Only who reads YAML merges.
            if body.starts_with("{\"<<") && !label.contains("yaml") {
                continue;
            }
            cases.push(kind(label, body));
        }
    }
    for label in ["application/toml", "text/plain", "", "application/x-java-properties", JSON] {
        for body in [
            "role = \"admin\"",
            "role=\"admin\"\n",
            "[a]\nrole = 'admin'",
            "ro\\u006ce=admin\n",
            "role\tadmin",
            "role:admin",
        ] {
            cases.push(kind(label, body));
        }
    }
    for label in ["text/csv", "text/tab-separated-values", "", "text/plain"] {
        cases.push(kind(label, "name,role\nJo,admin\n"));
    }
    let msgpack: &[u8] = b"\x81\xa4role\xa5admin";
    let cbor: &[u8] = b"\xa1\x64role\x65admin";
    let bson: &[u8] = b"\x15\0\0\0\x02role\0\x06\0\0\0admin\0\0";
    let plist: &[u8] = b"bplist00\xd1\x01\x02Troleuadmin\x08\x0b\x10";
    let protobuf: &[u8] = b"\x0a\x05admin";
    for label in [
        "application/msgpack",
        "application/x-msgpack",
        "application/vnd.msgpack",
        "application/cbor",
        "application/bson",
        "application/x-protobuf",
        "application/protobuf",
        "application/grpc",
        "application/x-plist",
        "application/avro",
        "application/x-thrift",
        "application/octet-stream",
        "application/x-amz-cbor",
        "text/plain",
        "",
        JSON,
    ] {
        for bytes in [msgpack, cbor, bson, plist] {
            cases.push(kind(label, bytes));
        }
    }
    for label in [
        "application/x-protobuf",
        "application/protobuf",
        "application/vnd.google.protobuf",
        "application/grpc+proto",
    ] {
        cases.push(kind(label, protobuf));
        cases.push(kind(label, format!("*%={}", "a".repeat(36))));
        cases.push(kind(label, "{}"));
    }
    for label in [
        "application/x-ndjson",
        "application/jsonl",
        "application/json-seq",
        "application/stream+json",
        "text/plain",
        "",
    ] {
        cases.push(kind(label, "{\"role\": \"admin\"}\n{\"a\": 1}\n"));
        cases.push(kind(label, "{\"a\": 1}\n{\"role\": \"admin\"}"));
        cases.push(kind(label, "{\"a\": 1}\n{\"r\\u006fle\": \"admin\"}"));
        cases.push(kind(label, "\u{1e}{\"role\": \"admin\"}\n"));
        cases.push(fine(label, "{\"name\": \"a\"}\n{\"name\": \"b\"}\n"));
    }
    cases.extend([
        kind("text/plain", "x^ role"),
        kind("application/x-json5", "{role: 'admin'}"),
        kind("application/hjson", "{\n  role: admin\n}"),
        kind("application/edn", "{:role \"admin\"}"),
        kind("application/x-httpd-php", "a:1:{s:4:\"role\";s:5:\"admin\";}"),
        kind("application/vnd.php.serialized", "a:1:{s:4:\"role\";s:5:\"admin\";}"),
        kind("application/graphql", "mutation { add(role: \"admin\") }"),
        kind("application/xml", "<!DOCTYPE user SYSTEM \"https://evil.test/d\"><user/>"),
        kind("text/xml", "<user><xi:include xmlns:xi=\"x\" href=\"https://evil.test/d\"/></user>"),
        kind("message/rfc822", "Content-Transfer-Encoding: base64\r\n\r\ncm9sZTogYWRtaW4="),
        kind("image/png", b"\x89PNG\r\n\x1a\n"),
        kind("application/yaml", "a: b\n!<tag:yaml.org,2002:binary> cm9sZQ==: admin\n"),
        kind("application/yaml", "a: b\n!binary cm9sZQ==: admin\n"),
        kind(
            "application/xml",
            "<?xml version=\"1.0\" encoding=\"UTF-7\"?><user><+AHI-ole>admin</+AHI-ole></user>",
        ),
        kind("", "\"&role=admin&\""),
        kind("", "{\"a\":\"&role=admin&\"}"),
        fine("", "{\"a\":\"b&c=d\"}"),
        fine("application/xml", "<?xml version=\"1.0\" encoding=\"utf-8\"?><user><name>Jo!</name></user>"),
        fine("application/yaml", "say: hello!\n"),
        fine("text/plain", "hello, world"),
        fine("text/plain", "Dear Jo: see you at 5. (Or 6?) <3"),
        fine("text/plain", "name: Jo"),
        fine("text/plain", "aGVsbG8gd29ybGQ="),
        fine("", "ping"),
        fine("text/csv", "name,mail\nJo,jo@acme.test\n"),
        fine("application/xml", "<user><name>Jo</name></user>"),
        fine("application/yaml", "name: Jo\nn: 1\n"),
        fine("application/graphql", "{ me { name } }"),
        fine("application/jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),
        passes("benign: bytes elsewhere", "/echo", "application/octet-stream", msgpack),
        passes("benign: protobuf elsewhere", "/echo", "application/x-protobuf", protobuf),
        passes("benign: XML elsewhere", "/echo", "application/xml", "<role>admin</role>"),
    ]);
    // A person decides about what nobody can read, where the rule holds.
    cases.push(stopped("held: plain", "/held", JSON, ADMIN));
    cases.push(stopped("held: unreadable", "/held", "application/cbor", cbor));
    cases.push(stopped("held: coded", "/held", JSON, ADMIN).coded("lzma"));
    cases.push(passes("benign: not held", "/held", JSON, "{}"));
    scene.judge(cases).await;
}
