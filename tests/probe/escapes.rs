//! Ways out: descriptors, links of /proc, other processes, the programs that started this one.

use std::fs::{self, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use crate::identity::path;
use crate::sys::{self, Errno, attempt, call, ioctl, ioctl_number, name, number};
use crate::{Options, Report};

const TIOCSTI: usize = 0x5412;
const TIOCLINUX: usize = 0x541C;
const TIOCSETD: usize = 0x5423;
const O_NOCTTY: i32 = 0o400;
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
    let (kill, pidfd_open) = (number("kill"), number("pidfd_open"));
    let (mut reached, mut opened) = (0, 0);
    for pid in hidden {
        // EPERM says that somebody is there.
        reached += u32::from(!matches!(call(kill, [pid, 0]), Err(ESRCH)));
        opened += u32::from(call(pidfd_open, [pid, 0]).map(sys::owned).is_ok());
    }
    report.line("hidden-processes.reached", reached);
    report.line("hidden-processes.opened", opened);
    const PTRACE_SEIZE: usize = 0x4206;
    report.line("ptrace.pid-1", attempt(|| call(number("ptrace"), [PTRACE_SEIZE, 1, 0, 0]).map(drop)));
    report.line("ptrace.me", attempt(|| call(number("ptrace"), [0, 0, 0, 0]).map(drop)));
    let outside = (1_usize << 22) - 1;
    report.line("ptrace.unknown", attempt(|| call(number("ptrace"), [PTRACE_SEIZE, outside, 0, 0]).map(drop)));
}

/// Keys put into a terminal, as if its user had typed them: into one of its own, where nothing but a filter refuses it.
fn terminal(report: &mut Report) {
    let requests = [("TIOCSTI", TIOCSTI), ("TIOCLINUX", TIOCLINUX), ("TIOCSETD", TIOCSETD)];
    for (name, request) in requests {
        // TIOCLINUX begins with a number: 2 is the selection. A line discipline is a number too: 0 is what it has.
        let byte = match request {
            TIOCLINUX => 2,
            TIOCSETD => 0,
            _ => b'#',
        };
        for (bits, high) in [("", 0), (".high-bits", HIGH)] {
            let outcome = attempt(|| {
                let terminal = take_terminal()?;
                ioctl(terminal.as_fd(), request | high, Some(&[byte, 0, 0, 0])).map(drop)
            });
            report.line(&format!("ioctl.{name}{bits}"), outcome);
        }
    }
}

/// Types into the terminal that it was given, which may be somebody's: how many of the keys were taken.
pub fn type_into_stdin(keys: &str) -> usize {
    let stdin = std::io::stdin();
    keys.bytes().filter(|byte| ioctl(stdin.as_fd(), TIOCSTI, Some(&[*byte, 0, 0, 0])).is_ok()).count()
}

/// A new terminal, which becomes this session's own.
fn take_terminal() -> Result<OwnedFd, Errno> {
    const TIOCSPTLCK: usize = 0x4004_5431;
    const TIOCGPTPEER: usize = 0x5441;
    const TIOCSCTTY: usize = 0x540E;
    let ptmx = OpenOptions::new().read(true).write(true).custom_flags(O_NOCTTY).open("/dev/ptmx");
    let ptmx = ptmx.map_err(|error| code(&error))?;
    ioctl(ptmx.as_fd(), TIOCSPTLCK, Some(&[0; 4]))?;
    let terminal = ioctl_number(ptmx.as_fd(), TIOCGPTPEER, 2 | O_NOCTTY as usize)?;
    let terminal = sys::owned(terminal);
    ioctl(terminal.as_fd(), TIOCSCTTY, None)?;
    // The other end stays open: without it the terminal is hung up.
    std::mem::forget(ptmx);
    Ok(terminal)
}
