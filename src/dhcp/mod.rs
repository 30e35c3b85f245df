//! `address = "dhcp"`: the host asks for a container, before its payload runs and later by a timer's service. Nothing stays
//! between two times but a file beside the snapshot.
//!
//! The client is busybox's `udhcpc`, one answer and it ends; the addresses are set by [`crate::network`].

mod client;

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::time::{ClockId, clock_gettime};

pub use client::{PACKAGE, is_installed, say};

use crate::error::{Exit, Result};
use crate::instances::leases::{Lease, Leases, Step};
use crate::instances::{self, leases};
use crate::layout::Layout;
use crate::logs;
use crate::names;
use crate::network;
use crate::plan::{Dhcp, Link, Plan};
use crate::sandbox::exec::Target;
use crate::sandbox::rewrite::rewrite;

/// Asks for every link of a container that starts, and sets what is answered; the plan with it. `top` is its root.
pub fn begin(layout: &Layout, plan: &Plan, netns: &OwnedFd, top: &OwnedFd) -> Result<Plan> {
    // Those of an earlier run are asked for again.
    let before = leases::read(layout, &plan.name).unwrap_or_default();
    let mut after = Leases::new();
    for link in ours(plan) {
        let wanted = before.get(&link.name).map(|lease| lease.address.address);
        let given = client::ask(link, wanted, netns)?;
        after.insert(link.name.clone(), Lease::new(given, now()));
    }
    let with = leases::with(plan, &after);
    network::readdress(&links(plan), &links(&with), netns)?;
    rewrite(top.as_fd(), plan, &with)?;
    leases::write(layout, &plan.name, &after)?;
    Ok(with)
}

/// Whether any link of it has a lease that the host looks after.
pub fn is_asked(plan: &Plan) -> bool {
    ours(plan).next().is_some()
}

/// Of a container that runs, paused or not: asks again where half of a lease is over, and takes away what has expired.
pub fn renew(name: &str, layout: &Layout) -> Result<()> {
    let plan = Plan::read(&layout.state(name))?;
    let target = match Target::anyhow(layout, name) {
        Err(error) if error.exit() == Exit::NotRunning => return Ok(()),
        target => target?,
    };
    let netns = target.proc("ns/net", OFlags::RDONLY)?;
    let before = leases::read(layout, name)?;
    let mut after = before.clone();
    let mut words = Vec::new();
    for link in ours(&plan) {
        let Some(old) = before.get(&link.name).filter(|lease| lease.is_due(now())) else { continue };
        let given = client::ask(link, Some(old.address.address), &netns);
        let (new, step) = old.step(given.map_err(|error| error.to_string()), now());
        words.extend(told(link, &new, &step));
        after.insert(link.name.clone(), new);
    }
    // What was asked for a container that has ended is nobody's.
    if after == before || target.has_ended() {
        return Ok(());
    }
    let (from, to) = (leases::with(&plan, &before), leases::with(&plan, &after));
    if from.links != to.links {
        network::readdress(&links(&from), &links(&to), &netns)?;
        let addresses = to.addresses();
        instances::update(layout, |list| {
            for instance in list.iter_mut().filter(|instance| instance.name == name) {
                instance.addresses.clone_from(&addresses);
            }
        })?;
    }
    leases::write(layout, name, &after)?;
    if from.links != to.links {
        names::change(layout, &from, &to)?;
    }
    if from.sandbox.files != to.sandbox.files {
        words.extend(leases::resolver_of(&to).map(|text| format!("<5>/etc/resolv.conf says now: {text}")));
    }
    words.iter().try_for_each(|line| logs::say(name, layout, line))?;
    // Last, as a payload may have put something else there, which stays.
    let top = target.proc("root", OFlags::PATH | OFlags::DIRECTORY)?;
    rewrite(top.as_fd(), &from, &to)
}

fn told(link: &Link, lease: &Lease, step: &Step) -> Option<String> {
    let (name, address) = (&link.name, lease.address);
    match step {
        Step::Nothing => None,
        Step::Given => Some(format!("<5>{name} has the address {address} now")),
        Step::Silence(why) => Some(format!("<4>{name} keeps {address} until its lease ends: {why}")),
        Step::Lost(why) => Some(format!("<3>{name} has lost {address}, whose lease has ended: {why}")),
    }
}

fn ours(plan: &Plan) -> impl Iterator<Item = &Link> {
    plan.links.iter().filter(|link| link.dhcp == Dhcp::Host)
}

fn links(plan: &Plan) -> Vec<Link> {
    ours(plan).cloned().collect()
}

/// Seconds since the host has booted, sleep included.
fn now() -> u64 {
    clock_gettime(ClockId::Boottime).tv_sec.unsigned_abs()
}
