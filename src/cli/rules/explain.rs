//! `holdpoint rules explain`: what would become of a request, and why. The request goes the way that the proxy
//! goes with it, up to the ruling; nothing is sent.

use super::{Which, out, shelf};
use crate::agent::{Agent, LOCAL_AGENT};
use crate::authority::Scheme;
use crate::config::Config;
use crate::decode::{self, protocol};
use crate::proxy::fields;
use crate::request::{Caller, Head};
use crate::rules::sample::{Canonical, Sample, SampleError};
use crate::rules::{FailedMatcher, NearMiss, Need, Rates, RuleSet};
use crate::ruling::{BatchPart, MatchedField, ReviewPolicy, Risk, Verdict};
use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    request: Requests,

    #[command(flatten)]
    which: Which,

    /// As if this agent sent it
    #[arg(long, value_name = "NAME", default_value = LOCAL_AGENT)]
    agent: String,

    /// A label of that agent; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,

    /// As if it came from this address
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    source: IpAddr,

    /// As if it came at this time, such as 2026-11-20T03:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,

    /// Print JSON, one line for each request
    #[arg(long)]
    json: bool,
}

/// Where the requests are written.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Requests {
    /// One request in one line, such as "DELETE https://api.github.com/repos/acme/site"
    #[arg(long, value_name = "METHOD URL")]
    request: Option<String>,
    /// A curl command line, as browsers and API documentation give them; `-` reads it from standard input
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    curl: Option<String>,
    /// A HAR file, as browsers and proxies save it
    #[arg(long, value_name = "FILE")]
    har: Option<PathBuf>,
    /// JSON lines of {method, url, headers, body | body_b64}; `-` is standard input
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
}

fn label(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "a label is KEY=VALUE".to_owned())
}

pub(in crate::cli) fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    let samples = args.request.read()?;
    let labels: BTreeMap<_, _> = args.labels.into_iter().collect();
    let desk = Desk {
        config,
        set: shelf(config, args.which).load()?,
        agent: Agent { id: 0, name: args.agent, owners: Vec::new(), labels },
        source: args.source,
        at: args.at,
        rates: Rates::default(),
    };
    for sample in samples {
        let explained = desk.explain(sample);
        if args.json {
            out::json(&explained)?;
        } else {
            out::line(&explained.text())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

type Written = Result<Sample, SampleError>;

impl Requests {
    /// One result for each request, the broken ones included.
    fn read(&self) -> anyhow::Result<Vec<Written>> {
        if let Some(line) = &self.request {
            return Ok(vec![Sample::from_line(line)]);
        }
        if let Some(command) = &self.curl {
            let command = match command.as_str() {
                "-" => String::from_utf8(bytes(Path::new("-"))?).context("the command is not UTF-8")?,
                command => command.to_owned(),
            };
            return Ok(vec![Sample::from_curl(&command, &mut |name| std::fs::read(name).ok())]);
        }
        if let Some(path) = &self.har {
            let text = String::from_utf8(bytes(path)?)
                .with_context(|| format!("`{}` is not UTF-8", path.display()))?;
            return Sample::from_har(&text).with_context(|| format!("`{}`", path.display()));
        }
        let path = self.jsonl.as_deref().unwrap_or(Path::new("-"));
        Ok(lines(&bytes(path)?))
    }
}

/// Blank lines hold no request; every other one does, however broken.
fn lines(bytes: &[u8]) -> Vec<Written> {
    bytes
        .split(|b| *b == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| match std::str::from_utf8(line) {
            Ok(line) => Sample::from_json_line(line.trim_start_matches('\u{feff}')),
            Err(_) => Err(SampleError::Written("the line is not UTF-8".to_owned())),
        })
        .collect()
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("standard input cannot be read")?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))
}

/// All that a ruling depends on besides the request.
struct Desk<'c> {
    config: &'c Config,
    set: RuleSet,
    agent: Agent,
    source: IpAddr,
    at: Option<Timestamp>,
    rates: Rates,
}

/// What is said of one request. The names of the fields are an interface.
#[derive(Debug, Default, Serialize)]
struct Explained {
    /// `pass`, `hold`, `deny`; `error` when what was written is not understood as a request.
    verdict: &'static str,
    /// `pack/rule`, `otherwise/…`, `tunnel`, or `malformed`.
    rule: String,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk: Option<Risk>,
    summary: String,
    method: String,
    url: String,
    matched: Vec<MatchedField>,
    near: Vec<NearMiss>,
    /// What the request says in the protocols that it is in, or that the rule asks about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decoded: Vec<Decoded>,
    /// Of a batch: its parts, each with its own ruling.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<BatchPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<ReviewPolicy>,
    /// The adjustment that loosened or tightened the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    adjusted: Option<String>,
    /// In observe mode: what it would have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_have: Option<WouldHave>,
    /// The status with which the proxy refuses it, when no rule is asked at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

#[derive(Debug, Serialize)]
struct WouldHave {
    verdict: Verdict,
    rule: String,
}

/// A request as one protocol sees it.
#[derive(Debug, Serialize)]
struct Decoded {
    /// `rpc`, `graphql`, …: the key in rule files.
    protocol: &'static str,
    /// Each a map of its fields.
    calls: Vec<serde_json::Value>,
    /// The same, in words.
    #[serde(skip)]
    lines: Vec<String>,
    /// Why there are no calls to see, or not all that is in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<String>,
}

impl Decoded {
    /// All that is worth telling; `fields` are those that were asked about.
    fn of<'f>(request: &protocol::Request<'_>, fields: impl Iterator<Item = &'f str>) -> Vec<Self> {
        let named: Vec<&str> = fields.filter_map(|field| field.split('.').next()).collect();
        let told = protocol::views(request, &named).into_iter().map(|(protocol, view)| match view {
            Ok(view) => {
                let calls = view.calls.iter().map(|call| serde_json::to_value(call).unwrap_or_default());
                let unread = view.unseen.as_ref().map(ToString::to_string);
                let lines = view.calls.iter().map(ToString::to_string).chain(unread.clone()).collect();
                Self { protocol, calls: calls.collect(), lines, unread }
            }
            Err(why) => {
                let why = why.to_string();
                Self { protocol, calls: Vec::new(), lines: vec![why.clone()], unread: Some(why) }
            }
        });
        told.collect()
    }
}

impl Desk<'_> {
    fn explain(&self, sample: Written) -> Explained {
        let sample = match sample {
            Ok(sample) => sample,
            Err(error) => {
                return Explained {
                    verdict: "error",
                    rule: "malformed".into(),
                    why: error.to_string(),
                    ..Explained::default()
                };
            }
        };
        let refused = |status: u16, why: String| Explained {
            verdict: Verdict::Deny.as_str(),
            rule: "malformed".to_owned(),
            why,
            summary: format!("Holdpoint refuses it with {status}; no rule is asked."),
            method: sample.method.clone(),
            url: sample.url.clone(),
            status: Some(status),
            ..Explained::default()
        };
        let mut request = match sample.canonical() {
            Ok(request) => request,
            Err(error) => return refused(error.status(), error.to_string()),
        };
        let found = fields::look(&request.headers);
        match fields::take(&mut request.headers, &found) {
            Ok(_) => self.judge(&request),
            Err(error @ fields::FieldError::Expectation) => refused(417, error.to_string()),
            Err(error) => refused(400, error.to_string()),
        }
    }

    fn judge(&self, request: &Canonical) -> Explained {
        let head = request.head();
        if self.is_tunnelled(&head) {
            return Explained {
                verdict: Verdict::Pass.as_str(),
                rule: "tunnel".to_owned(),
                why: "The host is named under `tunnel`: its connections pass unread".to_owned(),
                method: head.method.to_string(),
                url: head.url(),
                ..Explained::default()
            };
        }
        let caller = Caller { agent: &self.agent, source: self.source };
        let now = self.at.unwrap_or_else(Timestamp::now);
        // What nearly matched is told with the body even where the proxy would not have read it.
        let body = self.decode(request);
        let near = self.set.explain(&head, &caller, &body, now, &self.rates);
        let known = match self.set.need(&head, &caller) {
            Need::None => &decode::Body::NotRead,
            Need::Body => &body,
        };
        let ruling = self.set.evaluate(&head, &caller, known, now, &self.rates);
        let mut grounds = self.set.grounds(&ruling, &head, &caller, known);
        let descriptors = self.set.descriptors();
        let asked_of = protocol::Request { head: &head, body: &body, descriptors };
        let asked = grounds.matched.iter().map(|matched| matched.field.as_str());
        let missed = near.iter().flat_map(|miss| &miss.failed).map(|failed| failed.field.as_str());
        let decoded = Decoded::of(&asked_of, asked.chain(missed));
        grounds.review.approvals = grounds.review.approvals.max(1);
        Explained {
            verdict: ruling.verdict.as_str(),
            rule: grounds.rule,
            why: grounds.why,
            risk: (ruling.verdict != Verdict::Pass).then_some(grounds.risk),
            summary: grounds.summary,
            method: head.method.to_string(),
            url: head.url(),
            matched: grounds.matched,
            near,
            decoded,
            parts: grounds.parts,
            review: (ruling.verdict == Verdict::Hold).then_some(grounds.review),
            adjusted: ruling.adjustment.map(|a| format!("{}:{}: {}", a.file, a.line, a.why)),
            would_have: ruling
                .would_have
                .map(|(verdict, basis)| WouldHave { verdict, rule: basis.name().to_owned() }),
            status: None,
        }
    }

    fn is_tunnelled(&self, head: &Head<'_>) -> bool {
        head.scheme == Scheme::Https
            && self.config.tunnel.iter().any(|host| host.matches(&head.authority.host))
    }

    fn decode(&self, request: &Canonical) -> decode::Body {
        let limits = &self.config.limits;
        if request.body.is_empty() {
            decode::Body::Empty
        } else if request.body.len() > limits.inspect_bytes {
            limits.too_long()
        } else {
            decode::body(&request.headers, &request.body, limits.decoding())
        }
    }
}

impl Explained {
    /// For people: what, by which rule, why, and what nearly matched.
    fn text(&self) -> String {
        let mut out = format!("{}  {} {}", self.verdict.to_uppercase(), self.method, self.url);
        let mut line = |label: &str, text: &str| {
            let _ = write!(out, "\n  {label:8} {text}");
        };
        line(
            "rule",
            &format!(
                "{}{}",
                self.rule,
                self.risk.map_or_else(String::new, |risk| format!(" ({})", risk.as_str()))
            ),
        );
        for (label, text) in [("would", &self.summary), ("why", &self.why)] {
            if !text.is_empty() {
                line(label, text);
            }
        }
        if let Some(review) = self.review.as_ref().map(review).filter(|text| !text.is_empty()) {
            line("review", &review);
        }
        if let Some(adjusted) = &self.adjusted {
            line("adjusted", adjusted);
        }
        if let Some(would) = &self.would_have {
            line("observe", &format!("would have been {} by {}", would.verdict.as_str(), would.rule));
        }
        for (nth, MatchedField { field, value }) in self.matched.iter().enumerate() {
            line(if nth == 0 { "matched" } else { "" }, &format!("{field}: {value}"));
        }
        let calls = self.decoded.iter().flat_map(|decoded| {
            decoded.lines.iter().map(|line| format!("{}: {}", decoded.protocol, cut(line, CALL_CHARS_MAX)))
        });
        for (nth, call) in calls.take(CALLS_SHOWN).enumerate() {
            line(if nth == 0 { "decoded" } else { "" }, &call);
        }
        for (nth, part) in self.parts.iter().enumerate() {
            let BatchPart { method, target, verdict, rule } = part;
            let told = format!("{} {method} {target} ({rule})", verdict.as_str());
            line(if nth == 0 { "parts" } else { "" }, &told);
        }
        for (nth, miss) in self.near.iter().take(NEAR_SHOWN).enumerate() {
            line(if nth == 0 { "near" } else { "" }, &near(miss));
        }
        if self.near.len() > NEAR_SHOWN {
            line("", &format!("and {} more; --json shows all", self.near.len() - NEAR_SHOWN));
        }
        out.push('\n');
        out
    }
}

fn review(review: &ReviewPolicy) -> String {
    let mut parts = Vec::new();
    if review.approvals > 1 {
        parts.push(format!("{} people", review.approvals));
    }
    if !review.from.is_empty() {
        parts.push(format!("from {}", review.from.join(" or ")));
    }
    if !review.each.is_empty() {
        parts.push(format!("one each of {}", review.each.join(" and ")));
    }
    parts.join(", ")
}

/// `pack/rule (hold): body./amount is 5, asked for { gt: 10 }`
fn near(miss: &NearMiss) -> String {
    let failed: Vec<String> = miss
        .failed
        .iter()
        .map(|FailedMatcher { field, expected, seen }| {
            let expected = cut(expected, EXPECTED_CHARS_MAX);
            match seen {
                _ if field == "unless" => format!("exempt by {expected}"),
                Some(seen) => format!("{field} is `{seen}`, asked for {expected}"),
                None => format!("{field} is not there, asked for {expected}"),
            }
        })
        .collect();
    format!("{} ({}): {}", miss.rule, miss.verdict.as_str(), failed.join("; "))
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

const NEAR_SHOWN: usize = 5;
const CALLS_SHOWN: usize = 20;
const CALL_CHARS_MAX: usize = 300;
const EXPECTED_CHARS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rulebook::Shelf;

    fn desk(config: &Config) -> Desk<'_> {
        let shelf = Shelf {
            folders: Vec::new(),
            standard: true,
            descriptors: Vec::new(),
            settings: config.rules.settings.clone(),
        };
        Desk {
            config,
            set: shelf.load().expect("the standard packs are sound"),
            agent: Agent { id: 0, name: LOCAL_AGENT.to_owned(), owners: Vec::new(), labels: BTreeMap::new() },
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            at: None,
            rates: Rates::default(),
        }
    }

    #[test]
    fn every_line_gets_its_answer() {
        let config = crate::config::load(None, &[]).expect("the defaults are sound");
        let desk = desk(&config);
        let input = [
            br#"{"method":"GET","url":"https://api.github.com/repos/a/b"}"#.as_slice(),
            br#"{"method":"DELETE","url":"https://api.github.com/repos/a/b"}"#,
            b"",
            br#"{"method":"DELETE","url":"https://api.github.com/repos/a/b","headers":[["Host","evil.test"]]}"#,
            br#"{"method":"GET","url":"https://api.github.com/../x"}"#,
            br#"{"method":"POST","url":"https://a.test/","headers":{"Expect":"cake"}}"#,
            b"not JSON",
            b"\xff",
        ]
        .join(&b'\n');
        let answers: Vec<Explained> = lines(&input).into_iter().map(|sample| desk.explain(sample)).collect();
        let told: Vec<_> = answers.iter().map(|a| (a.verdict, a.rule.as_str(), a.status)).collect();
        assert_eq!(
            told,
            [
                ("pass", "otherwise/read", None),
                ("hold", "github/delete-repository", None),
                ("deny", "malformed", Some(421)),
                ("deny", "malformed", Some(400)),
                ("deny", "malformed", Some(417)),
                ("error", "malformed", None),
                ("error", "malformed", None),
            ]
        );
    }

    #[test]
    fn a_long_body_is_unreadable_as_in_the_proxy() {
        let mut config = crate::config::load(None, &[]).expect("the defaults are sound");
        config.limits.inspect_bytes = 8;
        let sample = Sample::from_json_line(
            r#"{"method":"POST","url":"https://api.stripe.com/v1/refunds","body":"amount=100001&charge=ch_1"}"#,
        );
        let answer = desk(&config).explain(sample);
        assert_eq!((answer.verdict, answer.rule.as_str()), ("hold", "stripe/large-refund"));
    }
}
