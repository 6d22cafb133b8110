//! `openssl s_server`, which still speaks what libraries have left behind.

use super::support::soon;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

pub(crate) struct Legacy {
    pub(crate) addr: SocketAddr,
    process: Child,
    said: BufReader<ChildStdout>,
    /// At its end the program would leave.
    _stdin: ChildStdin,
}

impl Legacy {
    /// Serves `NAME.pem` of the folder with these options, whatever the machine's own configuration forbids.
    pub(crate) async fn start(folder: &Path, name: &str, options: &str) -> Self {
        let ciphers: &[&str] =
            if options.contains("-cipher") { &[] } else { &["-cipher", "ALL:@SECLEVEL=0"] };
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(["-cert", &format!("{name}.pem"), "-key", &format!("{name}.key")])
            .args(options.split_whitespace())
            .args(ciphers)
            .current_dir(folder)
            .env("OPENSSL_CONF", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl is there: scripts/test installs it");
        let stdin = process.stdin.take().expect("piped");
        let mut said = BufReader::new(process.stdout.take().expect("piped"));
        let addr = loop {
            let mut line = String::new();
            let read = soon("openssl to listen", said.read_line(&mut line)).await.expect("text");
            assert!(read > 0, "{name}: openssl s_server {options} ended at once");
            if let Some(addr) = line.trim().strip_prefix("ACCEPT ") {
                break addr.parse().expect("an address");
            }
        };
        Self { addr, process, said, _stdin: stdin }
    }

    /// Ends it. Returns what it wrote, which is what it was sent among other things.
    pub(crate) async fn end(mut self) -> String {
        soon("the end of openssl", self.process.kill()).await.expect("killed");
        let mut said = Vec::new();
        soon("what openssl wrote", self.said.read_to_end(&mut said)).await.expect("a pipe");
        String::from_utf8_lossy(&said).into_owned()
    }
}
