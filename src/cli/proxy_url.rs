//! The address of the proxy as clients are given it: `http://NAME:TOKEN@host:port`.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use url::Url;

/// Always `http`, with a host and a port. `Debug` does not show the token, `Display` does.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ProxyUrl(Url);

/// The text is no proxy URL.
#[derive(Debug, thiserror::Error)]
#[error("a proxy URL is written `http://host:port` or `http://NAME:TOKEN@host:port`")]
pub(super) struct ProxyUrlError;

impl ProxyUrl {
    pub(super) fn of(listen: SocketAddr) -> Result<Self, ProxyUrlError> {
        format!("http://{listen}").parse()
    }

    /// The same address with an agent's name and token.
    pub(super) fn with_credentials(mut self, name: &str, token: &str) -> Result<Self, ProxyUrlError> {
        self.0.set_username(name).map_err(|()| ProxyUrlError)?;
        self.0.set_password(Some(token)).map_err(|()| ProxyUrlError)?;
        Ok(self)
    }

    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
    }

    pub(super) fn has_credentials(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }

    /// Whether it names the machine itself, which from a container is another one.
    pub(super) fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }

    /// Name and token as sent: percent-decoded.
    pub(super) fn credentials(&self) -> Option<(String, String)> {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        self.has_credentials()
            .then(|| (decode(self.0.username()), decode(self.0.password().unwrap_or_default())))
    }
}

impl FromStr for ProxyUrl {
    type Err = ProxyUrlError;

    fn from_str(text: &str) -> Result<Self, ProxyUrlError> {
        let url = Url::parse(text).map_err(|_| ProxyUrlError)?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if url.scheme() == "http" && url.has_host() && bare { Ok(Self(url)) } else { Err(ProxyUrlError) }
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({}:{})", self.host(), self.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_back() {
        let plain = ProxyUrl::of("127.0.0.1:8080".parse().unwrap()).unwrap();
        assert_eq!(plain.to_string(), "http://127.0.0.1:8080");
        assert_eq!(plain.credentials(), None);
        let full = plain.with_credentials("ci-bot", "a/b:c@d%").unwrap();
        let again: ProxyUrl = full.to_string().parse().unwrap();
        assert_eq!(again.credentials(), Some(("ci-bot".to_owned(), "a/b:c@d%".to_owned())));
        assert!(!format!("{again:?}").contains("a/b"));
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for bad in
            ["", "127.0.0.1:8080", "https://p:1", "socks5://p:1", "http://p:1/x", "http://p:1?x", "http://"]
        {
            assert!(bad.parse::<ProxyUrl>().is_err(), "{bad}");
        }
    }
}
