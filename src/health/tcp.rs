//! Asking a port, from within a network namespace.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Of an answer, what the status is in.
const HEAD: usize = 1024;

/// Takes a connection. A server on loopback may speak one family only.
pub fn connect(host: Option<IpAddr>, port: u16, until: Instant) -> Result<TcpStream, String> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let addresses = host.as_ref().map_or(&loopback[..], std::slice::from_ref);
    let mut refused = String::new();
    for address in addresses {
        match TcpStream::connect_timeout(&SocketAddr::new(*address, port), left(until)?) {
            Ok(stream) => return Ok(stream),
            Err(error) if refused.is_empty() => refused = format!("port {port}: {}", crate::error::Error::from(error)),
            Err(_) => {}
        }
    }
    Err(refused)
}

/// GET, of which nothing but the status is looked at.
pub fn get(mut stream: TcpStream, host: &str, path: &str, until: Instant) -> Result<(), String> {
    let failed = |error: std::io::Error| crate::error::Error::from(error).to_string();
    let host = if host.is_empty() { "localhost" } else { host };
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: soute\r\nConnection: close\r\n\r\n");
    stream.set_write_timeout(Some(left(until)?)).map_err(failed)?;
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let (mut head, mut piece) = (Vec::new(), [0; 256]);
    while !head.contains(&b'\n') && head.len() < HEAD {
        stream.set_read_timeout(Some(left(until)?)).map_err(failed)?;
        match stream.read(&mut piece).map_err(failed)? {
            0 => break,
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    judge(&head)
}

fn judge(head: &[u8]) -> Result<(), String> {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line.trim_ascii_end());
    let status = line.strip_prefix("HTTP/").and_then(|rest| rest.split(' ').nth(1)?.parse::<u16>().ok());
    match status {
        Some(200..400) => Ok(()),
        Some(_) => Err(format!("answered {line}")),
        None => Err("answered with something that is not HTTP".to_owned()),
    }
}

fn left(until: Instant) -> Result<Duration, String> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err("timed out".to_owned()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn the_first_line_decides() {
        assert_eq!(judge(b"HTTP/1.1 200 OK\r\nX: y\r\n"), Ok(()));
        assert_eq!(judge(b"HTTP/1.0 302 Found\n"), Ok(()));
        assert_eq!(judge(b"HTTP/1.1 503 Not now\r\n"), Err("answered HTTP/1.1 503 Not now".to_owned()));
        for garbage in [&b""[..], b"SSH-2.0\r\n", b"HTTP/1.1\r\n", b"HTTP/1.1 99999 x", b"\xff\xff"] {
            assert!(judge(garbage).is_err());
        }
    }
}
