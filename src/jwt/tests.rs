use super::*;
use crate::outbound::Outbound;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use jsonwebtoken::{EncodingKey, Header};
use proptest::prelude::*;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A key of an issuer.
struct Signer {
    kid: &'static str,
    private: EncodingKey,
    public: Value,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        let private =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let public = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": kid, "x": x, "y": y,
            "endorsements": ["msteams"] });
        Self { kid, private: EncodingKey::from_ec_der(private.as_ref()), public }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.private).unwrap()
    }

    fn set(&self, source: KeySource) -> KeySet {
        KeySet::new(&Outbound::new(None), source)
    }

    fn fixed(&self) -> KeySet {
        self.set(KeySource::Fixed(vec![Jwk(self.public.as_object().unwrap().clone())]))
    }
}

/// An issuer on a real socket, which publishes what stands in `keys`, or nothing.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Option<Vec<Value>>>>,
    asked: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Issuer {
    async fn start(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(Some(keys)));
        let asked = Arc::new(AtomicUsize::new(0));
        let mut serving = JoinSet::new();
        let (shown, count, own) = (Arc::clone(&keys), Arc::clone(&asked), url.clone());
        serving.spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let n = tcp.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..n]).into_owned();
                let body = if head.starts_with("GET /keys ") {
                    count.fetch_add(1, Ordering::SeqCst);
                    shown.lock().unwrap().as_ref().map(|keys| json!({ "keys": keys }).to_string())
                } else {
                    Some(json!({ "issuer": own, "jwks_uri": format!("{own}/keys") }).to_string())
                };
                let status = if body.is_some() { "200 OK" } else { "500 Broken" };
                let body = body.unwrap_or_default();
                let head = format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                tcp.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        });
        Self { url, keys, asked, _serving: serving }
    }

    fn publish(&self, keys: Option<Vec<Value>>) {
        *self.keys.lock().unwrap() = keys;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn claims() -> Value {
    json!({ "iss": "https://idp.test", "aud": "us", "sub": "u1", "exp": now() + 60, "iat": now() })
}

fn expect() -> Expect {
    Expect::new("https://idp.test", "us")
}

async fn refused(keys: &KeySet, token: &str) -> String {
    keys.verify(token, &expect()).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_sound_token_is_read() {
    let signer = Signer::new("a");
    let mut claims = claims();
    claims["aud"] = json!(["else", "us"]);
    claims["exp"] = json!(now() as f64 + 30.5);
    let verified = signer.fixed().verify(&signer.sign(&claims), &expect()).await.unwrap();
    assert_eq!(verified.text("sub"), Some("u1"));
    assert_eq!(verified.texts("aud"), ["else", "us"]);
    assert!(verified.key.lists("endorsements", "msteams") && !verified.key.lists("endorsements", "x"));
}

#[tokio::test]
async fn claims_must_be_as_expected() {
    let signer = Signer::new("a");
    let keys = signer.fixed();
    for (claim, value, said) in [
        ("iss", json!("https://idp.test/"), "was issued by"),
        ("iss", json!(["https://idp.test"]), "no sound `iss`"),
        ("iss", Value::Null, "no sound `iss`"),
        ("aud", json!("them"), "somebody else"),
        ("aud", json!([]), "somebody else"),
        ("aud", Value::Null, "somebody else"),
        ("exp", json!(now() - 61), "has expired"),
        ("exp", Value::Null, "no sound `exp`"),
        ("exp", json!("9999999999"), "no sound `exp`"),
        ("exp", json!(1e300), "no sound `exp`"),
        ("nbf", json!(now() + 90), "not valid yet (`nbf`)"),
        ("nbf", json!("soon"), "no sound `nbf`"),
        ("iat", json!(now() + 90), "not valid yet (`iat`)"),
    ] {
        let mut claims = claims();
        claims[claim] = value.clone();
        let said_now = refused(&keys, &signer.sign(&claims)).await;
        assert!(said_now.contains(said), "{claim} {value}: {said_now}");
    }
    let mut late = claims();
    late["exp"] = json!(now() - 30);
    assert!(keys.verify(&signer.sign(&late), &expect()).await.is_ok(), "within the leeway");
}

#[tokio::test]
async fn the_token_chooses_nothing() {
    let signer = Signer::new("a");
    let keys = signer.fixed();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = |header: &Value| format!("{}.{}.", part(header), part(&claims()));
    assert!(refused(&keys, &unsigned(&json!({ "alg": "none", "kid": "a" }))).await.contains("`none`"));
    assert!(refused(&keys, &unsigned(&json!({ "alg": "ES256", "kid": "a" }))).await.contains("signature"));
    assert!(refused(&keys, &unsigned(&json!({ "alg": "ES256", "crit": ["x"] }))).await.contains("crit"));
    assert!(refused(&keys, &unsigned(&json!({ "alg": "ES256", "typ": "at+jwt" }))).await.contains("at+jwt"));

    // The public key as a shared secret: refused even when somebody lists HS256.
    let point = signer.public["x"].as_str().unwrap();
    let secret = EncodingKey::from_secret(point.as_bytes());
    let header = Header { kid: Some("a".into()), ..Header::new(Algorithm::HS256) };
    let confused = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
    let lenient = expect().algorithms(&[Algorithm::HS256, Algorithm::ES256]);
    assert!(matches!(keys.verify(&confused, &lenient).await, Err(JwtError::Algorithm(_))));

    // Another key under the same name.
    let forged = Signer::new("a").sign(&claims());
    assert!(matches!(keys.verify(&forged, &expect()).await, Err(JwtError::Signature)));

    // An algorithm that is not listed, and one that the key is not for.
    let rsa_only = expect().algorithms(&[Algorithm::RS256]);
    assert!(matches!(keys.verify(&signer.sign(&claims()), &rsa_only).await, Err(JwtError::Algorithm(_))));
    let mut narrow = signer.public.as_object().unwrap().clone();
    narrow.insert("alg".into(), json!("RS256"));
    let narrow = signer.set(KeySource::Fixed(vec![Jwk(narrow)]));
    assert!(matches!(narrow.verify(&signer.sign(&claims()), &expect()).await, Err(JwtError::Signature)));
    let access = expect().typ(&["at+jwt"]);
    assert!(matches!(keys.verify(&signer.sign(&claims()), &access).await, Err(JwtError::Type(_))));
}

#[tokio::test]
async fn keys_are_fetched_once_and_anew_when_they_change() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let issuer = Issuer::start(vec![old.public.clone()]).await;
    let keys = old.set(KeySource::Issuer(issuer.url.clone()));
    for _ in 0..3 {
        keys.verify(&old.sign(&claims()), &expect()).await.unwrap();
    }
    assert_eq!(issuer.asked(), 1);
    issuer.publish(Some(vec![new.public.clone()]));
    keys.verify(&new.sign(&claims()), &expect()).await.unwrap();
    assert!(matches!(keys.verify(&old.sign(&claims()), &expect()).await, Err(JwtError::UnknownKey(_))));
    // However many tokens name keys that do not exist, the issuer is left in peace.
    for _ in 0..20 {
        let stranger = Signer::new("stranger").sign(&claims());
        assert!(matches!(keys.verify(&stranger, &expect()).await, Err(JwtError::UnknownKey(_))));
    }
    assert_eq!(issuer.asked(), 6);
}

#[tokio::test]
async fn known_keys_go_on_while_the_issuer_is_out() {
    let signer = Signer::new("a");
    let issuer = Issuer::start(vec![signer.public.clone()]).await;
    let keys = signer.set(KeySource::Jwks(format!("{}/keys", issuer.url)));
    let token = |seconds: i64| {
        let mut claims = claims();
        claims["exp"] = json!(now() + seconds);
        signer.sign(&claims)
    };
    keys.verify(&token(60), &expect()).await.unwrap();
    issuer.publish(None);
    keys.shared.age(Duration::from_hours(1));
    keys.verify(&token(60), &expect()).await.unwrap();
    keys.shared.age(Duration::from_hours(24));
    let error = keys.verify(&token(60), &expect()).await.unwrap_err();
    assert!(error.is_outage(), "{error}");
    issuer.publish(Some(vec![signer.public.clone()]));
    keys.verify(&token(60), &expect()).await.unwrap();
}

#[tokio::test]
async fn an_issuer_must_call_itself_what_we_call_it() {
    let signer = Signer::new("a");
    let issuer = Issuer::start(vec![signer.public.clone()]).await;
    let keys = signer.set(KeySource::Issuer(format!("{}/", issuer.url)));
    let error = keys.verify(&signer.sign(&claims()), &expect()).await.unwrap_err();
    assert!(matches!(error, JwtError::Discovery { .. }) && error.is_outage());
    let by_document = signer.set(KeySource::Document(format!("{}/any", issuer.url)));
    by_document.verify(&signer.sign(&claims()), &expect()).await.unwrap();
}

#[tokio::test]
async fn rsa_and_keys_without_names() {
    let pair = aws_lc_rs::signature::RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public = pair.public_key();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwk = json!({ "kty": "RSA", "n": text(public.modulus().big_endian_without_leading_zero()),
        "e": text(public.exponent().big_endian_without_leading_zero()) });
    let other = Signer::new("ec");
    let keys = vec![Jwk(other.public.as_object().unwrap().clone()), Jwk(jwk.as_object().unwrap().clone())];
    let keys = other.set(KeySource::Fixed(keys));
    let private = EncodingKey::from_rsa_der(&der.as_ref()[26..]); // PKCS #1 within PKCS #8
    let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims(), &private).unwrap();
    keys.verify(&token, &expect()).await.unwrap();
    let broken = token.replace('.', ".x");
    assert!(keys.verify(&broken, &expect()).await.is_err());
}

proptest! {
    /// Whatever comes from outside, it is refused and nothing else.
    #[test]
    fn nothing_panics(token in "\\PC{0,80}", parts in prop::collection::vec("[A-Za-z0-9_=-]{0,20}", 0..5)) {
        prop_assert!(Parts::of(&token, &expect()).is_err());
        prop_assert!(Parts::of(&parts.join("."), &expect()).is_err());
    }
}
