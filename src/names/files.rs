//! Writes what has changed into the hosts files of all who can have noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, ftruncate, openat, openat2};
use rustix::io::{Errno, pwrite};
use sha2::{Digest, Sha256};

use super::registry::{self, Member};
use super::section::{self, Change};
use super::{HOSTS, LARGEST};
use crate::error::{Context, Result};
use crate::file;
use crate::layout::Layout;

/// Brings the files of all who can have noticed up to date; one that cannot be written does not keep the others from it.
pub fn spread(layout: &Layout, before: &[Member], after: &[Member], torn: bool, fresh: Option<&str>) -> Result<()> {
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
pub struct Files(OwnedFd);

impl Files {
    pub fn open(layout: &Layout) -> rustix::io::Result<Self> {
        openat(CWD, layout.states(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map(Self)
    }

    /// O_NONBLOCK: on a file that somebody has a lease of, open(2) would wait for him.
    pub fn hosts(&self, name: &str) -> rustix::io::Result<OwnedFd> {
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

pub fn write_at(file: impl AsFd, at: u64, bytes: &[u8]) -> rustix::io::Result<()> {
    match pwrite(file, bytes, at)? {
        written if written == bytes.len() => Ok(()),
        _ => Err(Errno::NOSPC),
    }
}
