//! The machine: clock, disk, open files.

use super::Finding;
use crate::config::Config;
use jiff::Timestamp;
use rustix::process::{Resource, getrlimit};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![clock(), open_files(config)];
    findings.extend(disk("data", &config.store.data));
    findings.extend(disk("traffic", &config.traffic.folder));
    findings.extend(disk("certs", &config.certs));
    findings
}

/// Leaf certificates, expiries and sessions need the date. Without asking the network: whether it is a date
/// that can be, and whether it runs as fast as the monotonic clock.
fn clock() -> Finding {
    let (wall, steady) = (Timestamp::now(), Instant::now());
    std::thread::sleep(CLOCK_WATCH);
    let wall = Timestamp::now().duration_since(wall).as_secs_f64();
    let drift = (wall - steady.elapsed().as_secs_f64()).abs();
    let now = Timestamp::now();
    if now < BUILT_AFTER {
        return Finding::fail("clock", format!("the date is wrong: {now:.0}"), SET_CLOCK);
    }
    if drift > CLOCK_WATCH.as_secs_f64() / 5.0 {
        let found = format!("the clock jumps: {:.0} ms within {} ms", drift * 1e3, CLOCK_WATCH.as_millis());
        return Finding::warn("clock", found, SET_CLOCK);
    }
    Finding::ok("clock", format!("{now:.0}"))
}

/// An exchange needs a socket to the agent and one to the origin.
fn open_files(config: &Config) -> Finding {
    let needed =
        u64::try_from(config.limits.connections).unwrap_or(u64::MAX).saturating_mul(2) + FILES_OF_OURS;
    // The server raises the soft limit to the hard one by itself where it can.
    match getrlimit(Resource::Nofile).maximum {
        Some(limit) if limit < needed => Finding::warn(
            "open files",
            format!("{limit} files may be open, {} connections need {needed}", config.limits.connections),
            format!(
                "raise it (`ulimit -n {needed}`, `LimitNOFILE=`, `--ulimit nofile=`), or lower `limits.connections`"
            ),
        ),
        Some(limit) => {
            Finding::ok("open files", format!("{limit} files may be open, {needed} are needed at most"))
        }
        None => Finding::ok("open files", "any number of files may be open"),
    }
}

/// Whether the folder, or the one that it will be made in, can be written and has room.
fn disk(check: &'static str, folder: &Path) -> Option<Finding> {
    let absolute = std::path::absolute(folder).ok()?;
    let there = absolute.ancestors().find(|path| path.exists())?;
    if let Err(error) = probe(there) {
        return Some(Finding::fail(
            check,
            format!("{} cannot be written: {error}", there.display()),
            "give it to the user that runs Holdpoint, or set another folder; nothing is forwarded while it cannot be written",
        ));
    }
    let space = rustix::fs::statvfs(there).ok()?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let found = format!("{} can be written, {} MiB are free", absolute.display(), free >> 20);
    Some(match free {
        0..FREE_MIN => Finding::fail(check, found, "make room: nothing is forwarded when the disk is full"),
        FREE_MIN..FREE_LOW => {
            Finding::warn(check, found, "make room before it is full: then nothing is forwarded")
        }
        _ => Finding::ok(check, found),
    })
}

fn probe(folder: &Path) -> std::io::Result<()> {
    if !folder.is_dir() {
        return Err(std::io::ErrorKind::NotADirectory.into());
    }
    let path: PathBuf = folder.join(format!(".holdpoint-doctor-{}", std::process::id()));
    let probe = OpenOptions::new().write(true).create_new(true).open(&path);
    let written = probe.and_then(|mut file| std::io::Write::write_all(&mut file, b"probe"));
    let _ = fs::remove_file(&path);
    written
}

/// 2026-01-01: nobody can run this program before it was written.
const BUILT_AFTER: Timestamp = Timestamp::constant(1_767_225_600, 0);
const SET_CLOCK: &str = "set the clock and keep it set (`timedatectl set-ntp true`)";
const CLOCK_WATCH: Duration = Duration::from_millis(50);
const FILES_OF_OURS: u64 = 128;
const FREE_MIN: u64 = 64 << 20;
const FREE_LOW: u64 = 1 << 30;
