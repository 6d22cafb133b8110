//! The stream of ledger rows.

use super::fixture::EVENT_WAIT_MAX;
use super::{Ask, Server};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

/// A listener that reads the stream as bytes.
struct Listener {
    lines: Lines<BufReader<TcpStream>>,
}

impl Listener {
    /// Listens as `token`, and returns once the stream stands.
    async fn new(server: &Server, fields: &[(&str, &str)]) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("GET /v1/events HTTP/1.1\r\nhost: {}\r\n{fields}\r\n", server.address);
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut listener = Self { lines: BufReader::new(stream).lines() };
        while !listener.line().await.expect("a stream").starts_with(':') {}
        listener
    }

    async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(EVENT_WAIT_MAX, self.lines.next_line()).await;
        line.expect("a line in time").ok().flatten()
    }

    /// The next row, with the id that it was sent under.
    async fn row(&mut self) -> Value {
        let mut data: Option<Value> = None;
        let mut id = None;
        while let Some(line) = self.line().await {
            if let Some(text) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(text).unwrap());
            }
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.parse::<i64>().unwrap());
            }
            if let (Some(row), Some(id)) = (&data, id) {
                assert_eq!(row["seq"], id);
                return row.clone();
            }
        }
        panic!("the stream has ended");
    }

    async fn event(&mut self, name: &str) -> Value {
        loop {
            let row = self.row().await;
            if row["event"] == name {
                return row;
            }
        }
    }
}

#[tokio::test]
async fn rows_arrive_and_are_resumed_without_gap_or_repetition() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.reviewer("bob", &[]).await);
    let mut live = Listener::new(&server, &[("authorization", &bearer)]).await;
    let first = server.park(Ask::default()).await;
    let created = live.event("hold.created").await;
    assert_eq!(created["subject"], first.id().as_str());

    let second = server.park(Ask { path: "/v1/other".to_owned(), ..Ask::default() }).await;
    let expected = live.event("hold.created").await;
    assert_eq!(expected["subject"], second.id().as_str());

    let last = created["seq"].to_string();
    let fields = [("authorization", bearer.as_str()), ("last-event-id", last.as_str())];
    let mut resumed = Listener::new(&server, &fields).await;
    let mut seen = created["seq"].as_i64().unwrap();
    loop {
        let row = resumed.row().await;
        assert_eq!(row["seq"], seen + 1, "no gap, no repetition");
        seen += 1;
        if row == expected {
            break;
        }
    }
    let third = server.park(Ask { path: "/v1/third".to_owned(), ..Ask::default() }).await;
    assert_eq!(resumed.event("hold.created").await["subject"], third.id().as_str());
}

#[tokio::test]
async fn a_page_listens_with_its_session_and_strangers_do_not() {
    let server = Server::start().await;
    server.reviewer("bob", &[]).await;
    let (cookie, _) = server.login("bob").await;
    let mut live = Listener::new(&server, &[("cookie", &cookie)]).await;
    server.park(Ask::default()).await;
    live.event("hold.created").await;
    assert_eq!(server.get("/v1/events", &[]).await.status, 401);
    let forged = [("authorization", "Bearer hpr_forged"), ("cookie", cookie.as_str())];
    assert_eq!(server.get("/v1/events", &forged).await.status, 401);
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let mut server = Server::start().await;
    let bearer = format!("Bearer {}", server.reviewer("bob", &[]).await);
    let mut live = Listener::new(&server, &[("authorization", &bearer)]).await;
    server.shutdown.cancel();
    while live.line().await.is_some() {}
    tokio::time::timeout(EVENT_WAIT_MAX, server.tasks.join_next()).await.expect("the server stops");
}

#[tokio::test]
async fn listeners_are_bounded() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.reviewer("bob", &[]).await);
    let fields = [("authorization", bearer.as_str())];
    let mut listeners = Vec::new();
    for _ in 0..256 {
        listeners.push(Listener::new(&server, &fields).await);
    }
    let refused = server.get("/v1/events", &fields).await;
    assert_eq!(
        (refused.status, &refused.json()["type"]),
        (503, &"urn:holdpoint:problem:too-many-listeners".into())
    );
}
