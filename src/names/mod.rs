//! Containers on one bridge find each other by name: each has a hosts file of the host's, shown to it read-only, and whoever
//! starts or ends one writes its names into those of the others.
//!
//! Those on the same bridges have the same names behind what is their own, so that one change is computed and written to
//! all of them: for each other container a file is opened and a few bytes are written.

mod registry;
mod section;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, ftruncate, openat, openat2};
use rustix::io::{Errno, pwrite};
use sha2::{Digest, Sha256};

use crate::error::{Context, Error, Result};
use crate::file;
use crate::image::lock::Lock;
use crate::instances;
use crate::layout::{Layout, make_private};
use crate::plan::{FileSource, Link, Plan, Port};
use registry::Member;
use section::Change;

/// The file's name in the state directory.
pub const HOSTS: &str = "hosts";
/// What stands between a container's own lines and those of others.
const MARK: &str = "# Containers on the same bridges, kept up to date by soute:\n";
const LARGEST: u64 = 64 << 20;
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
    let local =
        if names(image).any(|name| name == "localhost") { "" } else { "127.0.0.1\tlocalhost\n::1\tlocalhost\n" };
    let text = [image, local, &own.content, MARK].concat();
    file::write(&path(layout, &plan.name), text.as_bytes(), 0o644).context("cannot write its hosts file")
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
    })
}

/// A container that runs has other lines of its own, other addresses or other links. The file stays the one that it sees.
pub fn change(layout: &Layout, old: &Plan, new: &Plan) -> Result<()> {
    let (Some(was), Some(own)) = (of(old), of(new)) else { return Ok(()) };
    if was.content == own.content && old.links == new.links {
        return Ok(());
    }
    let rewrite = || -> Result<Member> {
        let text = file::read(&path(layout, &new.name), LARGEST)?.unwrap_or_default();
        let (head, others) = text.rsplit_once(MARK).ok_or_else(|| Error::failed("it is not as it was made"))?;
        // The new lines, where who was about to write them was killed. The longer first, which may end as the other does.
        let mut known = [was.content.as_str(), own.content.as_str()];
        known.sort_by_key(|lines| std::cmp::Reverse(lines.len()));
        let image = known.iter().find_map(|lines| head.strip_suffix(lines));
        let image = image.ok_or_else(|| Error::failed("it is not as it was made"))?;
        let head = [image, &own.content, MARK].concat();
        let text = format!("{head}{others}");
        let file = Files::open(layout)?.hosts(&new.name)?;
        write_at(&file, 0, text.as_bytes())?;
        ftruncate(&file, text.len() as u64)?;
        Ok(member(new, own, head.len() as u64))
    };
    let member = rewrite().with_context(|| format!("cannot change the hosts file of {}", new.name))?;
    update(layout, Some(&new.name), |members| {
        members.retain(|other| other.name != member.name);
        members.push(member);
    })
}

/// A container has ended, or its start has not begun.
pub fn leave(layout: &Layout, name: &str) -> Result<()> {
    if !layout.names().exists() {
        return Ok(());
    }
    update(layout, None, |members| members.retain(|member| member.name != name))
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
    })
}

/// Everybody, where what was known of them is lost.
fn all_again(layout: &Layout) -> Vec<Member> {
    instances::read(layout).iter().filter_map(|instance| found_again(layout, &instance.name)).collect()
}

fn found_again(layout: &Layout, name: &str) -> Option<Member> {
    let text = file::read(&path(layout, name), LARGEST).ok()??;
    let base = text.rfind(MARK)? + MARK.len();
    let plan = Plan::read(&layout.state(name)).ok()?;
    Some(member(&plan, of(&plan)?, base.try_into().ok()?))
}

fn member(plan: &Plan, own: &FileSource, base: u64) -> Member {
    let link = |link: &Link| {
        let addresses = link.addresses.iter().map(|cidr| cidr.address).collect();
        Some((segment(link.port()?), addresses))
    };
    Member {
        name: plan.name.clone(),
        hostname: plan.sandbox.hostname.clone(),
        base,
        hidden: names(&own.content).map(str::to_owned).collect(),
        links: plan.links.iter().filter_map(link).collect(),
    }
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
fn update(layout: &Layout, fresh: Option<&str>, change: impl FnOnce(&mut Vec<Member>)) -> Result<()> {
    let _lock = Lock::names(layout)?;
    let directory = layout.names();
    make_private(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let registry = directory.join(REGISTRY);
    let known = file::read(&registry, LARGEST).ok().flatten().map(|text| registry::parse(&text));
    let lost = known.is_none();
    let before = known.unwrap_or_else(|| all_again(layout));
    let mut after = before.clone();
    change(&mut after);
    let writing = directory.join(WRITING);
    let torn = lost || writing.exists();
    if after == before && !torn && fresh.is_none() {
        return Ok(());
    }
    let write = || -> Result<()> {
        file::write(&writing, b"", 0o600)?;
        file::write(&registry, registry::text(&after).as_bytes(), 0o600)?;
        spread(layout, &before, &after, torn, fresh)?;
        Ok(file::remove(&writing)?)
    };
    write().context("cannot bring the names of containers up to date")
}

/// Brings the files of all who can have noticed up to date; one that cannot be written does not keep the others from it.
fn spread(layout: &Layout, before: &[Member], after: &[Member], torn: bool, fresh: Option<&str>) -> Result<()> {
    let old: BTreeMap<&str, &Member> = before.iter().map(|member| (member.name.as_str(), member)).collect();
    let new: BTreeMap<&str, &Member> = after.iter().map(|member| (member.name.as_str(), member)).collect();
    let is_new = |member: &Member| fresh == Some(&member.name) || old.get(member.name.as_str()) != Some(&member);
    let is_old = |member: &Member| new.get(member.name.as_str()) != Some(&member);
    let come = after.iter().filter(|member| is_new(member));
    let touched: BTreeSet<&str> =
        before.iter().filter(|member| is_old(member)).chain(come).flat_map(Member::bridges).collect();
    let files = Files::open(layout)?;
    let of_now: BTreeSet<BTreeSet<&str>> = after.iter().map(Member::bridges).collect();
    let mut failed = None;
    for bridges in of_now.iter().filter(|bridges| torn || !bridges.is_disjoint(&touched)) {
        let template = layout.names().join(file_name(bridges));
        let known = file::read(&template, LARGEST).ok().flatten().filter(|_| !torn);
        let text = known.clone().unwrap_or_default();
        let change = Change::between(&text, &registry::lines(after, bridges));
        let next = change.apply(&text, &[]);
        for member in after.iter().filter(|member| member.bridges() == *bridges) {
            let same_text = |old: &&Member| fresh != Some(&member.name) && old.has_text_of(member);
            let written = match old.get(member.name.as_str()).filter(|old| known.is_some() && same_text(old)) {
                Some(_) => files.write(member, &change),
                None => files.write_whole(member, &next),
            };
            match written {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => drop(failed.get_or_insert((errno, &member.name))),
            }
        }
        file::write(&template, next.as_bytes(), 0o600)?;
    }
    for bridges in before.iter().map(Member::bridges).filter(|bridges| !of_now.contains(bridges)) {
        let _ = file::remove(&layout.names().join(file_name(&bridges)));
    }
    failed.map_or(Ok(()), |(errno, name)| Err(errno).with_context(|| format!("hosts file of {name}")))
}

/// Of the text that is the same for all who are on exactly these bridges.
fn file_name(bridges: &BTreeSet<&str>) -> String {
    let joined: Vec<_> = bridges.iter().copied().collect();
    Sha256::digest(joined.join("/")).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The hosts files, below the directory that only root gets into.
struct Files(OwnedFd);

impl Files {
    fn open(layout: &Layout) -> rustix::io::Result<Self> {
        openat(CWD, layout.states(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map(Self)
    }

    /// O_NONBLOCK: on a file that somebody has a lease of, open(2) would wait for him.
    fn hosts(&self, name: &str) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        openat2(&self.0, format!("{name}/{HOSTS}"), flags, Mode::empty(), how)
    }

    fn write(&self, member: &Member, change: &Change) -> rustix::io::Result<()> {
        if change.is_empty() {
            return Ok(());
        }
        let file = self.hosts(&member.name)?;
        change
            .writes(&member.hidden)
            .iter()
            .try_for_each(|(at, bytes)| write_at(&file, member.base + *at as u64, bytes))
    }

    /// For who has not read it yet, or nobody knows what is in it.
    fn write_whole(&self, member: &Member, text: &str) -> rustix::io::Result<()> {
        let file = self.hosts(&member.name)?;
        let text = section::hide(text, &member.hidden);
        write_at(&file, member.base, text.as_bytes())?;
        ftruncate(&file, member.base + text.len() as u64)
    }
}

fn write_at(file: impl AsFd, at: u64, bytes: &[u8]) -> rustix::io::Result<()> {
    match pwrite(file, bytes, at)? {
        written if written == bytes.len() => Ok(()),
        _ => Err(Errno::NOSPC),
    }
}

#[cfg(test)]
mod tests;
