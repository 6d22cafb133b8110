//! Which bot, which tenants, which cloud: and the hosts that the bot's token may go to.

use secrecy::SecretString;
use std::collections::BTreeSet;
use std::str::FromStr;
use url::Url;

/// Section `teams` of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The application (client) id of the bot, lower case.
    pub app_id: String,
    pub app_secret: SecretString,
    /// The tenant that the bot is registered in: where its token comes from.
    pub tenant: String,
    /// The tenants whose people may speak to the bot, lower case. Never empty.
    pub tenants: BTreeSet<String>,
    pub cloud: Cloud,
    /// Where tokens come from, without a slash at the end.
    pub login: String,
    /// The Bot Connector, until Teams names another: without a slash at the end.
    pub service: String,
    /// Where the keys of the Bot Framework are announced.
    pub metadata: String,
    /// The hosts that our token may go to.
    pub hosts: Vec<ServiceHost>,
}

impl Settings {
    /// As Microsoft runs that cloud; the caller may change the addresses, but not who issues tokens.
    pub fn new(app_id: &str, app_secret: SecretString, tenant: &str, cloud: Cloud) -> Self {
        let tenant = tenant.to_ascii_lowercase();
        Self {
            app_id: app_id.to_ascii_lowercase(),
            app_secret,
            tenants: BTreeSet::from([tenant.clone()]),
            tenant,
            cloud,
            login: cloud.login().to_owned(),
            service: cloud.service().to_owned(),
            metadata: cloud.metadata().to_owned(),
            hosts: cloud.hosts(),
        }
    }

    /// Whether an address is one of the Bot Connector's, as the configuration knows it. Nothing that came in from
    /// outside has a say in this.
    pub fn is_service(&self, url: &Url) -> bool {
        crate::outbound::is_safe(url)
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && self.hosts.iter().any(|host| host.covers(url))
    }
}

/// The clouds that Microsoft runs Teams in (learn.microsoft.com, "Send proactive messages", "Configure Bot
/// Framework bots for US Government customers").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cloud {
    #[default]
    Public,
    /// Government Community Cloud: commercial Entra, its own Teams.
    Gcc,
    GccHigh,
    Dod,
}

impl Cloud {
    /// `iss` of the tokens that Microsoft calls us with.
    pub const fn issuer(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc => "https://api.botframework.com",
            Self::GccHigh | Self::Dod => "https://api.botframework.us",
        }
    }

    /// What our own token is for.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc => "https://api.botframework.com/.default",
            Self::GccHigh | Self::Dod => "https://api.botframework.us/.default",
        }
    }

    pub const fn login(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc => "https://login.microsoftonline.com",
            Self::GccHigh | Self::Dod => "https://login.microsoftonline.us",
        }
    }

    pub const fn metadata(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc => "https://login.botframework.com/v1/.well-known/openidconfiguration",
            Self::GccHigh | Self::Dod => {
                "https://login.botframework.azure.us/v1/.well-known/openidconfiguration"
            }
        }
    }

    pub const fn service(self) -> &'static str {
        match self {
            Self::Public => "https://smba.trafficmanager.net/teams",
            Self::Gcc => "https://smba.infra.gcc.teams.microsoft.com/teams",
            Self::GccHigh => "https://smba.infra.gov.teams.microsoft.us/teams",
            Self::Dod => "https://smba.infra.dod.teams.microsoft.us/teams",
        }
    }

    fn hosts(self) -> Vec<ServiceHost> {
        let names: &[&str] = match self {
            Self::Public => &["smba.trafficmanager.net", "*.botframework.com"],
            Self::Gcc => &["smba.infra.gcc.teams.microsoft.com", "smba.trafficmanager.net"],
            Self::GccHigh => &["smba.infra.gov.teams.microsoft.us", "*.botframework.azure.us"],
            Self::Dod => &["smba.infra.dod.teams.microsoft.us", "*.botframework.azure.us"],
        };
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Gcc => "gcc",
            Self::GccHigh => "gcc-high",
            Self::Dod => "dod",
        }
    }
}

impl FromStr for Cloud {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Public, Self::Gcc, Self::GccHigh, Self::Dod];
        all.into_iter().find(|cloud| cloud.as_str() == text).ok_or(())
    }
}

/// A host of the Bot Connector: `smba.trafficmanager.net`, `*.botframework.com` (all under it), or
/// `127.0.0.1:3978` with a port other than 443.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceHost {
    name: String,
    under: bool,
    port: Option<u16>,
}

impl ServiceHost {
    fn covers(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let named = if self.under {
            host.strip_suffix(&self.name).is_some_and(|before| before.ends_with('.') && before.len() > 1)
        } else {
            host == self.name
        };
        let port = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.scheme() == "https" && url.port_or_known_default() == Some(443),
        };
        named && port
    }
}

impl FromStr for ServiceHost {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.to_ascii_lowercase();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| ())?)),
            None => (text.as_str(), None),
        };
        let (name, under) = host.strip_prefix("*.").map_or((host, false), |name| (name, true));
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let sound = !name.is_empty() && name.chars().all(letters) && !name.starts_with('.');
        // A pattern such as `*.com` would be everybody's.
        let narrow = !under || name.contains('.');
        (sound && narrow).then(|| Self { name: name.to_owned(), under, port }).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_to_microsoft_only() {
        let settings = |cloud| Settings::new("A", SecretString::from("s"), "T", cloud);
        for (cloud, url, expected) in [
            (Cloud::Public, "https://smba.trafficmanager.net/emea/", true),
            (Cloud::Public, "https://smba.trafficmanager.net:443/teams", true),
            (Cloud::Public, "https://webchat.botframework.com/", true),
            (Cloud::Public, "https://SMBA.trafficmanager.net./amer", true),
            (Cloud::Public, "http://smba.trafficmanager.net/", false),
            (Cloud::Public, "https://smba.trafficmanager.net:8443/", false),
            (Cloud::Public, "https://evil.trafficmanager.net/", false),
            (Cloud::Public, "https://smba.trafficmanager.net.evil.example/", false),
            (Cloud::Public, "https://xbotframework.com/", false),
            (Cloud::Public, "https://botframework.com.evil.example/", false),
            (Cloud::Public, "https://smba.trafficmanager.net@evil.example/", false),
            (Cloud::Public, "https://user@smba.trafficmanager.net/", false),
            (Cloud::Public, "https://smba.trafficmanager.net/?to=evil", false),
            (Cloud::Public, "http://127.0.0.1:3978/", false),
            (Cloud::Public, "https://smba.infra.gov.teams.microsoft.us/teams", false),
            (Cloud::GccHigh, "https://smba.infra.gov.teams.microsoft.us/teams", true),
            (Cloud::GccHigh, "https://smba.trafficmanager.net/teams", false),
            (Cloud::Dod, "https://smba.infra.dod.teams.microsoft.us/teams", true),
            (Cloud::Gcc, "https://smba.infra.gcc.teams.microsoft.com/teams", true),
        ] {
            assert_eq!(settings(cloud).is_service(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn hosts_are_named_narrowly() {
        for (text, sound) in [
            ("smba.trafficmanager.net", true),
            ("*.botframework.com", true),
            ("127.0.0.1:3978", true),
            ("*.com", false),
            ("*", false),
            ("", false),
            ("a b", false),
            ("host:port", false),
            ("https://host", false),
        ] {
            assert_eq!(text.parse::<ServiceHost>().is_ok(), sound, "{text}");
        }
    }
}
