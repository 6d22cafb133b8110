//! A record as it stands in a segment: one line of JSON.

use super::Record;
use crate::authority::Scheme;
use crate::ruling::Verdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// One line. What is unknown is left out. Borrows the record when written, owns its text when read.
///
/// `append_to` writes what the derived `Serialize` does, without looking for escapes in the keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line<'a> {
    /// When the exchange began.
    pub at: Timestamp,
    pub agent: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    pub method: Cow<'a, str>,
    pub scheme: Scheme,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Cow<'a, str>>,
    /// Redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_have: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub tunnel: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// From the first byte of the head to the end of the exchange.
    pub duration_us: u64,
    pub end: Cow<'a, str>,
}

impl<'a> Line<'a> {
    pub(super) fn of(record: &'a Record, duration: Duration) -> Self {
        let authority = record.authority.as_deref();
        let target = record.target.as_ref();
        Line {
            at: record.started_at,
            agent: record.agent.name.as_str().into(),
            source: record.source,
            method: record.method.as_str().into(),
            scheme: record.scheme,
            host: authority.map(|a| a.host.as_str().into()),
            port: authority.map(|a| a.port),
            path: target.map(|t| t.path().into()),
            query: target.and_then(|t| t.query()).map(crate::redact::query),
            verdict: record.verdict,
            rule: record.rule.as_deref().map(Cow::from),
            would_have: record.would_have,
            hold: record.hold.as_ref().map(|id| id.as_str().into()),
            tunnel: record.tunnel,
            status: record.status,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            end: record.end.into(),
        }
    }

    /// Appends the line to `lines`.
    pub(super) fn append_to(&self, lines: &mut Vec<u8>) {
        let mut object = Object(lines);
        object.shown("{\"at\":\"", &self.at);
        object.text(",\"agent\":", &self.agent);
        object.some(self.source.as_ref(), |object, source| object.shown(",\"source\":\"", source));
        object.text(",\"method\":", &self.method);
        object.text(",\"scheme\":", self.scheme.as_str());
        object.some(self.host.as_deref(), |object, host| object.text(",\"host\":", host));
        object.some(self.port, |object, port| object.number(",\"port\":", port));
        object.some(self.path.as_deref(), |object, path| object.text(",\"path\":", path));
        object.some(self.query.as_deref(), |object, query| object.text(",\"query\":", query));
        object.some(self.verdict, |object, verdict| object.text(",\"verdict\":", verdict.as_str()));
        object.some(self.rule.as_deref(), |object, rule| object.text(",\"rule\":", rule));
        object.some(self.would_have, |object, verdict| object.text(",\"would_have\":", verdict.as_str()));
        object.some(self.hold.as_deref(), |object, hold| object.text(",\"hold\":", hold));
        object.some(self.tunnel.then_some(",\"tunnel\":true"), |object, raw| object.raw(raw));
        object.some(self.status, |object, status| object.number(",\"status\":", status));
        object.number(",\"request_bytes\":", self.request_bytes);
        object.number(",\"response_bytes\":", self.response_bytes);
        object.number(",\"duration_us\":", self.duration_us);
        object.text(",\"end\":", &self.end);
        object.raw("}\n");
    }
}

/// A JSON object under way. Keys come with their punctuation.
struct Object<'a>(&'a mut Vec<u8>);

impl Object<'_> {
    fn some<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, key: &str, number: impl itoa::Integer) {
        self.raw(key);
        self.raw(itoa::Buffer::new().format(number));
    }

    /// What is shown without a character that JSON escapes; the key ends with the opening quote.
    fn shown(&mut self, key: &str, value: &impl std::fmt::Display) {
        self.raw(key);
        write!(self.0, "{value}").expect("memory takes it");
        self.raw("\"");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.raw(key);
        if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
            self.raw("\"");
            self.raw(text);
            self.raw("\"");
        } else {
            serde_json::to_writer(&mut *self.0, text).expect("memory takes it");
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_text() -> impl Strategy<Value = Cow<'static, str>> {
        prop_oneof!["[a-z/.]{0,12}", "\\PC{0,12}", "[\0-\x7f]{0,12}"].prop_map(Cow::Owned)
    }

    fn any_line() -> impl Strategy<Value = Line<'static>> {
        let verdict = prop_oneof![Just(Verdict::Pass), Just(Verdict::Hold), Just(Verdict::Deny)];
        let who = (any_text(), any::<Option<IpAddr>>(), any_text(), any::<bool>());
        let target = [any_text(), any_text(), any_text(), any_text(), any_text()].map(prop::option::of);
        let ruling = (prop::option::of(verdict.clone()), prop::option::of(verdict));
        let numbers = (any::<(Option<u16>, Option<u16>)>(), any::<(u64, u64, u64)>(), any::<bool>());
        let at = (0..4_102_444_800_000_000_i64).prop_map(|us| Timestamp::from_microsecond(us).unwrap());
        (at, who, target, ruling, numbers, any_text()).prop_map(|(at, who, target, ruling, numbers, end)| {
            let (agent, source, method, https) = who;
            let [host, path, query, rule, hold] = target;
            let (verdict, would_have) = ruling;
            let ((port, status), (request_bytes, response_bytes, duration_us), tunnel) = numbers;
            let scheme = if https { Scheme::Https } else { Scheme::Http };
            Line {
                at,
                agent,
                source,
                method,
                scheme,
                host,
                port,
                path,
                query,
                verdict,
                rule,
                would_have,
                hold,
                tunnel,
                status,
                request_bytes,
                response_bytes,
                duration_us,
                end,
            }
        })
    }

    proptest! {
        #[test]
        fn written_by_hand_is_written_by_serde(line in any_line()) {
            let mut text = Vec::new();
            line.append_to(&mut text);
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(&text, &format!("{}\n", serde_json::to_string(&line).unwrap()));
            prop_assert_eq!(serde_json::from_str::<Line<'_>>(&text).unwrap(), line);
        }
    }
}
