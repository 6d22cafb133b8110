//! The files that make programs trust the CA: made from it, beside it, and renewed when it or the system changes.

use super::toolchain::{TRUSTSTORE_PASSWORD, TrustPaths};
use crate::config::Config;
use anyhow::{Context, bail};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether a Java truststore is wanted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Java {
    No,
    Yes,
}

/// Where the CA's certificate is.
pub(super) fn ca_path(config: &Config) -> anyhow::Result<PathBuf> {
    Ok(std::path::absolute(&config.certs)?.join("ca.pem"))
}

/// Brings all trust files up to date, and says where they are.
///
/// # Errors
/// There is no CA yet, or the files cannot be written and are not what they should be.
pub(super) fn prepare(config: &Config, java: Java) -> anyhow::Result<TrustPaths> {
    let ca_path = ca_path(config)?;
    let Ok(ca) = std::fs::read_to_string(&ca_path) else {
        bail!(
            "there is no CA at `{}`: start `holdpoint serve` first, or say where its folder is with \
             HOLDPOINT_CERTS=FOLDER or --config FILE",
            ca_path.display()
        );
    };
    let folder = ca_path.parent().context("the CA has a folder")?;
    let bundle = folder.join("bundle.pem");
    keep(&bundle, &bundle_text(&ca))?;
    let wgetrc = folder.join("wgetrc");
    keep(&wgetrc, &format!("ca_certificate = {}\n", bundle.display()))?;
    let php = folder.join("php");
    let ini = format!("curl.cainfo = \"{0}\"\nopenssl.cafile = \"{0}\"\n", bundle.display());
    keep(&php.join("holdpoint.ini"), &ini)?;
    let truststore = match java {
        Java::No => None,
        Java::Yes => make_truststore(folder, &ca_path, &ca)?,
    };
    Ok(TrustPaths {
        ca: text(&ca_path)?,
        bundle: text(&bundle)?,
        wgetrc: Some(text(&wgetrc)?),
        php: Some(text(&php)?),
        truststore: truststore.map(|path| text(&path)).transpose()?,
    })
}

fn text(path: &Path) -> anyhow::Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("the path is not UTF-8: `{}`", path.display()))
}

/// The system's roots, then ours.
fn bundle_text(ca: &str) -> String {
    let mut text = system_bundle().unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(ca);
    text
}

/// The roots that programs of this machine trust, as PEM.
pub(super) fn system_bundle() -> Option<String> {
    SYSTEM_BUNDLES.iter().find_map(|path| std::fs::read_to_string(path).ok())
}

/// Where systems keep all roots in one file.
const SYSTEM_BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",   // older RHEL
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/ssl/cert.pem",                  // Alpine, macOS, BSD
];

/// Writes the file when it says something else, in one step: programs may be reading the old one.
fn keep(path: &Path, text: &str) -> anyhow::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let fresh = beside(path);
        let mut file = std::fs::File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        std::fs::rename(&fresh, path)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

/// A name of this process's own in the same folder.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// A copy of Java's own roots and the CA. `None` where there is no keytool.
fn make_truststore(folder: &Path, ca_path: &Path, ca: &str) -> anyhow::Result<Option<PathBuf>> {
    let Some(keytool) = find_program("keytool") else { return Ok(None) };
    let store = folder.join("truststore.p12");
    let made_for = folder.join("truststore.for.pem");
    if store.exists() && std::fs::read_to_string(&made_for).is_ok_and(|old| old == ca) {
        return Ok(Some(store));
    }
    let fresh = beside(&store);
    // keytool lives in `bin` of the Java home; the links that lead to it are followed.
    let home =
        std::fs::canonicalize(&keytool).ok().and_then(|path| Some(path.parent()?.parent()?.to_owned()));
    if let Some(roots) = home.map(|home| home.join("lib/security/cacerts")).filter(|path| path.exists()) {
        let roots = text(&roots)?;
        call(&keytool, &fresh, &["-importkeystore", "-srckeystore", &roots, "-srcstorepass", "changeit"])?;
    }
    let ca_path = text(ca_path)?;
    call(&keytool, &fresh, &["-importcert", "-alias", "holdpoint", "-file", &ca_path])?;
    std::fs::rename(&fresh, &store)?;
    keep(&made_for, ca)?;
    Ok(Some(store))
}

/// Runs keytool on the truststore that is being made.
fn call(keytool: &Path, store: &Path, what: &[&str]) -> anyhow::Result<()> {
    let import = what.first() == Some(&"-importkeystore");
    let (store_flag, type_flag, password_flag) = if import {
        ("-destkeystore", "-deststoretype", "-deststorepass")
    } else {
        ("-keystore", "-storetype", "-storepass")
    };
    let output = Command::new(keytool)
        .args(what)
        .arg("-noprompt")
        .args([store_flag.as_ref(), store.as_os_str()])
        .args([type_flag, "PKCS12", password_flag, TRUSTSTORE_PASSWORD])
        .env_remove("JAVA_TOOL_OPTIONS")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{}`", keytool.display()))?;
    if output.status.success() {
        return Ok(());
    }
    bail!("keytool made no truststore: {}", String::from_utf8_lossy(&output.stdout).trim());
}

fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(certs: &Path) -> Config {
        let certs = ("HOLDPOINT_CERTS".to_owned(), certs.display().to_string());
        crate::config::load(None, &[certs]).unwrap()
    }

    #[test]
    fn the_files_follow_the_ca() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        assert!(prepare(&config, Java::No).unwrap_err().to_string().contains("start `holdpoint serve`"));

        std::fs::write(folder.path().join("ca.pem"), "first\n").unwrap();
        let paths = prepare(&config, Java::No).unwrap();
        assert!(std::fs::read_to_string(&paths.bundle).unwrap().ends_with("first\n"));
        let made = std::fs::metadata(&paths.bundle).unwrap().modified().unwrap();

        prepare(&config, Java::No).unwrap();
        assert_eq!(std::fs::metadata(&paths.bundle).unwrap().modified().unwrap(), made, "left alone");

        std::fs::write(folder.path().join("ca.pem"), "second\n").unwrap();
        prepare(&config, Java::No).unwrap();
        let bundle = std::fs::read_to_string(&paths.bundle).unwrap();
        assert!(bundle.ends_with("second\n") && !bundle.contains("first"));
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(names.iter().all(|n| !n.to_string_lossy().starts_with('.')), "nothing half-made: {names:?}");
    }
}
