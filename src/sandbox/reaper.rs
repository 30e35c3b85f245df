//! `init = "reaper"`: a PID 1 that reaps orphans, passes signals on and ends as the payload does. The one process of ours
//! that may live in a container, and only where it was asked for; its program is src/bin/soute-reaper.rs.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::AtFlags;
use nix::sys::signal::SigSet;
use nix::unistd::execveat;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::MountAttrFlags;

use super::channel::Channel;
use super::mounts;
use super::raw::{self, Cloned};
use crate::error::{Context, Error, Result};

/// The descriptor that the program reads to its end before it ends itself.
const OUTLIVED: i32 = 3;

/// Opens the program. Where root of the container is root of the host, in a read-only view of its directory: else it could
/// be written to through /proc/1/exe (CVE-2019-5736). Ids of the container's own cannot do that, and for them it is opened as
/// it is: a view that is dropped again costs a grace period of the kernel's, up to 1 ms.
pub fn open(own_ids: bool) -> Result<OwnedFd> {
    let own = std::env::current_exe().context("cannot find the path of soute-runner")?;
    let directory = own.parent().and_then(Path::to_str).unwrap_or("/");
    let opened = if own_ids { directory_of(directory) } else { read_only_view(directory) }?;
    openat(&opened, "soute-reaper", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).context("cannot open soute-reaper")
}

fn directory_of(path: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).with_context(|| format!("cannot open {path}"))
}

fn read_only_view(path: &str) -> Result<OwnedFd> {
    let view = mounts::copy_host_tree(path, false).with_context(|| format!("cannot open {path}"))?;
    mounts::restrict(view.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, false).context("cannot protect soute-reaper")?;
    Ok(view)
}

/// From its first moment on, so that none is lost: the kernel drops what a PID 1 neither blocks nor handles. execve(2) keeps
/// the mask, and the payload's is emptied before it.
pub fn hold_signals() -> Result<()> {
    SigSet::all().thread_block().context("cannot block the signals")
}

/// Returns in a new process, which goes on to become the payload; this one becomes `program` and never returns. Both have
/// the payload's rights and filter by now, and no more. The program does not end before `outlived` has.
pub fn split(program: &OwnedFd, outlived: Option<&Channel>) -> Result<()> {
    match raw::fork().context("cannot start the payload")? {
        Cloned::Child => {
            // Only who leads a session can have a controlling terminal; and a key there signals this group alone, so that
            // the reaper does not pass the signal on a second time.
            rustix::process::setsid().context("cannot start a session").map(drop)
        }
        Cloned::Parent(payload) => {
            raw::close_on_exec_above_stderr().context("cannot close descriptors")?;
            // Out of the way of the number that is taken next.
            let program =
                rustix::io::fcntl_dupfd_cloexec(program, OUTLIVED + 1).context("cannot keep soute-reaper open")?;
            if let Some(channel) = outlived {
                raw::keep_as(channel.as_fd(), OUTLIVED).context("cannot hand the runner's channel over")?;
            }
            let number = CString::new(payload.as_raw_nonzero().to_string()).map_err(Error::failed)?;
            let nothing: [CString; 0] = [];
            let argv = [c"soute-reaper".to_owned(), number];
            let errno = execveat(program.as_fd(), c"", &argv, &nothing, AtFlags::AT_EMPTY_PATH);
            Err(Error::failed(format!("cannot execute soute-reaper: {errno:?}")))
        }
    }
}
