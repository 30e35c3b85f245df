//! Bridges that soute makes: by netlink alone, and gone at the next boot unless somebody writes them down.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoBridge, InfoData, InfoKind, LinkAttribute, LinkFlags, LinkInfo};
use nix::errno::Errno;

use super::link::{self, ALIAS, message, no_link_local};
use super::socket::Request;
use super::{Netlink, inside};
use crate::definition::types::Cidr;
use crate::error::{Context, Error, Result};

/// What a bridge is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewBridge {
    /// Its name.
    pub name: String,
    /// Its Ethernet address. Without one of its own a bridge takes that of a port, another one each time that ports come
    /// and go, which the neighbours' tables do not know.
    pub mac: [u8; 6],
    /// The kernel's 1500 when absent.
    pub mtu: Option<u32>,
    /// It keeps VLANs apart.
    pub vlan_filtering: bool,
    /// The host's own addresses on it.
    pub addresses: Vec<Cidr>,
}

impl Netlink {
    /// Makes a bridge, whole or not at all. False where a link of that name is there already: of two who make it at once,
    /// one does.
    pub fn make_bridge(&mut self, new: &NewBridge) -> Result<bool> {
        let create = create(new);
        match self.socket.one(&create) {
            Ok(()) => {}
            Err(refusal) if refusal.errno == Errno::EEXIST => return Ok(false),
            Err(refusal) if refusal.errno == Errno::EOPNOTSUPP => {
                let lacks = if new.vlan_filtering { "VLANs on bridges" } else { "bridges" };
                return Err(Error::failed(format_args!("{}: has the kernel no {lacks}?", Error::from(refusal))))
                    .context(&create.action);
            }
            Err(refusal) => return Err(refusal).context(&create.action),
        }
        let Some(index) = link::find(&mut self.socket, &new.name)?.map(|found| found.index) else {
            return Err(Error::failed(format_args!("bridge {} is gone", new.name)));
        };
        let finished = deny_advertisements(&new.name).and_then(|()| self.socket.run(&finish(new, index)));
        finished.map(|()| true).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = self.remove_bridge(index, &new.name);
        })
    }

    /// Removes a bridge; its ports stay, in no bridge.
    pub fn remove_bridge(&mut self, index: u32, name: &str) -> Result<()> {
        self.socket.run(&[link::delete(index, name)])
    }
}

fn create(new: &NewBridge) -> Request {
    let mut info = vec![LinkInfo::Kind(InfoKind::Bridge)];
    if new.vlan_filtering {
        info.push(LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)])));
    }
    let attributes = vec![
        LinkAttribute::IfName(new.name.clone()),
        LinkAttribute::Address(new.mac.to_vec()),
        LinkAttribute::LinkInfo(info),
    ];
    Request {
        action: format!("cannot create bridge {}", new.name),
        message: RouteNetlinkMessage::NewLink(message(0, attributes)),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        tolerated: None,
    }
}

/// What a new bridge cannot be given at its birth, and what comes when it is up.
fn finish(new: &NewBridge, index: u32) -> Vec<Request> {
    let set = |attributes, tolerated| Request {
        action: format!("cannot set up bridge {}", new.name),
        message: RouteNetlinkMessage::SetLink(message(index, attributes)),
        flags: 0,
        tolerated,
    };
    let mut list = vec![set(vec![LinkAttribute::IfAlias(ALIAS.to_owned())], None)];
    // Set afterwards it stays; set at birth the first port would change it (br_mtu_auto_adjust).
    list.extend(new.mtu.map(|mtu| set(vec![LinkAttribute::Mtu(mtu)], None)));
    // No fe80::, whose route would be one more than that of the addresses.
    list.push(set(vec![no_link_local()], Some(Errno::EAFNOSUPPORT)));
    let mut up = message(index, Vec::new());
    up.header.flags = LinkFlags::Up;
    up.header.change_mask = LinkFlags::Up;
    list.push(Request { message: RouteNetlinkMessage::SetLink(up), ..set(Vec::new(), None) });
    list.extend(new.addresses.iter().map(|cidr| inside::address(&new.name, index, cidr)));
    list
}

/// A container could make itself the host's router by a router advertisement: a sysctl of the new link alone refuses them.
fn deny_advertisements(name: &str) -> Result<()> {
    match std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/accept_ra"), "0") {
        // A kernel without IPv6, or with it disabled.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        written => written.with_context(|| format!("cannot refuse router advertisements on {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_raised_before_its_addresses_and_after_everything_else() {
        let cidr = |ip: &str, prefix| Cidr { address: ip.parse().unwrap(), prefix };
        let new = NewBridge {
            name: "br0".into(),
            mtu: Some(9000),
            addresses: vec![cidr("10.88.0.1", 24), cidr("fd00::1", 64)],
            ..NewBridge::default()
        };
        let raises = |request: &Request| match &request.message {
            RouteNetlinkMessage::SetLink(link) => link.header.flags.contains(LinkFlags::Up),
            _ => false,
        };
        let list = finish(&new, 7);
        assert_eq!(list.iter().position(raises), Some(3));
        let actions: Vec<_> = list[4..].iter().map(|request| request.action.as_str()).collect();
        assert_eq!(actions, ["cannot add address 10.88.0.1/24 to br0", "cannot add address fd00::1/64 to br0"]);
    }
}
