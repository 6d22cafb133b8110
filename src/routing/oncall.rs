//! Who is on call now: by a rotation file, or by the API of the service that keeps the schedule.

use super::rotation::{Rotation, Turn};
use crate::outbound::Outbound;
use crate::person::Person;
use crate::store::Store;
use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, AUTHORIZATION};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use url::Url;

/// Where it is written who is on call.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file with a [`Rotation`], read each time.
    File(PathBuf),
    /// `GET /oncalls` of PagerDuty (REST API v2), for one schedule.
    PagerDuty { url: Url, token: SecretString, schedule: String },
    /// `GET /v2/schedules/{id}/on-calls` of Opsgenie and what speaks like it.
    Opsgenie { url: Url, token: SecretString, schedule: String },
}

/// All sources, by name.
pub type Sources = BTreeMap<String, Source>;

/// Somebody who is on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// Shown.
    pub name: String,
    /// Known here: by the file, or by the address that the service gives. For a mention, never for a right.
    pub person: Option<Person>,
    pub group: Option<String>,
}

/// Looks up who is on call.
#[derive(Debug)]
pub struct OnCall {
    sources: Sources,
    outbound: Outbound,
    /// What a service said lately.
    said: Mutex<HashMap<String, (Instant, Vec<Named>)>>,
}

/// As a service names somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    name: String,
    email: Option<String>,
}

impl OnCall {
    pub fn new(sources: Sources, outbound: Outbound) -> Self {
        Self { sources, outbound, said: Mutex::default() }
    }

    /// Who is on call now. A source that cannot be read is told of in the log, and by a name that says so: the
    /// message goes out all the same.
    pub async fn now(&self, store: &Store, names: &[String]) -> Vec<Called> {
        let mut called = Vec::new();
        for name in names {
            match self.one(store, name).await {
                Ok(found) => called.extend(found),
                Err(why) => {
                    tracing::error!(on_call = name, why, "it is not known who is on call");
                    called.push(Called {
                        name: format!("whoever is on call ({name})"),
                        person: None,
                        group: None,
                    });
                }
            }
        }
        called
    }

    async fn one(&self, store: &Store, name: &str) -> Result<Vec<Called>, String> {
        match self.sources.get(name) {
            None => Err("the configuration has no such rotation any more".to_owned()),
            Some(Source::File(path)) => {
                let path = path.clone();
                let read = move || std::fs::read_to_string(path).map_err(|error| error.to_string());
                let text = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())??;
                let rotation = Rotation::parse(&text)?;
                let turn = rotation.at(Timestamp::now()).cloned().into_iter();
                Ok(turn.map(|Turn { name, person, group }| Called { name, person, group }).collect())
            }
            Some(source) => {
                let mut called = Vec::new();
                for Named { name, email } in self.ask(name, source).await? {
                    let person = match &email {
                        Some(email) => {
                            store.person_by_email(email).await.map_err(|error| error.to_string())?
                        }
                        None => None,
                    };
                    called.push(Called { name, person, group: None });
                }
                Ok(called)
            }
        }
    }

    async fn ask(&self, name: &str, source: &Source) -> Result<Vec<Named>, String> {
        let known = self.said.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some((at, named)) = &known
            && at.elapsed() < FRESH
        {
            return Ok(named.clone());
        }
        let (request, pager_duty) = request(source).ok_or("the address cannot be called")?;
        let answer = self.outbound.send(request).await.map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("the service answered {}", answer.status.as_u16()));
        }
        let named = if pager_duty { pager_duty_says(&answer.body) } else { opsgenie_says(&answer.body) };
        let named = named.map_err(|error| format!("the service did not answer as expected: {error}"))?;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(name.to_owned(), (Instant::now(), named.clone()));
        Ok(named)
    }
}

/// The question, and whether PagerDuty is asked.
fn request(source: &Source) -> Option<(Request<Bytes>, bool)> {
    let (url, authorization, accept, pager_duty) = match source {
        Source::File(_) => return None,
        Source::PagerDuty { url, token, schedule } => {
            let mut url = at(url, &["oncalls"])?;
            url.query_pairs_mut().append_pair("schedule_ids[]", schedule).append_pair("include[]", "users");
            let authorization = format!("Token token={}", token.expose_secret());
            (url, authorization, "application/vnd.pagerduty+json;version=2", true)
        }
        Source::Opsgenie { url, token, schedule } => {
            let mut url = at(url, &["v2", "schedules", schedule, "on-calls"])?;
            url.query_pairs_mut().append_pair("scheduleIdentifierType", "name").append_pair("flat", "true");
            (url, format!("GenieKey {}", token.expose_secret()), "application/json", false)
        }
    };
    let request = Request::get(url.as_str()).header(AUTHORIZATION, authorization).header(ACCEPT, accept);
    Some((request.body(Bytes::new()).ok()?, pager_duty))
}

fn at(base: &Url, segments: &[&str]) -> Option<Url> {
    let mut url = base.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
    Some(url)
}

fn pager_duty_says(body: &[u8]) -> Result<Vec<Named>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Answer {
        oncalls: Vec<Turn>,
    }
    #[derive(Deserialize)]
    struct Turn {
        user: User,
    }
    #[derive(Deserialize)]
    struct User {
        summary: Option<String>,
        name: Option<String>,
        email: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body)?;
    let mut named: Vec<Named> = Vec::new();
    for User { summary, name, email } in answer.oncalls.into_iter().map(|turn| turn.user) {
        let name = name.or(summary).or_else(|| email.clone()).unwrap_or_default();
        let one = Named { name, email };
        // One user stands there for each escalation policy.
        if !named.contains(&one) && named.len() < CALLED_MAX {
            named.push(one);
        }
    }
    Ok(named)
}

fn opsgenie_says(body: &[u8]) -> Result<Vec<Named>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Answer {
        data: Data,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        #[serde(default)]
        on_call_recipients: Vec<String>,
    }
    let answer: Answer = serde_json::from_slice(body)?;
    let recipients = answer.data.on_call_recipients.into_iter().take(CALLED_MAX);
    Ok(recipients.map(|email| Named { name: email.clone(), email: Some(email) }).collect())
}

/// How long an answer is good for.
const FRESH: Duration = Duration::from_mins(1);
/// More people than this are not one on-call.
const CALLED_MAX: usize = 10;
