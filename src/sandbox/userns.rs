//! User namespaces that nobody lives in: an idmapped mount takes its map from one.

use std::fs;
use std::os::fd::OwnedFd;

use nix::libc;
use rustix::process::{WaitOptions, waitpid};

use super::channel::Channel;
use super::raw::{self, Cloned};
use crate::error::{Context, Result};

/// A user namespace with this line in uid_map and gid_map, see user_namespaces(7).
pub fn with_map(uid_map: &str, gid_map: &str) -> Result<OwnedFd> {
    let (ours, theirs) = Channel::pair()?;
    match raw::clone3(libc::CLONE_NEWUSER as u64, None).context("cannot make a user namespace")? {
        Cloned::Child => {
            drop(ours);
            // Until the other end is closed.
            let _ = theirs.hear();
            std::process::exit(0)
        }
        Cloned::Parent(pid) => {
            drop(theirs);
            let path = |file: &str| format!("/proc/{}/{file}", pid.as_raw_nonzero());
            let open = || -> std::io::Result<OwnedFd> {
                fs::write(path("uid_map"), uid_map)?;
                fs::write(path("gid_map"), gid_map)?;
                Ok(fs::File::open(path("ns/user"))?.into())
            };
            let userns = open().context("cannot map ids");
            drop(ours);
            let _ = waitpid(Some(pid), WaitOptions::empty());
            userns
        }
    }
}
