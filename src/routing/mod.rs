//! Who is told of a hold, where, and when.
//!
//! Nothing here decides a hold or weakens who may: a route only says who hears of it. Pure but for
//! [`OnCall`]: times are arguments.

mod channel;
mod oncall;

pub use channel::{Channels, Place};
pub use oncall::{Called, OnCall};

use crate::ruling::Grounds;
use jiff::Timestamp;

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
}

impl Routing {
    pub fn new(channels: Channels) -> Self {
        Self { channels }
    }

    /// Nobody is ever told.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Who is told of a hold that was made at `at`, in order of time.
    pub fn plan(
        &self,
        _grounds: &Grounds,
        _agent: &str,
        _environment: Option<&str>,
        at: Timestamp,
    ) -> Vec<Told> {
        let told = |channel: &String| Told {
            channel: channel.clone(),
            at,
            step: 0,
            again: false,
            call: Call::default(),
        };
        self.channels.keys().map(told).collect()
    }

    /// Whether the agent's owners hear how it ended.
    pub fn tells_owner(
        &self,
        _grounds: &Grounds,
        _agent: &str,
        _environment: Option<&str>,
        _at: Timestamp,
    ) -> bool {
        false
    }

    /// A channel through whose chat service an account is reached.
    pub fn channel_for_account(&self, account: &str) -> Option<&str> {
        self.channels.iter().find(|(_, place)| place.reaches(account)).map(|(name, _)| name.as_str())
    }
}
