//! `POST /teams/messages`: activities of the Azure Bot.

use super::Bot;
use super::activity::{Activity, without_message};
use super::card::Banner;
use super::{card, who};
use crate::store::{ConversationRow, StoreError};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn receive(State(bot): State<Arc<Bot>>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(_place) = bot.callers.try_acquire() else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    let activity = match bot.gate.admit(&headers, &body).await {
        Ok(activity) => activity,
        Err(denied) => {
            tracing::info!(reason = %denied, "a call to the Teams endpoint was refused");
            return denied.status().into_response();
        }
    };
    match bot.take(&activity).await {
        Ok(Some(answer)) => Json(answer).into_response(),
        Ok(None) => StatusCode::OK.into_response(),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an activity of Teams could not be dealt with"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Bot {
    async fn take(&self, activity: &Activity) -> Result<Option<Value>, StoreError> {
        if let Some(pressed) = activity.pressed()
            && ((activity.kind == "invoke" && activity.name == "adaptiveCard/action")
                || activity.kind == "message")
        {
            let answer = self.click(activity, &pressed).await?;
            if activity.kind == "invoke" {
                return Ok(Some(answer.invoke()));
            }
            // An old client: the card is brought up to date for all; only what is for them alone is said apart.
            if let Some(banner) = answer.banner() {
                self.whisper(activity, &banner).await;
            }
            return Ok(None);
        }
        if !self.is_of_our_tenants(activity) {
            tracing::info!("an activity of a tenant that is not allowed was left alone");
            let refused = json!({ "statusCode": 403, "type": ERROR_TYPE,
                "value": { "code": "Forbidden", "message": who::Stranger::Tenant.to_string() } });
            return Ok((activity.kind == "invoke").then_some(refused));
        }
        match activity.kind.as_str() {
            "installationUpdate" if activity.action.starts_with("remove") => {
                self.store.drop_conversation(without_message(&activity.conversation.id)).await?;
            }
            "conversationUpdate" if self.was_removed(activity) => {
                self.store.drop_conversation(without_message(&activity.conversation.id)).await?;
            }
            "installationUpdate" | "conversationUpdate" => self.note(activity).await?,
            "message" => {
                self.note(activity).await?;
                self.whisper(activity, &self.help()).await;
            }
            "invoke" => {
                let unknown = json!({ "statusCode": 400, "type": ERROR_TYPE,
                    "value": { "code": "BadRequest", "message": "Holdpoint knows no such action." } });
                return Ok(Some(unknown));
            }
            _ => {}
        }
        Ok(None)
    }

    fn was_removed(&self, activity: &Activity) -> bool {
        let own = format!("28:{}", self.settings.app_id);
        activity.members_removed.iter().any(|member| member.id.eq_ignore_ascii_case(&own))
    }

    /// Keeps where the conversation is: to post there, or to speak to one person.
    pub(super) async fn note(&self, activity: &Activity) -> Result<(), StoreError> {
        let conversation = &activity.conversation;
        let Some(tenant) = activity.tenant().filter(|_| !conversation.id.is_empty()) else { return Ok(()) };
        let personal = conversation.conversation_type == "personal";
        let data = &activity.channel_data;
        let names = [&data.team.name, &data.channel.name, &conversation.name];
        let names: Vec<&str> =
            names.into_iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let row = ConversationRow {
            id: without_message(&conversation.id).chars().take(ID_MAX).collect(),
            tenant,
            kind: conversation.conversation_type.chars().take(KIND_MAX).collect(),
            service: activity.service_url.clone(),
            name: names.join(" / ").chars().take(NAME_MAX).collect(),
            account: (personal && activity.from.aad_object_id.is_some())
                .then(|| who::claimed(activity).account),
        };
        self.store.keep_conversation(row).await
    }

    fn help(&self) -> Banner {
        Banner {
            text: "Holdpoint posts cards here when an AI agent wants to do something that a person must decide on. \
                   Decide on the card, or in the inbox. Nothing that you write to me decides anything."
                .to_owned(),
            link: Some(("Open the inbox", self.chat.inbox())),
        }
    }

    /// Says something to whoever sent the activity, in the conversation with them alone. Failing is not serious.
    async fn whisper(&self, activity: &Activity, banner: &Banner) {
        let said = async {
            let service = &activity.service_url;
            let conversation = if activity.conversation.conversation_type == "personal" {
                activity.conversation.id.clone()
            } else {
                let tenant = activity.tenant().unwrap_or_default();
                self.connector.open(service, &tenant, &activity.from.id).await?
            };
            let message = card::activity(&card::note(banner), "Holdpoint");
            self.connector.post(service, &conversation, &message).await
        };
        if let Err(error) = said.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "an answer in Teams could not be sent");
        }
    }
}

pub(super) const ERROR_TYPE: &str = "application/vnd.microsoft.error";
const ID_MAX: usize = 300;
const KIND_MAX: usize = 20;
const NAME_MAX: usize = 120;
