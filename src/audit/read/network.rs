//! Interfaces, by netlink in the container's network namespace. A thread of ours goes there and ends there; the process
//! stays where it is.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use netlink_packet_core::{NLM_F_DUMP, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use nix::sched::{CloneFlags, setns};
use rustix::fs::{Mode, OFlags, openat};

use super::process::Proc;
use crate::audit::facts::{HostEnd, Link};
use crate::error::{Context, Error, Result};
use crate::network::socket::{Socket, u32_at};

const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const NLA_TYPE_MASK: u16 = 0x3fff;
/// Those of a bridge's port that change who can do what to whom.
const FLAGS: [&str; 5] = ["isolated", "hairpin_mode", "bpdu_guard", "root_block", "neigh_suppress"];

/// By the index of the link.
type Addresses = BTreeMap<u32, Vec<String>>;

/// A link as netlink has it.
#[derive(Debug, Default)]
struct Found {
    index: u32,
    name: String,
    kind: Option<String>,
    other: Option<u32>,
    master: Option<u32>,
    other_namespace: bool,
}

/// The links inside, with their ends on the host.
pub fn links(proc: &Proc) -> Result<Vec<Link>> {
    let netns = openat(proc.dir(), "ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .context("cannot open the container's network namespace")?;
    let inside = std::thread::spawn(move || inside(netns));
    let (links, addresses) = inside.join().map_err(|_| Error::failed("cannot look into the network namespace"))??;
    let host = dump(&mut Socket::open(0)?)?;
    Ok(links.into_iter().map(|found| link(found, &addresses, &host)).collect())
}

fn inside(netns: OwnedFd) -> Result<(Vec<Found>, Addresses)> {
    setns(netns, CloneFlags::CLONE_NEWNET).context("cannot look into the container's network namespace")?;
    let mut socket = Socket::open(0)?;
    let links = dump(&mut socket)?;
    let message = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let answer = socket.query(message, NLM_F_DUMP).context("cannot list addresses")?;
    let mut addresses = Addresses::new();
    for (index, address) in answer.iter().filter_map(|payload| address(payload)) {
        addresses.entry(index).or_default().push(address);
    }
    Ok((links, addresses))
}

fn dump(socket: &mut Socket) -> Result<Vec<Found>> {
    let answer = socket.query(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP);
    Ok(answer.context("cannot list links")?.iter().filter_map(|payload| parse(payload)).collect())
}

/// struct ifinfomsg and the attributes behind it.
fn parse(payload: &[u8]) -> Option<Found> {
    let mut found = Found { index: u32_at(payload, 4)?, ..Found::default() };
    let text = |value: &[u8]| String::from_utf8_lossy(value).trim_end_matches('\0').to_owned();
    for attribute in NlasIterator::new(payload.get(16..)?).map_while(Result::ok) {
        let value = attribute.value();
        match attribute.kind() & NLA_TYPE_MASK {
            IFLA_IFNAME => found.name = text(value),
            IFLA_LINK => found.other = u32_at(value, 0),
            IFLA_MASTER => found.master = u32_at(value, 0),
            IFLA_LINK_NETNSID => found.other_namespace = true,
            IFLA_LINKINFO => {
                let mut infos = NlasIterator::new(value).map_while(Result::ok);
                found.kind = infos.find(|info| info.kind() == IFLA_INFO_KIND).map(|info| text(info.value()));
            }
            _ => {}
        }
    }
    Some(found)
}

/// struct ifaddrmsg and the attributes behind it.
pub fn address(payload: &[u8]) -> Option<(u32, String)> {
    let (prefix, index) = (*payload.get(1)?, u32_at(payload, 4)?);
    let attributes: Vec<_> = NlasIterator::new(payload.get(8..)?).map_while(Result::ok).collect();
    // On a link between two, IFA_ADDRESS is the other's.
    let of =
        |kind: u16| attributes.iter().find(|attribute| attribute.kind() == kind).map(|attribute| attribute.value());
    let bytes = of(IFA_LOCAL).or(of(IFA_ADDRESS))?;
    let address = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    let address =
        address.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))).ok()?;
    Some((index, format!("{address}/{prefix}")))
}

fn link(found: Found, addresses: &Addresses, host: &[Found]) -> Link {
    let is_other =
        |end: &&Found| end.kind.as_deref() == Some("veth") && end.other == Some(found.index) && end.other_namespace;
    let end = host.iter().filter(|end| Some(end.index) == found.other).find(is_other).filter(|_| found.other_namespace);
    let name_of = |index: u32| host.iter().find(|link| link.index == index).map(|link| link.name.clone());
    Link {
        addresses: addresses.get(&found.index).cloned().unwrap_or_default(),
        leads_out: found.other_namespace || (found.kind.is_none() && found.name != "lo"),
        host: end.map(|end| HostEnd {
            name: end.name.clone(),
            bridge: end.master.and_then(name_of),
            flags: port_flags(&end.name),
        }),
        name: found.name,
        kind: found.kind,
    }
}

/// From the host's sysfs.
fn port_flags(name: &str) -> Vec<String> {
    let is_set = |flag: &&&str| {
        std::fs::read_to_string(format!("/sys/class/net/{name}/brport/{flag}")).is_ok_and(|text| text.trim() == "1")
    };
    FLAGS.iter().filter(is_set).map(|flag| (*flag).to_owned()).collect()
}
