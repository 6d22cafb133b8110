//! Socket Mode: we call Slack and keep the line open, so that no port of ours must be.
//! <https://docs.slack.dev/apis/events-api/using-socket-mode>
//!
//! Slack sends each click to one of an app's sockets, any of them. Sockets die silently in the field, so a line from
//! which nothing comes for a while counts as dead, whatever TCP says; and Slack closes them all now and then, after a
//! warning, so the next one is open before the old one goes. Nothing is queued for who is not connected: a click then
//! shows an error in Slack, and the card's link to the review works all the same.

use super::payload::{self, Deed};
use super::{Slack, said};
use crate::outbound::Wire;
use aws_lc_rs::rand;
use futures_util::{SinkExt as _, StreamExt as _};
use secrecy::SecretString;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

pub(super) type Stream = WebSocketStream<Box<dyn Wire>>;

/// A line that Slack has greeted. Counted while it lives.
struct Line {
    stream: Stream,
    slack: Arc<Slack>,
    silence: Duration,
    opened: Instant,
}

/// Why a line is not attended any more.
#[derive(Debug)]
enum End {
    /// Slack will close it: open the next one.
    Refresh,
    Lost(String),
}

/// What a frame says, as far as we care.
#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    envelope_id: Option<String>,
    payload: Option<Box<serde_json::value::RawValue>>,
    reason: Option<String>,
}

impl Slack {
    /// Does it in a task of its own. False: too much is under way already.
    pub(super) fn later(self: &Arc<Self>, deed: Deed) -> bool {
        let Ok(permit) = Arc::clone(&self.clicks).try_acquire_owned() else {
            tracing::warn!("a click in Slack was not taken: too many at once");
            return false;
        };
        let slack = Arc::clone(self);
        self.tasks.spawn(async move {
            slack.act(deed).await;
            drop(permit);
        });
        true
    }
}

/// Keeps one line to Slack until the stop.
pub(super) async fn keep(slack: Arc<Slack>, token: SecretString, silence: Duration) {
    let stop = slack.stop.clone();
    let attending = async {
        let mut line = dial(&slack, &token, silence).await;
        let mut hasty = REDIAL_MIN;
        loop {
            let end = line.attend().await;
            // A line that ends as soon as it is there must not make us call without end.
            if line.opened.elapsed() < STEADY {
                tokio::time::sleep(jittered(hasty)).await;
                hasty = (hasty * 2).min(REDIAL_MAX);
            } else {
                hasty = REDIAL_MIN;
            }
            match end {
                End::Lost(why) => {
                    tracing::warn!(why, "a socket to Slack is lost");
                    drop(line);
                    line = dial(&slack, &token, silence).await;
                }
                End::Refresh => {
                    tracing::debug!("Slack will close a socket; the next one is opened first");
                    line = replace(line, &slack, &token, silence).await;
                }
            }
        }
    };
    tokio::select! {
        () = attending => {}
        () = stop.cancelled() => {}
    }
}

/// The next line, opened while the old one still serves.
async fn replace(mut old: Line, slack: &Arc<Slack>, token: &SecretString, silence: Duration) -> Line {
    let next = dial(slack, token, silence);
    tokio::pin!(next);
    let mut serves = true;
    let next = loop {
        tokio::select! {
            next = &mut next => break next,
            end = old.attend(), if serves => serves = matches!(end, End::Refresh),
        }
    };
    if serves {
        slack.tasks.spawn(old.hang_up());
    }
    next
}

/// Opens a line, however long that takes.
async fn dial(slack: &Arc<Slack>, token: &SecretString, silence: Duration) -> Line {
    let mut wait = REDIAL_MIN;
    loop {
        match Line::open(slack, token, silence).await {
            Ok(line) => return line,
            Err(why) => tracing::warn!(why, again_in = ?wait, "no socket to Slack could be opened"),
        }
        tokio::time::sleep(jittered(wait)).await;
        wait = (wait * 2).min(REDIAL_MAX);
    }
}

impl Line {
    async fn open(slack: &Arc<Slack>, token: &SecretString, silence: Duration) -> Result<Self, String> {
        // A socket of an app that is not the bot's would bring clicks on cards that are not ours.
        slack.home().await.map_err(|error| said(&error))?;
        let address = slack.api.open_socket(token).await.map_err(|error| said(&error))?;
        let mut stream = slack.api.web_socket(&address).await.map_err(|error| said(&error))?;
        let hello = async {
            while let Some(message) = stream.next().await {
                if let Message::Text(text) = message? {
                    return Ok(serde_json::from_str::<Frame>(&text).is_ok_and(|frame| frame.kind == "hello"));
                }
            }
            Ok::<_, Error>(false)
        };
        match tokio::time::timeout(HELLO_MAX, hello).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Err("Slack did not greet".to_owned()),
            Ok(Err(error)) => return Err(said(&error)),
            Err(_) => return Err(format!("Slack did not greet in {HELLO_MAX:?}")),
        }
        slack.metrics.slack_frame();
        slack.connected.send_modify(|count| *count += 1);
        slack.metrics.slack_sockets.inc();
        Ok(Self { stream, slack: Arc::clone(slack), silence, opened: Instant::now() })
    }

    /// Takes what comes until the line ends or should be replaced.
    ///
    /// # Cancel safety
    /// No frame is lost: one that was read is dealt with before the next wait. An acknowledgement may be.
    async fn attend(&mut self) -> End {
        let mut asked = false;
        loop {
            let message = match tokio::time::timeout(self.silence / 2, self.stream.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return End::Lost(said(&error)),
                Ok(None) => return End::Lost("Slack closed it".to_owned()),
                // Half the time is over. Who lives answers a ping.
                Err(_) if !asked => {
                    asked = true;
                    if let Err(error) = self.send(Message::Ping(Vec::new().into())).await {
                        return End::Lost(error);
                    }
                    continue;
                }
                Err(_) => return End::Lost(format!("nothing came for {:?}", self.silence)),
            };
            asked = false;
            self.slack.metrics.slack_frame();
            let Message::Text(text) = message else { continue };
            let Ok(frame) = serde_json::from_str::<Frame>(&text) else { continue };
            if frame.kind == "disconnect" {
                match frame.reason.as_deref() {
                    Some("link_disabled") => {
                        return End::Lost(
                            "Socket Mode is switched off for the app (`link_disabled`)".to_owned(),
                        );
                    }
                    _ => return End::Refresh, // `warning`, `refresh_requested`
                }
            }
            if let Err(error) = self.take(frame).await {
                return End::Lost(error);
            }
        }
    }

    /// Acknowledges a click, having found somebody to deal with it.
    async fn take(&mut self, frame: Frame) -> Result<(), String> {
        let Some(envelope) = frame.envelope_id else { return Ok(()) };
        let deed = frame.payload.as_ref().filter(|_| frame.kind == "interactive");
        let deed = deed.and_then(|payload| payload::read(payload.get().as_bytes()));
        let taken = deed.is_none_or(|deed| self.slack.later(deed));
        if taken {
            let answer = serde_json::json!({ "envelope_id": envelope }).to_string();
            self.send(Message::Text(answer.into())).await?;
        }
        Ok(())
    }

    async fn send(&mut self, message: Message) -> Result<(), String> {
        match tokio::time::timeout(SEND_MAX, self.stream.send(message)).await {
            Ok(sent) => sent.map_err(|error| said(&error)),
            Err(_) => Err(format!("nothing could be sent for {SEND_MAX:?}")),
        }
    }

    /// Says goodbye, and takes what is still on its way.
    async fn hang_up(mut self) {
        let closing = async {
            if self.send(Message::Close(None)).await.is_ok() {
                while !matches!(self.attend().await, End::Lost(_)) {}
            }
        };
        let _ = tokio::time::timeout(HANG_UP_MAX, closing).await;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.slack.metrics.slack_sockets.dec();
        self.slack.connected.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Says in the channels when clicks have not been heard for long, and when they are again.
pub(super) async fn watch(slack: Arc<Slack>, silence: Duration) {
    let stop = slack.stop.clone();
    let watching = async {
        let mut connected = slack.connected();
        loop {
            if connected.wait_for(|count| *count == 0).await.is_err() {
                return;
            }
            let back =
                tokio::time::timeout(silence * 2, connected.wait_for(|count| *count > 0)).await.is_ok();
            if back {
                continue;
            }
            tracing::error!("no socket to Slack for {:?}: buttons in Slack do nothing", silence * 2);
            slack.announce(DEAF).await;
            if connected.wait_for(|count| *count > 0).await.is_err() {
                return;
            }
            tracing::info!("Slack is connected again");
            slack.announce(HEARS).await;
        }
    };
    tokio::select! {
        () = watching => {}
        () = stop.cancelled() => {}
    }
}

/// Half to all of it: instances that lost Slack together do not come back together.
fn jittered(wait: Duration) -> Duration {
    let mut random = [0; 2];
    if rand::fill(&mut random).is_err() {
        return wait;
    }
    wait / 2 + wait.mul_f64(f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX) / 2.0)
}

const DEAF: &str = "Holdpoint does not hear the buttons here at the moment: they do nothing. \
                    Decide in the inbox: \"Open the review\" on each card works.";
const HEARS: &str = "Holdpoint hears the buttons here again.";
const REDIAL_MIN: Duration = Duration::from_millis(500);
const REDIAL_MAX: Duration = Duration::from_mins(1);
/// A line that lives so long was worth opening.
const STEADY: Duration = Duration::from_secs(10);
const HELLO_MAX: Duration = Duration::from_secs(10);
const SEND_MAX: Duration = Duration::from_secs(5);
const HANG_UP_MAX: Duration = Duration::from_secs(3);
