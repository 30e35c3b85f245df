//! The same question in IPv6. The kernel asks only from a link-local address, which a bridge of soute's has not: this is its
//! neighbour solicitation (RFC 4861, section 4.3) from whatever address the host has on the link.

use std::io::IoSliceMut;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, recvmsg, sendto,
    setsockopt, socket, sockopt,
};
use nix::{cmsg_space, setsockopt_impl, sockopt_impl};

// Linux's number of ICMP6_FILTER, a bit for each type that is kept away.
sockopt_impl!(Icmp6Filter, SetOnly, libc::IPPROTO_ICMPV6, ICMP6_FILTER, [u32; 8]);

const ICMP6_FILTER: libc::c_int = 1;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// What a router has passed on has less, and is none of this link's.
const HOPS: i32 = 255;
/// Options: the Ethernet address of who sends, of who is meant. Each is 8 bytes.
const SOURCE: u8 = 1;
const TARGET: u8 = 2;

/// A socket that asks on one link, and hears who answers there.
pub struct Solicitor {
    socket: OwnedFd,
    index: u32,
    mac: [u8; 6],
}

impl Solicitor {
    /// For the link of that name, with its index and Ethernet address.
    pub fn open(name: &str, index: u32, mac: [u8; 6]) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6)?;
        let mut kept_away = [u32::MAX; 8];
        kept_away[usize::from(ADVERTISEMENT / 32)] = !(1 << (ADVERTISEMENT % 32));
        setsockopt(&socket, Icmp6Filter, &kept_away)?;
        setsockopt(&socket, sockopt::BindToDevice, &name.into())?;
        setsockopt(&socket, sockopt::Ipv6MulticastHops, &HOPS)?;
        setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        Ok(Self { socket, index, mac })
    }

    /// Asks who has it. EADDRNOTAVAIL: the host has no address there to ask from.
    pub fn ask(&self, address: Ipv6Addr) -> Result<(), Errno> {
        // The solicited-node multicast address.
        let [.., a, b, c] = address.octets();
        let [d, e] = [0xff00 | u16::from(a), u16::from_be_bytes([b, c])];
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, d, e);
        let to = SockaddrIn6::from(SocketAddrV6::new(group, 0, 0, self.index));
        // The kernel computes the checksum.
        let mut packet = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
        packet.extend(address.octets());
        packet.extend([SOURCE, 1]);
        packet.extend(self.mac);
        sendto(self.socket.as_raw_fd(), &packet, &to, MsgFlags::MSG_DONTWAIT).map(drop)
    }

    /// Who has answered since: addresses with Ethernet addresses.
    pub fn answers(&self) -> Vec<(Ipv6Addr, [u8; 6])> {
        let mut all = Vec::new();
        let mut buffer = [0; 1500];
        let mut space = cmsg_space!(libc::c_int);
        loop {
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let heard = recvmsg::<()>(self.socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_DONTWAIT);
            let Ok(heard) = heard else { return all };
            let is_hops = |control| matches!(control, ControlMessageOwned::Ipv6HopLimit(HOPS));
            let is_of_link = heard.cmsgs().is_ok_and(|mut all| all.any(is_hops));
            let length = heard.bytes;
            if is_of_link {
                all.extend(buffer.get(..length).and_then(parse));
            }
        }
    }
}

/// A neighbour advertisement.
fn parse(packet: &[u8]) -> Option<(Ipv6Addr, [u8; 6])> {
    let address: [u8; 16] = packet.get(8..24).filter(|_| packet[0] == ADVERTISEMENT)?.try_into().ok()?;
    let mut options = packet.get(24..)?;
    while let [kind, length, ..] = *options {
        let option = options.get(..usize::from(length) * 8).filter(|option| !option.is_empty())?;
        if kind == TARGET {
            return Some((address.into(), option.get(2..8)?.try_into().ok()?));
        }
        options = &options[option.len()..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertisement_says_who_has_it() {
        let mut packet = vec![ADVERTISEMENT, 0, 0, 0, 0x60, 0, 0, 0];
        let address: Ipv6Addr = "fd00::7".parse().unwrap();
        packet.extend(address.octets());
        assert_eq!(parse(&packet), None);
        packet.extend([14, 1, 0, 0, 0, 0, 0, 0, TARGET, 1, 2, 0, 0, 0, 0, 7]);
        assert_eq!(parse(&packet), Some((address, [2, 0, 0, 0, 0, 7])));
        for length in 0..packet.len() {
            assert_eq!(parse(&packet[..length]), None, "{length}");
        }
        // An option without a length would never end.
        packet[25] = 0;
        assert_eq!(parse(&packet), None);
    }
}
