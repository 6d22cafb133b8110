//! What a ledger row leads to: cards and notices by the routes, events for webhooks.

use super::{Kind, Parts};
use crate::audit::{EventKind, Row};
use crate::hold::{Hold, HoldId};
use crate::person::Person;
use crate::routing::Told;
use crate::store::{Entry, Store, StoreError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What these rows lead to, in their order.
pub(super) async fn entries(store: &Store, parts: &Parts, rows: &[Row]) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    let mut changed: BTreeMap<HoldId, i64> = BTreeMap::new();
    let disabled = match parts.subscriptions.is_empty() {
        true => Vec::new(),
        false => store.disabled_webhooks().await?,
    };
    for row in rows {
        for subscription in &parts.subscriptions {
            let name = &subscription.name;
            let off = disabled.iter().any(|(off, _)| off == name);
            if !off && !is_own_failure(row, name) && subscription.events.has(&row.event.event.name()) {
                entries.push(event(row, name, &parts.source));
            }
        }
        if parts.routing.is_empty() {
            continue;
        }
        let Some(id) = hold_of(row) else { continue };
        if row.event.event == EventKind::HoldCreated {
            if let Some(hold) = hold(store, &id).await? {
                let labels = store.labels(hold.agent_id).await?;
                let environment = labels.get(ENVIRONMENT).map(String::as_str);
                let told = parts.routing.plan(&hold.grounds, &hold.agent, environment, row.event.at);
                entries.extend(told.into_iter().flat_map(|told| posts(row.seq, &hold, told)));
            }
            continue;
        }
        changed.insert(id.clone(), row.seq);
        if let Some(sentence) = outcome(row)
            && let Some(hold) = hold(store, &id).await?
        {
            entries.extend(owner_notices(store, parts, row, &hold, sentence).await?);
        }
    }
    entries.extend(changed.into_iter().map(|(hold, seq)| Entry::Refresh { hold, seq }));
    Ok(entries)
}

/// The hold that a row changes.
fn hold_of(row: &Row) -> Option<HoldId> {
    let concerns = matches!(
        row.event.event,
        EventKind::HoldCreated
            | EventKind::HoldJoined
            | EventKind::HoldVoted
            | EventKind::HoldApproved
            | EventKind::HoldDenied
            | EventKind::HoldExpired
            | EventKind::HoldWithdrawn
            | EventKind::HoldReleased
            | EventKind::HoldAnswered
            | EventKind::HoldAmbiguous
    );
    row.event.subject.as_deref().filter(|_| concerns)?.parse().ok()
}

/// A hold that cannot be read is nobody's to be told of; the inbox says why.
async fn hold(store: &Store, id: &HoldId) -> Result<Option<Hold>, StoreError> {
    match store.hold(id).await {
        Err(StoreError::Damaged(what)) => {
            tracing::error!(hold = %id, "nobody is told: {what} was changed outside Holdpoint");
            Ok(None)
        }
        found => found,
    }
}

/// A card, and a sentence that calls on whom the route names. A channel that has the card gets the sentence alone.
fn posts(seq: i64, hold: &Hold, told: Told) -> Vec<Entry> {
    let Told { channel, at, step, again, call } = told;
    let post = |kind, body, while_pending| Entry::Post {
        channel: channel.clone(),
        kind,
        seq,
        step,
        hold: Some(hold.id.clone()),
        body,
        at,
        while_pending,
    };
    let mut entries = Vec::with_capacity(2);
    if !again {
        let body = match call.is_empty() {
            true => json!({}),
            false => json!({ "groups": call.groups, "on_call": call.on_call }),
        };
        entries.push(post(Kind::Card, body, step > 0));
    }
    if again || !call.is_empty() {
        let waited = crate::units::duration_text(whole_seconds(at, hold));
        let text = match step {
            0 => format!("{} waits for a decision.", hold.id),
            _ => format!("{} still waits for a decision, after {waited}.", hold.id),
        };
        let body = json!({ "text": text, "person": null, "groups": call.groups, "on_call": call.on_call });
        entries.push(post(Kind::Notice, body, true));
    }
    entries
}

fn whole_seconds(at: jiff::Timestamp, hold: &Hold) -> std::time::Duration {
    let seconds = at.duration_since(hold.created_at).as_secs();
    std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// How it ended, when that is something to tell the agent's owner.
fn outcome(row: &Row) -> Option<String> {
    let detail = |key: &str| row.event.detail.get(key);
    let reason = detail("reason").and_then(Value::as_str).map(|reason| format!(": {reason}"));
    Some(match row.event.event {
        EventKind::HoldDenied => format!("was denied{}", reason.unwrap_or_default()),
        EventKind::HoldExpired => "expired: nobody decided in time, or the approval was not used".to_owned(),
        EventKind::HoldWithdrawn => "was withdrawn: the agent was revoked".to_owned(),
        EventKind::HoldAnswered => {
            let status = detail("status").map(Value::to_string).unwrap_or_default();
            format!("was approved and sent; the service answered {status}")
        }
        EventKind::HoldAmbiguous => {
            "was approved and sent, but it is not known whether it arrived".to_owned()
        }
        _ => return None,
    })
}

/// To each owner who has linked a chat account, through a channel of that chat service.
async fn owner_notices(
    store: &Store,
    parts: &Parts,
    row: &Row,
    hold: &Hold,
    sentence: String,
) -> Result<Vec<Entry>, StoreError> {
    let labels = store.labels(hold.agent_id).await?;
    let environment = labels.get(ENVIRONMENT).map(String::as_str);
    if !parts.routing.tells_owner(&hold.grounds, &hold.agent, environment, hold.created_at) {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    for (at, owner) in hold.owners.iter().enumerate() {
        let accounts = store.accounts_of(owner).await?;
        let channel = accounts.iter().find_map(|linked| parts.routing.channel_for_account(&linked.account));
        let Some(channel) = channel else { continue };
        entries.push(Entry::Post {
            channel: channel.to_owned(),
            kind: Kind::Notice,
            seq: row.seq,
            step: u32::try_from(at).unwrap_or(u32::MAX),
            hold: Some(hold.id.clone()),
            body: notice(hold, &sentence, owner),
            at: row.event.at,
            while_pending: false,
        });
    }
    Ok(entries)
}

fn notice(hold: &Hold, sentence: &str, person: &Person) -> Value {
    let what = crate::redact::visible(&hold.grounds.summary);
    let agent = crate::redact::visible(&hold.agent);
    json!({ "text": format!("{} of your agent {agent} {sentence}. ({what})", hold.id), "person": person })
}

/// A ledger row as a CloudEvent (CloudEvents 1.0, structured mode). Its id names the row for good: the receiver
/// may take what comes again for done.
fn event(row: &Row, webhook: &str, source: &str) -> Entry {
    let hash: String = row.hash.chars().take(16).collect();
    let event = &row.event;
    let body = json!({
        "specversion": "1.0",
        "id": format!("{}-{hash}", row.seq),
        "source": source,
        "type": format!("{TYPE_PREFIX}{}", event.event.name()),
        "subject": event.subject,
        "time": event.at,
        "datacontenttype": "application/json",
        "data": {
            "seq": row.seq,
            "event": event.event.name(),
            "actor": event.actor,
            "subject": event.subject,
            "detail": event.detail,
            "hash": row.hash,
        },
    });
    Entry::Post {
        channel: webhook.to_owned(),
        kind: Kind::Event,
        seq: row.seq,
        step: 0,
        hold: event.subject.as_deref().and_then(|subject| subject.parse().ok()),
        body,
        at: event.at,
        while_pending: false,
    }
}

/// That a webhook failed is not told to that webhook; and that such news failed is told to nobody, or two dead
/// webhooks would report each other for ever.
fn is_own_failure(row: &Row, webhook: &str) -> bool {
    let says = |key: &str| row.event.detail.get(key).and_then(Value::as_str).unwrap_or_default();
    let news =
        |about: &str| matches!(about.strip_prefix(TYPE_PREFIX), Some("delivery.failed" | "webhook.disabled"));
    match row.event.event {
        EventKind::DeliveryFailed => says("channel") == webhook || news(says("about")),
        EventKind::WebhookDisabled | EventKind::WebhookEnabled => {
            row.event.subject.as_deref() == Some(webhook)
        }
        _ => false,
    }
}

/// The agent's label that says where it works.
pub(super) const ENVIRONMENT: &str = "environment";
const TYPE_PREFIX: &str = "holdpoint.";
