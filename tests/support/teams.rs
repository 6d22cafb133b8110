//! Microsoft Teams on a loopback port: Entra's token endpoint, the keys of the Bot Framework, the Bot Connector, and
//! a workflow. It writes down every call, and signs activities with its own key as Microsoft does with theirs.
//!
//! Shapes from learn.microsoft.com: "Bot Connector authentication", "Bot Connector API reference", "Universal
//! Actions for Adaptive Cards".

use super::{Reply, Wire, soon};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub const APP: &str = "0b1c2d3e-4f50-4617-8283-94a5b6c7d8e9";
pub const TENANT: &str = "11111111-2222-4333-8444-555555555555";
pub const CHANNEL: &str = "19:ops@thread.tacv2";
pub const ISSUER: &str = "https://api.botframework.com";

/// A call as it arrived at the Connector or at the workflow.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    pub body: Value,
}

/// A message that stands in a conversation.
#[derive(Debug, Clone)]
pub struct Message {
    pub conversation: String,
    pub activity: String,
    /// As posted, then as it was after each change.
    pub versions: Vec<Value>,
}

impl Message {
    /// The card as it is now.
    pub fn card(&self) -> &Value {
        &self.versions.last().expect("a version")["attachments"][0]["content"]
    }
}

pub struct Teams {
    pub addr: SocketAddr,
    state: Arc<Shared>,
    key: KeyPair,
    _listening: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    addr: Mutex<String>,
    keys: Mutex<Value>,
    calls: Mutex<Vec<Call>>,
    messages: Mutex<Vec<Message>>,
    members: Mutex<BTreeMap<String, Value>>,
    tokens: Mutex<u32>,
    /// Statuses for the next calls that would change something.
    failing: Mutex<VecDeque<(u16, Option<u32>)>>,
    changed: watch::Sender<usize>,
}

impl Teams {
    pub async fn start() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let state = Arc::new(Shared::default());
        *state.addr.lock().unwrap() = format!("http://{addr}");
        let app = axum::Router::new()
            .route("/login/{tenant}/oauth2/v2.0/token", post(token))
            .route("/keys/openidconfiguration", get(document))
            .route("/keys/jwks", get(keys))
            .route("/teams/v3/conversations", post(create))
            .route("/teams/v3/conversations/{conversation}/activities", post(reply))
            .route("/teams/v3/conversations/{conversation}/activities/{activity}", put(replace))
            .route("/teams/v3/conversations/{conversation}/members/{member}", get(member))
            .route("/flow", post(flow))
            .with_state(Arc::clone(&state));
        let mut listening = JoinSet::new();
        listening.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        let teams = Self { addr, state, key, _listening: listening };
        teams.publish(&["msteams"]);
        teams
    }

    /// The section `teams` of the configuration.
    pub fn config(&self) -> Value {
        json!({
            "app-id": APP, "app-secret": "the-client-secret", "tenant": TENANT,
            "login": format!("http://{}/login", self.addr),
            "service": self.service(),
            "metadata": format!("http://{}/keys/openidconfiguration", self.addr),
            "hosts": [self.addr.to_string()],
        })
    }

    pub fn service(&self) -> String {
        format!("http://{}/teams", self.addr)
    }

    /// Publishes the key with these endorsements.
    pub fn publish(&self, endorsements: &[&str]) {
        let public: PublicKeyComponents<Vec<u8>> = self.key.public_key().into();
        *self.state.keys.lock().unwrap() = json!({ "keys": [{
            "kty": "RSA", "use": "sig", "kid": "k1", "x5t": "k1",
            "n": URL_SAFE_NO_PAD.encode(public.n), "e": URL_SAFE_NO_PAD.encode(public.e),
            "endorsements": endorsements,
        }] });
    }

    /// Somebody of the tenant, with their object id.
    pub fn person(&self, object: &str) -> Value {
        let member = json!({ "id": format!("29:{object}"), "name": object, "aadObjectId": object, "objectId": object,
            "tenantId": TENANT, "userRole": "user", "userPrincipalName": format!("{object}@example.com") });
        self.state.members.lock().unwrap().insert(format!("29:{object}"), member);
        json!({ "id": format!("29:{object}"), "name": object, "aadObjectId": object })
    }

    /// Changes what the list of members says of somebody.
    pub fn member(&self, object: &str, change: impl FnOnce(&mut Value)) {
        let mut members = self.state.members.lock().unwrap();
        change(members.get_mut(&format!("29:{object}")).expect("they are known"));
    }

    /// The next call that would change something is answered like this.
    pub fn fail_next(&self, status: u16, retry_after: Option<u32>) {
        self.state.failing.lock().unwrap().push_back((status, retry_after));
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }

    pub fn messages(&self) -> Vec<Message> {
        self.state.messages.lock().unwrap().clone()
    }

    /// How often Entra was asked.
    pub fn tokens(&self) -> u32 {
        *self.state.tokens.lock().unwrap()
    }

    /// Waits until `find` finds what it looks for, looking again with each change.
    pub async fn wait<T>(&self, what: &str, mut find: impl FnMut(&Self) -> Option<T>) -> T {
        let mut changed = self.state.changed.subscribe();
        soon(what, async {
            loop {
                if let Some(found) = find(self) {
                    return found;
                }
                changed.changed().await.expect("it serves");
            }
        })
        .await
    }

    /// Waits for the first message of a conversation.
    pub async fn wait_message(&self) -> Message {
        self.wait("a message in Teams", |teams| teams.messages().first().cloned()).await
    }

    /// Waits until the card of the first message says this.
    pub async fn wait_card(&self, text: &str) -> Message {
        self.wait(&format!("a card that says `{text}`"), |teams| {
            teams.messages().into_iter().find(|message| message.card().to_string().contains(text))
        })
        .await
    }

    /// The claims of a sound token.
    pub fn claims(&self) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({ "iss": ISSUER, "aud": APP, "serviceurl": self.service(), "nbf": now - 10, "exp": now + 3600 })
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({ "alg": "RS256", "typ": "JWT", "kid": "k1", "x5t": "k1" }), claims)
    }

    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// An activity of the channel, without what makes it special.
    pub fn activity(&self, kind: &str, from: &Value) -> Value {
        json!({
            "type": kind, "id": "f:1", "channelId": "msteams", "serviceUrl": format!("{}/", self.service()),
            "from": from, "recipient": { "id": format!("28:{APP}"), "name": "Holdpoint" },
            "conversation": { "id": CHANNEL, "tenantId": TENANT, "conversationType": "channel", "isGroup": true },
            "channelData": { "tenant": { "id": TENANT }, "team": { "id": CHANNEL, "name": "Platform" },
                             "channel": { "id": CHANNEL } },
        })
    }

    /// Somebody presses a button of a message: the n-th with this title.
    pub fn press(
        &self,
        message: &Message,
        title: &str,
        nth: usize,
        reason: Option<&str>,
        from: &Value,
    ) -> Value {
        let mut found = Vec::new();
        actions(message.card(), &mut found);
        let mut of_title = found.into_iter().filter(|action| action["title"] == title);
        let action = of_title.nth(nth).unwrap_or_else(|| panic!("no `{title}` on {:#}", message.card()));
        let mut data = action["data"].clone();
        if let Some(reason) = reason {
            let mut inputs = Vec::new();
            inputs_of(message.card(), &mut inputs);
            data[inputs.get(nth).expect("an input")] = json!(reason);
        }
        let mut activity = self.activity("invoke", from);
        activity["name"] = json!("adaptiveCard/action");
        activity["replyToId"] = json!(message.activity);
        activity["conversation"]["id"] = json!(message.conversation);
        activity["value"] = json!({ "trigger": "manual",
            "action": { "type": "Action.Execute", "verb": action["verb"], "data": data } });
        activity
    }

    /// Calls Holdpoint as Microsoft does.
    pub async fn call(&self, control: SocketAddr, activity: &Value) -> Reply {
        self.call_with(control, activity, &self.sign(&self.claims())).await
    }

    pub async fn call_with(&self, control: SocketAddr, activity: &Value, token: &str) -> Reply {
        let body = activity.to_string();
        let head = format!(
            "POST /teams/messages HTTP/1.1\r\nHost: holds.example.com\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        Wire::plain(control).await.ask(head).await
    }
}

/// All `Action.Execute`s, in order.
pub fn actions(card: &Value, found: &mut Vec<Value>) {
    match card {
        Value::Object(members) => {
            if members.get("type") == Some(&json!("Action.Execute")) {
                found.push(card.clone());
                return;
            }
            // A ShowCard's own actions come where it stands.
            for name in ["body", "items", "actions", "card"] {
                if let Some(member) = members.get(name) {
                    actions(member, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| actions(item, found)),
        _ => {}
    }
}

fn inputs_of(card: &Value, found: &mut Vec<String>) {
    match card {
        Value::Object(members) => {
            if members.get("type") == Some(&json!("Input.Text")) {
                found.extend(members.get("id").and_then(Value::as_str).map(str::to_owned));
            }
            for name in ["body", "items", "actions", "card"] {
                if let Some(member) = members.get(name) {
                    inputs_of(member, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| inputs_of(item, found)),
        _ => {}
    }
}

impl Shared {
    fn note(&self, method: &str, target: &str, body: Value) {
        self.calls.lock().unwrap().push(Call { method: method.to_owned(), target: target.to_owned(), body });
    }

    fn bump(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// The refusal of a call that has none of our tokens, or that is to fail.
    fn refuse(&self, headers: &HeaderMap, changes: bool) -> Option<Response> {
        let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !bearer.starts_with("Bearer connector-token-") {
            return Some(StatusCode::UNAUTHORIZED.into_response());
        }
        let failing = if changes { self.failing.lock().unwrap().pop_front() } else { None };
        let (status, after) = failing?;
        let error = Json(json!({ "error": { "code": "Throttled", "message": "not now" } }));
        let mut response = (StatusCode::from_u16(status).expect("a status"), error).into_response();
        if let Some(after) = after {
            response.headers_mut().insert("retry-after", after.into());
        }
        Some(response)
    }

    fn stand(&self, conversation: String, activity: Value) -> String {
        let mut messages = self.messages.lock().unwrap();
        let id = format!("17000000000{:02}", messages.len());
        let channel = conversation.ends_with("@thread.tacv2");
        let conversation = if channel { format!("{conversation};messageid={id}") } else { conversation };
        messages.push(Message { conversation, activity: id.clone(), versions: vec![activity] });
        drop(messages);
        self.bump();
        id
    }
}

async fn token(State(state): State<Arc<Shared>>, Path(tenant): Path<String>, body: String) -> Response {
    *state.tokens.lock().unwrap() += 1;
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let sound = tenant == TENANT
        && form["grant_type"] == "client_credentials"
        && form["client_id"] == APP
        && form["client_secret"] == "the-client-secret"
        && form["scope"] == "https://api.botframework.com/.default";
    if !sound {
        let error = json!({ "error": "invalid_client",
            "error_description": "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1" });
        return (StatusCode::UNAUTHORIZED, Json(error)).into_response();
    }
    let n = *state.tokens.lock().unwrap();
    Json(
        json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": format!("connector-token-{n}") }),
    )
    .into_response()
}

async fn document(State(state): State<Arc<Shared>>) -> Json<Value> {
    let base = state.addr.lock().unwrap().clone();
    Json(json!({ "issuer": ISSUER, "jwks_uri": format!("{base}/keys/jwks"),
        "id_token_signing_alg_values_supported": ["RS256"] }))
}

async fn keys(State(state): State<Arc<Shared>>) -> Json<Value> {
    Json(state.keys.lock().unwrap().clone())
}

async fn create(State(state): State<Arc<Shared>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(refused) = state.refuse(&headers, true) {
        return refused;
    }
    state.note("POST", "/v3/conversations", body.clone());
    if let Some(channel) = body["channelData"]["channel"]["id"].as_str() {
        let id = state.stand(channel.to_owned(), body["activity"].clone());
        return Json(json!({ "id": format!("{channel};messageid={id}"), "activityId": id })).into_response();
    }
    let member = body["members"][0]["id"].as_str().expect("a member");
    let id = format!("a:{}", member.trim_start_matches("29:"));
    Json(json!({ "id": id })).into_response()
}

async fn reply(
    State(state): State<Arc<Shared>>,
    Path(conversation): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refused) = state.refuse(&headers, true) {
        return refused;
    }
    state.note("POST", &conversation, body.clone());
    let id = state.stand(conversation, body);
    Json(json!({ "id": id })).into_response()
}

async fn replace(
    State(state): State<Arc<Shared>>,
    Path((conversation, activity)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(refused) = state.refuse(&parts.headers, true) {
        return refused;
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    state.note("PUT", parts.uri.path(), body.clone());
    let mut messages = state.messages.lock().unwrap();
    let found = messages.iter_mut().find(|m| m.conversation == conversation && m.activity == activity);
    let Some(message) = found else {
        let error = json!({ "error": { "code": "ActivityNotFoundInConversation" } });
        return (StatusCode::NOT_FOUND, Json(error)).into_response();
    };
    message.versions.push(body);
    drop(messages);
    state.bump();
    Json(json!({ "id": activity })).into_response()
}

async fn member(
    State(state): State<Arc<Shared>>,
    Path((_, member)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = state.refuse(&headers, false) {
        return refused;
    }
    match state.members.lock().unwrap().get(&member) {
        Some(member) => Json(member.clone()).into_response(),
        None => {
            (StatusCode::NOT_FOUND, Json(json!({ "error": { "code": "MemberNotFound" } }))).into_response()
        }
    }
}

async fn flow(State(state): State<Arc<Shared>>, request: Request) -> StatusCode {
    let target = request.uri().path_and_query().map(|target| target.as_str().to_owned()).unwrap_or_default();
    let body: Bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("a body");
    state.note("FLOW", &target, serde_json::from_slice(&body).expect("JSON"));
    state.bump();
    StatusCode::ACCEPTED
}
