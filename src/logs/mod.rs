//! What a payload writes by opening /dev/stdout or /dev/stderr: from the FIFO that PID 1 holds into the journal.
//!
//! `soute-log@NAME.service` runs [`main`] when there is something to read, and nothing runs when there is not. The
//! container's clean-up calls [`drain`], because systemd may notice the end of a payload before its last words.

mod entry;
mod lines;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::{Context, Error, Result};
use crate::file;
use crate::layout::Layout;
use crate::plan::{MAIN_PID, Plan, Value};
pub use entry::EVENT_ID;

use entry::Origin;
use lines::Lines;

/// How long nothing must come before the forwarder ends.
const IDLE: Duration = Duration::from_millis(1500);

/// `soute-runner log NAME`, with the FIFO as standard input: forwards until the container has been silent for a while.
pub fn main(name: &str, layout: &Layout) -> Result<()> {
    let given = std::io::stdin().as_fd().try_clone_to_owned().context("cannot use standard input")?;
    forward(name, layout, given)
}

/// Forwards what comes through `fifo` until nothing has come for a while, or SIGTERM has: the socket unit is stopped when
/// its container has ended, and cannot be started again while this runs. What has been written by then is still read.
pub fn forward(name: &str, layout: &Layout, fifo: OwnedFd) -> Result<()> {
    let term = SigSet::from(Signal::SIGTERM);
    term.thread_block().context("cannot block SIGTERM")?;
    let stop = SignalFd::with_flags(&term, SfdFlags::SFD_CLOEXEC).context("cannot wait for SIGTERM")?;
    // PID 1 keeps the file description that it gave us: a lock on it would outlive us. One of our own does not.
    let path = format!("/proc/self/fd/{}", fifo.as_raw_fd());
    let ours = open(path.as_ref(), 0)?;
    drop(fifo);
    send_all(name, layout, ours, Some(&stop))
}

/// Forwards what is left when the container has ended. No FIFO, or one that the service is reading: nothing to do.
pub fn drain(name: &str, layout: &Layout) -> Result<()> {
    let path = layout.logs().join(name);
    if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Ok(());
    }
    send_all(name, layout, open(&path, O_NOFOLLOW)?, None)
}

/// A line of our own among those of the container; "<4>" before it makes it a warning.
pub fn say(name: &str, layout: &Layout, line: &str) -> Result<()> {
    Journal::open(name, layout)?.send(line.as_bytes())
}

/// The same for what has happened to it, beside what systemd says: in the host's own journal, whatever namespace the
/// container logs to. `soute events` reads it.
pub fn tell(name: &str, layout: &Layout, event: &str, line: &str) -> Result<()> {
    let mut journal = Journal::of_host(name, layout)?;
    entry::event(&mut journal.header, event);
    journal.send(line.as_bytes())
}

fn open(path: &Path, flags: i32) -> Result<File> {
    let open = || -> std::io::Result<File> {
        let file = File::options().read(true).custom_flags(O_NONBLOCK | flags).open(path)?;
        match file.metadata()?.file_type().is_fifo() {
            true => Ok(file),
            false => Err(std::io::Error::other("not a FIFO")),
        }
    };
    open().with_context(|| format!("cannot open {}", path.display()))
}

fn send_all(name: &str, layout: &Layout, fifo: File, stop: Option<&SignalFd>) -> Result<()> {
    // Two readers would tear lines apart.
    let mut fifo = match Flock::lock(fifo, FlockArg::LockExclusiveNonblock) {
        Ok(fifo) => fifo,
        Err((_, Errno::EWOULDBLOCK)) => return Ok(()),
        Err((_, errno)) => return Err(errno).with_context(|| format!("cannot lock the log of {name}")),
    };
    let journal = Journal::open(name, layout)?;
    let (mut lines, mut buffer) = (Lines::default(), vec![0; 64 * 1024]);
    loop {
        match fifo.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => lines.push(&buffer[..read], |line| journal.send(line))?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => match stop {
                Some(stop) if comes(&fifo, stop)? => {}
                _ => break,
            },
            Err(error) => return Err(error).with_context(|| format!("cannot read the log of {name}")),
        }
    }
    lines.finish(|line| journal.send(line))
}

/// Whether there is more to read, before it gets quiet or an end is asked for.
fn comes(fifo: &File, stop: &SignalFd) -> Result<bool> {
    let timeout = PollTimeout::try_from(IDLE).unwrap_or(PollTimeout::MAX);
    let mut waiting = [fifo.as_fd(), stop.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    match poll(&mut waiting, timeout) {
        Ok(_) => Ok(waiting[0].any().unwrap_or(true)),
        Err(Errno::EINTR) => Ok(true),
        Err(errno) => Err(errno).context("cannot wait for the log"),
    }
}

/// The journal's native socket and what is the same in every entry.
struct Journal {
    socket: UnixDatagram,
    header: Vec<u8>,
}

impl Journal {
    /// Where the container logs to.
    fn open(name: &str, layout: &Layout) -> Result<Self> {
        Self::of(name, layout, true)
    }

    /// Where systemd logs to.
    fn of_host(name: &str, layout: &Layout) -> Result<Self> {
        Self::of(name, layout, false)
    }

    fn of(name: &str, layout: &Layout, namespace: bool) -> Result<Self> {
        let state = layout.state(name);
        // The snapshot may be of another version, or gone: what was written is worth more than its namespace.
        let unit = Plan::read(&state).map(|plan| plan.unit).ok();
        let text = |property| match unit.as_ref().and_then(|unit| unit.get(property)) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let directory = match text("LogNamespace").filter(|_| namespace) {
            Some(namespace) => format!("run/systemd/journal.{namespace}"),
            None => "run/systemd/journal".to_owned(),
        };
        let path = layout.root().join(directory).join("socket");
        let connect = || -> std::io::Result<UnixDatagram> {
            let socket = UnixDatagram::unbound()?;
            socket.connect(&path)?;
            Ok(socket)
        };
        let unit = format!("soute@{name}.service");
        let origin = Origin {
            pid: main_pid(&state, &unit),
            identifier: text("SyslogIdentifier").unwrap_or_else(|| name.to_owned()),
            unit,
        };
        let socket = connect().with_context(|| format!("cannot reach the journal at {}", path.display()))?;
        Ok(Self { socket, header: origin.header() })
    }

    fn send(&self, line: &[u8]) -> Result<()> {
        let Some(entry) = entry::entry(&self.header, line) else { return Ok(()) };
        self.socket.send(&entry).map(drop).map_err(Error::from).context("cannot write to the journal")
    }
}

/// The payload's process id, if it is alive: the number may be another process's by now.
fn main_pid(state: &Path, unit: &str) -> Option<u32> {
    let pid = file::read(&state.join(MAIN_PID), file::NUMBER).ok()??.trim().parse().ok()?;
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    cgroups.split(['/', '\n']).any(|part| part == unit).then_some(pid)
}
