//! Where the paths of one side are resolved.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::MountAttrFlags;

use super::Spec;
use crate::commands::{commit, must_exist};
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::archive::receive::Policy;
use crate::image::disk;
use crate::image::lock::Lock;
use crate::image::raw::superblock;
use crate::image::store::Kind;
use crate::image::tree::access::Reach;
use crate::image::tree::attributes::Owner;
use crate::image::tree::xattr::Shift;
use crate::plan::{IdRange, Plan};
use crate::sandbox::exec::Target;
use crate::sandbox::{sources, visit};
use crate::settings::Host;
use crate::systemd::Manager;

/// Where paths are resolved.
pub enum Side {
    /// In a running container; with ids of its own, or the host's.
    Running(Target, bool),
    /// From here.
    Root(Root),
}

/// A root, open.
pub struct Root {
    /// Its directory.
    pub dir: OwnedFd,
    /// Whether mounts are seen.
    pub reach: Reach,
    /// The ids that its files carry.
    pub shift: Option<u32>,
    /// The disk of a stopped container, which nothing starts meanwhile.
    held: Option<Lock>,
}

impl Root {
    /// One that is seen with its mounts, under the ids that it shows.
    pub fn of(dir: OwnedFd) -> Self {
        Self { dir, reach: Reach::Mounts, shift: None, held: None }
    }
}

impl Side {
    /// What a word of the command line means, and the path in it.
    pub fn of_spec(host: &Host, spec: &Spec<'_>) -> Result<(Self, String)> {
        match spec {
            Spec::Container(name, path) => Ok((Self::of(host, name)?, (*path).to_owned())),
            Spec::Stream => Err(Error::new(Exit::Usage, "- is one archive")),
            Spec::Host(path) => {
                let absolute = std::path::absolute(path).context("cannot tell where that is")?;
                let absolute = absolute.to_str().ok_or_else(|| Error::failed("it is not UTF-8"))?.to_owned();
                // absolute() takes away what has a meaning here: "dir/." is what is in it, "dir/" has to be one.
                let end = ["/.", "/"].into_iter().find(|end| path.ends_with(end)).unwrap_or_default();
                let end = if *path == "." { "/." } else { end };
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let dir = openat(CWD, "/", flags, Mode::empty()).context("cannot open /")?;
                Ok((Self::Root(Root::of(dir)), format!("{}{end}", absolute.trim_end_matches('/'))))
            }
        }
    }

    /// That of a container.
    pub fn of(host: &Host, name: &Name) -> Result<Self> {
        match Target::find(&host.layout, name) {
            Ok(target) => {
                let plan = Plan::read(&host.layout.state(name))?;
                Ok(Self::Running(target, plan.sandbox.namespaces.user))
            }
            Err(error) if error.exit() == Exit::NotRunning => Self::stopped(host, name),
            Err(error) => Err(error),
        }
    }

    fn stopped(host: &Host, name: &Name) -> Result<Self> {
        if let Ok(manager) = Manager::connect() {
            must_exist(host, &manager, name)?;
        }
        let none = || Error::new(Exit::NotRunning, format!("{name} is not running, and has no disk of its own"));
        let kind = disk::open(&host.layout, name)?.ok_or_else(none)?.kind()?.ok_or_else(none)?;
        let held = commit::stopped(host, name)?;
        let disk = disk::open(&host.layout, name)?.ok_or_else(none)?;
        let dir = match kind {
            Kind::Tree => disk.root()?,
            Kind::Raw => {
                let file = disk.raw()?;
                let fs = superblock::of_file(&file.try_clone()?.into())?.fs;
                let attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
                sources::raw_root(&file, fs, fs.is_read_only(), false, attributes)?
            }
        };
        let shift = disk.record.ids.filter(|_| disk.record.shifted);
        Ok(Self::Root(Root { dir, reach: Reach::Inside, shift, held: Some(held) }))
    }

    /// What becomes of what is copied to this side.
    pub fn policy(&self, archive: bool) -> Policy {
        let (us, root) = (rustix::process::geteuid().as_raw(), Owner { uid: 0, gid: 0 });
        let keep = |owner| if archive { None } else { Some(owner) };
        match self {
            Self::Running(..) => Policy { owner: keep(root), disarm: false, shift: None, ids: None },
            // What a container has made is not to have the power of its new owner.
            Self::Root(Root { held: None, .. }) => {
                let own = Owner { uid: us, gid: rustix::process::getegid().as_raw() };
                Policy { owner: keep(own), disarm: true, shift: None, ids: None }
            }
            Self::Root(Root { shift, .. }) => {
                Policy { owner: keep(root), disarm: false, shift: shift.map(Shift::To), ids: Some(IdRange::COUNT) }
            }
        }
    }

    /// Has it done there.
    pub fn run(self, work: impl FnOnce(&Root) -> Result<Vec<Vec<u8>>>) -> Result<Vec<Vec<u8>>> {
        match self {
            Self::Root(root) => work(&root),
            Self::Running(target, user) => {
                let work = |root: BorrowedFd<'_>| work(&Root::of(root.try_clone_to_owned()?));
                visit::send(&target, user, Vec::new(), work)?.0.wait()
            }
        }
    }
}
