//! Who a request is for: scheme, host and port, parsed once into a form that compares by bytes.
//!
//! Every name that reaches us (CONNECT authority, SNI, `Host`, `:authority`, rule files, configuration)
//! goes through [`Host::parse`], so that two spellings of one host are one value (RFC 9110 §4.2.3, §7.2).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host: lower-case A-label without a trailing dot, or an IP address in its one canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host {
    text: Arc<str>,
    ip: Option<IpAddr>,
}

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    #[error("the host is empty")]
    Empty,
    #[error("the host has a character that no host has: `{}`", .0.escape_debug())]
    Character(char),
    #[error("the host is not a registered name or an IP address")]
    Malformed,
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

impl Host {
    /// Reads a host without port: a registered name (`API.Example.com.`), an IPv4 address in any spelling
    /// that resolvers accept (`0x7f.1`), or an IPv6 address with or without brackets.
    ///
    /// # Errors
    /// What no reg-name or IP literal can hold: userinfo, slashes, percent signs, blanks, control bytes.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if bare.contains(':') {
            return bare.parse().map(|ip| Self::from(IpAddr::V6(ip))).map_err(|_| HostError::Malformed);
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        let labels_sound = |name: &str| {
            name.len() <= NAME_BYTES_MAX
                && name.split('.').all(|label| !label.is_empty() && label.len() <= LABEL_BYTES_MAX)
        };
        if !labels_sound(text) && text.is_ascii() {
            return Err(HostError::Malformed);
        }
        if text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b == b'.')
            && text.contains('.')
            && !text.contains("xn--")
        {
            return Ok(Self { text: text.into(), ip: None }); // the usual case, already canonical
        }
        let odd = |text: &str| text.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '-' | '.' | '_')));
        if let Some(c) = odd(text) {
            return Err(HostError::Character(c));
        }
        match url::Host::parse(text).map_err(|_| HostError::Malformed)? {
            url::Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(&name);
                if let Some(c) = odd(name) {
                    return Err(HostError::Character(c)); // IDNA makes `(13)` of `⒀`
                }
                if labels_sound(name) {
                    Ok(Self { text: name.into(), ip: None })
                } else {
                    Err(HostError::Malformed)
                }
            }
            url::Host::Ipv4(ip) => Ok(Self::from(IpAddr::V4(ip))),
            url::Host::Ipv6(ip) => Ok(Self::from(IpAddr::V6(ip))),
        }
    }

    /// The canonical text, IPv6 addresses without brackets.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The canonical text, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// The address, when the host is an address and not a name.
    pub const fn ip(&self) -> Option<IpAddr> {
        self.ip
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        let ip = ip.to_canonical(); // ::ffff:127.0.0.1 is 127.0.0.1
        Self { text: ip.to_string().into(), ip: Some(ip) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Some(_) | None => f.write_str(&self.text),
        }
    }
}

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    pub host: Host,
    pub port: u16,
}

impl Authority {
    /// Reads `host`, `host:port` or `[v6]:port`; a port that is missing, or empty (RFC 3986 §3.2.3), is
    /// `default_port`.
    ///
    /// # Errors
    /// As [`Host::parse`], and a port that is not 1 to 65535 in plain digits.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, HostError> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            None | Some("") => default_port,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0).ok_or(HostError::Port)?
            }
            Some(_) => return Err(HostError::Port),
        };
        Ok(Self { host: Host::parse(host)?, port })
    }
}

impl fmt::Display for Authority {
    /// With the port, always.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// One host, or all hosts under one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    One(Host),
    /// `*.example.com`: every name that ends in `.example.com`, at any depth, but not `example.com` itself.
    Under(Host),
}

impl HostPattern {
    /// Reads `example.com`, an address, or `*.example.com`.
    ///
    /// # Errors
    /// As [`Host::parse`]; a star stands only in front, for whole labels.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        match text.strip_prefix("*.") {
            Some(parent) => Host::parse(parent).map(Self::Under),
            None => Host::parse(text).map(Self::One),
        }
    }

    pub fn matches(&self, host: &Host) -> bool {
        match self {
            Self::One(one) => one == host,
            Self::Under(parent) => {
                host.ip().is_none()
                    && host.as_str().strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
        }
    }
}

/// RFC 1035 §2.3.4.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(text: &str, canonical: &str) {
        assert_eq!(Host::parse(text).map(|h| h.as_str().to_owned()), Ok(canonical.to_owned()), "{text}");
    }

    #[test]
    fn spellings_of_one_host_are_one_value() {
        same("API.GitHub.com", "api.github.com");
        same("api.github.com.", "api.github.com");
        same("bücher.example", "xn--bcher-kva.example");
        same("0x7f.1", "127.0.0.1");
        same("2130706433", "127.0.0.1");
        same("0177.0.0.1", "127.0.0.1");
        same("[::ffff:127.0.0.1]", "127.0.0.1");
        same("[2001:DB8::1]", "2001:db8::1");
        same("my_host.internal", "my_host.internal");
        same("localhost", "localhost");
    }

    #[test]
    fn what_idna_makes_of_a_letter_is_looked_at_too() {
        assert_eq!(Host::parse("a⒀.test"), Err(HostError::Character('(')));
        same("a①.test", "a1.test");
    }

    #[test]
    fn patterns_match_whole_labels() {
        let matches = |pattern: &str, host: &str| {
            HostPattern::parse(pattern).unwrap().matches(&Host::parse(host).unwrap())
        };
        assert!(matches("Example.com", "example.com."));
        assert!(matches("*.example.com", "a.example.com") && matches("*.example.com", "a.b.example.com"));
        for (pattern, host) in
            [("*.example.com", "example.com"), ("*.example.com", "badexample.com"), ("a.com", "b.a.com")]
        {
            assert!(!matches(pattern, host), "{pattern} {host}");
        }
        assert!(HostPattern::parse("a*.com").is_err() && HostPattern::parse("*").is_err());
    }

    #[test]
    fn what_no_host_has_is_refused() {
        for bad in [
            "",
            ".",
            "a..b",
            "..",
            "a..",
            ".a",
            "user@host",
            "a/b",
            "a%2eb",
            "a b",
            "a\0b",
            "a\tb",
            "[::1",
            "1.2.3.4.5",
            "a\\b",
            "#a",
        ] {
            assert!(Host::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ports_are_strict() {
        assert_eq!(Authority::parse("a.test", 443).unwrap().port, 443);
        assert_eq!(Authority::parse("a.test:8443", 443).unwrap().port, 8443);
        assert_eq!(Authority::parse("[::1]:80", 443).unwrap().to_string(), "[::1]:80");
        assert_eq!(Authority::parse("a.test:", 443).unwrap().port, 443);
        assert_eq!(Authority::parse("[::1]:", 443).unwrap().port, 443);
        assert_eq!(Authority::parse("a.test:0443", 80).unwrap().port, 443);
        for bad in
            ["a.test:0", "a.test::", ":443", "a.test:65979", "a.test:+80", "a.test: 80", "a.test:80:80"]
        {
            assert!(Authority::parse(bad, 443).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parse_never_panics_and_is_idempotent(text in "\\PC{0,40}") {
            if let Ok(host) = Host::parse(&text) {
                proptest::prop_assert_eq!(Host::parse(host.as_str()), Ok(host));
            }
        }
    }
}
