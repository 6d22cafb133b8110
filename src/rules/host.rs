//! Host patterns: `api.github.com`, `*.amazonaws.com`, `s3.*.amazonaws.com`, `*`.

use super::segment::{Case, Segment};
use crate::authority::Host;

/// A pattern for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostPattern {
    /// `*`: every host, and the name of none.
    Any,
    Exact(Box<str>),
    /// `*.` and this: one label more, or several.
    Under(Box<str>),
    /// Label by label from the end; a leading `*` stands for one label or several, any other for one.
    Labels {
        deep: bool,
        labels: Vec<Segment>,
    },
}

impl HostPattern {
    /// # Errors
    /// Why the text is no host pattern.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text.contains("://") || text.contains('/') {
            return Err("a host has no scheme and no path".to_owned());
        }
        if !text.contains('*') {
            if text.contains(':') && !text.starts_with('[') && text.matches(':').count() == 1 {
                return Err("a host has no port; match it with `port`".to_owned());
            }
            return Host::parse(text).map(|h| Self::Exact(h.as_str().into())).map_err(|e| e.to_string());
        }
        if let Some(rest) = text.strip_prefix("*.")
            && !rest.contains('*')
        {
            return Host::parse(rest).map(|h| Self::Under(h.as_str().into())).map_err(|e| e.to_string());
        }
        // What stands beside the stars must be sound as a host, too.
        Host::parse(&text.replace('*', "x")).map_err(|e| e.to_string())?;
        let lower = text.to_ascii_lowercase();
        let (deep, rest) = lower.strip_prefix("*.").map_or((false, lower.as_str()), |rest| (true, rest));
        let labels: Option<Vec<Segment>> = rest.split('.').map(Segment::parse).collect();
        let labels = labels.ok_or("this is not a host pattern: `*` stands for a label or a part of one")?;
        if labels.iter().all(|label| matches!(label, Segment::Any(_))) {
            return Err("a host pattern has at least one label that is not `*`".to_owned());
        }
        Ok(Self::Labels { deep, labels })
    }

    /// Whether a canonical host matches.
    pub(super) fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(text) => **text == *host,
            Self::Under(suffix) => host
                .strip_suffix(&**suffix)
                .and_then(|start| start.strip_suffix('.'))
                .is_some_and(|start| !start.is_empty()),
            Self::Labels { deep, labels } => {
                let mut parts = host.rsplit('.');
                let fits = labels
                    .iter()
                    .rev()
                    .all(|l| parts.next().is_some_and(|part| l.matches(part, Case::Exact)));
                fits && parts.next().is_some() == *deep
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, host: &str, expected: bool) {
        assert_eq!(HostPattern::parse(pattern).unwrap().matches(host), expected, "{pattern} {host}");
    }

    #[test]
    fn patterns_match_hosts() {
        check("API.GitHub.com.", "api.github.com", true);
        check("api.github.com", "evil-api.github.com", false);
        check("*.amazonaws.com", "s3.eu-west-1.amazonaws.com", true);
        check("*.amazonaws.com", "amazonaws.com", false);
        check("*.amazonaws.com", "evilamazonaws.com", false);
        check("*.amazonaws.com", "amazonaws.com.evil.test", false);
        check("s3.*.amazonaws.com", "s3.eu-west-1.amazonaws.com", true);
        check("s3.*.amazonaws.com", "s3.x.y.amazonaws.com", false);
        check("*.s3.*.amazonaws.com", "b.s3.eu-west-1.amazonaws.com", true);
        check("*.s3.*.amazonaws.com", "b.c.s3.eu-west-1.amazonaws.com", true);
        check("*.s3.*.amazonaws.com", "s3.eu-west-1.amazonaws.com", false);
        check("s3-*.amazonaws.com", "s3-eu.amazonaws.com", true);
        check("*", "anything.test", true);
        check("[::1]", "::1", true);
        check("0x7f.1", "127.0.0.1", true);
    }

    #[test]
    fn bad_patterns_say_why() {
        for bad in ["", "https://a.test", "a.test/x", "a.test:443", "a b", "*.*", "**.a", "a..b*"] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
