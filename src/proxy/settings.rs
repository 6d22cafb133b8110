//! What the data plane is told at start.

use crate::authority::Authority;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The data plane's part of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where agents connect.
    pub listen: SocketAddr,
    /// The control listener: never reachable through the proxy, whatever `allow` says.
    pub control: SocketAddr,
    /// Under this address reviewers and status links are reached, without a slash at the end.
    pub control_url: String,
    pub upstream: Upstream,
    /// Hosts that are passed unread (pinned certificates): exact, or `*.` and a suffix.
    pub tunnel: Vec<String>,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub patience: Patience,
}

/// How origins are reached.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// PEM files with roots that are trusted beside the platform's.
    pub extra_ca: Vec<PathBuf>,
    /// Like curl's `--resolve`: this authority is dialled at that address.
    pub resolve: HashMap<Authority, SocketAddr>,
    /// The same for a host on any port.
    pub resolve_host: HashMap<String, SocketAddr>,
    /// Networks among loopback, link-local, metadata and private addresses that may be reached all the same.
    pub allow: Vec<IpNet>,
}

/// Bounds. At a bound a connection waits or a request is refused; nothing grows beyond it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections from agents; more wait in the listener's backlog.
    pub connections: usize,
    /// Bytes of a request head; more are answered with 431.
    pub header_bytes: usize,
    /// Bytes of a body that rules look into (`inspect.max-bytes`); longer ones count as unreadable.
    pub inspect_bytes: usize,
    /// Bytes of a body that can be parked (`hold.max-body-bytes`); longer ones are answered with 413.
    pub held_body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_bytes: 64 << 10,
            inspect_bytes: 1 << 20,
            held_body_bytes: 16 << 20,
        }
    }
}

/// How long the proxy waits for somebody else.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For a whole request head.
    pub header: Duration,
    /// For a TLS handshake, on either side.
    pub handshake: Duration,
    /// For a TCP connection to one address of an origin.
    pub connect: Duration,
    /// From the request's last byte to the response head.
    pub first_byte: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(600),
            idle: Duration::from_secs(600),
        }
    }
}

/// How long a client waits inline for a decision.
#[derive(Debug, Clone, Default)]
pub struct Patience {
    /// For every client (`hold.patience`); without it, what the client announces or is known for.
    pub fixed: Option<Duration>,
    /// `User-Agent` glob (`*` only) and patience, tried before the built-in table.
    pub by_client: Vec<(String, Duration)>,
}
