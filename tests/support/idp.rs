//! A fake OpenID provider on a real socket: it signs in at once whoever the test says, checks what a provider must
//! check (client, redirect address, PKCE, single use of codes), and answers wrongly where a test asks it to.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::extract::{Form, Query, State};
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

type Fields = HashMap<String, String>;

pub const CLIENT_ID: &str = "holdpoint";
/// With characters that must be encoded before they are joined (RFC 6749 §2.3.1).
pub const CLIENT_SECRET: &str = "se:cret /+%";

pub struct Idp {
    /// `http://127.0.0.1:PORT`.
    pub issuer: String,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    issuer: String,
    state: Mutex<Inner>,
}

struct Inner {
    /// The last one signs; all are published.
    keys: Vec<Key>,
    /// The claims of who signs in.
    user: Value,
    /// When they last showed a password there.
    auth_time: i64,
    lies: Lies,
    codes: HashMap<String, Code>,
    /// Queries of the authorization endpoint.
    asked: Vec<Fields>,
    minted: usize,
}

struct Key {
    kid: String,
    private: EncodingKey,
    public: Value,
}

struct Code {
    query: Fields,
    claims: Value,
}

/// How the provider deviates from what it should do.
#[derive(Debug, Clone, Default)]
pub struct Lies {
    /// Laid over the claims of ID tokens; `null` takes one away.
    pub claims: Value,
    pub signature: Forgery,
    /// Instead of the `iss` parameter of the answer; `Some(None)`: there is none.
    pub iss: Option<Option<String>>,
    /// Answers with this error instead of a code.
    pub error: Option<String>,
    /// Groups are told at the userinfo endpoint only.
    pub groups_elsewhere: bool,
    /// Says `acr` when it was asked for one.
    pub obeys_acr: bool,
    /// The discovery document names another issuer.
    pub other_name: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Forgery {
    #[default]
    None,
    /// `alg: none`, no signature.
    Unsigned,
    /// HS256 with the public key as the secret.
    SharedSecret,
    /// Another key under the same name.
    ForeignKey,
}

impl Idp {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("bound"));
        let state = Inner {
            keys: vec![Key::new("k1")],
            user: json!({ "sub": "u-alice", "name": "Alice Ito", "groups": ["oncall"] }),
            auth_time: now(),
            lies: Lies::default(),
            codes: HashMap::new(),
            asked: Vec::new(),
            minted: 0,
        };
        let shared = Arc::new(Shared { issuer: issuer.clone(), state: Mutex::new(state) });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(Arc::clone(&shared));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            axum::serve(listener, app).await.expect("it serves");
        });
        Self { issuer, shared, _serving: serving }
    }

    /// The configuration of a Holdpoint that signs people in here.
    pub fn config(&self) -> Value {
        json!({ "issuer": self.issuer, "client-id": CLIENT_ID, "client-secret": CLIENT_SECRET })
    }

    /// Who signs in from now on.
    pub fn user(&self, sub: &str, name: &str, groups: &[&str]) {
        self.state(|state| state.user = json!({ "sub": sub, "name": name, "groups": groups }));
    }

    /// Further claims of who signs in.
    pub fn claim(&self, name: &str, value: Value) {
        self.state(|state| state.user[name] = value);
    }

    /// As if they had shown their password there so long ago.
    pub fn signed_in_seconds_ago(&self, seconds: i64) {
        self.state(|state| state.auth_time = now() - seconds);
    }

    pub fn lie(&self, lies: Lies) {
        self.state(|state| state.lies = lies);
    }

    /// Signs with a new key; the old ones are published no more.
    pub fn rotate(&self, kid: &str) {
        self.state(|state| state.keys = vec![Key::new(kid)]);
    }

    /// What the last browser was sent here with.
    pub fn asked(&self) -> Fields {
        self.state(|state| state.asked.last().cloned().expect("somebody was sent here"))
    }

    /// A token with these claims over `iss`, `iat`, `exp` and `aud`, signed as the provider does.
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        let mut all = json!({ "iss": self.issuer, "aud": CLIENT_ID, "iat": now(), "exp": now() + 120 });
        lay_over(&mut all, claims);
        self.state(|state| state.sign(typ, &all, Forgery::None))
    }

    /// A logout token for a person, or a session.
    pub fn logout_token(&self, claims: &Value) -> String {
        let mut all = json!({ "jti": "j1",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
        lay_over(&mut all, claims);
        self.sign("logout+jwt", &all)
    }

    fn state<T>(&self, with: impl FnOnce(&mut Inner) -> T) -> T {
        with(&mut self.shared.state.lock().expect("no test panics here"))
    }
}

impl Key {
    fn new(kid: &str) -> Self {
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let private = EcdsaKeyPair::generate_pkcs8(kind, &SystemRandom::new()).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(kind, private.as_ref()).expect("a key");
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let public = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": kid, "x": x, "y": y });
        Self { kid: kid.to_owned(), private: EncodingKey::from_ec_der(private.as_ref()), public }
    }
}

impl Inner {
    fn sign(&self, typ: &str, claims: &Value, forgery: Forgery) -> String {
        let key = self.keys.last().expect("a key");
        let foreign = Key::new(&key.kid);
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let by_hand =
            |alg: &str| format!("{}.{}", part(&json!({ "alg": alg, "kid": key.kid })), part(claims));
        let private = match forgery {
            Forgery::None => &key.private,
            Forgery::ForeignKey => &foreign.private,
            Forgery::Unsigned => return format!("{}.", by_hand("none")),
            Forgery::SharedSecret => {
                let signed = by_hand("HS256");
                let secret = key.public["x"].as_str().expect("a text").as_bytes();
                let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
                let tag = aws_lc_rs::hmac::sign(&secret, signed.as_bytes());
                return format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
            }
        };
        let header =
            Header { kid: Some(key.kid.clone()), typ: Some(typ.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, private).expect("signed")
    }
}

async fn document(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let issuer = &shared.issuer;
    let other = shared.state.lock().expect("no test panics here").lies.other_name;
    let at = |path: &str| format!("{issuer}{path}");
    Json(json!({
        "issuer": if other { at("/") } else { issuer.clone() },
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/keys"),
        "end_session_endpoint": at("/bye"),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let state = shared.state.lock().expect("no test panics here");
    Json(json!({ "keys": state.keys.iter().map(|key| &key.public).collect::<Vec<_>>() }))
}

async fn authorize(State(shared): State<Arc<Shared>>, Query(query): Query<Fields>) -> Response {
    let mut state = shared.state.lock().expect("no test panics here");
    state.asked.push(query.clone());
    let must = |name: &str| query.get(name).unwrap_or_else(|| panic!("no `{name}`: {query:?}")).as_str();
    assert_eq!((must("response_type"), must("client_id")), ("code", CLIENT_ID));
    assert_eq!(must("code_challenge_method"), "S256");
    assert!(must("scope").split(' ').any(|scope| scope == "openid"));
    let max_age = query.get("max_age").map(|seconds| seconds.parse::<i64>().expect("seconds"));
    let again = query.get("prompt").is_some_and(|prompt| prompt == "login");
    if again || max_age.is_some_and(|most| now() - state.auth_time > most) {
        state.auth_time = now();
    }
    state.minted += 1;
    let code = format!("code-{}", state.minted);
    let mut claims = state.user.clone();
    claims["nonce"] = json!(must("nonce"));
    claims["auth_time"] = json!(state.auth_time);
    claims["sid"] = json!(format!("sid-{}", state.minted));
    if let Some(asked) = query.get("acr_values").filter(|_| state.lies.obeys_acr) {
        claims["acr"] = json!(asked.split(' ').next());
    }
    let mut to = url::Url::parse(must("redirect_uri")).expect("an address");
    to.query_pairs_mut().append_pair("state", must("state"));
    match state.lies.error.clone() {
        Some(error) => {
            to.query_pairs_mut().append_pair("error", &error).append_pair("error_description", "Not <you>.");
        }
        None => {
            to.query_pairs_mut().append_pair("code", &code);
            state.codes.insert(code, Code { query: query.clone(), claims });
        }
    }
    match state.lies.iss.clone() {
        Some(None) => {}
        Some(Some(other)) => drop(to.query_pairs_mut().append_pair("iss", &other)),
        None => drop(to.query_pairs_mut().append_pair("iss", &shared.issuer)),
    }
    (StatusCode::FOUND, [(LOCATION, String::from(to))]).into_response()
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, Form(form): Form<Fields>) -> Response {
    let refuse = |status, error: &str| (status, Json(json!({ "error": error }))).into_response();
    if !is_client(&headers) {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let mut state = shared.state.lock().expect("no test panics here");
    let code = form.get("code").and_then(|code| state.codes.remove(code));
    let Some(Code { query, mut claims }) = code else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let verifier = form.get("code_verifier").map(String::as_bytes).unwrap_or_default();
    let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier);
    if query["code_challenge"] != URL_SAFE_NO_PAD.encode(challenge)
        || form.get("redirect_uri") != query.get("redirect_uri")
        || form.get("grant_type").map(String::as_str) != Some("authorization_code")
    {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let lies = state.lies.clone();
    if lies.groups_elsewhere {
        claims.as_object_mut().expect("claims").remove("groups");
    }
    let mut all = json!({ "iss": shared.issuer, "aud": CLIENT_ID, "iat": now(), "exp": now() + 300 });
    lay_over(&mut all, &claims);
    lay_over(&mut all, &lies.claims);
    let id_token = state.sign("JWT", &all, lies.signature);
    Json(json!({ "id_token": id_token, "access_token": "opaque", "token_type": "Bearer" })).into_response()
}

async fn userinfo(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if headers.get(AUTHORIZATION).is_none_or(|value| value != "Bearer opaque") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(shared.state.lock().expect("no test panics here").user.clone()).into_response()
}

fn is_client(headers: &HeaderMap) -> bool {
    let basic = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let pair = basic.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
    let Some((id, secret)) = pair.as_deref().and_then(|pair| pair.split_once(':')) else { return false };
    let decoded = |text: &str| {
        let pair = format!("x={text}");
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    decoded(id).as_deref() == Some(CLIENT_ID) && decoded(secret).as_deref() == Some(CLIENT_SECRET)
}

fn lay_over(claims: &mut Value, over: &Value) {
    for (name, value) in over.as_object().into_iter().flatten() {
        if value.is_null() {
            claims.as_object_mut().expect("claims").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
}

pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
