//! The disk, made at the first start inside the unit, so that its I/O counts against the container; systemd is told how far
//! it is, and that it takes longer.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::notify::Manager;
use super::{grow, mounts, userns};
use crate::error::{Context, Result};
use crate::image::copy::Progress;
use crate::image::disk::switch::Pair;
use crate::image::disk::{self, Disk, DiskPlan, DiskRecord};
use crate::image::store::Store;
use crate::layout::Layout;
use crate::plan::{DiskKind, DiskMode, IdRange, Plan, Value};

/// How often systemd hears of progress.
const EVERY: Duration = Duration::from_millis(500);
/// How much longer it then waits at least. It has to outlast the longest call that writes: systemd never shortens what it
/// has once allowed (service_extend_event_source_timeout() of systemd).
const EXTENSION: Duration = Duration::from_secs(30);

/// Makes the container's copy of its image, unless it has one.
pub fn make_disk(layout: &Layout, plan: &Plan, systemd: &Manager) -> Result<()> {
    match plan.disk.mode {
        DiskMode::ReadOnly => return Ok(()),
        DiskMode::Fresh => disk::destroy_copy(layout, &plan.name)?,
        DiskMode::Keep => {}
    }
    let disk = disk::open(layout, &plan.name)?;
    if let Some(disk) = disk.as_ref().filter(|_| plan.ephemeral) {
        // Whoever waits for this container may be making it.
        disk.lock()?;
    }
    if disk.as_ref().is_some_and(|disk| disk.kind().is_ok_and(|kind| kind.is_some())) {
        return match (plan.disk.size, &plan.disk.kind) {
            (Some(size), DiskKind::Raw { fs }) => grow::stopped(layout, &plan.name, *fs, size),
            _ => Ok(()),
        };
    }
    let shift = match (plan.disk.ids, &plan.disk.kind, &disk) {
        (Some(ids), DiskKind::Tree, Some(disk)) => !can_be_idmapped(disk.dir(), ids)?,
        _ => false,
    };
    let copy = disk_plan(plan, shift);
    let mut extension = Extension::new(systemd, plan);
    let made = disk::materialize(layout, &copy, &finish(plan), &mut |done, total| extension.progress(done, total));
    extension.end();
    made.map(drop)
}

/// Keeps systemd waiting while the copy goes on, and gives the payload its whole time to be ready afterwards.
struct Extension<'a> {
    systemd: &'a Manager,
    /// TimeoutStartSec= of the unit, none if there is no end to it.
    timeout: Option<Duration>,
    told: Instant,
    said: bool,
}

impl<'a> Extension<'a> {
    fn new(systemd: &'a Manager, plan: &Plan) -> Self {
        let timeout = match plan.unit.get("TimeoutStartUSec") {
            Some(Value::U64(microseconds)) if *microseconds != u64::MAX => Some(Duration::from_micros(*microseconds)),
            _ => None,
        };
        let extension = Self { systemd, timeout, told: Instant::now(), said: false };
        if timeout.is_some_and(|timeout| timeout < EXTENSION) {
            // There may be no time for a word between the first bytes and their way to a slow device.
            extension.tell("");
        }
        extension
    }

    fn progress(&mut self, done: u64, total: Option<u64>) {
        if self.told.elapsed() >= EVERY {
            (self.told, self.said) = (Instant::now(), true);
            self.tell(&format!("STATUS={}\n", progress(done, total)));
        }
    }

    /// What is not heard is no reason to stop.
    fn tell(&self, status: &str) {
        let _ = self.systemd.tell(&format!("{status}EXTEND_TIMEOUT_USEC={}", EXTENSION.as_micros()));
    }

    fn end(self) {
        if self.said {
            let time = self.timeout.map(|timeout| format!("\nEXTEND_TIMEOUT_USEC={}", timeout.as_micros()));
            // Else the status would stand in `systemctl status` for as long as the container lives.
            let _ = self.systemd.tell(&format!("STATUS={}", time.unwrap_or_default()));
        }
    }
}

/// Makes the disk of another image beside the one that the container runs on. Without a disk that is kept, a record.
pub fn make_beside(pair: &Pair<'_>, plan: &Plan, progress: &mut Progress<'_>) -> Result<DiskRecord> {
    let shift = match (plan.disk.ids, &plan.disk.kind, pair.in_use()?) {
        (Some(ids), DiskKind::Tree, Some(disk)) => !can_be_idmapped(disk.dir(), ids)?,
        _ => false,
    };
    pair.make(&disk_plan(plan, shift), plan.disk.mode == DiskMode::Keep, &finish(plan), progress)
}

/// Gives a raw disk its size.
fn finish(plan: &Plan) -> impl Fn(BorrowedFd<'_>) -> Result<Option<u64>> {
    |file| match (plan.disk.size, &plan.disk.kind) {
        (Some(size), DiskKind::Raw { fs }) => grow::new_copy(file, *fs, size).map(|()| Some(size)),
        _ => Ok(None),
    }
}

fn disk_plan(plan: &Plan, shift: bool) -> DiskPlan<'_> {
    // What goes when it ends need not outlast a crash.
    let durable = plan.disk.mode == DiskMode::Keep && !plan.ephemeral;
    DiskPlan { name: &plan.name, image: &plan.image.name, shift, durable }
}

/// The copy of a one-off container that somebody waits for, made by whoever waits while systemd makes the unit: a fifth of
/// the time to run something short. Only a small one, whose I/O is not worth counting.
#[derive(Debug)]
pub struct Ahead<'a> {
    layout: &'a Layout,
    plan: &'a Plan,
    /// Locked: the runner waits for it.
    _disk: Disk,
}

impl<'a> Ahead<'a> {
    /// Before systemd is told. None where the copy is the runner's to make.
    pub fn claim(layout: &'a Layout, plan: &'a Plan) -> Result<Option<Self>> {
        const SMALL: u64 = 64 << 20;
        if !plan.ephemeral || plan.disk.mode != DiskMode::Keep || plan.disk.size.is_some() {
            return Ok(None);
        }
        let small = Store::new(layout)?.open(&plan.image.name)?.info.size <= SMALL;
        let Some(disk) = disk::open(layout, &plan.name)?.filter(|_| small) else { return Ok(None) };
        if plan.disk.ids.is_some() && !is_idmapped(disk.dir())? {
            return Ok(None);
        }
        disk.lock()?;
        Ok(Some(Self { layout, plan, _disk: disk }))
    }

    /// What goes wrong the runner finds again, and says.
    pub fn make(self) {
        let _ = disk::materialize(self.layout, &disk_plan(self.plan, false), &finish(self.plan), &mut |_, _| {});
    }
}

const COPYING: &str = "copying the image, ";

fn progress(done: u64, total: Option<u64>) -> String {
    let mib = |bytes: u64| bytes >> 20;
    match total {
        Some(total) => format!("{COPYING}{} of {} MiB", mib(done), mib(total)),
        None => format!("{COPYING}{} MiB", mib(done)),
    }
}

/// What [`make_disk`] has told systemd, from the status of a unit: the MiB done, and how many there are.
pub fn copied(status: &str) -> Option<(u64, u64)> {
    let (done, total) = status.strip_prefix(COPYING)?.strip_suffix(" MiB")?.split_once(" of ")?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

fn is_idmapped(directory: BorrowedFd<'_>) -> Result<bool> {
    let kind = rustix::fs::fstatfs(directory).context("cannot look at the store")?.f_type;
    Ok(u64::try_from(kind).is_ok_and(|kind| IDMAPPED.contains(&kind)))
}

/// Those that can since before any kernel that soute runs on: ext4 and XFS since Linux 5.12, btrfs since 5.15.
const IDMAPPED: [u64; 3] = [0xef53, 0x5846_5342, 0x9123_683e];

/// Of other file systems than the usual ones the kernel is asked, by mapping a detached copy of the directory, which costs a
/// process and a grace period: no table of versions to keep.
fn can_be_idmapped(directory: BorrowedFd<'_>, ids: IdRange) -> Result<bool> {
    if is_idmapped(directory)? {
        return Ok(true);
    }
    let userns = userns::with_map(&ids.map_line(), &ids.map_line())?;
    let copy = mounts::copy_tree(directory, "", false).context("cannot open the store")?;
    Ok(mounts::map_ids(copy.as_fd(), userns.as_fd(), false).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_can_be_read_again() {
        assert_eq!(copied(&progress(5 << 20, Some((7 << 20) + 1))), Some((5, 7)));
        assert_eq!(copied(&progress(5 << 20, None)), None);
        assert_eq!(copied("ready"), None);
    }
}
