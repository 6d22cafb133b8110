//! What an agent hears of a message that did not leave.

use crate::decode::websocket::{GRAPHQL, Message, POLICY, TRY_AGAIN};
use crate::proxy::reply::{JSON_RPC_SERVER_ERROR, Reply, status_url};
use serde_json::{Map, Value, json};

/// How it is told, by what the message itself speaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// In a message of the same protocol; the connection goes on.
    Answered(String),
    /// The protocol has no answer to such a message (a JSON-RPC notification, or an answer); the connection goes on.
    Silently,
    /// No protocol that we know: the connection ends, which every client notices.
    Closed { code: u16 },
}

impl Refused {
    pub(super) fn of(message: &Message, subprotocol: &str, reply: &Reply) -> Self {
        let said: Option<Value> = serde_json::from_slice(&message.payload).ok();
        let spoken = said.and_then(|said| match &said {
            Value::Object(members) if GRAPHQL.contains(&subprotocol) => graphql(members, reply),
            Value::Object(members) => {
                json_rpc(members, reply).map(|answer| answer.map(|one| one.to_string()))
            }
            Value::Array(items) => json_rpc_list(items, reply),
            _ => None,
        });
        match spoken {
            Some(Some(text)) => Self::Answered(text),
            Some(None) => Self::Silently,
            None => Self::Closed { code: if reply.status.is_server_error() { TRY_AGAIN } else { POLICY } },
        }
    }
}

/// The error that answers one JSON-RPC 2.0 request (§5); nothing within for what has no answer, nothing at all for what is
/// no JSON-RPC.
fn json_rpc(members: &Map<String, Value>, reply: &Reply) -> Option<Option<Value>> {
    if members.get("jsonrpc")? != "2.0" {
        return None;
    }
    let id = members.get("id").filter(|_| members.contains_key("method"));
    Some(id.map(|id| {
        let data = json!({ "code": reply.code, "hold": hold(reply) });
        let error = json!({ "code": JSON_RPC_SERVER_ERROR, "message": reply.message, "data": data });
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    }))
}

fn json_rpc_list(items: &[Value], reply: &Reply) -> Option<Option<String>> {
    if items.is_empty() {
        return None;
    }
    let answers: Option<Vec<Option<Value>>> =
        items.iter().map(|item| json_rpc(item.as_object()?, reply)).collect();
    let answers: Vec<Value> = answers?.into_iter().flatten().collect();
    Some((!answers.is_empty()).then(|| Value::from(answers).to_string()))
}

/// The `error` that ends one operation, in either subprotocol: a list of errors in the newer, one in the older.
fn graphql(members: &Map<String, Value>, reply: &Reply) -> Option<Option<String>> {
    let id = members.get("id")?.as_str()?;
    let extensions = json!({ "code": reply.code.to_ascii_uppercase(), "hold": hold(reply) });
    let error = json!({ "message": reply.message, "extensions": extensions });
    let payload = match members.get("type")?.as_str()? {
        "subscribe" => json!([error]),
        "start" => error,
        _ => return None,
    };
    Some(Some(json!({ "id": id, "type": "error", "payload": payload }).to_string()))
}

fn hold(reply: &Reply) -> Option<Value> {
    let hold = reply.hold.as_ref()?;
    Some(json!({ "id": hold.id, "status_url": status_url(&hold.id), "expires_at": hold.expires_at }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::websocket::{Event, Reader};
    use bytes::BytesMut;
    use http::StatusCode;

    /// A text message with an empty mask.
    fn message(text: &str) -> Message {
        let length = u16::try_from(text.len()).unwrap();
        let head = if length < 126 {
            vec![0x81, 0x80 | u8::try_from(length).unwrap()]
        } else {
            [&[0x81, 0xFE], &length.to_be_bytes()[..]].concat()
        };
        let mut bytes = BytesMut::from(&[&head[..], &[0; 4], text.as_bytes()].concat()[..]);
        match Reader::new(1000).next(&mut bytes) {
            Ok(Some(Event::Message(message))) => message,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn hears(text: &str, subprotocol: &str, expected: &Refused) {
        let reply = Reply::new(StatusCode::FORBIDDEN, "denied", "denied", "No.");
        assert_eq!(&Refused::of(&message(text), subprotocol, &reply), expected, "{text}");
    }

    fn answered(value: &Value) -> Refused {
        Refused::Answered(value.to_string())
    }

    #[test]
    fn each_protocol_is_answered_in_its_words() {
        let error = |id: Value| {
            json!({ "jsonrpc": "2.0", "id": id, "error": {
                "code": -32028, "message": "No.", "data": { "code": "denied", "hold": null } } })
        };
        hears(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#, "", &answered(&error(json!(7))));
        hears(r#"{"jsonrpc":"2.0","id":"a","method":"x"}"#, "mcp", &answered(&error(json!("a"))));
        hears(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, "", &Refused::Silently);
        hears(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "", &Refused::Silently);
        let list = r#"[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"b"},{"jsonrpc":"2.0","id":2,"method":"c"}]"#;
        hears(list, "", &answered(&json!([error(json!(1)), error(json!(2))])));
        let error = json!({ "message": "No.", "extensions": { "code": "DENIED", "hold": null } });
        hears(
            r#"{"id":"1","type":"subscribe","payload":{"query":"mutation { a }"}}"#,
            "graphql-transport-ws",
            &answered(&json!({ "id": "1", "type": "error", "payload": [error] })),
        );
        hears(
            r#"{"id":"1","type":"start","payload":{"query":"mutation { a }"}}"#,
            "graphql-ws",
            &answered(&json!({ "id": "1", "type": "error", "payload": error })),
        );
    }

    #[test]
    fn what_speaks_none_is_closed() {
        let closed = Refused::Closed { code: POLICY };
        for text in [
            "delete everything",
            "",
            "{}",
            "[]",
            "[]x",
            "7",
            r#"{"id":1,"method":"x"}"#,
            r#"{"jsonrpc":"1.0","id":1}"#,
        ] {
            hears(text, "", &closed);
        }
        hears(r#"{"type":"connection_init"}"#, "graphql-transport-ws", &closed);
        hears(r#"{"id":"1","type":"subscribe"}"#, "", &closed);
        let full = Reply::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_holds", "refused", "Full.");
        assert_eq!(Refused::of(&message("x"), "", &full), Refused::Closed { code: TRY_AGAIN });
    }
}
