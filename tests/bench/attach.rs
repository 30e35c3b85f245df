//! What `make bench-network` times: links of containers, made as the runner makes them, and by hand through netlink.
//!
//!     attach one ROUNDS               samples of one veth with two addresses and a route: until it is configured ("attach"),
//!                                     and what makes it reachable and known to its neighbours besides ("announce")
//!     attach parallel COUNT ROUNDS    samples of COUNT at once, ours and raw in turn
//!     attach into BRIDGE NETNS        one, in a process of its own as netavark is one, and what it took without that
//!
//! The first two make a network namespace of their own, and in it the host, so that nothing else is touched.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use soute::definition::types::{Cidr, Network};
use soute::error::{Context, Error, Exit, Result};
use soute::network::Netlink;
use soute::network::bridge::NewBridge;
use soute::plan::{Link, LinkKind, Port, Route};

#[path = "attach/raw.rs"]
mod raw;

const BRIDGE: &str = "br0";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u16>().map_err(Error::failed);
    match arguments[..] {
        ["one", rounds] => one(number(rounds)?),
        ["parallel", count, rounds] => parallel(number(count)?, number(rounds)?),
        ["into", bridge, netns] => into(bridge, netns),
        _ => Err(Error::new(Exit::Usage, "usage: attach one ROUNDS | parallel COUNT ROUNDS | into BRIDGE NETNS")),
    }
}

fn one(rounds: u16) -> Result<()> {
    become_host()?;
    for round in 0..=rounds {
        let (link, netns) = (link(BRIDGE, round), container()?);
        let mut host = Netlink::open()?;
        let begin = Instant::now();
        host.attach(&link, netns.as_fd())?;
        within(&netns, || Netlink::open()?.configure_inside(std::slice::from_ref(&link)))?;
        let attached = begin.elapsed();
        host.wait_for_ports(std::slice::from_ref(&link))?;
        within(&netns, || Netlink::open()?.announce(std::slice::from_ref(&link)))?;
        // The first warms up.
        if round > 0 {
            println!("attach {}\nannounce {}", attached.as_micros(), (begin.elapsed() - attached).as_micros());
        }
        drop(netns);
        wait_until_gone()?;
    }
    Ok(())
}

fn parallel(count: u16, rounds: u16) -> Result<()> {
    let host = become_host()?;
    let bridge = Netlink::open()?.bridge(BRIDGE)?;
    // In turn, and who is first changes: what one leaves to the kernel may fall on the other.
    let turns = (0..=rounds).flat_map(|round| [(round, round % 2 == 0), (round, round % 2 == 1)]);
    for (round, ours) in turns {
        let netns = (0..count).map(|_| container()).collect::<Result<Vec<_>>>()?;
        let took = all_at_once(&host, &netns, |number, netns| {
            let link = link(BRIDGE, number);
            match ours {
                true => {
                    Netlink::open()?.attach(&link, netns.as_fd())?;
                    enter(netns)?;
                    Netlink::open()?.configure_inside(std::slice::from_ref(&link))
                }
                false => raw::attach(&link, bridge.index, netns, enter),
            }
        })?;
        if round > 0 {
            println!("parallel-{} {}", if ours { "ours" } else { "raw" }, took.as_micros());
        }
        drop(netns);
        wait_until_gone()?;
    }
    Ok(())
}

/// From the moment when all are ready to when the last has finished.
fn all_at_once<F>(host: &OwnedFd, netns: &[OwnedFd], attach: F) -> Result<Duration>
where
    F: Fn(u16, &OwnedFd) -> Result<()> + Sync,
{
    let start = Barrier::new(netns.len() + 1);
    thread::scope(|scope| {
        let (attach, start) = (&attach, &start);
        let threads: Vec<_> = (0..)
            .zip(netns)
            .map(|(number, netns)| {
                scope.spawn(move || {
                    let there = enter(host);
                    start.wait();
                    there.and_then(|()| attach(number, netns))
                })
            })
            .collect();
        start.wait();
        let begin = Instant::now();
        for thread in threads {
            thread.join().map_err(|_| Error::failed("a thread panicked"))??;
        }
        Ok(begin.elapsed())
    })
}

/// Prints what it took without the process, as a start has it, where the runner does this itself.
fn into(bridge: &str, netns: &str) -> Result<()> {
    let netns: OwnedFd = File::open(netns).with_context(|| format!("cannot open {netns}"))?.into();
    let link = link(bridge, 1);
    let begin = Instant::now();
    let mut host = Netlink::open()?;
    host.attach(&link, netns.as_fd())?;
    within(&netns, || Netlink::open()?.configure_inside(std::slice::from_ref(&link)))?;
    host.wait_for_ports(std::slice::from_ref(&link))?;
    within(&netns, || Netlink::open()?.announce(std::slice::from_ref(&link)))?;
    println!("{}", begin.elapsed().as_micros());
    Ok(())
}

/// One veth on the bridge, with two addresses and a route.
fn link(bridge: &str, number: u16) -> Link {
    let [high, low] = number.to_be_bytes();
    let port = Port {
        bridge: bridge.to_owned(),
        host_name: format!("vb-{number}"),
        host_mac: [0xfe, 0, 0, 0, high, low],
        ..Port::default()
    };
    Link {
        name: "eth0".to_owned(),
        kind: LinkKind::Bridge(port),
        mac: [2, 0, 0, 0, high, low],
        addresses: vec![
            Cidr { address: [10, 88, high + 1, low].into(), prefix: 16 },
            Cidr { address: [0xfd00, 0x88, 0, 0, 0, 0, 1, number].into(), prefix: 64 },
        ],
        routes: vec![Route {
            to: Network { address: [10, 99, 0, 0].into(), prefix: 16 },
            via: Some([10, 88, 0, 1].into()),
            metric: None,
            table: None,
        }],
        ..Link::default()
    }
}

/// A network namespace with nothing but a bridge, as the host of what follows.
fn become_host() -> Result<OwnedFd> {
    let host = make_namespace()?;
    let new = NewBridge {
        name: BRIDGE.to_owned(),
        mac: [2, 0, 0, 0, 0xff, 1],
        addresses: vec![Cidr { address: [10, 88, 0, 1].into(), prefix: 16 }],
        ..NewBridge::default()
    };
    Netlink::open()?.make_bridge(&new)?;
    Ok(host)
}

fn make_namespace() -> Result<OwnedFd> {
    unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
    let namespace = File::open("/proc/thread-self/ns/net").context("cannot open the network namespace")?;
    Ok(namespace.into())
}

fn container() -> Result<OwnedFd> {
    thread::spawn(make_namespace).join().map_err(|_| Error::failed("a thread panicked"))?
}

fn enter(netns: &OwnedFd) -> Result<()> {
    setns(netns, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter namespace {}", netns.as_raw_fd()))
}

/// In the namespace, on a thread of its own, as the payload's side is a process of its own.
fn within(netns: &OwnedFd, job: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    thread::scope(|scope| {
        let there = scope.spawn(|| enter(netns).and_then(|()| job()));
        there.join().map_err(|_| Error::failed("a thread panicked"))?
    })
}

/// The kernel takes links with their namespaces, in the background.
fn wait_until_gone() -> Result<()> {
    loop {
        let links = std::fs::read_to_string("/proc/thread-self/net/dev").context("cannot list links")?;
        if !links.contains("vb-") {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(5));
    }
}
