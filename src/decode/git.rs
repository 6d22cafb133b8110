//! A push over smart HTTP: the commands that stand before the packfile of `POST …/git-receive-pack`
//! (gitprotocol-pack, "Reference Update Request and Packfile Transfer"; gitprotocol-http).
//!
//! Whether an update is forced cannot be known here: that takes the history, which is not on the wire. An update
//! names the old and the new commit, and nobody but the server can tell whether one descends from the other.

mod pkt;

use super::protocol::{Call, Claim, Kind, Protocol, Request, Spec, Unread, View};
use super::{Body, Decoded};
use crate::request::Head;
use pkt::{Line, Lines};
use std::borrow::Cow;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "git",
    fields: &[
        Spec { name: "change", kind: Kind::Word(&["create", "update", "delete"]) },
        Spec { name: "ref", kind: Kind::Name },
        Spec { name: "repository", kind: Kind::Name },
        Spec { name: "option", kind: Kind::Name },
        Spec { name: "old", kind: Kind::Name },
        Spec { name: "new", kind: Kind::Name },
    ],
    claim,
    read,
};

pub(super) fn claim(head: &Head<'_>) -> Claim {
    if repositories(head).next().is_some() { Claim::Body } else { Claim::No }
}

/// By each reading of the path.
fn repositories<'h>(head: &Head<'h>) -> impl Iterator<Item = Cow<'h, str>> {
    let paths = std::iter::once(head.path).chain(head.readings.iter().map(|reading| &**reading));
    paths.filter_map(repository)
}

fn read<'a>(request: &Request<'a>) -> Result<View<'a>, Unread> {
    let bytes = match request.body {
        Body::Decoded(Decoded { text: Some(text), .. }) => text.as_bytes(),
        Body::Binary { bytes, .. } => bytes,
        Body::Empty => b"",
        Body::Decoded(_) => return Err("a push is no form".into()),
        Body::Unreadable(why) => return Err(why.clone().into()),
        Body::NotRead => return Err("its body was not read".into()),
    };
    let mut view = View { says_so: true, ..View::default() };
    for repository in repositories(request.head) {
        let push = GitPush::read(repository, bytes).map_err(|error| error.to_string())?;
        view.harmless = push.is_probe() && bytes == b"0000";
        if push.is_probe() && !view.harmless {
            return Err("the push has no commands, and something behind them".into());
        }
        let options = || push.options.iter().map(|option| Cow::Owned(option.clone())).collect();
        for command in &push.commands {
            let call = Call::default()
                .with("change", command.change.as_str())
                .with("ref", command.name.clone())
                .with("repository", push.repository.clone())
                .with_names("option", options(), true)
                .with("old", command.old.clone())
                .with("new", command.new.clone());
            if !view.calls.contains(&call) {
                view.calls.push(call);
            }
        }
    }
    Ok(view)
}

/// What a push asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitPush {
    /// From the path, without `.git`: `acme/site`.
    pub repository: String,
    /// Empty for the probe that git sends before a large push, and which changes nothing.
    pub commands: Vec<RefChange>,
    /// What the client and server agreed upon, behind any command: `report-status`, `side-band-64k`, `atomic`, `agent=git/2.47.0`.
    pub capabilities: Vec<String>,
    /// As given by `git push -o`.
    pub options: Vec<String>,
    /// The commands are in a certificate, which the server can hold against a key.
    pub signed: bool,
}

/// One reference that shall change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefChange {
    pub change: Change,
    /// In full: `refs/heads/main`.
    pub name: String,
    /// Object names in hexadecimal; all zeros where there is none.
    pub old: String,
    pub new: String,
}

/// What becomes of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Create,
    /// To a commit that may or may not descend from the old one.
    Update,
    Delete,
}

impl Change {
    pub const WORDS: [(&'static str, Self); 3] =
        [("create", Self::Create), ("update", Self::Update), ("delete", Self::Delete)];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Why a push cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    #[error("the push ends within its commands")]
    Truncated,
    #[error("the push has a packet with a bad length")]
    Length,
    #[error("the push has a command that is none")]
    Command,
    #[error("the push names a reference that is none")]
    Name,
    #[error("the push has more than {} commands", COMMANDS_MAX)]
    TooMany,
    #[error("the certificate of the push is not one that all servers read alike")]
    Certificate,
}

/// The repository of a push, by its path: what stands before `/git-receive-pack`, without `.git`.
pub fn repository(path: &str) -> Option<Cow<'_, str>> {
    let path = path.trim_end_matches('/');
    let at = path.len().checked_sub(SERVICE.len())?;
    let (repository, service) = (path.get(..at)?, path.get(at..)?);
    if !service.eq_ignore_ascii_case(SERVICE) {
        return None;
    }
    let decoded = percent_encoding::percent_decode_str(repository.trim_matches('/')).decode_utf8_lossy();
    // In any letter case, as servers on such file systems find it.
    let bare = decoded.len().checked_sub(SUFFIX.len()).and_then(|at| decoded.split_at_checked(at));
    let bare = bare.filter(|(_, end)| end.eq_ignore_ascii_case(SUFFIX));
    let bare = bare.map(|(bare, _)| bare.trim_end_matches('/').to_owned());
    Some(bare.map_or(decoded, Cow::Owned))
}

impl GitPush {
    /// Reads up to the packfile. `bytes` may be the beginning of a body, as long as the commands are in it.
    ///
    /// # Errors
    /// What a server could take in more than one way, and commands that are cut off.
    pub fn read(repository: impl Into<String>, bytes: &[u8]) -> Result<Self, GitError> {
        let mut push = Self { repository: repository.into(), ..Self::default() };
        let mut lines = Lines::new(bytes);
        while let Line::Data(data) = lines.next()? {
            if data.starts_with(b"shallow ") {
                continue;
            }
            let (line, capabilities) = split_at_nul(data);
            // git takes heed of those behind any command, not of the first one's alone.
            push.capabilities.extend(words(capabilities));
            let begins = trimmed(line) == b"push-cert";
            // git refuses commands beside a certificate, and others may do one or the other.
            if push.signed || (begins && !push.commands.is_empty()) {
                return Err(GitError::Certificate);
            }
            if begins {
                push.signed = true;
                push.certificate(&mut lines)?;
            } else {
                push.command(line)?;
            }
        }
        if !push.commands.is_empty() && push.has("push-options") {
            while let Line::Data(option) = lines.next()? {
                push.options.push(String::from_utf8_lossy(trimmed(option)).into_owned());
            }
        }
        Ok(push)
    }

    /// Whether it is the empty request that git sends before it streams a large push.
    pub fn is_probe(&self) -> bool {
        self.commands.is_empty()
    }

    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }

    /// The commands of a signed push stand within its certificate. One without any leaves those beside it in force.
    fn certificate(&mut self, lines: &mut Lines<'_>) -> Result<(), GitError> {
        // Fields, an empty line, commands, the signature.
        let mut in_head = true;
        loop {
            match certificate_line(lines)? {
                CERTIFICATE_END => break,
                b"" => in_head = false,
                field if in_head => {
                    if let Some(option) = field.strip_prefix(b"push-option ") {
                        self.options.push(String::from_utf8_lossy(option).into_owned());
                    }
                }
                line if line.starts_with(SIGNATURE) => {
                    pass_signature(lines)?;
                    break;
                }
                line => self.command(line)?,
            }
        }
        if self.commands.is_empty() { Err(GitError::Certificate) } else { Ok(()) }
    }

    fn command(&mut self, line: &[u8]) -> Result<(), GitError> {
        if self.commands.len() >= COMMANDS_MAX {
            return Err(GitError::TooMany);
        }
        let line = std::str::from_utf8(trimmed(line)).map_err(|_| GitError::Name)?;
        let mut parts = line.splitn(3, ' ');
        let (Some(old), Some(new), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(GitError::Command);
        };
        let change = match (object(old).ok_or(GitError::Command)?, object(new).ok_or(GitError::Command)?) {
            (Object::None, Object::Some) => Change::Create,
            (Object::Some, Object::Some) => Change::Update,
            // Of what the client does not know, git asks to delete nothing by nothing.
            (Object::Some | Object::None, Object::None) => Change::Delete,
        };
        if old.len() != new.len() {
            return Err(GitError::Command);
        }
        if !is_ref_name(name) {
            return Err(GitError::Name);
        }
        self.commands.push(RefChange {
            change,
            name: name.to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
        });
        Ok(())
    }
}

/// git joins the packets of a certificate, each up to its NUL, and looks for lines in what comes out: only where each
/// packet is one line are those the same.
fn certificate_line<'b>(lines: &mut Lines<'b>) -> Result<&'b [u8], GitError> {
    let Line::Data(data) = lines.next()? else { return Err(GitError::Certificate) };
    let line = data.strip_suffix(b"\n").ok_or(GitError::Certificate)?;
    if memchr::memchr2(0, b'\n', line).is_some() { Err(GitError::Certificate) } else { Ok(line) }
}

/// Goes to the end of the certificate. To git the last signature is the one, and what stands in front are commands.
fn pass_signature(lines: &mut Lines<'_>) -> Result<(), GitError> {
    loop {
        match certificate_line(lines)? {
            CERTIFICATE_END => return Ok(()),
            line if line.starts_with(SIGNATURE) => return Err(GitError::Certificate),
            _ => {}
        }
    }
}

enum Object {
    None,
    Some,
}

/// SHA-1 or SHA-256 in hexadecimal.
fn object(text: &str) -> Option<Object> {
    let sound = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    sound.then(|| if text.bytes().all(|b| b == b'0') { Object::None } else { Object::Some })
}

/// As much of git-check-ref-format(1) as keeps a name from reading two ways.
fn is_ref_name(name: &str) -> bool {
    !name.is_empty()
        && !name.contains("..")
        && !name.contains("//")
        && !name.starts_with('/')
        && !name.ends_with(['/', '.'])
        && !name.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c))
}

/// A command and what it carries behind a NUL.
fn split_at_nul(data: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(0, data) {
        Some(at) => {
            let (line, rest) = data.split_at(at);
            (line, rest.split_first().map_or(&[], |(_, rest)| rest))
        }
        None => (data, &[]),
    }
}

fn words(bytes: &[u8]) -> Vec<String> {
    bytes
        .split(|b| b.is_ascii_whitespace() || *b == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// Without the line feed that a packet of text may end in.
fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

const CERTIFICATE_END: &[u8] = b"push-cert-end";
/// What each kind of signature begins with.
const SIGNATURE: &[u8] = b"-----BEGIN ";
const SERVICE: &str = "/git-receive-pack";
const SUFFIX: &str = ".git";
/// A mirror of everything has some thousands.
const COMMANDS_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
