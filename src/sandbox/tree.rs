//! Does the operations: the container's tree, built below its root while the host's is still there.
//!
//! The kernel lets a user namespace mount a fresh proc or sysfs only while one that is fully visible is mounted
//! (mount_too_revealing), so the host's tree goes last, by pivot_root(2).

use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, StatVfsMountFlags, fstatvfs, mkdirat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::covers::{self, Empty};
use super::hosts;
use super::mounts::{self, NOSUID_NODEV, NOSUID_NODEV_NOEXEC};
use super::operations::Operation;
use super::root::{self, Kind};
use super::sources::Sources;
use crate::error::{Context, Result};
use crate::names;
use crate::plan::Sandbox;

/// The device nodes that every program may count on; ptmx is a link into the container's own devpts.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

const HOSTS: &str = "/etc/hosts";

/// The tree under construction.
#[derive(Debug)]
pub struct Tree<'a> {
    root: OwnedFd,
    sandbox: &'a Sandbox,
    sources: &'a Sources,
    empty: OnceCell<Empty>,
}

impl<'a> Tree<'a> {
    /// Puts the container's root somewhere in our own mount namespace; the place does not matter, it is gone after
    /// [`enter`](Self::enter).
    pub fn plant(sandbox: &'a Sandbox, sources: &'a Sources) -> Result<Self> {
        let host = rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC;
        rustix::mount::mount_change("/", host).context("cannot stop mount propagation")?;
        let place = rustix::fs::open("/run", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .context("cannot open /run")?;
        mounts::attach(sources.root.as_fd(), place.as_fd()).context("cannot attach the root")?;
        let root = openat(&sources.root, ".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .context("cannot open the root")?;
        sources.devices.set_aside()?;
        Ok(Self { root, sandbox, sources, empty: OnceCell::new() })
    }

    /// Does one operation.
    pub fn perform(&self, operation: &Operation) -> Result<()> {
        match operation {
            Operation::Proc => self.proc(),
            Operation::Sys => self.sys(),
            Operation::Cgroup { writable } => self.cgroup(*writable),
            Operation::Dev => self.dev(),
            Operation::Tmpfs { target, size, mode, flags } => {
                let mut options = vec![("mode", format!("{mode:04o}"))];
                options.extend(size.map(|size| ("size", size.to_string())));
                let options: Vec<_> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
                let tmpfs = mounts::filesystem("tmpfs", &options, mounts::attributes(*flags))?;
                self.attach(tmpfs.as_fd(), target, Kind::Directory)
            }
            Operation::Prepared { index, target } => self.prepared(*index, target),
            Operation::Unattended => self.unattended(operation.target()),
            Operation::Host { notify } => self.host(*notify),
            Operation::File { index, target } => self.file(*index, target),
            Operation::Device { index, target } => self.device(*index, target),
            Operation::Mask(path) => self.empty()?.mask(self.root.as_fd(), path),
            Operation::MaskThermalThrottle => self.empty()?.mask_thermal_throttle(self.root.as_fd()),
            Operation::ReadOnly { path, except } => covers::read_only(self.root.as_fd(), path, *except),
        }
        .with_context(|| format!("cannot mount {}", operation.target()))
    }

    /// The root under construction.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Makes the tree the root and lets go of the host's.
    pub fn enter(self) -> Result<()> {
        let pivot = || -> rustix::io::Result<()> {
            rustix::process::fchdir(&self.root)?;
            // With the same directory twice the old root lies over the new one, and "." is the old one, see pivot_root(2).
            rustix::process::pivot_root(".", ".")?;
            rustix::mount::unmount(".", rustix::mount::UnmountFlags::DETACH)?;
            rustix::process::chdir("/")
        };
        pivot().context("cannot change the root")?;
        Ok(())
    }

    fn proc(&self) -> Result<()> {
        if self.sandbox.namespaces.pid {
            return self.api("/proc", mounts::filesystem("proc", &[], NOSUID_NODEV_NOEXEC)?);
        }
        // A proc belongs to a pid namespace, and only who has power over that may mount one.
        let proc = mounts::copy_host_tree("/proc", true).context("cannot copy /proc")?;
        mounts::restrict(proc.as_fd(), NOSUID_NODEV_NOEXEC, true).context("cannot restrict /proc")?;
        self.api("/proc", proc)
    }

    fn sys(&self) -> Result<()> {
        let read_only = NOSUID_NODEV_NOEXEC | MountAttrFlags::MOUNT_ATTR_RDONLY;
        if self.sandbox.namespaces.network {
            return self.api("/sys", mounts::filesystem("sysfs", &[], read_only)?);
        }
        // A sysfs belongs to a network namespace; the host's can only be shown. It comes with all that is mounted in it:
        // a user namespace may not take those mounts away.
        let sys = mounts::copy_host_tree("/sys", true).context("cannot copy /sys")?;
        mounts::restrict(sys.as_fd(), read_only, true).context("cannot make /sys read-only")?;
        self.api("/sys", sys)
    }

    fn cgroup(&self, writable: bool) -> Result<()> {
        let mut attributes = NOSUID_NODEV_NOEXEC;
        attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, !writable);
        if !self.sandbox.namespaces.cgroup {
            return Ok(());
        }
        let cgroup = mounts::filesystem("cgroup2", &[], attributes)?;
        let place = root::open(self.root.as_fd(), "/sys/fs/cgroup", OFlags::PATH | OFlags::DIRECTORY)?;
        Ok(mounts::attach(cgroup.as_fd(), place.as_fd())?)
    }

    fn dev(&self) -> Result<()> {
        let dev = mounts::filesystem("tmpfs", &[("mode", "0755"), ("size", "4m")], MountAttrFlags::MOUNT_ATTR_NOSUID)?;
        self.api_ref("/dev", dev.as_fd())?;
        for name in NODES {
            bind_file(dev.as_fd(), name, covers::standard_node(name)?.as_fd())?;
        }
        for (target, name) in LINKS {
            if !self.sources.log.iter().any(|(logged, _)| *logged == name) {
                symlinkat(target, &dev, name).with_context(|| format!("cannot link /dev/{name}"))?;
            }
        }
        // Without a terminal there is no /dev/console: systemd takes nothing else for one, and its getty would fail.
        let terminal = self.sources.terminal.iter().map(|terminal| ("console", terminal));
        let log = self.sources.log.iter().map(|(name, fifo)| (*name, fifo));
        for (name, mount) in log.chain(terminal) {
            bind_file(dev.as_fd(), name, mount.as_fd())?;
        }
        // gid 5 is tty in every distribution, and grantpt(3) expects it.
        let pts = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")];
        self.directory(dev.as_fd(), "pts", mounts::filesystem("devpts", &pts, NOSUID_NOEXEC)?)?;
        self.directory(dev.as_fd(), "shm", mounts::filesystem("tmpfs", &[("mode", "1777")], NOSUID_NODEV)?)?;
        if self.sandbox.namespaces.ipc {
            self.directory(dev.as_fd(), "mqueue", mounts::filesystem("mqueue", &[], NOSUID_NODEV_NOEXEC)?)?;
        }
        Ok(())
    }

    fn directory(&self, dev: BorrowedFd<'_>, name: &str, mount: OwnedFd) -> Result<()> {
        mkdirat(dev, name, Mode::from_raw_mode(0o755)).with_context(|| format!("cannot make /dev/{name}"))?;
        let place = openat(dev, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        mounts::attach(mount.as_fd(), place.as_fd()).with_context(|| format!("cannot mount /dev/{name}"))
    }

    fn prepared(&self, index: usize, target: &str) -> Result<()> {
        let Some(mount) = self.sources.binds.get(index).and_then(Option::as_ref) else { return Ok(()) };
        self.attach(mount.as_fd(), target, Kind::of(mount.as_fd())?)
    }

    fn device(&self, index: usize, target: &str) -> Result<()> {
        let Some(node) = self.sources.devices.copy(index)? else { return Ok(()) };
        self.attach(node.as_fd(), target, Kind::File)
    }

    /// What masks; made when the first is.
    fn empty(&self) -> Result<&Empty> {
        match self.empty.get() {
            Some(empty) => Ok(empty),
            None => Empty::new().map(|empty| self.empty.get_or_init(|| empty)),
        }
    }

    fn host(&self, notify: bool) -> Result<()> {
        let tmpfs = mounts::filesystem("tmpfs", &[("mode", "0755"), ("size", "4m")], NOSUID_NODEV_NOEXEC)?;
        write_file(tmpfs.as_fd(), "container-manager", "soute\n")?;
        for (index, file) in self.sandbox.files.iter().enumerate().filter(|(_, file)| !file.kept) {
            let image = match file.after_image {
                true => hosts::of_image(self.root.as_fd(), &file.target)?,
                false => String::new(),
            };
            let local = if file.target == HOSTS { names::local(&image) } else { "" };
            write_file(tmpfs.as_fd(), &file_name(index), &[&image, local, &file.content].concat())?;
        }
        self.attach(tmpfs.as_fd(), "/run/host", Kind::Directory)?;
        if notify && let Some(socket) = &self.sources.notify {
            bind_file(tmpfs.as_fd(), "notify", socket.as_fd())?;
        }
        Ok(())
    }

    fn unattended(&self, units: &str) -> Result<()> {
        let units = root::mount_point(self.root.as_fd(), units, Kind::Directory)?;
        symlinkat("/dev/null", &units, "systemd-firstboot.service").context("cannot mask systemd-firstboot.service")
    }

    fn file(&self, index: usize, target: &str) -> Result<()> {
        if let Some(hosts) = self.sources.hosts.as_ref().filter(|_| self.sandbox.files[index].kept) {
            return self.attach(hosts.as_fd(), target, Kind::File);
        }
        // Nobody has asked for this one by name, and a root without it that cannot be written to does without.
        if self.sandbox.files[index].leased && self.lacks(target)? {
            return Ok(());
        }
        let source = root::open(self.root.as_fd(), &format!("/run/host/{}", file_name(index)), OFlags::PATH)?;
        let mount = mounts::copy_tree(source.as_fd(), "", false)?;
        self.attach(mount.as_fd(), target, Kind::File)
    }

    /// It is not there, and cannot be made.
    fn lacks(&self, target: &str) -> Result<bool> {
        let read_only = fstatvfs(&self.root)?.f_flag.contains(StatVfsMountFlags::RDONLY);
        Ok(read_only && matches!(root::open(self.root.as_fd(), target, OFlags::PATH), Err(Errno::NOENT)))
    }

    /// /etc/localtime as timedatectl(1) writes it: a link, replaced whole. A root that cannot be written to has TZ alone.
    pub fn set_timezone(&self) -> Result<()> {
        let Some(zone) = &self.sandbox.timezone else { return Ok(()) };
        let replace = || -> rustix::io::Result<()> {
            let etc = root::open(self.root.as_fd(), "/etc", OFlags::PATH | OFlags::DIRECTORY)?;
            let (next, name) = (".localtime.soute", "localtime");
            let _ = rustix::fs::unlinkat(&etc, next, rustix::fs::AtFlags::empty());
            symlinkat(format!("../usr/share/zoneinfo/{zone}"), &etc, next)?;
            rustix::fs::renameat(&etc, next, &etc, name)
        };
        match replace() {
            Err(Errno::ROFS) => Ok(()),
            other => other.context("cannot set /etc/localtime"),
        }
    }

    /// For who has no generated one. On a disk that is full, say, all else may work.
    pub fn set_hosts(&self) {
        if self.sandbox.files.iter().any(|file| file.target == HOSTS) {
            return;
        }
        let hostname = match self.sandbox.namespaces.uts {
            true => self.sandbox.hostname.clone(),
            false => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        };
        if let Err(errno) = hosts::provide(self.root.as_fd(), &hostname) {
            eprintln!("soute-runner: cannot write /etc/hosts of the container, ignoring: {errno}");
        }
    }

    fn api(&self, name: &str, mount: OwnedFd) -> Result<()> {
        self.api_ref(name, mount.as_fd())
    }

    fn api_ref(&self, name: &str, mount: BorrowedFd<'_>) -> Result<()> {
        let place = root::api_mount_point(self.root.as_fd(), name)?;
        Ok(mounts::attach(mount, place.as_fd())?)
    }

    fn attach(&self, mount: BorrowedFd<'_>, target: &str, kind: Kind) -> Result<()> {
        let place = root::mount_point(self.root.as_fd(), target, kind)?;
        Ok(mounts::attach(mount, place.as_fd())?)
    }
}

/// /dev and what is like it: nothing set-user-id runs from there, but its nodes work.
const NOSUID_NOEXEC: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

pub(super) fn file_name(index: usize) -> String {
    format!("file-{index}")
}

/// A file of ours in a file system that nobody else has seen yet.
fn create(dir: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::from_raw_mode(0o644))
}

fn write_file(dir: BorrowedFd<'_>, name: &str, content: &str) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::from(create(dir, name).with_context(|| format!("cannot make {name}"))?);
    file.write_all(content.as_bytes()).with_context(|| format!("cannot write {name}"))
}

fn bind_file(dir: BorrowedFd<'_>, name: &str, mount: BorrowedFd<'_>) -> Result<()> {
    create(dir, name).with_context(|| format!("cannot make {name}"))?;
    let place = openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    mounts::attach(mount, place.as_fd()).with_context(|| format!("cannot mount {name}"))
}
