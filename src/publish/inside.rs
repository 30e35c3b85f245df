//! The container that a port leads into: its payload, its network, its addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::unistd::Pid;

use crate::error::{Context, Error, Exit, Result};
use crate::file;
use crate::layout::Layout;
use crate::plan::MAIN_PID;
use crate::sandbox::exec::Target;

/// The main process of a container that runs.
#[derive(Debug)]
pub struct Payload {
    target: Target,
    /// When it was started.
    started: SystemTime,
}

impl Payload {
    /// Waits for the container to run: it may be between two automatic restarts.
    pub fn wait(layout: &Layout, name: &str, patience: Duration) -> Result<Self> {
        let begin = Instant::now();
        loop {
            if let Some(payload) = Self::find(layout, name)? {
                return Ok(payload);
            }
            if begin.elapsed() > patience {
                return Err(Error::new(Exit::NotRunning, format!("{name} is not running")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its number was noted at hand-over. The file is read as one of the host's, whose directory is another user's than the
    /// forwarder's.
    pub fn find(layout: &Layout, name: &str) -> Result<Option<Self>> {
        let noted = layout.state(name).join(MAIN_PID);
        let read =
            || -> std::io::Result<_> { Ok((file::read_of_host(&noted, file::NUMBER)?, noted.metadata()?.modified()?)) };
        let (text, started) = match read() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.with_context(|| format!("cannot look up the main process of {name}"))?,
        };
        let Ok(pid) = text.trim().parse().map(Pid::from_raw) else { return Ok(None) };
        match Target::located(name, pid) {
            Err(error) if error.exit() == Exit::NotRunning => Ok(None),
            target => Ok(Some(Self { target: target?, started })),
        }
    }

    /// Readable when it has ended.
    pub fn end(&self) -> &OwnedFd {
        self.target.end()
    }

    /// Programs run a while before they listen.
    pub fn is_young(&self) -> bool {
        const YOUNG: Duration = Duration::from_secs(30);
        SystemTime::now().duration_since(self.started).is_ok_and(|age| age < YOUNG)
    }

    /// Sockets that are made from now on are the container's.
    pub fn enter_network(&self) -> Result<()> {
        self.target.enter_network()
    }
}

/// Where the payload may listen, best first: the addresses of the container's links, as they are now. What listens on
/// loopback alone is not for others; only a container without an address has nothing else.
pub fn targets(port: u16) -> Vec<SocketAddr> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for interface in getifaddrs().into_iter().flatten() {
        let Some(storage) = interface.address else { continue };
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
        let usable = |address: &IpAddr| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        };
        if !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            addresses.extend(v4.or(v6).filter(usable));
        }
    }
    addresses.sort_by_key(IpAddr::is_ipv6);
    if addresses.is_empty() {
        addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
}
