//! `webhooks`: `NAME: { url, secret: one or several, events: [globs] }`.

use super::channels::{NAME, is_name};
use super::read::{Field, Reader};
use super::tree::{Node, Value};
use crate::notify::webhook::{Secret, Settings};
use crate::role::Names;
use crate::routing::Channels;
use std::collections::BTreeMap;
use std::path::Path;

pub(super) fn webhooks(reader: &mut Reader, channels: &Channels, base: &Path) -> BTreeMap<String, Settings> {
    let expected = "a map from names to `{ url, secret, events }`";
    let read = reader.take("webhooks", |field, node| {
        field.map(node, expected, |field, name, key, value| {
            let settings = settings(field, value, base);
            if !is_name(name) {
                return field.wrong(key, NAME);
            }
            if channels.contains_key(name) {
                return field.wrong(key, "a name that no channel has: deliveries are listed by it");
            }
            Some((name.to_owned(), settings?))
        })
    });
    read.unwrap_or_default().into_iter().collect()
}

fn settings(field: &mut Field, node: &Node, base: &Path) -> Option<Settings> {
    let mut entries = field.object(node, &["url", "secret", "events"])?;
    let (url, secret, events) = (entries.take("url"), entries.take("secret"), entries.take("events"));
    let url = match url {
        Some(url) => field.remote(url),
        None => field.wrong(node, "`url`: where events are sent"),
    };
    let secrets = match secret {
        Some(secret) => secrets(field, secret, base),
        None => {
            field.wrong(node, "`secret`: `whsec_` and 24 to 64 random bytes in base64, for the signature")
        }
    };
    let events = match events {
        Some(events) => field.list(events, Field::text).and_then(|globs| {
            Names::of(&globs).ok().or_else(|| field.wrong(events, "globs of event names, such as `hold.*`"))
        }),
        None => Some(Names::default()),
    };
    Some(Settings { url: url?, secrets: secrets?, events: events? })
}

/// One, or a list while the secret is rotated: the receiver takes a signature by any of them.
fn secrets(field: &mut Field, node: &Node, base: &Path) -> Option<Vec<Secret>> {
    let one = |field: &mut Field, node: &Node| {
        let secret = field.secret(node, base)?;
        let expected = "`whsec_` and 24 to 64 random bytes in base64 (`openssl rand -base64 32`)";
        Secret::parse(&secret).or_else(|| field.wrong(node, expected))
    };
    match &node.value {
        Value::List(items) if (1..=SECRETS_MAX).contains(&items.len()) => field.list(node, one),
        Value::List(_) => field.wrong(node, "one to four secrets"),
        _ => one(field, node).map(|secret| vec![secret]),
    }
}

const SECRETS_MAX: usize = 4;
