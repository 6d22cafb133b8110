//! What every client goes through, in four acts.
//!
//! 1. A safe call arrives as the same client's call past Holdpoint does, field by field and byte by byte.
//! 2. A held call waits; approved, it arrives once, and its caller has the origin's answer.
//! 3. A held call is denied: nothing arrives, and the caller can read the reason.
//! 4. Patience ends: nothing arrives, the caller can read what to do, and does not try again by itself. Approved
//!    meanwhile, the same call of a new run of the program passes, once.

use super::support::origin::Seen;
use super::support::soon;
use super::{REASON, Scene, shown, table};
use holdpoint::digest::sha256_hex;
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::Output;

/// A client, and how it makes a call.
pub(crate) struct Client {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    pub(crate) command: Box<Command>,
    pub(crate) prints: Prints,
    /// Fields whose values are new in each run, whatever is in between.
    pub(crate) varying: &'static [&'static str],
    pub(crate) again: Again,
}

/// The program and its arguments that make the call `safe`, `held` or `parked`.
type Command = dyn Fn(&str) -> Vec<String>;

/// How a client comes to repeat a call that was parked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Again {
    /// The program is started again.
    InANewRun,
    /// What it has opened would be another's after a new start: it waits for the review, and prints two lines.
    InTheSameRun,
}

/// How to read what a client prints.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Prints {
    /// A script of ours says it in JSON.
    Json,
    /// A program for people, that waits by itself for this long.
    Text { timeout: &'static str },
}

/// A request as it arrived at the origin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Arrival {
    pub(crate) method: String,
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) version: String,
    pub(crate) fields: Vec<(String, String)>,
    /// Its text; of a long or a binary one the beginning and the hash.
    pub(crate) body: String,
}

/// What came of a call, as its caller sees it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Outcome {
    pub(crate) version: Vec<String>,
    pub(crate) timeout: String,
    answer: Value,
    /// The name of what was raised, if anything was.
    pub(crate) raised: Option<String>,
    /// What it says.
    pub(crate) error: String,
    /// What the answer's body says to who looks at it.
    pub(crate) body: Option<String>,
}

pub(crate) async fn whole_story(scene: &Scene, client: &Client) {
    unchanged(scene, client).await;
    released(scene, client).await;
    let denied = denied(scene, client).await;
    let parked = parked(scene, client).await;
    table::check(client.name, &parked, &denied);
}

async fn unchanged(scene: &Scene, client: &Client) {
    let command = (client.command)("safe");
    let before = scene.arrivals().len();
    let direct = client.read(&scene.client_without(&command).await);
    let expected = scene.arrivals().split_off(before);
    let through = client.read(&scene.client(&command).await);
    let arrived = scene.arrivals().split_off(before + expected.len());
    for (way, outcome) in [("past", &direct), ("through", &through)] {
        assert!(outcome.raised.is_none(), "{way} Holdpoint: {outcome:?}");
    }
    assert!(!expected.is_empty() && through.answer == direct.answer, "{direct:?}\n{through:?}");
    let comparable = |arrivals: &[Arrival]| -> Vec<Arrival> {
        let mut all: Vec<_> = arrivals.iter().map(|arrival| arrival.comparable(client.varying)).collect();
        all.sort(); // some clients send two things at once
        all
    };
    let (expected, arrived) = (comparable(&expected), comparable(&arrived));
    for (n, (expected, arrived)) in expected.iter().zip(&arrived).enumerate() {
        assert_eq!(arrived, expected, "request {n} of the safe call");
    }
    assert_eq!(arrived.len(), expected.len());
}

async fn released(scene: &Scene, client: &Client) {
    let (output, hold) = scene.approved(&(client.command)("held")).await;
    let outcome = client.read(&output);
    assert!(outcome.raised.is_none(), "{outcome:?}");
    assert_eq!(scene.count("held"), 1, "it arrived once");
    assert_eq!(scene.alice.hold(hold["id"].as_str().expect("an id")).await["requests"], 1);
}

async fn denied(scene: &Scene, client: &Client) -> Outcome {
    let outcome = client.read(&scene.denied(&(client.command)("held")).await);
    assert!(outcome.raised.is_some() && outcome.says(REASON), "{outcome:?}");
    assert_eq!(scene.count("held"), 1, "nothing more arrived");
    outcome
}

async fn parked(scene: &Scene, client: &Client) -> Outcome {
    let command = (client.command)("parked");
    let (outcome, again, hold) = match client.again {
        Again::InANewRun => {
            let outcome = client.read(&scene.client(&command).await);
            let hold = left(scene).await;
            (outcome, client.read(&scene.client(&command).await), hold)
        }
        Again::InTheSameRun => {
            let (output, hold) = tokio::join!(scene.client(&command), left(scene));
            let lines: Vec<&[u8]> = output.stdout.split_inclusive(|b| *b == b'\n').collect();
            let part = |stdout: &[u8]| Output { stdout: stdout.to_owned(), ..output.clone() };
            assert_eq!(lines.len(), 2, "{}", shown(&output));
            (client.read(&part(lines[0])), client.read(&part(lines[1])), hold)
        }
    };
    assert!(outcome.raised.is_some() && outcome.says("Nothing was sent"), "{outcome:?}");
    assert!(again.raised.is_none(), "{again:?}");
    assert_eq!(scene.count("parked"), 1, "it arrived once");
    assert_eq!(scene.alice.hold(hold["id"].as_str().expect("an id")).await["state"], "released");
    outcome
}

/// Approves a call that nobody waits for any more.
async fn left(scene: &Scene) -> Value {
    let hold = scene.alice.wait_pending().await;
    let id = hold["id"].as_str().expect("an id");
    // The end of a connection is no event of the ledger.
    let gone = async {
        while scene.alice.hold(id).await["waiting"].as_u64().expect("how many wait") > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of patience", gone).await;
    let hold = scene.alice.hold(id).await;
    assert_eq!(
        (&hold["state"], &hold["requests"]),
        (&json!("pending"), &json!(1)),
        "it does not try again by itself"
    );
    assert_eq!(scene.count("parked"), 0, "nothing arrived");
    assert_eq!(scene.alice.approve(&hold).await.status, 200);
    hold
}

impl Client {
    fn read(&self, output: &Output) -> Outcome {
        match self.prints {
            Prints::Json => {
                assert!(output.status.success(), "the script failed: {}", shown(output));
                let line = String::from_utf8_lossy(&output.stdout);
                let line = line.lines().last().unwrap_or_default();
                serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {}", shown(output)))
            }
            Prints::Text { timeout } => Outcome {
                timeout: timeout.to_owned(),
                answer: answered(&output.stdout).into(),
                raised: output
                    .status
                    .code()
                    .filter(|code| *code != 0)
                    .map(|code| format!("exit code {code}")),
                error: shown(output),
                ..Outcome::default()
            },
        }
    }
}

/// What a command line prints, but for progress, which a fast machine does not see.
fn answered(stdout: &[u8]) -> String {
    let text = String::from_utf8_lossy(stdout);
    text.lines().filter(|line| !line.starts_with("Uploading LFS objects")).collect::<Vec<_>>().join("\n")
}

impl Outcome {
    fn says(&self, text: &str) -> bool {
        self.error.contains(text) || self.body.as_ref().is_some_and(|body| body.contains(text))
    }
}

impl Scene {
    /// How many requests arrived that are this call.
    fn count(&self, call: &str) -> usize {
        self.arrivals().iter().filter(|arrival| arrival.is(call)).count()
    }
}

impl Arrival {
    /// `held` and `parked` stand in the target or the body of the request that is that call, and in no other but
    /// messages that follow it.
    fn is(&self, call: &str) -> bool {
        self.method != "message"
            && format!("{} {} {}", self.method, self.target, self.body).to_lowercase().contains(call)
    }

    /// Without what belongs to one hop or one run.
    fn comparable(&self, varying: &[&str]) -> Self {
        let mut fields: Vec<(String, String)> =
            self.fields.iter().filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str())).cloned().collect();
        for (name, value) in &mut fields {
            if varying.contains(&name.as_str()) {
                *value = "(new each time)".to_owned();
            }
        }
        fields.sort();
        let upload = regex::Regex::new("uploadId=[^&]*").expect("an expression");
        let target = upload.replace(&self.target, "uploadId=").into_owned();
        let comparable = Self { target, fields, ..self.clone() };
        let kind = self.fields.iter().find(|(name, _)| name == "content-type");
        match kind.and_then(|(_, kind)| kind.split_once("boundary=")) {
            Some((_, boundary)) => comparable.without(boundary),
            None => comparable,
        }
    }

    fn without(mut self, boundary: &str) -> Self {
        let texts = self.fields.iter_mut().map(|(_, value)| value).chain([&mut self.body]);
        texts.for_each(|text| *text = text.replace(boundary, "(a boundary)"));
        self
    }
}

impl From<&Seen> for Arrival {
    fn from(seen: &Seen) -> Self {
        let body = match std::str::from_utf8(&seen.body) {
            Ok(text) if text.len() < 2000 => text.to_owned(),
            _ => {
                let begin = String::from_utf8_lossy(seen.body.get(..200).unwrap_or(&seen.body)).into_owned();
                format!("{begin} sha256:{}", sha256_hex(&seen.body))
            }
        };
        assert!(seen.complete, "{seen:?}");
        let host = std::iter::once(("host".to_owned(), seen.host.clone()));
        Self {
            method: seen.method.to_string(),
            target: seen.target.clone(),
            version: format!("{:?}", seen.version),
            fields: host.chain(seen.fields.iter().filter(|(name, _)| name != "host").cloned()).collect(),
            body,
        }
    }
}

/// What `Expect` asks for is given by whoever is next.
const HOP_BY_HOP: [&str; 4] = ["connection", "expect", "keep-alive", "proxy-connection"];
