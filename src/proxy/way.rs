//! The other ways in: connections that were redirected here without their agent knowing, and listeners that stand
//! for one origin. Who the agent is follows from where it connects from: there are no credentials to show.

use super::Gate;
use crate::agents::Known;
use crate::authority::{Authority, Host, Scheme};
use ipnet::IpNet;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpListener, TcpStream};

/// One more listener of the data plane.
#[derive(Debug, Clone)]
pub struct Way {
    pub listen: SocketAddr,
    pub kind: WayKind,
    pub agents: Bindings,
}

/// What a listener is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayKind {
    /// The packet filter redirects to it (iptables `REDIRECT`, nftables `redirect`).
    Redirect,
    /// The packet filter hands over to it (`TPROXY`): the listener takes addresses that are not its own.
    Tproxy,
    /// Everything goes to one origin.
    Reverse { scheme: Scheme, authority: Authority },
}

/// Which agent connects from where.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    pub by_network: Vec<(IpNet, String)>,
    pub otherwise: Option<String>,
}

impl Bindings {
    /// The name for an address; the smallest network counts.
    fn name(&self, source: IpAddr) -> Option<&str> {
        let inside = self.by_network.iter().filter(|(network, _)| network.contains(&source));
        let smallest = inside.max_by_key(|(network, _)| network.prefix_len());
        smallest.map(|(_, name)| name.as_str()).or(self.otherwise.as_deref())
    }
}

impl Way {
    /// # Errors
    /// The address is taken, or `CAP_NET_ADMIN` is missing for `TPROXY`.
    pub fn bind(&self) -> io::Result<TcpListener> {
        let v4 = self.listen.is_ipv4();
        let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        if self.kind == WayKind::Tproxy {
            socket.set_ip_transparent_v4(v4)?;
        }
        socket.bind(&self.listen.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    }

    /// Whose connection this is. `None`: nobody's that we know.
    pub(super) fn agent(&self, gate: &Gate, source: IpAddr) -> Option<Known> {
        match self.agents.name(source) {
            Some(name) => gate.services.agents.by_name(name),
            None => self.listen.ip().is_loopback().then(|| gate.services.agents.local()),
        }
    }

    /// Where a redirected connection was going.
    pub(super) fn original(&self, tcp: &TcpStream) -> io::Result<Authority> {
        let address = match self.kind {
            WayKind::Tproxy => tcp.local_addr()?,
            _ if tcp.local_addr()?.is_ipv4() => as_inet(&SockRef::from(tcp).original_dst_v4()?)?,
            _ => as_inet(&SockRef::from(tcp).original_dst_v6()?)?,
        };
        let host = match address.ip().to_canonical() {
            IpAddr::V4(ip) => Host::parse(&ip.to_string()),
            IpAddr::V6(ip) => Host::parse(&format!("[{ip}]")),
        };
        Ok(Authority { host: host.map_err(io::Error::other)?, port: address.port() })
    }
}

fn as_inet(address: &socket2::SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_network_names_the_agent() {
        let bindings = Bindings {
            by_network: vec![
                ("10.0.0.0/8".parse().unwrap(), "wide".to_owned()),
                ("10.1.0.0/16".parse().unwrap(), "narrow".to_owned()),
            ],
            otherwise: None,
        };
        let name = |ip: &str| bindings.name(ip.parse().unwrap());
        assert_eq!(name("10.1.2.3"), Some("narrow"));
        assert_eq!(name("10.2.2.3"), Some("wide"));
        assert_eq!(name("192.0.2.1"), None);
    }
}
