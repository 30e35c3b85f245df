//! Wires of a container that runs: links come and go, move to another bridge, get other addresses and routes, and nobody
//! who does not use what has gone notices.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags};
use nix::sched::{CloneFlags, setns};

use super::link::{self, Found, message};
use super::socket::{Request, Socket};
use super::{Netlink, inside, shape};
use crate::error::{Context, Error, Result};
use crate::plan::{Link, Port};

/// Makes the links of a network namespace those of `new`, where it had those of `old`. Done twice it does nothing; after a
/// failure the old ones are brought back as far as that can be.
///
/// Ports of the links `again` are plugged anew, as somebody has told them something else.
pub fn change(old: &[Link], new: &[Link], again: &[String], netns: &OwnedFd) -> Result<()> {
    let one_way = |from: &[Link], to: &[Link]| -> Result<()> {
        let mut netlink = Netlink::open()?;
        netlink.rewire(from, to, again, netns.as_fd())?;
        let mtus = to.iter().map(|link| netlink.mtu_inside(link)).collect::<Result<Vec<_>>>()?;
        there(netns, || within(from, to, &mtus))?;
        let moved = moved(from, to);
        if moved.is_empty() {
            return Ok(());
        }
        netlink.wait_for_ports(&moved)?;
        there(netns, || Netlink::open()?.announce(&moved))
    };
    one_way(old, new).inspect_err(|_| {
        // The first error is the one to tell.
        let _ = one_way(new, old);
    })
}

/// Gives links of a network namespace other addresses and routes, which the neighbours are told of.
pub fn readdress(old: &[Link], new: &[Link], netns: &OwnedFd) -> Result<()> {
    there(netns, || {
        within(old, new, &vec![None; new.len()])?;
        Netlink::open()?.announce(new)
    })
}

/// In the container's network namespace, by a thread that ends there.
fn there(netns: &OwnedFd, job: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    std::thread::scope(|scope| {
        let there = scope.spawn(|| {
            setns(netns, CloneFlags::CLONE_NEWNET).context("cannot enter the container's network namespace")?;
            job()
        });
        there.join().map_err(|_| Error::failed("cannot enter the network namespace"))?
    })
}

/// Links that have an address, or are on a bridge, which they had or were not before: the neighbours are to know.
fn moved(old: &[Link], new: &[Link]) -> Vec<Link> {
    let bridge = |link: &'_ Link| link.port().map(|port| (port.bridge.clone(), port.vlan));
    let is_known = |link: &&Link| {
        let before = old.iter().find(|other| other.name == link.name);
        before.is_some_and(|before| {
            bridge(before) == bridge(link) && link.addresses.iter().all(|cidr| before.addresses.contains(cidr))
        })
    };
    new.iter().filter(|link| !is_known(link)).cloned().collect()
}

/// What changes inside.
fn within(old: &[Link], new: &[Link], mtus: &[Option<u32>]) -> Result<()> {
    let mut socket = Socket::open(0)?;
    let found = link::list(&mut socket)?;
    let indexed = |links: &'_ [Link]| -> Vec<(u32, usize)> {
        let index = |name: &str| found.iter().find(|found| found.name == name).map(|found| found.index);
        links.iter().enumerate().filter_map(|(at, link)| Some((index(&link.name)?, at))).collect()
    };
    let (before, after) = (indexed(old), indexed(new));
    if let Some(missing) = new.iter().enumerate().find(|(at, _)| !after.iter().any(|(_, there)| there == at)) {
        return Err(Error::failed(format_args!("link {} is not there", missing.1.name)));
    }
    // The MTU first: what is too large for it could not be set.
    let sizes = after.iter().filter_map(|(index, at)| Some(inside::resize(&new[*at].name, *index, mtus[*at]?)));
    let mut requests: Vec<_> = sizes.collect();
    let before: Vec<_> = before.into_iter().map(|(index, at)| (index, &old[at])).collect();
    let after: Vec<_> = after.into_iter().map(|(index, at)| (index, &new[at])).collect();
    requests.extend(inside::transition(&before, &after)?);
    socket.run(&requests)
}

impl Netlink {
    /// On the host: takes links away, makes new ones, moves those that stay to their bridges.
    fn rewire(&mut self, old: &[Link], new: &[Link], again: &[String], netns: BorrowedFd<'_>) -> Result<()> {
        for link in old.iter().filter(|link| !new.iter().any(|other| other.name == link.name)) {
            self.detach(&port(link)?.host_name).with_context(|| format!("cannot take {} away", link.name))?;
        }
        for link in new {
            let Some(port) = link.port() else {
                let as_it_is = old.iter().any(|other| other.name == link.name && other.kind == link.kind);
                as_it_is.then_some(()).ok_or_else(|| not_live(link))?;
                continue;
            };
            let before = old.iter().find(|other| other.name == link.name && other.port().is_some());
            match (before, link::find(&mut self.socket, &port.host_name)?) {
                (Some(before), Some(found)) if found.is_ours() => {
                    let anew = before.port() != Some(port) || again.contains(&link.name);
                    self.move_port(link, port, anew)?;
                    self.socket.run(&Vec::from_iter(rate_in(before, link, &found)))?;
                }
                _ => self.attach(link, netns)?,
            }
        }
        Ok(())
    }

    fn move_port(&mut self, link: &Link, port: &Port, anew: bool) -> Result<()> {
        let bridge = self.bridge(&port.bridge)?;
        super::suits(&bridge, port)?;
        let found = self.own_port(port)?;
        let mtu = link.mtu.unwrap_or(bridge.mtu).max(bridge.mtu);
        if found.master == Some(bridge.index) && found.mtu == mtu && !anew {
            return Ok(());
        }
        let plug = |attributes| {
            let mut set = message(found.index, attributes);
            set.header.flags = LinkFlags::Up;
            set.header.change_mask = LinkFlags::Up;
            Request {
                action: format!("cannot plug {} into bridge {}", port.host_name, port.bridge),
                message: RouteNetlinkMessage::SetLink(set),
                flags: 0,
                tolerated: None,
            }
        };
        // A port that is unplugged loses its flags, its VLANs and what is known of it.
        let out = plug(vec![LinkAttribute::Controller(0)]);
        let into = plug(vec![LinkAttribute::Mtu(mtu), LinkAttribute::Controller(bridge.index)]);
        self.socket.run(&[out, into])?;
        self.set_up(link, port, &bridge)
    }

    /// The MTU that a link has inside.
    fn mtu_inside(&mut self, link: &Link) -> Result<Option<u32>> {
        match (link.mtu, link.port()) {
            (Some(mtu), _) => Ok(Some(mtu)),
            (None, Some(port)) => Ok(Some(self.bridge(&port.bridge)?.mtu)),
            (None, None) => Ok(None),
        }
    }
}

/// What comes into the container is held back at the host's end.
fn rate_in(old: &Link, new: &Link, end: &Found) -> Option<Request> {
    match (old.rate_in, new.rate_in) {
        (_, Some(rate)) => Some(shape::limit(&end.name, end.index, rate)),
        (Some(_), None) => Some(shape::unlimit(&end.name, end.index)),
        (None, None) => None,
    }
}

fn port(link: &Link) -> Result<&Port> {
    link.port().ok_or_else(|| not_live(link))
}

fn not_live(link: &Link) -> Error {
    Error::failed(format_args!("{} is no port of a bridge: restart the container", link.name))
}
