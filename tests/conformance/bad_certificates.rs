//! Origins whose certificate must not be believed: each is a 502 that says why, and hears not one byte of HTTP.

use super::certificates::{
    Authority, authority, by_openssl, days, host, openssl, self_signed, server, shows, stapling, with_key,
};
use super::legacy::Legacy;
use super::support::{Holdpoint, Origin, Setup, Wire};
use rcgen::{
    BasicConstraints, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, NameConstraints,
    PKCS_RSA_SHA256, RsaKeySize, SerialNumber,
};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;

#[tokio::test]
async fn sound_certificates_pass() {
    let roots = Roots::new();
    let root = &roots.root;
    let between = root.below(authority("Between"));
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let mut serial = host("good-stapled.test");
    serial.serial_number = Some(SerialNumber::from_slice(&SERIAL));
    let cases = [
        ("good.test", server(&host("good.test"), root, &[])),
        ("good-chain.test", server(&host("good-chain.test"), &between, &[&between])),
        ("good-rsa.test", with_key(&host("good-rsa.test"), root, &[], &rsa)),
        ("a.good-wildcard.test", server(&host("*.good-wildcard.test"), root, &[])),
        ("good-stapled.test", stapling(&serial, root, roots.staple("V"))),
        ("good-tls12.test", only_tls12(&server(&host("good-tls12.test"), root, &[]))),
    ];
    let (holdpoint, origins) = roots.behind(cases).await;
    for (host, origin) in &origins {
        let reply = ask(&holdpoint, host).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "secret"), "{host}: {}", reply.text());
        assert_eq!(origin.seen().len(), 1, "{host}");
    }
}

#[tokio::test]
async fn bad_certificates_are_refused_with_the_reason() {
    let roots = Roots::new();
    let root = &roots.root;
    let old_between = {
        let mut params = authority("Old between");
        (params.not_before, params.not_after) = days(-60, -3);
        root.below(params)
    };
    let between = root.below(authority("Between"));
    let last = {
        let mut params = authority("Last");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        root.below(params)
    };
    let beyond_last = last.below(authority("Beyond the last"));
    let limited = {
        let mut params = authority("Limited");
        let permitted_subtrees = vec![GeneralSubtree::DnsName("elsewhere.test".to_owned())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        root.below(params)
    };
    let a_host = root.below(host("some-host.test"));
    let expired = host_with("expired.test", |p| (p.not_before, p.not_after) = days(-30, -2));
    let early = host_with("not-yet-valid.test", |p| (p.not_before, p.not_after) = days(2, 30));
    let only_common_name = host_with("common-name-only.test", |p| {
        p.subject_alt_names.clear();
        p.distinguished_name.push(DnType::CommonName, "common-name-only.test");
    });
    let for_clients = host_with("for-clients.test", |p| {
        p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let revoked = host_with("revoked.test", |p| p.serial_number = Some(SerialNumber::from_slice(&SERIAL)));
    let cases: Vec<(&str, Arc<ServerConfig>, &str)> = vec![
        ("expired.test", server(&expired, root, &[]), "expired on 20"),
        ("not-yet-valid.test", server(&early, root, &[]), "not valid yet"),
        ("self-signed.test", self_signed(&host("self-signed.test")), NOT_TRUSTED),
        (
            "unknown-root.test",
            server(&host("unknown-root.test"), &Authority::root("Nobody's"), &[]),
            NOT_TRUSTED,
        ),
        (
            "same-name.test",
            server(&host("same-name.test"), &Authority::root(ROOT), &[]),
            "a signature is not good",
        ),
        (
            "wrong-host.test",
            server(&host("elsewhere.test"), root, &[]),
            "names `elsewhere.test` and not `wrong-host.test`",
        ),
        ("common-name-only.test", server(&only_common_name, root, &[]), "names no host"),
        (
            "a.b.two-labels.test",
            server(&host("*.two-labels.test"), root, &[]),
            "names `*.two-labels.test` and not",
        ),
        ("bare.test", server(&host("*.bare.test"), root, &[]), "names `*.bare.test` and not"),
        (
            "incomplete.test",
            server(&host("incomplete.test"), &between, &[]),
            "does not send the certificates between",
        ),
        (
            "leaf-as-authority.test",
            server(&host("leaf-as-authority.test"), &a_host, &[&a_host]),
            "no authority's signed it",
        ),
        (
            "path-length.test",
            server(&host("path-length.test"), &beyond_last, &[&beyond_last, &last]),
            "more authorities stand between",
        ),
        (
            "name-constraint.test",
            server(&host("name-constraint.test"), &limited, &[&limited]),
            "may not sign for this name",
        ),
        ("for-clients.test", server(&for_clients, root, &[]), "not for servers"),
        (
            "old-between.test",
            server(&host("old-between.test"), &old_between, &[&old_between]),
            "expired on 20",
        ),
        ("revoked.test", stapling(&revoked, root, roots.staple("R")), "was revoked"),
        ("sha1.test", roots.old_fashioned("sha1", "ec:curve.pem"), "SHA-1 and MD5 are not safe"),
        ("md5.test", roots.old_fashioned("md5", "ec:curve.pem"), "SHA-1 and MD5 are not safe"),
    ];
    let says: Vec<&str> = cases.iter().map(|(_, _, says)| *says).collect();
    let (mut holdpoint, origins) =
        roots.behind(cases.into_iter().map(|(host, config, _)| (host, config))).await;
    let mut wrong = Vec::new();
    for ((host, origin), says) in origins.iter().zip(says) {
        refused(&holdpoint, host, says, &mut wrong).await;
        assert!(origin.connections() > 0, "{host}");
        origin.assert_untouched();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    recorded(&mut holdpoint, origins.iter().map(|(host, _)| host.as_str())).await;
}

/// What no library of today speaks: the `openssl` program, told to.
#[tokio::test]
async fn bad_keys_and_old_tls_are_refused_with_the_reason() {
    let roots = Roots::new();
    let folder = roots.folder.path();
    let cases: [(&str, &str, &str, &str); 8] = [
        ("rsa1024", "rsa:1024", "", "its RSA key has 1024 bits"),
        ("rsa512", "rsa:512", "-tls1_2 -sigalgs RSA+SHA256", "its RSA key has 512 bits"),
        ("tls10", "ec:curve.pem", "-tls1", "it speaks no version of TLS that is safe"),
        ("tls11", "ec:curve.pem", "-tls1_1", "it speaks no version of TLS that is safe"),
        ("null", "ec:curve.pem", "-tls1_2 -cipher eNULL:@SECLEVEL=0", "no cipher suite"),
        ("anonymous", "ec:curve.pem", "-tls1_2 -cipher aNULL:@SECLEVEL=0", "no cipher suite"),
        ("client-tls12", "ec:curve.pem", "-tls1_2 -Verify 1", "client certificate"),
        ("client-tls13", "ec:curve.pem", "-tls1_3 -Verify 1", "client certificate"),
    ];
    let mut setup = roots.setup();
    let mut servers = Vec::new();
    for (name, key, options, says) in cases {
        by_openssl(folder, name, "root", key, "sha256");
        let legacy = Legacy::start(folder, name, options).await;
        let host = format!("{name}.test");
        setup = setup.resolve(&format!("{host}:443"), legacy.addr);
        servers.push((host, says, legacy));
    }
    let mut holdpoint = setup.start().await;
    let mut wrong = Vec::new();
    for (host, says, _) in &servers {
        refused(&holdpoint, host, says, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    recorded(&mut holdpoint, servers.iter().map(|(host, ..)| host.as_str())).await;
    for (host, _, legacy) in servers {
        let said = legacy.end().await;
        assert!(!said.contains("POST /echo") && !said.contains("secret"), "{host} was sent: {said}");
    }
}

/// The root that Holdpoint trusts, an RSA root of the old kind that it trusts too, and a folder for files of `openssl`.
struct Roots {
    root: Authority,
    folder: TempDir,
}

impl Roots {
    fn new() -> Self {
        let root = Authority::root(ROOT);
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write("root.pem", &root.issuer.pem());
        write("root.key", &root.key_pem);
        let at = folder.path();
        openssl(at, "ecparam -name prime256v1 -out curve.pem");
        openssl(
            at,
            "req -x509 -newkey rsa:2048 -nodes -keyout old.key -out old.pem -days 30 -subj /CN=Old -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
        );
        let old = std::fs::read_to_string(at.join("old.pem")).expect("a file");
        write("trusted.pem", &format!("{}{old}", root.issuer.pem()));
        Self { root, folder }
    }

    fn setup(&self) -> Setup {
        Setup::new()
            .set("/upstream/extra-ca", json!([self.folder.path().join("trusted.pem")]))
            .set("/timeouts", json!({ "handshake": "20s" }))
    }

    /// Starts the origins, and Holdpoint before them.
    async fn behind(
        &self,
        cases: impl IntoIterator<Item = (&str, Arc<ServerConfig>)>,
    ) -> (Holdpoint, Vec<(String, Origin)>) {
        let mut setup = self.setup();
        let mut origins = Vec::new();
        for (host, config) in cases {
            let origin = Origin::with(config).await;
            setup = setup.origin(&format!("{host}:443"), &origin);
            origins.push((host.to_owned(), origin));
        }
        (setup.start().await, origins)
    }

    /// What the root says of the certificate with [`SERIAL`]: `V` is valid, `R` revoked.
    fn staple(&self, state: &str) -> Vec<u8> {
        let when = if state == "R" { "261101000000Z" } else { "" };
        let line = format!("{state}\t361101000000Z\t{when}\t1092\tunknown\t/CN=x\n");
        let at = self.folder.path();
        std::fs::write(at.join("index.txt"), line).expect("a file");
        openssl(
            at,
            "ocsp -index index.txt -CA root.pem -rsigner root.pem -rkey root.key -issuer root.pem -serial 0x1092 -ndays 1 -respout staple.der",
        );
        std::fs::read(at.join("staple.der")).expect("a response")
    }

    /// A certificate signed by the RSA root with this digest.
    fn old_fashioned(&self, digest: &str, key: &str) -> Arc<ServerConfig> {
        let at = self.folder.path();
        by_openssl(at, digest, "old", key, digest);
        let pem = |kind: &str| at.join(format!("{digest}.{kind}"));
        let leaf = CertificateDer::from_pem_file(pem("pem")).expect("a certificate");
        shows(vec![leaf], PrivateKeyDer::from_pem_file(pem("key")).expect("a key"), Vec::new())
    }
}

fn host_with(name: &str, flaw: impl FnOnce(&mut rcgen::CertificateParams)) -> rcgen::CertificateParams {
    let mut params = host(name);
    flaw(&mut params);
    params
}

fn only_tls12(config: &ServerConfig) -> Arc<ServerConfig> {
    let mut old = ServerConfig::builder_with_provider(Arc::clone(config.crypto_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("a version")
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&config.cert_resolver));
    old.alpn_protocols.clone_from(&config.alpn_protocols);
    Arc::new(old)
}

async fn ask(holdpoint: &Holdpoint, host: &str) -> super::support::Reply {
    let mut wire = Wire::tunnel(holdpoint.listen, &format!("{host}:443"), &holdpoint.ca).await;
    wire.ask(format!("POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6\r\n\r\nsecret")).await
}

/// The answer is a 502 in the tunnel that names the origin and says why, in words. What is wrong goes to `wrong`: one run
/// shows all.
pub(crate) async fn refused(holdpoint: &Holdpoint, host: &str, says: &str, wrong: &mut Vec<String>) {
    let reply = ask(holdpoint, host).await;
    let body = reply.text();
    println!("{host}: {body}");
    let named = format!("`{host}:443`");
    if reply.status != 502 || ![says, &named].iter().all(|words| body.contains(words)) {
        wrong.push(format!("{host} should say `{says}` with 502: {} {body}", reply.status));
    }
}

/// Each of these hosts has one record, of a request that failed.
pub(crate) async fn recorded(holdpoint: &mut Holdpoint, hosts: impl Iterator<Item = &str>) {
    holdpoint.stop().await;
    let records = holdpoint.traffic();
    for host in hosts {
        let of: Vec<&Value> = records.iter().filter(|r| r["host"] == host).collect();
        assert_eq!(of.len(), 1, "{host}: {of:?}");
        assert_eq!((&of[0]["status"], &of[0]["end"]), (&502.into(), &"upstream-failed".into()), "{host}");
    }
}

const ROOT: &str = "The root of the test";
/// The certificates that something is stapled to.
const SERIAL: [u8; 2] = [0x10, 0x92];
const NOT_TRUSTED: &str = "not signed by an authority that is trusted here";
