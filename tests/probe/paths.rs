//! Files of the kernel: which can be read, and which could be written to. Nothing is written.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::sys::name;
use crate::{Options, Report};

/// All that anybody masks or makes read-only, and what else tells of the host.
const PATHS: [&str; 63] = [
    "/proc/acpi",
    "/proc/apm",
    "/proc/asound",
    "/proc/bus",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/consoles",
    "/proc/diskstats",
    "/proc/driver",
    "/proc/dynamic_debug",
    "/proc/execdomains",
    "/proc/fs",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/irq",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/locks",
    "/proc/mdstat",
    "/proc/modules",
    "/proc/mtrr",
    "/proc/pagetypeinfo",
    "/proc/partitions",
    "/proc/sched_debug",
    "/proc/schedstat",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/softirqs",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/panic_on_oom",
    "/proc/sys/fs/binfmt_misc",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/tty",
    "/proc/vmallocinfo",
    "/sys/block",
    "/sys/bus/pci/rescan",
    "/sys/dev/block",
    "/sys/devices/system/cpu/online",
    "/sys/devices/virtual/dmi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/fs/pstore",
    "/sys/fs/selinux",
    "/sys/hypervisor",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/kernel/slab",
    "/sys/kernel/tracing",
    "/sys/kernel/uevent_helper",
    "/sys/module",
    "/sys/power/state",
];

pub fn report(_: &Options, report: &mut Report) {
    for path in PATHS {
        report.line(&format!("read.{path}"), read(path));
    }
    for path in PATHS {
        if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file()) {
            report.line(&format!("write.{path}"), write(Path::new(path)));
        }
    }
    sysctls(report);
}

/// "data" is what a mask must never let through; "empty" what it leaves.
fn read(path: &str) -> String {
    let attempt = || -> Result<&str, Error> {
        let meta = fs::metadata(path)?;
        if meta.is_dir() {
            return Ok(if fs::read_dir(path)?.next().is_some() { "data" } else { "empty" });
        }
        if meta.file_type().is_char_device() {
            return Ok(if meta.rdev() == 0x103 { "null" } else { "device" });
        }
        // /proc/kmsg would wait.
        let mut file = OpenOptions::new().read(true).custom_flags(0o4000).open(path)?;
        Ok(if file.read(&mut [0; 16])? > 0 { "data" } else { "empty" })
    };
    attempt().map_or_else(errno, str::to_owned)
}

fn write(path: &Path) -> String {
    OpenOptions::new().write(true).custom_flags(0o4000).open(path).map_or_else(errno, |_: File| "writable".to_owned())
}

fn errno(error: Error) -> String {
    name(error.raw_os_error().unwrap_or(0))
}

/// Every file below /proc/sys is opened for writing: by name where it is not the network's, of which there are hundreds.
fn sysctls(report: &mut Report) {
    let mut writable = Vec::new();
    walk(Path::new("/proc/sys"), &mut writable);
    writable.sort();
    let (network, others): (Vec<_>, Vec<_>) = writable.iter().partition(|path| path.starts_with("/proc/sys/net/"));
    report.line("sysctl.writable.net", if network.is_empty() { "none" } else { "some" });
    report.line("sysctl.writable.others", others.len());
    for path in others {
        report.line("sysctl.writable", path);
    }
}

fn walk(directory: &Path, writable: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&entry.path(), writable),
            Ok(kind) if kind.is_file() && write(&entry.path()) == "writable" => {
                writable.push(entry.path().display().to_string());
            }
            _ => {}
        }
    }
}
