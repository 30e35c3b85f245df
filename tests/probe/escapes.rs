//! Ways out: descriptors, links of /proc, other processes, the programs that started this one.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use crate::identity::path;
use crate::sys::{Errno, attempt, call, ioctl, name, number};
use crate::{Options, Report};

const TIOCSTI: usize = 0x5412;
const TIOCLINUX: usize = 0x541C;
const TIOCCONS: usize = 0x541D;
const TIOCSETD: usize = 0x5423;
const ESRCH: Errno = 3;
/// Bits that the kernel drops and a filter that compares 64 of them would fall for.
const HIGH: usize = 1 << 32;

pub fn report(_: &Options, report: &mut Report) {
    descriptors(report);
    for link in ["/proc/self/root", "/proc/1/root", "/proc/self/cwd", "/proc/1/cwd", "/.."] {
        report.line(&format!("place.{link}"), place(link));
    }
    processes(report);
    for link in ["/proc/self/exe", "/proc/1/exe"] {
        let opened = OpenOptions::new().read(true).write(true).open(link);
        report.line(
            &format!("program-writable.{link}"),
            opened.map_or_else(|error| name(code(&error)), |_| "yes".into()),
        );
    }
    terminal(report);
}

fn code(error: &std::io::Error) -> Errno {
    error.raw_os_error().unwrap_or(0)
}

/// Whatever is open beyond stdin, stdout and stderr; the listing's own does not count.
fn descriptors(report: &mut Report) {
    let mut open: Vec<_> =
        fs::read_dir("/proc/self/fd").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    open.sort();
    let mut beyond = 0;
    for descriptor in open {
        let target = path(&descriptor);
        let number: u32 = descriptor.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0);
        if number > 2 && !target.starts_with("/proc/") && target != "ENOENT" {
            beyond += 1;
            report.line("descriptor", target);
        }
    }
    report.line("descriptors", beyond);
}

/// Where a link of the kernel's leads: the container's own root, elsewhere, or nowhere.
fn place(link: &str) -> String {
    let of = |path: &str| fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    match (of(link), of("/")) {
        (Ok(found), Ok(root)) if found == root => "root".into(),
        (Ok(_), _) => "elsewhere".into(),
        (Err(error), _) => name(code(&error)),
    }
}

/// Processes that are not in its own /proc, by every way to reach one.
fn processes(report: &mut Report) {
    let own = fs::read_link("/proc/self").ok().and_then(|pid| pid.to_str()?.parse::<u32>().ok());
    report.line("proc-is-own", if own == Some(std::process::id()) { "yes" } else { "no" });
    let kernel_threads = fs::read_to_string("/proc/2/comm").is_ok_and(|name| name.trim() == "kthreadd");
    report.line("host-processes-seen", if kernel_threads { "yes" } else { "no" });
    let hidden = (1..1 << 16).filter(|pid: &usize| !std::path::Path::new(&format!("/proc/{pid}")).exists());
    let (mut killed, mut traced) = (0, 0);
    for pid in hidden {
        let there = |result: Result<usize, Errno>| !matches!(result, Err(ESRCH));
        killed += u32::from(there(call(number("kill"), [pid, 0])) && call(number("kill"), [pid, 0]).is_ok());
        traced += u32::from(call(number("pidfd_open"), [pid, 0]).is_ok());
    }
    report.line("hidden-processes-killable", killed);
    report.line("hidden-processes-openable", traced);
    const PTRACE_SEIZE: usize = 0x4206;
    report.line("ptrace.pid-1", attempt(|| call(number("ptrace"), [PTRACE_SEIZE, 1, 0, 0]).map(drop)));
    report.line("ptrace.me", attempt(|| call(number("ptrace"), [0, 0, 0, 0]).map(drop)));
    let outside = (1_usize << 22) - 1;
    report.line("ptrace.unknown", attempt(|| call(number("ptrace"), [PTRACE_SEIZE, outside, 0, 0]).map(drop)));
}

/// Keys put into a terminal, as if its user had typed them: on one of its own, as that is what a filter looks at.
fn terminal(report: &mut Report) {
    let Ok(ptmx) = OpenOptions::new().read(true).write(true).open("/dev/ptmx") else {
        return report.line("terminal", "none");
    };
    let terminal: &File = &ptmx;
    let requests = [("TIOCSTI", TIOCSTI), ("TIOCLINUX", TIOCLINUX), ("TIOCCONS", TIOCCONS), ("TIOCSETD", TIOCSETD)];
    for (name, request) in requests {
        // TIOCLINUX begins with a number: 2 is the selection.
        let byte = if request == TIOCLINUX { 2 } else { b'#' };
        for (bits, high) in [("", 0), (".high-bits", HIGH)] {
            report
                .line(&format!("ioctl.{name}{bits}"), attempt(|| ioctl(terminal.as_fd(), request | high, Some(&byte))));
        }
    }
}
