//! A hold as the API gives it, and as text for a terminal. Whatever an agent wrote is made visible first:
//! control characters and hidden ones must not move the cursor or colour the screen.

use crate::redact::visible;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use std::fmt::Write as _;

/// What lists have of a hold.
#[derive(Debug, Deserialize)]
pub(super) struct Summary {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) digest: String,
    pub(super) agent: String,
    #[serde(default)]
    pub(super) owners: Vec<String>,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) risk: String,
    pub(super) rule: String,
    pub(super) why: String,
    #[serde(default)]
    pub(super) summary: String,
    #[serde(default)]
    pub(super) solo: bool,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    #[serde(default)]
    pub(super) approvals: Progress,
    #[serde(default)]
    pub(super) waiting: usize,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Progress {
    pub(super) needed: usize,
    pub(super) have: usize,
}

/// Everything of a hold.
#[derive(Debug, Deserialize)]
pub(super) struct Detail {
    #[serde(flatten)]
    pub(super) summary: Summary,
    pub(super) source: String,
    pub(super) request: Request,
    #[serde(default)]
    matched: Vec<Matched>,
    #[serde(default)]
    parts: Vec<Part>,
    #[serde(default)]
    words: Words,
    #[serde(default)]
    votes: Vec<Vote>,
    outcome: Option<Outcome>,
    refusal: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    http_version: String,
    headers: Vec<Field>,
    body: Option<Body>,
    body_bytes: u64,
    body_sha256: String,
}

#[derive(Debug, Deserialize)]
struct Field {
    name: String,
    value: String,
}

#[derive(Debug, Deserialize)]
struct Body {
    encoding: String,
    content: String,
}

/// One request of a batch.
#[derive(Debug, Deserialize)]
struct Part {
    verdict: String,
    method: String,
    target: String,
    rule: String,
}

#[derive(Debug, Deserialize)]
struct Matched {
    field: String,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
struct Words {
    reason: Option<String>,
    session: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Vote {
    person: String,
    vote: String,
    reason: Option<String>,
    channel: String,
    at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    result: String,
    status: Option<u16>,
}

impl Summary {
    /// One line: what, who, why.
    pub(super) fn one_line(&self) -> String {
        format!(
            "{}  {}  {} {}  by {}  ({}, {} risk)",
            self.id,
            self.state,
            one_line(&self.method),
            one_line(&self.url),
            one_line(&self.agent),
            one_line(&self.rule),
            self.risk,
        )
    }

    /// A row of the list.
    pub(super) fn cells(&self, now: Timestamp) -> [String; 7] {
        let left = if self.state == "pending" { span(now, self.expires_at) } else { "-".to_owned() };
        [
            self.id.clone(),
            self.state.clone(),
            self.risk.clone(),
            span(self.created_at, now),
            left,
            one_line(&self.agent),
            format!("{} {}", one_line(&self.method), one_line(&self.url)),
        ]
    }
}

impl Detail {
    /// The whole hold: what a reviewer must see before a vote.
    pub(super) fn text(&self, now: Timestamp) -> String {
        let mut text = String::new();
        self.write(&mut text, now);
        text
    }

    fn write(&self, text: &mut String, now: Timestamp) {
        let s = &self.summary;
        let mut line = |label: &str, value: &str| {
            let _ = writeln!(text, "{label:<10} {value}");
        };
        if !s.summary.is_empty() {
            line("would", &one_line(&s.summary));
        }
        line("hold", &format!("{}, {}{}", s.id, s.state, if s.solo { ", SOLO MODE" } else { "" }));
        line("agent", &format!("{} from {}, owners: {}", one_line(&s.agent), self.source, people(&s.owners)));
        line("stopped by", &format!("{} ({} risk): {}", one_line(&s.rule), s.risk, one_line(&s.why)));
        for Part { verdict, method, target, rule } in &self.parts {
            let told = [verdict, method, target, rule].map(|text| one_line(text));
            line("part", &told.join(" "));
        }
        for matched in &self.matched {
            line("matched", &format!("{} = {}", one_line(&matched.field), one_line(&matched.value)));
        }
        line("approvals", &format!("{} of {}", s.approvals.have, s.approvals.needed));
        if s.state == "pending" {
            line("time left", &format!("{}; clients waiting now: {}", span(now, s.expires_at), s.waiting));
        }
        for vote in &self.votes {
            let reason = vote.reason.as_deref().map(|r| format!(": {}", one_line(r))).unwrap_or_default();
            let who = one_line(&vote.person);
            line("vote", &format!("{who} {} by {} at {:.0}{reason}", vote.vote, vote.channel, vote.at));
        }
        if let Some(outcome) = &self.outcome {
            let status = outcome.status.map(|s| format!(" with {s}")).unwrap_or_default();
            line("outcome", &format!("{}{status}", outcome.result));
        }
        if let (Some(refusal), "pending") = (&self.refusal, s.state.as_str()) {
            line("you", &format!("cannot approve: {refusal}"));
        }
        line("digest", &s.digest);
        self.write_words(text);
        self.write_request(text);
    }

    /// Untrusted, and said to be so.
    fn write_words(&self, text: &mut String) {
        for (label, words) in [("reason", &self.words.reason), ("session", &self.words.session)] {
            if let Some(words) = words {
                let _ =
                    writeln!(text, "\nThe agent's own words, not checked ({label}):\n  {}", one_line(words));
            }
        }
    }

    fn write_request(&self, text: &mut String) {
        let (s, request) = (&self.summary, &self.request);
        let version = one_line(&request.http_version);
        let _ = writeln!(text, "\n{} {} {version}", one_line(&s.method), one_line(&s.url));
        for field in &request.headers {
            let _ = writeln!(text, "{}: {}", one_line(&field.name), one_line(&field.value));
        }
        let _ = writeln!(text);
        match &request.body {
            Some(body) if !body.content.is_empty() => {
                let content = body.text();
                let _ = writeln!(text, "{}", content.trim_end_matches('\n'));
            }
            _ if request.body_bytes > 0 => {
                let (bytes, sha256) = (request.body_bytes, &request.body_sha256);
                let _ = writeln!(text, "(the body is not kept any more: {bytes} bytes, SHA-256 {sha256})");
            }
            _ => {}
        }
    }
}

impl Body {
    fn text(&self) -> String {
        if self.encoding == "utf-8" {
            return visible(&self.content).into_owned();
        }
        let bytes = STANDARD.decode(&self.content).map_or(0, |bytes| bytes.len());
        format!("({bytes} bytes that are no text; base64)\n{}", visible(&self.content))
    }
}

fn people(names: &[String]) -> String {
    if names.is_empty() { "nobody known".to_owned() } else { one_line(&names.join(", ")) }
}

/// Fit for one line of a terminal.
pub(super) fn one_line(text: &str) -> String {
    visible(text).replace(['\n', '\r'], "\u{23ce}").replace('\t', " ")
}

/// How long from one time to another, in its largest unit: `42s`, `5m`, `3h`, `2d`.
fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.as_second().saturating_sub(from.as_second()).max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-20T10:01:30Z".parse().unwrap()
    }

    fn hold() -> serde_json::Value {
        json!({
            "id": "hp_0123456789ab", "version": 1, "state": "pending", "digest": format!("sha256:{}", "ab".repeat(32)),
            "agent": "ci", "owners": ["alice"], "method": "POST", "url": "https://api.stripe.com/v1/refunds",
            "host": "api.stripe.com", "risk": "high", "rule": "stripe/large-refund", "why": "Money leaves.",
            "summary": "Refund 500.00 USD", "solo": false,
            "created_at": "2026-11-20T10:00:00Z", "expires_at": "2026-11-20T11:00:00Z",
            "requests": 2, "approvals": { "needed": 2, "have": 1 }, "waiting": 1,
            "source": "10.0.0.7",
            "request": {
                "method": "POST", "url": "https://api.stripe.com/v1/refunds", "host": "api.stripe.com",
                "http_version": "HTTP/1.1",
                "headers": [{ "name": "authorization", "value": "Bearer …4242", "redacted": true }],
                "body": { "encoding": "utf-8", "content": "amount=50000\ncharge=ch_1\n" },
                "body_bytes": 25, "body_sha256": "00"
            },
            "matched": [{ "field": "body./amount", "value": "50000" }],
            "review": { "approvals": 2, "from": [], "each": [] }, "ruleset": "00",
            "words": { "reason": "the customer asked", "session": null, "traceparent": null },
            "votes": [{ "person": "bob", "groups": [], "vote": "approve", "reason": "ok", "channel": "web",
                        "at": "2026-11-20T10:01:00Z" }],
            "outcome": null, "may_approve": false, "refusal": "you have voted already"
        })
    }

    #[test]
    fn a_hold_is_shown_whole() {
        let detail: Detail = serde_json::from_value(hold()).unwrap();
        insta::assert_snapshot!(detail.text(now()));
        insta::assert_snapshot!(detail.summary.one_line());
    }

    /// Every text that an agent writes, full of what moves cursors, colours screens and turns text round.
    #[test]
    fn nothing_that_an_agent_wrote_steers_the_terminal() {
        const EVIL: &str = "a\u{1b}[2J\u{1b}]0;x\u{7}\r\u{8}\u{202e}\u{200b}\u{9b}31m\tb";
        let mut value = hold();
        for pointer in [
            "/agent",
            "/method",
            "/url",
            "/rule",
            "/why",
            "/summary",
            "/request/headers/0/name",
            "/request/headers/0/value",
            "/request/http_version",
            "/request/body/content",
            "/matched/0/field",
            "/matched/0/value",
            "/words/reason",
            "/votes/0/person",
            "/votes/0/reason",
            "/owners/0",
        ] {
            *value.pointer_mut(pointer).unwrap() = json!(EVIL);
        }
        value["words"]["session"] = json!(EVIL);
        let detail: Detail = serde_json::from_value(value).unwrap();
        let shown =
            [detail.text(now()), detail.summary.one_line(), detail.summary.cells(now()).join(" ")].concat();
        let steers =
            |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || "\u{202e}\u{200b}".contains(c);
        assert!(!shown.contains(steers), "{}", shown.escape_debug());
    }

    #[test]
    fn bytes_that_are_no_text_are_counted() {
        let body = Body { encoding: "base64".to_owned(), content: "AAEC".to_owned() };
        assert_eq!(body.text(), "(3 bytes that are no text; base64)\nAAEC");
    }
}
