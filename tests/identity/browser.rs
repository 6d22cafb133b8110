//! A browser as far as signing in needs one: cookies, forms, and going where it is sent.

use super::support::{Reply, Wire};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use url::Url;

pub(crate) struct Browser {
    control: SocketAddr,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(control: SocketAddr) -> Self {
        Self { control, cookies: BTreeMap::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.ask("GET", path, "").await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.ask("POST", path, &body).await
    }

    /// Sends a form with the token of the session.
    pub(crate) async fn submit(&mut self, path: &str, form: &[(&str, &str)]) -> Reply {
        let csrf = self.csrf().await;
        let mut form = form.to_vec();
        form.push(("csrf", &csrf));
        self.post(path, &form).await
    }

    /// The form token, from a page that everybody who is signed in may see.
    pub(crate) async fn csrf(&mut self) -> String {
        let page = self.get("/account").await.text();
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split('"').next().expect("a value").to_owned()
    }

    /// Begins a sign-in, and returns the provider's address that it leads to.
    pub(crate) async fn begin(&mut self, path: &str) -> Url {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        Url::parse(reply.field("location").expect("a location")).expect("an address")
    }

    /// Goes to the provider, and returns where it sends the browser back to.
    pub(crate) async fn at_provider(&self, provider: &Url) -> String {
        let address = provider.socket_addrs(|| None).expect("an address")[0];
        let path = format!("{}?{}", provider.path(), provider.query().unwrap_or_default());
        let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let reply = Wire::plain(address).await.ask(ask).await;
        let back = Url::parse(reply.field("location").expect("a location")).expect("an address");
        assert_eq!(back.socket_addrs(|| None).expect("an address")[0], self.control);
        format!("{}?{}", back.path(), back.query().unwrap_or_default())
    }

    /// Signs in, and returns the last page.
    pub(crate) async fn sign_in(&mut self, path: &str) -> Reply {
        let provider = self.begin(path).await;
        let back = self.at_provider(&provider).await;
        self.get(&back).await
    }

    pub(crate) fn session(&self) -> Option<&str> {
        self.cookies.get("holdpoint_session").map(String::as_str)
    }

    /// Whether pages open.
    pub(crate) async fn is_in(&mut self) -> bool {
        self.get("/account").await.status == 200
    }

    /// Clicks on approve on the page of a hold.
    pub(crate) async fn approve(&mut self, hold: &Value) -> Reply {
        let (id, digest) = (hold["id"].as_str().expect("an id"), hold["digest"].as_str().expect("a digest"));
        self.submit(
            &format!("/holds/{id}/votes"),
            &[("digest", digest), ("vote", "approve"), ("read", "true")],
        )
        .await
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let ask = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.control,
            cookies.join("; "),
            body.len()
        );
        let reply = Wire::plain(self.control).await.ask(ask).await;
        for (_, value) in reply.fields.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = value.split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a pair");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }
}
