//! The disk, made at the first start inside the unit, so that its I/O counts against the container; systemd is told how far
//! it is, and that it takes longer.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::notify::Manager;
use super::{mounts, userns};
use crate::error::{Context, Result};
use crate::image::disk::{self, DiskPlan};
use crate::layout::Layout;
use crate::plan::{DiskKind, DiskMode, IdRange, Plan};

/// How often systemd hears of progress, and by how much longer it then waits.
const EVERY: Duration = Duration::from_millis(500);
const EXTENSION: Duration = Duration::from_secs(60);

/// Makes the container's copy of its image, unless it has one.
pub fn make_disk(layout: &Layout, plan: &Plan, systemd: &Manager) -> Result<()> {
    match plan.disk.mode {
        DiskMode::ReadOnly => return Ok(()),
        DiskMode::Fresh => disk::destroy_copy(layout, &plan.name)?,
        DiskMode::Keep => {}
    }
    let disk = disk::open(layout, &plan.name)?;
    if disk.as_ref().is_some_and(|disk| disk.kind().is_ok_and(|kind| kind.is_some())) {
        return Ok(());
    }
    let shift = match (plan.disk.ids, &plan.disk.kind, &disk) {
        (Some(ids), DiskKind::Tree, Some(disk)) => !can_be_idmapped(disk.dir(), ids)?,
        _ => false,
    };
    // What goes when it ends need not outlast a crash.
    let durable = plan.disk.mode == DiskMode::Keep && !plan.ephemeral;
    let copy = DiskPlan { name: &plan.name, image: &plan.image.name, shift, durable };
    let (mut told, mut said) = (Instant::now(), false);
    let made = disk::materialize(layout, &copy, &mut |done, total| {
        if told.elapsed() >= EVERY {
            (told, said) = (Instant::now(), true);
            let microseconds = EXTENSION.as_micros();
            // Progress that is not heard is no reason to stop.
            let _ = systemd.tell(&format!("STATUS={}\nEXTEND_TIMEOUT_USEC={microseconds}", progress(done, total)));
        }
    });
    if said {
        // Else it would stand in `systemctl status` for as long as the container lives.
        let _ = systemd.tell("STATUS=");
    }
    made.map(drop)
}

fn progress(done: u64, total: Option<u64>) -> String {
    let mib = |bytes: u64| bytes >> 20;
    match total {
        Some(total) => format!("copying the image, {} of {} MiB", mib(done), mib(total)),
        None => format!("copying the image, {} MiB", mib(done)),
    }
}

/// Those that can since before any kernel that soute runs on: ext4 and XFS since Linux 5.12, btrfs since 5.15.
const IDMAPPED: [u64; 3] = [0xef53, 0x5846_5342, 0x9123_683e];

/// Of other file systems than the usual ones the kernel is asked, by mapping a detached copy of the directory, which costs a
/// process and a grace period: no table of versions to keep.
fn can_be_idmapped(directory: BorrowedFd<'_>, ids: IdRange) -> Result<bool> {
    let kind = rustix::fs::fstatfs(directory).context("cannot look at the store")?.f_type;
    if u64::try_from(kind).is_ok_and(|kind| IDMAPPED.contains(&kind)) {
        return Ok(true);
    }
    let userns = userns::with_map(&ids.map_line(), &ids.map_line())?;
    let copy = mounts::copy_tree(directory, "", false).context("cannot open the store")?;
    Ok(mounts::map_ids(copy.as_fd(), userns.as_fd(), false).is_ok())
}
