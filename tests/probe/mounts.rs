//! Mounts: which there are, and every way to make another or to take one away.

use std::ffi::CStr;
use std::fs;

use crate::sys::{Errno, Outcome, attempt_apart as attempt, call, mount_at, number, text};
use crate::{Options, Report};

const MS_RDONLY: u64 = 1;
const MS_REMOUNT: u64 = 32;
const MS_BIND: u64 = 4096;
const MS_MOVE: u64 = 8192;
const MS_REC: u64 = 16384;
const MS_SHARED: u64 = 1 << 20;
const MNT_DETACH: usize = 2;
const AT_FDCWD: usize = (-100_isize).cast_unsigned();

pub fn report(_: &Options, report: &mut Report) {
    list(report);
    old(report);
    new(report);
    away(report);
}

/// /proc/self/mountinfo without its numbers, and without the places on the host that binds come from.
fn list(report: &mut Report) {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for line in text.lines() {
        let Some((mount, system)) = line.split_once(" - ") else { continue };
        let mount: Vec<_> = mount.split(' ').collect();
        let system: Vec<_> = system.split(' ').collect();
        let (Some(target), Some(flags), Some(kind)) = (mount.get(4), mount.get(5), system.first()) else { continue };
        let shared =
            mount[6..].iter().map(|tag| tag.split(':').next().unwrap_or_default()).collect::<Vec<_>>().join(",");
        let options = system.get(2).unwrap_or(&"");
        report.line(&format!("mount.{target}"), format!("{kind} {flags} {options} {shared}"));
    }
}

fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: u64) -> Outcome {
    attempt(|| mount_at(source, target, kind, flags, None))
}

fn old(report: &mut Report) {
    for kind in [c"tmpfs", c"proc", c"sysfs", c"cgroup2", c"devpts", c"mqueue", c"overlay", c"ext4", c"debugfs"] {
        let outcome = mount(c"none", c"/tmp", kind, 0);
        report.line(&format!("mount-new.{}", kind.to_string_lossy()), outcome);
    }
    report.line("mount-bind", mount(c"/proc", c"/tmp", c"", MS_BIND));
    report.line("mount-bind-recursive", mount(c"/", c"/tmp", c"", MS_BIND | MS_REC));
    report.line("mount-move", mount(c"/proc", c"/tmp", c"", MS_MOVE));
    report.line("mount-shared", mount(c"none", c"/", c"", MS_SHARED | MS_REC));
    report.line("remount-root-read-only", mount(c"none", c"/", c"", MS_REMOUNT | MS_BIND | MS_RDONLY));
    for path in [c"/", c"/proc", c"/proc/sys", c"/proc/kcore", c"/sys", c"/sys/fs/cgroup", c"/dev"] {
        let outcome = mount(c"none", path, c"", MS_REMOUNT | MS_BIND);
        report.line(&format!("remount-loose.{}", path.to_string_lossy()), outcome);
    }
}

fn new(report: &mut Report) {
    let fsopen = || call(number("fsopen"), [text(c"tmpfs"), 0]);
    report.line("fsopen", attempt(|| fsopen().map(drop)));
    report.line(
        "fsmount",
        attempt(|| {
            let context = fsopen()?;
            call(number("fsconfig"), [context, 6, 0, 0, 0])?;
            call(number("fsmount"), [context, 0, 0]).map(drop)
        }),
    );
    report.line("fspick", attempt(|| call(number("fspick"), [AT_FDCWD, text(c"/"), 0]).map(drop)));
    let open_tree = |flags| call(number("open_tree"), [AT_FDCWD, text(c"/"), flags]);
    report.line("open_tree", attempt(|| open_tree(0).map(drop)));
    report.line("open_tree.clone", attempt(|| open_tree(1).map(drop)));
    let move_mount = [AT_FDCWD, text(c"/proc"), AT_FDCWD, text(c"/tmp"), 0];
    report.line("move_mount", attempt(|| call(number("move_mount"), move_mount).map(drop)));
    report.line(
        "mount_setattr",
        attempt(|| {
            let loose: [u64; 4] = [0, MS_RDONLY, 0, 0];
            call(number("mount_setattr"), [AT_FDCWD, text(c"/proc/sys"), 0, loose.as_ptr() as usize, 32]).map(drop)
        }),
    );
}

fn away(report: &mut Report) {
    for path in [c"/proc/kcore", c"/proc/sys", c"/proc", c"/sys", c"/dev", c"/"] {
        let outcome = attempt(|| call(number("umount2"), [text(path), MNT_DETACH]).map(drop));
        report.line(&format!("umount.{}", path.to_string_lossy()), outcome);
    }
    let pivot = |path: &CStr| attempt(|| call(number("pivot_root"), [text(path), text(path)]).map(drop));
    report.line("pivot_root", pivot(c"/"));
    report.line("pivot_root.dot", pivot(c"."));
    report.line("chroot", attempt(|| call(number("chroot"), [text(c"/tmp")]).map(drop)));
    report.line("chroot.way-out", attempt(way_out));
}

/// The classic: a root below the working directory, then up. Done means that it led out of the container's root.
fn way_out() -> Result<(), Errno> {
    let failed = |error: std::io::Error| error.raw_os_error().unwrap_or(0);
    let place = |path: &str| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).map_err(failed)
    };
    let root = place("/")?;
    std::env::set_current_dir("/").map_err(failed)?;
    call(number("chroot"), [text(c"/tmp")])?;
    for _ in 0..64 {
        std::env::set_current_dir("..").map_err(failed)?;
    }
    call(number("chroot"), [text(c".")])?;
    if place("/")? == root { Err(2) } else { Ok(()) }
}
