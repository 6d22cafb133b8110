//! Segments: the files of the traffic log.
//!
//! `20261120T133615Z-000007.jsonl` is open: lines are appended, only whole ones are ever kept. Closed, it
//! becomes `….jsonl.zst`, written beside it and renamed; the plain file goes when the ledger has the digest.

use super::Line;
use crate::audit::{Event, EventKind};
use crate::digest::hex;
use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The open segment.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    pub(super) path: PathBuf,
    /// Whole lines, in bytes. What a failed write left behind them is cut before the next one.
    pub(super) bytes: u64,
    pub(super) torn: bool,
    pub(super) opened: Instant,
}

impl Segment {
    pub(super) fn create(folder: &Path, seq: u64, now: Timestamp) -> io::Result<Self> {
        let path = folder.join(format!("{}-{seq:06}.{OPEN}", now.strftime(NAME_TIME)));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        sync_folder(folder)?;
        Ok(Self::over(file, path))
    }

    pub(super) fn over(file: File, path: PathBuf) -> Self {
        Self { file, path, bytes: 0, torn: false, opened: Instant::now() }
    }

    /// Appends whole lines: all of them, or none.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.bytes)?;
        }
        self.torn = true;
        self.file.write_all(lines)?;
        self.torn = false;
        self.bytes += u64::try_from(lines.len()).unwrap_or_default();
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// A closed segment, on its way into the ledger.
#[derive(Debug)]
pub struct Closed {
    /// The file's name in the traffic folder, `….jsonl.zst`.
    pub name: String,
    /// SHA-256 of that file, lower-case hex.
    pub sha256: String,
    pub records: u64,
    /// The size of that file.
    pub bytes: u64,
    /// When the exchanges of its first and of its last line began.
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    plain: PathBuf,
}

impl Closed {
    /// The ledger's event on it. The ledger sets the time.
    pub fn event(&self) -> Event {
        Event {
            at: Timestamp::now(),
            event: EventKind::TrafficSegment,
            actor: "holdpoint".to_owned(),
            subject: Some(self.name.clone()),
            detail: serde_json::json!({
                "file": self.name,
                "sha256": self.sha256,
                "records": self.records,
                "bytes": self.bytes,
                "first": self.first,
                "last": self.last,
            }),
        }
    }

    /// Says that the ledger has the segment; removes the uncompressed file.
    ///
    /// Not called, because the process or the ledger failed in between, the segment is reported again by the
    /// next start: at least once, with the same name and digest.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn recorded(self) -> io::Result<()> {
        fs::remove_file(&self.plain)
    }
}

/// Makes the folder, for its owner only, and takes it for this process. The lock goes with the file.
pub(super) fn take_folder(folder: &Path) -> io::Result<Option<File>> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(LOCK);
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// What the folder holds, in order of writing: number, name, path.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        found.extend(Found::at(entry?.path()));
    }
    found.sort_unstable_by_key(|f| (f.seq, !f.closed));
    Ok(found)
}

/// A segment file in the folder.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) seq: u64,
    /// When the segment was opened; every record in earlier segments ended before.
    pub(super) opened: Timestamp,
    pub(super) closed: bool,
    pub(super) path: PathBuf,
}

impl Found {
    fn at(path: PathBuf) -> Option<Self> {
        let (stem, suffix) = path.file_name().and_then(OsStr::to_str)?.split_once('.')?;
        let (opened, seq) = stem.split_once('-')?;
        let closed = match suffix {
            OPEN => false,
            CLOSED => true,
            _ => return None,
        };
        let opened = jiff::civil::DateTime::strptime(NAME_TIME, opened).ok()?;
        let opened = opened.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some(Self { seq: seq.parse().ok()?, opened, closed, path })
    }
}

/// Closes the segment at `plain`: cuts a torn last line, compresses, digests. `None`: it had no line, and is
/// gone. Done a second time, it finds the first one's file and reports the same.
pub(super) fn close(plain: &Path) -> io::Result<Option<Closed>> {
    let survey = survey(plain)?;
    if survey.records == 0 {
        fs::remove_file(plain)?;
        return Ok(None);
    }
    let file = OpenOptions::new().write(true).open(plain)?;
    file.set_len(survey.bytes)?;
    file.sync_all()?;
    let path = plain.with_extension(CLOSED);
    if !path.exists() {
        compress(plain, &path)?;
    }
    let (sha256, bytes) = digest(&path)?;
    Ok(Some(Closed {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sha256,
        records: survey.records,
        bytes,
        first: survey.first,
        last: survey.last,
        plain: plain.to_owned(),
    }))
}

/// What stands in a plain segment, up to its last line break.
#[derive(Debug, Default)]
struct Survey {
    records: u64,
    bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

fn survey(plain: &Path) -> io::Result<Survey> {
    let mut reader = BufReader::with_capacity(COPY_BYTES, File::open(plain)?);
    let (mut line, mut last) = (Vec::new(), Vec::new());
    let mut survey = Survey::default();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        if survey.records == 0 {
            survey.first = began(&line);
        }
        survey.records += 1;
        survey.bytes += u64::try_from(read).unwrap_or_default();
        std::mem::swap(&mut line, &mut last);
    }
    survey.last = began(&last);
    Ok(survey)
}

fn began(line: &[u8]) -> Option<Timestamp> {
    serde_json::from_slice::<Line<'_>>(line).ok().map(|line| line.at)
}

/// Written beside, then renamed: a file of that name is always whole.
fn compress(plain: &Path, path: &Path) -> io::Result<()> {
    let beside = plain.with_extension(BESIDE);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    let mut encoder = zstd::Encoder::new(file, COMPRESSION)?;
    encoder.include_checksum(true)?;
    io::copy(&mut BufReader::with_capacity(COPY_BYTES, File::open(plain)?), &mut encoder)?;
    encoder.finish()?.sync_all()?;
    fs::rename(&beside, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

fn digest(path: &Path) -> io::Result<(String, u64)> {
    let mut context = Context::new(&SHA256);
    let mut file = File::open(path)?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        context.update(part);
        bytes += u64::try_from(read).unwrap_or_default();
    }
    Ok((hex(context.finish().as_ref()), bytes))
}

/// A new or renamed file survives a crash of the machine only when its folder was synced, too.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

pub(super) const OPEN: &str = "jsonl";
pub(super) const CLOSED: &str = "jsonl.zst";
const BESIDE: &str = "jsonl.zst.part";
const LOCK: &str = "lock";
const NAME_TIME: &str = "%Y%m%dT%H%M%SZ";
/// Level 1: of the levels that shrink such lines tenfold, the cheapest.
const COMPRESSION: i32 = 1;
const COPY_BYTES: usize = 128 * 1024;
