//! What the data plane is told at start.

use crate::authority::{Authority, Host, HostPattern};
use crate::decode;
use globset::GlobMatcher;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The data plane's part of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where agents connect, as bound.
    pub listen: SocketAddr,
    /// The control listener: never reachable through the proxy, whatever `upstream.allow` says.
    pub control: SocketAddr,
    /// Further listeners, as bound.
    pub ways: Vec<SocketAddr>,
    /// Where reviewers find their face, without a slash at the end.
    pub control_url: String,
    pub upstream: Upstream,
    /// Hosts that are passed unread (pinned certificates).
    pub tunnel: Vec<HostPattern>,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub patience: Patience,
}

/// How origins are reached.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// PEM files of roots to trust beside the platform's.
    pub extra_ca: Vec<PathBuf>,
    /// Names that are not asked of DNS.
    pub resolve: Vec<Resolve>,
    /// Loopback, private and link-local networks that may be reached all the same.
    pub allow: Vec<IpNet>,
}

/// One fixed answer in place of DNS; like curl's `--resolve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    pub host: Host,
    /// `None`: any port.
    pub port: Option<u16>,
    pub to: SocketAddr,
}

impl Upstream {
    /// The fixed address of an authority; one that names the port counts before one for any.
    pub(super) fn resolved(&self, authority: &Authority) -> Option<SocketAddr> {
        let of_host = || self.resolve.iter().filter(|fixed| fixed.host == authority.host);
        of_host()
            .find(|fixed| fixed.port == Some(authority.port))
            .or_else(|| of_host().find(|fixed| fixed.port.is_none()))
            .map(|fixed| fixed.to)
    }
}

/// How long a parked client waits inline.
#[derive(Debug, Clone, Default)]
pub struct Patience {
    /// For clients of which nothing is known, and the most for all others; zero answers at once.
    pub at_most: Option<Duration>,
    /// By `User-Agent`, before the built-in table; the first that matches counts.
    pub by_client: Vec<(GlobMatcher, Duration)>,
}

/// Bounds of the data plane. At a bound a connection waits or a request is refused; nothing grows beyond it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections from agents; more wait in the listener's backlog.
    pub connections: usize,
    /// Bytes of a request head; more are answered with 431.
    pub header_bytes: usize,
    /// Bytes of a body that rules look at; more is unreadable, and therefore held.
    pub inspect_bytes: usize,
    /// Bytes of a body that can be held; more is answered with 413.
    pub held_body_bytes: usize,
}

impl Limits {
    /// How far a body that rules look at is decoded.
    pub(crate) const fn decoding(&self) -> decode::Limits {
        decode::Limits {
            decoded_bytes_max: self.inspect_bytes.saturating_mul(DECODED_FACTOR),
            ratio_max: RATIO_MAX,
        }
    }

    /// A body that is too long for rules to look at.
    pub(crate) fn too_long(&self) -> decode::Body {
        let limit = self.inspect_bytes;
        decode::Body::Unreadable(format!("the body is longer than {limit} bytes (`inspect.max-bytes`)"))
    }
}

/// Every wait for somebody else.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// From the first byte of a request head to its last; idle connections that are kept alive are not meant.
    pub header: Duration,
    /// For a TLS handshake, on either side.
    pub handshake: Duration,
    /// For a TCP connection to one address of an origin.
    pub connect: Duration,
    /// From the request to the origin's response head.
    pub first_byte: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
}

/// Decoded bodies may be so many times the inspection limit …
const DECODED_FACTOR: usize = 8;
/// … and so many times their coded size.
const RATIO_MAX: usize = 100;
