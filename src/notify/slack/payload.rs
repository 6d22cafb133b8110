//! What Slack tells us that somebody did: read, and nothing of it believed but what it is.
//!
//! The same JSON comes over a socket and over HTTP (`payload=` of a form). Bytes from outside: whatever they are,
//! reading them gives a [`Deed`] or nothing.

use serde::Deserialize;

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Pressed a button of a message.
    Press { who: Clicker, place: Place, action: String, value: String, trigger: String },
    /// Sent a modal of ours in.
    Submit { who: Clicker, callback: String, meta: String, reason: Option<String> },
}

/// Who did it, as the payload says: to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clicker {
    pub id: String,
    /// The workspace where it was done; `None` for an app that is installed for an organisation.
    pub team: Option<String>,
    /// The organisation.
    pub enterprise: Option<String>,
    /// The workspace that the user is of.
    pub home: Option<String>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub conversation: String,
    pub ts: String,
}

impl Place {
    /// As cards are kept: `["C0123","1700000000.000100"]`.
    pub fn key(&self) -> String {
        serde_json::json!([self.conversation, self.ts]).to_string()
    }

    pub fn of_key(key: &str) -> Option<Self> {
        let (conversation, ts) = serde_json::from_str(key).ok()?;
        Some(Self { conversation, ts })
    }
}

/// What travels with a modal, and comes back with its answer: the button and the message that it belongs to.
pub fn meta(button: &str, place: &Place) -> String {
    serde_json::json!([button, place.conversation, place.ts]).to_string()
}

/// The button and the message of [`meta`].
pub fn of_meta(meta: &str) -> Option<(String, Place)> {
    let (button, conversation, ts) = serde_json::from_str(meta).ok()?;
    Some((button, Place { conversation, ts }))
}

/// Reads a payload. `None`: nothing that we act on.
pub fn read(payload: &[u8]) -> Option<Deed> {
    let Payload { kind, user, team, enterprise, container, actions, trigger_id, view } =
        serde_json::from_slice(payload).ok()?;
    let user = user?;
    let team_of = |part: Option<Named>| part.map(|part| part.id).filter(|id| !id.is_empty());
    let who = Clicker {
        id: user.id,
        team: team_of(team),
        enterprise: team_of(enterprise),
        home: user.team_id.filter(|id| !id.is_empty()),
    };
    match kind.as_str() {
        "block_actions" => {
            let container = container?;
            let place = Place { conversation: container.channel_id?, ts: container.message_ts? };
            let [Action { action_id, value }] = <[Action; 1]>::try_from(actions).ok()?;
            let (value, trigger) = (value.unwrap_or_default(), trigger_id.unwrap_or_default());
            Some(Deed::Press { who, place, action: action_id, value, trigger })
        }
        "view_submission" => {
            let View { callback_id, private_metadata, state } = view?;
            let reason = state.and_then(|state| {
                let asked = state.pointer("/values/reason/reason/value")?.as_str()?.trim();
                (!asked.is_empty()).then(|| asked.to_owned())
            });
            Some(Deed::Submit { who, callback: callback_id, meta: private_metadata, reason })
        }
        _ => None,
    }
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: Option<PayloadUser>,
    team: Option<Named>,
    enterprise: Option<Named>,
    container: Option<Container>,
    #[serde(default)]
    actions: Vec<Action>,
    trigger_id: Option<String>,
    view: Option<View>,
}

#[derive(Deserialize)]
struct PayloadUser {
    id: String,
    team_id: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Container {
    channel_id: Option<String>,
    message_ts: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct View {
    #[serde(default)]
    callback_id: String,
    #[serde(default)]
    private_metadata: String,
    state: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn press() -> serde_json::Value {
        json!({
            "type": "block_actions", "user": { "id": "U1", "team_id": "T1", "name": "ann" },
            "team": { "id": "T1", "domain": "acme" }, "enterprise": null, "trigger_id": "1.2.3",
            "container": { "type": "message", "channel_id": "C1", "message_ts": "17.1" },
            "actions": [{ "action_id": "approve", "block_id": "x", "value": "hpb_1", "type": "button" }],
        })
    }

    #[test]
    fn a_press_is_read() {
        let Some(Deed::Press { who, place, action, value, trigger }) = read(press().to_string().as_bytes())
        else {
            panic!("a press")
        };
        assert_eq!(
            (who.id.as_str(), who.team.as_deref(), who.home.as_deref()),
            ("U1", Some("T1"), Some("T1"))
        );
        assert_eq!((action.as_str(), value.as_str(), trigger.as_str()), ("approve", "hpb_1", "1.2.3"));
        assert_eq!(place.key(), r#"["C1","17.1"]"#);
        assert_eq!(Place::of_key(&place.key()), Some(place));
    }

    #[test]
    fn what_lacks_something_is_nothing() {
        for key in ["type", "user", "container", "actions"] {
            let mut payload = press();
            payload.as_object_mut().unwrap().remove(key);
            assert_eq!(read(payload.to_string().as_bytes()), None, "{key}");
        }
        let mut two = press();
        two["actions"] = json!([two["actions"][0], two["actions"][0]]);
        assert_eq!(read(two.to_string().as_bytes()), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (read(&bytes), of_meta(&String::from_utf8_lossy(&bytes)));
        }

        #[test]
        fn what_travels_with_a_modal_comes_back(button in ".*", conversation in ".*", ts in ".*") {
            let place = Place { conversation, ts };
            prop_assert_eq!(of_meta(&meta(&button, &place)), Some((button, place)));
        }
    }
}
