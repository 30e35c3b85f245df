//! Devices: what is in /dev, and whether other nodes can be made and opened.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::identity::path;
use crate::sys::{attempt, call, name, number, text};
use crate::{Options, Report};

const S_IFIFO: usize = 0o010_000;
const S_IFCHR: usize = 0o020_000;
const S_IFBLK: usize = 0o060_000;
const AT_FDCWD: usize = (-100_isize).cast_unsigned();

/// Kernel memory and log, a disk, a loop device, the host's console, what makes more of them, and a harmless one.
const NODES: [(&str, usize, usize, usize); 11] = [
    ("null", S_IFCHR, 1, 3),
    ("mem", S_IFCHR, 1, 1),
    ("kmsg", S_IFCHR, 1, 11),
    ("console", S_IFCHR, 5, 1),
    ("tty1", S_IFCHR, 4, 1),
    ("loop-control", S_IFCHR, 10, 237),
    ("tun", S_IFCHR, 10, 200),
    ("fuse", S_IFCHR, 10, 229),
    ("loop0", S_IFBLK, 7, 0),
    ("sda", S_IFBLK, 8, 0),
    ("vda", S_IFBLK, 254, 0),
];

pub fn report(_: &Options, report: &mut Report) {
    list(report, Path::new("/dev"));
    for (name, kind, major, minor) in NODES {
        report.line(&format!("mknod.{name}"), make(&format!("/tmp/probe-{name}"), kind, major << 8 | minor));
    }
    report.line("mknod.fifo", make("/tmp/probe-fifo", S_IFIFO, 0));
    // Where nothing may be made, an image could still bring one: opening it is refused by cgroup and mount.
    for place in ["/dev", "/dev/shm"] {
        let node = format!("{place}/probe-null");
        report.line(&format!("mknod.in.{place}"), make(&node, S_IFCHR, 0x103));
    }
}

/// Every node and link, with what opening it gives.
fn list(report: &mut Report, directory: &Path) {
    let mut entries: Vec<_> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        // A terminal's number is its own.
        if entry.parent() == Some(Path::new("/dev/pts")) && !entry.ends_with("ptmx") {
            continue;
        }
        let Ok(meta) = fs::symlink_metadata(&entry) else { continue };
        let kind = meta.file_type();
        let (major, minor) = (meta.rdev() >> 8 & 0xfff, meta.rdev() & 0xff);
        let what = match () {
            () if kind.is_char_device() => format!("character {major}:{minor} {}", open(&entry)),
            () if kind.is_block_device() => format!("block {major}:{minor} {}", open(&entry)),
            () if kind.is_symlink() => format!("link {}", path(&entry)),
            () if kind.is_dir() => "directory".to_owned(),
            () if kind.is_fifo() => "fifo".to_owned(),
            () => "other".to_owned(),
        };
        report.line(
            &format!("device.{}", entry.display()),
            format!("{what} {:o} {}:{}", meta.mode() & 0o7777, meta.uid(), meta.gid()),
        );
        if kind.is_dir() {
            list(report, &entry);
        }
    }
}

/// Without waiting, and without becoming its session's terminal.
fn open(path: &Path) -> String {
    let file = OpenOptions::new().read(true).write(true).custom_flags(0o4400).open(path);
    file.map_or_else(|error| name(error.raw_os_error().unwrap_or(0)), |_| "opens".to_owned())
}

/// What making and then opening a node gives: "made, EPERM" is one that is there and of no use.
fn make(path: &str, kind: usize, device: usize) -> String {
    let Ok(path_bytes) = CString::new(path) else { return "-".into() };
    let made = attempt(|| call(number("mknodat"), [AT_FDCWD, text(&path_bytes), kind | 0o600, device]).map(drop));
    if made != crate::sys::Outcome::Done {
        return made.to_string();
    }
    let opened = if kind == S_IFIFO { "opens".to_owned() } else { open(Path::new(path)) };
    let _ = fs::remove_file(path);
    format!("made, {opened}")
}
