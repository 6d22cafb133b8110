//! Ports: free, or held by a Holdpoint that answers.

use super::Finding;
use crate::cli::client::Endpoint;
use crate::cli::server_file;
use crate::config::Config;
use http::StatusCode;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let running = answer(config).await;
    let control = finding("control", config.control.listen, running);
    let agents = finding("listen", config.listen, running);
    let mut findings = vec![agents, control];
    if !config.listen.ip().is_loopback() && config.control.listen.ip().is_unspecified() {
        findings.push(Finding::warn(
            "control",
            "agents may be able to reach the reviewers' listener",
            "give `control.listen` an address that agents have no route to",
        ));
    }
    findings
}

/// For the health check of containers: one answer.
pub(super) async fn ready(config: &Config) -> Finding {
    match answer(config).await {
        Some(StatusCode::OK) => Finding::ok("ready", "Holdpoint is ready"),
        Some(status) => Finding::fail("ready", format!("Holdpoint is not ready: {status}"), LOOK_AT_LOG),
        None => Finding::fail("ready", "no Holdpoint answers", "start it with `holdpoint serve`"),
    }
}

/// What the control listener says about being ready, if it is a Holdpoint's.
async fn answer(config: &Config) -> Option<StatusCode> {
    let address = server_file::control_address(config);
    let endpoint = Endpoint::plain(&address.ip().to_string(), address.port());
    let request =
        http::Request::get("/readyz").header("host", endpoint.to_string()).body(String::new()).ok()?;
    let answer = tokio::time::timeout(ANSWER_MAX, endpoint.send(request)).await.ok()?.ok()?;
    let ours =
        matches!(answer.body().as_ref(), b"ready\n") || answer.status() == StatusCode::SERVICE_UNAVAILABLE;
    ours.then(|| answer.status())
}

fn finding(check: &'static str, address: SocketAddr, running: Option<StatusCode>) -> Finding {
    match (TcpListener::bind(address).map_err(|error| error.kind()), running) {
        (Ok(_), _) => Finding::ok(check, format!("{address} is free")),
        (Err(ErrorKind::AddrInUse), Some(StatusCode::OK)) => {
            Finding::ok(check, format!("{address} is held by a Holdpoint that is ready"))
        }
        (Err(ErrorKind::AddrInUse), Some(_)) => {
            Finding::warn(check, format!("{address} is held by a Holdpoint that is not ready"), LOOK_AT_LOG)
        }
        (Err(ErrorKind::AddrInUse), None) => Finding::fail(
            check,
            format!("{address} is held by another program"),
            format!("stop it (`ss -ltnp` shows which), or choose another address with `{}`", key(check)),
        ),
        (Err(ErrorKind::AddrNotAvailable), _) => Finding::fail(
            check,
            format!("{address} is no address of this machine"),
            format!("choose another with `{}`; `ip addr` shows what there is", key(check)),
        ),
        (Err(ErrorKind::PermissionDenied), _) => Finding::fail(
            check,
            format!("{address} may not be listened on"),
            format!(
                "choose a port above 1023 with `{}`, or give the program CAP_NET_BIND_SERVICE",
                key(check)
            ),
        ),
        (Err(kind), _) => Finding::fail(
            check,
            format!("{address} cannot be listened on: {kind}"),
            format!("set `{}`", key(check)),
        ),
    }
}

fn key(check: &str) -> &str {
    if check == "control" { "control.listen" } else { "listen" }
}

const LOOK_AT_LOG: &str = "its log says why; a full disk and a locked database are the usual causes";
const ANSWER_MAX: Duration = Duration::from_secs(3);
