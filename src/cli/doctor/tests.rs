use super::*;
use crate::store::Store;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

fn config(folder: &Path) -> Config {
    let file = folder.join("holdpoint.yaml");
    fs::write(&file, "listen: 127.0.0.1:0\ncontrol.listen: 127.0.0.1:0\n").unwrap();
    crate::config::load(Some(&file), &[]).unwrap()
}

/// The worst status of a check, and all that it said.
#[track_caller]
fn says(findings: &[Finding], check: &str, status: Status, words: &str) {
    let said: Vec<&Finding> = findings.iter().filter(|finding| finding.check == check).collect();
    let worst = said.iter().map(|finding| finding.status).max();
    assert_eq!(worst, Some(status), "{findings:#?}");
    assert!(said.iter().any(|finding| finding.found.contains(words)), "{said:#?}");
    assert!(findings.iter().all(|f| f.advice.is_some() == (f.status != Status::Ok)), "{findings:#?}");
}

#[tokio::test]
async fn before_the_first_start_nothing_is_wrong_and_nothing_is_made() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let findings = examine(&config).await;
    let bad: Vec<&Finding> = findings.iter().filter(|finding| finding.status == Status::Fail).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    says(&findings, "database", Status::Ok, "the first start makes it");
    says(&findings, "CA", Status::Ok, "the first start makes it");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the configuration alone");
}

#[tokio::test]
async fn a_port_of_another_program_is_named() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(folder.path());
    config.listen = taken.local_addr().unwrap();
    says(&listeners::check(&config).await, "listen", Status::Fail, "held by another program");
}

#[tokio::test]
async fn quick_fails_when_nobody_answers() {
    let folder = TempDir::new().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = config(folder.path());
    config.control.listen = closed;
    assert_eq!(listeners::ready(&config).await.status, Status::Fail);
}

#[test]
fn the_ca_is_private_and_whole() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    crate::tls::CertificateAuthority::load_or_make(&config.certs).unwrap();
    says(&certificates::check(&config), "CA", Status::Ok, "more days");
    says(&certificates::check(&config), "CA key", Status::Ok, "is private");

    let key = config.certs.join("ca.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    says(&certificates::check(&config), "CA key", Status::Fail, "can be read by others");
    fs::write(config.certs.join("ca.pem"), "no certificate").unwrap();
    says(&certificates::check(&config), "CA", Status::Fail, "is no certificate");
    fs::remove_file(&key).unwrap();
    says(&certificates::check(&config), "CA", Status::Fail, "ca.key is not");
}

#[test]
fn a_folder_that_is_none_cannot_be_written() {
    let folder = TempDir::new().unwrap();
    let mut config = config(folder.path());
    config.store.data = folder.path().join("holdpoint.yaml");
    says(&machine::check(&config), "data", Status::Fail, "cannot be written");
}

#[test]
fn broken_rules_are_shown_where_they_break() {
    let folder = TempDir::new().unwrap();
    let mut config = config(folder.path());
    let file = folder.path().join("rules/own.yaml");
    fs::create_dir(folder.path().join("rules")).unwrap();
    config.rules.folders = vec![folder.path().join("rules")];
    let rule = |host: &str| {
        format!(
            "pack: own\nrules:\n  - id: x\n    when: {{ host: {host} }}\n    verdict: hold\n    \
             why: A test.\n    examples: {{ hold: [\"GET https://a.test/\"], pass: [\"GET https://b.test/\"] }}\n"
        )
    };
    fs::write(&file, rule("a.test")).unwrap();
    says(&rules::check(&config), "rules", Status::Ok, "all their examples come true");
    fs::write(&file, rule("c.test")).unwrap();
    says(&rules::check(&config), "rules", Status::Fail, "examples do not come true");
    fs::write(&file, "pack: own\nrules:\n  - id: x\n    wenn: {}\n").unwrap();
    says(&rules::check(&config), "rules", Status::Fail, "own.yaml:4");
}

#[tokio::test]
async fn a_changed_ledger_and_a_newer_schema_are_found() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    let store = Store::open(&config.store).await.unwrap();
    let ledger = crate::ledger::Ledger::new(&store);
    for _ in 0..3 {
        let event = crate::audit::Event {
            at: jiff::Timestamp::now(),
            event: crate::audit::EventKind::ServerStarted,
            actor: "holdpoint".to_owned(),
            subject: None,
            detail: serde_json::json!({}),
        };
        ledger.append(event).await.unwrap();
    }
    says(&database::check(&config).await, "ledger", Status::Ok, "the last 3 rows");
    says(&database::check(&config).await, "database", Status::Ok, "whole");
    store.close().await;

    use sqlx::{ConnectOptions as _, Connection as _};
    let file = config.store.data.join("holdpoint.db");
    let mut conn = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    for tampering in [
        "DROP TRIGGER audit_stays",
        "UPDATE audit SET canonical = replace(canonical, 'started', 'stopped') WHERE seq = 2",
        "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1",
    ] {
        sqlx::query(tampering).execute(&mut conn).await.unwrap();
    }
    conn.close().await.unwrap();
    says(&database::check(&config).await, "ledger", Status::Fail, "row 2");
    says(&database::check(&config).await, "schema", Status::Fail, "newer");

    fs::write(&file, "no database").unwrap();
    says(&database::check(&config).await, "database", Status::Fail, "");
}
