//! `soute disk diff`

use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use rustix::mount::MountAttrFlags;
use serde::Serialize;

use crate::commands::commit::stopped;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::disk::{self, Disk};
use crate::image::lock::Lock;
use crate::image::raw::superblock::FsType;
use crate::image::store::{Image, Kind, Store};
use crate::image::tree::access::{open_dir, shown};
use crate::image::tree::diff::{Change, Compare, compare};
use crate::image::tree::xattr::Shift;
use crate::output::{json, stdout};
use crate::sandbox::exec::Target;
use crate::sandbox::sources;
use crate::settings::Host;

/// Shows what a container has changed on its disk: what was added (A), changed (C) or deleted (D) since the image.
#[derive(Debug, Args)]
pub struct Diff {
    /// The container.
    name: Name,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    changes: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    change: Change,
    path: String,
}

impl Diff {
    /// Prints them.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let mut changes = Vec::new();
        let mut add = |change, path: &[u8]| changes.push(Entry { change, path: shown(path) });
        differences(host, &self.name, &mut add).with_context(|| format!("cannot compare the disk of {}", self.name))?;
        let text = match self.json {
            true => json::document(&Document { changes })?,
            false => changes.iter().map(|entry| format!("{} {}\n", entry.change.letter(), entry.path)).collect(),
        };
        stdout::write(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn differences(host: &Host, name: &Name, found: &mut dyn FnMut(Change, &[u8])) -> Result<()> {
    let none = || Error::new(Exit::NotFound, format!("{name} has no disk of its own"));
    let disk = disk::open(&host.layout, name)?.ok_or_else(none)?;
    let kind = disk.kind()?.ok_or_else(none)?;
    let image = Store::new(&host.layout)?.open(&disk.record.image)?;
    if image.info.digest != disk.record.digest {
        let text = format!("image {} is another one than the disk is a copy of", image.name);
        return Err(Error::new(Exit::NotFound, text));
    }
    image.pin()?;
    let untouched = untouched(&disk);
    match kind {
        Kind::Tree => {
            let shift = disk.record.ids.filter(|_| disk.record.shifted).map(Shift::From);
            compare(image.root()?.as_fd(), disk.root()?.as_fd(), Compare { shift, untouched }, found)
        }
        Kind::Raw => {
            let fs = disk.info()?.fs.ok_or_else(none)?;
            let (root, mapped, _held) = raw_root(host, name, &disk, fs)?;
            let shift = disk.record.ids.filter(|_| mapped).map(Shift::From);
            compare(image_root(&image, fs)?.as_fd(), root.as_fd(), Compare { shift, untouched }, found)
        }
    }
}

/// The first second in which a file of the disk may have been written to by others than the copy.
fn untouched(disk: &Disk) -> i64 {
    let created = disk.record.created.as_deref().filter(|_| disk.record.snapshot.is_none());
    let time = created.and_then(|text| humantime::parse_rfc3339(text).ok());
    let seconds = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|since| since.as_secs());
    seconds.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(i64::MIN)
}

const ATTRIBUTES: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NODEV.union(MountAttrFlags::MOUNT_ATTR_NOSUID).union(MountAttrFlags::MOUNT_ATTR_RDONLY);

/// Of what runs the root that it has mounted, which shows the container's ids; else a mount of our own.
fn raw_root(host: &Host, name: &Name, disk: &Disk, fs: FsType) -> Result<(OwnedFd, bool, Option<Lock>)> {
    match Target::find(&host.layout, name) {
        Ok(target) => Ok((target.root()?, disk.record.ids.is_some(), None)),
        Err(error) if error.exit() == Exit::NotRunning => {
            let held = stopped(host, name)?;
            Ok((mounted(&disk.raw()?, fs, fs.is_read_only())?, false, Some(held)))
        }
        Err(error) => Err(error),
    }
}

fn image_root(image: &Image, fs: FsType) -> Result<OwnedFd> {
    mounted(&image.raw()?, fs, true).with_context(|| format!("image {}", image.name))
}

/// The root directory of a mount that nobody else sees.
fn mounted(file: &OwnedFd, fs: FsType, read_only: bool) -> Result<OwnedFd> {
    let mount = sources::raw_root(file, fs, read_only, false, ATTRIBUTES)?;
    open_dir(mount.as_fd(), c".").context("cannot open its root")
}
