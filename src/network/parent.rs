//! Links that need no bridge: children of a host's link, born inside, and a network card itself, moved there and back.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, IpVlanMode, LinkAttribute, LinkInfo, MacVlanMode, Prop,
};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::Netlink;
use super::link::{self, Found, message};
use super::socket::Request;
use crate::error::{Context, Error, Result};
use crate::plan::Link;

/// The kernel dismantles a namespace in the background and gives the cards in it back then.
const BACK_TRIES: u32 = 500;
const BACK_PAUSE: Duration = Duration::from_millis(10);

/// A network card that a container has got, as the host knew it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lent {
    /// Its name on the host.
    pub name: String,
    /// The address that it was made with, which nobody can change.
    pub hardware: Vec<u8>,
}

/// How a child hangs on its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// With an Ethernet address of its own.
    Macvlan,
    /// With its parent's.
    Ipvlan,
}

impl Netlink {
    /// The link of that name, which must be there.
    pub fn parent(&mut self, name: &str) -> Result<()> {
        self.find_parent(name).map(drop)
    }

    fn find_parent(&mut self, name: &str) -> Result<Found> {
        let found = link::find(&mut self.socket, name)?;
        found.ok_or_else(|| Error::failed(format_args!("link {name} does not exist")))
    }

    /// Makes a child of `parent` inside `netns`: it is never seen on the host.
    pub(super) fn attach_child(
        &mut self,
        link: &Link,
        child: Child,
        parent: &str,
        netns: BorrowedFd<'_>,
    ) -> Result<()> {
        let found = self.find_parent(parent)?;
        let create = create(link, child, &found, netns);
        self.socket
            .one(&create)
            .map_err(|refusal| explain(refusal.errno, &found).unwrap_or_else(|| refusal.into()))
            .context(&create.action)
    }

    /// Moves a network card into `netns`. The kernel destroys every other kind of link with the namespace.
    pub(super) fn lend(&mut self, link: &Link, parent: &str, netns: BorrowedFd<'_>) -> Result<()> {
        let found = self.find_parent(parent)?;
        if found.name == "lo" {
            return Err(Error::failed("cannot move the loopback link into a container"));
        }
        let attributes = vec![LinkAttribute::NetNsFd(netns.as_raw_fd()), LinkAttribute::IfName(link.name.clone())];
        self.socket.run(&[set(&found, attributes, format!("cannot move link {parent} into the container"))])
    }

    /// What has to come back when a container ends; none for what the kernel destroys.
    pub fn lent(&mut self, parent: &str) -> Result<Option<Lent>> {
        let found = self.find_parent(parent)?;
        Ok(found.kind.is_none().then_some(Lent { name: found.name, hardware: found.hardware }))
    }

    /// Waits until a card is back from a container that has ended, and calls it by its own name again.
    pub fn take_back(&mut self, lent: &Lent) -> Result<()> {
        for _ in 0..BACK_TRIES {
            let links = link::list(&mut self.socket)?;
            let is_it = |found: &&Found| found.kind.is_none() && found.hardware == lent.hardware;
            match links.iter().find(is_it) {
                Some(found) if found.name == lent.name => return Ok(()),
                Some(found) => match self.call(found, &lent.name) {
                    Err(_) if self.is_also_called(found, &lent.name)? => {
                        // udev has seen the card by its name of inside, and knows the other one as its second.
                        let _ = self.socket.one(&forget_second_name(found, &lent.name));
                    }
                    result => return result,
                },
                None => std::thread::sleep(BACK_PAUSE),
            }
        }
        Err(Error::failed(format_args!("link {} has not come back from the container", lent.name)))
    }

    fn call(&mut self, found: &Found, name: &str) -> Result<()> {
        let action = format!("cannot call link {} {name} again", found.name);
        self.socket.run(&[set(found, vec![LinkAttribute::IfName(name.to_owned())], action)])
    }

    fn is_also_called(&mut self, found: &Found, name: &str) -> Result<bool> {
        let other = link::find(&mut self.socket, name)?;
        Ok(other.is_some_and(|other| other.index == found.index && other.name != name))
    }
}

fn forget_second_name(found: &Found, name: &str) -> Request {
    let second = LinkAttribute::PropList(vec![Prop::AltIfName(name.to_owned())]);
    let message = RouteNetlinkMessage::DelLinkProp(message(found.index, vec![second]));
    Request { action: format!("cannot call link {} no longer {name}", found.name), message, flags: 0, tolerated: None }
}

fn create(link: &Link, child: Child, parent: &Found, netns: BorrowedFd<'_>) -> Request {
    let (word, kind, data) = match child {
        Child::Macvlan => {
            ("macvlan", InfoKind::MacVlan, InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Bridge)]))
        }
        Child::Ipvlan => ("ipvlan", InfoKind::IpVlan, InfoData::IpVlan(vec![InfoIpVlan::Mode(IpVlanMode::L2)])),
    };
    let mut attributes = vec![
        LinkAttribute::Link(parent.index),
        LinkAttribute::IfName(link.name.clone()),
        LinkAttribute::NetNsFd(netns.as_raw_fd()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]),
    ];
    attributes.extend((child == Child::Macvlan).then(|| LinkAttribute::Address(link.mac.to_vec())));
    attributes.extend(link.mtu.map(LinkAttribute::Mtu));
    Request {
        action: format!("cannot create a {word} of link {}", parent.name),
        message: RouteNetlinkMessage::NewLink(message(0, attributes)),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        tolerated: None,
    }
}

fn set(found: &Found, attributes: Vec<LinkAttribute>, action: String) -> Request {
    let message = RouteNetlinkMessage::SetLink(message(found.index, attributes));
    Request { action, message, flags: 0, tolerated: None }
}

fn explain(errno: Errno, parent: &Found) -> Option<Error> {
    let name = &parent.name;
    Some(match errno {
        Errno::EBUSY => Error::failed(format_args!(
            "{name} is a port of a bridge, or has children of another kind: it can be one of these things alone"
        )),
        Errno::EOPNOTSUPP => Error::failed("has the kernel a module for it?"),
        Errno::EINVAL => Error::failed(format_args!("{name} is {}, or has a smaller MTU", parent.what())),
        _ => return None,
    })
}
