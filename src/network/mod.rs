//! Wires: a veth from a bridge of the host into the container, made with blocking rtnetlink.
//!
//! Nothing here starts a thread, and nothing is kept: the kernel takes the links with the container's network namespace.

mod addresses;
pub mod bridge;
mod in_use;
mod inside;
pub(crate) mod link;
mod live;
mod neighbour;
mod parent;
mod port;
mod shape;
pub(crate) mod socket;
mod solicit;
pub(crate) mod topology;

pub use in_use::{Asked, InUse, PATIENCE};
pub use live::{change, readdress};

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::RTMGRP_LINK;
use nix::net::if_::if_nametoindex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::definition::types::Cidr;
use crate::error::{Context, Error, Exit, Result};
use crate::plan::{Link, LinkKind, Port};
use bridge::NewBridge;
use link::Found;
use parent::Child;
pub use parent::Lent;
use socket::{Refusal, Request, Socket};

/// 2^10 less one: BR_PORT_BITS of net/bridge.
const BRIDGE_PORTS: u32 = 1023;
/// That of a new bridge, which takes links of less as they are.
const ETHERNET_MTU: u32 = 1500;
/// The kernel dismantles the namespace of a killed container in the background; its links go meanwhile.
const STALE_TRIES: u32 = 50;
const STALE_PAUSE: Duration = Duration::from_millis(10);
const IN_USE_TRIES: u32 = 500;
const PORT_TRIES: u32 = 40;
const PORT_PAUSE: Duration = Duration::from_micros(500);

/// A bridge of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bridge {
    /// Its interface index.
    pub index: u32,
    /// Its MTU, which is that of links that name none.
    pub mtu: u32,
    /// Is it raised? Nothing passes through one that is not.
    pub up: bool,
    /// Does it keep VLANs apart?
    pub filters_vlans: bool,
    /// The VLAN that its ports are born in; 0 for none.
    pub default_vlan: u16,
}

/// A socket in the network namespace of the thread that opened it.
pub struct Netlink {
    socket: Socket,
}

impl Netlink {
    /// Opens the socket.
    pub fn open() -> Result<Self> {
        Ok(Self { socket: Socket::open(0)? })
    }

    /// The bridge of that name.
    pub fn bridge(&mut self, name: &str) -> Result<Bridge> {
        self.find_bridge(name)?.ok_or_else(|| Error::failed(format_args!("bridge {name} does not exist")))
    }

    /// Makes a link in `netns`, and what it takes on the host.
    pub fn attach(&mut self, link: &Link, netns: BorrowedFd<'_>) -> Result<()> {
        match &link.kind {
            LinkKind::Bridge(port) => self.attach_port(link, port, netns),
            LinkKind::Macvlan { parent } => self.attach_child(link, Child::Macvlan, parent, netns),
            LinkKind::Ipvlan { parent } => self.attach_child(link, Child::Ipvlan, parent, netns),
            LinkKind::Device { parent } => self.lend(link, parent, netns),
        }
    }

    /// The bridge of a port; one that is missing is made where the definition says so, and stays when the container goes.
    fn bridge_of(&mut self, link: &Link, port: &Port) -> Result<Bridge> {
        if let (Some(mac), None) = (port.create, self.find_bridge(&port.bridge)?) {
            // Another container may be quicker: its bridge is as good.
            self.make_bridge(&NewBridge {
                name: port.bridge.clone(),
                mac,
                mtu: link.mtu.filter(|mtu| *mtu > ETHERNET_MTU),
                vlan_filtering: port::has_vlans(port),
                addresses: Vec::new(),
            })?;
        }
        self.bridge(&port.bridge)
    }

    /// Plugs a new veth into its bridge, and its other end into `netns`.
    fn attach_port(&mut self, link: &Link, port: &Port, netns: BorrowedFd<'_>) -> Result<()> {
        let bridge = self.bridge_of(link, port)?;
        suits(&bridge, port)?;
        let create = link::create(link, port, &bridge, netns)?;
        let mut tries = 0;
        while let Err(refusal) = self.socket.one(&create) {
            tries += 1;
            if refusal.errno != Errno::EEXIST || tries > STALE_TRIES {
                return Err(explain(refusal, link, port)).context(&create.action);
            }
            self.remove_stale(port)?;
        }
        self.set_up(link, port, &bridge).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = self.detach(&port.host_name);
        })
    }

    /// What a new port cannot be given at its birth.
    fn set_up(&mut self, link: &Link, port: &Port, bridge: &Bridge) -> Result<()> {
        let [whole, without_ipv6] = link::dress(&port.host_name);
        match self.socket.one(&whole) {
            Err(refusal) if refusal.errno == Errno::EAFNOSUPPORT => self.socket.run(&[without_ipv6])?,
            other => other.context(&whole.action)?,
        }
        if !port::has_options(port) && link.rate_in.is_none() {
            return Ok(());
        }
        let index = self.own_port(port)?.index;
        self.socket.run(&port::requests(link, port, bridge, index))?;
        if port.spoof_check && !self.own_port(port)?.locked {
            return Err(Error::failed("spoof-check needs Linux 5.16: this kernel cannot lock a port of a bridge"));
        }
        Ok(())
    }

    fn own_port(&mut self, port: &Port) -> Result<Found> {
        let found = link::find(&mut self.socket, &port.host_name)?;
        found.ok_or_else(|| Error::failed(format_args!("link {} is gone", port.host_name)))
    }

    /// Removes a veth of ours, and with it its peer. One that is not there is removed already.
    pub fn detach(&mut self, host_name: &str) -> Result<()> {
        match link::find(&mut self.socket, host_name)? {
            Some(found) if found.is_ours() => self.socket.run(&[link::delete(found.index, host_name)]),
            Some(found) => Err(Error::failed(format_args!(
                "cannot remove link {host_name}: it is {} not made by soute",
                found.what()
            ))),
            None => Ok(()),
        }
    }

    /// The host ends of all our veths.
    pub fn links_of_ours(&mut self) -> Result<Vec<String>> {
        let links = link::list(&mut self.socket)?;
        Ok(links.into_iter().filter(Found::is_ours).map(|found| found.name).collect())
    }

    /// Inside the container's namespace: raises lo and every link, adds addresses and routes, all in one call.
    pub fn configure_inside(&mut self, links: &[Link]) -> Result<()> {
        // An index cannot be chosen at birth (veth_newlink takes the peer's only together with the host end's), nor
        // guessed: where fb_tunnels_only_for_init_net is 0, namespaces are born with tunl0, sit0 and the like. Asked for by
        // ioctl, which unlike RTM_GETLINK takes no lock that those who make links hold.
        let indexed = links.iter().map(|link| match if_nametoindex(link.name.as_str()) {
            Ok(index) => Ok((index, link)),
            Err(Errno::ENODEV) => Err(Error::failed(format_args!("link {} is not there", link.name))),
            Err(errno) => Err(errno).with_context(|| format!("cannot look up link {}", link.name)),
        });
        let requests = inside::requests(&indexed.collect::<Result<Vec<_>>>()?)?;
        match links.iter().any(|link| link.port().is_none()) {
            true => requests.iter().try_for_each(|request| self.patiently(request)),
            false => self.socket.run(&requests),
        }
    }

    /// On the host: waits until the ports pass something on, which the kernel sees to in the background once the links are
    /// raised inside. Not for ever: who runs a spanning tree does not expect it at once.
    pub fn wait_for_ports(&mut self, links: &[Link]) -> Result<()> {
        let used = |link: &&Link| !link.addresses.is_empty() || link.awaits_lease();
        for port in links.iter().filter(used).filter_map(Link::port) {
            // Who asks whether there is a carrier has the kernel see to it there and then (linkwatch_sync_dev, Linux 6.7). On
            // a busy host its own worker may have to wait for a processor.
            let _ = std::fs::read(format!("/sys/class/net/{}/carrier", port.host_name));
            let mut tries = 0;
            while tries < PORT_TRIES && self.own_port(port)?.disabled {
                std::thread::sleep(PORT_PAUSE);
                tries += 1;
            }
        }
        Ok(())
    }

    /// Inside the container: tells the neighbours whose addresses these are. That a link has an Ethernet address, even if it
    /// is the one that it had, is news by which the kernel sends ARP and neighbour advertisements (arp_notify, ndisc_notify).
    pub fn announce(&mut self, links: &[Link]) -> Result<()> {
        let ports = links.iter().filter(|link| !link.addresses.is_empty() && link.port().is_some());
        self.socket.run(&ports.map(inside::announce).collect::<Vec<_>>())
    }

    /// What an earlier run of the container had on the same parent is in use until the kernel has dismantled its namespace.
    fn patiently(&mut self, request: &Request) -> Result<()> {
        for _ in 0..IN_USE_TRIES {
            match self.socket.one(request) {
                Err(refusal) if refusal.errno == Errno::EADDRINUSE => std::thread::sleep(STALE_PAUSE),
                other => return other.context(&request.action),
            }
        }
        self.socket.run(std::slice::from_ref(request))
    }

    /// The bridge of that name, if there is one; an error for a link that is something else.
    pub fn find_bridge(&mut self, name: &str) -> Result<Option<Bridge>> {
        let Some(found) = link::find(&mut self.socket, name)? else { return Ok(None) };
        match found.kind.as_deref() {
            Some("bridge") => Ok(Some(Bridge {
                index: found.index,
                mtu: found.mtu,
                up: found.up,
                filters_vlans: found.filters_vlans,
                default_vlan: found.default_vlan,
            })),
            _ => Err(Error::failed(format_args!("{name} is not a bridge but {}", found.what()))),
        }
    }

    /// Removes what kill -9 left of an earlier run, or waits for the kernel to do so.
    fn remove_stale(&mut self, port: &Port) -> Result<()> {
        let found = link::find(&mut self.socket, &port.host_name)?;
        match found {
            // The address is a hash of the container and the link: nobody else's veth has it.
            Some(found) if found.is_veth() && found.mac == port.host_mac => {
                self.socket.run(&[link::delete(found.index, &port.host_name)])
            }
            Some(found) if !found.is_ours() => Err(Error::failed(format_args!(
                "cannot create link {}: that name is taken by {}",
                port.host_name,
                found.what()
            ))),
            _ => {
                std::thread::sleep(STALE_PAUSE);
                Ok(())
            }
        }
    }
}

/// The networks that a bridge of the host is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    /// By its own addresses there, but for those that it was given for a time.
    pub own: Vec<Cidr>,
    /// The routers that the host itself sends to by default.
    pub routers: Vec<IpAddr>,
}

impl Netlink {
    /// The networks of a bridge, none if it has no address.
    pub fn networks(&mut self, bridge: &str) -> Result<Networks> {
        let index = self.bridge(bridge)?.index;
        let found = addresses::of_link(&mut self.socket, index)?;
        let own = found.into_iter().filter(|found| found.permanent).map(|found| found.cidr).collect();
        Ok(Networks { own, routers: addresses::routers(&mut self.socket, index) })
    }
}

/// Waits until a bridge of that name is there; at boot the one who makes it may come after the launcher.
pub fn wait_for_bridge(name: &str, timeout: Duration) -> Result<Bridge> {
    wait_for(&format!("bridge {name}"), timeout, |netlink| netlink.find_bridge(name))
}

/// The same for a link of any kind.
pub fn wait_for_parent(name: &str, timeout: Duration) -> Result<()> {
    wait_for(&format!("link {name}"), timeout, |netlink| Ok(link::find(&mut netlink.socket, name)?.map(drop)))
}

fn wait_for<T>(what: &str, timeout: Duration, find: impl Fn(&mut Netlink) -> Result<Option<T>>) -> Result<T> {
    let mut netlink = Netlink::open()?;
    until(RTMGRP_LINK, timeout, || find(&mut netlink))?.ok_or_else(|| {
        let waited = humantime::format_duration(timeout);
        Error::new(Exit::TimedOut, format_args!("{what} does not exist, waited for {waited}"))
    })
}

/// The same for a network of each of these families (true is IPv4), or of any where none is named; who waits in vain gets
/// what there is.
pub fn wait_for_networks(bridge: &str, families: &[bool], timeout: Duration) -> Result<Networks> {
    wait_for_bridge(bridge, timeout)?;
    let mut netlink = Netlink::open()?;
    let complete = |networks: &Networks| {
        let has = |family: &bool| networks.own.iter().any(|own| own.address.is_ipv4() == *family);
        !networks.own.is_empty() && families.iter().all(has)
    };
    let found =
        until(addresses::EVENTS, timeout, || netlink.networks(bridge).map(|found| complete(&found).then_some(found)))?;
    found.map_or_else(|| Netlink::open()?.networks(bridge), Ok)
}

/// Asks again after each event of these groups; none if there was no answer in time.
fn until<T>(groups: i32, timeout: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    // Listening starts before the first look, so that nothing appears unseen in between.
    let mut events = Socket::open(groups.cast_unsigned())?;
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(found) = ask()? {
            return Ok(Some(found));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        // A millisecond more than what is left: a timeout rounded down to zero would spin.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => events.drain(),
            Err(errno) => return Err(errno).context("cannot wait for what the kernel tells of links"),
        }
    }
}

/// Can the bridge give the port what it asks for?
pub fn suits(bridge: &Bridge, port: &Port) -> Result<()> {
    if port::has_vlans(port) && !bridge.filters_vlans {
        let name = &port.bridge;
        return Err(Error::failed(format_args!(
            "bridge {name} does not keep VLANs apart: see VLANFiltering= in systemd.netdev(5), or \
             `ip link set {name} type bridge vlan_filtering 1`"
        )));
    }
    Ok(())
}

/// The kernel's refusal of a veth, with advice where the errno is understood.
fn explain(refusal: Refusal, link: &Link, port: &Port) -> Error {
    match refusal.errno {
        Errno::EXFULL => Error::failed(format_args!(
            "bridge {} has {BRIDGE_PORTS} ports, and the kernel allows no more: use a second bridge, joined to this one by \
             a veth or with a network of its own, see BRIDGES in soute(8)",
            port.bridge
        )),
        Errno::EOPNOTSUPP => Error::failed(format_args!("{}: has the kernel no veth?", Error::from(refusal))),
        Errno::EEXIST => Error::failed(format_args!("a link of that name, or inside one called {}, exists", link.name)),
        _ => refusal.into(),
    }
}
