//! A fake Slack: the Web API methods that Holdpoint uses, and Socket Mode. Strict where Slack is strict: tokens,
//! content types, limits of blocks. `tests/slack/sdk.rs` runs the official SDKs against it.

use super::soon;
use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message as Frame;

pub const TEAM: &str = "T0TEST";
pub const CHANNEL: &str = "C0SEC";
pub const BOT_TOKEN: &str = "xoxb-test";
pub const APP_TOKEN: &str = "xapp-test";
pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

pub struct FakeSlack {
    pub addr: SocketAddr,
    world: Arc<World>,
    _tasks: JoinSet<()>,
}

struct World {
    addr: SocketAddr,
    state: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    users: BTreeMap<String, Value>,
    posted: Vec<Posted>,
    ephemerals: Vec<(String, String)>,
    views: Vec<(String, Value)>,
    tickets: BTreeSet<String>,
    sockets: BTreeMap<u64, mpsc::Sender<Order>>,
    acked: BTreeSet<String>,
    /// Triggers that are good, and whose they are.
    triggers: BTreeMap<String, String>,
    /// Method → what to answer instead, and how often.
    refusals: BTreeMap<String, Vec<Refusal>>,
    calls: BTreeMap<String, u64>,
    opened: u64,
    pongs: u64,
    next: u64,
}

#[derive(Debug, Clone)]
enum Refusal {
    Limited(u64),
    Error(String),
}

/// A message, as it stands now.
#[derive(Debug, Clone)]
pub struct Posted {
    pub channel: String,
    pub ts: String,
    pub text: String,
    pub blocks: Value,
    /// Times that it was changed.
    pub edits: u32,
    pub deleted: bool,
}

enum Order {
    Send(String),
    /// Read and answer nothing any more, but stay connected.
    Die,
    Close,
}

impl FakeSlack {
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let sockets = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let world = Arc::new(World {
            addr: sockets.local_addr().unwrap(),
            state: Mutex::default(),
            changed: watch::channel(0).0,
        });
        let mut tasks = JoinSet::new();
        let app =
            Router::new().route("/api/{method}", axum::routing::any(call)).with_state(Arc::clone(&world));
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let serving = Arc::clone(&world);
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = sockets.accept().await {
                open.spawn(socket(Arc::clone(&serving), stream));
            }
        });
        let slack = Self { addr, world, _tasks: tasks };
        slack.user("U0BOT", json!({ "is_bot": true }));
        slack
    }

    pub fn api(&self) -> String {
        format!("http://{}/api", self.addr)
    }

    /// The section `slack` for this workspace.
    pub fn config(&self) -> Value {
        json!({ "api": self.api(), "bot-token": BOT_TOKEN, "app-token": APP_TOKEN, "team": TEAM })
    }

    /// A full member of the workspace, with what `change` says otherwise.
    pub fn user(&self, id: &str, change: Value) {
        let mut user = json!({
            "id": id, "team_id": TEAM, "name": id.to_lowercase(), "deleted": false, "is_bot": false,
            "is_restricted": false, "is_ultra_restricted": false, "is_email_confirmed": true,
            "profile": { "display_name": format!("{id} <!channel>"), "real_name": "A Person", "email": "p@acme.test" },
        });
        let Value::Object(change) = change else { panic!("not a map: {change}") };
        user.as_object_mut().unwrap().extend(change);
        self.state().users.insert(id.to_owned(), user);
    }

    fn state(&self) -> MutexGuard<'_, Inner> {
        self.world.state.lock().unwrap()
    }

    /// Waits until `find` finds what it looks for.
    pub async fn wait<T>(&self, what: &str, find: impl Fn(&[Posted]) -> Option<T>) -> T {
        self.until(what, |state| find(&state.posted)).await
    }

    async fn until<T>(&self, what: &str, find: impl Fn(&mut Inner) -> Option<T>) -> T {
        let mut changed = self.world.changed.subscribe();
        soon(what, async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = find(&mut self.state()) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        })
        .await
    }

    /// Waits for the card of a hold that says `text` anywhere.
    pub async fn card(&self, hold: &str, text: &str) -> Posted {
        self.wait(&format!("a card of {hold} with `{text}`"), |posted| {
            let says = |post: &&Posted| {
                let all = all_text(&post.blocks);
                all.contains(hold) && all.contains(text) && !post.deleted
            };
            posted.iter().rev().find(says).cloned()
        })
        .await
    }

    /// The first card that there is.
    pub async fn first_card(&self) -> Posted {
        self.wait("a card", |posted| posted.iter().find(|post| post.channel == CHANNEL).cloned()).await
    }

    pub fn posted(&self) -> Vec<Posted> {
        self.state().posted.clone()
    }

    pub fn calls(&self, method: &str) -> u64 {
        self.state().calls.get(method).copied().unwrap_or_default()
    }

    /// Presses a button as this user, over any socket; returns when it is acknowledged.
    pub async fn press(&self, user: &str, card: &Posted, label: &str) {
        let payload = self.pressing(user, card, label);
        self.tell(payload).await;
    }

    /// The payload of a press.
    pub fn pressing(&self, user: &str, card: &Posted, label: &str) -> Value {
        let button = buttons(&card.blocks).into_iter().find(|button| button["text"]["text"] == label);
        let button = button.unwrap_or_else(|| panic!("no button `{label}` in {}", card.blocks));
        let mut state = self.state();
        let trigger = fresh(&mut state, "trigger");
        state.triggers.insert(trigger.clone(), user.to_owned());
        let home = state.users.get(user).map_or(json!(TEAM), |user| user["team_id"].clone());
        json!({
            "type": "block_actions", "api_app_id": "A0TEST", "trigger_id": trigger,
            "user": { "id": user, "username": user, "team_id": home },
            "team": { "id": TEAM, "domain": "acme" }, "enterprise": null, "is_enterprise_install": false,
            "container": { "type": "message", "message_ts": card.ts, "channel_id": card.channel, "is_ephemeral": false },
            "channel": { "id": card.channel, "name": "security" },
            "message": { "ts": card.ts, "text": card.text, "blocks": card.blocks },
            "actions": [{
                "type": "button", "action_id": button["action_id"], "block_id": "b", "value": button["value"],
                "text": button["text"], "action_ts": "1700000000.1",
            }],
        })
    }

    /// Waits for the modal that was opened for this user.
    pub async fn modal(&self, user: &str) -> Value {
        self.until("a modal", |state| {
            let at = state.views.iter().position(|(whose, _)| whose == user)?;
            Some(state.views.remove(at).1)
        })
        .await
    }

    /// Sends a modal in.
    pub async fn submit(&self, user: &str, view: &Value, reason: &str) {
        self.tell(self.submitting(user, view, reason)).await;
    }

    pub fn submitting(&self, user: &str, view: &Value, reason: &str) -> Value {
        let home = self.state().users.get(user).map_or(json!(TEAM), |user| user["team_id"].clone());
        json!({
            "type": "view_submission", "team": { "id": TEAM }, "enterprise": null,
            "user": { "id": user, "team_id": home },
            "view": {
                "callback_id": view["callback_id"], "private_metadata": view["private_metadata"],
                "state": { "values": { "reason": { "reason": { "type": "plain_text_input", "value": reason } } } },
            },
        })
    }

    /// Sends a payload over one of the sockets, and waits for the acknowledgement.
    pub async fn tell(&self, payload: Value) {
        let envelope = fresh(&mut self.state(), "envelope");
        let frame = json!({
            "envelope_id": envelope, "type": "interactive", "accepts_response_payload": true, "payload": payload,
        })
        .to_string();
        let socket = self.until("a socket", |state| state.sockets.values().next().cloned()).await;
        assert!(socket.send(Order::Send(frame)).await.is_ok(), "the socket has gone");
        self.until("an acknowledgement", |state| state.acked.contains(&envelope).then_some(())).await;
    }

    /// Waits for what only this user was told, and takes it away.
    pub async fn told(&self, user: &str) -> String {
        self.until(&format!("an answer to {user}"), |state| {
            let at = state.ephemerals.iter().position(|(whose, _)| whose == user)?;
            Some(state.ephemerals.remove(at).1)
        })
        .await
    }

    /// Waits until there are so many sockets.
    pub async fn sockets(&self, count: usize) {
        self.until(&format!("{count} sockets"), |state| (state.sockets.len() == count).then_some(())).await;
    }

    /// Waits until so many sockets have been opened, ever.
    pub async fn opened(&self, count: u64) {
        self.until(&format!("the {count}th socket"), |state| (state.opened >= count).then_some(())).await;
    }

    /// Waits until so many more pings have been answered.
    pub async fn pongs(&self, more: u64) {
        let before = self.state().pongs;
        self.until("answers to pings", |state| (state.pongs >= before + more).then_some(())).await;
    }

    pub fn opened_so_far(&self) -> u64 {
        self.state().opened
    }

    async fn order(&self, order: impl Fn() -> Order) {
        let sockets: Vec<_> = self.state().sockets.values().cloned().collect();
        for socket in sockets {
            let _ = socket.send(order()).await;
        }
    }

    /// The sockets that are open stay so, but nothing comes from them any more, nor is anything read.
    pub async fn half_die(&self) {
        let dying: Vec<_> = std::mem::take(&mut self.state().sockets).into_values().collect();
        for socket in dying {
            let _ = socket.send(Order::Die).await;
        }
    }

    pub async fn drop_sockets(&self) {
        self.order(|| Order::Close).await;
    }

    /// Says that the sockets will be closed.
    pub async fn refresh(&self, reason: &str) {
        let frame =
            json!({ "type": "disconnect", "reason": reason, "debug_info": { "host": "fake" } }).to_string();
        self.order(|| Order::Send(frame.clone())).await;
    }

    /// The next calls of a method are answered 429.
    pub fn limit(&self, method: &str, times: usize, retry_after: u64) {
        let refusals = vec![Refusal::Limited(retry_after); times];
        self.state().refusals.entry(method.to_owned()).or_default().extend(refusals);
    }

    /// The next calls of a method fail with this word.
    pub fn fail(&self, method: &str, times: usize, word: &str) {
        let refusals = vec![Refusal::Error(word.to_owned()); times];
        self.state().refusals.entry(method.to_owned()).or_default().extend(refusals);
    }

    pub fn mend(&self, method: &str) {
        self.state().refusals.remove(method);
    }

    /// Somebody removes a message.
    pub fn delete(&self, ts: &str) {
        let mut state = self.state();
        state.posted.iter_mut().filter(|post| post.ts == ts).for_each(|post| post.deleted = true);
    }
}

/// `v0=…` over what Slack signs.
pub fn sign(timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING_SECRET.as_bytes());
    let tag = hmac::sign(&key, format!("v0:{timestamp}:{body}").as_bytes());
    format!("v0={}", tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// All texts in blocks, in their order.
pub fn all_text(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(all_text).collect(),
        Value::Object(entries) => {
            let own = entries.get("text").and_then(Value::as_str).map(|text| format!("{text}\n"));
            let rest = entries.values().filter(|value| !value.is_string()).map(all_text);
            own.into_iter().chain(rest).collect()
        }
        _ => String::new(),
    }
}

/// All buttons in blocks.
pub fn buttons(blocks: &Value) -> Vec<Value> {
    let rows = blocks.as_array().into_iter().flatten().filter(|block| block["type"] == "actions");
    rows.flat_map(|row| row["elements"].as_array().cloned().unwrap_or_default()).collect()
}

/// Their labels.
pub fn labels(blocks: &Value) -> Vec<String> {
    buttons(blocks).iter().map(|b| b["text"]["text"].as_str().unwrap_or_default().to_owned()).collect()
}

fn fresh(state: &mut Inner, what: &str) -> String {
    state.next += 1;
    format!("{what}-{}", state.next)
}

async fn call(
    State(world): State<Arc<World>>,
    Path(method): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = {
        let mut state = world.state.lock().unwrap();
        *state.calls.entry(method.clone()).or_default() += 1;
        let refusal =
            state.refusals.get_mut(&method).filter(|list| !list.is_empty()).map(|list| list.remove(0));
        match refusal {
            Some(Refusal::Limited(seconds)) => {
                drop(state);
                world.changed.send_modify(|count| *count += 1);
                let retry = [("retry-after", seconds.to_string())];
                return (StatusCode::TOO_MANY_REQUESTS, retry, "{\"ok\":false,\"error\":\"ratelimited\"}")
                    .into_response();
            }
            Some(Refusal::Error(word)) => Err(word),
            None => answer(&world, &mut state, &method, &headers, &query.unwrap_or_default(), &body),
        }
    };
    world.changed.send_modify(|count| *count += 1);
    let body = match answer {
        Ok(Value::Object(mut found)) => {
            found.insert("ok".to_owned(), json!(true));
            Value::Object(found)
        }
        Ok(_) => json!({ "ok": true }),
        Err(error) => json!({ "ok": false, "error": error }),
    };
    let scopes = [("x-oauth-scopes", "chat:write,im:write,users:read,channels:read,groups:read")];
    (scopes, axum::Json(body)).into_response()
}

/// What a method does.
fn answer(
    world: &World,
    state: &mut Inner,
    method: &str,
    headers: &HeaderMap,
    query: &str,
    body: &Bytes,
) -> Result<Value, String> {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wanted = if method == "apps.connections.open" { APP_TOKEN } else { BOT_TOKEN };
    if token != format!("Bearer {wanted}") {
        return Err(if token.is_empty() { "not_authed" } else { "invalid_auth" }.to_owned());
    }
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = content_type.starts_with("application/json") && !body.is_empty();
    if is_json && matches!(method, "users.info" | "conversations.info") {
        return Err("invalid_arguments".to_owned()); // Slack takes forms only
    }
    let args: Map<String, Value> = if is_json {
        serde_json::from_slice(body).map_err(|_| "invalid_json")?
    } else {
        url::form_urlencoded::parse(query.as_bytes())
            .chain(url::form_urlencoded::parse(body))
            .map(|(key, value)| {
                let value = if matches!(&*key, "blocks" | "view") {
                    serde_json::from_str(&value).unwrap_or_default()
                } else {
                    json!(value)
                };
                (key.into_owned(), value)
            })
            .collect()
    };
    let text = |key: &str| args.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match method {
        "auth.test" => Ok(json!({
            "url": "https://acme.slack.com/", "team": "Acme", "team_id": TEAM, "user": "holdpoint",
            "user_id": "U0BOT", "bot_id": "B0BOT",
        })),
        "chat.postMessage" => {
            let channel = text("channel");
            if channel != CHANNEL && !channel.starts_with('D') {
                return Err("channel_not_found".to_owned());
            }
            check_message(&text("text"), args.get("blocks"))?;
            state.next += 1;
            let ts = format!("1700000000.{:06}", state.next);
            let blocks = args.get("blocks").cloned().unwrap_or_default();
            state.posted.push(Posted {
                channel: channel.clone(),
                ts: ts.clone(),
                text: text("text"),
                blocks,
                edits: 0,
                deleted: false,
            });
            Ok(json!({ "channel": channel, "ts": ts, "message": { "text": text("text") } }))
        }
        "chat.update" => {
            check_message(&text("text"), args.get("blocks"))?;
            let (channel, ts) = (text("channel"), text("ts"));
            let post = state.posted.iter_mut().find(|p| p.channel == channel && p.ts == ts && !p.deleted);
            let post = post.ok_or("message_not_found")?;
            post.text = text("text");
            post.blocks = args.get("blocks").cloned().unwrap_or_default();
            post.edits += 1;
            Ok(json!({ "channel": channel, "ts": ts }))
        }
        "chat.postEphemeral" => {
            if text("text").is_empty() {
                return Err("no_text".to_owned());
            }
            state.ephemerals.push((text("user"), text("text")));
            Ok(json!({ "message_ts": "1700000000.9" }))
        }
        "conversations.open" => {
            let user = text("users");
            if !state.users.contains_key(&user) {
                return Err("user_not_found".to_owned());
            }
            Ok(json!({ "channel": { "id": format!("D{user}") } }))
        }
        "conversations.info" => match text("channel").as_str() {
            CHANNEL => Ok(json!({ "channel": { "id": CHANNEL, "name": "security", "is_member": true } })),
            "C0OUT" => Ok(json!({ "channel": { "id": "C0OUT", "name": "outside", "is_member": false } })),
            _ => Err("channel_not_found".to_owned()),
        },
        "users.info" => {
            let user = state.users.get(&text("user")).ok_or("user_not_found")?;
            Ok(json!({ "user": user }))
        }
        "views.open" => {
            let trigger = text("trigger_id");
            let user = state.triggers.remove(&trigger).ok_or("expired_trigger_id")?;
            let view = args.get("view").cloned().unwrap_or_default();
            let title = view["title"]["text"].as_str().unwrap_or_default().chars().count();
            let meta = view["private_metadata"].as_str().unwrap_or_default().len();
            if view["type"] != "modal" || !(1..=24).contains(&title) || meta > 3_000 {
                return Err("invalid_arguments".to_owned());
            }
            state.views.push((user, view));
            Ok(json!({ "view": { "id": "V1", "type": "modal" } }))
        }
        "apps.connections.open" => {
            let ticket = fresh(state, "ticket");
            state.tickets.insert(ticket.clone());
            Ok(json!({ "url": format!("ws://{}/link/?ticket={ticket}&app_id=A0TEST", world.addr) }))
        }
        _ => Err("unknown_method".to_owned()),
    }
}

/// The limits that Slack puts on messages: what is over them is refused whole.
fn check_message(text: &str, blocks: Option<&Value>) -> Result<(), String> {
    if text.chars().count() > 40_000 {
        return Err("msg_too_long".to_owned());
    }
    let Some(Value::Array(blocks)) = blocks else {
        return if text.is_empty() { Err("no_text".to_owned()) } else { Ok(()) };
    };
    let all: usize = blocks.iter().map(|block| all_text(block).chars().count()).sum();
    if all > 13_200 {
        return Err("msg_blocks_too_long".to_owned());
    }
    if blocks.is_empty() || blocks.len() > 50 || !blocks.iter().all(block_is_sound) {
        return Err("invalid_blocks".to_owned());
    }
    Ok(())
}

fn block_is_sound(block: &Value) -> bool {
    let plain = |value: &Value, most: usize| {
        let length = value["text"].as_str().map_or(0, |text| text.encode_utf16().count());
        matches!(value["type"].as_str(), Some("plain_text" | "mrkdwn")) && (1..=most).contains(&length)
    };
    let list = |key: &str| block[key].as_array().cloned().unwrap_or_default();
    match block["type"].as_str() {
        Some("header") => plain(&block["text"], 150) && block["text"]["type"] == "plain_text",
        Some("section") => plain(&block["text"], 3_000),
        Some("divider") => true,
        Some("context") => {
            let elements = list("elements");
            (1..=10).contains(&elements.len()) && elements.iter().all(|element| plain(element, 3_000))
        }
        Some("actions") => {
            let elements = list("elements");
            let sound = |button: &Value| {
                let short = |key: &str, most| button[key].as_str().is_none_or(|text| text.len() <= most);
                plain(&button["text"], 75)
                    && short("value", 2_000)
                    && short("url", 3_000)
                    && short("action_id", 255)
            };
            let ids: BTreeSet<&str> = elements.iter().filter_map(|b| b["action_id"].as_str()).collect();
            (1..=25).contains(&elements.len()) && ids.len() == elements.len() && elements.iter().all(sound)
        }
        Some("rich_text") => {
            let sections = list("elements");
            let kinds = ["rich_text_section", "rich_text_preformatted", "rich_text_quote", "rich_text_list"];
            let sound = |section: &Value| {
                let parts = section["elements"].as_array().cloned().unwrap_or_default();
                let whole = |part: &Value| {
                    part["type"] != "text" || part["text"].as_str().is_some_and(|t| !t.is_empty())
                };
                kinds.contains(&section["type"].as_str().unwrap_or_default()) && parts.iter().all(whole)
            };
            !sections.is_empty() && sections.iter().all(sound)
        }
        _ => false,
    }
}

/// One socket: greets, pings, passes on what it is told to, and notes acknowledgements.
async fn socket(world: Arc<World>, stream: TcpStream) {
    let mut ticket = String::new();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let read = |request: &tokio_tungstenite::tungstenite::handshake::server::Request, response| {
        let query = request.uri().query().unwrap_or_default();
        let found = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "ticket");
        ticket = found.map(|(_, ticket)| ticket.into_owned()).unwrap_or_default();
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, read).await else { return };
    if !world.state.lock().unwrap().tickets.remove(&ticket) {
        return; // an address is good once
    }
    let hello = json!({
        "type": "hello", "num_connections": 1, "connection_info": { "app_id": "A0TEST" },
        "debug_info": { "host": "fake", "approximate_connection_time": 3600 },
    });
    if socket.send(Frame::Text(hello.to_string().into())).await.is_err() {
        return;
    }
    let (sender, mut orders) = mpsc::channel(64);
    let id = {
        let mut state = world.state.lock().unwrap();
        state.next += 1;
        state.opened += 1;
        let id = state.next;
        state.sockets.insert(id, sender);
        id
    };
    world.changed.send_modify(|count| *count += 1);
    let mut ping = tokio::time::interval(PING_EVERY);
    loop {
        tokio::select! {
            _ = ping.tick() => if socket.send(Frame::Ping(Vec::new().into())).await.is_err() { break },
            order = orders.recv() => match order {
                Some(Order::Send(text)) => if socket.send(Frame::Text(text.into())).await.is_err() { break },
                Some(Order::Die) => std::future::pending().await,
                Some(Order::Close) | None => break,
            },
            frame = socket.next() => match frame {
                Some(Ok(Frame::Text(text))) => {
                    let acked: Value = serde_json::from_str(&text).unwrap_or_default();
                    let envelope = acked["envelope_id"].as_str().unwrap_or_default().to_owned();
                    world.state.lock().unwrap().acked.insert(envelope);
                    world.changed.send_modify(|count| *count += 1);
                }
                Some(Ok(Frame::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {
                    world.state.lock().unwrap().pongs += 1;
                    world.changed.send_modify(|count| *count += 1);
                }
            },
        }
    }
    world.state.lock().unwrap().sockets.remove(&id);
    world.changed.send_modify(|count| *count += 1);
}

/// Slack does so every few seconds.
const PING_EVERY: Duration = Duration::from_millis(300);
