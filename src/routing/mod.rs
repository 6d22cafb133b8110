//! Who is told of a hold, where, and when.
//!
//! Nothing here decides a hold or weakens who may: a route only says who hears of it. Pure but for
//! [`OnCall`]: times are arguments.
//!
//! The first route that covers a hold is the one. Where none does, all channels are told: a hole in the routes must
//! not be a hold that nobody hears of.

mod channel;
mod oncall;
mod rotation;
mod schedule;

pub use channel::{Channels, Place};
pub use oncall::{Called, OnCall, Source, Sources};
pub use rotation::{Rotation, Turn};
pub use schedule::Schedule;

use crate::role::{Names, Scope};
use crate::ruling::{Grounds, Risk};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// Which holds, and who hears of them.
#[derive(Debug, Clone)]
pub struct Route {
    /// For people: `payments`, or its number.
    pub name: String,
    pub scope: Scope,
    /// At least.
    pub risk: Risk,
    /// The agent's label `environment`.
    pub environment: Names,
    /// The route counts only within these hours.
    pub during: Option<Schedule>,
    pub notify: Vec<String>,
    pub call: Call,
    pub escalate: Vec<Step>,
    pub quiet: Option<Quiet>,
    /// The agent's owners hear how it ended.
    pub tell_owner: bool,
}

/// What happens when a hold is still pending some time after it was first told of.
#[derive(Debug, Clone)]
pub struct Step {
    pub after: Duration,
    pub notify: Vec<String>,
    pub call: Call,
}

/// Hours in which less urgent holds disturb nobody.
#[derive(Debug, Clone)]
pub struct Quiet {
    pub during: Schedule,
    /// Holds of this risk and above are told of all the same.
    pub below: Risk,
    /// Who is told at once instead. Empty: told when the hours end.
    pub instead: Vec<String>,
}

/// Whom a message calls on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// Groups of the identity provider, or whatever the chat calls so: shown, never compared.
    pub groups: Vec<String>,
    /// Rotations, by name: who is on call is looked up when the message is sent.
    pub on_call: Vec<String>,
}

impl Call {
    pub const fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.on_call.is_empty()
    }
}

/// One message of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub channel: String,
    pub at: Timestamp,
    /// 0 at first, then the steps of escalation. Those are skipped when the hold is decided by then.
    pub step: u32,
    /// The channel has the card already: a sentence that calls, not a card.
    pub again: bool,
    pub call: Call,
}

/// All routes.
#[derive(Debug, Clone, Default)]
pub struct Routing {
    channels: Channels,
    routes: Vec<Route>,
}

impl Routing {
    pub const fn new(channels: Channels, routes: Vec<Route>) -> Self {
        Self { channels, routes }
    }

    /// Nobody is ever told.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// The route of a hold that was made at `at`; `None`: all channels are told.
    pub fn route(
        &self,
        grounds: &Grounds,
        agent: &str,
        environment: Option<&str>,
        at: Timestamp,
    ) -> Option<&Route> {
        self.routes.iter().find(|route| route.covers(grounds, agent, environment, at))
    }

    /// Who is told of a hold that was made at `at`, in order of time.
    pub fn plan(
        &self,
        grounds: &Grounds,
        agent: &str,
        environment: Option<&str>,
        at: Timestamp,
    ) -> Vec<Told> {
        match self.route(grounds, agent, environment, at) {
            Some(route) => route.plan(grounds.risk, at),
            None => {
                let first = |channel: &String| Told::first(channel, at, &Call::default());
                self.channels.keys().map(first).collect()
            }
        }
    }

    /// Whether the agent's owners hear how it ended.
    pub fn tells_owner(
        &self,
        grounds: &Grounds,
        agent: &str,
        environment: Option<&str>,
        at: Timestamp,
    ) -> bool {
        self.route(grounds, agent, environment, at).is_some_and(|route| route.tell_owner)
    }

    /// A channel through whose chat service an account is reached.
    pub fn channel_for_account(&self, account: &str) -> Option<&str> {
        self.channels.iter().find(|(_, place)| place.reaches(account)).map(|(name, _)| name.as_str())
    }
}

impl Route {
    fn covers(&self, grounds: &Grounds, agent: &str, environment: Option<&str>, at: Timestamp) -> bool {
        let environment: Vec<String> = environment.into_iter().map(str::to_owned).collect();
        grounds.risk >= self.risk
            && self.scope.covers(grounds, agent)
            && self.environment.has_any(&environment)
            && self.during.as_ref().is_none_or(|during| during.has(at))
    }

    fn plan(&self, risk: Risk, at: Timestamp) -> Vec<Told> {
        let (channels, begins) = self.begin(risk, at);
        let mut told: Vec<Told> =
            channels.iter().map(|channel| Told::first(channel, begins, &self.call)).collect();
        let mut known: BTreeSet<&String> = channels.iter().collect();
        for (number, step) in (1..).zip(&self.escalate) {
            let Ok(at) = begins.checked_add(step.after) else { continue };
            // A step that names no channel calls where the card is.
            let channels = if step.notify.is_empty() { channels } else { &step.notify };
            for channel in channels {
                let again = !known.insert(channel);
                told.push(Told {
                    channel: channel.clone(),
                    at,
                    step: number,
                    again,
                    call: step.call.clone(),
                });
            }
        }
        told.sort_by_key(|told| (told.at, told.step));
        told
    }

    /// Who is told first, and when.
    fn begin(&self, risk: Risk, at: Timestamp) -> (&[String], Timestamp) {
        match self.quiet.as_ref().filter(|quiet| risk < quiet.below && quiet.during.has(at)) {
            None => (&self.notify, at),
            Some(quiet) if !quiet.instead.is_empty() => (&quiet.instead, at),
            // Hours that never end would keep it from everybody for ever.
            Some(quiet) => (&self.notify, quiet.during.end(at).unwrap_or(at)),
        }
    }
}

impl Told {
    fn first(channel: &str, at: Timestamp, call: &Call) -> Self {
        Self { channel: channel.to_owned(), at, step: 0, again: false, call: call.clone() }
    }
}

#[cfg(test)]
mod tests;
