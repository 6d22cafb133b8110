//! An identity provider as public clients and the API see it: it signs in whoever the test says, and gives access
//! tokens (RFC 9068) that say what the test says.

use super::signer::Signer;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

type Fields = HashMap<String, String>;

pub const AUDIENCE: &str = "api://holdpoint";

pub struct PublicIdp {
    pub issuer: String,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    issuer: String,
    signer: Signer,
    state: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The last question of the authorization endpoint.
    asked: Fields,
    /// Instead of the `iss` of the answer.
    iss: Option<String>,
    /// Seconds that access tokens live.
    life: i64,
    /// Forms of the token endpoint.
    forms: Vec<Fields>,
}

impl PublicIdp {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("bound"));
        let state = Mutex::new(Inner { life: 300, ..Inner::default() });
        let shared = Arc::new(Shared { issuer: issuer.clone(), signer: Signer::start().await, state });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/device", post(device))
            .route("/token", post(token))
            .with_state(Arc::clone(&shared));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { issuer, shared, _serving: serving }
    }

    /// The configuration of a Holdpoint that takes tokens from here.
    pub fn config(&self) -> Value {
        json!({
            "issuer": self.issuer, "client-id": "web", "cli-client-id": "cli", "device-client-id": "cli-device",
            "api": { "audience": AUDIENCE, "deciding-clients": ["cli", "cli-device"] },
        })
    }

    /// An access token with these claims over those of a login by `cli` that may decide.
    pub fn access_token(&self, claims: &Value) -> String {
        let mut all = json!({
            "iss": self.issuer, "aud": AUDIENCE, "client_id": "cli", "scope": "openid holds:read holds:decide",
            "sub": "u-alice", "name": "Alice Ito", "groups": ["oncall"],
        });
        for (name, value) in claims.as_object().expect("claims") {
            all[name] = value.clone();
        }
        self.shared.signer.typed("at+jwt", &all)
    }

    pub fn signer(&self) -> &Signer {
        &self.shared.signer
    }

    /// Answers in the name of another.
    pub fn lie(&self, iss: &str) {
        self.shared.state.lock().unwrap().iss = Some(iss.to_owned());
    }

    /// From now on access tokens end after so many seconds.
    pub fn life(&self, seconds: i64) {
        self.shared.state.lock().unwrap().life = seconds;
    }

    /// What the last browser was sent here with.
    pub fn asked(&self) -> Fields {
        self.shared.state.lock().unwrap().asked.clone()
    }

    /// What the token endpoint was sent.
    pub fn forms(&self) -> Vec<Fields> {
        self.shared.state.lock().unwrap().forms.clone()
    }
}

async fn document(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", shared.issuer);
    Json(json!({
        "issuer": shared.issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
        "device_authorization_endpoint": at("/device"), "jwks_uri": at("/keys"),
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({ "keys": [shared.signer.public] }))
}

async fn authorize(State(shared): State<Arc<Shared>>, Query(query): Query<Fields>) -> Response {
    let mut state = shared.state.lock().unwrap();
    let mut to = url::Url::parse(&query["redirect_uri"]).expect("an address");
    assert!(to.host_str() == Some("127.0.0.1") && query["code_challenge_method"] == "S256", "{query:?}");
    let iss = state.iss.clone().unwrap_or_else(|| shared.issuer.clone());
    to.query_pairs_mut()
        .append_pair("code", "c1")
        .append_pair("state", &query["state"])
        .append_pair("iss", &iss);
    state.asked = query;
    (StatusCode::FOUND, [(LOCATION, String::from(to))]).into_response()
}

async fn device(State(shared): State<Arc<Shared>>, Form(form): Form<Fields>) -> Json<Value> {
    assert_eq!((form["client_id"].as_str(), form["scope"].as_str()), ("cli-device", "openid holds:read"));
    Json(json!({
        "device_code": "d1", "user_code": "WDJB-MJHT", "verification_uri": format!("{}/activate", shared.issuer),
        "expires_in": 600, "interval": 0,
    }))
}

async fn token(State(shared): State<Arc<Shared>>, Form(form): Form<Fields>) -> Response {
    let mut state = shared.state.lock().unwrap();
    state.forms.push(form.clone());
    let refuse = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let (client, scope, refresh) = match form["grant_type"].as_str() {
        "authorization_code" => {
            let verifier = form["code_verifier"].as_bytes();
            let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier);
            let right = state.asked["code_challenge"] == URL_SAFE_NO_PAD.encode(challenge)
                && form["code"] == "c1"
                && form["redirect_uri"] == state.asked["redirect_uri"];
            if !right {
                return refuse("invalid_grant");
            }
            ("cli", state.asked["scope"].clone(), Some("r1"))
        }
        "refresh_token" if form["refresh_token"] == "r1" => {
            ("cli", "openid holds:read holds:decide".to_owned(), None)
        }
        "urn:ietf:params:oauth:grant-type:device_code" => {
            let polls = state.forms.iter().filter(|form| form.contains_key("device_code")).count();
            if polls < 3 {
                return refuse("authorization_pending");
            }
            ("cli-device", "openid holds:read".to_owned(), None)
        }
        _ => return refuse("invalid_grant"),
    };
    assert_eq!(form["client_id"], client);
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "iss": shared.issuer, "aud": AUDIENCE, "client_id": client, "scope": scope, "sub": "u-alice",
        "name": "Alice Ito", "groups": ["oncall"], "auth_time": now, "exp": now + state.life.max(120), "jti": state.forms.len(),
    });
    let access_token = shared.signer.typed("at+jwt", &claims);
    Json(json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": state.life, "refresh_token": refresh,
    }))
    .into_response()
}
