//! The file that this program runs from, out of the reach of root in a container.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::mount::MountAttrFlags;

use super::mounts;
use crate::error::{Context, Error, Result};
use crate::plan::Plan;

const OWN: &str = "/proc/self/exe";

/// Executes this program again from a read-only mount of its file, where root of the container is root of the host. What is
/// executed in there may be a link to /proc/self/exe, which is this file still, and then could be written to
/// (CVE-2019-5736). Ids of the container's own cannot do that.
pub fn protect(plan: &Plan) -> Result<()> {
    let flags = statvfs(OWN).context("cannot look at the own program")?.f_flag;
    if plan.sandbox.namespaces.user || flags.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let view = mounts::copy_host_tree(OWN, false).context("cannot open the own program")?;
    mounts::restrict(view.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, false)
        .context("cannot protect the own program")?;
    let mut arguments = std::env::args_os();
    let mut again = Command::new(format!("/proc/self/fd/{}", view.as_raw_fd()));
    again.arg0(arguments.next().unwrap_or_default()).args(arguments);
    Err(Error::from(again.exec())).context("cannot execute the own program again")
}
