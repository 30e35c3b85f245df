//! What a port of a bridge can be told.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use soute::network::Netlink;
use soute::plan::Link;

use super::{arrives, become_host, bridge, container, ip, link, plug, port, silence, talk, within};

fn with(number: u8, change: impl FnOnce(&mut Link)) -> OwnedFd {
    let mut link = link(number, &[&format!("10.88.0.{number}/24")]);
    change(&mut link);
    plug(&link)
}

#[test]
#[ignore = "rung 1: needs root"]
fn vlans_need_a_bridge_that_keeps_them_apart() {
    become_host();
    bridge();
    let mut wanted = link(1, &[]);
    port(&mut wanted).vlan = Some(20);
    let error = Netlink::open().unwrap().attach(&wanted, container().as_fd()).unwrap_err().to_string();
    assert!(error.starts_with("bridge br0 does not keep VLANs apart"), "{error}");
    assert_eq!(Netlink::open().unwrap().links_of_ours().unwrap(), [""; 0]);
}

#[test]
#[ignore = "rung 1: needs root"]
fn isolated_ports_reach_all_but_each_other() {
    let host = become_host();
    bridge();
    let plain = with(2, |_| {});
    let isolated = |number| with(number, |link| port(link).isolated = true);
    let (one, two) = (isolated(3), isolated(4));
    talk(&one, &plain, "10.88.0.2");
    talk(&plain, &two, "10.88.0.4");
    talk(&one, &host, "10.88.0.1");
    silence(&one, &two, "10.88.0.4");
}

#[test]
#[ignore = "rung 1: needs root"]
fn who_is_checked_cannot_speak_for_another() {
    let host = become_host();
    bridge();
    let (free, checked) = (with(2, |_| {}), with(3, |link| port(link).spoof_check = true));
    let becomes = |netns: &OwnedFd, mac: &str| within(netns, || ip(&format!("link set eth0 address {mac}")));
    talk(&free, &host, "10.88.0.1");
    becomes(&free, "02:00:00:00:00:99");
    ip("neigh flush dev br0");
    talk(&free, &host, "10.88.0.1");

    talk(&checked, &host, "10.88.0.1");
    becomes(&checked, "02:00:00:00:00:98");
    ip("neigh flush dev br0");
    silence(&checked, &host, "10.88.0.1");
    becomes(&checked, "02:00:00:00:00:03");
    talk(&checked, &host, "10.88.0.1");

    // Nor can another take its frames away by speaking for it.
    let owner = || Command::new("bridge").args(["fdb", "show", "br", "br0"]).output().unwrap().stdout;
    let is_of = |port: &str| {
        let text = String::from_utf8(owner()).unwrap();
        text.lines().any(|line| line.starts_with("02:00:00:00:00:03 dev ") && line.contains(port))
    };
    becomes(&free, "02:00:00:00:00:03");
    let _ = arrives(&free, &host, "10.88.0.1", Duration::from_secs(1));
    assert!(is_of("vb-test3") && !is_of("vb-test2"));
    talk(&host, &checked, "10.88.0.3");
}

#[test]
#[ignore = "rung 1: needs root"]
fn flags_are_as_asked() {
    become_host();
    bridge();
    let _netns = with(2, |link| {
        port(link).learning = false;
        port(link).hairpin = true;
    });
    let _plain = with(3, |_| {});
    let flag = |port: &str, name: &str| {
        let details: serde_json::Value = super::ip_json(&format!("-d link show dev {port}"));
        details["linkinfo"]["info_slave_data"][name].clone()
    };
    assert_eq!((flag("vb-test2", "learning"), flag("vb-test2", "hairpin")), (false.into(), true.into()));
    assert_eq!((flag("vb-test3", "learning"), flag("vb-test3", "hairpin")), (true.into(), false.into()));
}
