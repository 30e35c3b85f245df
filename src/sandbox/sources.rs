//! What a container's tree is made of, opened while we still are the host's root: every path of the host is resolved here,
//! once, and what the container's side gets is a detached mount that it can only put in its place.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::devices::Nodes;
use super::notify::{Manager, PayloadSocket};
use super::{hosts, mounts, reaper, secrets, userns};
use crate::error::{Context, Error, Result};
use crate::image::disk;
use crate::image::raw::loopdev;
use crate::image::raw::superblock::FsType;
use crate::image::store::{Image, Store};
use crate::layout::Layout;
use crate::names;
use crate::plan::{self, BindIds, DiskKind, DiskMode, Init, Missing, MountFlags, MountSource, Plan};

/// The names in /dev of the log.
const LOGGED: [&str; 2] = ["stdout", "stderr"];

/// Detached mounts of one start.
#[derive(Debug)]
pub struct Sources {
    /// The container's root.
    pub root: OwnedFd,
    /// The root shows the container's ids only through an idmapped mount.
    root_is_mapped: bool,
    /// The FIFO for each of `LOGGED`; none at all if descriptors 1 and 2 can be opened by name. A detached mount cannot be
    /// copied again by the other side, so there is one for each place.
    pub log: Vec<(&'static str, OwnedFd)>,
    /// The notify socket's file.
    pub notify: Option<OwnedFd>,
    /// The hosts file that is kept up to date.
    pub hosts: Option<OwnedFd>,
    /// The credentials, in the order of their names.
    pub credentials: Vec<OwnedFd>,
    /// The caller's terminal.
    pub terminal: Option<OwnedFd>,
    /// The program that is PID 1, where the payload is not.
    pub reaper: Option<OwnedFd>,
    /// One for each of the plan's mounts; none for a tmpfs, and where a source is absent and may be.
    pub binds: Vec<Option<OwnedFd>>,
    /// Of the plan's devices.
    pub devices: Nodes,
    /// How the owners of each bind appear.
    ids: Vec<BindIds>,
    /// The image that is the root itself: it stays for as long as it is pinned, here and by the payload's side until that
    /// executes, when it is noted who runs.
    #[expect(dead_code, reason = "held")]
    image: Option<Image>,
}

impl Sources {
    /// Opens everything that the plan names.
    pub fn open(layout: &Layout, plan: &Plan) -> Result<(Self, Option<PayloadSocket>)> {
        let sandbox = &plan.sandbox;
        let image = image(layout, plan)?;
        let (root, root_is_mapped) = root(layout, plan, image.as_ref())?;
        let binds = sandbox.mounts.iter().map(|mount| bind(layout, &mount.source, &mount.target, mount.flags));
        let binds: Vec<_> = binds.collect::<Result<_>>()?;
        let ids = sandbox.mounts.iter().map(|mount| match mount.source {
            MountSource::Bind { ids, .. } => ids,
            MountSource::Tmpfs { .. } => BindIds::None,
        });
        let (notify, socket) = match sandbox.ready {
            // systemd's own, for READY=1 as well: the payload has one name for it.
            _ if sandbox.watchdog.is_some() => (Some(file(&Manager::path()?)?), None),
            crate::plan::Ready::Exec | crate::plan::Ready::Healthy => (None, None),
            crate::plan::Ready::Notify => {
                let path = layout.state(&plan.name).join("notify");
                let socket = PayloadSocket::bind(&path)?;
                (Some(file(&path)?), Some(socket))
            }
        };
        let log = sandbox.log.iter().flat_map(|fifo| LOGGED.map(|name| Ok((name, file(fifo)?))));
        let log = log.collect::<Result<_>>()?;
        let hosts = hosts(layout, plan, root.as_fd(), &binds)?;
        let credentials = secrets::open(sandbox)?;
        let terminal = sandbox.process.terminal.then(|| file(&PathBuf::from("/proc/self/fd/0"))).transpose()?;
        let reaper = (sandbox.init == Init::Reaper).then(|| reaper::open(sandbox.namespaces.user)).transpose()?;
        let devices = Nodes::make(&sandbox.devices, plan.disk.ids)?;
        Ok((
            Self {
                reaper,
                root,
                root_is_mapped,
                log,
                notify,
                hosts,
                credentials,
                terminal,
                binds,
                devices,
                ids: ids.collect(),
                image,
            },
            socket,
        ))
    }

    /// Shows the files under the container's ids: `userns` is its user namespace, the map written.
    pub fn map_ids(&self, plan: &Plan, userns: &OwnedFd) -> Result<()> {
        if !self.root_is_mapped {
            mounts::map_ids(self.root.as_fd(), userns.as_fd(), false)
                .with_context(|| not_idmappable(&plan.disk.kind))?;
        }
        for ((bind, ids), mount) in self.binds.iter().zip(&self.ids).zip(&plan.sandbox.mounts) {
            let Some(bind) = bind else { continue };
            let mapped = match ids {
                BindIds::None => Ok(()),
                BindIds::Same => mounts::map_ids(bind.as_fd(), userns.as_fd(), true),
                BindIds::Owner => mounts::map_ids(bind.as_fd(), owner_map(bind, plan)?.as_fd(), true),
            };
            mapped.with_context(|| {
                format!("cannot show {} under the container's ids (ids = \"none\" does without)", mount.target)
            })?;
        }
        Ok(())
    }
}

/// Whoever owns the source is the container's root.
fn owner_map(bind: &OwnedFd, plan: &Plan) -> Result<OwnedFd> {
    let stat = rustix::fs::fstat(bind).context("cannot look at the source of a bind")?;
    let root = plan.disk.ids.map_or(0, |ids| ids.first);
    userns::with_map(&format!("{} {root} 1", stat.st_uid), &format!("{} {root} 1", stat.st_gid))
}

fn not_idmappable(kind: &DiskKind) -> String {
    match kind {
        DiskKind::Raw { fs: FsType::Squashfs } => {
            "cannot show the root under the container's ids: squashfs can since Linux 6.2".to_owned()
        }
        _ => "cannot show the root under the container's ids".to_owned(),
    }
}

/// Its hosts file, after what the image's says: that of its root, or of a directory mounted over that. Read-only, as what
/// it holds counts against the host's /run; and by its owner, whom the container does not know.
fn hosts(layout: &Layout, plan: &Plan, root: BorrowedFd<'_>, binds: &[Option<OwnedFd>]) -> Result<Option<OwnedFd>> {
    let Some(own) = names::of(plan) else { return Ok(None) };
    let over = plan.sandbox.mounts.iter().zip(binds).filter_map(|(mount, bind)| {
        let rest = own.target.strip_prefix(mount.target.trim_end_matches('/'))?;
        rest.starts_with('/').then_some((mount.target.len(), bind, rest))
    });
    let image = match over.max_by_key(|(length, ..)| *length) {
        None => hosts::of_image(root, &own.target)?,
        Some((_, Some(bind), rest)) => hosts::of_image(bind.as_fd(), rest)?,
        Some((_, None, _)) => String::new(),
    };
    names::create(layout, plan, &image)?;
    let mount = file(&names::path(layout, &plan.name))?;
    let attributes = mounts::NOSUID_NODEV_NOEXEC | MountAttrFlags::MOUNT_ATTR_RDONLY;
    mounts::restrict(mount.as_fd(), attributes, false).context("cannot make its hosts file read-only")?;
    Ok(Some(mount))
}

/// The image that is the root itself. By now it may be another one than it was when the plan was made.
fn image(layout: &Layout, plan: &Plan) -> Result<Option<Image>> {
    if plan.disk.mode != DiskMode::ReadOnly {
        return Ok(None);
    }
    let image = Store::new(layout)?.open_pinned(&plan.image.name)?;
    plan::note_image(&layout.state(&plan.name), plan, &image.info.digest)?;
    Ok(Some(image))
}

/// The root as a detached mount, and whether its files carry the container's ids already.
fn root(layout: &Layout, plan: &Plan, image: Option<&Image>) -> Result<(OwnedFd, bool)> {
    let read_only = image.is_some();
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NODEV;
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, read_only);
    // Set-user-ID bits would do nothing anyway. SELinux looks at the flag before it lets a payload into its context.
    let process = &plan.sandbox.process;
    attributes.set(MountAttrFlags::MOUNT_ATTR_NOSUID, process.no_new_privileges && process.labels.is_empty());
    let own = || -> Result<disk::Disk> {
        disk::open(layout, &plan.name)?.ok_or_else(|| Error::failed(format!("{} has no disk", plan.name)))
    };
    match &plan.disk.kind {
        DiskKind::Tree => {
            let (tree, shifted) = match image {
                Some(image) => (image.root()?, false),
                None => own().and_then(|disk| Ok((disk.root()?, disk.record.shifted)))?,
            };
            let mount = mounts::copy_tree(tree.as_fd(), "", false).context("cannot open the root")?;
            mounts::restrict(mount.as_fd(), attributes, false).context("cannot restrict the root")?;
            Ok((mount, shifted || plan.disk.ids.is_none()))
        }
        DiskKind::Raw { fs } => {
            let file = image.map_or_else(|| own()?.raw(), Image::raw)?;
            let mount = raw_root(&file, *fs, read_only, plan.disk.direct_io, attributes)?;
            Ok((mount, plan.disk.ids.is_none()))
        }
    }
}

/// A raw disk as a detached mount.
pub fn raw_root(
    file: &OwnedFd,
    fs: FsType,
    read_only: bool,
    direct_io: bool,
    mut attributes: MountAttrFlags,
) -> Result<OwnedFd> {
    let read_only = read_only || fs.is_read_only();
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, read_only);
    let device = loopdev::attach(file.as_fd(), read_only)?;
    if direct_io && !device.direct_io {
        return Err(Error::failed(
            "the file system of the store refuses direct I/O on a raw disk, and buffered writes would pass the write limit by",
        ));
    }
    let path = device.path();
    let mut options = vec![("source", path.as_str())];
    options.extend(fs.mount_options().iter().map(|(key, value)| (*key, value.unwrap_or_default())));
    options.extend(read_only.then_some(("ro", "")));
    mounts::filesystem(fs.name(), &options, attributes)
        .with_context(|| format!("cannot mount the raw disk as {}", fs.name()))
}

fn bind(layout: &Layout, source: &MountSource, target: &str, flags: MountFlags) -> Result<Option<OwnedFd>> {
    let MountSource::Bind { path, missing, recursive, .. } = source else { return Ok(None) };
    let action = || format!("cannot bind {} to {target}", path.display());
    // In the store a container, or another one that shares the volume, decides what lies on the way.
    let stored = path.strip_prefix(layout.store()).ok().filter(|below| !below.as_os_str().is_empty());
    let open = || match stored {
        Some(below) => open_stored(layout, below),
        None => openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()),
    };
    let found = match (open(), missing) {
        (Err(Errno::NOENT), Missing::Skip) => return Ok(None),
        (Err(Errno::NOENT), Missing::CreateDirectory) if stored.is_none() => {
            std::fs::create_dir_all(path).with_context(action)?;
            open()
        }
        (found, _) => found,
    };
    let found = found.with_context(action)?;
    let mount = mounts::copy_tree(found.as_fd(), "", *recursive).with_context(action)?;
    mounts::restrict(mount.as_fd(), mounts::attributes(flags), *recursive).with_context(action)?;
    Ok(Some(mount))
}

/// A volume, or a place in one: no link on the way, out of the store or elsewhere in it.
fn open_stored(layout: &Layout, below: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let store = openat(CWD, layout.store(), flags | OFlags::DIRECTORY, Mode::empty())?;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(store, below, flags, Mode::empty(), how)
}

fn file(path: &Path) -> Result<OwnedFd> {
    let text = mounts::option_text(path)?;
    let mount = mounts::copy_host_tree(&text, false).with_context(|| format!("cannot open {text}"))?;
    mounts::restrict(mount.as_fd(), MountAttrFlags::empty(), false).with_context(|| format!("cannot use {text}"))?;
    Ok(mount)
}
