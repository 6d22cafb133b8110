//! SOCKS5 (RFC 1928) with user name and password (RFC 1929), on the port where HTTP is spoken as well. Only `CONNECT`:
//! what comes through is opened and judged as behind an HTTP `CONNECT`.

use super::Gate;
use crate::agents::Known;
use crate::authority::{Authority, Host};
use bytes::{Buf, BytesMut};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The first byte of every client.
pub(super) const VERSION: u8 = 5;
/// The way is open; the address that it leaves from is nobody's business.
pub(super) const ESTABLISHED: &[u8] = &[VERSION, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/// Reads the greeting, the credentials and the request. `None`: refused, and the client was told.
///
/// # Errors
/// The connection broke off.
///
/// # Cancel safety
/// Dropped, the connection is of no more use.
pub(super) async fn greet(
    gate: &Gate,
    tcp: &mut TcpStream,
    buffer: &mut BytesMut,
) -> io::Result<Option<(Known, Authority)>> {
    let methods = counted(tcp, buffer, 1).await?;
    let agents = &gate.services.agents;
    let known = if methods.contains(&BY_PASSWORD) {
        tcp.write_all(&[VERSION, BY_PASSWORD]).await?;
        let name = counted(tcp, buffer, 1).await?;
        let token = counted(tcp, buffer, 0).await?;
        let text = |bytes| String::from_utf8(bytes).unwrap_or_default();
        let known = agents.authenticate(&text(name), &text(token));
        tcp.write_all(&[PASSWORD_VERSION, u8::from(known.is_none())]).await?;
        known
    } else if methods.contains(&UNNAMED) && gate.loopback {
        tcp.write_all(&[VERSION, UNNAMED]).await?;
        Some(agents.local())
    } else {
        tcp.write_all(&[VERSION, NO_METHOD]).await?;
        None
    };
    let Some(known) = known else { return Ok(None) };
    fill(tcp, buffer, 4).await?;
    let (version, command, kind) = (buffer.get_u8(), buffer.get_u8(), (buffer.advance(1), buffer.get_u8()).1);
    if version != VERSION {
        return Ok(None);
    }
    let host = match kind {
        1 => {
            fill(tcp, buffer, 4).await?;
            Host::parse(&Ipv4Addr::from(buffer.get_u32()).to_string()).ok()
        }
        3 => {
            let name = counted(tcp, buffer, 0).await?;
            String::from_utf8(name).ok().and_then(|name| Host::parse(&name).ok())
        }
        4 => {
            fill(tcp, buffer, 16).await?;
            Host::parse(&format!("[{}]", Ipv6Addr::from(buffer.get_u128()))).ok()
        }
        _ => return refuse(tcp, NO_SUCH_ADDRESS).await,
    };
    fill(tcp, buffer, 2).await?;
    let port = buffer.get_u16();
    match host {
        _ if command != CONNECT => refuse(tcp, NO_SUCH_COMMAND).await,
        Some(host) if port > 0 => Ok(Some((known, Authority { host, port }))),
        _ => refuse(tcp, NOT_ALLOWED).await,
    }
}

/// Says why there is no way.
pub(super) async fn refuse<T>(tcp: &mut TcpStream, why: u8) -> io::Result<Option<T>> {
    tcp.write_all(&[VERSION, why, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    Ok(None)
}

/// A byte that counts, behind `skip` others, and what it counts.
async fn counted(tcp: &mut TcpStream, buffer: &mut BytesMut, skip: usize) -> io::Result<Vec<u8>> {
    fill(tcp, buffer, skip + 1).await?;
    buffer.advance(skip);
    let count = usize::from(buffer.get_u8());
    fill(tcp, buffer, count).await?;
    Ok(buffer.split_to(count).to_vec())
}

/// Reads until there are so many bytes.
async fn fill(tcp: &mut TcpStream, buffer: &mut BytesMut, count: usize) -> io::Result<()> {
    while buffer.len() < count {
        if tcp.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

const UNNAMED: u8 = 0;
const BY_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const PASSWORD_VERSION: u8 = 1;
const CONNECT: u8 = 1;
pub(super) const NOT_ALLOWED: u8 = 2;
pub(super) const UNREACHABLE: u8 = 4;
const NO_SUCH_COMMAND: u8 = 7;
const NO_SUCH_ADDRESS: u8 = 8;
