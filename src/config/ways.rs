//! `transparent:` and `reverse:`: the listeners whose agents show no credentials.

use super::network;
use super::read::{Entries, Field, Reader};
use super::tree::Node;
use crate::authority::{Authority, Scheme};
use crate::proxy::{Bindings, Way, WayKind};
use std::net::SocketAddr;

/// All further listeners.
pub(super) fn ways(reader: &mut Reader) -> Vec<Way> {
    let mut ways =
        reader.take("transparent", |field, node| field.list(node, transparent)).unwrap_or_default();
    ways.extend(reader.take("reverse", |field, node| field.list(node, reverse)).unwrap_or_default());
    ways
}

/// `{ listen, mode: redirect | tproxy, agent, agents }`
fn transparent(field: &mut Field, node: &Node) -> Option<Way> {
    let mut entries = field.object(node, &["listen", "mode", "agent", "agents"])?;
    let (listen, agents) = listener(field, node, &mut entries);
    let mode = |field: &mut Field, node: &Node| {
        field.parsed(node, "`redirect` or `tproxy`", |text| match text {
            "redirect" => Some(WayKind::Redirect),
            "tproxy" => Some(WayKind::Tproxy),
            _ => None,
        })
    };
    let kind = match entries.take("mode") {
        Some(node) => mode(field, node)?,
        None => WayKind::Redirect,
    };
    Some(Way { listen: listen?, kind, agents: agents? })
}

/// `{ listen, upstream: URL, agent, agents }`
fn reverse(field: &mut Field, node: &Node) -> Option<Way> {
    let mut entries = field.object(node, &["listen", "upstream", "agent", "agents"])?;
    let (listen, agents) = listener(field, node, &mut entries);
    let expected = "the URL of an origin, such as `https://api.example.com`, without a path";
    let Some(upstream) = entries.take("upstream") else {
        return field.wrong(node, "an entry with `upstream`");
    };
    let (scheme, authority) = field.parsed(upstream, expected, |text| {
        let (scheme, rest) = match text.split_once("://")? {
            ("https", rest) => (Scheme::Https, rest),
            ("http", rest) => (Scheme::Http, rest),
            _ => return None,
        };
        let authority = Authority::parse(rest.strip_suffix('/').unwrap_or(rest), scheme.default_port());
        authority.ok().map(|authority| (scheme, authority))
    })?;
    Some(Way { listen: listen?, kind: WayKind::Reverse { scheme, authority }, agents: agents? })
}

/// Where it listens, and whose connections come there. Beyond loopback somebody must be named.
fn listener(
    field: &mut Field,
    node: &Node,
    entries: &mut Entries<'_>,
) -> (Option<SocketAddr>, Option<Bindings>) {
    let listen = match entries.take("listen") {
        Some(node) => field.socket(node),
        None => field.wrong(node, "an entry with `listen`"),
    };
    let otherwise = entries.take("agent").map(|node| field.text(node));
    let by_network = entries.take("agents").map(|node| {
        field.map(node, "a map from networks to agents", |field, _, key, value| {
            let (network, name) = (network(field, key), field.text(value));
            Some((network?, name?))
        })
    });
    if otherwise.is_none() && by_network.is_none() && listen.is_some_and(|listen| !listen.ip().is_loopback())
    {
        return (
            listen,
            field.wrong(node, "an entry with `agent` or `agents`: nobody shows credentials here"),
        );
    }
    let bindings = match (otherwise, by_network) {
        (Some(None), _) | (_, Some(None)) => None,
        (otherwise, by_network) => Some(Bindings {
            by_network: by_network.flatten().unwrap_or_default(),
            otherwise: otherwise.flatten(),
        }),
    };
    (listen, bindings)
}
