//! `<data>/server.json`: the addresses that the running server got, for commands on the same machine. It
//! matters where the configuration leaves the port to the system (port 0).

use crate::config::{self, Config};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
struct Addresses {
    pid: u32,
    listen: SocketAddr,
    control: SocketAddr,
}

/// Written by the server when it listens; removed when it stops.
#[derive(Debug)]
pub(super) struct ServerFile {
    path: PathBuf,
}

impl ServerFile {
    pub(super) fn write(config: &Config, listen: SocketAddr, control: SocketAddr) -> anyhow::Result<Self> {
        let path = path(config);
        let addresses = Addresses { pid: std::process::id(), listen, control };
        let fresh = path.with_extension("json.new");
        std::fs::write(&fresh, serde_json::to_vec(&addresses)?)?;
        std::fs::rename(&fresh, &path)?;
        Ok(Self { path })
    }
}

impl Drop for ServerFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // a stale one is harmless: it counts for port 0 only
    }
}

/// Where agents connect, from this machine.
pub(super) fn agents_address(config: &Config) -> SocketAddr {
    let listen = config.listen;
    config::reachable(if listen.port() == 0 { read(config).map_or(listen, |a| a.listen) } else { listen })
}

/// Where the control listener is, from this machine.
pub(super) fn control_address(config: &Config) -> SocketAddr {
    let listen = config.control.listen;
    config::reachable(if listen.port() == 0 { read(config).map_or(listen, |a| a.control) } else { listen })
}

/// How reviewers reach the control listener: the public URL, or its address.
pub(super) fn control_url(config: &Config) -> String {
    config.control.url.clone().unwrap_or_else(|| format!("http://{}", control_address(config)))
}

fn read(config: &Config) -> Option<Addresses> {
    serde_json::from_slice(&std::fs::read(path(config)).ok()?).ok()
}

fn path(config: &Config) -> PathBuf {
    config.store.data.join("server.json")
}
