//! What AppArmor and SELinux confine the payload to, from execve(2) on.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstatfs, openat, openat2};
use rustix::io::Errno;

use crate::error::{Context, Error, Result};
use crate::plan::SecurityLabel;

/// The host's proc, opened while the host's tree is all that can be seen: a proc of the container's could be anything
/// (CVE-2019-16884, CVE-2025-52881). None where there is nothing to write.
pub fn open_proc(labels: &[SecurityLabel]) -> Result<Option<OwnedFd>> {
    if labels.is_empty() {
        return Ok(None);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = openat(CWD, "/proc", flags, Mode::empty()).context("cannot open /proc")?;
    match fstatfs(&proc).context("cannot look at /proc")?.f_type {
        PROC_SUPER_MAGIC => Ok(Some(proc)),
        _ => Err(Error::failed("/proc is no proc")),
    }
}

/// Tells the kernel what this process is to become when it executes the payload. Closes the proc, which is not for those
/// inside.
pub fn apply(labels: &[SecurityLabel], proc: Option<OwnedFd>) -> Result<()> {
    let Some(proc) = proc else { return Ok(()) };
    for label in labels {
        match label {
            SecurityLabel::AppArmor(profile) => {
                let action = || format!("cannot confine the payload to AppArmor profile {profile}");
                let written = write(proc.as_fd(), "thread-self/attr/apparmor/exec", &format!("exec {profile}"));
                written.map_err(|errno| explained(errno, "AppArmor")).with_context(action)?;
            }
            SecurityLabel::SELinux(context) => {
                let action = || format!("cannot confine the payload to SELinux context {context}");
                // The same file is another module's where SELinux is off.
                let on = Path::new("/sys/fs/selinux/enforce").exists();
                let written =
                    if on { write(proc.as_fd(), "thread-self/attr/exec", context) } else { Err(Errno::NOENT) };
                written.map_err(|errno| explained(errno, "SELinux")).with_context(action)?;
            }
        }
    }
    Ok(())
}

/// thread-self is a magic link of proc's own, and the only one.
fn write(proc: BorrowedFd<'_>, path: &str, text: &str) -> rustix::io::Result<()> {
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), inside)?;
    File::from(file).write_all(text.as_bytes()).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

fn explained(errno: Errno, module: &str) -> Error {
    match errno {
        Errno::NOENT => Error::failed(format!("this host has no {module} that is on, or does not know it")),
        Errno::INVAL => Error::failed(format!("{module} does not know it")),
        errno => errno.into(),
    }
}
