//! What Teams sends: activities of the Bot Framework, as far as they concern us. Unknown members are skipped.

use serde::Deserialize;
use serde_json::Value;

/// An activity (`learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Activity {
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Of an invoke: `adaptiveCard/action`.
    pub(super) name: String,
    pub(super) id: String,
    pub(super) channel_id: String,
    pub(super) service_url: String,
    pub(super) from: Sender,
    pub(super) recipient: Sender,
    pub(super) conversation: Conversation,
    pub(super) channel_data: ChannelData,
    /// The message that was clicked in.
    pub(super) reply_to_id: String,
    pub(super) value: Value,
    /// Of an installation: `add`, `remove`.
    pub(super) action: String,
    pub(super) members_removed: Vec<Sender>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Sender {
    /// `29:…` for people, `28:APP` for bots: good for one bot only.
    pub(super) id: String,
    pub(super) name: String,
    /// The object id in Entra.
    pub(super) aad_object_id: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Conversation {
    /// `19:…@thread.tacv2;messageid=…`, `a:…`: has `;` and `=` in it.
    pub(super) id: String,
    pub(super) tenant_id: String,
    /// `personal`, `groupChat`, `channel`.
    pub(super) conversation_type: String,
    pub(super) name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ChannelData {
    pub(super) tenant: Named,
    pub(super) team: Named,
    pub(super) channel: Named,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) name: String,
}

/// A button that was pressed: which, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pressed {
    pub(super) button: String,
    pub(super) choice: String,
    /// All texts that came with it, by the id of their input.
    pub(super) inputs: Vec<(String, String)>,
}

impl Activity {
    /// # Errors
    /// It is no activity.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        // `null` where a text or an object could be is as good as nothing.
        let mut value: Value = serde_json::from_slice(bytes)?;
        if !value.is_object() {
            return Err(serde::de::Error::custom("no object")); // a list would do for serde
        }
        drop_nulls(&mut value);
        serde_json::from_value(value)
    }

    /// The tenant, when both places that name it agree.
    pub(super) fn tenant(&self) -> Option<String> {
        let tenant = self.channel_data.tenant.id.to_ascii_lowercase();
        (!tenant.is_empty() && tenant == self.conversation.tenant_id.to_ascii_lowercase()).then_some(tenant)
    }

    /// The button of an `Action.Execute` (an invoke), or of an `Action.Submit` (a message with a value).
    pub(super) fn pressed(&self) -> Option<Pressed> {
        let (data, verb) = if self.kind == "invoke" {
            let action = self.value.get("action")?;
            (action.get("data")?, action.get("verb").and_then(Value::as_str))
        } else {
            (&self.value, None)
        };
        let data = data.as_object()?;
        let choice = data.get("choice")?.as_str()?;
        if verb.is_some_and(|verb| verb != choice) {
            return None;
        }
        let texts = data.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Some(Pressed {
            button: data.get("button")?.as_str()?.to_owned(),
            choice: choice.to_owned(),
            inputs: texts.filter(|(name, _)| name != "button" && name != "choice").collect(),
        })
    }
}

/// The conversation without the message in it: `19:…@thread.tacv2` of `19:…@thread.tacv2;messageid=1`.
pub(super) fn without_message(conversation: &str) -> &str {
    conversation.split(';').next().unwrap_or(conversation)
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn parse(value: &Value) -> Activity {
        Activity::parse(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_click_is_read() {
        let activity = parse(&json!({
            "type": "invoke", "name": "adaptiveCard/action", "channelId": "msteams", "replyToId": "17",
            "from": { "id": "29:x", "name": "Ada", "aadObjectId": "0b1" },
            "conversation": { "id": "19:c@thread.tacv2;messageid=17", "tenantId": "T1", "name": null },
            "channelData": { "tenant": { "id": "t1" }, "team": null },
            "value": { "action": { "type": "Action.Execute", "verb": "deny",
                "data": { "button": "hpb_x", "choice": "deny", "reason-hp_1": "no" } }, "trigger": "manual" },
        }));
        assert_eq!(activity.tenant().as_deref(), Some("t1"));
        let pressed = activity.pressed().unwrap();
        assert_eq!((pressed.button.as_str(), pressed.choice.as_str()), ("hpb_x", "deny"));
        assert_eq!(pressed.inputs, [("reason-hp_1".to_owned(), "no".to_owned())]);
        assert_eq!(without_message(&activity.conversation.id), "19:c@thread.tacv2");
    }

    #[test]
    fn what_contradicts_itself_is_nothing() {
        let two = json!({ "type": "invoke", "value": { "action": { "verb": "approve",
            "data": { "button": "b", "choice": "deny" } } } });
        assert_eq!(parse(&two).pressed(), None);
        let tenants =
            json!({ "conversation": { "tenantId": "a" }, "channelData": { "tenant": { "id": "b" } } });
        assert_eq!(parse(&tenants).tenant(), None);
        assert_eq!(parse(&json!({})).tenant(), None);
    }

    proptest! {
        #[test]
        fn nothing_from_outside_panics(text in r#"[\{\}\[\]":,a-zA-Z0-9 ]{0,120}"#) {
            if let Ok(activity) = Activity::parse(text.as_bytes()) {
                let _ = (activity.tenant(), activity.pressed());
            }
        }
    }
}
