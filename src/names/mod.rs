//! Containers on one bridge find each other by name: each has a hosts file of the host's, shown to it read-only, and whoever
//! starts or ends one writes its names into those of the others.
//!
//! Those on the same bridges have the same names behind what is their own, so that one change is computed and written to
//! all of them: for each other container a file is opened and a few bytes are written.

mod files;
mod registry;
mod section;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use rustix::fs::fstat;

use crate::error::{Context, Error, Result};
use crate::file;
use crate::image::lock::Lock;
use crate::instances;
use crate::instances::leases;
use crate::layout::{Layout, make_private};
use crate::plan::{FileSource, Link, Plan, Port};
use files::{Files, write_at};
use registry::Member;

/// The file's name in the state directory.
pub const HOSTS: &str = "hosts";
/// What stands between a container's own lines and those of others.
const MARK: &str = "# Containers on the same bridges, kept up to date by soute:\n";
const LARGEST: u64 = 64 << 20;
/// What every program counts on.
pub const LOCAL: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost\n";
/// It is there while files are written, and says that they may not agree if it is found.
const WRITING: &str = "writing";
const REGISTRY: &str = "registry";

/// The generated file that is kept up to date.
pub fn of(plan: &Plan) -> Option<&FileSource> {
    plan.sandbox.files.iter().find(|file| file.kept)
}

/// Makes a container's own file, with what the image's says before its own lines. Nobody else's names are in it yet.
pub fn create(layout: &Layout, plan: &Plan, image: &str) -> Result<()> {
    let Some(own) = of(plan) else { return Ok(()) };
    // Of images in layers nobody but who runs them writes this.
    let text = [image, local(image), &own.content, MARK].concat();
    file::write(&path(layout, &plan.name), text.as_bytes(), 0o644).context("cannot write its hosts file")
}

/// The lines of `LOCAL`, where an image's file has none of them.
pub fn local(image: &str) -> &'static str {
    if names(image).any(|name| name == "localhost") { "" } else { LOCAL }
}

/// Where it is.
pub fn path(layout: &Layout, name: &str) -> PathBuf {
    layout.state(name).join(HOSTS)
}

/// A container is about to run: its file is complete when this returns, and the others know of it.
pub fn join(layout: &Layout, plan: &Plan) -> Result<()> {
    let Some(own) = of(plan) else { return Ok(()) };
    let open = || -> Result<Member> {
        let base = fstat(Files::open(layout)?.hosts(&plan.name)?)?.st_size;
        Ok(member(plan, own, base.try_into().map_err(Error::failed)?))
    };
    let member = open().with_context(|| format!("cannot use the hosts file of {}", plan.name))?;
    update(layout, Some(&plan.name), |members| {
        members.retain(|other| other.name != member.name);
        members.push(member);
        Ok(())
    })
}

/// What a container that runs has become. Its own lines may have moved all others.
pub fn change(layout: &Layout, from: &Plan, to: &Plan) -> Result<()> {
    let (Some(old), Some(new)) = (of(from), of(to)) else { return Ok(()) };
    if old.content == new.content && from.links == to.links {
        return Ok(());
    }
    update(layout, Some(&to.name), |members| {
        let base = replace_own(layout, &to.name, old, new)?;
        members.retain(|other| other.name != to.name);
        members.push(member(to, new, base));
        Ok(())
    })
}

/// The other way round where an earlier try was killed.
fn replace_own(layout: &Layout, name: &str, old: &FileSource, new: &FileSource) -> Result<u64> {
    let text = file::read(&path(layout, name), LARGEST)?.unwrap_or_default();
    let own = text.rfind(MARK).map_or("", |mark| &text[..mark]);
    let (longer, shorter) = if old.content.len() > new.content.len() { (old, new) } else { (new, old) };
    let image = own.strip_suffix(&longer.content).or_else(|| own.strip_suffix(&shorter.content)).unwrap_or(own);
    let own = [image, &new.content, MARK].concat();
    write_at(&Files::open(layout)?.hosts(name)?, 0, own.as_bytes())?;
    own.len().try_into().map_err(Error::failed)
}

/// A container has ended, or its start has not begun.
pub fn leave(layout: &Layout, name: &str) -> Result<()> {
    if !layout.names().exists() {
        return Ok(());
    }
    update(layout, None, |members| {
        members.retain(|member| member.name != name);
        Ok(())
    })
}

/// Forgets who does not run any more, as a killed clean-up leaves it.
pub fn repair(layout: &Layout) -> Result<()> {
    if !layout.names().exists() {
        return Ok(());
    }
    update(layout, None, |members| {
        // Who joins at this moment is among those that run already.
        let running = instances::read(layout);
        members.retain(|member| running.iter().any(|instance| instance.name == member.name));
        Ok(())
    })
}

/// Everybody, where what was known of them is lost.
fn all_again(layout: &Layout) -> Vec<Member> {
    instances::read(layout).iter().filter_map(|instance| found_again(layout, &instance.name)).collect()
}

/// Where the names of others begin, as its file says.
fn base_of(layout: &Layout, name: &str) -> Option<u64> {
    let text = file::read(&path(layout, name), LARGEST).ok()??;
    (text.rfind(MARK)? + MARK.len()).try_into().ok()
}

fn found_again(layout: &Layout, name: &str) -> Option<Member> {
    let base = base_of(layout, name)?;
    let plan = leases::leased(layout, Plan::read(&layout.state(name)).ok()?);
    Some(member(&plan, of(&plan)?, base))
}

/// Who else runs on a bridge, whatever its VLAN, and with which addresses.
pub fn addresses_of_others(layout: &Layout, name: &str, bridge: &str) -> Vec<(String, IpAddr)> {
    let text = file::read(&layout.names().join(REGISTRY), LARGEST).ok().flatten().unwrap_or_default();
    let others = registry::parse(&text).into_iter().filter(|member| member.name != name);
    let there = |member: Member| {
        let links = member.links.into_iter().filter(|(segment, _)| segment.split(':').next() == Some(bridge));
        links.flat_map(|(_, addresses)| addresses).map(|address| (member.name.clone(), address)).collect::<Vec<_>>()
    };
    others.flat_map(there).collect()
}

/// Who else runs where this container is about to, with an address of its.
pub fn holder(layout: &Layout, plan: &Plan) -> Option<(String, IpAddr)> {
    let text = file::read(&layout.names().join(REGISTRY), LARGEST).ok()??;
    let own: BTreeSet<(String, IpAddr)> = plan.links.iter().filter_map(segment_of).flat_map(pairs).collect();
    let others = registry::parse(&text).into_iter().filter(|member| member.name != plan.name);
    let held = |member: Member| {
        let name = member.name.clone();
        let mut all = member.links.into_iter().flat_map(pairs);
        all.find(|pair| own.contains(pair)).map(|(_, address)| (name, address))
    };
    let is_up = |name: &str| instances::read(layout).iter().any(|one| one.name == name && one.is_up());
    others.filter_map(held).find(|(name, _)| is_up(name))
}

/// Whether a host's end of a link of soute's is that of nobody who runs.
pub fn has_ended(layout: &Layout, host_name: &str) -> bool {
    let has = |plan: Plan| plan.links.iter().filter_map(Link::port).any(|port| port.host_name == host_name);
    let all = instances::read(layout);
    let runs = |one: &instances::Instance| one.is_up() && Plan::read(&layout.state(&one.name)).is_ok_and(has);
    !all.iter().any(runs)
}

fn pairs((segment, addresses): (String, Vec<IpAddr>)) -> impl Iterator<Item = (String, IpAddr)> {
    addresses.into_iter().map(move |address| (segment.clone(), address))
}

fn member(plan: &Plan, own: &FileSource, base: u64) -> Member {
    Member {
        name: plan.name.clone(),
        hostname: plan.sandbox.hostname.clone(),
        base,
        hidden: names(&own.content).map(str::to_owned).collect(),
        links: plan.links.iter().filter_map(segment_of).collect(),
    }
}

/// Where a link is, and which addresses it has there.
fn segment_of(link: &Link) -> Option<(String, Vec<IpAddr>)> {
    Some((segment(link.port()?), link.addresses.iter().map(|cidr| cidr.address).collect()))
}

/// Those with the same one hear each other: ports of a bridge, in one VLAN of it. 1 is that of ports which name none.
fn segment(port: &Port) -> String {
    match port.vlan {
        None | Some(1) => port.bridge.clone(),
        Some(vlan) => format!("{}:{vlan}", port.bridge),
    }
}

/// All names of a hosts file.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = |line: &'_ str| line.find('#').map_or(line.len(), |comment| comment);
    text.lines().flat_map(move |line| line[..words(line)].split_whitespace().skip(1))
}

/// `fresh` is whose file says nothing of others yet.
fn update(layout: &Layout, fresh: Option<&str>, change: impl FnOnce(&mut Vec<Member>) -> Result<()>) -> Result<()> {
    let _lock = Lock::names(layout)?;
    let directory = layout.names();
    make_private(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let registry = directory.join(REGISTRY);
    let known = file::read(&registry, LARGEST).ok().flatten().map(|text| registry::parse(&text));
    let lost = known.is_none();
    let before = known.unwrap_or_else(|| all_again(layout));
    let mut after = before.clone();
    let writing = directory.join(WRITING);
    let torn = lost || writing.exists();
    let write = || -> Result<()> {
        if fresh.is_some() {
            file::write(&writing, b"", 0o600)?;
        }
        change(&mut after)?;
        if torn {
            after.iter_mut().for_each(|member| member.base = base_of(layout, &member.name).unwrap_or(member.base));
        }
        if after == before && !torn && fresh.is_none() {
            return Ok(());
        }
        file::write(&writing, b"", 0o600)?;
        file::write(&registry, registry::text(&after).as_bytes(), 0o600)?;
        files::spread(layout, &before, &after, torn, fresh)?;
        Ok(file::remove(&writing)?)
    };
    write().context("cannot bring the names of containers up to date")
}

#[cfg(test)]
mod tests;
