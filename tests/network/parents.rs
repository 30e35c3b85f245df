//! Links that hang on a link of the host, or are one.

use std::os::fd::AsFd;

use soute::network::Netlink;
use soute::plan::{Link, LinkKind};

use super::{become_host, bridge, cidr, container, ip, ip_json, link, plug, talk, within};

fn child(kind: LinkKind, number: u8, address: &str) -> Link {
    Link { kind, addresses: vec![cidr(address)], ..link(number, &[]) }
}

fn macvlan(number: u8) -> Link {
    child(LinkKind::Macvlan { parent: "wire".into() }, number, &format!("10.89.0.{number}/24"))
}

/// A wire to a namespace beside the host.
fn wire() -> std::os::fd::OwnedFd {
    let beyond = container();
    ip("link add wire up type veth peer name far");
    let link =
        Link { name: "far".into(), kind: LinkKind::Device { parent: "far".into() }, ..link(9, &["10.89.0.9/24"]) };
    Netlink::open().unwrap().attach(&link, beyond.as_fd()).unwrap();
    within(&beyond, || Netlink::open().unwrap().configure_inside(std::slice::from_ref(&link)).unwrap());
    beyond
}

#[test]
#[ignore = "rung 1: needs root"]
fn a_macvlan_is_on_its_parents_wire() {
    become_host();
    let beyond = wire();
    let (one, two) = (plug(&macvlan(2)), plug(&macvlan(3)));
    talk(&one, &two, "10.89.0.3");
    talk(&one, &beyond, "10.89.0.9");
    talk(&beyond, &two, "10.89.0.3");
    assert_eq!(within(&one, || ip_json("link show dev eth0"))["address"], "02:00:00:00:00:02");
    assert!(!ip("link").contains("macvlan") && !ip("link").contains("eth0"), "nothing of it is on the host");
}

#[test]
#[ignore = "rung 1: needs root"]
fn a_macvlan_follows_at_once_on_one_whose_namespace_is_going() {
    become_host();
    let beyond = wire();
    let mut netns = plug(&macvlan(2));
    for _ in 0..20 {
        drop(netns);
        netns = plug(&macvlan(2));
    }
    talk(&netns, &beyond, "10.89.0.9");
}

#[test]
#[ignore = "rung 1: needs root"]
fn a_parent_that_cannot_be_one_is_named() {
    become_host();
    bridge();
    ip("link add port up master br0 type veth peer name other");
    let netns = container();
    let error = |kind| {
        let result = Netlink::open().unwrap().attach(&child(kind, 1, "10.89.0.1/24"), netns.as_fd());
        result.unwrap_err().to_string()
    };
    let macvlan = |parent: &str| LinkKind::Macvlan { parent: parent.into() };
    assert_eq!(error(macvlan("eth9")), "link eth9 does not exist");
    assert_eq!(
        error(macvlan("port")),
        "cannot create a macvlan of link port: port is a port of a bridge, or has children of another kind: \
         it can be one of these things alone"
    );
    assert!(error(macvlan("lo")).starts_with("cannot create a macvlan of link lo: lo is the loopback link"));
    assert_eq!(error(LinkKind::Device { parent: "lo".into() }), "cannot move the loopback link into a container");
}
