//! Sockets: every family, and what of them reaches further than the container's own interfaces.

use crate::sys::{Errno, attempt, call, number};
use crate::{Options, Report};

/// AF_MAX of Linux 6.
const FAMILIES: usize = 46;
const AF_INET: usize = 2;
const AF_INET6: usize = 10;
const AF_NETLINK: usize = 16;
const AF_PACKET: usize = 17;
const SOCK_STREAM: usize = 1;
const SOCK_DGRAM: usize = 2;
const SOCK_RAW: usize = 3;
const SOCK_SEQPACKET: usize = 5;
const TYPES: [usize; 4] = [SOCK_DGRAM, SOCK_STREAM, SOCK_RAW, SOCK_SEQPACKET];

pub fn report(_: &Options, report: &mut Report) {
    for family in 0..=FAMILIES {
        report.line(&format!("socket.{family:02}"), attempt(|| any(family)));
    }
    for (name, family) in [("inet", AF_INET), ("inet6", AF_INET6), ("packet", AF_PACKET)] {
        report.line(&format!("socket.raw.{name}"), attempt(|| socket(family, SOCK_RAW, 1)));
    }
    report.line("socket.ping", attempt(|| socket(AF_INET, SOCK_DGRAM, 1)));
    // The kernel takes the family as an int: bits above it must not get past a filter.
    report.line("socket.high-bits.alg", attempt(|| socket(38 | 1 << 32, SOCK_SEQPACKET, 0)));
    for protocol in 0..=22 {
        report.line(&format!("socket.netlink.{protocol:02}"), attempt(|| socket(AF_NETLINK, SOCK_RAW, protocol)));
    }
    report.line("socketpair.unix", attempt(|| pair(1)));
    report.line("socketpair.vsock", attempt(|| pair(40)));
}

fn socket(family: usize, kind: usize, protocol: usize) -> Result<(), Errno> {
    call(number("socket"), [family, kind, protocol]).map(drop)
}

/// Of whichever type there is; else why the first one is refused, as the others may only not be known.
fn any(family: usize) -> Result<(), Errno> {
    let refused = socket(family, TYPES[0], 0);
    TYPES.iter().find_map(|kind| socket(family, *kind, 0).ok()).map_or(refused, Ok)
}

fn pair(family: usize) -> Result<(), Errno> {
    let mut pair = [0_i32; 2];
    call(number("socketpair"), [family, SOCK_STREAM, 0, pair.as_mut_ptr() as usize]).map(drop)
}
