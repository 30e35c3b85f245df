//! Another process in a running container: same namespaces, same cgroup, same privileges as its payload.
//!
//! ```text
//! caller ──clone3(CLONE_INTO_CGROUP)──▶ joiner ──setns, clone3(CLONE_PARENT)──▶ command
//! ```
//! The joiner enters the namespaces (a pid namespace counts for children only), makes the command as the caller's own child
//! and is gone. The caller stays on the host, out of the container's sight.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
use rustix::termios::Winsize;

use super::channel::{Channel, Message};
use super::join::join;
use super::own_program;
use super::raw::{self, Cloned};
use crate::error::{Context, Error, Exit, Result};
use crate::file;
use crate::layout::Layout;
use crate::plan::{Init, MAIN_PID, Plan, Process};
use crate::terminal::Stdio;

/// The container's main process, checked to be one of its unit.
#[derive(Debug)]
pub struct Target {
    pub(super) pid: rustix::process::Pid,
    pub(super) pidfd: OwnedFd,
    cgroup: PathBuf,
}

/// What a command has for stdin, stdout and stderr.
#[derive(Debug)]
pub enum Streams {
    /// The caller's own.
    Inherited,
    /// These.
    Given(Stdio),
    /// A new terminal of the container's devpts, this large.
    Terminal(Option<Winsize>),
}

/// A command that runs, a child of ours.
#[derive(Debug)]
pub struct Command {
    /// Its number on the host.
    pub pid: Pid,
    /// The master of its terminal, where it has one.
    pub master: Option<OwnedFd>,
    group: Group,
}

impl Target {
    /// Finds it without asking systemd: its number is noted at hand-over, and its cgroup proves that it still is the one.
    pub fn find(layout: &Layout, name: &str) -> Result<Self> {
        Self::of(name, noted(layout, name)?)
    }

    /// The main process of a container that has been started; none when it has ended.
    pub fn main_process(layout: &Layout, name: &str) -> Result<Option<OwnedFd>> {
        let noted = fs::read_to_string(layout.state(name).join(MAIN_PID)).context("cannot look up the main process")?;
        let pid = noted.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or_else(|| Error::failed("cannot read the number of the main process"))?;
        match pidfd_open(pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => Ok(None),
            found => found.map(Some).context("cannot watch the main process"),
        }
    }

    /// The same for a process that systemd has named.
    pub fn of(name: &str, pid: Pid) -> Result<Self> {
        let found = Self::located(name, pid)?;
        // A command that joins them would stop before its first instruction, and we with it.
        let events = fs::read_to_string(found.cgroup.join("cgroup.events")).unwrap_or_default();
        if events.lines().any(|line| line == "frozen 1") {
            return Err(Error::new(Exit::Busy, format!("{name} is paused, soute resume {name} lets it run again")));
        }
        Ok(found)
    }

    /// The same, whether it is frozen or not: for who only looks, or changes what is around it.
    pub fn anyhow(layout: &Layout, name: &str) -> Result<Self> {
        Self::located(name, noted(layout, name)?)
    }

    /// The same by a number that was noted; NotRunning if that is no process of the container any more.
    pub fn located(name: &str, pid: Pid) -> Result<Self> {
        let not_running = || Error::new(Exit::NotRunning, format!("{name} is not running"));
        let number = rustix::process::Pid::from_raw(pid.as_raw()).ok_or_else(not_running)?;
        // Opened first: what is read of the number afterwards is of this process, or it has ended and setns says so.
        let pidfd = pidfd_open(number, PidfdFlags::empty()).map_err(|_| not_running())?;
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).map_err(|_| not_running())?;
        let path = groups.lines().find_map(|line| line.strip_prefix("0::")).ok_or_else(not_running)?;
        let unit = format!("soute@{name}.service");
        let end = path.find(&unit).map(|start| start + unit.len()).ok_or_else(not_running)?;
        let cgroup = PathBuf::from(format!("/sys/fs/cgroup{}", &path[..end]));
        Ok(Self { pid: number, pidfd, cgroup })
    }

    /// A file of its directory in /proc, which is its own: its number cannot have become another's.
    pub fn proc(&self, file: &str, flags: OFlags) -> Result<OwnedFd> {
        let action = || format!("cannot open {file} of the payload");
        let path = format!("/proc/{}/{file}", self.pid.as_raw_nonzero());
        let found = rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()).with_context(action)?;
        // A process that has ended has its pidfd readable.
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        match poll(&mut ended, Some(&Timespec::default())).with_context(action)? {
            0 => Ok(found),
            _ => Err(Error::new(Exit::NotRunning, "the payload has ended")),
        }
    }

    /// Its number.
    pub fn number(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// It has ended, and with it the container.
    pub fn has_ended(&self) -> bool {
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut ended, Some(&Timespec::default())).is_ok_and(|found| found > 0)
    }

    /// Waits for its end, at most that long, and says whether it has come.
    pub fn ends_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match poll(&mut ended, Some(&timeout)) {
                Err(rustix::io::Errno::INTR) => {}
                found => return found.is_ok_and(|found| found > 0),
            }
        }
    }

    /// Sockets that this thread makes from now on are the container's.
    pub fn enter_network(&self) -> Result<()> {
        setns(&self.pidfd, CloneFlags::CLONE_NEWNET).context("cannot enter the container's network")
    }

    /// Readable when it has ended.
    pub fn end(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// Its cgroup.
    pub fn cgroup(&self) -> &std::path::Path {
        &self.cgroup
    }
}

fn noted(layout: &Layout, name: &str) -> Result<Pid> {
    let not_running = || Error::new(Exit::NotRunning, format!("{name} is not running"));
    let noted = file::read(&layout.state(name).join(MAIN_PID), file::NUMBER)
        .with_context(|| format!("cannot look up the main process of {name}"))?
        .ok_or_else(not_running)?;
    noted.trim().parse().map(Pid::from_raw).map_err(|_| not_running())
}

impl Target {
    /// Its number on the host.
    pub fn pid(&self) -> rustix::process::Pid {
        self.pid
    }

    /// Its root directory, with all that is mounted there.
    pub fn root(&self) -> Result<OwnedFd> {
        self.proc("root", OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// N of the /dev/loopN that its root is on: mountinfo has the source of a mount, as it was given by who mounted it.
    pub fn root_device(&self, root: &OwnedFd) -> Result<u32> {
        let unknown = || Error::failed("cannot tell which device the container's root is on");
        let flags = rustix::fs::StatxFlags::MNT_ID;
        let mount =
            rustix::fs::statx(root, "", rustix::fs::AtFlags::EMPTY_PATH, flags).context("cannot look at its root")?;
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", self.pid)).context("cannot read its mounts")?;
        let id = mount.stx_mnt_id.to_string();
        let line = mounts.lines().find(|line| line.split(' ').next() == Some(&id)).ok_or_else(unknown)?;
        let (_, end) = line.split_once(" - ").ok_or_else(unknown)?;
        let source = end.split(' ').nth(1).ok_or_else(unknown)?;
        source.strip_prefix("/dev/loop").and_then(|number| number.parse().ok()).ok_or_else(unknown)
    }

    /// Sends it a signal; its number cannot have become another's.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let signal = rustix::process::Signal::from_named_raw(signal as i32);
        let signal = signal.ok_or_else(|| Error::failed("no such signal"))?;
        pidfd_send_signal(&self.pidfd, signal).context("cannot signal the payload")
    }
}

/// Runs a command as `systemctl reload` and health checks do: nothing on stdin, output into the journal.
pub fn run_inside(plan: &Plan, pid: Pid, argv: &[String]) -> Result<i32> {
    own_program::protect(plan)?;
    let target = Target::of(&plan.name, pid)?;
    let process = Process { argv: argv.to_vec(), terminal: false, ..plan.sandbox.process.clone() };
    spawn(&target, plan, &process, Streams::Inherited)?.wait()
}

/// Starts a command in the container, as a child of ours: returns when the program itself runs. Without arguments it is
/// the user's shell.
pub fn spawn(target: &Target, plan: &Plan, process: &Process, streams: Streams) -> Result<Command> {
    let (ours, theirs) = Channel::pair()?;
    let group = Group::of(target, plan)?;
    match raw::clone3(0, Some(group.directory.as_fd())).context("cannot enter the container's cgroup")? {
        Cloned::Child => {
            drop(ours);
            join(target, plan, process, streams, &theirs)
        }
        Cloned::Parent(joiner) => {
            drop((theirs, streams));
            let (pid, master) = started(&ours, Pid::from_raw(joiner.as_raw_nonzero().get()))?;
            Ok(Command { pid, master, group })
        }
    }
}

impl Command {
    /// Readable when it has ended.
    pub fn end(&self) -> Result<OwnedFd> {
        let pid = rustix::process::Pid::from_raw(self.pid.as_raw());
        let pid = pid.ok_or_else(|| Error::failed("the command has no process"))?;
        pidfd_open(pid, PidfdFlags::empty()).context("cannot watch the command")
    }

    /// Waits for its end; a signal counts as 128 and its number, as a shell has it.
    pub fn wait(self) -> Result<i32> {
        let status = wait(self.pid).context("cannot wait for the command");
        // Now that nothing of it is left its group can go.
        drop(self.group);
        status
    }
}

fn wait(child: Pid) -> nix::Result<i32> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(status),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Where a command goes: the unit's own group, or, where that is delegated and thus may hold no process itself, a leaf.
#[derive(Debug)]
struct Group {
    directory: OwnedFd,
    leaf: Option<PathBuf>,
}

impl Group {
    fn of(target: &Target, plan: &Plan) -> Result<Self> {
        let leaf = (plan.sandbox.init == Init::Image)
            .then(|| target.cgroup.join(format!("soute-exec-{}", std::process::id())));
        if let Some(leaf) = &leaf {
            match fs::create_dir(leaf) {
                // Of an earlier process of this number, whose command has left something behind.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                other => other.with_context(|| format!("cannot make {}", leaf.display()))?,
            }
        }
        let path = leaf.as_ref().unwrap_or(&target.cgroup);
        let directory = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { directory: directory.into(), leaf })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leaf) = &self.leaf {
            // Busy where the command has left a process behind: then it goes with the container.
            let _ = fs::remove_dir(leaf);
        }
    }
}

/// Two speak on the channel, and in any order: the joiner names the command, the command hands over its terminal or says
/// why it cannot run. The end is that the joiner has gone and the command's execve(2) has closed it.
fn started(channel: &Channel, joiner: Pid) -> Result<(Pid, Option<OwnedFd>)> {
    let (mut child, mut master, mut failure) = (None, None, None);
    let end = loop {
        match channel.receive() {
            Ok((Message::Started(pid), _)) => child = Some(Pid::from_raw(pid)),
            Ok((Message::Terminal, fd)) => master = fd,
            Ok((Message::CannotExecute(exit, text), _)) => failure = Some(Error::new(exit, text)),
            Ok((Message::Failed(text), _)) => failure = Some(Error::failed(text)),
            Ok((Message::Closed, _)) => break Ok(()),
            Ok((other, _)) => break Err(Error::failed(format!("heard {other:?} from the command"))),
            Err(error) => break Err(error),
        }
    };
    let _ = wait(joiner);
    end?;
    match (child, failure) {
        (child, Some(error)) => {
            let _ = child.map(wait);
            Err(error)
        }
        (Some(child), None) => Ok((child, master)),
        (None, None) => Err(Error::new(Exit::NotRunning, "the container has ended")),
    }
}
