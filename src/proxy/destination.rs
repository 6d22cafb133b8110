//! Where a request goes: the origin that a connection asked for, and the addresses that may be dialled.

use super::settings::{Settings, Upstream};
use super::upstream::Origin;
use crate::authority::{Authority, Scheme};
use http::HeaderValue;
use ipnet::IpNet;
use smallvec::SmallVec;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

/// The host under which agents read their own holds, through the proxy.
pub(super) const OWN_HOST: &str = "holdpoint.internal";

/// An origin, as one connection or request asked for it.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) scheme: Scheme,
    pub(super) authority: Arc<Authority>,
    /// As it stands in `Host` and `:authority`: the port only when it is not the default.
    pub(super) text: HeaderValue,
    pub(super) origin: Arc<Origin>,
}

impl Destination {
    pub(super) fn new(scheme: Scheme, authority: Authority, origin: Arc<Origin>) -> Self {
        let text = if authority.port == scheme.default_port() {
            authority.host.to_string()
        } else {
            authority.to_string()
        };
        let text = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self { scheme, authority: Arc::new(authority), text, origin }
    }

    /// Whether a `Host`, `:authority` or absolute-form authority names this destination.
    pub(super) fn is_named_by(&self, text: &[u8]) -> bool {
        self.text.as_bytes().eq_ignore_ascii_case(text) // the usual case
            || std::str::from_utf8(text)
                .ok()
                .and_then(|text| Authority::parse(text, self.scheme.default_port()).ok())
                .is_some_and(|authority| authority == *self.authority)
    }

    pub(super) fn is_own(&self) -> bool {
        self.authority.host.as_str() == OWN_HOST
    }
}

/// Why an address is not dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Refused {
    #[error("the name `{0}` does not resolve")]
    Unresolved(String),
    #[error("`{host}` is at {ip}, {what}; name its network in `upstream.allow` if agents may reach it")]
    Address { host: String, ip: IpAddr, what: &'static str },
    #[error("`{0}` is Holdpoint itself")]
    Ourselves(String),
}

/// Decides which addresses may be dialled. Asked after name resolution, with the address that is dialled then.
#[derive(Debug)]
pub(super) struct Guard {
    upstream: Upstream,
    own: Vec<SocketAddr>,
}

impl Guard {
    pub(super) fn new(settings: &Settings) -> Self {
        let own = [settings.control, settings.listen].into_iter().chain(settings.ways.iter().copied());
        Self { upstream: settings.upstream.clone(), own: own.collect() }
    }

    /// The addresses of an origin, each of them allowed.
    ///
    /// # Errors
    /// The name does not resolve, or one of its addresses may not be reached: a name with a forbidden address
    /// is refused whole, so that an answer cannot smuggle one in.
    ///
    /// # Cancel safety
    /// Has no effect but a name look-up.
    pub(super) async fn addresses(
        &self,
        authority: &Authority,
    ) -> Result<SmallVec<[SocketAddr; 4]>, Refused> {
        let found = self.resolve(authority).await?;
        for address in &found {
            self.check(authority, *address)?;
        }
        Ok(found)
    }

    async fn resolve(&self, authority: &Authority) -> Result<SmallVec<[SocketAddr; 4]>, Refused> {
        if let Some(address) = self.upstream.resolved(authority) {
            return Ok(smallvec::smallvec![address]);
        }
        if let Some(ip) = authority.host.ip() {
            return Ok(smallvec::smallvec![SocketAddr::new(ip, authority.port)]);
        }
        let unresolved = || Refused::Unresolved(authority.host.to_string());
        let found: SmallVec<[SocketAddr; 4]> =
            tokio::net::lookup_host((authority.host.as_str(), authority.port))
                .await
                .map_err(|_| unresolved())?
                .take(ADDRESSES_MAX)
                .map(|a| SocketAddr::new(a.ip().to_canonical(), a.port()))
                .collect();
        if found.is_empty() { Err(unresolved()) } else { Ok(found) }
    }

    fn check(&self, authority: &Authority, address: SocketAddr) -> Result<(), Refused> {
        let ip = address.ip().to_canonical();
        if self.own.iter().any(|own| is_ours(*own, ip, address.port())) {
            return Err(Refused::Ourselves(authority.to_string()));
        }
        match restricted(ip) {
            Some(what) if !self.upstream.allow.iter().any(|network: &IpNet| network.contains(&ip)) => {
                Err(Refused::Address { host: authority.host.to_string(), ip, what })
            }
            _ => Ok(()),
        }
    }
}

/// Whether `ip:port` reaches one of our own listeners.
fn is_ours(own: SocketAddr, ip: IpAddr, port: u16) -> bool {
    if own.port() != port {
        return false;
    }
    if own.ip() == ip || ip.is_unspecified() {
        return true;
    }
    // Bound to all addresses: every address of this machine is ours. One that we can bind to is local.
    own.ip().is_unspecified() && UdpSocket::bind((ip, 0)).is_ok()
}

/// What kind of special address this is (IANA special-purpose registries), or `None` for an ordinary one.
fn restricted(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => restricted_v4(ip),
        IpAddr::V6(ip) => restricted_v6(ip),
    }
}

fn restricted_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = ip.octets();
    if METADATA_V4.contains(&ip) {
        return Some("a cloud's metadata service");
    }
    match (a, b, c) {
        (0, ..) => Some("an address of this network"),
        (127, ..) => Some("a loopback address"),
        (169, 254, _) => Some("a link-local address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("a private address"),
        (100, 64..=127, _) => Some("a shared address"),
        (192, 0, 0) | (198, 18..=19, _) => Some("a special-purpose address"),
        (224.., ..) => Some("a multicast or reserved address"),
        _ => None,
    }
}

fn restricted_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let segments = ip.segments();
    match segments {
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254] => Some("a cloud's metadata service"),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Some("a loopback address"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some("a private address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        // Translated addresses reach what they embed (RFC 6052, RFC 3056, deprecated IPv4-compatible).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            restricted_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0x64, 0xff9b, 1, ..] => Some("a translated private address"),
        _ => None,
    }
}

/// Metadata services outside the link-local network: Alibaba's and Azure's.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
/// Of one name.
const ADDRESSES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_restricted_in_every_spelling() {
        for bad in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::127.0.0.1",
        ] {
            assert!(restricted(bad.parse().unwrap()).is_some(), "{bad}");
        }
        for good in ["1.1.1.1", "140.82.112.6", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"] {
            assert!(restricted(good.parse().unwrap()).is_none(), "{good}");
        }
    }

    #[test]
    fn our_listeners_are_ours_under_every_address() {
        let exact: SocketAddr = "127.0.0.1:8081".parse().unwrap();
        let all: SocketAddr = "0.0.0.0:8081".parse().unwrap();
        assert!(is_ours(exact, exact.ip(), 8081));
        assert!(is_ours(exact, Ipv4Addr::UNSPECIFIED.into(), 8081));
        assert!(!is_ours(exact, exact.ip(), 8082));
        assert!(is_ours(all, "127.0.0.1".parse().unwrap(), 8081));
        assert!(is_ours(all, "127.0.0.9".parse().unwrap(), 8081));
        assert!(!is_ours(all, "192.0.2.1".parse().unwrap(), 8081));
    }
}
