//! The answer to a push that is not sent, in git's own words: git shows nothing of an answer with another status.

use crate::decode::git::{GitPush, repository};
use bytes::Bytes;

/// A push whose client reads a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Push {
    refs: Vec<String>,
    /// Bytes in a packet at most, where the report goes in a band beside messages.
    band: Option<usize>,
}

impl Push {
    /// From the path and the whole body of a request.
    pub(super) fn of(path: &str, body: &[u8]) -> Option<Self> {
        let push = GitPush::read(repository(path)?, body).ok()?;
        let reads_report = push.has("report-status") || push.has("report-status-v2");
        if push.is_probe() || !reads_report {
            return None;
        }
        let band =
            if push.has("side-band-64k") { Some(65_515) } else { push.has("side-band").then_some(995) };
        Some(Self { refs: push.commands.into_iter().map(|command| command.name).collect(), band })
    }

    /// A report that refuses every reference for this reason (gitprotocol-pack, "Report Status"). git prints it for
    /// each, and exits with an error.
    pub(super) fn refused(&self, message: &str) -> Bytes {
        let reason = message.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut report = packet(b"unpack ok\n");
        for name in &self.refs {
            report.extend(packet(format!("ng {name} {reason}\n").as_bytes()));
        }
        report.extend(b"0000");
        let Some(most) = self.band else { return report.into() };
        let banded = |band: u8, data: &[u8]| packet(&[&[band], data].concat());
        let mut answer = banded(2, format!("holdpoint: {reason}\n").as_bytes());
        report.chunks(most).for_each(|chunk| answer.extend(banded(1, chunk)));
        answer.extend(b"0000");
        answer.into()
    }
}

/// Cut where it would be too long for a packet.
fn packet(data: &[u8]) -> Vec<u8> {
    let data = data.get(..PACKET_BYTES_MAX).unwrap_or(data);
    [format!("{:04x}", data.len() + 4).as_bytes(), data].concat()
}

const PACKET_BYTES_MAX: usize = 65_516;

#[cfg(test)]
mod tests {
    use super::*;

    fn body(capabilities: &str) -> Vec<u8> {
        let line = format!("{0} {0} refs/heads/main\0{capabilities}", "ab".repeat(20));
        [packet(line.as_bytes()), b"0000PACK".to_vec()].concat()
    }

    #[test]
    fn a_push_is_refused_in_its_report() {
        let path = "/acme/site.git/git-receive-pack";
        let plain = Push::of(path, &body("report-status")).unwrap();
        assert_eq!(plain.refused("no\nway"), "000eunpack ok\n001eng refs/heads/main no way\n0000");
        let banded = Push::of(path, &body("report-status-v2 side-band-64k")).unwrap();
        let answer = banded.refused("no way");
        let report = "000eunpack ok\n001eng refs/heads/main no way\n0000";
        assert_eq!(answer, format!("0017\u{2}holdpoint: no way\n{:04x}\u{1}{report}0000", report.len() + 5));
        assert_eq!(Push::of(path, &body("")), None);
        assert_eq!(Push::of(path, b"0000"), None);
        assert_eq!(Push::of("/acme/site.git/git-upload-pack", &body("report-status")), None);
    }
}
