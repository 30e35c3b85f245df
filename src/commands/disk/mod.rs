//! `soute disk`: what containers run on.

mod diff;
mod du;
mod freeze;
mod grow;
mod list;
mod remove;
mod reset;
mod rollback;
pub mod snapshot;
mod snapshots;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::Result;
use crate::settings::Host;

/// Lists, keeps and resets the disks of containers.
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
    /// Give raw disks the size that their definitions have now, without a restart.
    ///
    /// Every start does it too. A disk is never made smaller.
    Grow(grow::Grow),
    /// Keep the disk of a container as it is now, under a tag.
    ///
    /// A container that runs stands still meanwhile: systemd freezes its processes, the file system of a raw disk is frozen
    /// too, and both go on as soon as the copy is made, which is at once with a btrfs snapshot or reflinks, and takes its
    /// time without. It is printed how long that was. They also go on when this command is killed.
    Snapshot(snapshot::Snapshot),
    /// List snapshots.
    Snapshots(snapshots::Snapshots),
    /// Make a disk what it was in a snapshot.
    ///
    /// The snapshot stays; what the disk is now is gone once its successor is there.
    Rollback(rollback::Rollback),
    /// Remove snapshots.
    #[command(visible_alias = "rm")]
    Remove(remove::Remove),
    /// Remove the disks that updates have kept, and with --keep all snapshots but the newest.
    ///
    /// Each is printed. There is no way back from the last update then.
    Prune(remove::Prune),
    /// Show what was added, changed or deleted on a disk since it was copied from its image.
    ///
    /// A line each, with A, C or D in front. What is in a directory that was deleted is not shown. Volumes and other mounts
    /// are not on the disk.
    Diff(diff::Diff),
}

impl Disk {
    /// Does it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        match self.verb {
            DiskVerb::List(list) => list.run(host),
            DiskVerb::Du(du) => du.run(host),
            DiskVerb::Reset(reset) => reset.run(host),
            DiskVerb::Grow(grow) => grow.run(host),
            DiskVerb::Snapshot(snapshot) => snapshot.run(host),
            DiskVerb::Snapshots(snapshots) => snapshots.run(host),
            DiskVerb::Rollback(rollback) => rollback.run(host),
            DiskVerb::Remove(remove) => remove.run(host),
            DiskVerb::Prune(prune) => prune.run(host),
            DiskVerb::Diff(diff) => diff.run(host),
        }
    }
}
