//! Whether somebody else has an address.

use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use soute::network::Asked;
use soute::plan::Link;

use super::{become_host, bridge, container, ip, link, plug, port, within};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

/// A machine on the bridge that no one here has made a container.
fn machine(addresses: &[&str]) -> OwnedFd {
    let netns = container();
    ip("link add wire type veth peer name far address 02:aa:00:00:00:09");
    ip("link set wire master br0 up");
    let far = path_of(&netns);
    ip(&format!("link set far netns {far}"));
    within(&netns, || {
        ip("link set far up");
        addresses.iter().for_each(|address| drop(ip(&format!("address add {address} dev far"))));
    });
    netns
}

/// What `ip link set … netns` takes: a path, which a descriptor has too.
fn path_of(netns: &OwnedFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/{}/fd/{}", std::process::id(), netns.as_raw_fd())
}

fn found(links: &[Link], patience: Duration, ended: bool) -> Option<String> {
    let mut asked = Asked::of(links)?;
    asked.found_within(patience, |_| ended).map(|found| found.to_string())
}

fn table() -> String {
    ip("neigh show dev br0")
}

#[test]
#[ignore = "rung 1: needs root"]
fn who_has_an_address_is_found_and_named() {
    become_host();
    bridge();
    let _machine = machine(&["10.88.0.9/24", "fd00:88::9/64 nodad"]);
    let has =
        |address: &str| Some(format!("the address {address} is in use on br0: 02:aa:00:00:00:09 has it, behind wire"));
    // A port of a bridge forwards a moment after it has been raised.
    let begin = Instant::now();
    while found(&[link(2, &["10.88.0.9/24"])], SHORT, false).is_none() && begin.elapsed() < LONG {
        sleep(SHORT);
    }
    assert_eq!(found(&[link(2, &["10.88.0.9/24"])], LONG, false), has("10.88.0.9"));
    assert_eq!(found(&[link(2, &["10.88.0.2/24", "fd00:88::9/64"])], LONG, false), has("fd00:88::9"));
    // Whoever has ended is one of ours, and this one is not.
    assert_eq!(found(&[link(2, &["10.88.0.9/24"])], LONG, true), has("10.88.0.9"));
    assert_eq!(found(&[link(2, &["10.88.0.2/24", "fd00:88::2/64"])], SHORT, false), None);
    assert!(!table().contains("10.88.0.2 "), "{}", table());
    let own = found(&[link(2, &["10.88.0.1/24"])], LONG, false);
    assert_eq!(own.as_deref(), Some("the address 10.88.0.1 is the host's own on br0"));
}

#[test]
#[ignore = "rung 1: needs root"]
fn it_is_not_found_where_nobody_else_has_it() {
    become_host();
    bridge();
    let mut first = link(2, &["10.88.0.2/24", "fd00:88::2/64"]);
    let _netns = plug(&first);
    // An earlier run of the same container.
    assert_eq!(found(std::slice::from_ref(&first), SHORT, false), None);
    // Another container's, once it runs, and once it has ended.
    first.mac = [2, 0, 0, 0, 0, 3];
    let begin = Instant::now();
    while found(std::slice::from_ref(&first), SHORT, false).is_none() {
        assert!(begin.elapsed() < LONG);
    }
    assert_eq!(found(std::slice::from_ref(&first), SHORT, true), None);
    // What is written down stays.
    ip("neigh replace 10.88.0.2 lladdr 02:aa:00:00:00:01 dev br0 nud permanent");
    first.addresses.truncate(1);
    assert_eq!(found(std::slice::from_ref(&first), SHORT, false), None);
    assert!(table().contains("10.88.0.2 lladdr 02:aa:00:00:00:01 PERMANENT"), "{}", table());
    // A VLAN that the host is not in, a bridge that is down or not there.
    port(&mut first).vlan = Some(20);
    assert!(Asked::of(std::slice::from_ref(&first)).is_none());
    port(&mut first).vlan = None;
    ip("link set br0 down");
    assert!(Asked::of(std::slice::from_ref(&first)).is_none());
    port(&mut first).bridge = "br-none".into();
    assert!(Asked::of(std::slice::from_ref(&first)).is_none());
}

#[test]
#[ignore = "rung 1: needs root"]
fn a_bridge_without_an_address_asks_in_ipv4() {
    become_host();
    ip("link set lo up");
    ip("link add br0 type bridge");
    ip("link set br0 up");
    let _machine = machine(&["10.88.0.9/24"]);
    let begin = Instant::now();
    while found(&[link(2, &["10.88.0.9/24"])], SHORT, false).is_none() {
        assert!(begin.elapsed() < LONG);
    }
}
