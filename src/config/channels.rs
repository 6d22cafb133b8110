//! `channels`: `NAME: { slack: C0123 }`, `{ teams: "19:…" }`, or `{ workflow: URL or { file: PATH } }`.

use super::read::{Field, Reader};
use super::tree::{Node, Value};
use crate::routing::{Channels, Place};
use secrecy::{ExposeSecret as _, SecretString};
use std::path::Path;

pub(super) fn channels(reader: &mut Reader, base: &Path) -> Channels {
    let expected = "a map from names to `{ slack: C… }`, `{ teams: \"19:…\" }` or `{ workflow: URL }`";
    let read = reader.take("channels", |field, node| {
        field.map(node, expected, |field, name, key, value| {
            let place = place(field, value, base);
            if !is_name(name) {
                return field.wrong(key, NAME);
            }
            Some((name.to_owned(), place?))
        })
    });
    read.unwrap_or_default().into_iter().collect()
}

fn place(field: &mut Field, node: &Node, base: &Path) -> Option<Place> {
    let mut entries = field.object(node, &["slack", "teams", "workflow"])?;
    let (slack, teams, workflow) = (entries.take("slack"), entries.take("teams"), entries.take("workflow"));
    match (slack, teams, workflow) {
        (Some(id), None, None) => {
            field.parsed(id, "the id of a Slack conversation, such as `C0123ABCDEF`", |text| {
                let sound =
                    text.starts_with(['C', 'G', 'D']) && text.chars().all(|c| c.is_ascii_alphanumeric());
                (sound && text.len() >= 2).then(|| Place::Slack(text.to_owned()))
            })
        }
        (None, Some(id), None) => {
            field.parsed(id, "the id of a Teams conversation, such as `19:…@thread.tacv2`", |text| {
                let sound = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
                sound.then(|| Place::Teams(text.to_owned()))
            })
        }
        (None, None, Some(url)) => workflow_url(field, url, base).map(Place::Workflow),
        _ => field.wrong(node, "one of `slack`, `teams` and `workflow`"),
    }
}

fn workflow_url(field: &mut Field, node: &Node, base: &Path) -> Option<SecretString> {
    if !matches!(node.value, Value::Map(_)) {
        field.remote(node)?;
    }
    let secret = field.secret(node, base)?;
    let sound = url::Url::parse(secret.expose_secret()).is_ok_and(|url| crate::outbound::is_safe(&url));
    if sound { Some(secret) } else { field.wrong(node, "a URL with https, or a file with one in it") }
}

/// Names stand in command lines and addresses of pages.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

pub(super) const NAME: &str = "a name: a letter or digit and then up to 62 letters, digits and `._-`";
