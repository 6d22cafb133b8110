//! The TLS that agents meet in a tunnel, as sslyze sees it.

use super::support::{Origin, Setup, TestAuthority, soon};
use super::tool;
use serde_json::Value;
use std::process::Stdio;
use tokio::process::Command;

#[tokio::test]
async fn the_front_is_sound_to_sslyze() {
    let authority = TestAuthority::new("Test roots");
    let origin = Origin::tls(&authority, &["api.test"]).await;
    let holdpoint = Setup::new().trust(&authority).origin("api.test:443", &origin).start().await;
    let scan = Command::new(tool("sslyze/bin/python"))
        .args(["-m", "sslyze", "--mozilla_config=disable", "--json_out=-"])
        .arg(format!("--https_tunnel=http://{}/", holdpoint.listen))
        .args(SCANS)
        .arg("api.test:443")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = soon("the end of sslyze", scan).await.expect("it starts");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!("{e}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    let scans = &report["server_scan_results"][0]["scan_result"];
    let result = |name: &str| -> &Value {
        assert_eq!(scans[name]["status"], "COMPLETED", "{name}: {}", scans[name]);
        &scans[name]["result"]
    };

    for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        let result = result(&format!("{old}_cipher_suites"));
        assert_eq!(result["accepted_cipher_suites"], Value::Array(Vec::new()), "{old}");
    }
    for new in ["tls_1_2", "tls_1_3"] {
        let accepted = result(&format!("{new}_cipher_suites"))["accepted_cipher_suites"].as_array();
        let accepted = accepted.expect("a list");
        assert!(!accepted.is_empty(), "{new}");
        for suite in accepted {
            let name = suite["cipher_suite"]["name"].as_str().expect("a name");
            let is_sealed = name.contains("_GCM_") || name.contains("_CHACHA20_POLY1305_");
            let is_forward_secret = new == "tls_1_3" || name.starts_with("TLS_ECDHE_");
            assert!(is_sealed && is_forward_secret, "{name}");
        }
    }
    for (scan, key, sound) in [
        ("heartbleed", "is_vulnerable_to_heartbleed", Value::Bool(false)),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", Value::Bool(false)),
        ("robot", "robot_result", "NOT_VULNERABLE_RSA_NOT_SUPPORTED".into()),
        ("session_renegotiation", "supports_secure_renegotiation", Value::Bool(true)),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", Value::Bool(false)),
        ("tls_compression", "supports_compression", Value::Bool(false)),
        ("tls_fallback_scsv", "supports_fallback_scsv", Value::Bool(true)),
        ("tls_extended_master_secret", "supports_ems_extension", Value::Bool(true)),
    ] {
        assert_eq!(result(scan)[key], sound, "{scan}");
    }

    let shown = &result("certificate_info")["certificate_deployments"][0]["received_certificate_chain"][0];
    let date =
        |key: &str| -> jiff::Timestamp { shown[key].as_str().expect("a date").parse().expect("a date") };
    let lifetime = date("not_valid_after").duration_since(date("not_valid_before"));
    assert!(lifetime.as_hours() < LIFETIME_HOURS_MAX, "a certificate of ours lives for {lifetime}");
    origin.assert_untouched();
}

const SCANS: [&str; 14] = [
    "--certinfo",
    "--sslv2",
    "--sslv3",
    "--tlsv1",
    "--tlsv1_1",
    "--tlsv1_2",
    "--tlsv1_3",
    "--heartbleed",
    "--openssl_ccs",
    "--robot",
    "--reneg",
    "--compression",
    "--fallback",
    "--ems",
];
/// What clients of Apple's still accept, and others will.
const LIFETIME_HOURS_MAX: i64 = 366 * 24;
