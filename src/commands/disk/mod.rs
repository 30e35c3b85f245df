//! `soute disk`: what containers run on.

mod du;
mod list;
mod reset;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Result;
use crate::settings::Host;

/// Lists and resets the disks of containers.
#[derive(Debug, Args)]
pub struct Disk {
    #[command(subcommand)]
    verb: DiskVerb,
}

#[derive(Debug, Subcommand)]
enum DiskVerb {
    /// List disks: of which image, how they were copied, and which ids they have.
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Count what disks take of their file system.
    ///
    /// USED is every block of theirs, EXCLUSIVE those that come free when the disk goes: what it shares with its image, by
    /// reflinks or as a snapshot, is not among them.
    Du(du::Du),
    /// Remove the copies that stopped containers run on: the next start makes new ones of their images.
    ///
    /// Everything that the container has written to its disk is gone; its ids, its volumes and its definition stay.
    Reset(reset::Reset),
}

impl Disk {
    /// Does it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        match self.verb {
            DiskVerb::List(list) => list.run(host),
            DiskVerb::Du(du) => du.run(host),
            DiskVerb::Reset(reset) => reset.run(host),
        }
    }
}
