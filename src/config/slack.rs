//! Section `slack`: the app's tokens, and how its clicks come in.

use super::read::{Field, Reader};
use super::tree::Node;
use crate::notify::slack::{Inbound, Settings};
use std::path::Path;
use std::time::Duration;

/// `None`: there is no bot token, so Slack is not used.
pub(super) fn settings(reader: &mut Reader, base: &Path) -> Option<Settings> {
    let mut used = None;
    let bot_token = reader.take("slack.bot-token", |field, node| {
        used = Some(node.clone());
        field.secret(node, base)
    });
    let mut secret = |key| {
        reader.take(key, |field, node| {
            let secret = field.secret(node, base)?;
            if used.is_none() { field.wrong(node, "`slack.bot-token` beside it") } else { Some(secret) }
        })
    };
    let app_token = secret("slack.app-token");
    let signing_secret = secret("slack.signing-secret");
    let team = reader.take("slack.team", team);
    let mode = reader.take("slack.mode", mode).unwrap_or(Mode::Socket);
    let api = reader.take("slack.api", |field, node| field.remote(node));
    let sockets = reader.take("slack.sockets", sockets).unwrap_or(SOCKETS);
    let silence = reader.take("slack.silence", Field::duration).unwrap_or(SILENCE);
    let (bot_token, used) = (bot_token?, used?);
    let inbound = match (mode, app_token, signing_secret) {
        (Mode::Socket, Some(app_token), _) => Inbound::Sockets { app_token, sockets, silence },
        (Mode::Http, _, Some(signing_secret)) => Inbound::Http { signing_secret },
        (Mode::Socket, None, _) => {
            return reader.note("slack", &used, "`slack.app-token` beside it, or `slack.mode: http`");
        }
        (Mode::Http, _, None) => {
            return reader.note("slack", &used, "`slack.signing-secret` beside it, for `mode: http`");
        }
    };
    let api = api.map_or_else(|| API.to_owned(), |url| url.as_str().trim_end_matches('/').to_owned());
    Some(Settings { api, bot_token, team, inbound })
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Socket,
    Http,
}

fn team(field: &mut Field, node: &Node) -> Option<String> {
    let expected = "the id of a workspace (`T…`), or of an Enterprise Grid organisation (`E…`)";
    field.parsed(node, expected, |text| is_id(text, &['T', 'E']).then(|| text.to_owned()))
}

fn mode(field: &mut Field, node: &Node) -> Option<Mode> {
    field.parsed(node, "`socket` or `http`", |text| match text {
        "socket" => Some(Mode::Socket),
        "http" => Some(Mode::Http),
        _ => None,
    })
}

fn sockets(field: &mut Field, node: &Node) -> Option<usize> {
    let count = field.count(node)?;
    if count <= SOCKETS_MAX {
        Some(count)
    } else {
        field.wrong(node, "at most 5: Slack allows an app 10 in all")
    }
}

fn is_id(text: &str, first: &[char]) -> bool {
    text.len() >= 3
        && text.starts_with(first)
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

const API: &str = "https://slack.com/api";
const SOCKETS: usize = 2;
const SOCKETS_MAX: usize = 5;
/// Slack pings every ten seconds or so.
const SILENCE: Duration = Duration::from_secs(60);
