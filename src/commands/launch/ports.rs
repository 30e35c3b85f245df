//! Published ports that somebody else has: who.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};

use crate::definition::model::Protocol;
use crate::definition::types::{Listen, Port, escaped};
use crate::error::{Error, Exit, Result};
use crate::plan::Publish;
use crate::systemd::{Manager, Start};

/// Who holds a socket whose unit is not active.
const MANAGER: &str = "process 1 (systemd)";
/// How long a port may be in hands that nobody can name before it is somebody's.
const PASSING: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// An error for the first port that cannot be opened. systemd would say no more than that a socket unit has failed; and of
/// UDP not even that, as it lets two sockets share a port there.
pub fn refuse_taken(manager: &Manager, ports: &[Publish]) -> Result<()> {
    for port in ports {
        port.addresses.iter().try_for_each(|address| refuse_if_taken(manager, *address, port))?;
    }
    Ok(())
}

fn refuse_if_taken(manager: &Manager, address: SocketAddr, port: &Publish) -> Result<()> {
    let shown = format!("{address}/{}", port.protocol.as_str());
    let begin = Instant::now();
    while let Err(errno) = try_bind(address, port.protocol) {
        match errno {
            Errno::ADDRINUSE => match holder(manager, address, port)? {
                // Of an earlier start, about to go; or somebody else starts it at this moment.
                Some(holder) if holder == port.socket() => return Ok(()),
                // It went between the two questions, or PID 1 is closing it; or another start tries as we do.
                None if begin.elapsed() < PASSING => std::thread::sleep(PAUSE),
                Some(holder) if holder == MANAGER && begin.elapsed() < PASSING => std::thread::sleep(PAUSE),
                holder => {
                    let holder = holder.map_or("somebody else".to_owned(), |unit| named(&unit));
                    return Err(Error::failed(format!("port {shown} is taken by {holder}")));
                }
            },
            Errno::ADDRNOTAVAIL => {
                return Err(Error::failed(format!("cannot open port {shown}: this host has no such address")));
            }
            errno => return Err(Error::failed(format!("cannot open port {shown}: {}", Error::from(errno)))),
        }
    }
    Ok(())
}

/// Closes what an earlier start has opened for connections that start the container, and this one has not. A socket that
/// stays keeps those who wait, and its next forwarder reads where they are to go.
pub fn close_others(manager: &Manager, before: &[Publish], now: &[Publish]) -> Result<()> {
    let stays = |port: &Publish| {
        let same = |other: &Publish| other.instance == port.instance && other.addresses == port.addresses;
        now.iter().any(|other| other.activate && same(other))
    };
    close(manager, before.iter().filter(|port| !stays(port)))
}

/// Closes the sockets that are there without their container.
pub fn close<'a>(manager: &Manager, ports: impl Iterator<Item = &'a Publish>) -> Result<()> {
    for port in ports.filter(|port| port.activate) {
        // A socket cannot be opened again while its forwarder is there, which goes with it a moment later.
        for unit in [port.socket(), port.forwarder()] {
            match manager.status(&unit)?.active.as_str() {
                "inactive" => {}
                "failed" => manager.reset_failed(&unit)?,
                _ => match manager.stop(&unit) {
                    // Somebody else was faster.
                    Err(error) if error.exit() == Exit::NotRunning => {}
                    stopped => stopped?,
                },
            }
        }
    }
    Ok(())
}

/// Opens the sockets that are there without their container, or finds them open.
pub fn keep_open(manager: &Manager, container: &str, ports: &[Publish]) -> Result<()> {
    for port in ports.iter().filter(|port| port.activate) {
        manager.start_transient(&port.unit(container), Start::default())?;
    }
    Ok(())
}

/// The sockets of these ports that listen now.
pub fn listening(manager: &Manager, ports: &[Publish]) -> Result<Vec<String>> {
    let mut sockets = Vec::new();
    for socket in ports.iter().filter(|port| port.activate).map(Publish::socket) {
        if manager.status(&socket)?.active == "active" {
            sockets.push(socket);
        }
    }
    Ok(sockets)
}

/// The sockets of a container go a moment after it has, but for those that start it.
pub fn wait_until_free(manager: &Manager, published: &[Publish]) -> Result<()> {
    /// A stop that takes longer is none of ours.
    const PATIENCE: Duration = Duration::from_secs(10);
    let begin = Instant::now();
    for port in published.iter().filter(|port| !port.activate) {
        while manager.status(&port.socket())?.active == "active" && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(())
}

/// As systemd does it, but never beside another socket; closed again at once, and nobody could connect.
fn try_bind(address: SocketAddr, protocol: Protocol) -> rustix::io::Result<()> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
    };
    let socket: OwnedFd = socket_with(family, kind, SocketFlags::CLOEXEC, Some(number))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    // Connections that have ended a moment ago are in nobody's way.
    sockopt::set_socket_reuseaddr(&socket, protocol == Protocol::Tcp)?;
    bind(&socket, &address)
}

/// Who has it: a socket unit of systemd's, or a process.
fn holder(manager: &Manager, address: SocketAddr, port: &Publish) -> Result<Option<String>> {
    let kind = if port.protocol == Protocol::Tcp { "Stream" } else { "Datagram" };
    let meets = |(of, text): &(String, String)| {
        of == kind && text.parse().is_ok_and(|other: SocketAddr| listen(other).overlaps(listen(address)))
    };
    let sockets = manager.sockets()?;
    let found = sockets.into_iter().find(|socket| socket.listen.iter().any(meets));
    Ok(found.map(|socket| socket.unit).or_else(|| process(address, port.protocol)))
}

fn listen(address: SocketAddr) -> Listen {
    Listen { address: Some(address.ip()), port: Port(address.port()) }
}

/// A unit, and the container that it is of.
fn named(unit: &str) -> String {
    let container = unit.strip_prefix("soute-publish@").and_then(|instance| instance.split_once(':'));
    match container {
        Some((name, _)) => format!("container {name} ({unit})"),
        None => unit.to_owned(),
    }
}

/// The process that has a socket there: "process 1234 (nginx)".
fn process(address: SocketAddr, protocol: Protocol) -> Option<String> {
    let tables = [protocol.as_str().to_owned(), format!("{}6", protocol.as_str())];
    let text: String =
        tables.iter().filter_map(|table| fs::read_to_string(format!("/proc/net/{table}")).ok()).collect();
    let sockets: Vec<String> = text.lines().filter_map(|line| bound(line, address, protocol)).collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = numbers.find(|pid| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut links = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok());
        links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
    })?;
    let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("process {pid} ({})", escaped(command.trim_end())))
}

/// The name of the socket of a line of proc_net_tcp(5), `socket:[1234]`, if it is in the way.
fn bound(line: &str, address: SocketAddr, protocol: Protocol) -> Option<String> {
    const LISTENING: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (*fields.get(1)?, *fields.get(3)?, *fields.get(9)?);
    let (host, port) = local.split_once(':')?;
    let other = SocketAddr::new(host_address(host)?, u16::from_str_radix(port, 16).ok()?);
    let listens = protocol == Protocol::Udp || state == LISTENING;
    (listens && listen(other).overlaps(listen(address))).then(|| format!("socket:[{inode}]"))
}

/// Words of four bytes in the order of the machine.
fn host_address(hex: &str) -> Option<IpAddr> {
    let words: Option<Vec<[u8; 4]>> = (0..hex.len() / 8)
        .map(|word| u32::from_str_radix(hex.get(word * 8..word * 8 + 8)?, 16).ok().map(u32::to_ne_bytes))
        .collect();
    let bytes = words?.concat();
    match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(four) => Some(Ipv4Addr::from(four).into()),
        Err(_) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_is_found_in_the_kernels_table() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8899 1 0 100 0 0 10 0";
        let at = |text: &str| bound(line, text.parse().unwrap(), Protocol::Tcp);
        if cfg!(target_endian = "little") {
            assert_eq!(at("127.0.0.1:8080").as_deref(), Some("socket:[8899]"));
            assert_eq!(at("0.0.0.0:8080").as_deref(), Some("socket:[8899]"));
            assert_eq!(at("127.0.0.2:8080"), None);
            assert_eq!(at("127.0.0.1:8081"), None);
        }
        assert_eq!(host_address("00000000000000000000000001000000"), Some(Ipv6Addr::LOCALHOST.into()));
    }

    #[test]
    fn a_port_that_is_taken_is_seen_and_its_process_is_named() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(try_bind(address, Protocol::Tcp), Err(Errno::ADDRINUSE));
        let name = process(address, Protocol::Tcp).unwrap();
        assert!(name.starts_with(&format!("process {} (", std::process::id())), "{name}");
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(try_bind(address, Protocol::Udp), Err(Errno::ADDRINUSE));
        drop(taken);
        assert_eq!(try_bind(address, Protocol::Udp), Ok(()));
    }
}
