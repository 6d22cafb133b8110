//! Section `teams`: the Azure Bot, whose people may speak to it, and the cloud that it is in.

use super::read::{Field, Reader};
use super::tree::Node;
use crate::notify::teams::{Cloud, ServiceHost, Settings};
use std::path::Path;

/// `None`: Teams is not used, or something is wrong, which is noted.
pub(super) fn settings(reader: &mut Reader, base: &Path) -> Option<Settings> {
    let missing: Vec<String> =
        NEEDED.iter().filter(|key| !reader.has(key)).map(|key| format!("`{key}`")).collect();
    let mut missing = Some(missing.join(" and ")).filter(|missing| !missing.is_empty());
    // Said once, at the first key that is there.
    let mut whole = |field: &mut Field, node: &Node| match missing.take() {
        Some(missing) => field.wrong::<()>(node, &format!("{missing} beside it")),
        None => Some(()),
    };
    let app_id = reader.take("teams.app-id", |field, node| {
        whole(field, node);
        guid(field, node)
    });
    let app_secret = reader.take("teams.app-secret", |field, node| {
        whole(field, node);
        field.secret(node, base)
    });
    let tenant = reader.take("teams.tenant", |field, node| {
        whole(field, node);
        guid(field, node)
    });
    let tenants = reader.take("teams.tenants", |field, node| {
        whole(field, node);
        field.list(node, guid)
    });
    let cloud = reader.take("teams.cloud", |field, node| {
        whole(field, node);
        field.parsed(node, "`public`, `gcc`, `gcc-high` or `dod`", |text| text.parse::<Cloud>().ok())
    });
    let mut address = |key| {
        reader.take(key, |field, node| {
            whole(field, node);
            Some(field.remote(node)?.as_str().trim_end_matches('/').to_owned())
        })
    };
    let (login, service, metadata) =
        (address("teams.login"), address("teams.service"), address("teams.metadata"));
    let hosts = reader.take("teams.hosts", |field, node| {
        whole(field, node);
        field.list(node, host)
    });

    let mut settings = Settings::new(&app_id?, app_secret?, &tenant?, cloud.unwrap_or_default());
    settings.tenants.extend(tenants.unwrap_or_default());
    settings.login = login.unwrap_or(settings.login);
    settings.service = service.unwrap_or(settings.service);
    settings.metadata = metadata.unwrap_or(settings.metadata);
    settings.hosts = hosts.unwrap_or(settings.hosts);
    Some(settings)
}

/// Ids of Entra: 36 characters, lower case from here on.
fn guid(field: &mut Field, node: &Node) -> Option<String> {
    field.parsed(node, "an id such as `0b1c2d3e-4f50-4617-8283-94a5b6c7d8e9`", |text| {
        let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        let sound = |(at, byte): (usize, u8)| if dash(at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
        (text.len() == 36 && text.bytes().enumerate().all(sound)).then(|| text.to_ascii_lowercase())
    })
}

fn host(field: &mut Field, node: &Node) -> Option<ServiceHost> {
    let expected =
        "a host such as `smba.trafficmanager.net` or `*.botframework.com`, and a port if it is not 443";
    field.parsed(node, expected, |text| text.parse().ok())
}

const NEEDED: [&str; 3] = ["teams.app-id", "teams.app-secret", "teams.tenant"];
