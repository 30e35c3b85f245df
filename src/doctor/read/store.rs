//! The file system that the store is on, by trying what a start does: on files without names, and mounts that are nowhere.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags, fstatvfs, ioctl_ficlone, open};
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::doctor::facts::Store;
use crate::layout::Layout;
use crate::sandbox::{mounts, userns};

/// At most so many are named.
const NAMED: usize = 5;

pub fn read(layout: &Layout) -> Store {
    let path = layout.store();
    // A store that is not there yet will be on the file system of the nearest directory that is.
    let existing = path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    let mut store = Store { path: path.display().to_string(), exists: existing == path, ..Store::default() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(directory) = open(existing, flags, Mode::empty()) else { return store };
    if let Ok(stat) = fstatvfs(&directory) {
        let options = [
            (StatVfsMountFlags::NOEXEC, "noexec"),
            (StatVfsMountFlags::NOSUID, "nosuid"),
            (StatVfsMountFlags::RDONLY, "ro"),
        ];
        store.options =
            options.into_iter().filter(|(flag, _)| stat.f_flag.contains(*flag)).map(|(_, word)| word).collect();
        store.space = (stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize);
        store.inodes = (stat.f_favail, stat.f_files);
    }
    store.kind = kind(existing).unwrap_or_default();
    store.reflink = reflink(existing);
    store.idmapped = Some(idmapped(&directory));
    store.open = layout_entries(layout)
        .into_iter()
        .filter(|path| is_open(path))
        .map(|path| path.display().to_string())
        .take(NAMED)
        .collect();
    store
}

/// The type of the mount that shows a directory: the last of /proc/self/mountinfo with its device.
fn kind(path: &Path) -> Option<String> {
    let device = fs::metadata(path).ok()?.dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mut found = None;
    let mut longest = 0;
    for line in mounts.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let (Some(own), Some(target)) = (fields.get(2), fields.get(4)) else { continue };
        let kind = fields.iter().position(|field| *field == "-").and_then(|at| fields.get(at + 1));
        // btrfs has another device for stat(2) than for mounts: there the longest mount point on the way decides.
        let length = if *own == device {
            usize::MAX
        } else if path.starts_with(target) {
            target.len()
        } else {
            0
        };
        if length >= longest && length > 0 {
            longest = length;
            found = kind.map(|kind| (*kind).to_owned());
        }
    }
    found
}

/// Two files without a name, one a clone of the other.
fn reflink(directory: &Path) -> Option<bool> {
    let nameless =
        || open(directory, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(0o600)).ok();
    let mut source = fs::File::from(nameless()?);
    source.write_all(&[1; 4096]).ok()?;
    Some(ioctl_ficlone(nameless()?, &source).is_ok())
}

/// A mount of it that is in no tree, with an idmap.
fn idmapped(directory: &OwnedFd) -> Result<(), String> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let copy = open_tree(directory, "", flags).map_err(words)?;
    let userns = userns::with_map("0 524288 65536", "0 524288 65536").map_err(|error| error.to_string())?;
    mounts::map_ids(copy.as_fd(), userns.as_fd(), false).map_err(words)
}

fn words(errno: rustix::io::Errno) -> String {
    crate::error::Error::from(errno).to_string()
}

/// What is to be root's alone.
fn layout_entries(layout: &Layout) -> Vec<PathBuf> {
    let tops = [layout.images(), layout.disks(), layout.volumes()];
    let entries = tops.iter().filter_map(|top| fs::read_dir(top).ok()).flatten().flatten().map(|entry| entry.path());
    entries.collect()
}

fn is_open(path: &Path) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else { return false };
    meta.uid() != 0 || (meta.is_dir() && meta.mode() & 0o077 != 0)
}
