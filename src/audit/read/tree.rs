//! What the container sees: looked at through a descriptor of its root, and never opened. A file system that a program
//! serves could let us wait for ever, so that nothing is looked at but where the kernel itself answers.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};

use super::process::Proc;
use crate::audit::facts::{Facts, LOOKED_AT, Mount, NodeKind, is_below};
use crate::error::{Context, Result};

/// File systems that answer by themselves.
const OWN: [&str; 13] = [
    "proc", "sysfs", "tmpfs", "devtmpfs", "devpts", "mqueue", "cgroup2", "ramfs", "ext4", "xfs", "btrfs", "erofs",
    "squashfs",
];
/// A directory of more entries than this is no /dev.
const MOST: usize = 10_000;

/// The root of the main process.
pub struct Tree<'a> {
    root: OwnedFd,
    /// Only the mounts of it are there.
    seen: Facts,
    mounts: &'a [Mount],
}

impl<'a> Tree<'a> {
    pub fn open(proc: &Proc, mounts: &'a [Mount]) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(proc.dir(), "root", flags, Mode::empty()).context("cannot look at the container's root")?;
        Ok(Self { root, seen: Facts { mounts: mounts.to_vec(), ..Facts::default() }, mounts })
    }

    /// Those of the paths that are there.
    pub fn existing(&self, paths: &[String]) -> BTreeSet<String> {
        paths.iter().filter(|path| self.look(path).is_some()).cloned().collect()
    }

    /// The paths, everything in /dev, and what else may be a mount of a single file.
    pub fn nodes(&self, paths: &[String]) -> BTreeMap<String, NodeKind> {
        let single = self.mounts.iter().filter(|mount| mount.root != "/" || mount.kind == "devtmpfs");
        let single = single.take(LOOKED_AT).map(|mount| mount.target.clone());
        let all: BTreeSet<String> = single.chain(paths.iter().cloned()).chain(self.list("/dev")).collect();
        let node = |path: String| {
            let kind = NodeKind::of(&self.look(&path)?);
            (!matches!(kind, NodeKind::Other)).then_some((path, kind))
        };
        all.into_iter().filter_map(node).collect()
    }

    fn look(&self, path: &str) -> Option<Stat> {
        fstat(self.reach(path, OFlags::PATH | OFlags::NOFOLLOW)?).ok()
    }

    fn reach(&self, path: &str, flags: OFlags) -> Option<OwnedFd> {
        // On the way, too: a symlink is refused below, so that the way is the path.
        let served =
            |mount: &&Mount| is_below(path, &mount.target) && mount.target != "/" && !OWN.contains(&&*mount.kind);
        if self.mounts.iter().any(|mount| served(&mount)) || !OWN.contains(&&*self.seen.mount_of(path)?.kind) {
            return None;
        }
        let beneath = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), beneath).ok()
    }

    fn list(&self, top: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = vec![top.to_owned()];
        while let Some(path) = directories.pop() {
            let Some(fd) = self.reach(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW) else { continue };
            let Ok(entries) = Dir::new(fd) else { continue };
            for entry in entries.filter_map(|entry| entry.ok()).take(MOST.saturating_sub(found.len())) {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name == "." || name == ".." {
                    continue;
                }
                let below = format!("{path}/{name}");
                if entry.file_type() == FileType::Directory {
                    directories.push(below.clone());
                }
                found.push(below);
            }
        }
        found
    }
}
