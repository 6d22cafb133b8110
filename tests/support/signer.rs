//! An issuer of signed tokens: a key of its own, published as a key set on a real socket.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub struct Signer {
    /// `http://127.0.0.1:PORT`: the issuer, with `/keys` and the discovery document under it.
    pub url: String,
    private: EncodingKey,
    pub public: Value,
    _serving: JoinSet<()>,
}

impl Signer {
    pub async fn start() -> Self {
        let random = SystemRandom::new();
        let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref()).expect("a key");
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let public = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": "k1", "x": x, "y": y });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let mut serving = JoinSet::new();
        let keys = json!({ "keys": [public] }).to_string();
        let document = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string();
        serving.spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let read = tcp.read(&mut head).await.unwrap_or_default();
                let body = if head[..read].starts_with(b"GET /keys ") { &keys } else { &document };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = tcp.write_all(answer.as_bytes()).await; // who asked may have gone
            }
        });
        Self { url, private: EncodingKey::from_ec_der(private.as_ref()), public, _serving: serving }
    }

    /// A token with these claims over `iss`, `iat` and an `exp` in five minutes.
    pub fn token(&self, claims: &Value) -> String {
        self.signed(&Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::ES256) }, claims)
    }

    /// As [`Self::token`], of this `typ`.
    pub fn typed(&self, typ: &str, claims: &Value) -> String {
        let header = Header::new(Algorithm::ES256);
        self.signed(&Header { kid: Some("k1".to_owned()), typ: Some(typ.to_owned()), ..header }, claims)
    }

    fn signed(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, &self.claims(claims), &self.private).expect("signed")
    }

    /// As [`Self::token`], but signed by what an attacker has: nothing, or the public key as a shared secret.
    pub fn forged(&self, alg: &str, claims: &Value) -> String {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "kid": "k1", "typ": "JWT" }).to_string());
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(self.claims(claims).to_string()));
        if alg == "none" {
            return format!("{signed}.");
        }
        let secret = self.public.to_string();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    fn claims(&self, claims: &Value) -> Value {
        let now = jiff::Timestamp::now().as_second();
        let mut all = json!({ "iss": self.url, "iat": now, "exp": now + 300 });
        for (name, value) in claims.as_object().expect("claims") {
            all[name] = value.clone();
        }
        all
    }
}

/// Seconds since 1970, so many from now.
pub fn in_seconds(seconds: i64) -> i64 {
    jiff::Timestamp::now().as_second() + seconds
}
