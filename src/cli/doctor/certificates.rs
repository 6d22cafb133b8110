//! The CA: there, private, valid, and whether this machine trusts it.

use super::Finding;
use crate::cli::trust;
use crate::config::Config;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use x509_parser::pem::parse_x509_pem;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let (certificate, key) = (config.certs.join("ca.pem"), config.certs.join("ca.key"));
    match (certificate.exists(), key.exists()) {
        (false, false) => {
            let found = format!("there is none in {} yet: the first start makes it", config.certs.display());
            return vec![Finding::ok("CA", found)];
        }
        (true, true) => {}
        (_, there) => {
            let (missing, there) = if there { (&certificate, &key) } else { (&key, &certificate) };
            let found = format!("{} is there, {} is not", there.display(), missing.display());
            return vec![Finding::fail(
                "CA",
                found,
                "restore it; or move both away, and all agents must trust a new CA",
            )];
        }
    }
    let mut findings = vec![validity(&certificate), privacy(&key)];
    findings.extend(trusted(&certificate));
    findings
}

fn validity(path: &Path) -> Finding {
    let found = match fs::read(path) {
        Ok(pem) => not_after(&pem).ok_or_else(|| format!("{} is no certificate", path.display())),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    };
    let end = match found {
        Ok(end) => end,
        Err(found) => return Finding::fail("CA", found, "restore it, and its key, from a backup"),
    };
    let days = (end - jiff::Timestamp::now().as_second()).div_euclid(24 * 3600);
    let found = format!("{} is valid for {days} more days", path.display());
    let renew = "move `ca.pem` and `ca.key` away, start again, and let all agents trust the new CA";
    match days {
        ..0 => Finding::fail("CA", format!("{} has expired", path.display()), renew),
        0..WARN_DAYS => Finding::warn("CA", found, renew),
        _ => Finding::ok("CA", found),
    }
}

/// Seconds since 1970.
fn not_after(pem: &[u8]) -> Option<i64> {
    let (_, pem) = parse_x509_pem(pem).ok()?;
    Some(pem.parse_x509().ok()?.validity().not_after.timestamp())
}

/// Whoever reads the key can impersonate every host to the agents.
fn privacy(key: &Path) -> Finding {
    match fs::metadata(key).map(|metadata| metadata.permissions().mode() & 0o777) {
        Ok(mode) if mode & 0o077 == 0 => Finding::ok("CA key", format!("{} is private", key.display())),
        Ok(mode) => Finding::fail(
            "CA key",
            format!("{} can be read by others (mode {mode:04o})", key.display()),
            format!("chmod 600 {}; if others had access, make a new CA", key.display()),
        ),
        Err(error) => {
            Finding::fail("CA key", format!("{}: {error}", key.display()), "restore it from a backup")
        }
    }
}

/// Agents that start by `holdpoint run` need no machine-wide trust: to know, not to mend.
fn trusted(certificate: &Path) -> Option<Finding> {
    let own = fs::read(certificate).ok()?;
    let (_, own) = parse_x509_pem(&own).ok()?;
    let bundle = trust::system_bundle()?;
    let trusted = x509_parser::pem::Pem::iter_from_buffer(bundle.as_bytes())
        .any(|pem| pem.is_ok_and(|pem| pem.contents == own.contents));
    Some(Finding::ok(
        "CA trust",
        if trusted {
            "programs of this machine trust the CA"
        } else {
            "only programs started by `holdpoint run` (or with `holdpoint env`) trust the CA; others do not need to"
        },
    ))
}

const WARN_DAYS: i64 = 30;
