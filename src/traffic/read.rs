//! Reading the log back: every segment, closed or open, in order of writing.

use super::Line;
use super::segment::{self, Found};
use crate::ruling::Verdict;
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Which records. Empty: all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub agent: Option<String>,
    /// Canonical, as [`crate::authority::Host`] writes it.
    pub host: Option<String>,
    pub verdict: Option<Verdict>,
    /// Began at this time or later.
    pub since: Option<Timestamp>,
    /// Began before this time.
    pub until: Option<Timestamp>,
}

impl Filter {
    fn admits(&self, line: &Line<'_>) -> bool {
        self.agent.as_deref().is_none_or(|agent| line.agent == agent)
            && self.host.as_deref().is_none_or(|host| line.host.as_deref() == Some(host))
            && self.verdict.is_none_or(|verdict| line.verdict == Some(verdict))
            && self.since.is_none_or(|since| line.at >= since)
            && self.until.is_none_or(|until| line.at < until)
    }
}

/// Why a record could not be read. Reading goes on behind it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    #[error("the traffic log cannot be read: `{path}`")]
    File { path: PathBuf, source: io::Error },
    #[error("no record of the traffic log: `{path}` line {line}")]
    Line { path: PathBuf, line: u64, source: serde_json::Error },
}

/// The records of the log in `folder` that `filter` admits, oldest segment first. A line that is being
/// written is not there yet. A folder that is missing has no records.
///
/// # Errors
/// The folder cannot be listed.
pub fn read(folder: &Path, filter: Filter) -> Result<Lines, ReadError> {
    let mut found = match segment::list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        found => found.map_err(|source| ReadError::File { path: folder.to_owned(), source })?,
    };
    // Closed and plain side by side, not yet in the ledger: one of them, the closed one, which sorts first.
    found.dedup_by_key(|f| f.seq);
    if let Some(since) = filter.since {
        let later = found.partition_point(|f| f.opened <= since);
        found.drain(..later.saturating_sub(1));
    }
    found.reverse();
    Ok(Lines { found, open: None, filter })
}

/// The records, one by one.
#[derive(Debug)]
pub struct Lines {
    /// Segments still to be read, the next one last.
    found: Vec<Found>,
    open: Option<Open>,
    filter: Filter,
}

struct Open {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    line: u64,
    text: Vec<u8>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("path", &self.path).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Open {
    fn new(found: Found) -> Result<Self, ReadError> {
        let opened = match File::open(&found.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !found.closed => {
                compressed(&found.path.with_extension(segment::CLOSED)) // since it was listed
            }
            Ok(file) if !found.closed => Ok(Box::new(BufReader::new(file)) as Box<dyn BufRead>),
            Ok(_) => compressed(&found.path),
            Err(error) => Err(error),
        };
        match opened {
            Ok(reader) => Ok(Self { path: found.path, reader, line: 0, text: Vec::new() }),
            Err(source) => Err(ReadError::File { path: found.path, source }),
        }
    }

    /// The next whole line; none at the end of the segment.
    fn next(&mut self) -> Option<Result<Line<'static>, ReadError>> {
        self.text.clear();
        self.line += 1;
        match self.reader.read_until(b'\n', &mut self.text) {
            Err(source) => Some(Err(ReadError::File { path: self.path.clone(), source })),
            Ok(_) if self.text.last() != Some(&b'\n') => None,
            Ok(_) => Some(serde_json::from_slice(&self.text).map_err(|source| ReadError::Line {
                path: self.path.clone(),
                line: self.line,
                source,
            })),
        }
    }
}

fn compressed(path: &Path) -> io::Result<Box<dyn BufRead>> {
    Ok(Box::new(BufReader::new(zstd::Decoder::new(File::open(path)?)?)))
}

impl Iterator for Lines {
    type Item = Result<Line<'static>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(open) = &mut self.open else {
                match Open::new(self.found.pop()?) {
                    Ok(open) => self.open = Some(open),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            match open.next() {
                None => self.open = None,
                Some(Ok(line)) if !self.filter.admits(&line) => {}
                Some(Err(error @ ReadError::File { .. })) => {
                    self.open = None; // no second try at the same bytes
                    return Some(Err(error));
                }
                some => return some,
            }
        }
    }
}
