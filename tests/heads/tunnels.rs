//! How a connection begins: CONNECT, SOCKS5 and the handshake of TLS name one host, and nothing but HTTP goes through.

use super::support::authority::provider;
use super::support::wire::client_config;
use super::support::{Origin, Wire, soon};
use super::{RULES, Scene, status};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use rustls_pki_types::pem::PemObject as _;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn no_odd_connect_opens_a_tunnel() {
    let scene = Scene::new().await;
    for (what, head) in [
        ("no port", "CONNECT api.test HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("an empty port", "CONNECT api.test: HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("port 0", "CONNECT api.test:0 HTTP/1.1\r\nHost: api.test:0\r\n\r\n"),
        ("a port that wraps", "CONNECT api.test:65979 HTTP/1.1\r\nHost: api.test:65979\r\n\r\n"),
        ("a signed port", "CONNECT api.test:+443 HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("a list of ports", "CONNECT api.test:443,80 HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("two ports", "CONNECT api.test:80:443 HTTP/1.1\r\nHost: api.test\r\n\r\n"),
        ("a path", "CONNECT api.test:443/x HTTP/1.1\r\nHost: api.test:443\r\n\r\n"),
        ("a URL", "CONNECT https://api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n"),
        ("userinfo", "CONNECT user@api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n"),
        ("a percent sign", "CONNECT api%2etest:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n"),
        ("a NUL", "CONNECT api.test\0.evil:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n"),
        ("no host", "CONNECT :443 HTTP/1.1\r\nHost: :443\r\n\r\n"),
        ("another Host", "CONNECT api.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n"),
        ("another port in Host", "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:80\r\n\r\n"),
        ("two Hosts", "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\nHost: other.test:443\r\n\r\n"),
        ("a folded Host", "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n other.test\r\n\r\n"),
        ("HTTP/1.2", "CONNECT api.test:443 HTTP/1.2\r\nHost: api.test:443\r\n\r\n"),
        ("line feeds", "CONNECT api.test:443 HTTP/1.1\nHost: api.test:443\n\n"),
        (
            "two framings",
            "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("lower case", "connect api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n"),
        ("a blank too many", "CONNECT  api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n"),
        ("TLS", "\x16\x03\x01\x02\0\x01"),
    ] {
        let mut wire = Wire::plain(scene.holdpoint.listen).await;
        let _ = wire.try_send(head).await;
        wire.finish().await;
        let status = status(&mut wire).await;
        let refused = status.is_none_or(|status| (400..500).contains(&status) || status == 501);
        assert!(refused, "{what}: {status:?}");
    }
    for head in [
        "CONNECT API.TEST.:0443 HTTP/1.1\r\nHost: api.test\r\n\r\n",
        "CONNECT api.test:443 HTTP/1.0\r\n\r\n",
        "CONNECT api.test:443 HTTP/1.1\r\nHost: API.test:443\r\nUser-Agent: x\r\nProxy-Connection: keep-alive\r\n\r\n",
    ] {
        let mut wire = Wire::plain(scene.holdpoint.listen).await;
        wire.send(head).await;
        assert_eq!(status(&mut wire).await, Some(200), "{head}");
    }
    scene.end();
}

#[tokio::test]
async fn what_is_no_http_ends_the_tunnel() {
    let plain = Origin::plain().await;
    let scene = Scene::with(RULES, &["api.test"], |setup| setup.origin("plain.test:80", &plain)).await;
    for authority in ["api.test:443", "plain.test:80"] {
        for (what, bytes) in [
            ("SSH", &b"SSH-2.0-OpenSSH_9.6\r\n"[..]),
            ("a lower-case method", b"delete /users/42 HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
            ("NULs", b"\0\0\0\0\0\0\0\0"),
            ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
            ("Redis", b"*1\r\n$8\r\nFLUSHALL\r\n"),
            ("SMTP", b"EHLO x\r\nMAIL FROM:<a@b>\r\n\r\n"),
            ("SOCKS", b"\x05\x01\0"),
            ("a record that is no handshake", b"\x16\x03\x01\0\x05hello"),
            ("SSL 2", b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10"),
            ("a blank", b" GET /x HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
            ("CONNECT", b"CONNECT plain.test:80 HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
            ("a URL elsewhere", b"GET http://other.test/x HTTP/1.1\r\nHost: other.test\r\n\r\n"),
            ("a sensitive request", b"DELETE /%75sers/42 HTTP/1.1\r\nHost: plain.test\r\n\r\n"),
        ] {
            let mut wire = Wire::plain(scene.holdpoint.listen).await;
            wire.send(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")).await;
            assert_eq!(wire.head().await.status, 200);
            let _ = wire.try_send(bytes).await;
            wire.finish().await;
            let status = status(&mut wire).await;
            let refused = status.is_none_or(|status| (400..=431).contains(&status) || status == 501);
            assert!(refused, "{what} to {authority}: {status:?}");
        }
    }
    plain.assert_untouched();
    scene.origin.assert_untouched();
    // In the clear to a host in the clear, all is as ever.
    let mut wire = Wire::plain(scene.holdpoint.listen).await;
    wire.send("CONNECT plain.test:80 HTTP/1.1\r\nHost: plain.test:80\r\n\r\nGET /x HTTP/1.1\r\nHost: plain.test\r\n\r\n").await;
    assert_eq!((wire.head().await.status, wire.reply().await.status), (200, 200));
}

#[tokio::test]
async fn socks_names_one_host() {
    let scene = Scene::new().await;
    let ask = |host: &[u8], port: u16| {
        let length = u8::try_from(host.len()).unwrap();
        [&[5, 1, 0, 5, 1, 0, 3, length][..], host, &port.to_be_bytes()].concat()
    };
    let mut hosts: Vec<&[u8]> = vec![
        b"api.test\0.evil.test",
        b"api.test\0",
        b"\0api.test",
        b"",
        b".",
        b"api..test",
        b"api.test/x",
        b"user@api.test",
        b"api.test:80",
        b"api.test ",
        b"api.test\r\n",
        b"api%2etest",
        b"api.test\\x",
        b"\xff\xfe",
        b"api.test#x",
    ];
    let long = [b'a'; 255];
    hosts.push(&long);
    for host in hosts {
        let mut wire = Wire::plain(scene.holdpoint.listen).await;
        wire.send(ask(host, 443)).await;
        let answer = wire.rest().await;
        let (greeting, reply) = answer.split_at(2);
        assert!(greeting == [5, 0] && reply.get(1).is_some_and(|code| *code != 0), "{host:?}: {answer:?}");
    }
    for bytes in [
        &b"\x05\x01\0\x05\x02\0\x01\x7f\0\0\x01\0\x50"[..],
        b"\x05\x01\0\x05\x03\0\x01\x7f\0\0\x01\0\x50",
        b"\x05\x01\0\x04\x01\0\x03\x01a\0\x50",
        b"\x05\x01\0\x05\x01\0\x09",
    ] {
        let mut wire = Wire::plain(scene.holdpoint.listen).await;
        wire.send(bytes).await;
        wire.finish().await;
        let answer = wire.rest().await;
        assert!(answer.get(3).is_none_or(|code| *code != 0), "{bytes:?}: {answer:?}");
    }
    let mut wire = Wire::plain(scene.holdpoint.listen).await;
    wire.send(ask(b"API.test.", 443)).await;
    assert_eq!(&wire.exactly(4).await[..], [5, 0, 5, 0]);
    scene.end();
}

#[tokio::test]
async fn the_handshake_names_the_host_or_none() {
    let scene = Scene::with(RULES, &["api.test", "inner.test"], |setup| setup).await;
    let (proxy, ca) = (scene.holdpoint.listen, scene.holdpoint.ca.clone());
    for name in ["inner.test", "xapi.test", "api.test.evil.test", "test"] {
        let mut wire = Wire::tunnel_as(proxy, "api.test:443", name, &ca, "").await.expect("TLS");
        for host in ["api.test", name] {
            let reply = wire.ask(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
            assert_eq!(reply.status, 421, "{name} {host}");
        }
    }
    let mut wire = Wire::tunnel_as(proxy, "inner.test:443", "api.test", &ca, "").await.expect("TLS");
    assert_eq!(wire.ask("GET /x HTTP/1.1\r\nHost: api.test\r\n\r\n").await.status, 421);
    scene.origin.assert_untouched();

    // None at all: what CONNECT named counts.
    let mut roots = RootCertStore::empty();
    for certificate in rustls_pki_types::CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate.expect("PEM")).expect("a root");
    }
    let mut nameless = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    nameless.enable_sni = false;
    for (config, expected) in
        [(Arc::new(nameless), "HTTP/1.1 403"), (client_config(&ca, &[]), "HTTP/1.1 403")]
    {
        let stream = connect(&scene, "inner.test:443").await;
        let name = ServerName::try_from("inner.test").expect("a name");
        let mut tls = soon("TLS", TlsConnector::from(config).connect(name, stream)).await.expect("TLS");
        tls.write_all(b"GET /x HTTP/1.1\r\nHost: inner.test\r\n\r\n").await.expect("open");
        let mut start = [0; 12];
        soon("an answer", tls.read_exact(&mut start)).await.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&start), expected);
    }
    scene.origin.assert_untouched();

    // Two names, an odd name, or no whole ClientHello: no handshake.
    for names in [
        &["api.test", "inner.test"][..],
        &["api.test", "api.test"],
        &["api.test\0inner.test"],
        &["api test"],
        &[""],
    ] {
        let mut stream = connect(&scene, "api.test:443").await;
        stream.write_all(&client_hello(names)).await.expect("open");
        stream.shutdown().await.expect("open");
        let mut answer = Vec::new();
        let _ = soon("the end", stream.read_to_end(&mut answer)).await;
        assert!(answer.first().is_none_or(|kind| *kind == ALERT), "{names:?}: {answer:?}");
    }
    let mut stream = connect(&scene, "api.test:443").await;
    stream.write_all(&client_hello(&["api.test"])).await.expect("open");
    let kind = soon("a ServerHello", stream.read_u8()).await.expect("an answer");
    assert_eq!(kind, HANDSHAKE, "such a hello is sound otherwise");
}

async fn connect(scene: &Scene, authority: &str) -> TcpStream {
    let mut stream = soon("TCP", TcpStream::connect(scene.holdpoint.listen)).await.expect("TCP");
    let connect = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(connect.as_bytes()).await.expect("open");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("an answer to CONNECT", stream.read_u8()).await.expect("an answer"));
    }
    stream
}

/// A ClientHello of TLS 1.2 with so many names in it (RFC 6066 §3).
fn client_hello(names: &[&str]) -> Vec<u8> {
    let sized = |bytes: Vec<u8>| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
    let list: Vec<u8> =
        names.iter().flat_map(|name| [vec![0], sized(name.as_bytes().to_vec())].concat()).collect();
    let extension = |kind: u16, data: Vec<u8>| [&kind.to_be_bytes()[..], &sized(data)].concat();
    let extensions = [
        extension(0, sized(list)),
        extension(10, sized(vec![0, 29, 0, 23])), // x25519, secp256r1
        extension(11, vec![1, 0]),                // uncompressed points
        extension(13, sized(vec![4, 3, 8, 4, 4, 1])), // ecdsa_secp256r1_sha256, rsa_pss, rsa_pkcs1
        extension(23, Vec::new()),                // extended master secret
        extension(0xff01, vec![0]),               // renegotiation info
    ]
    .concat();
    let suites = vec![0xc0, 0x2b, 0xc0, 0x2f]; // ECDHE with AES-128-GCM
    let body = [&[3, 3][..], &[7; 32], &[0], &sized(suites), &[1, 0], &sized(extensions)].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let handshake = [&[1][..], &length[1..], &body].concat();
    [&[HANDSHAKE, 3, 1][..], &sized(handshake)].concat()
}

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
