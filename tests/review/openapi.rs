//! The OpenAPI document says what the router does, and answers are as it says.

use super::{Ask, Server};
use serde_json::{Value, json};

struct Document(Value);

impl Document {
    async fn of(server: &Server, bearer: &str) -> Self {
        let reply = server.get("/v1/openapi.json", &[("authorization", bearer)]).await;
        assert_eq!(reply.status, 200);
        Self(reply.json())
    }

    /// The schema of an answer.
    fn answer(&self, method: &str, path: &str, status: u16) -> &Value {
        let content = &self.0["paths"][path][method]["responses"][status.to_string()]["content"];
        let content =
            content.as_object().unwrap_or_else(|| panic!("{method} {path} says nothing of {status}"));
        &content.values().next().unwrap()["schema"]
    }

    /// Every way in which `value` is not as `schema` says. The subset of JSON Schema that the document uses.
    fn faults(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            let schema = self.0.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name}"));
            return self.faults(schema, value, at, faults);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            parts.iter().for_each(|part| self.faults(part, value, at, faults));
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let fits = |choice| {
                let mut faults = Vec::new();
                self.faults(choice, value, at, &mut faults);
                faults.is_empty()
            };
            if !choices.iter().any(fits) {
                faults.push(format!("{at}: none of the choices"));
            }
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !types.is_empty() && !types.contains(&kind) {
            faults.push(format!("{at}: {kind}, not {types:?}"));
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.is_object() && value.get(name).is_none() {
                faults.push(format!("{at}: no `{name}`"));
            }
        }
        if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object()) {
            for (name, value) in fields {
                if let Some(schema) = properties.get(name) {
                    self.faults(schema, value, &format!("{at}/{name}"), faults);
                }
            }
        }
        for (index, value) in value.as_array().into_iter().flatten().enumerate() {
            self.faults(&schema["items"], value, &format!("{at}/{index}"), faults);
        }
    }

    #[track_caller]
    fn check(&self, method: &str, path: &str, status: u16, value: &Value) {
        let mut faults = Vec::new();
        self.faults(self.answer(method, path, status), value, "", &mut faults);
        assert_eq!(faults, Vec::<String>::new(), "{method} {path} {status}: {value}");
    }
}

#[tokio::test]
async fn document_and_router_have_the_same_routes() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.reviewer("bob", &[]).await);
    let document = Document::of(&server, &bearer).await;
    let paths = document.0["paths"].as_object().unwrap();
    // What is documented is there, and asks who comes; what is not documented is not there. That nothing is
    // there undocumented is by construction: routes are made from the documented functions.
    for (path, methods) in paths {
        for method in ["get", "post", "put", "patch", "delete"] {
            let url = path.replace("{id}", "hp_000000000000");
            let reply = server.send(&method.to_uppercase(), &url, &[], "").await;
            // Who is to sign in must know where.
            let open = if path == "/v1/identity" { 404 } else { 401 };
            let expected = if methods.get(method).is_some() { open } else { 405 };
            assert_eq!(reply.status, expected, "{method} {path}: {}", reply.text);
            assert_eq!(reply.header("content-type"), "application/problem+json", "{method} {path}");
        }
    }
    let expected = [
        "/v1/agents",
        "/v1/agents/{name}",
        "/v1/agents/{name}/rotate",
        "/v1/deliveries",
        "/v1/deliveries/{id}/replay",
        "/v1/events",
        "/v1/grants",
        "/v1/grants/{id}/revoke",
        "/v1/holds",
        "/v1/holds/{id}",
        "/v1/holds/{id}/votes",
        "/v1/identity",
        "/v1/ledger",
        "/v1/me",
        "/v1/openapi.json",
        "/v1/people",
        "/v1/people/{person}",
        "/v1/reviewing",
        "/v1/rules",
    ];
    assert_eq!(paths.keys().collect::<Vec<_>>(), expected);
    assert_eq!(server.get("/v1/nothing", &[]).await.status, 401);
    assert_eq!(server.get("/v1/nothing", &[("authorization", &bearer)]).await.status, 404);
    assert_eq!(document.0["openapi"], "3.1.0");
}

#[tokio::test]
async fn answers_are_as_the_document_says() {
    let server = Server::start().await;
    let alice = server.reviewer("alice", &[]).await;
    let bob = server.reviewer("bob", &[]).await;
    let bearer = format!("Bearer {bob}");
    let fields = [("authorization", bearer.as_str())];
    let document = Document::of(&server, &bearer).await;
    let waiter = server.park(Ask::default()).await;
    let id = waiter.id();
    let digest = server.digest(id).await;
    for path in [
        "/v1/holds",
        "/v1/grants",
        "/v1/agents",
        "/v1/deliveries",
        "/v1/rules",
        "/v1/ledger",
        "/v1/me",
        "/v1/people",
    ] {
        document.check("get", path, 200, &server.get(path, &fields).await.json());
        document.check("get", path, 401, &server.get(path, &[]).await.json());
    }
    let hold = server.get(&format!("/v1/holds/{id}"), &fields).await.json();
    document.check("get", "/v1/holds/{id}", 200, &hold);
    assert_eq!(hold["approvals"], json!({ "needed": 1, "have": 0 }));
    assert_eq!(hold["matched"], json!([{ "field": "body./amount", "value": "120000" }]));

    let votes = "/v1/holds/{id}/votes";
    let own = server.vote(&alice, id, json!({ "digest": digest, "vote": "approve" })).await;
    document.check("post", votes, 403, &own.json());
    let denied = server.vote(&bob, id, json!({ "digest": digest, "vote": "deny", "reason": "no" })).await;
    document.check("post", votes, 200, &denied.json());
    let late = server.vote(&alice, id, json!({ "digest": digest, "vote": "approve" })).await;
    document.check("post", votes, 409, &late.json());

    let mut faults = Vec::new();
    let schema = document.answer("get", "/v1/holds/{id}", 200);
    document.faults(schema, &json!({ "id": 1 }), "", &mut faults);
    assert!(faults.len() > 10, "the check itself finds faults: {faults:?}");
}
